package stack_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stacktest"
)

// uploadUnannounced uploads an object whose callback is lost, and returns its
// key.
func uploadUnannounced(t *testing.T, s *stacktest.Stack) (key string) {
	t.Helper()
	if err := s.Faults.Set(fault.Fault{Target: "callback", Operation: "*", Mode: "reset"}); err != nil {
		t.Fatal(err)
	}
	status, body := ask(t, http.MethodPost, s.Ready.Gateway+"/presign", s.Ready.CallerToken, map[string]any{"filename": "a.txt", "size": 5})
	var granted struct {
		URL, Key string
		Headers  map[string]string
	}
	if err := json.Unmarshal(body, &granted); status != http.StatusOK || err != nil {
		t.Fatalf("POST /presign = %d %s, want 200", status, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, granted.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range granted.Headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNonAuthoritativeInfo {
		t.Fatalf("PUT with a lost callback = %d, want 203", res.StatusCode)
	}
	return granted.Key
}

// announced reports whether the receiver got an event about key.
func announced(t *testing.T, s *stacktest.Stack, key string) bool {
	t.Helper()
	status, body := ask(t, http.MethodGet, s.Ready.Gateway+"/_local/events", "", nil)
	if status != http.StatusOK {
		t.Fatalf("GET /_local/events = %d %s", status, body)
	}
	return bytes.Contains(body, []byte(`"key":"`+key+`"`))
}

func fire(t *testing.T, s *stacktest.Stack, payload any) string {
	t.Helper()
	status, body := ask(t, http.MethodPost, s.Ready.Gateway+"/_local/timer", "", payload)
	if status != http.StatusOK {
		t.Fatalf("POST /_local/timer %v = %d %s, want 200", payload, status, body)
	}
	return string(body)
}

// OSS's trigger finds an upload that neither callback nor client announced.
func TestTriggerRepairs(t *testing.T) {
	for _, events := range []string{
		"trigger.encoded-keys=plain", "trigger.encoded-keys=encoded", "trigger.cloudevent=CloudEvent",
	} {
		t.Run(events, func(t *testing.T) {
			t.Parallel()
			s := stacktest.Start(t, stack.Options{Assume: stacktest.Assume(t, events), TriggerTwice: true})
			key := uploadUnannounced(t, s)
			if err := s.Triggered.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := fire(t, s, map[string]any{"do": "deliver"}); !strings.Contains(got, `"due":0`) || announced(t, s, key) {
				t.Fatalf("delivering at once = %s, want nothing due", got)
			}
			if got := fire(t, s, map[string]any{"do": "deliver", "aheadSeconds": 120}); !strings.Contains(got, `"done":1`) || !announced(t, s, key) {
				t.Errorf("delivering two minutes ahead = %s, want the upload announced", got)
			}
		})
	}
}

func TestNoTrigger(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{NoTrigger: true, Instances: 2})
	key := uploadUnannounced(t, s)
	if s.Triggered != nil {
		t.Error("there is a queue for the trigger, want none")
	}
	if got := fire(t, s, map[string]any{"do": "deliver", "aheadSeconds": 3600}); !strings.Contains(got, `"due":0`) {
		t.Errorf("delivering = %s, want nothing due", got)
	}
	if got := fire(t, s, map[string]any{"do": "sweep", "minAgeSeconds": 0}); !strings.Contains(got, `"announced":1`) || !announced(t, s, key) {
		t.Errorf("sweeping = %s, want the upload announced", got)
	}
	_, body := ask(t, http.MethodGet, s.Ready.Gateway+"/_local/functions", "", nil)
	for _, name := range []string{"presign", "callback", "complete", stack.Repair} {
		if got := bytes.Count(body, []byte(`"`+name+`"`)); got != 2 {
			t.Errorf("%s has %d processes, want 2: %s", name, got, body)
		}
	}
}

// What waits is delivered with nobody asking, if the stack is told to.
func TestTimerFiresByItself(t *testing.T) {
	t.Parallel()
	var log lines
	s := stacktest.Start(t, stack.Options{DeliverEvery: 10 * time.Millisecond, Log: &log})
	stacktest.Eventually(t, "the timer fired", func() bool { return strings.Contains(log.String(), `"msg":"deliver"`) })
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

// The upload role's own policy wants TLS, which the stand-in has none of.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{PlainHTTP: true})
	caller := client.Client{Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken, HTTP: http.DefaultClient}
	_, err := caller.Put(t.Context(), client.PresignRequest{Filename: "a.txt"}, client.Bytes([]byte("hello")))
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("uploading over plain http = %v, want AccessDenied", err)
	}
}
