package callerauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/callerauth"
)

func replaced(t *testing.T, s, from, to string) string {
	t.Helper()
	if strings.Count(s, from) != 1 {
		t.Fatalf("%q is not in %q once", from, s)
	}
	return strings.Replace(s, from, to, 1)
}

// TestKeySetUses changes one thing of a key that is used, and asks whether a
// token that it signed is still accepted.
func TestKeySetUses(t *testing.T) {
	keys := testKeys()
	rsaKey, ecKey := keys["RS256"].(*rsa.PrivateKey), keys["ES256"].(*ecdsa.PrivateKey)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := published(t, rsaKey, "r")
	e := published(t, ecKey, "e")
	d := published(t, keys["EdDSA"], "d")
	modulus := base64url(rsaKey.N.Bytes())
	point, err := ecKey.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := base64url(point[1:33]), base64url(point[33:])
	edX := base64url(keys["EdDSA"].Public().(ed25519.PublicKey))
	// 32 octets leave two bits of the last of 43 letters unused.
	stray := func(s string) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := len(s) - 1
		return s[:last] + alphabet[strings.IndexByte(alphabet, s[last])+1:][:1]
	}
	number := func(bits int) string { // odd, of exactly these bits
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
		return base64url(n.Bytes())
	}
	for _, c := range []struct {
		name, algorithm, document string
		want                      error
	}{
		{"RSA as it is", "RS256", setOf(r), nil},
		{"EC as it is", "ES256", setOf(e), nil},
		{"OKP as it is", "EdDSA", setOf(d), nil},
		{"use, key_ops and alg that fit", "RS256", setOf(published(t, rsaKey, "r", `"use":"sig"`, `"key_ops":["verify"]`, `"alg":"RS256"`)), nil},
		{"members that nobody knows", "ES256", `{"keys":[` + published(t, ecKey, "e", `"x5c":["AAAA"]`, `"x5u":"https://x.example.com"`, `"hm":{"a":[1]}`) + `],"more":1}`, nil},
		{"zero octet before the modulus", "RS256", setOf(replaced(t, r, modulus, base64url(append([]byte{0}, rsaKey.N.Bytes()...)))), nil},

		{"use enc", "RS256", setOf(published(t, rsaKey, "r", `"use":"enc"`)), callerauth.ErrNoKey},
		{"use is null", "RS256", setOf(published(t, rsaKey, "r", `"use":null`)), callerauth.ErrNoKey},
		{"use in upper case", "RS256", setOf(published(t, rsaKey, "r", `"use":"SIG"`)), callerauth.ErrNoKey},
		{"key_ops without verify", "ES256", setOf(published(t, ecKey, "e", `"key_ops":["sign"]`)), callerauth.ErrNoKey},
		{"key_ops empty", "ES256", setOf(published(t, ecKey, "e", `"key_ops":[]`)), callerauth.ErrNoKey},
		{"key_ops is a string", "ES256", setOf(published(t, ecKey, "e", `"key_ops":"verify"`)), callerauth.ErrNoKey},
		{"alg RS512", "RS256", setOf(published(t, rsaKey, "r", `"alg":"RS512"`)), callerauth.ErrNoKey},
		{"alg of another type", "ES256", setOf(published(t, ecKey, "e", `"alg":"RS256"`)), callerauth.ErrNoKey},
		{"alg HS256", "RS256", setOf(published(t, rsaKey, "r", `"alg":"HS256"`)), callerauth.ErrNoKey},
		{"alg is null", "EdDSA", setOf(published(t, keys["EdDSA"], "d", `"alg":null`)), callerauth.ErrNoKey},
		{"private half published", "EdDSA", setOf(published(t, keys["EdDSA"], "d", `"d":"AAAA"`)), callerauth.ErrNoKey},
		{"kid is a number", "RS256", setOf(replaced(t, r, `"kid":"r"`, `"kid":1`)), callerauth.ErrNoKey},
		{"no kid", "RS256", setOf(published(t, rsaKey, "")), callerauth.ErrNoKey},
		{"member named twice", "RS256", setOf(published(t, rsaKey, "r", `"kty":"RSA"`)), callerauth.ErrNoKey},
		{"kty oct", "RS256", setOf(`{"kty":"oct","kid":"r","k":"` + modulus + `"}`), callerauth.ErrNoKey},
		{"kty in lower case", "RS256", setOf(replaced(t, r, `"RSA"`, `"rsa"`)), callerauth.ErrNoKey},
		{"no kty", "RS256", setOf(replaced(t, r, `"kty":"RSA",`, ``)), callerauth.ErrNoKey},
		{"KTY", "RS256", setOf(replaced(t, r, `"kty"`, `"KTY"`)), callerauth.ErrNoKey},

		{"RSA of 2047 bits", "RS256", setOf(replaced(t, r, modulus, number(2047))), callerauth.ErrNoKey},
		{"RSA of 1024 bits", "RS256", setOf(replaced(t, r, modulus, number(1024))), callerauth.ErrNoKey},
		{"another RSA modulus of 2048 bits is used", "RS256", setOf(replaced(t, r, modulus, number(2048))), callerauth.ErrSignature},
		{"RSA of 8192 bits is used", "RS256", setOf(replaced(t, r, modulus, number(8192))), callerauth.ErrSignature},
		{"RSA of 8193 bits", "RS256", setOf(replaced(t, r, modulus, number(8193))), callerauth.ErrNoKey},
		{"even modulus", "RS256", setOf(replaced(t, r, modulus, base64url(new(big.Int).Lsh(big.NewInt(1), 2047).Bytes()))), callerauth.ErrNoKey},
		{"exponent 1", "RS256", setOf(replaced(t, r, `"AQAB"`, `"AQ"`)), callerauth.ErrNoKey},
		{"exponent 3", "RS256", setOf(replaced(t, r, `"AQAB"`, `"Aw"`)), callerauth.ErrNoKey},
		{"exponent 65535", "RS256", setOf(replaced(t, r, `"AQAB"`, `"__8"`)), callerauth.ErrNoKey},
		{"exponent 65538", "RS256", setOf(replaced(t, r, `"AQAB"`, `"AQAC"`)), callerauth.ErrNoKey},
		{"exponent 65539 is used", "RS256", setOf(replaced(t, r, `"AQAB"`, `"AQAD"`)), callerauth.ErrSignature},
		{"exponent of 32 bits", "RS256", setOf(replaced(t, r, `"AQAB"`, `"_____w"`)), callerauth.ErrNoKey},
		{"exponent of 64 bits and 65537", "RS256", setOf(replaced(t, r, `"AQAB"`, `"`+base64url([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})+`"`)), callerauth.ErrNoKey},
		{"exponent is a number", "RS256", setOf(replaced(t, r, `"AQAB"`, `65537`)), callerauth.ErrNoKey},
		{"no exponent", "RS256", setOf(replaced(t, r, `"e":"AQAB",`, ``)), callerauth.ErrNoKey},
		{"no modulus", "RS256", setOf(`{"kty":"RSA","kid":"r","e":"AQAB"}`), callerauth.ErrNoKey},
		{"modulus padded", "RS256", setOf(replaced(t, r, modulus, modulus+"==")), callerauth.ErrNoKey},
		{"line break in the modulus", "RS256", setOf(replaced(t, r, modulus, modulus[:4]+`\n`+modulus[4:])), callerauth.ErrNoKey},

		{"P-384", "ES256", setOf(published(t, p384, "e")), callerauth.ErrNoKey},
		{"P-384 that says P-256", "ES256", setOf(replaced(t, published(t, p384, "e"), "P-384", "P-256")), callerauth.ErrNoKey},
		{"P-256 that says P-384", "ES256", setOf(replaced(t, e, "P-256", "P-384")), callerauth.ErrNoKey},
		{"no curve", "ES256", setOf(replaced(t, e, `"crv":"P-256",`, ``)), callerauth.ErrNoKey},
		{"point beside the curve", "ES256", setOf(replaced(t, e, x, y)), callerauth.ErrNoKey},
		{"point at zero", "ES256", setOf(replaced(t, replaced(t, e, x, base64url(make([]byte, 32))), y, base64url(make([]byte, 32)))), callerauth.ErrNoKey},
		{"zero octet before x", "ES256", setOf(replaced(t, e, x, base64url(append([]byte{0}, point[1:33]...)))), callerauth.ErrNoKey},
		{"stray bits behind x", "ES256", setOf(replaced(t, e, x, stray(x))), callerauth.ErrNoKey},
		{"x and y shifted by an octet", "ES256", setOf(replaced(t, replaced(t, e, x, base64url(point[1:34])), y, base64url(point[34:]))), callerauth.ErrNoKey},
		{"no y", "ES256", setOf(`{"kty":"EC","crv":"P-256","kid":"e","x":"` + x + `"}`), callerauth.ErrNoKey},

		{"Ed448", "EdDSA", setOf(replaced(t, d, "Ed25519", "Ed448")), callerauth.ErrNoKey},
		{"X25519", "EdDSA", setOf(replaced(t, d, "Ed25519", "X25519")), callerauth.ErrNoKey},
		{"x of 31 octets", "EdDSA", setOf(replaced(t, d, edX, base64url(make([]byte, 31)))), callerauth.ErrNoKey},
		{"x of 33 octets", "EdDSA", setOf(replaced(t, d, edX, base64url(make([]byte, 33)))), callerauth.ErrNoKey},

		{"between keys that are none", "ES256", setOf(`null`, `1`, `[]`, `{}`, `"x"`, e, `{"kty":"RSA","kid":"x"}`), nil},
		{"an empty set", "ES256", setOf(), callerauth.ErrNoKey},
		{"kid used twice", "ES256", setOf(e, published(t, newKey(t), "e")), callerauth.ErrNoKey},
		{"kid used three times", "ES256", setOf(e, published(t, newKey(t), "e"), published(t, newKey(t), "e")), callerauth.ErrNoKey},
		{"the key itself twice", "ES256", setOf(e, e), callerauth.ErrNoKey},
		{"kid used by a key of another type", "ES256", setOf(e, published(t, rsaKey, "e")), callerauth.ErrNoKey},
		{"kid used by a key that is not for signatures", "ES256", setOf(e, published(t, newKey(t), "e", `"use":"enc"`)), nil},
		{"kid of others used twice", "ES256", setOf(e, d, d), nil},
		{"64 keys", "ES256", setOf(append(strings.Split(strings.Repeat("{} ", 63), " ")[:63], e)...), nil},
		{"65 keys", "ES256", setOf(append(strings.Split(strings.Repeat("{} ", 64), " ")[:64], e)...), callerauth.ErrKeys},

		{"no list", "ES256", `{}`, callerauth.ErrKeys},
		{"list is null", "ES256", `{"keys":null}`, callerauth.ErrKeys},
		{"list is an object", "ES256", `{"keys":{}}`, callerauth.ErrKeys},
		{"a bare list", "ES256", `[` + e + `]`, callerauth.ErrKeys},
		{"a bare key", "ES256", e, callerauth.ErrKeys},
		{"two lists", "ES256", `{"keys":[` + e + `],"keys":[]}`, callerauth.ErrKeys},
		{"text behind", "ES256", setOf(e) + `x`, callerauth.ErrKeys},
		{"not UTF-8", "ES256", setOf(e, "\"\xff\""), callerauth.ErrKeys},
		{"HTML", "ES256", `<!DOCTYPE html><title>Sign in</title>`, callerauth.ErrKeys},
		{"nothing", "ES256", ``, callerauth.ErrKeys},
	} {
		t.Run(c.name, func(t *testing.T) {
			kid := map[string]string{"RS256": "r", "ES256": "e", "EdDSA": "d"}[c.algorithm]
			auth := newJWKS(t, &issuer{document: c.document}, nil)
			token := sealed(t, keys[c.algorithm], headerOf(c.algorithm, kid), alice(""))
			if c.want == callerauth.ErrKeys {
				checkKeysMissing(t, auth, token)
				return
			}
			checkToken(t, auth, token, c.want)
		})
	}
}

func TestTokenWithoutKid(t *testing.T) {
	keys := testKeys()
	e := published(t, keys["ES256"], "e")
	for _, c := range []struct {
		name, document string
		want           error
	}{
		{"one key", setOf(e), nil},
		{"one key without kid", setOf(published(t, keys["ES256"], "")), nil},
		{"others of other types", setOf(published(t, keys["RS256"], "r"), e, published(t, keys["EdDSA"], "d")), nil},
		{"another that is not for signatures", setOf(e, published(t, newKey(t), "x", `"use":"enc"`)), nil},
		{"two that fit", setOf(e, published(t, newKey(t), "x")), callerauth.ErrNoKey},
		{"two that fit, one without kid", setOf(e, published(t, newKey(t), "")), callerauth.ErrNoKey},
		{"two that fit, both without kid", setOf(published(t, keys["ES256"], ""), published(t, newKey(t), "")), callerauth.ErrNoKey},
		{"none that fits", setOf(published(t, keys["RS256"], "r")), callerauth.ErrNoKey},
		{"two with one kid", setOf(e, published(t, newKey(t), "e")), callerauth.ErrNoKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &issuer{document: c.document}
			auth := newJWKS(t, server, nil)
			for range 2 {
				checkToken(t, auth, sealed(t, keys["ES256"], `{"alg":"ES256"}`, alice("")), c.want)
			}
			server.checkCalls(t, 1) // No kid is no unknown kid.
		})
	}
}

// vector is a published signature. The files in testdata say where from.
type vector struct {
	Origin    string          `json:"origin"`
	Document  json.RawMessage `json:"document"`
	Algorithm string          `json:"algorithm"`
	Token     string          `json:"token"`
	// JWT says that the payload is a claim set; it names joe, until 1300819380,
	// for no audience.
	JWT bool `json:"jwt"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/jws.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil || len(all) != 4 {
		t.Fatalf("reading vectors: %d, %v, want 4", len(all), err)
	}
	return all
}

// TestVectors verifies signatures that other people made with keys that they
// published, and refuses each with one bit changed.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Origin, func(t *testing.T) {
			keys, err := callerauth.PublishedKeys(v.Document)
			if err != nil || len(keys) != 1 || keys[0].Algorithm != v.Algorithm {
				t.Fatalf("parsing the key = %+v, %v, want one for %s", keys, err, v.Algorithm)
			}
			dot := strings.LastIndex(v.Token, ".")
			signed, signature := v.Token[:dot], v.Token[dot+1:]
			raw, err := base64.RawURLEncoding.DecodeString(signature)
			if err != nil {
				t.Fatal(err)
			}
			method := jwt.GetSigningMethod(v.Algorithm)
			if err := method.Verify(signed, raw, keys[0].Key); err != nil {
				t.Errorf("Verify() = %v, want nil", err)
			}
			raw[len(raw)/2] ^= 1
			if err := method.Verify(signed, raw, keys[0].Key); err == nil {
				t.Error("Verify() of a changed signature = nil")
			}
			if !v.JWT {
				return
			}
			// Claims are looked at after the signature: a token that is refused for
			// its audience was verified.
			auth := newJWKS(t, &issuer{document: string(v.Document)}, func(c *callerauth.JWKSConfig) {
				c.Issuer, c.SubjectClaim, c.Now = "joe", "iss", at(time.Unix(1300819379, 0))
			})
			checkToken(t, auth, v.Token, callerauth.ErrAudience)
			checkToken(t, auth, signed+"."+base64url(raw), callerauth.ErrSignature)
		})
	}
}

// TestKeySetVector reads the key set of RFC 7517, appendix A.1: one key is for
// encryption, the other for RS256.
func TestKeySetVector(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	document := `{"keys":
		[
			{"kty":"EC","crv":"P-256",
			 "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
			 "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
			 "use":"enc","kid":"1"},
			{"kty":"RSA","n":"` + n + `",
			 "e":"AQAB","alg":"RS256","kid":"2011-04-29"}
		]}`
	keys, err := callerauth.PublishedKeys([]byte(document))
	if err != nil || len(keys) != 1 || *keys[0].ID != "2011-04-29" || keys[0].Algorithm != "RS256" {
		t.Fatalf("PublishedKeys() = %+v, %v, want the RSA key", keys, err)
	}
	key := keys[0].Key.(*rsa.PublicKey)
	if got := base64url(key.N.Bytes()); got != n || key.E != 65537 {
		t.Errorf("key = %s, %d, want %s, 65537", got, key.E, n)
	}
}

func FuzzKeySet(f *testing.F) {
	for _, key := range testKeys() {
		f.Add([]byte(setOf(published(f, key, "k", `"use":"sig"`), `{"kty":"oct"}`)))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"OKP"}]}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := callerauth.PublishedKeys(document)
		if err != nil && keys != nil {
			t.Errorf("PublishedKeys() = %d keys and %v", len(keys), err)
		}
		if len(keys) > 64 {
			t.Errorf("%d keys are used", len(keys))
		}
		seen := make(map[string]bool)
		for _, k := range keys {
			if k.ID != nil {
				if seen[*k.ID] {
					t.Errorf("kid %q is used twice", *k.ID)
				}
				seen[*k.ID] = true
			}
			if err := checkUsable(k.Algorithm, k.Key); err != nil {
				t.Errorf("key for %s: %v", k.Algorithm, err)
			}
		}
	})
}

// checkUsable states the rules a second time.
func checkUsable(algorithm string, key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if algorithm != "RS256" || key.N.BitLen() < 2048 || key.E < 65537 || key.E%2 == 0 {
			return fmt.Errorf("RSA of %d bits, exponent %d", key.N.BitLen(), key.E)
		}
	case *ecdsa.PublicKey:
		if _, err := key.ECDH(); algorithm != "ES256" || key.Curve != elliptic.P256() || err != nil {
			return fmt.Errorf("EC on %v: %v", key.Curve, err)
		}
	case ed25519.PublicKey:
		if algorithm != "EdDSA" || len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("Ed25519 of %d bytes", len(key))
		}
	default:
		return fmt.Errorf("is a %T", key)
	}
	return nil
}

// FuzzJWKSAuthorization presents whatever it is given beside an honest issuer.
func FuzzJWKSAuthorization(f *testing.F) {
	key := testKeys()["EdDSA"]
	valid := sealed(f, key, headerOf("EdDSA", "d"), alice(""))
	f.Add("Bearer " + valid)
	f.Add("Bearer " + sealed(f, key, `{"alg":"EdDSA","kid":[]}`, alice("")))
	f.Add("Bearer " + segment(`{"alg":"none"}`) + "." + segment(alice("")) + ".")
	auth := newJWKS(f, &issuer{document: setOf(published(f, key, "d"))}, nil)
	f.Fuzz(func(t *testing.T, value string) {
		got, err := auth.Authenticate(request(t, map[string][]string{"Authorization": {value}}))
		checkAnswer(t, got, err)
		if err == nil && !strings.HasSuffix(value, valid) {
			t.Errorf("accepted %q, which nobody signed", value)
		}
	})
}
