package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"testing"
)

// BenchmarkPresign is a whole invocation for a PUT, from event to answer, with
// the line that is logged for it.
func BenchmarkPresign(b *testing.B) {
	f := newSetup(b).function(b)
	f.adapter.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	event := costEvent(b)
	b.ReportAllocs()
	for b.Loop() {
		out, err := f.adapter.Invoke(b.Context(), "request-1", event)
		if err != nil {
			b.Fatal(err)
		}
		var a answer
		if json.Unmarshal(out, &a) != nil || a.Status != 200 {
			b.Fatalf("answer %s, want 200", out)
		}
	}
}

// costEvent is a request for a PUT.
func costEvent(b *testing.B) []byte {
	b.Helper()
	event, err := json.Marshal(map[string]any{
		"version": "v1", "rawPath": "/presign", "body": somePresign,
		"headers": map[string]string{
			"Authorization": "Bearer " + token(b, "alice", nil), "Content-Type": "application/json",
			"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
		"requestContext": map[string]any{"http": map[string]string{"method": "POST", "path": "/presign"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return event
}
