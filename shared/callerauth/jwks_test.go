package callerauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/callerauth"
)

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// testKeys are made once for all tests, by algorithm; nobody changes them.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"RS256": rsaKey, "ES256": ecKey, "EdDSA": edKey}
})

// newKey makes another key than that of testKeys, for ES256.
func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sealed signs by hand, as the key's type wants it, whatever the header says.
func sealed(t testing.TB, key crypto.Signer, header, payload string) string {
	t.Helper()
	signed := segment(header) + "." + segment(payload)
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, key, digest[:]); err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, []byte(signed))
	default:
		t.Fatalf("no way to sign with %T", key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64url(signature)
}

// published writes a key as an issuer does, with more members behind.
func published(t testing.TB, key crypto.Signer, kid string, more ...string) string {
	t.Helper()
	var members []string
	switch key := key.Public().(type) {
	case *rsa.PublicKey:
		members = []string{`"kty":"RSA"`, `"n":"` + base64url(key.N.Bytes()) + `"`, `"e":"` + base64url(big.NewInt(int64(key.E)).Bytes()) + `"`}
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := len(point) / 2
		members = []string{`"kty":"EC"`, `"crv":"` + key.Params().Name + `"`, `"x":"` + base64url(point[1:1+half]) + `"`, `"y":"` + base64url(point[1+half:]) + `"`}
	case ed25519.PublicKey:
		members = []string{`"kty":"OKP"`, `"crv":"Ed25519"`, `"x":"` + base64url(key) + `"`}
	default:
		t.Fatalf("no way to publish %T", key)
	}
	if kid != "" {
		members = append(members, `"kid":"`+kid+`"`)
	}
	return "{" + strings.Join(append(members, more...), ",") + "}"
}

func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// issuer is a key server without a network.
type issuer struct {
	mu       sync.Mutex
	document string
	header   http.Header
	down     error
	calls    int
}

func (i *issuer) RoundTrip(*http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls++
	if i.down != nil {
		return nil, i.down
	}
	return answer(200, i.header, i.document), nil
}

func answer(status int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func (i *issuer) publish(document string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.document = document
}

func (i *issuer) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = err
}

// checkCalls wants the number of fetches since the issuer was made.
func (i *issuer) checkCalls(t *testing.T, want int) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.calls != want {
		t.Errorf("keys were fetched %d times, want %d", i.calls, want)
	}
}

const (
	keysURL    = "https://issuer.example.com/keys"
	issuerName = "https://issuer.example.com"
)

func newJWKS(t testing.TB, transport http.RoundTripper, change func(*callerauth.JWKSConfig)) callerauth.Authenticator {
	t.Helper()
	config := callerauth.JWKSConfig{URL: keysURL, Issuer: issuerName, Audience: "uploads", Now: at(noon), Client: &http.Client{Transport: transport}}
	if change != nil {
		change(&config)
	}
	auth, err := callerauth.NewJWKS(config)
	if err != nil {
		t.Fatalf("NewJWKS() = %v", err)
	}
	return auth
}

// alice's payload, with other members behind.
func alice(more string) string {
	return fmt.Sprintf(`{"exp":%d,"iss":"`+issuerName+`","aud":"uploads","sub":"alice"%s}`, noon.Unix()+60, more)
}

func headerOf(algorithm, kid string) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q}`, algorithm, kid)
}

// checkToken wants alice, or the reason and no word of the token.
func checkToken(t *testing.T, auth callerauth.Authenticator, token string, want error) {
	t.Helper()
	got, err := auth.Authenticate(request(t, bearerHeader(token)))
	if want != nil {
		checkRefused(t, got, err, want, append(strings.Split(token, "."), token)...)
	} else if err != nil || got.Subject != "alice" {
		t.Errorf("Authenticate() = %+v, %v, want alice", got, err)
	}
}

func TestNewJWKS(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*callerauth.JWKSConfig)
		ok     bool
	}{
		{"URL and audience", func(*callerauth.JWKSConfig) {}, true},
		{"a query", func(c *callerauth.JWKSConfig) { c.URL += "?appid=1" }, true},
		{"plain http to 127.0.0.1", func(c *callerauth.JWKSConfig) { c.URL = "http://127.0.0.1:8080/keys" }, true},
		{"plain http to ::1", func(c *callerauth.JWKSConfig) { c.URL = "http://[::1]/keys" }, true},
		{"plain http to localhost", func(c *callerauth.JWKSConfig) { c.URL = "http://localhost/keys" }, true},
		{"two algorithms", func(c *callerauth.JWKSConfig) { c.Algorithms = []string{"ES256", "EdDSA"} }, true},

		{"plain http", func(c *callerauth.JWKSConfig) { c.URL = "http://issuer.example.com/keys" }, false},
		{"plain http to a name that begins like loopback", func(c *callerauth.JWKSConfig) { c.URL = "http://127.0.0.1.example.com/" }, false},
		{"plain http to a private address", func(c *callerauth.JWKSConfig) { c.URL = "http://10.0.0.1/" }, false},
		{"a file", func(c *callerauth.JWKSConfig) { c.URL = "file:///etc/keys" }, false},
		{"no URL", func(c *callerauth.JWKSConfig) { c.URL = "" }, false},
		{"no host", func(c *callerauth.JWKSConfig) { c.URL = "https:///keys" }, false},
		{"a relative URL", func(c *callerauth.JWKSConfig) { c.URL = "/keys" }, false},
		{"a user", func(c *callerauth.JWKSConfig) { c.URL = "https://me:pw@issuer.example.com/" }, false},
		{"a fragment", func(c *callerauth.JWKSConfig) { c.URL += "#keys" }, false},
		{"no audience", func(c *callerauth.JWKSConfig) { c.Audience = "" }, false},
		{"no issuer", func(c *callerauth.JWKSConfig) { c.Issuer = "" }, false},
		{"a header for tokens", func(c *callerauth.JWKSConfig) { c.TokenHeader = "X-Token" }, true},
		{"cookies as header for tokens", func(c *callerauth.JWKSConfig) { c.TokenHeader = "Cookie" }, false},
		{"none", func(c *callerauth.JWKSConfig) { c.Algorithms = []string{"none"} }, false},
		{"HS256", func(c *callerauth.JWKSConfig) { c.Algorithms = []string{"RS256", "HS256"} }, false},
		{"RS512", func(c *callerauth.JWKSConfig) { c.Algorithms = []string{"RS512"} }, false},
		{"PS256", func(c *callerauth.JWKSConfig) { c.Algorithms = []string{"PS256"} }, false},
		{"an empty algorithm", func(c *callerauth.JWKSConfig) { c.Algorithms = []string{""} }, false},
		{"negative leeway", func(c *callerauth.JWKSConfig) { c.Leeway = -1 }, false},
		{"an hour of leeway", func(c *callerauth.JWKSConfig) { c.Leeway = time.Hour }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := callerauth.JWKSConfig{URL: keysURL, Issuer: issuerName, Audience: "uploads"}
			c.change(&config)
			_, err := callerauth.NewJWKS(config)
			if (err == nil) != c.ok {
				t.Errorf("NewJWKS() = %v, want ok %v", err, c.ok)
			}
			if err != nil && strings.Contains(err.Error(), "pw") {
				t.Errorf("error %q holds the password", err)
			}
		})
	}
}

// TestJWKS changes one thing of a token that is accepted, for each algorithm.
func TestJWKS(t *testing.T) {
	keys := testKeys()
	server := &issuer{document: setOf(published(t, keys["RS256"], "r"), published(t, keys["ES256"], "e"), published(t, keys["EdDSA"], "d"))}
	kid := map[string]string{"RS256": "r", "ES256": "e", "EdDSA": "d"}
	// The public key as HMAC secret: the bytes that an attacker can know.
	hmacWith := func(algorithm string) string {
		return sign(crypto.SHA256, published(t, keys[algorithm], kid[algorithm]), headerOf("HS256", kid[algorithm]), alice(""))
	}
	for algorithm, key := range keys {
		own := headerOf(algorithm, kid[algorithm])
		valid := sealed(t, key, own, alice(""))
		parts := strings.Split(valid, ".")
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		resigned := func(change func([]byte) []byte) string {
			return parts[0] + "." + parts[1] + "." + base64url(change(slices.Clone(signature)))
		}
		others := slices.DeleteFunc(slices.Sorted(maps.Keys(keys)), func(other string) bool { return other == algorithm })

		type test struct {
			name, token string
			want        error
		}
		tests := []test{
			{"honest", valid, nil},
			{"no kid, one key fits", sealed(t, key, `{"alg":"`+algorithm+`"}`, alice("")), nil},
			{"white space in the header", sealed(t, key, `{ "kid" : "`+kid[algorithm]+`" , "alg" : "`+algorithm+`" }`, alice("")), nil},
			{"audience in a list", sealed(t, key, own, strings.Replace(alice(""), `"uploads"`, `["x","uploads"]`, 1)), nil},

			{"first bit of the signature", resigned(func(b []byte) []byte { b[0] ^= 0x80; return b }), callerauth.ErrSignature},
			{"last bit of the signature", resigned(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), callerauth.ErrSignature},
			{"signature a byte short", resigned(func(b []byte) []byte { return b[:len(b)-1] }), callerauth.ErrSignature},
			{"signature a byte longer", resigned(func(b []byte) []byte { return append(b, 0) }), callerauth.ErrSignature},
			{"signature of zeros", resigned(func(b []byte) []byte { return make([]byte, len(b)) }), callerauth.ErrSignature},
			{"no signature", parts[0] + "." + parts[1] + ".", callerauth.ErrSignature},
			{"payload of another token", parts[0] + "." + segment(alice(`,"x":1`)) + "." + parts[2], callerauth.ErrSignature},
			{"header of another token", segment(`{"kid":"`+kid[algorithm]+`","alg":"`+algorithm+`"}`) + "." + parts[1] + "." + parts[2], callerauth.ErrSignature},

			{"alg none, no signature", segment(`{"alg":"none","kid":"`+kid[algorithm]+`"}`) + "." + parts[1] + ".", callerauth.ErrAlgorithm},
			{"alg NONE", sealed(t, key, headerOf("NONE", kid[algorithm]), alice("")), callerauth.ErrAlgorithm},
			{"alg in lower case", sealed(t, key, headerOf(strings.ToLower(algorithm), kid[algorithm]), alice("")), callerauth.ErrAlgorithm},
			{"HS256 with the public key as secret", hmacWith(algorithm), callerauth.ErrAlgorithm},
			{"alg PS256", sealed(t, key, headerOf("PS256", kid[algorithm]), alice("")), callerauth.ErrAlgorithm},
			{"no alg", sealed(t, key, `{"kid":"`+kid[algorithm]+`"}`, alice("")), callerauth.ErrAlgorithm},
			{"crit", sealed(t, key, `{"alg":"`+algorithm+`","kid":"`+kid[algorithm]+`","crit":["exp"]}`, alice("")), callerauth.ErrCritical},

			{"unknown kid", sealed(t, key, headerOf(algorithm, "x"), alice("")), callerauth.ErrNoKey},
			{"empty kid", sealed(t, key, headerOf(algorithm, ""), alice("")), callerauth.ErrNoKey},
			{"kid in upper case", sealed(t, key, headerOf(algorithm, strings.ToUpper(kid[algorithm])), alice("")), callerauth.ErrNoKey},
			{"kid is a number", sealed(t, key, `{"alg":"`+algorithm+`","kid":1}`, alice("")), callerauth.ErrMalformed},
			{"kid is null", sealed(t, key, `{"alg":"`+algorithm+`","kid":null}`, alice("")), callerauth.ErrMalformed},

			{"another audience", sealed(t, key, own, strings.Replace(alice(""), "uploads", "mail", 1)), callerauth.ErrAudience},
			{"no audience", sealed(t, key, own, strings.Replace(alice(""), `"aud"`, `"Aud"`, 1)), callerauth.ErrAudience},
			{"another issuer", sealed(t, key, own, strings.Replace(alice(""), issuerName, issuerName+"/", 1)), callerauth.ErrIssuer},
			{"no issuer", sealed(t, key, own, strings.Replace(alice(""), `"iss"`, `"Iss"`, 1)), callerauth.ErrIssuer},
			{"expired", sealed(t, key, own, strings.Replace(alice(""), fmt.Sprint(noon.Unix()+60), fmt.Sprint(noon.Unix()-30), 1)), callerauth.ErrExpired},
			{"no exp", sealed(t, key, own, strings.Replace(alice(""), `"exp"`, `"Exp"`, 1)), callerauth.ErrClaim},
			{"not yet valid", sealed(t, key, own, alice(fmt.Sprintf(`,"nbf":%d`, noon.Unix()+31))), callerauth.ErrNotYetValid},
			{"no subject", sealed(t, key, own, strings.Replace(alice(""), `"sub"`, `"Sub"`, 1)), callerauth.ErrSubject},
		}
		for _, other := range others {
			tests = append(tests,
				test{"alg " + other + " and its kid", sealed(t, key, headerOf(other, kid[other]), alice("")), callerauth.ErrSignature},
				test{"alg " + other, sealed(t, key, headerOf(other, kid[algorithm]), alice("")), callerauth.ErrNoKey},
				test{"alg " + other + ", no kid", sealed(t, key, `{"alg":"`+other+`"}`, alice("")), callerauth.ErrSignature},
				test{"kid of the key for " + other, sealed(t, key, headerOf(algorithm, kid[other]), alice("")), callerauth.ErrNoKey},
			)
		}
		for _, c := range tests {
			t.Run(algorithm+", "+c.name, func(t *testing.T) { checkToken(t, newJWKS(t, server, nil), c.token, c.want) })
		}
	}
}

func TestJWKSCaller(t *testing.T) {
	key := testKeys()["EdDSA"]
	auth := newJWKS(t, &issuer{document: setOf(published(t, key, "d"))}, func(c *callerauth.JWKSConfig) {
		c.SubjectClaim = "uid"
	})
	token := sealed(t, key, headerOf("EdDSA", "d"), alice(`,"uid":"bob","upload":{"context":7}`))
	got, err := auth.Authenticate(request(t, bearerHeader(token)))
	want := callerauth.Caller{Subject: "bob", Expires: noon.Add(time.Minute), Limits: callerauth.Limits{Context: []byte("7")}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Authenticate() = %+v, %v, want %+v", got, err, want)
	}
	checkToken(t, auth, sealed(t, key, headerOf("EdDSA", "d"), strings.Replace(alice(`,"uid":"bob"`), "issuer.", "other.", 1)), callerauth.ErrIssuer)
}

func TestJWKSAlgorithmsArePinned(t *testing.T) {
	keys := testKeys()
	server := &issuer{document: setOf(published(t, keys["RS256"], "r"), published(t, keys["ES256"], "e"), published(t, keys["EdDSA"], "d"))}
	auth := newJWKS(t, server, func(c *callerauth.JWKSConfig) { c.Algorithms = []string{"ES256"} })
	checkToken(t, auth, sealed(t, keys["RS256"], headerOf("RS256", "r"), alice("")), callerauth.ErrAlgorithm)
	checkToken(t, auth, sealed(t, keys["EdDSA"], headerOf("EdDSA", "d"), alice("")), callerauth.ErrAlgorithm)
	server.checkCalls(t, 0) // A token that is hopeless costs no fetch.
	checkToken(t, auth, sealed(t, keys["ES256"], headerOf("ES256", "e"), alice("")), nil)
}

// A token that brings its own key, or says where it is, is not listened to.
func TestJWKSIgnoresKeysOfTheToken(t *testing.T) {
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for, because a token said so", r.URL.Path)
	}))
	t.Cleanup(trap.Close)
	honest, forger := testKeys()["ES256"], newKey(t)
	server := &issuer{document: setOf(published(t, honest, "e"))}
	auth := newJWKS(t, server, nil)

	certificate := base64.StdEncoding.EncodeToString([]byte("not even a certificate"))
	for _, member := range []string{
		`"jku":"` + trap.URL + `/jku"`,
		`"x5u":"` + trap.URL + `/x5u"`,
		`"jwk":` + published(t, forger, "e"),
		`"x5c":["` + certificate + `"]`,
		`"x5t":"AAAA","x5t#S256":"AAAA"`,
	} {
		name, _, _ := strings.Cut(member, ":")
		t.Run(name, func(t *testing.T) {
			checkToken(t, auth, sealed(t, honest, `{"alg":"ES256","kid":"e",`+member+`}`, alice("")), nil)
			checkToken(t, auth, sealed(t, forger, `{"alg":"ES256","kid":"e",`+member+`}`, alice("")), callerauth.ErrSignature)
			checkToken(t, auth, sealed(t, forger, `{"alg":"ES256",`+member+`}`, alice("")), callerauth.ErrSignature)
			checkToken(t, auth, sealed(t, forger, `{"alg":"ES256","kid":"x",`+member+`}`, alice("")), callerauth.ErrNoKey)
		})
	}
	server.checkCalls(t, 2) // the first token, and the first unknown kid
}
