package hook_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/hook"
)

const (
	secret      = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	olderSecret = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
	event       = `{"type":"upload.completed","data":{"key":"u/<a>&b","size":12345678901234567890}}`
)

var now = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func newHook(t *testing.T, cfg hook.Config) *hook.Hook {
	t.Helper()
	if cfg.Secrets == nil {
		cfg.Secrets = []string{secret, olderSecret}
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return now }
	}
	h, err := hook.New(cfg)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	return h
}

// sign computes a signature as the Standard Webhooks specification describes
// it, without the library that verifies it.
func sign(key, id string, at time.Time, body string) string {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, raw)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// delivery is a request with a signature that verifies.
func delivery(id, body string) *http.Request {
	r := httptest.NewRequest("POST", "/_local/webhook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("webhook-signature", sign(secret, id, now, body))
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

type entry struct {
	ID        string
	Timestamp int64
	Verified  bool
	Body      json.RawMessage
}

func list(t *testing.T, h *hook.Hook) []entry {
	t.Helper()
	rec := serve(h.Events(), httptest.NewRequest("GET", "/_local/events", nil))
	var got []entry
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || got == nil {
		t.Fatalf("GET /_local/events = %d %s, want a list", rec.Code, rec.Body)
	}
	return got
}

func TestReceive(t *testing.T) {
	at := func(r *http.Request, when time.Time) {
		r.Header.Set("webhook-timestamp", strconv.FormatInt(when.Unix(), 10))
		r.Header.Set("webhook-signature", sign(secret, "evt", when, event))
	}
	tests := []struct {
		name      string
		change    func(r *http.Request)
		status    int
		timestamp int64
	}{
		{"signed with the first secret", func(*http.Request) {}, 204, now.Unix()},
		{"signed with another secret", func(r *http.Request) {
			r.Header.Set("webhook-signature", sign(olderSecret, "evt", now, event))
		}, 204, now.Unix()},
		{"several signatures, one of them good", func(r *http.Request) {
			r.Header.Set("webhook-signature", "v1a,xx v1,yy "+sign(secret, "evt", now, event))
		}, 204, now.Unix()},
		{"five minutes old", func(r *http.Request) { at(r, now.Add(-5*time.Minute)) }, 204, now.Unix() - 300},
		{"five minutes ahead", func(r *http.Request) { at(r, now.Add(5*time.Minute)) }, 204, now.Unix() + 300},
		{"a second too old", func(r *http.Request) { at(r, now.Add(-301*time.Second)) }, 401, now.Unix() - 301},
		{"a second too far ahead", func(r *http.Request) { at(r, now.Add(301*time.Second)) }, 401, now.Unix() + 301},
		{"no timestamp", func(r *http.Request) { r.Header.Del("webhook-timestamp") }, 401, 0},
		{"a timestamp that is no number", func(r *http.Request) { r.Header.Set("webhook-timestamp", "soon") }, 401, 0},
		{"no signature", func(r *http.Request) { r.Header.Del("webhook-signature") }, 401, now.Unix()},
		{"signed with an unknown secret", func(r *http.Request) {
			r.Header.Set("webhook-signature", sign("whsec_AAAA", "evt", now, event))
		}, 401, now.Unix()},
		{"signed for another id", func(r *http.Request) {
			r.Header.Set("webhook-signature", sign(secret, "evt2", now, event))
		}, 401, now.Unix()},
		{"signed for another body", func(r *http.Request) {
			r.Header.Set("webhook-signature", sign(secret, "evt", now, event+" "))
		}, 401, now.Unix()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHook(t, hook.Config{})
			r := delivery("evt", event)
			tt.change(r)
			if got := serve(h.Receive(), r).Code; got != tt.status {
				t.Errorf("the delivery was answered %d, want %d", got, tt.status)
			}
			got := list(t, h)
			if len(got) != 1 || got[0].ID != "evt" || got[0].Timestamp != tt.timestamp ||
				got[0].Verified != (tt.status == 204) || string(got[0].Body) != event {
				t.Errorf("the events are %+v, want this delivery", got)
			}
		})
	}
	t.Run("another method", func(t *testing.T) {
		h := newHook(t, hook.Config{})
		if got := serve(h.Receive(), httptest.NewRequest("GET", "/", nil)).Code; got != 405 {
			t.Errorf("GET was answered %d, want 405", got)
		}
	})
	t.Run("a body that is too large", func(t *testing.T) {
		h := newHook(t, hook.Config{})
		if got := serve(h.Receive(), delivery("evt", strings.Repeat(" ", 256<<10+1))).Code; got != 413 {
			t.Errorf("the delivery was answered %d, want 413", got)
		}
		if got := list(t, h); len(got) != 0 {
			t.Errorf("%d events, want none", len(got))
		}
	})
	t.Run("a body that is no JSON", func(t *testing.T) {
		h := newHook(t, hook.Config{})
		serve(h.Receive(), delivery("evt", `say "hi"`))
		if got := list(t, h); len(got) != 1 || string(got[0].Body) != `"say \"hi\""` {
			t.Errorf("the events are %+v, want the body as a string", got)
		}
	})
}

func TestEventsKeepsEveryDeliveryUpToTheLimit(t *testing.T) {
	h := newHook(t, hook.Config{Limit: 3})
	for _, id := range []string{"a", "b", "b", "c"} {
		serve(h.Receive(), delivery(id, event))
	}
	var ids []string
	for _, e := range list(t, h) {
		ids = append(ids, e.ID)
	}
	if got := strings.Join(ids, " "); got != "b b c" {
		t.Errorf("the events are %q, want %q", got, "b b c")
	}
	if got := serve(h.Events(), httptest.NewRequest("DELETE", "/_local/events", nil)).Code; got != 204 {
		t.Errorf("DELETE was answered %d, want 204", got)
	}
	if got := list(t, h); len(got) != 0 {
		t.Errorf("%d events after DELETE, want none", len(got))
	}
}

func TestEventsAfterANumber(t *testing.T) {
	const received, kept = 2500, 2300
	h := newHook(t, hook.Config{Limit: kept})
	for range received {
		serve(h.Receive(), delivery("evt", event))
	}
	tests := []struct {
		query              string
		count, first, last int
	}{
		{"", 1000, 0, 0}, // without numbers
		{"?after=0", 1000, received - kept + 1, received - kept + 1000}, // 200 are forgotten
		{"?after=1200", 1000, 1201, 2200},
		{"?after=2200", 300, 2201, received},
		{"?after=2500", 0, 0, 0},
		{"?after=9223372036854775807", 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(cmp.Or(tt.query, "the newest"), func(t *testing.T) {
			rec := serve(h.Events(), httptest.NewRequest("GET", "/_local/events"+tt.query, nil))
			var got []struct{ Number int }
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || got == nil {
				t.Fatalf("GET %s = %d %.100s, want a list", tt.query, rec.Code, rec.Body)
			}
			first, last := 0, 0
			if len(got) > 0 {
				first, last = got[0].Number, got[len(got)-1].Number
			}
			if first != tt.first || last != tt.last || len(got) != tt.count {
				t.Errorf("%d events, %d to %d, want %d, %d to %d", len(got), first, last, tt.count, tt.first, tt.last)
			}
		})
	}
	for _, query := range []string{"?after=x", "?after=-1", "?after=9223372036854775808"} {
		if got := serve(h.Events(), httptest.NewRequest("GET", "/_local/events"+query, nil)).Code; got != 400 {
			t.Errorf("GET %s was answered %d, want 400", query, got)
		}
	}
	serve(h.Events(), httptest.NewRequest("DELETE", "/_local/events", nil))
	serve(h.Receive(), delivery("evt", event))
	var got []struct{ Number int }
	if err := json.Unmarshal(serve(h.Events(), httptest.NewRequest("GET", "/_local/events?after=0", nil)).Body.Bytes(), &got); err != nil ||
		len(got) != 1 || got[0].Number != received+1 {
		t.Errorf("after DELETE the events are %+v, %v, want number %d", got, err, received+1)
	}
}

func TestConcurrentDeliveries(t *testing.T) {
	h := newHook(t, hook.Config{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := serve(h.Receive(), delivery("evt", event)).Code; got != 204 {
				t.Errorf("the delivery was answered %d, want 204", got)
			}
			serve(h.Events(), httptest.NewRequest("GET", "/_local/events", nil))
		})
	}
	wg.Wait()
	if got := list(t, h); len(got) != 20 {
		t.Errorf("%d events, want 20", len(got))
	}
}

// backend is the developer's own, which remembers what it got.
type backend struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []received
}

type received struct {
	header http.Header
	body   string
}

func newBackend(t *testing.T) *backend {
	b := &backend{status: 200}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading what was forwarded: %v", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.got = append(b.got, received{r.Header, string(body)})
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(b.status)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func (b *backend) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

func (b *backend) last(t *testing.T) received {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.got) == 0 {
		t.Fatal("the backend was not called")
	}
	return b.got[len(b.got)-1]
}

func TestForward(t *testing.T) {
	b := newBackend(t)
	h := newHook(t, hook.Config{Forward: b.URL + "/hook?from=local"})
	for _, status := range []int{200, 204, 307, 404, 503} {
		b.answer(status)
		r := delivery("evt", event)
		r.Header.Set("Connection", "close")
		r.Header.Set("User-Agent", "ossupload")
		if got := serve(h.Receive(), r).Code; got != status {
			t.Errorf("the delivery was answered %d, want the backend's %d", got, status)
		}
		got := b.last(t)
		if got.body != event {
			t.Errorf("the backend got %q, want %q", got.body, event)
		}
		for _, name := range []string{"Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature"} {
			if value, want := got.header.Get(name), r.Header.Get(name); value != want {
				t.Errorf("the backend got %s %q, want %q", name, value, want)
			}
		}
	}
	if b.calls() != 5 {
		t.Errorf("the backend was called %d times, want 5: no redirect is followed", b.calls())
	}

	forged := delivery("evt", event)
	forged.Header.Set("webhook-signature", "v1,x")
	if got := serve(h.Receive(), forged).Code; got != 401 || b.calls() != 5 {
		t.Errorf("a forged delivery was answered %d after %d calls, want 401 and no further call", got, b.calls())
	}
	if got := list(t, h); len(got) != 6 {
		t.Errorf("%d events, want 6: a failing backend loses none", len(got))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestForwardFailures(t *testing.T) {
	var log bytes.Buffer
	var fail error
	h := newHook(t, hook.Config{
		Forward: "http://user:pass@127.0.0.1/hook?token=geheim",
		Log:     slog.New(slog.NewJSONHandler(&log, nil)),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			deadline, ok := r.Context().Deadline()
			if left := time.Until(deadline); !ok || left > 5*time.Second || left < time.Second {
				t.Errorf("the deadline is %v away, want 5s", left)
			}
			return nil, fail
		}),
	})
	for _, tt := range []struct {
		err  error
		want int
	}{
		{errors.New("connection refused"), 502},
		{context.DeadlineExceeded, 504},
	} {
		fail = tt.err
		if got := serve(h.Receive(), delivery("evt", event)).Code; got != tt.want {
			t.Errorf("a backend that fails with %q makes %d, want %d", tt.err, got, tt.want)
		}
	}
	if strings.Contains(log.String(), "geheim") || strings.Contains(log.String(), "pass") {
		t.Errorf("the log holds the forward URL: %s", &log)
	}
}

func TestResend(t *testing.T) {
	resend := func(h *hook.Hook, id string) int {
		return serve(h.Events(), httptest.NewRequest("POST", "/_local/events/"+id+"/resend", nil)).Code
	}
	b := newBackend(t)
	clock := now
	h := newHook(t, hook.Config{Forward: b.URL, Now: func() time.Time { return clock }})
	serve(h.Receive(), delivery("evt", event))
	unverified := delivery("forged", event)
	unverified.Header.Set("webhook-signature", "v1,x")
	serve(h.Receive(), unverified)

	clock = now.Add(time.Hour)
	b.answer(418)
	if got := resend(h, "evt"); got != 418 {
		t.Errorf("resending was answered %d, want the backend's 418", got)
	}
	sent := b.last(t)
	if got, want := sent.header.Get("webhook-signature"), sign(secret, "evt", clock, event); got != want {
		t.Errorf("the signature is %q, want %q", got, want)
	}
	if got, want := sent.header.Get("webhook-timestamp"), strconv.FormatInt(clock.Unix(), 10); got != want {
		t.Errorf("the timestamp is %q, want %q", got, want)
	}
	if sent.body != event || sent.header.Get("webhook-id") != "evt" || sent.header.Get("Content-Type") != "application/json" {
		t.Errorf("the backend got %q with %v, want the same event", sent.body, sent.header)
	}
	for _, id := range []string{"none", "forged"} {
		if got := resend(h, id); got != 404 {
			t.Errorf("resending %q was answered %d, want 404", id, got)
		}
	}
	if got := list(t, h); len(got) != 2 {
		t.Errorf("%d events, want 2: sending again receives nothing", len(got))
	}

	alone := newHook(t, hook.Config{})
	serve(alone.Receive(), delivery("evt", event))
	if got := resend(alone, "evt"); got != 409 {
		t.Errorf("resending without a backend was answered %d, want 409", got)
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		mode           string
		status, stored int
	}{
		{"500", 500, 0}, {"503", 503, 0}, {"timeout", 0, 0}, {"reset", 0, 0}, {"stored-then-reset", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			b := newBackend(t)
			h := newHook(t, hook.Config{
				Forward: b.URL,
				Timeout: time.Nanosecond, // then the connection is reset
				Fault: func(target, operation string) string {
					if target != "webhook" || operation != "Deliver" {
						t.Errorf("Fault(%q, %q), want webhook and Deliver", target, operation)
					}
					return tt.mode
				},
			})
			srv := httptest.NewServer(h.Receive())
			t.Cleanup(srv.Close)
			r := delivery("evt", event)
			req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL, r.Body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = r.Header
			resp, err := srv.Client().Do(req)
			switch {
			case err == nil:
				resp.Body.Close()
				if resp.StatusCode != tt.status {
					t.Errorf("the delivery was answered %d, want %d", resp.StatusCode, tt.status)
				}
			case tt.status != 0:
				t.Errorf("the delivery = %v, want status %d", err, tt.status)
			}
			if got := list(t, h); len(got) != tt.stored || b.calls() != tt.stored {
				t.Errorf("%d events and %d calls of the backend, want %d", len(got), b.calls(), tt.stored)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name string
		cfg  hook.Config
	}{
		{"no secret", hook.Config{}},
		{"an empty secret", hook.Config{Secrets: []string{secret, ""}}},
		{"a secret without a key", hook.Config{Secrets: []string{"whsec_"}}},
		{"a secret that is not base64", hook.Config{Secrets: []string{"whsec_geheim!"}}},
		{"a forward URL without a host", hook.Config{Secrets: []string{secret}, Forward: "/hook"}},
		{"a forward URL of another scheme", hook.Config{Secrets: []string{secret}, Forward: "ftp://127.0.0.1/hook"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := hook.New(tt.cfg)
			if h != nil || err == nil {
				t.Errorf("New = %v, %v, want an error", h, err)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("New = %v, which holds the secret", err)
			}
		})
	}
}
