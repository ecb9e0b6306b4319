package fchttp_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/trace"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// What was learned on the way stands in the line: who asked, under another name,
// what was announced, and how long others took.
func TestLogOfWhatWasLearned(t *testing.T) {
	log, buf, lines := logLines(t)
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	handle := func(r *http.Request) (any, error) {
		tr := trace.From(r.Context())
		tr.Ask("alice@example.com")
		for i, o := range []trace.Outside{trace.OSS, trace.STS, trace.Keys, trace.Webhook} {
			end := tr.Begin(o)
			clock = clock.Add(time.Duration(i+1) * time.Millisecond)
			end()
		}
		tr.Announce(trace.Announced{Event: "evt_1", As: "queued", Bytes: 5})
		return map[string]string{}, nil
	}
	a := &fchttp.Adapter{
		Handler: fchttp.NewMux(fchttp.Route{Method: "POST", Pattern: "/{path...}", Handle: handle}), Log: log, Name: "callback",
		Now: func() time.Time { return clock }, Random: strings.NewReader(strings.Repeat("\x01", 24)),
		Pseudonym: func(subject string) string { return strings.Repeat("*", len(subject)) },
	}
	invoke(t, a, gateway(t, map[string]any{"path": "/callback", "headers": map[string]any{"TraceParent": traceparent}, "body": "12345"}))
	want := map[string]any{
		"level": "INFO", "msg": "request", "requestId": requestID, "function": "callback", "traceId": "0af7651916cd43dd8448eb211c80319c",
		"subject": "*****************", "route": "/{path...}", "method": "POST", "status": 200.0, "bytesIn": 5.0, "bytesOut": 2.0,
		"durationMs": 10.0, "coldStart": true, "ossMs": 1.0, "stsMs": 2.0, "keysMs": 3.0, "webhookMs": 4.0,
		"eventId": "evt_1", "announced": "queued", "objectBytes": 5.0,
	}
	got := lines()
	if len(got) != 1 {
		t.Fatalf("log = %s, want one line", buf)
	}
	delete(got[0], "time")
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("line = %v, want %v", got[0], want)
	}
}

// Without a way to rename subjects none is logged.
func TestNoPseudonymNoSubject(t *testing.T) {
	log, buf, _ := logLines(t)
	a := &fchttp.Adapter{Log: log, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { trace.From(r.Context()).Ask("alice") })}
	invoke(t, a, gateway(t, nil))
	if strings.Contains(buf.String(), "alice") || strings.Contains(buf.String(), "subject") {
		t.Errorf("log = %s, want no subject", buf)
	}
}

// The first event of an instance says so and names its version, whatever it is.
func TestColdStart(t *testing.T) {
	log, _, lines := logLines(t)
	a := &fchttp.Adapter{Log: log, Version: "v1.2.3", Handler: answering("ok", nil)}
	if _, err := a.Invoke(t.Context(), requestID, []byte(`{"neither":"nor"}`)); err == nil {
		t.Error("an unknown event is no error")
	}
	invoke(t, a, gateway(t, nil))
	got := lines()
	if len(got) != 2 || got[0]["coldStart"] != true || got[1]["coldStart"] != false {
		t.Errorf("log = %v, want a cold start and then none", got)
	}
	if got[0]["version"] != "v1.2.3" || got[1]["version"] != nil {
		t.Errorf("versions = %v, %v, want that of the program with the cold start alone", got[0]["version"], got[1]["version"])
	}
}

// Events that are no requests have a trace, too, and say where their time went.
func TestLogOfEvents(t *testing.T) {
	log, _, lines := logLines(t)
	worked := func(ctx context.Context) error {
		trace.From(ctx).Begin(trace.OSS)()
		if trace.From(ctx).Parent() == "" {
			return errors.New("no trace")
		}
		return nil
	}
	a := &fchttp.Adapter{
		Log: log, Name: "complete",
		Timer:  func(ctx context.Context, _ string) (any, error) { return nil, worked(ctx) },
		Stored: func(ctx context.Context, _ []fchttp.StoredObject) error { return worked(ctx) },
	}
	events := map[string]string{
		"timer": `{"triggerTime":"2026-01-01T00:00:00Z","triggerName":"t","payload":"{}"}`,
		"oss":   `{"events":[{"eventName":"ObjectCreated:PutObject","eventSource":"acs:oss","oss":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`,
	}
	for trigger, event := range events {
		if _, err := a.Invoke(t.Context(), requestID, []byte(event)); err != nil {
			t.Fatal(err)
		}
		got := lines()
		last := got[len(got)-1]
		if last["trigger"] != trigger || last["function"] != "complete" || last["ossMs"] == nil || last["traceId"] == nil || last["durationMs"] == nil {
			t.Errorf("line of %s = %v", trigger, last)
		}
	}
}
