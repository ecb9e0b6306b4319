package probe

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/oss"
)

func TestCleanup(t *testing.T) {
	for name, state := range map[string]oss.Versioning{"without versions": "", "enabled": oss.VersioningEnabled, "suspended": oss.VersioningSuspended} {
		t.Run(name, func(t *testing.T) {
			target := standIn{versioning: state}.target(t)
			r := prober(t, target)
			ctx, cancel := context.WithCancel(t.Context())
			f := r.try(ctx, probing(20, func(ctx context.Context, r *run) Finding {
				for _, name := range []string{"a", "a", "ü+ %2F/b"} {
					r.put(ctx, r.key(name), "x", nil)
				}
				r.do(ctx, call{method: "DELETE", key: r.key("a")})
				r.do(ctx, call{method: "POST", key: r.key("a b"), query: map[string]string{"uploads": ""}})
				if empty, err := Empty(ctx, target); empty || err != nil {
					t.Errorf("Empty() = %v, %v before the cleanup", empty, err)
				}
				cancel()
				r.put(ctx, r.key("a"), "x", nil)
				return found(true, "")
			}))
			if f.Outcome != NotTried || f.Saw != "PUT: interrupted" {
				t.Errorf("finding = %s %q", f.Outcome, f.Saw)
			}
			if left := r.clean(ctx); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			if empty, err := Empty(t.Context(), target); !empty || err != nil {
				t.Errorf("Empty() = %v, %v after the cleanup", empty, err)
			}
		})
	}
}

// A call that is under way when the context ends is finished, since what it makes
// must be there when the cleanup looks.
func TestInterruptedCallsAreFinished(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target := standIn{lie: func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "PUT" {
				cancel()
				select {
				case <-r.Context().Done(): // the client has gone
				case <-time.After(50 * time.Millisecond):
				}
			}
			h.ServeHTTP(w, r)
		})
	}}.target(t)
	r := prober(t, target)
	f := r.try(ctx, probing(1, func(ctx context.Context, r *run) Finding {
		return found(r.do(ctx, call{method: "PUT", key: r.key("a")}).ok(), "a PUT")
	}))
	if f.Outcome != Holds {
		t.Errorf("finding = %s %q", f.Outcome, f.Saw)
	}
	if left := r.clean(ctx); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestLeftoversAreReported(t *testing.T) {
	target := standIn{lie: func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "DELETE" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
		})
	}}.target(t)
	r := prober(t, target)
	r.try(t.Context(), probing(1, func(ctx context.Context, r *run) Finding {
		r.put(ctx, r.key("a"), "x", nil)
		return found(true, "")
	}))
	left := r.clean(t.Context())
	if want := r.folder + "put.etag/a: answered 403"; len(left) != 1 || left[0] != want {
		t.Errorf("leftovers = %q, want %q", left, want)
	}
}

// A list or a deletion that fails for a moment leaves nothing behind, and makes no
// delete marker.
func TestCleanupTriesAgain(t *testing.T) {
	for _, failing := range []string{"versions", "uploads", "versioning", "versionId", "uploadId"} {
		for state, times := range map[oss.Versioning]int{oss.VersioningEnabled: 3, oss.VersioningSuspended: 1, "": 2} {
			t.Run(failing+" "+string(state), func(t *testing.T) {
				cleaning, failed := false, 0
				target := standIn{versioning: state, lie: func(h http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if cleaning && r.URL.Query().Has(failing) && failed < times {
							failed++
							w.WriteHeader(http.StatusServiceUnavailable)
							return
						}
						if cleaning && r.Method == "DELETE" && state != "" && r.URL.RawQuery == "" {
							t.Errorf("%s is deleted without a version", r.URL.Path)
						}
						h.ServeHTTP(w, r)
					})
				}}.target(t)
				pauses := 0
				target.Sleep = func(context.Context, time.Duration) { pauses++ }
				r := prober(t, target)
				r.try(t.Context(), probing(4, func(ctx context.Context, r *run) Finding {
					r.put(ctx, r.key("a"), "x", nil)
					r.do(ctx, call{method: "DELETE", key: r.key("a")})
					r.put(ctx, r.key("a"), "x", nil)
					r.initiate(ctx, r.key("b"))
					return found(true, "")
				}))
				cleaning = true
				if left := r.clean(t.Context()); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
				cleaning = false
				if failed > 0 && failing != "versioning" && pauses == 0 {
					t.Error("it is tried again at once")
				}
				if empty, err := Empty(t.Context(), target); !empty || err != nil {
					t.Errorf("Empty() = %v, %v after the cleanup", empty, err)
				}
			})
		}
	}
}

// Where there are versions that cannot be listed, nothing is made of them.
func TestCleanupMakesNoMarkers(t *testing.T) {
	deleted := 0
	target := standIn{versioning: oss.VersioningEnabled, lie: lie(func(r *http.Request, answer *httptest.ResponseRecorder) {
		switch r.Method {
		case "GET":
			answer.Code = http.StatusServiceUnavailable
		case "DELETE":
			deleted++
		}
	}).wrap}.target(t)
	r := prober(t, target)
	r.try(t.Context(), probing(1, func(ctx context.Context, r *run) Finding {
		r.put(ctx, r.key("a"), "x", nil)
		return found(true, "")
	}))
	if left := r.clean(t.Context()); len(left) != 3 || deleted != 0 {
		t.Errorf("leftovers = %q after %d deletions, want two lists and an object after none", left, deleted)
	}
}

// Where nothing may be listed, what the probes may have made is deleted by name,
// and that more may be left is said.
func TestCleanupWithoutLists(t *testing.T) {
	stored := map[string]bool{}
	target := standIn{lie: lie(func(r *http.Request, answer *httptest.ResponseRecorder) {
		switch r.Method {
		case "GET":
			answer.Code = http.StatusForbidden
		case "PUT":
			stored[r.URL.Path] = true
		case "POST":
			stored[r.URL.Path+element(answer.Body.String(), "UploadId")] = true
		case "DELETE":
			delete(stored, r.URL.Path+r.URL.Query().Get("uploadId"))
		}
	}).wrap}.target(t)
	r := prober(t, target)
	r.try(t.Context(), probing(3, func(ctx context.Context, r *run) Finding {
		r.put(ctx, r.key("a"), "x", nil)
		r.put(ctx, r.key("b"), "x", nil)
		r.initiate(ctx, r.key("c"))
		return found(true, "")
	}))
	if len(stored) != 3 {
		t.Errorf("stored: %v, want two objects and an upload", stored)
	}
	left := r.clean(t.Context())
	if len(stored) > 0 {
		t.Errorf("still stored: %v", stored)
	}
	if len(left) != 2 || !strings.HasPrefix(left[0], "unknown below "+r.folder+": listing multipart uploads: denied") ||
		!strings.Contains(left[1], "listing versions") {
		t.Errorf("leftovers = %q, want what could not be listed", left)
	}
	if _, err := Empty(t.Context(), target); err == nil {
		t.Error("Empty() of what may not be listed: no error")
	}
}

func TestEmptyReadsOnePage(t *testing.T) {
	lists := 0
	target := standIn{lie: lie(func(r *http.Request, answer *httptest.ResponseRecorder) {
		if r.URL.Query().Has("list-type") {
			lists++
			answer.Body.Reset()
			answer.Body.WriteString("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken><Contents><Key>probes/a</Key></Contents></ListBucketResult>")
		}
	}).wrap}.target(t)
	if empty, err := Empty(t.Context(), target); empty || err != nil || lists != 1 {
		t.Errorf("Empty() = %v, %v after %d lists, want false after one", empty, err, lists)
	}
}

// More than one page is removed.
func TestCleanupOfPages(t *testing.T) {
	target := standIn{versioning: oss.VersioningEnabled}.target(t)
	for _, l := range []listing{uploads, versions, objects} {
		l.query = maps.Clone(l.query)
		for name := range l.query {
			if strings.HasPrefix(name, "max-") {
				l.query[name] = "2"
			}
		}
		r := prober(t, target)
		r.try(t.Context(), probing(5, func(ctx context.Context, r *run) Finding {
			for _, name := range []string{"a", "b + c", "c/%", "d", "ü"} {
				if l.name == uploads.name {
					r.initiate(ctx, r.key(name))
				} else {
					r.put(ctx, r.key(name), "x", nil)
				}
			}
			return found(true, "")
		}))
		r.budget.begin(3)
		if things, err := r.list(t.Context(), l, r.folder, 100); err != nil || len(things) != 5 {
			t.Errorf("%d %s are listed by twos, want 5: %v", len(things), l.name, err)
		}
		if left := r.clean(t.Context()); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}
