package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
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

func TestDelay(t *testing.T) {
	luck := 0.0
	r := retry{first: time.Second, most: 20 * time.Second, jitter: func() float64 { return luck }}
	var least, most []time.Duration
	for number := 1; number <= 7; number++ {
		luck = 0
		least = append(least, r.delay(number, errDamaged))
		luck = 1
		most = append(most, r.delay(number, errDamaged))
	}
	const s = time.Second
	if want := []time.Duration{s / 2, s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}; !slices.Equal(least, want) {
		t.Errorf("shortest pauses = %v, want %v", least, want)
	}
	if want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 20 * s, 20 * s}; !slices.Equal(most, want) {
		t.Errorf("longest pauses = %v, want %v", most, want)
	}
	if got := r.delay(10_000, errDamaged); got != 20*s {
		t.Errorf("delay(10000) = %v, want 20 s", got)
	}
	if got := r.delay(1, &refusal{status: 503, retryAfter: time.Hour}); got != maxRetryAfter {
		t.Errorf("delay with an hour asked for = %v, want %v", got, maxRetryAfter)
	}
}

// Another try will not make a certificate good, so that the user knows at once.
func TestCertificatesAreNotTriedAgain(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	f := newFake(t, nil)
	path, _ := testFile(t, 10)
	o := f.upload(t.Context(), path, "", func(u *uploader) { u.client.endpoint = server.URL })
	if o.err == nil || !strings.Contains(o.err.Error(), "certificate") || len(o.pauses) > 0 {
		t.Errorf("upload() = %v after %d pauses, want the certificate named at once", o.err, len(o.pauses))
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
			a := answer{status: 403, header: http.Header{}, body: []byte(tt.body)}
			if got := a.refusal("x", time.Now()).Error(); got != tt.want {
				t.Errorf("refusal = %q, want %q", got, tt.want)
			}
		})
	}
}
