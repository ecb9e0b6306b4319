package stack_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
)

func TestRoutes(t *testing.T) {
	s := stacktest.Start(t, stack.Options{})
	tests := []struct {
		name, method, path string
		header             http.Header
		status             int
		body               string // part of it
	}{
		{"the pointer", "GET", "/_local/", nil, 200, s.Ready.OSS},
		{"no events yet", "GET", "/_local/events", nil, 200, "[]"},
		{"an event that is not there", "POST", "/_local/events/evt_1/resend", nil, 404, "no verified delivery"},
		{"no faults yet", "GET", "/_local/faults", nil, 200, "[]"},
		{"the functions' processes", "GET", "/_local/functions", nil, 200, `{"name":"callback","pid":`},
		{"the process of repair", "GET", "/_local/functions", nil, 200, `{"name":"repair","pid":`},
		{"a timer without a payload", "POST", "/_local/timer", nil, 502, "must be"},
		{"reading the timer", "GET", "/_local/timer", nil, 405, ""},
		{"starting processes", "POST", "/_local/functions", nil, 405, ""},
		{"a fault from another site's page", "DELETE", "/_local/faults", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, ""},
		{"an event from nobody", "POST", "/_local/webhook", nil, 401, "does not verify"},
		{"reading the webhook", "GET", "/_local/webhook", nil, 405, ""},
		{"the secrets cannot be asked for", "GET", "/_local/ready", nil, 404, ""},
		{"a path of presign", "POST", "/presign", nil, 401, "unauthenticated"},
		{"a path of complete", "POST", "/s3/multipart", nil, 401, "unauthenticated"},
		{"another path of complete", "POST", "/confirm", nil, 401, "unauthenticated"},
		{"a path of callback", "POST", "/callback", nil, 403, "callback_rejected"},
		{"no function's path", "GET", "/favicon.ico", nil, 404, "no function serves this path"},
		{"a path that only begins alike", "POST", "/presigned", nil, 404, "no function serves this path"},
		{"a path that is not cleaned", "POST", "/x/../presign", nil, 404, "no function serves this path"},
		{"slashes that are not joined", "POST", "//presign", nil, 404, "no function serves this path"},
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, s.Ready.Gateway+tt.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			for name, values := range tt.header {
				r.Header[name] = values
			}
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || !strings.Contains(string(body), tt.body) {
				t.Errorf("%s %s = %d %s, want %d and %q", tt.method, tt.path, res.StatusCode, body, tt.status, tt.body)
			}
			if location := res.Header.Get("Location"); location != "" {
				t.Errorf("%s %s redirects to %q", tt.method, tt.path, location)
			}
		})
	}
}
