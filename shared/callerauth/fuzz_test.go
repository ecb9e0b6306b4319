package callerauth_test

import (
	"crypto"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ossupload/shared/callerauth"
)

// checkAnswer wants what every Authenticate promises, whatever it was given.
func checkAnswer(t *testing.T, got callerauth.Caller, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, callerauth.ErrUnauthenticated) {
			t.Errorf("error %v does not match ErrUnauthenticated", err)
		}
		answerOf(t, err)
		return
	}
	if s := got.Subject; s == "" || len(s) > 128 || !utf8.ValidString(s) {
		t.Errorf("accepted the subject %q", s)
	}
	if u := got.Limits; len(u.Context) > 512 || u.MaxSize != nil && *u.MaxSize < 0 ||
		u.ContentTypes != nil && len(u.ContentTypes) == 0 {
		t.Errorf("accepted the limits %+v", u)
	}
	if key := got.Limits.Key; key != "" && callerauth.CheckName(key) != nil {
		t.Errorf("accepted the key %q", key)
	}
	if len(got.Download) > 64 || slices.ContainsFunc(got.Download, func(key string) bool {
		return key == "" || len(key) > 1023 || !utf8.ValidString(key)
	}) {
		t.Errorf("accepted the keys %q", got.Download)
	}
	if limit := noon.Add(366 * 24 * time.Hour); got.Expires.After(limit) {
		t.Errorf("accepted a token until %v, later than %v", got.Expires, limit)
	}
}

func FuzzAuthorization(f *testing.F) {
	valid := token(`"sub":"alice"`)
	f.Add("Bearer " + valid)
	f.Add("Bearer " + segment(`{"alg":"none"}`) + "." + segment(`{}`) + ".")
	f.Add("bearer a.b.c")
	auth := newJWT(f, nil)
	f.Fuzz(func(t *testing.T, value string) {
		got, err := auth.Authenticate(request(t, http.Header{"Authorization": {value}}))
		checkAnswer(t, got, err)
		if err == nil && !strings.HasSuffix(value, valid) {
			t.Errorf("accepted %q, which nobody signed", value)
		}
	})
}

// FuzzSignedClaims signs whatever it is given, to get behind the signature.
func FuzzSignedClaims(f *testing.F) {
	f.Add(hs256, claims(`"sub":"alice","upload":{"maxSize":1,"context":[],"contentTypes":["a/b"],"key":"orders/7/a.pdf"}`))
	f.Add(hs256, claims(`"sub":"alice","upload":{"key":"../_x"}`))
	f.Add(hs256, claims(`"sub":"alice","download":{"keys":["uploads/bob/a","\\ud800"]},"scope":"openid ossupload:sts"`))
	f.Add(hs256, `{"exp":1803988800,"aud":["mail","ossupload"],"sub":"alice","nbf":1,"iat":1.5}`)
	f.Add(`{"alg":"HS256","crit":[]}`, `null`)
	f.Add(hs256, `{"exp":1e308,"aud":[""]}`)
	auth := newJWT(f, nil)
	f.Fuzz(func(t *testing.T, header, payload string) {
		text := sign(crypto.SHA256, secret, header, payload)
		got, err := auth.Authenticate(request(t, bearerHeader(text)))
		checkAnswer(t, got, err)
	})
}

func FuzzHeader(f *testing.F) {
	f.Add("alice", secret)
	f.Add("alice, bob", "")
	auth, err := callerauth.NewHeader(callerauth.HeaderConfig{Name: "X-User", Secret: []byte(secret)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, user, proof string) {
		got, err := auth.Authenticate(request(t, http.Header{"X-User": {user}, "X-User-Secret": {proof}}))
		checkAnswer(t, got, err)
		if err == nil && proof != secret {
			t.Errorf("accepted the secret %q", proof)
		}
	})
}
