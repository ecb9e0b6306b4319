package fchttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/fchttp"
)

// recording is an adapter that records, and what it logs.
func recording() (*fchttp.Adapter, *bytes.Buffer) {
	log := new(bytes.Buffer)
	now := time.Unix(0, 0)
	return &fchttp.Adapter{
		Handler: answering(nil, &api.Error{Code: api.Forbidden, Message: "No."}),
		Timer:   func(context.Context, string) (any, error) { return nil, nil },
		Stored:  func(context.Context, []fchttp.StoredObject) error { return errors.New("not now") },
		Log:     slog.New(slog.NewJSONHandler(log, nil)),
		Now:     func() time.Time { now = now.Add(5 * time.Millisecond); return now },
		Record:  true, Name: "complete",
	}, log
}

// recorded returns the lines of recorded events.
func recorded(t *testing.T, log *bytes.Buffer) (lines []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(log.Bytes()) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%.200s: %v", line, err)
		}
		if fields["msg"] == "event" {
			lines = append(lines, fields)
		}
	}
	return lines
}

func TestRecordedEvents(t *testing.T) {
	for _, tt := range []struct {
		event, trigger string
		status         float64
		code           string
		fails          bool
	}{
		{gateway(t, nil), "apigateway", 403, "forbidden", false},
		{trigger(t, "POST", nil), "http", 403, "forbidden", false},
		{trigger(t, "OPTIONS", nil), "http", 204, "", false},
		{trigger(t, "PO ST", nil), "http", 400, "invalid_request", false},
		{readEvent(t, "documented-timer.json"), "timer", 0, "", false},
		{readEvent(t, "documented-oss-trigger.json"), "oss", 0, "failed", true},
		{`{"hunter2":"of somebody"}`, "unknown", 0, "failed", true},
		{`secret`, "unknown", 0, "failed", true},
	} {
		a, log := recording()
		platform := map[string]any{"AccountId": "1234567890", "Credentials": map[string]string{"AccessKeySecret": "hush"}, "RetryCount": 1}
		if _, err := a.Invoke(fchttp.WithPlatform(t.Context(), platform), requestID, []byte(tt.event)); (err != nil) != tt.fails {
			t.Errorf("Invoke(%.60s) = %v", tt.event, err)
		}
		lines := recorded(t, log)
		if len(lines) != 1 || bytes.Count(log.Bytes(), []byte("\n")) != 2 {
			t.Fatalf("%.60s: %d recorded among %s, want one of two lines", tt.event, len(lines), log)
		}
		got := lines[0]
		want := map[string]any{"trigger": tt.trigger, "status": tt.status, "code": tt.code, "function": "complete", "requestId": requestID, "bytes": float64(len(tt.event)),
			"platform": map[string]any{"AccountId": "<#1 10 digits>", "Credentials": map[string]any{"AccessKeySecret": "<#2 4 alnum>"}, "RetryCount": 1.0}}
		for name, value := range want {
			if !reflect.DeepEqual(got[name], value) {
				t.Errorf("%.60s: %s = %v, want %v", tt.event, name, got[name], value)
			}
		}
		if took, _ := got["durationMs"].(float64); took <= 0 || got["event"] == nil {
			t.Errorf("%.60s: durationMs %v, event %v", tt.event, got["durationMs"], got["event"])
		}
		for _, secret := range []string{"hush", "1234567890", "of somebody", "hunter2", "alice", "203.0.113"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%.60s: the log holds %q: %s", tt.event, secret, log)
			}
		}
	}
}

func TestNothingIsRecordedUnasked(t *testing.T) {
	a, log := recording()
	a.Record = false
	if _, err := a.Invoke(t.Context(), requestID, []byte(gateway(t, nil))); err != nil || len(recorded(t, log)) != 0 {
		t.Errorf("Invoke = %v, logs %s, want no event", err, log)
	}
}

// FC cuts lines at 32 KB; a recorded event takes half of it at most.
func TestRecordedEventsAreBounded(t *testing.T) {
	const most = 16 << 10
	long := strings.Repeat(`{\"a\":[\"/bc d\",`, 100_000)
	lists := `{"a":1` + strings.Repeat(`,"a name":["`+strings.Repeat(`a b","`, 30)+`"]`, 100) + `}`
	for _, event := range []string{
		lists,
		trigger(t, "POST", map[string]any{"body": strings.Repeat("x", 2<<20)}),
		`{"version":"v1","rawPath":"/","requestContext":{},"headers":{` + strings.TrimSuffix(strings.Repeat(`"x-y-z":"`+strings.Repeat("a b", 30)+`",`, 30_000), ",") + `}}`,
		`{"triggerTime":"` + long + `"}`, long,
	} {
		a, log := recording()
		_, _ = a.Invoke(fchttp.WithPlatform(t.Context(), json.RawMessage(lists)), requestID, []byte(event))
		for line := range bytes.Lines(log.Bytes()) {
			if len(line) > most {
				t.Errorf("%.60s: a line of %d bytes, want at most %d", event, len(line), most)
			}
		}
		if len(recorded(t, log)) != 1 {
			t.Errorf("%.60s is not recorded", event)
		}
	}
}

// What cannot be recorded does not cost the answer.
func TestRecordingDoesNotFailTheAnswer(t *testing.T) {
	for _, platform := range []any{func() {}, panicking{}} {
		a, log := recording()
		out, err := a.Invoke(fchttp.WithPlatform(t.Context(), platform), requestID, []byte(gateway(t, nil)))
		if err != nil || parseReply(t, out).StatusCode != 403 {
			t.Errorf("Invoke = %s, %v, want 403", out, err)
		}
		if lines := recorded(t, log); len(lines) != 1 || lines[0]["err"] == nil {
			t.Errorf("the log = %s, want what was wrong", log)
		}
	}
}

type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("a secret") }

// What recording costs, and what it costs where nobody asked for it.
func BenchmarkInvoke(b *testing.B) {
	event := []byte(`{"version":"v1","rawPath":"/presign","body":"{\"filename\":\"a.jpg\",\"size\":5}","isBase64Encoded":false,` +
		`"headers":{"Authorization":"Bearer caller","Content-Type":"application/json"},"queryParameters":{},` +
		`"requestContext":{"accountId":"123456789","http":{"method":"POST","path":"/presign","sourceIp":"203.0.113.7"}}}`)
	for name, record := range map[string]bool{"on": true, "off": false} {
		b.Run(name, func(b *testing.B) {
			a := &fchttp.Adapter{Handler: answering("done", nil), Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Record: record}
			for b.Loop() {
				if _, err := a.Invoke(b.Context(), requestID, event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
