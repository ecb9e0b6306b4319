package callerauth_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"ossupload/shared/callerauth"
)

// Callers are believed in one way, which has the given clock and log.
func TestNew(t *testing.T) {
	withSecret := func() *callerauth.JWTConfig {
		return &callerauth.JWTConfig{Secret: []byte(secret), Audience: "ossupload"}
	}
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e"))}
	withKeys := func() *callerauth.JWKSConfig {
		return &callerauth.JWKSConfig{URL: keysURL, Issuer: issuerName, Audience: "uploads", Client: &http.Client{Transport: server}}
	}
	withHeader := &callerauth.HeaderConfig{Name: "X-User", Secret: []byte(secret)}
	gateway := http.Header{"X-User": {"alice"}, "X-User-Secret": {secret}}
	mine := bearerHeader(token(`"sub":"alice"`))
	theirs := bearerHeader(sealed(t, testKeys()["ES256"], headerOf("ES256", "e"), alice("")))
	for _, tt := range []struct {
		name   string
		config callerauth.Config
		send   http.Header
		want   string // the subject; "": New fails
	}{
		{"a shared secret", callerauth.Config{JWT: withSecret()}, mine, "alice"},
		{"an issuer's keys", callerauth.Config{JWKS: withKeys()}, theirs, "alice"},
		{"a gateway's header", callerauth.Config{Header: withHeader}, gateway, "alice"},
		{"nobody asked", callerauth.Config{None: true}, http.Header{}, callerauth.Anonymous},
		{"no way", callerauth.Config{}, nil, ""},
		{"a secret and keys", callerauth.Config{JWT: withSecret(), JWKS: withKeys()}, nil, ""},
		{"a secret, and nobody asked", callerauth.Config{JWT: withSecret(), None: true}, nil, ""},
		{"a header, and nobody asked", callerauth.Config{Header: withHeader, None: true}, nil, ""},
		{"a short secret", callerauth.Config{JWT: &callerauth.JWTConfig{Secret: []byte(secret)[:31], Audience: "ossupload"}}, nil, ""},
		{"keys of no issuer", callerauth.Config{JWKS: &callerauth.JWKSConfig{URL: keysURL, Audience: "uploads"}}, nil, ""},
		{"a header without a secret", callerauth.Config{Header: &callerauth.HeaderConfig{Name: "X-User"}}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			auth, err := callerauth.New(tt.config, at(noon), slog.New(slog.NewTextHandler(&log, nil)))
			if checked := tt.config.Check(); (err == nil) != (tt.want != "") || (checked == nil) != (err == nil) {
				t.Fatalf("New = %v and Check = %v, want an Authenticator %v", err, checked, tt.want != "")
			}
			if err != nil {
				return
			}
			if got, err := auth.Authenticate(request(t, tt.send)); err != nil || got.Subject != tt.want {
				t.Errorf("Authenticate = %+v, %v, want %s", got, err, tt.want)
			}
			if logs := tt.config.JWKS != nil; logs != strings.Contains(log.String(), "signing keys fetched") {
				t.Errorf("the log is %q, want a fetch in it %v", &log, logs)
			}
			if later, err := callerauth.New(tt.config, at(noon.Add(time.Hour)), nil); err != nil {
				t.Error(err)
			} else if _, err := later.Authenticate(request(t, tt.send)); errors.Is(err, callerauth.ErrExpired) != (tt.config.JWT != nil || tt.config.JWKS != nil) {
				t.Errorf("Authenticate an hour later = %v, want tokens to have expired", err)
			}
		})
	}
}

// closing is a body that tells whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// Whatever a key server answers is closed: its connection would stay open.
func TestAnswersOfKeyServersAreClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		level  string // of the log line
	}{
		"keys":            {200, setOf(published(t, testKeys()["ES256"], "e")), "INFO"},
		"no key":          {200, setOf(), "WARN"},
		"not a key set":   {200, "<html>", "WARN"},
		"too long":        {200, strings.Repeat(" ", 1<<20), "WARN"},
		"another status":  {500, setOf(), "WARN"},
		"somewhere else":  {302, "", "WARN"},
		"nothing to read": {204, "", "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			body := &closing{Reader: strings.NewReader(tt.body)}
			var log bytes.Buffer
			auth := newJWKS(t, roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: tt.status, Header: http.Header{}, Body: body}, nil
			}), func(c *callerauth.JWKSConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			auth.Authenticate(request(t, bearerHeader(sealed(t, testKeys()["ES256"], headerOf("ES256", "e"), alice("")))))
			if !body.closed {
				t.Error("the answer was not closed")
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "level="+tt.level) {
				t.Errorf("the log is %q, want one line of level %s", &log, tt.level)
			}
		})
	}
}
