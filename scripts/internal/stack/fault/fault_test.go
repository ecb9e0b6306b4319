package fault_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/scripts/internal/stack/fault"
)

func TestTake(t *testing.T) {
	var r fault.Registry
	set := func(f fault.Fault) {
		t.Helper()
		if err := r.Set(f); err != nil {
			t.Fatalf("Set(%+v) = %v", f, err)
		}
	}
	take := func(target, operation, want string) {
		t.Helper()
		if got := r.Take(target, operation); got != want {
			t.Errorf("Take(%q, %q) = %q, want %q", target, operation, got, want)
		}
	}
	take("oss", "PutObject", "")
	set(fault.Fault{Target: "oss", Operation: "PutObject", Mode: fault.Unavailable, Count: 2})
	set(fault.Fault{Target: "oss", Operation: "*", Mode: fault.ConnectionReset})
	set(fault.Fault{Target: "sts", Operation: "*", Mode: fault.Timeout})

	take("keys", "Get", "")
	take("oss", "PutObject", "503")
	take("oss", "HeadObject", "reset")
	take("oss", "HeadObject", "")
	want := []fault.Fault{
		{Target: "oss", Operation: "PutObject", Mode: "503", Count: 1},
		{Target: "sts", Operation: "*", Mode: "timeout", Count: 1},
	}
	if got := r.List(); !reflect.DeepEqual(got, want) {
		t.Errorf("List() = %+v, want %+v", got, want)
	}
	take("oss", "PutObject", "503")
	take("oss", "PutObject", "")
	take("sts", "AssumeRole", "timeout")
	take("sts", "AssumeRole", "")

	set(fault.Fault{Target: "oss", Operation: "*", Mode: "500", Count: 100})
	r.Clear()
	take("oss", "PutObject", "")
	if got := r.List(); got == nil || len(got) != 0 {
		t.Errorf("List() = %#v, want an empty list", got)
	}
}

func TestTakeNeverExceedsTheCount(t *testing.T) {
	var r fault.Registry
	if err := r.Set(fault.Fault{Target: "oss", Operation: "*", Mode: "500", Count: 50}); err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if r.Take("oss", "PutObject") != "" {
					taken.Add(1)
				}
				r.List()
			}
		})
	}
	wg.Wait()
	if got := taken.Load(); got != 50 {
		t.Errorf("160 calls took %d faults, want 50", got)
	}
}

func TestServeHTTP(t *testing.T) {
	const put = `{"target":"oss","operation":"PutObject","mode":"503"}`
	tests := []struct {
		name         string
		method, body string
		status       int
		want         []fault.Fault
	}{
		{"one fault", "POST", put, 200, []fault.Fault{{Target: "oss", Operation: "PutObject", Mode: "503", Count: 1}}},
		{"a list", "POST", " [" + put + `,{"target":"webhook","operation":"*","mode":"reset","count":3}]`, 200, []fault.Fault{
			{Target: "oss", Operation: "PutObject", Mode: "503", Count: 1},
			{Target: "webhook", Operation: "*", Mode: "reset", Count: 3},
		}},
		{"a list with one bad fault sets none", "POST", "[" + put + `,{"target":"moon","operation":"*","mode":"500"}]`, 400, nil},
		{"no JSON", "POST", "x", 400, nil},
		{"nothing", "POST", "", 400, nil},
		{"null", "POST", "null", 400, nil},
		{"an empty list", "POST", "[]", 400, nil},
		{"two objects without a list", "POST", put + "," + put, 400, nil},
		{"text behind the fault", "POST", put + "]", 400, nil},
		{"an unknown field", "POST", `{"target":"oss","operation":"*","mode":"500","times":2}`, 400, nil},
		{"an unknown target", "POST", `{"target":"cdn","operation":"*","mode":"500"}`, 400, nil},
		{"an unknown mode", "POST", `{"target":"oss","operation":"*","mode":"404"}`, 400, nil},
		{"no operation", "POST", `{"target":"oss","mode":"500"}`, 400, nil},
		{"a count of zero", "POST", `{"target":"oss","operation":"*","mode":"500","count":0}`, 400, nil},
		{"a negative count", "POST", `{"target":"oss","operation":"*","mode":"500","count":-1}`, 400, nil},
		{"a body that is too large", "POST", put + strings.Repeat(" ", 64<<10), 400, nil},
		{"another method", "PUT", put, 405, nil},
		{"reading sets nothing", "GET", put, 200, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r fault.Registry
			rec := httptest.NewRecorder()
			r.ServeHTTP(rec, httptest.NewRequest(tt.method, "/_local/faults", strings.NewReader(tt.body)))
			if rec.Code != tt.status {
				t.Fatalf("%s %s answered %d, want %d", tt.method, tt.body, rec.Code, tt.status)
			}
			if got := r.List(); len(got)+len(tt.want) > 0 && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("List() = %+v, want %+v", got, tt.want)
			}
			if rec.Code >= 400 {
				var e struct{ Code, Message string }
				if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.Code == "" || e.Message == "" {
					t.Errorf("the refusal is %s, want code and message", rec.Body)
				}
			}
		})
	}
	t.Run("list and clear", func(t *testing.T) {
		var r fault.Registry
		call := func(method, body string) *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			r.ServeHTTP(rec, httptest.NewRequest(method, "/_local/faults", strings.NewReader(body)))
			return rec
		}
		call("POST", put)
		want := `[{"target":"oss","operation":"PutObject","mode":"503","count":1}]`
		if got := strings.TrimSpace(call("GET", "").Body.String()); got != want {
			t.Errorf("GET answered %s, want %s", got, want)
		}
		if got := call("DELETE", "").Code; got != 204 {
			t.Errorf("DELETE answered %d, want 204", got)
		}
		if got := strings.TrimSpace(call("GET", "").Body.String()); got != "[]" {
			t.Errorf("GET after DELETE answered %s, want []", got)
		}
	})
}

func TestReset(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fault.Reset(w) })
	tests := []struct {
		name       string
		tls, http2 bool
	}{
		{"plain", false, false},
		{"TLS", true, false},
		{"HTTP/2", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(handler)
			srv.EnableHTTP2 = tt.http2
			if tt.tls {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			t.Cleanup(srv.Close)
			resp, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("x"))
			if err == nil {
				resp.Body.Close()
				t.Fatalf("Post answered %d, want an error", resp.StatusCode)
			}
			if !tt.http2 && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Post = %v, want a reset connection", err)
			}
		})
	}
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		fault.Hang(httptest.NewRequest("GET", "/", nil), time.Minute)
		if got := time.Since(start); got != time.Minute {
			t.Errorf("Hang held a patient caller for %v, want a minute", got)
		}
	})
}
