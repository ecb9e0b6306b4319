package callerauth_test

import (
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
)

// challenge is the grammar of what may be answered: RFC 6750, 3 without quotes
// and backslashes in the text, or the bare schemes.
var challenge = regexp.MustCompile(`^(Bearer|ossupload-gateway|Bearer error="invalid_token", error_description="[ !#-\[\]-~]{1,200}")$`)

// answerOf is what a client gets for err.
func answerOf(t *testing.T, err error) *api.Error {
	t.Helper()
	answer, ok := errors.AsType[*api.Error](err)
	if !ok || answer.Code != api.Unauthenticated || answer.Message == "" || !challenge.MatchString(answer.Challenge) {
		t.Fatalf("answer to %v = %+v, want 401 with a message and a challenge", err, answer)
	}
	return answer
}

func invalid(why string) string {
	return `Bearer error="invalid_token", error_description="` + why + `"`
}

// Each row changes one thing of a request that is accepted.
func TestChallenges(t *testing.T) {
	claim := func(members string) http.Header { return bearerHeader(token(members)) }
	payload := func(p string) http.Header { return bearerHeader(sign(crypto.SHA256, secret, hs256, p)) }
	at := func(name string, offset int64) http.Header {
		p := strings.Replace(claims(`"sub":"alice","iss":"me"`), `"exp"`, `"Exp"`, 1)
		if name != "exp" {
			p = claims(`"sub":"alice","iss":"me"`)
		}
		return payload(fmt.Sprintf(`%s,"%s":%d}`, strings.TrimSuffix(p, "}"), name, noon.Unix()+offset))
	}
	const good = `"iss":"me","sub":"alice"`
	valid := token(good)
	const another = ". Ask your application for another one."
	for _, c := range []struct {
		name      string
		header    http.Header
		want      error // nil: accepted
		challenge string
		message   string // in part
	}{
		{"nothing is wrong", bearerHeader(valid), nil, "", ""},

		{"no header", http.Header{}, callerauth.ErrMissing, "Bearer", "Send a JWT in the Authorization header."},
		{"another header", http.Header{"X-Token": {valid}}, callerauth.ErrMissing, "Bearer", "Send a JWT in the Authorization header."},
		{"another scheme", http.Header{"Authorization": {"Basic YTpi"}}, callerauth.ErrMalformed, "Bearer", `as "Bearer", a space and the token.`},
		{"no scheme", http.Header{"Authorization": {valid}}, callerauth.ErrMalformed, "Bearer", `as "Bearer", a space and the token.`},
		{"header repeated", http.Header{"Authorization": {"Bearer " + valid, "Bearer " + valid}}, callerauth.ErrMalformed,
			invalid("the header Authorization is repeated"), "Send it once."},
		{"too long", bearerHeader(strings.Repeat("a", 8<<10+1)), callerauth.ErrMalformed, invalid("it is longer than 8192 bytes"), another},
		{"not a JWT", bearerHeader("opaque"), callerauth.ErrMalformed, invalid("malformed credentials"), "Your token is not a JWT."},
		{"algorithm", bearerHeader(sign(crypto.SHA512, secret, `{"alg":"HS512"}`, claims(good))), callerauth.ErrAlgorithm,
			invalid("it is not signed with HS256"), another},
		{"crit", bearerHeader(sign(crypto.SHA256, secret, `{"alg":"HS256","crit":["x"]}`, claims(good))), callerauth.ErrCritical,
			invalid("critical header is not understood"), another},
		{"signature", bearerHeader(sign(crypto.SHA256, secret+"x", hs256, claims(good))), callerauth.ErrSignature,
			invalid("signature does not verify"), "Your token cannot be used: signature does not verify" + another + " It must sign with what this service verifies with: AUTH_JWT_SECRET, or a key of AUTH_JWKS_URL."},

		{"expired", at("exp", -30), callerauth.ErrExpired, invalid("token has expired"), "Your token has expired. Ask your application for a new one."},
		{"not yet valid", at("nbf", 31), callerauth.ErrNotYetValid, invalid("token is not yet valid"), "Your token is not valid yet"},
		{"issued in the future", at("iat", 31), callerauth.ErrNotYetValid, invalid("token is not yet valid"), "Your token is not valid yet"},
		{"no exp", payload(`{"aud":"ossupload",` + good + `}`), callerauth.ErrClaim, invalid("the claim exp is missing"), another + " Its tokens need exp: when they end, in seconds since 1970."},
		{"exp is a string", payload(`{"exp":"1","aud":"ossupload",` + good + `}`), callerauth.ErrClaim, invalid("the claim exp is not a time"), another},
		{"nbf is a string", claim(good + `,"nbf":"1"`), callerauth.ErrClaim, invalid("the claim nbf is not a time"), another},
		{"iat is null", claim(good + `,"iat":null`), callerauth.ErrClaim, invalid("the claim iat is not a time"), another},
		{"exp in the year 9000", payload(`{"exp":221845392000,"aud":"ossupload",` + good + `}`), callerauth.ErrClaim,
			invalid("the claim exp is more than 366 days ahead"), another},

		{"no issuer", claim(`"sub":"alice"`), callerauth.ErrIssuer, invalid("the claim iss is missing"), another + " Its tokens need AUTH_ISSUER of this service as iss."},
		{"another issuer", claim(`"iss":"eve","sub":"alice"`), callerauth.ErrIssuer, invalid("issuer is not the expected one"), another},
		{"issuer null", claim(`"iss":null,"sub":"alice"`), callerauth.ErrIssuer, invalid("the claim iss is not a name"), another},
		{"no audience", payload(fmt.Sprintf(`{"exp":%d,%s}`, noon.Unix()+60, good)), callerauth.ErrAudience, invalid("the claim aud is missing"), another + " Its tokens need AUTH_AUDIENCE of this service as aud"},
		{"another audience", payload(fmt.Sprintf(`{"exp":%d,"aud":"password-reset",%s}`, noon.Unix()+60, good)), callerauth.ErrAudience,
			invalid("audience is not the expected one"), another + " Its tokens need AUTH_AUDIENCE of this service as aud, which is ossupload unless that is set."},
		{"audience null", payload(fmt.Sprintf(`{"exp":%d,"aud":null,%s}`, noon.Unix()+60, good)), callerauth.ErrAudience,
			invalid("the claim aud is neither a name nor a list of names"), another},

		{"no subject", claim(`"iss":"me"`), callerauth.ErrSubject, invalid("the claim sub is missing"), another},
		{"subject is a number", claim(`"iss":"me","sub":7`), callerauth.ErrSubject, invalid("the claim sub is not a string"), another},
		{"subject is empty", claim(`"iss":"me","sub":""`), callerauth.ErrSubject, invalid("the claim sub is empty"), another},
		{"subject is long", claim(`"iss":"me","sub":"` + strings.Repeat("a", 129) + `"`), callerauth.ErrSubject, invalid("the claim sub is longer than 128 bytes"), another},
		{"NUL in the subject", claim(`"iss":"me","sub":"a\u0000"`), callerauth.ErrSubject, invalid("the claim sub holds control characters"), another},
		{"half a pair in the subject", claim(`"iss":"me","sub":"a\ud800"`), callerauth.ErrSubject, invalid("the claim sub is not valid UTF-8"), another},

		{"scope", claim(good + `,"scope":["ossupload:upload"]`), callerauth.ErrClaim, invalid("the claim scope is not a string"), another},
		{"download", claim(good + `,"download":[]`), callerauth.ErrClaim, invalid("the claim download is not an object of keys alone, a list of at most 64"), another},
		{"download.keys", claim(good + `,"download":{"keys":[""]}`), callerauth.ErrClaim, invalid("the claim download.keys has an entry that is not a key"), another},
		{"upload", claim(good + `,"upload":[]`), callerauth.ErrClaim, invalid("the claim upload is not an object with distinct names"), another},
		{"unknown member", claim(good + `,"upload":{"maxsize":1}`), callerauth.ErrClaim, invalid("the claim upload has an unknown member"), another},
		{"upload.context", claim(good + `,"upload":{"context":"` + strings.Repeat("c", 511) + `"}`), callerauth.ErrClaim, invalid("the claim upload.context is longer than 512 bytes"), another},
		{"upload.maxSize", claim(good + `,"upload":{"maxSize":-1}`), callerauth.ErrClaim, invalid("the claim upload.maxSize is not a whole number of bytes"), another},
		{"upload.contentTypes", claim(good + `,"upload":{"contentTypes":[]}`), callerauth.ErrClaim, invalid("the claim upload.contentTypes is not a list of types"), another},
		{"a type", claim(good + `,"upload":{"contentTypes":[""]}`), callerauth.ErrClaim, invalid("the claim upload.contentTypes has an entry that is not a type"), another},
		{"upload.key", claim(good + `,"upload":{"key":7}`), callerauth.ErrClaim, invalid("the claim upload.key is not a string"), another},
		{"a key", claim(good + `,"upload":{"key":"a//b"}`), callerauth.ErrClaim, invalid("the claim upload.key is not a name that an object may have"), another},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth := newJWT(t, func(config *callerauth.JWTConfig) { config.Issuer = "me" })
			got, err := auth.Authenticate(request(t, c.header))
			if c.want == nil {
				if err != nil {
					t.Fatalf("Authenticate() = %v, want no error", err)
				}
				return
			}
			checkRefused(t, got, err, c.want)
			answer := answerOf(t, err)
			if answer.Challenge != c.challenge || !strings.Contains(answer.Message, c.message) {
				t.Errorf("answer = %s\n%s\nwant %s\n%s", answer.Challenge, answer.Message, c.challenge, c.message)
			}
		})
	}
}

func TestChallengeOfPublishedKeys(t *testing.T) {
	key := testKeys()["ES256"]
	auth := newJWKS(t, &issuer{document: setOf(published(t, key, "e"), published(t, newKey(t), "f"))}, nil)
	for header, want := range map[string]string{
		headerOf("ES256", "x"):    invalid("no published key fits the token"),
		`{"alg":"ES256"}`:         invalid("the token has no kid, and 2 published keys fit"),
		`{"alg":"ES256","kid":1}`: invalid("kid is not a string"),
		headerOf("PS256", "e"):    invalid("it is not signed with RS256 or ES256 or EdDSA"),
	} {
		_, err := auth.Authenticate(request(t, bearerHeader(sealed(t, key, header, alice("")))))
		if got := answerOf(t, err).Challenge; got != want {
			t.Errorf("challenge for %s = %s, want %s", header, got, want)
		}
	}
}

// A name that the operator chose may hold anything; the header may not.
func TestChallengeNamesTheConfiguredClaim(t *testing.T) {
	for name, want := range map[string]string{
		"https://example.com/uid": "the claim https://example.com/uid is missing",
		"a\"b\\c\n\u00e9":         "the claim a?b?c?? is missing",
	} {
		auth := newJWT(t, func(c *callerauth.JWTConfig) { c.SubjectClaim = name })
		_, err := auth.Authenticate(request(t, bearerHeader(token(`"sub":"alice"`))))
		if got := answerOf(t, err).Challenge; got != invalid(want) {
			t.Errorf("challenge = %s, want %s", got, invalid(want))
		}
	}
}

// Behind a gateway a client learns nothing but whom to ask.
func TestChallengeOfAGateway(t *testing.T) {
	auth, err := callerauth.NewHeader(callerauth.HeaderConfig{Name: "X-User", Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]bool{}
	for _, h := range []http.Header{
		{},
		{"X-User": {"alice"}},
		{"X-User": {"alice"}, "X-User-Secret": {"wrong"}},
		{"X-User": {"a", "b"}, "X-User-Secret": {secret}},
		{"X-User": {"a,b"}, "X-User-Secret": {secret}},
		{"X-User": {""}, "X-User-Secret": {secret}},
		{"X-User-Secret": {secret}},
	} {
		_, err := auth.Authenticate(request(t, h))
		answer := answerOf(t, err)
		if answer.Challenge != "ossupload-gateway" {
			t.Errorf("challenge for %v = %s, want ossupload-gateway", h, answer.Challenge)
		}
		messages[answer.Message] = true
	}
	if len(messages) != 1 {
		t.Errorf("messages = %v, want one for all", messages)
	}
}

func TestTokenHeader(t *testing.T) {
	valid := token(`"sub":"alice"`)
	auth := newJWT(t, func(c *callerauth.JWTConfig) { c.TokenHeader = "x-app-token" })
	for _, c := range []struct {
		name      string
		header    http.Header
		want      error
		challenge string
	}{
		{"without scheme", http.Header{"X-App-Token": {valid}}, nil, ""},
		{"with scheme", http.Header{"X-App-Token": {"Bearer " + valid}}, nil, ""},
		{"with scheme in lower case", http.Header{"X-App-Token": {"bearer  " + valid}}, nil, ""},
		{"beside what the gateway takes", http.Header{"X-App-Token": {valid}, "Authorization": {"Basic YTpi"}}, nil, ""},
		{"beside another token", http.Header{"X-App-Token": {valid}, "Authorization": {"Bearer " + token(`"sub":"eve"`)}}, nil, ""},
		{"in Authorization only", bearerHeader(valid), callerauth.ErrMissing, "Bearer"},
		{"neither", http.Header{}, callerauth.ErrMissing, "Bearer"},
		{"empty beside Authorization", http.Header{"X-App-Token": {""}, "Authorization": {"Bearer " + valid}}, callerauth.ErrMalformed, invalid("malformed credentials")},
		{"scheme alone", http.Header{"X-App-Token": {"Bearer"}}, callerauth.ErrMalformed, invalid("malformed credentials")},
		{"repeated", http.Header{"X-App-Token": {valid, valid}}, callerauth.ErrMalformed, invalid("the header X-App-Token is repeated")},
		{"joined on the way", http.Header{"X-App-Token": {valid + ", " + valid}}, callerauth.ErrMalformed, invalid("the header X-App-Token holds more than a token")},
		{"another scheme", http.Header{"X-App-Token": {"Token " + valid}}, callerauth.ErrMalformed, invalid("the header X-App-Token holds more than a token")},
		{"of another secret", http.Header{"X-App-Token": {sign(crypto.SHA256, secret+"x", hs256, claims(`"sub":"alice"`))}}, callerauth.ErrSignature, invalid("signature does not verify")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := auth.Authenticate(request(t, c.header))
			if c.want == nil {
				if err != nil || got.Subject != "alice" {
					t.Errorf("Authenticate() = %+v, %v, want alice", got, err)
				}
				return
			}
			checkRefused(t, got, err, c.want, valid)
			answer := answerOf(t, err)
			if answer.Challenge != c.challenge {
				t.Errorf("challenge = %s, want %s", answer.Challenge, c.challenge)
			}
			if c.want == callerauth.ErrMissing && answer.Message != "Send a JWT in the X-App-Token header." {
				t.Errorf("message = %q", answer.Message)
			}
		})
	}
	// The default, by name, still wants the scheme.
	auth = newJWT(t, func(c *callerauth.JWTConfig) { c.TokenHeader = "AUTHORIZATION" })
	if _, err := auth.Authenticate(request(t, bearerHeader(valid))); err != nil {
		t.Errorf("Authenticate() = %v, want no error", err)
	}
	got, err := auth.Authenticate(request(t, http.Header{"Authorization": {valid}}))
	checkRefused(t, got, err, callerauth.ErrMalformed)
}
