package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"ossupload/scripts/internal/client/clienttest"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "0": 0, "3": 3 * time.Second, "99999999999": 0,
		"Wed, 01 Jul 2026 12:00:10 GMT": 10 * time.Second, "Wed, 01 Jul 2026 11:00:00 GMT": 0,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("parseRetryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

// pausesAfter are the pauses of a run in which every try fails with err.
func pausesAfter(t *testing.T, jitter float64, tries int, err error) []time.Duration {
	t.Helper()
	pauses := new(clienttest.Pauses)
	r := Retry{Tries: tries, First: time.Second, Most: 20 * time.Second, MostAsked: 5 * time.Minute,
		Jitter: func() float64 { return jitter }, Timer: pauses.Timer}
	got := r.Do(t.Context(), "x", func(int) error { return err })
	if e, ok := errors.AsType[*Exhausted](got); !ok || e.Tries != tries || !errors.Is(got, err) {
		t.Errorf("Do = %v, want it exhausted after %d tries", got, tries)
	}
	return pauses.List()
}

func TestPauses(t *testing.T) {
	const s = time.Second
	if got, want := pausesAfter(t, 0, 8, ErrDamaged), []time.Duration{s / 2, s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}; !slices.Equal(got, want) {
		t.Errorf("shortest pauses = %v, want %v", got, want)
	}
	if got, want := pausesAfter(t, 1, 8, ErrDamaged), []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 20 * s, 20 * s}; !slices.Equal(got, want) {
		t.Errorf("longest pauses = %v, want %v", got, want)
	}
	if got := pausesAfter(t, 1, 10_000, ErrDamaged); got[len(got)-1] != 20*s {
		t.Errorf("the last of 9999 pauses = %v, want 20 s", got[len(got)-1])
	}
	if got := pausesAfter(t, 0, 2, &Refusal{Status: 503, RetryAfter: time.Hour}); got[0] != 5*time.Minute {
		t.Errorf("pause with an hour asked for = %v, want 5 minutes", got[0])
	}
}

func TestRetryDo(t *testing.T) {
	lost := &LostAnswer{Storage, io.ErrUnexpectedEOF}
	interrupted := errors.New("interrupted")
	tests := []struct {
		name  string
		tries int
		err   error // of each try
		want  string
		calls int
		seen  string // by Failed
	}{
		{"success", 3, nil, "", 1, ""},
		{"the zero value tries once", 0, lost, lost.Error(), 1, "false"},
		{"a refusal", 3, &Refusal{From: "x", Status: 404}, "x answered 404", 1, "false"},
		{"no answer", 3, lost, "giving up after 3 tries: no answer from storage: unexpected EOF", 3, "true true false"},
		{"a word of its own", 3, io.EOF, "EOF", 1, "false"},
		{"already tried enough", 3, fmt.Errorf("inner: %w", &Exhausted{9, lost}), "inner: giving up after 9 tries: no answer from storage: unexpected EOF", 1, "false"},
		{"the transport says that it is final", 3, &LostAnswer{Storage, backoff.Permanent(io.EOF)}, "no answer from storage: EOF", 1, "false"},
		{"interrupted", math.MaxInt, lost, "interrupted; the last try: no answer from storage: unexpected EOF", 5, "true true true true false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var seen []string
			calls := 0
			r := Retry{Tries: tt.tries, Timer: new(clienttest.Pauses).Timer,
				Failed: func(f Failure) { seen = append(seen, fmt.Sprint(f.Again)) }}
			err := r.Do(ctx, "x", func(number int) error {
				if calls++; number != calls {
					t.Errorf("try %d has the number %d", calls, number)
				}
				if calls == 5 {
					cancel(interrupted)
				}
				return tt.err
			})
			if fmt.Sprint(err) != tt.want && (err != nil || tt.want != "") || calls != tt.calls || strings.Join(seen, " ") != tt.seen {
				t.Errorf("Do = %v after %d calls, reported %q; want %q after %d, reported %q", err, calls, seen, tt.want, tt.calls, tt.seen)
			}
		})
	}
}

// Another try will not make a certificate good, so that the user knows at once.
func TestCertificatesAreNotTriedAgain(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	c, pauses := newClient(t, clienttest.New(t, nil))
	c.Endpoint = server.URL
	_, err := put(t, c, content(10))
	if err == nil || !strings.Contains(err.Error(), "certificate") || len(pauses.List()) > 0 {
		t.Errorf("Put = %v after %d pauses, want the certificate named at once", err, len(pauses.List()))
	}
}

func TestRefusalsAreFitToPrint(t *testing.T) {
	tests := []struct {
		name, body, want string
	}{
		{"of a function", `{"code":"forbidden","message":"No.","requestId":"r"}`, "x answered 403 forbidden: No. (request r)"},
		{"of OSS", `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>No.</Message><RequestId>r</RequestId><StringToSign>secret</StringToSign></Error>`,
			"x answered 403 AccessDenied: No. (request r)"},
		{"of a proxy", "<html><body>Blocked: https://u/?x-oss-signature=secret</body></html>", "x answered 403"},
		{"with control characters", `{"code":"\u001b[2Jforbidden","message":"a\nb"}`, "x answered 403 [2Jforbidden: ab"},
		{"empty", "", "x answered 403"},
		{"endless", `{"message":"` + strings.Repeat("é", 500) + `"}`, "x answered 403: " + strings.Repeat("é", 150) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Answer{Status: 403, Header: http.Header{}, Body: []byte(tt.body), from: "x"}
			if got := a.Refusal().Error(); got != tt.want {
				t.Errorf("refusal = %q, want %q", got, tt.want)
			}
		})
	}
}

// A 401 says what is wrong with the token, and a Date whose clock is wrong.
func TestRefusalsTellOfTokenAndClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := Answer{Status: 401, from: "x", at: now, Body: []byte(`{"code":"unauthenticated","message":"No.","requestId":"r"}`), Header: http.Header{
		"Www-Authenticate": {`Bearer error="invalid_token", error_description="the token has expired"`},
		"Date":             {now.Add(-10 * time.Minute).Format(http.TimeFormat)},
	}}
	r := a.Refusal()
	if r.Why != "the token has expired" || r.Ahead != 10*time.Minute {
		t.Errorf("refusal = %q and %v, want why, and ten minutes", r.Why, r.Ahead)
	}
	if got, want := r.Error(), "x answered 401 unauthenticated: No. [the token has expired] (request r)"; got != want {
		t.Errorf("refusal = %q, want %q", got, want)
	}
	a.Header = http.Header{"Www-Authenticate": {"Bearer"}}
	if r := a.Refusal(); r.Why != "" || r.Ahead != 0 {
		t.Errorf("refusal = %q and %v, want neither", r.Why, r.Ahead)
	}
}
