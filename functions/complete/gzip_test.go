package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"

	"ossupload/shared/fchttp"
	"ossupload/shared/rolecreds"
)

// issuedToken is as long as a security token, and as hard to compress.
func issuedToken() string {
	var b []byte
	for i := range 8 {
		sum := sha512.Sum512([]byte{byte(i)})
		b = append(b, sum[:]...)
	}
	return base64.StdEncoding.EncodeToString(b)[:600]
}

// compressible is an upload whose URLs are as long as they are with a role's
// credentials, and the function that it is asked of.
func compressible(t testing.TB) (*fchttp.Adapter, started) {
	t.Helper()
	f := newFixture(t, func(f *fixture) {
		f.outside.credentials = &own{credentials: rolecreds.Credentials{AccessKeyID: "STS.AK", AccessKeySecret: "SK", SecurityToken: issuedToken()}}
	})
	return &fchttp.Adapter{Handler: f.handler.routes(), Now: f.now, Random: f.random}, f.start(`{"filename":"a.png","type":"image/png"}`)
}

func batchEvent(t testing.TB, s started, accept string, query map[string]string) []byte {
	t.Helper()
	return []byte(jsonOf(t, map[string]any{
		"version": "v1", "rawPath": s.path("/batch"), "queryParameters": query,
		"headers":        map[string]string{"Authorization": "alice", "Accept-Encoding": accept},
		"requestContext": map[string]any{"http": map[string]string{"method": http.MethodGet, "path": s.path("/batch")}},
	}))
}

// asked is the answer for the trigger.
type asked struct {
	StatusCode      int
	Headers         map[string]string
	IsBase64Encoded bool
	Body            string
}

// askBatch returns the answer with its body as it goes over the wire.
func askBatch(t *testing.T, a *fchttp.Adapter, event []byte) (got asked) {
	t.Helper()
	out, err := a.Invoke(t.Context(), "request-1", event)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.StatusCode != http.StatusOK {
		t.Fatalf("answer = %d %.200s, want 200", got.StatusCode, got.Body)
	}
	if got.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		got.Body = string(body)
	}
	return got
}

// unzip decodes all of a body.
func unzip(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGzipOfURLs(t *testing.T) {
	a, s := compressible(t)
	query := map[string]string{"partNumbers": "1-1000"}
	plain, zipped := askBatch(t, a, batchEvent(t, s, "identity", query)), askBatch(t, a, batchEvent(t, s, "gzip", query))
	if zipped.Headers["Content-Encoding"] != "gzip" {
		t.Fatalf("answer with %v, want gzip", zipped.Headers)
	}
	if text := unzip(t, zipped.Body); text != plain.Body {
		t.Errorf("answer is %.200s, want %.200s", text, plain.Body)
	}
	if len(zipped.Body)*10 > len(plain.Body) {
		t.Errorf("%d bytes became %d, want a tenth at most", len(plain.Body), len(zipped.Body))
	}
	delete(zipped.Headers, "Content-Encoding")
	if !maps.Equal(plain.Headers, zipped.Headers) {
		t.Errorf("headers are %v and %v, want the same", plain.Headers, zipped.Headers)
	}
}

func TestGzipOnlyPays(t *testing.T) {
	a, s := compressible(t)
	for name, query := range map[string]map[string]string{
		"few URLs":   {"partNumbers": "1-12"},
		"signatures": {"partNumbers": "1-10000", "as": "template"},
	} {
		got := askBatch(t, a, batchEvent(t, s, "gzip", query))
		if !json.Valid([]byte(got.Body)) || got.Headers["Content-Encoding"] != "" {
			t.Errorf("%s: answer is %.100s with %v, want it as it is", name, got.Body, got.Headers)
		}
	}
}

// BenchmarkGzipOfURLs is a whole invocation, from event to answer.
func BenchmarkGzipOfURLs(b *testing.B) {
	a, s := compressible(b)
	for _, parts := range []int{16, 100, 1000} {
		for _, accept := range []string{"identity", "gzip"} {
			event := batchEvent(b, s, accept, map[string]string{"partNumbers": fmt.Sprintf("1-%d", parts)})
			b.Run(fmt.Sprintf("%d/%s", parts, accept), func(b *testing.B) {
				b.ReportAllocs()
				size := 0
				for b.Loop() {
					out, err := a.Invoke(b.Context(), "request-1", event)
					if err != nil {
						b.Fatal(err)
					}
					size = len(out)
				}
				b.ReportMetric(float64(size), "answer-B")
			})
		}
	}
}
