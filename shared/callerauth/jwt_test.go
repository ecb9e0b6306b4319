package callerauth_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for crypto.SHA384 and SHA512
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/callerauth"
)

// Tokens are made here by hand, so that these tests do not share the library's
// idea of a token.

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func sign(hash crypto.Hash, key, header, payload string) string {
	signed := segment(header) + "." + segment(payload)
	mac := hmac.New(hash.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// claims is a payload that is good but for what members make of it.
func claims(members string) string {
	return fmt.Sprintf(`{"exp":%d,"aud":"ossupload",%s}`, noon.Unix()+60, members)
}

// token is a valid token with the given members after its exp and aud.
func token(members string) string { return sign(crypto.SHA256, secret, hs256, claims(members)) }

func bearerHeader(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

func newJWT(t testing.TB, change func(*callerauth.JWTConfig)) callerauth.Authenticator {
	t.Helper()
	config := callerauth.JWTConfig{Secret: []byte(secret), Audience: "ossupload", Now: at(noon)}
	if change != nil {
		change(&config)
	}
	auth, err := callerauth.NewJWT(config)
	if err != nil {
		t.Fatalf("NewJWT() = %v", err)
	}
	return auth
}

func TestNewJWT(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*callerauth.JWTConfig)
		ok     bool
	}{
		{"a long secret", func(c *callerauth.JWTConfig) {}, true},
		{"exactly 32 bytes", func(c *callerauth.JWTConfig) { c.Secret = make([]byte, 32) }, true},
		{"31 bytes", func(c *callerauth.JWTConfig) { c.Secret = make([]byte, 31) }, false},
		{"no secret", func(c *callerauth.JWTConfig) { c.Secret = nil }, false},
		{"no audience", func(c *callerauth.JWTConfig) { c.Audience = "" }, false},
		{"an issuer", func(c *callerauth.JWTConfig) { c.Issuer = "me" }, true},
		{"all HMAC algorithms", func(c *callerauth.JWTConfig) { c.Algorithms = []string{"HS256", "HS384", "HS512"} }, true},
		{"none", func(c *callerauth.JWTConfig) { c.Algorithms = []string{"none"} }, false},
		{"RS256 beside a secret", func(c *callerauth.JWTConfig) { c.Algorithms = []string{"HS256", "RS256"} }, false},
		{"an unknown algorithm", func(c *callerauth.JWTConfig) { c.Algorithms = []string{"hs256"} }, false},
		{"an empty algorithm", func(c *callerauth.JWTConfig) { c.Algorithms = []string{""} }, false},
		{"five minutes of leeway", func(c *callerauth.JWTConfig) { c.Leeway = 5 * time.Minute }, true},
		{"negative leeway", func(c *callerauth.JWTConfig) { c.Leeway = -1 }, false},
		{"more leeway", func(c *callerauth.JWTConfig) { c.Leeway = 5*time.Minute + 1 }, false},
		{"a header for tokens", func(c *callerauth.JWTConfig) { c.TokenHeader = "X-Token-2" }, true},
		{"a header of 64 bytes", func(c *callerauth.JWTConfig) { c.TokenHeader = strings.Repeat("x", 64) }, true},
		{"a header of 65 bytes", func(c *callerauth.JWTConfig) { c.TokenHeader = strings.Repeat("x", 65) }, false},
		{"a header with a space", func(c *callerauth.JWTConfig) { c.TokenHeader = "X Token" }, false},
		{"a header with a colon", func(c *callerauth.JWTConfig) { c.TokenHeader = "X-Token:" }, false},
		{"a header with an underscore", func(c *callerauth.JWTConfig) { c.TokenHeader = "X_Token" }, false},
		{"a header beyond ASCII", func(c *callerauth.JWTConfig) { c.TokenHeader = "X-Tokén" }, false},
		{"cookies", func(c *callerauth.JWTConfig) { c.TokenHeader = "cookie" }, false},
		{"the host", func(c *callerauth.JWTConfig) { c.TokenHeader = "HOST" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := callerauth.JWTConfig{Secret: []byte(secret), Audience: "ossupload"}
			c.change(&config)
			if _, err := callerauth.NewJWT(config); (err == nil) != c.ok {
				t.Errorf("NewJWT() = %v, want ok %v", err, c.ok)
			}
		})
	}
}

// TestJWTVector verifies the token of RFC 7515, appendix A.1, which other people
// made. It has no aud, so what is wrong with it is that, and only that: a
// signature is verified before any claim is read.
func TestJWTVector(t *testing.T) {
	const vector = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	key, err := base64.RawURLEncoding.DecodeString(
		"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	auth := newJWT(t, func(c *callerauth.JWTConfig) {
		c.Secret, c.SubjectClaim, c.Now = key, "iss", at(time.Unix(1300819379, 0))
	})
	got, err := auth.Authenticate(request(t, bearerHeader(vector)))
	checkRefused(t, got, err, callerauth.ErrAudience, vector)
	got, err = auth.Authenticate(request(t, bearerHeader(strings.Replace(vector, ".dB", ".dC", 1))))
	checkRefused(t, got, err, callerauth.ErrSignature, vector)
}

func TestJWT(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs256 := func() string {
		signed := segment(`{"alg":"RS256"}`) + "." + segment(claims(`"sub":"alice"`))
		digest := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	valid := token(`"sub":"alice"`)
	parts := strings.Split(valid, ".")
	withHeader := func(header string) string {
		return sign(crypto.SHA256, secret, header, claims(`"sub":"alice"`))
	}
	payload := func(p string) string { return sign(crypto.SHA256, secret, hs256, p) }

	for _, c := range []struct {
		name   string
		values []string // of Authorization
		want   error
	}{
		{"a valid token", []string{"Bearer " + valid}, nil},
		{"scheme in lower case", []string{"bearer " + valid}, nil},
		{"scheme in upper case", []string{"BEARER " + valid}, nil},
		{"two spaces", []string{"Bearer  " + valid}, nil},
		{"white space in the payload", []string{"Bearer " + payload(fmt.Sprintf("{ \"exp\" : %d ,\n \"sub\" : \"alice\", \"aud\":[ \"ossupload\" ] }", noon.Unix()+60))}, nil},

		{"no header", nil, callerauth.ErrMissing},
		{"empty header", []string{""}, callerauth.ErrMalformed},
		{"header repeated", []string{"Bearer " + valid, "Bearer " + valid}, callerauth.ErrMalformed},
		{"another scheme", []string{"Basic " + valid}, callerauth.ErrMalformed},
		{"scheme without token", []string{"Bearer"}, callerauth.ErrMalformed},
		{"scheme and a space", []string{"Bearer "}, callerauth.ErrMalformed},
		{"token without scheme", []string{valid}, callerauth.ErrMalformed},
		{"tab after the scheme", []string{"Bearer\t" + valid}, callerauth.ErrMalformed},
		{"trailing space", []string{"Bearer " + valid + " "}, callerauth.ErrMalformed},
		{"line break inside", []string{"Bearer " + valid[:8] + "\n" + valid[8:]}, callerauth.ErrMalformed},
		{"two tokens joined by a comma", []string{"Bearer " + valid + ", Bearer " + valid}, callerauth.ErrMalformed},
		{"two segments", []string{"Bearer " + parts[0] + "." + parts[1]}, callerauth.ErrMalformed},
		{"five segments", []string{"Bearer " + valid + ".a.b"}, callerauth.ErrMalformed},
		{"base64 padding", []string{"Bearer " + valid + "="}, callerauth.ErrMalformed},
		{"8 KiB and one byte", []string{"Bearer " + strings.Repeat("a", 8<<10+1)}, callerauth.ErrMalformed},
		{"header is not JSON", []string{"Bearer " + segment("{") + "." + parts[1] + "." + parts[2]}, callerauth.ErrMalformed},
		{"payload is not JSON", []string{"Bearer " + payload("{")}, callerauth.ErrMalformed},
		{"payload is an array", []string{"Bearer " + payload("[]")}, callerauth.ErrMalformed},
		{"payload is not UTF-8", []string{"Bearer " + payload(fmt.Sprintf("{\"exp\":%d,\"sub\":\"al\xffce\"}", noon.Unix()+60))}, callerauth.ErrMalformed},
		{"claim named twice", []string{"Bearer " + token(`"sub":"alice","sub":"bob"`)}, callerauth.ErrMalformed},

		{"signature of another secret", []string{"Bearer " + sign(crypto.SHA256, secret+"x", hs256, `{"sub":"alice"}`)}, callerauth.ErrSignature},
		{"signature missing", []string{"Bearer " + parts[0] + "." + parts[1] + "."}, callerauth.ErrSignature},
		{"payload of another token", []string{"Bearer " + parts[0] + "." + segment(claims(`"sub":"bob"`)) + "." + parts[2]}, callerauth.ErrSignature},
		{"forged token that has also expired", []string{"Bearer " + sign(crypto.SHA256, secret+"x", hs256, `{"exp":1,"sub":"alice"}`)}, callerauth.ErrSignature},
		{"forged token that names no subject", []string{"Bearer " + sign(crypto.SHA256, secret+"x", hs256, fmt.Sprintf(`{"exp":%d}`, noon.Unix()+60))}, callerauth.ErrSignature},

		{"alg none, no signature", []string{"Bearer " + segment(`{"alg":"none"}`) + "." + parts[1] + "."}, callerauth.ErrAlgorithm},
		{"alg None, signed", []string{"Bearer " + withHeader(`{"alg":"None"}`)}, callerauth.ErrAlgorithm},
		{"alg RS256 with a true RSA signature", []string{"Bearer " + rs256()}, callerauth.ErrAlgorithm},
		{"alg RS256 over our HMAC", []string{"Bearer " + withHeader(`{"alg":"RS256"}`)}, callerauth.ErrAlgorithm},
		{"alg HS512 where HS256 is pinned", []string{"Bearer " + sign(crypto.SHA512, secret, `{"alg":"HS512"}`, `{"sub":"alice"}`)}, callerauth.ErrAlgorithm},
		{"no alg", []string{"Bearer " + withHeader(`{}`)}, callerauth.ErrAlgorithm},
		{"alg is a number", []string{"Bearer " + withHeader(`{"alg":256}`)}, callerauth.ErrAlgorithm},
		{"null header", []string{"Bearer " + withHeader(`null`)}, callerauth.ErrAlgorithm},
		{"crit", []string{"Bearer " + withHeader(`{"alg":"HS256","crit":["b64"],"b64":false}`)}, callerauth.ErrCritical},
		{"empty crit", []string{"Bearer " + withHeader(`{"alg":"HS256","crit":[]}`)}, callerauth.ErrCritical},

		{"no exp", []string{"Bearer " + payload(`{"aud":"ossupload","sub":"alice"}`)}, callerauth.ErrClaim},
		{"exp null", []string{"Bearer " + payload(`{"exp":null,"aud":"ossupload","sub":"alice"}`)}, callerauth.ErrClaim},
		{"exp is a string", []string{"Bearer " + payload(fmt.Sprintf(`{"exp":"%d","aud":"ossupload","sub":"alice"}`, noon.Unix()+60))}, callerauth.ErrClaim},
		{"exp beyond the year 9999", []string{"Bearer " + payload(`{"exp":253402300800,"aud":"ossupload","sub":"alice"}`)}, callerauth.ErrClaim},
		{"exp beyond all numbers", []string{"Bearer " + payload(`{"exp":1e999,"aud":"ossupload","sub":"alice"}`)}, callerauth.ErrClaim},
		{"exp negative", []string{"Bearer " + payload(`{"exp":-1,"aud":"ossupload","sub":"alice"}`)}, callerauth.ErrClaim},
		{"exp zero", []string{"Bearer " + payload(`{"exp":0,"aud":"ossupload","sub":"alice"}`)}, callerauth.ErrExpired},
		{"EXP is another claim", []string{"Bearer " + payload(fmt.Sprintf(`{"EXP":%d,"aud":"ossupload","sub":"alice"}`, noon.Unix()+60))}, callerauth.ErrClaim},
		{"nbf is a string", []string{"Bearer " + token(`"sub":"alice","nbf":"1"`)}, callerauth.ErrClaim},
		{"iat is an object", []string{"Bearer " + token(`"sub":"alice","iat":{}`)}, callerauth.ErrClaim},
		{"null payload", []string{"Bearer " + payload("null")}, callerauth.ErrClaim},

		{"no subject", []string{"Bearer " + token(`"name":"alice"`)}, callerauth.ErrSubject},
		{"Sub is another claim", []string{"Bearer " + token(`"Sub":"alice"`)}, callerauth.ErrSubject},
		{"empty subject", []string{"Bearer " + token(`"sub":""`)}, callerauth.ErrSubject},
		{"null subject", []string{"Bearer " + token(`"sub":null`)}, callerauth.ErrSubject},
		{"number as subject", []string{"Bearer " + token(`"sub":42`)}, callerauth.ErrSubject},
		{"array as subject", []string{"Bearer " + token(`"sub":["alice"]`)}, callerauth.ErrSubject},
		{"subject of 129 bytes", []string{"Bearer " + token(`"sub":"`+strings.Repeat("a", 129)+`"`)}, callerauth.ErrSubject},
		{"NUL in the subject", []string{"Bearer " + token(`"sub":"alice\u0000"`)}, callerauth.ErrSubject},
		{"line break in the subject", []string{"Bearer " + token(`"sub":"alice\nbob"`)}, callerauth.ErrSubject},
		{"half a surrogate pair in the subject", []string{"Bearer " + token(`"sub":"alice\ud800"`)}, callerauth.ErrSubject},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := make(http.Header)
			for _, v := range c.values {
				header.Add("Authorization", v)
			}
			got, err := newJWT(t, nil).Authenticate(request(t, header))
			if c.want != nil {
				checkRefused(t, got, err, c.want, append(parts, c.values...)...)
				return
			}
			want := callerauth.Caller{Subject: "alice", Expires: noon.Add(time.Minute)}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Authenticate() = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestJWTLongestToken(t *testing.T) {
	auth := newJWT(t, nil)
	// The payload grows until the token passes 8 KiB.
	longest, refused := 0, false
	for pad := 6000; !refused && pad < 6200; pad++ {
		text := token(`"sub":"alice","pad":"` + strings.Repeat("x", pad) + `"`)
		_, err := auth.Authenticate(request(t, bearerHeader(text)))
		if refused = err != nil; refused != (len(text) > 8<<10) {
			t.Fatalf("a token of %d bytes: %v", len(text), err)
		}
		if !refused {
			longest = len(text)
		}
	}
	if longest != 8<<10 || !refused {
		t.Errorf("longest accepted token = %d bytes, want %d", longest, 8<<10)
	}
}

func TestJWTAlgorithms(t *testing.T) {
	auth := newJWT(t, func(c *callerauth.JWTConfig) { c.Algorithms = []string{"HS384", "HS512"} })
	payload := claims(`"sub":"alice"`)
	for _, c := range []struct {
		name string
		hash crypto.Hash
		want error
	}{
		{"HS384", crypto.SHA384, nil},
		{"HS512", crypto.SHA512, nil},
		{"HS256", crypto.SHA256, callerauth.ErrAlgorithm},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := sign(c.hash, secret, `{"alg":"`+c.name+`"}`, payload)
			got, err := auth.Authenticate(request(t, bearerHeader(text)))
			if c.want != nil {
				checkRefused(t, got, err, c.want, text)
			} else if err != nil {
				t.Errorf("Authenticate() = %v", err)
			}
		})
	}
}

func TestJWTTimes(t *testing.T) {
	const year = 366 * 86400
	for _, c := range []struct {
		name    string
		leeway  time.Duration
		members string // offsets from noon stand as %d
		offset  int64
		want    error
	}{
		{"exp one second ahead", 0, `"exp":%d`, 1, nil},
		{"exp now, within the leeway", 0, `"exp":%d`, 0, nil},
		{"exp one second before the leeway ends", 0, `"exp":%d`, -29, nil},
		{"exp exactly at the end of the leeway", 0, `"exp":%d`, -30, callerauth.ErrExpired},
		{"exp one second after the leeway", 0, `"exp":%d`, -31, callerauth.ErrExpired},
		{"exp before the end of a leeway of a minute", time.Minute, `"exp":%d`, -59, nil},
		{"exp at the end of a leeway of a minute", time.Minute, `"exp":%d`, -60, callerauth.ErrExpired},
		{"exp with a fraction is cut", 0, `"exp":%d.9`, -30, callerauth.ErrExpired},
		{"exp one second before 366 days", 0, `"exp":%d`, year - 1, nil},
		{"exp exactly 366 days ahead", 0, `"exp":%d`, year, nil},
		{"exp one second beyond 366 days", 0, `"exp":%d`, year + 1, callerauth.ErrClaim},
		{"366 days have no leeway", time.Minute, `"exp":%d`, year + 1, callerauth.ErrClaim},

		{"nbf one second within the leeway", 0, `"exp":1800000000,"nbf":%d`, 29, nil},
		{"nbf exactly at the leeway", 0, `"exp":1800000000,"nbf":%d`, 30, nil},
		{"nbf one second beyond the leeway", 0, `"exp":1800000000,"nbf":%d`, 31, callerauth.ErrNotYetValid},
		{"iat one second within the leeway", 0, `"exp":1800000000,"iat":%d`, 29, nil},
		{"iat exactly at the leeway", 0, `"exp":1800000000,"iat":%d`, 30, nil},
		{"iat one second beyond the leeway", 0, `"exp":1800000000,"iat":%d`, 31, callerauth.ErrNotYetValid},
		{"iat long ago", 0, `"exp":1800000000,"iat":%d`, -86400, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth := newJWT(t, func(cfg *callerauth.JWTConfig) { cfg.Leeway = c.leeway })
			text := sign(crypto.SHA256, secret, hs256,
				`{"aud":"ossupload","sub":"alice",`+fmt.Sprintf(c.members, noon.Unix()+c.offset)+`}`)
			got, err := auth.Authenticate(request(t, bearerHeader(text)))
			if c.want != nil {
				checkRefused(t, got, err, c.want, text)
			} else if err != nil {
				t.Errorf("Authenticate() = %v, want no error", err)
			}
		})
	}
}

func TestJWTIssuerAndAudience(t *testing.T) {
	auth := newJWT(t, func(c *callerauth.JWTConfig) {
		c.Issuer, c.Audience, c.SubjectClaim = "https://login.example.com", "uploads", "uid"
	})
	const iss, aud = `"iss":"https://login.example.com"`, `"aud":"uploads"`
	for _, c := range []struct {
		name, members string
		want          error
	}{
		{"both match", iss + "," + aud, nil},
		{"audience in an array", iss + `,"aud":["mail","uploads"]`, nil},
		{"no issuer", aud, callerauth.ErrIssuer},
		{"empty issuer", `"iss":"",` + aud, callerauth.ErrIssuer},
		{"another issuer", `"iss":"https://login.example.com/",` + aud, callerauth.ErrIssuer},
		{"issuer in an array", `"iss":["https://login.example.com"],` + aud, callerauth.ErrIssuer},
		{"no audience", iss, callerauth.ErrAudience},
		{"empty audience", iss + `,"aud":""`, callerauth.ErrAudience},
		{"another audience", iss + `,"aud":"upload"`, callerauth.ErrAudience},
		{"array without ours", iss + `,"aud":["mail","Uploads"]`, callerauth.ErrAudience},
		{"empty name in the array", iss + `,"aud":["","uploads"]`, callerauth.ErrAudience},
		{"empty array", iss + `,"aud":[]`, callerauth.ErrAudience},
		{"array with a number", iss + `,"aud":["uploads",1]`, callerauth.ErrAudience},
		{"audience is an object", iss + `,"aud":{"uploads":true}`, callerauth.ErrAudience},
		{"audience null", iss + `,"aud":null`, callerauth.ErrAudience},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := sign(crypto.SHA256, secret, hs256, fmt.Sprintf(`{"exp":%d,"sub":"not this","uid":"alice",%s}`, noon.Unix()+60, c.members))
			got, err := auth.Authenticate(request(t, bearerHeader(text)))
			if c.want != nil {
				checkRefused(t, got, err, c.want, text)
			} else if err != nil || got.Subject != "alice" {
				t.Errorf("Authenticate() = %+v, %v, want alice", got, err)
			}
		})
	}
}

func TestJWTUpload(t *testing.T) {
	size := func(n int64) *int64 { return &n }
	context510 := `"` + strings.Repeat("c", 510) + `"` // 512 bytes of JSON
	for _, c := range []struct {
		name, members string
		want          callerauth.Limits
		refused       bool
	}{
		{"absent", `"x":1`, callerauth.Limits{}, false},
		{"empty", `"upload":{}`, callerauth.Limits{}, false},
		{
			"all members, context compacted",
			`"upload":{"context": {"order" : 7, "room":"b"} ,"maxSize": 10,"contentTypes":["image/*", "text/csv"]}`,
			callerauth.Limits{Context: []byte(`{"order":7,"room":"b"}`), MaxSize: size(10), ContentTypes: []string{"image/*", "text/csv"}},
			false,
		},
		{"context is a string", `"upload":{"context":"order 7"}`, callerauth.Limits{Context: []byte(`"order 7"`)}, false},
		{"context is null", `"upload":{"context":null}`, callerauth.Limits{Context: []byte(`null`)}, false},
		{"context of 512 bytes", `"upload":{"context":  ` + context510 + `}`, callerauth.Limits{Context: []byte(context510)}, false},
		{"context of 513 bytes", `"upload":{"context":"c` + context510[1:] + `}`, callerauth.Limits{}, true},
		{"maxSize 0", `"upload":{"maxSize":0}`, callerauth.Limits{MaxSize: size(0)}, false},
		{"greatest maxSize", `"upload":{"maxSize":9223372036854775807}`, callerauth.Limits{MaxSize: size(1<<63 - 1)}, false},

		{"upload null", `"upload":null`, callerauth.Limits{}, true},
		{"upload is an array", `"upload":[]`, callerauth.Limits{}, true},
		{"upload is a string", `"upload":"{}"`, callerauth.Limits{}, true},
		{"unknown member", `"upload":{"maxsize":10}`, callerauth.Limits{}, true},
		{"member named twice", `"upload":{"maxSize":10,"maxSize":11}`, callerauth.Limits{}, true},
		{"maxSize negative", `"upload":{"maxSize":-1}`, callerauth.Limits{}, true},
		{"maxSize null", `"upload":{"maxSize":null}`, callerauth.Limits{}, true},
		{"maxSize is a string", `"upload":{"maxSize":"10"}`, callerauth.Limits{}, true},
		{"maxSize with a fraction", `"upload":{"maxSize":10.5}`, callerauth.Limits{}, true},
		{"maxSize in powers of ten", `"upload":{"maxSize":1e3}`, callerauth.Limits{}, true},
		{"maxSize beyond 64 bits", `"upload":{"maxSize":9223372036854775808}`, callerauth.Limits{}, true},
		{"contentTypes null", `"upload":{"contentTypes":null}`, callerauth.Limits{}, true},
		{"contentTypes is a string", `"upload":{"contentTypes":"image/png"}`, callerauth.Limits{}, true},
		{"contentTypes empty", `"upload":{"contentTypes":[]}`, callerauth.Limits{}, true},
		{"contentTypes with a number", `"upload":{"contentTypes":["image/png",1]}`, callerauth.Limits{}, true},
		{"contentTypes with null", `"upload":{"contentTypes":[null]}`, callerauth.Limits{}, true},
		{"contentTypes with an empty type", `"upload":{"contentTypes":[""]}`, callerauth.Limits{}, true},
		{"contentTypes with a long type", `"upload":{"contentTypes":["a/` + strings.Repeat("b", 254) + `"]}`, callerauth.Limits{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := token(`"sub":"alice",` + c.members)
			got, err := newJWT(t, nil).Authenticate(request(t, bearerHeader(text)))
			if c.refused {
				checkRefused(t, got, err, callerauth.ErrClaim, text)
				return
			}
			if err != nil || !reflect.DeepEqual(got.Limits, c.want) {
				t.Errorf("Authenticate() = %+v, %v, want %+v", got.Limits, err, c.want)
			}
		})
	}
}
