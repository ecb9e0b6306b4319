package fc_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
)

func TestGatewayFailsOnDemand(t *testing.T) {
	t.Parallel()
	failed200, err := facts.Assume("fc.failure-status=200")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		mode   string
		assume facts.Assumptions
		status int // 0: the connection is reset
		body   string
		called bool
	}{
		{"none", "", facts.Assumptions{}, 201, "hello", true},
		{"an error", fault.InternalError, facts.Assumptions{}, 500, `"Code":"FunctionError"`, false},
		{"an error that is answered 200", fault.InternalError, failed200, 200, `{"errorMessage":"made to fail"}`, false},
		{"busy", fault.Unavailable, failed200, 503, `"Code":"ResourceThrottled"`, false},
		{"no answer", fault.ConnectionReset, facts.Assumptions{}, 0, "", false},
		{"a lost answer", fault.StoredThenReset, facts.Assumptions{}, 0, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log logBuffer
			f := start(t, func(c *fc.FunctionConfig) { c.Stdout, c.Stderr = &log, &log })
			var asked atomic.Int64
			server := httptest.NewServer(fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Prefix: "/", Function: f, Fault: func() string {
				asked.Add(1)
				return tt.mode
			}}}, tt.assume, nil))
			t.Cleanup(server.Close)
			res, err := http.Post(server.URL+"/?mode=answer", "text/plain", strings.NewReader("hello"))
			status, body := 0, []byte(nil)
			if err == nil {
				defer res.Body.Close()
				status = res.StatusCode
				body, _ = io.ReadAll(res.Body)
			}
			if status != tt.status || !strings.Contains(string(body), tt.body) {
				t.Errorf("the answer is %d %s, %v; want %d with %s", status, body, err, tt.status, tt.body)
			}
			if err := f.Stop(); err != nil {
				t.Error(err)
			}
			if called := strings.Contains(log.String(), "FC Invoke Start"); called != tt.called {
				t.Errorf("the function was called: %t, want %t", called, tt.called)
			}
			if asked.Load() != 1 {
				t.Errorf("%d faults were taken, want one for the call", asked.Load())
			}
		})
	}
}
