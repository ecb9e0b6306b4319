package probe

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/stack/oss"
)

// A run makes no more calls than its plan says, looking and cleaning up included.
func TestPlanBoundsRuns(t *testing.T) {
	var calls atomic.Int64
	target := standIn{lie: func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			h.ServeHTTP(w, r)
		})
	}}.target(t)
	// Those that make the most things for their calls.
	ids := []string{"put.etag", "multipart.least-part", "multipart.gone", "callback.operations", "version.id"}
	plan, err := target.Plan(ids...)
	if err != nil {
		t.Fatal(err)
	}
	if why, err := Denied(t.Context(), target); err != nil || why != "" {
		t.Fatalf("Denied() = %q, %v", why, err)
	}
	if empty, err := Empty(t.Context(), target); err != nil || !empty {
		t.Fatalf("Empty() = %v, %v", empty, err)
	}
	if _, err := Run(t.Context(), target, ids...); err != nil {
		t.Fatal(err)
	}
	if n := calls.Load(); n < 10 || n > int64(plan.Calls) {
		t.Errorf("%d calls were made, and %d planned", n, plan.Calls)
	}
	target.CallbackURL = ""
	if without, err := target.Plan(ids...); err != nil || without.Facts != plan.Facts-1 || without.Calls >= plan.Calls {
		t.Errorf("without callbacks: %+v, %v; with: %+v", without, err, plan)
	}
	target.Bucket = ""
	if _, err := target.Plan(ids...); err == nil {
		t.Error("a plan without a bucket: no error")
	}
}

// Nor does one make more in which everything differs and nothing can be removed.
func TestPlanBoundsTheWorst(t *testing.T) {
	var calls atomic.Int64
	target := standIn{versioning: oss.VersioningEnabled, lie: func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			shows("ETag", "none").wrap(h).ServeHTTP(w, r)
		})
	}}.target(t)
	for _, id := range []string{"put.etag", "version.id", "multipart.least-part"} {
		calls.Store(0)
		plan, err := target.Plan(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Empty(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		if _, err := Denied(t.Context(), target); err == nil || strings.Contains(err.Error(), target.Prefix) || strings.Contains(err.Error(), target.Bucket) {
			t.Errorf("Denied() = %v, want an error that names neither prefix nor bucket", err)
		}
		if _, err := Run(t.Context(), target, id); err != nil {
			t.Fatal(err)
		}
		if n := calls.Load(); n > int64(plan.Calls) {
			t.Errorf("%s: %d calls were made, and %d planned", id, n, plan.Calls)
		}
	}
}

func TestDenied(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusForbidden:           "denied: storing a small object was answered 403",
		http.StatusInternalServerError: "",
	} {
		stored := 0
		target := standIn{lie: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					// It may be stored whatever the answer says.
					w.WriteHeader(status)
					stored++
					return
				}
				h.ServeHTTP(w, r)
			})
		}}.target(t)
		why, err := Denied(t.Context(), target)
		if why != want || (err == nil) != (want != "") || stored != 1 {
			t.Errorf("where a PUT is answered %d: %q, %v", status, why, err)
		}
		if err != nil && !strings.Contains(err.Error(), "answered 500") {
			t.Errorf("Denied() = %v", err)
		}
	}
}

// What goes wrong on the way is no finding about a fact.
func TestTrouble(t *testing.T) {
	for _, tt := range []struct {
		answer reply
		own    bool
		want   bool
	}{
		{reply{status: 200}, true, false},
		{reply{status: 403, code: "AccessDenied", ec: "0003-00000801"}, true, true},
		{reply{status: 403, code: "AccessDenied", ec: "0003-00000801"}, false, false}, // narrowed on purpose
		{reply{status: 403, code: "AccessDenied", ec: "0002-00000232"}, true, false},
		{reply{status: 403, code: "SignatureDoesNotMatch"}, true, false},
		{reply{status: 403, code: "InvalidAccessKeyId"}, true, true},
		{reply{status: 404, code: "NoSuchKey"}, true, false},
		{reply{status: 429}, false, true},
		{reply{status: 500}, false, true},
		{reply{status: 501}, false, false},
		{reply{status: 503}, true, true},
	} {
		tt.answer.header = http.Header{"X-Oss-Request-Id": {"0"}}
		if got := tt.answer.trouble(tt.own); got != tt.want {
			t.Errorf("trouble of %v by the target's own credentials %v: %v", tt.answer, tt.own, got)
		}
	}
}
