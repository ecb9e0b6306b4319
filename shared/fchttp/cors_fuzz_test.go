package fchttp_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"ossupload/shared/fchttp"
)

// An origin is allowed when it is one of the configured ones to the letter, and
// in no other case.
func FuzzCORSOrigin(f *testing.F) {
	configured := []string{"https://app.example.com", "http://127.0.0.1:5173"}
	for _, origin := range append(configured, "https://app.example.com.evil.example", "https://app.example.com:443", "HTTPS://APP.EXAMPLE.COM",
		"https://app.example.com/", "null", "*", "", "https://app.example.com, https://evil.example", "https://evil.example\r\nx: y") {
		f.Add(origin)
	}
	adapter := &fchttp.Adapter{
		Handler:     fchttp.Handle(func(*http.Request) (any, error) { return struct{}{}, nil }),
		CORSOrigins: configured,
		Log:         slog.New(slog.DiscardHandler),
	}
	f.Fuzz(func(t *testing.T, origin string) {
		event, err := json.Marshal(map[string]any{
			"httpMethod": "OPTIONS", "path": "/presign",
			"headers": map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST"},
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := adapter.Invoke(t.Context(), "req-1", event)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Headers map[string]string `json:"headers"`
		}
		if err := json.Unmarshal(answer, &got); err != nil {
			t.Fatal(err)
		}
		want := ""
		if slices.Contains(configured, origin) {
			want = origin
		}
		if allowed := got.Headers["Access-Control-Allow-Origin"]; allowed != want {
			t.Errorf("origin %q is allowed as %q, want %q", origin, allowed, want)
		}
		if _, ok := got.Headers["Access-Control-Allow-Credentials"]; ok {
			t.Error("credentials are allowed")
		}
	})
}
