package main

import (
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/settings"
	"ossupload/shared/uploadtoken"
)

func TestEveryRouteAnswers(t *testing.T) {
	f := newSetup(t).withSTS(t).function(t)
	for path, body := range sound {
		if a := f.post(t, path, body); a.Status != http.StatusOK {
			t.Errorf("POST %s = %d %s, want 200", path, a.Status, a.Body)
		}
	}
}

func TestNobodyGetsAnything(t *testing.T) {
	f := newSetup(t).withSTS(t).function(t)
	tests := []struct {
		name   string
		header map[string]string
	}{
		{"no token", nil},
		{"another scheme", map[string]string{"Authorization": "Basic " + token(t, "alice", nil)}},
		{"an expired token", map[string]string{"Authorization": "Bearer " + token(t, "alice", map[string]any{"exp": testSecond - 60})}},
		{"a token of nobody's", map[string]string{"Authorization": "Bearer " + token(t, "alice", nil) + "A"}},
		{"a token without a subject", map[string]string{"Authorization": "Bearer " + token(t, "", nil)}},
		{"a limit that cannot be read", map[string]string{"Authorization": "Bearer " + token(t, "alice", map[string]any{"upload": map[string]any{"maxsize": 1}})}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for path, body := range sound {
				f.send(t, "POST", path, tt.header, body).refused(t, http.StatusUnauthorized, "unauthenticated")
				// Who asks comes before what is asked.
				f.send(t, "POST", path, tt.header, "junk").refused(t, http.StatusUnauthorized, "unauthenticated")
			}
		})
	}
}

// A scope restricts only if it lists one of ours.
func TestScopes(t *testing.T) {
	f := newSetup(t).withSTS(t).function(t)
	uploads, downloads, credentials := []string{"/presign", "/session"}, []string{"/download"}, []string{"/sts"}
	tests := []struct {
		scope string
		may   []string
	}{
		{"", slices.Concat(uploads, downloads, credentials)},
		{"openid profile", slices.Concat(uploads, downloads, credentials)},
		{"ossupload:upload", uploads},
		{"openid ossupload:download", downloads},
		{"ossupload:sts", credentials},
		{"ossupload:upload ossupload:download", slices.Concat(uploads, downloads)},
	}
	for _, tt := range tests {
		proof := token(t, "alice", map[string]any{"scope": tt.scope})
		for path, body := range sound {
			a := f.postAs(t, proof, path, body)
			if slices.Contains(tt.may, path) {
				if a.Status != http.StatusOK {
					t.Errorf("scope %q: POST %s = %d %s, want 200", tt.scope, path, a.Status, a.Body)
				}
				continue
			}
			a.refused(t, http.StatusForbidden, "forbidden")
			if got := a.Header["Www-Authenticate"]; !strings.Contains(got, `error="insufficient_scope"`) {
				t.Errorf("scope %q: POST %s with WWW-Authenticate %q, want insufficient_scope", tt.scope, path, got)
			}
			// Who may not ask is not told what was wrong with the request.
			f.postAs(t, proof, path, "junk").refused(t, http.StatusForbidden, "forbidden")
		}
	}
}

// The application's other tokens are not for this.
func TestAudience(t *testing.T) {
	f := newSetup(t).function(t)
	for _, aud := range []any{"reset", []string{"reset", "ossuploads"}, ""} {
		f.postAs(t, token(t, "alice", map[string]any{"aud": aud}), "/presign", somePresign).refused(t, http.StatusUnauthorized, "unauthenticated")
	}
	if a := f.postAs(t, token(t, "alice", map[string]any{"aud": []string{"other", "ossupload"}}), "/presign", somePresign); a.Status != http.StatusOK {
		t.Errorf("answer %d %s, want 200", a.Status, a.Body)
	}
}

// The issuer's keys cannot be fetched: nothing is known of the caller, who may be
// a good one.
func TestCallersThatCannotBeVerified(t *testing.T) {
	const issuer = "http://127.0.0.1:1" // a port that was free a moment ago may be another test's by now
	s := newSetup(t).withSTS(t)
	s.settings.Caller = callerauth.Config{JWKS: &callerauth.JWKSConfig{URL: issuer, Issuer: "https://issuer.example.com", Audience: "ossupload"}}
	f := s.function(t)
	segment := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	header := map[string]string{"Authorization": "Bearer " + segment(`{"alg":"RS256"}`) + "." + segment(`{"sub":"alice","exp":9999999999}`) + "." + segment("signature")}
	for path, body := range sound {
		a := f.send(t, "POST", path, header, body)
		if a.refused(t, http.StatusServiceUnavailable, "throttled"); a.Header["Retry-After"] != "10" {
			t.Errorf("POST %s with Retry-After %q, want 10", path, a.Header["Retry-After"])
		}
	}
}

func TestAddressesAndMethods(t *testing.T) {
	f := newSetup(t).function(t)
	header := map[string]string{"Authorization": "Bearer " + token(t, "alice", nil)}
	for path, body := range sound {
		for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
			a := f.send(t, method, path, header, body)
			if a.Status != http.StatusMethodNotAllowed || a.Header["Allow"] != "OPTIONS, POST" {
				t.Errorf("%s %s = %d with Allow %q, want 405 with OPTIONS, POST", method, path, a.Status, a.Header["Allow"])
			}
		}
		f.send(t, "GET", path, header, body).refused(t, http.StatusMethodNotAllowed, "method_not_allowed")
		f.post(t, path+"/", body).refused(t, http.StatusNotFound, "not_found")
		f.post(t, "/"+path, body).refused(t, http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"/", "/presigns", "/confirm", "/s3/params", "/c/x/presign"} {
		f.post(t, path, somePresign).refused(t, http.StatusNotFound, "not_found")
	}
	if a := f.send(t, "OPTIONS", "/presign", nil, ""); a.Status != http.StatusNoContent {
		t.Errorf("OPTIONS /presign = %d, want 204", a.Status)
	}
}

func TestBodies(t *testing.T) {
	f := newSetup(t).withSTS(t).function(t)
	tests := []struct {
		name, body string
	}{
		{"not JSON", `{`},
		{"not an object", `[]`},
		{"null", `null`},
		{"a name twice", `{"odd":1,"odd":1}`},
		{"too deep", `{"odd":` + strings.Repeat("[", 8) + strings.Repeat("]", 8) + `}`},
	}
	for path := range sound {
		for _, tt := range tests {
			t.Run(path+" "+tt.name, func(t *testing.T) {
				f.post(t, path, tt.body).refused(t, http.StatusBadRequest, "invalid_json")
			})
		}
		header := map[string]string{"Authorization": "Bearer " + token(t, "alice", nil), "Content-Type": "text/plain"}
		f.send(t, "POST", path, header, sound[path]).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
		unknown := strings.Replace(sound[path], "{", `{"Odd":1,`, 1)
		f.post(t, path, strings.Replace(unknown, ",}", "}", 1)).refused(t, http.StatusBadRequest, "invalid_request", "Odd")
	}
	f.post(t, "/presign", strings.Repeat("x", 2<<20+1)).refused(t, http.StatusRequestEntityTooLarge, "too_large")
	// What has nothing that must be said needs no body.
	f.post(t, "/presign", "").refused(t, http.StatusBadRequest, "invalid_json")
	f.post(t, "/download", "").refused(t, http.StatusBadRequest, "invalid_json")
	for _, path := range []string{"/sts", "/session"} {
		if a := f.post(t, path, ""); a.Status != http.StatusOK {
			t.Errorf("POST %s without a body = %d %s, want 200", path, a.Status, a.Body)
		}
	}
}

// broken is randomness that is not there.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestNoRandomness(t *testing.T) {
	s := newSetup(t)
	s.outside.random = broken{}
	f := s.function(t)
	f.post(t, "/presign", somePresign).refused(t, http.StatusInternalServerError, "internal")
	f.post(t, "/session", "").refused(t, http.StatusInternalServerError, "internal")
}

func TestSettingsThatMakeNoHandler(t *testing.T) {
	tests := []struct {
		name   string
		change func(*setup)
	}{
		{"no place", func(s *setup) { s.settings.Place = uploadtoken.Place{} }},
		{"no way to tell callers", func(s *setup) { s.settings.Caller = callerauth.Config{} }},
		{"no token keys", func(s *setup) { s.settings.TokenKeys = nil }},
		{"no randomness", func(s *setup) { s.outside.random = nil }},
		{"no credentials", func(s *setup) { s.outside.credentials = nil }},
		{"no region", func(s *setup) { s.settings.Storage.Region = "" }},
		{"no longest life", func(s *setup) { s.settings.MaxExpires = 0 }},
		{"a role that is none", func(s *setup) { s.settings.Role = settings.Role{ARN: "acs:ram::1:user/x", Duration: time.Hour} }},
		{"a CA file that is none", func(s *setup) {
			s.settings.Role = settings.Role{ARN: roleARN, Duration: time.Hour, STSCAFile: "no such file"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			tt.change(s)
			if h, err := newHandler(s.settings, s.outside); err == nil || h != nil {
				t.Errorf("newHandler = %v, %v, want an error", h, err)
			}
		})
	}
}
