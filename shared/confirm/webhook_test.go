package confirm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/shared/confirm"
	"ossupload/shared/outbox"
)

var (
	hookSecret  = []byte("0123456789abcdef01234567")
	hookSecret2 = []byte("abcdefgh0123456701234567")
)

func webhook(t *testing.T, url string, transport http.RoundTripper) confirm.Notifier {
	t.Helper()
	w, err := confirm.NewWebhook(confirm.WebhookConfig{
		URL: url, Secrets: [][]byte{hookSecret, hookSecret2}, Budget: 2 * time.Second, Client: transport,
		Jitter: func() float64 { return 0.5 },
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhookVerifiesWithEitherSecret(t *testing.T) {
	type post struct {
		body   []byte
		header http.Header
	}
	posts := make(chan post, 3) // as many as there are tries
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posts <- post{body, r.Header}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	if err := webhook(t, s.URL, nil).Notify(t.Context(), "evt_1", []byte(`{"a":1}`)); err != nil {
		t.Fatalf("Notify: %v", err)
	}
	got := <-posts
	body, header := got.body, got.header
	if string(body) != `{"a":1}` || header.Get("webhook-id") != "evt_1" || header.Get("Content-Type") != "application/json" {
		t.Errorf("posted %s with %v", body, header)
	}
	for _, secret := range [][]byte{hookSecret, hookSecret2} {
		v, err := standardwebhooks.NewWebhookRaw(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify(body, header); err != nil {
			t.Errorf("Verify = %v, want nil", err)
		}
		if err := v.Verify([]byte(`{"a":2}`), header); err == nil {
			t.Error("Verify of another body = nil, want an error")
		}
	}
}

// answers is a transport that answers with these statuses in turn; 0 is a
// broken connection, -1 silence.
type answers struct {
	statuses []int
	calls    atomic.Int32
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	n := int(a.calls.Add(1)) - 1
	switch status := a.statuses[min(n, len(a.statuses)-1)]; status {
	case 0:
		reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		return nil, fmt.Errorf("asking https://backend.example.com/secret-path: %w", reset)
	case -1:
		<-r.Context().Done()
		return nil, r.Context().Err()
	default:
		return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{"Location": {"https://elsewhere.example.com/"}}}, nil
	}
}

func TestWebhookRetries(t *testing.T) {
	tests := []struct {
		name     string
		statuses []int
		ok       bool
		calls    int
	}{
		{"taken at once", []int{200}, true, 1},
		{"202 is taken", []int{202}, true, 1},
		{"taken at the second try", []int{500, 200}, true, 2},
		{"taken at the third try", []int{0, 503, 204}, true, 3},
		{"throttled, then taken", []int{429, 200}, true, 2},
		{"never taken", []int{500}, false, 3},
		{"late, then taken", []int{408, 200}, true, 2},
		{"anything from 200 on is taken", []int{299}, true, 1},
		{"refused for good", []int{400}, false, 1},
		{"refused for good, just below 500", []int{499}, false, 1},
		{"an answer that is not one", []int{199}, false, 1},
		{"unauthorized for good", []int{401}, false, 1},
		{"a redirect is not followed", []int{302}, false, 1},
		{"no connection", []int{0}, false, 3},
		{"silence at first", []int{-1, 200}, true, 2},
		{"silence for ever", []int{-1}, false, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &answers{statuses: tt.statuses}
				start := time.Now()
				err := webhook(t, "https://backend.example.com/secret-path", transport).Notify(t.Context(), "evt_1", []byte("{}"))
				if (err == nil) != tt.ok {
					t.Errorf("Notify = %v, want ok %v", err, tt.ok)
				}
				if got := int(transport.calls.Load()); got != tt.calls {
					t.Errorf("%d tries, want %d", got, tt.calls)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %v, want at most the budget", took)
				}
				if err != nil && strings.Contains(err.Error(), "secret-path") {
					t.Errorf("error %q holds the webhook's URL", err)
				}
			})
		})
	}
}

// tries is a transport that takes note of when it is called.
type tries struct {
	answers
	start time.Time
	at    []time.Duration
}

func (a *tries) RoundTrip(r *http.Request) (*http.Response, error) {
	a.at = append(a.at, time.Since(a.start))
	return a.answers.RoundTrip(r)
}

// Tries are spread, so that instances do not come back together; and none may
// spend the time of the next.
func TestWebhookPauses(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name   string
		status int
		jitter float64
		budget time.Duration
		at     []time.Duration
		end    time.Duration
		why    string
	}{
		{"the shortest pauses", 500, 0, 2 * time.Second, []time.Duration{0, 50 * ms, 150 * ms}, 150 * ms, "webhook answered 500"},
		{"the longest pauses", 500, 1, 2 * time.Second, []time.Duration{0, 150 * ms, 450 * ms}, 450 * ms, "webhook answered 500"},
		{"no connection", 0, 0.5, 2 * time.Second, []time.Duration{0, 100 * ms, 300 * ms}, 300 * ms, "posting event: read tcp: connection reset by peer"},
		// A second, half of 900 ms, half of 250 ms.
		{"silence", -1, 0.5, 2 * time.Second, []time.Duration{0, 1100 * ms, 1750 * ms}, 1875 * ms, "no answer in time"},
		{"a pause past the budget", 503, 1, 400 * ms, []time.Duration{0, 150 * ms}, 150 * ms, "webhook answered 503"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &tries{answers: answers{statuses: []int{tt.status}}, start: time.Now()}
				w, err := confirm.NewWebhook(confirm.WebhookConfig{
					URL: "https://backend.example.com/", Secrets: [][]byte{hookSecret}, Budget: tt.budget, Client: transport,
					Jitter: func() float64 { return tt.jitter },
				}, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				err = w.Notify(t.Context(), "evt_1", []byte("{}"))
				if err == nil || !strings.HasSuffix(err.Error(), tt.why) {
					t.Errorf("Notify = %v, want %q", err, tt.why)
				}
				if end := time.Since(transport.start); !slices.Equal(transport.at, tt.at) || end != tt.end {
					t.Errorf("tried after %v and gave up after %v, want %v and %v", transport.at, end, tt.at, tt.end)
				}
			})
		})
	}
}

func TestWebhookEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		transport := &answers{statuses: []int{-1}}
		if err := webhook(t, "https://backend.example.com/", transport).Notify(ctx, "evt_1", nil); err == nil || time.Since(start) != 50*time.Millisecond {
			t.Errorf("Notify = %v after %v, want an error after 50ms: the pause would take longer than the caller has", err, time.Since(start))
		}
	})
}

func TestWebhookHasJitterOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &tries{answers: answers{statuses: []int{500, 200}}, start: time.Now()}
		w, err := confirm.NewWebhook(confirm.WebhookConfig{
			URL: "https://backend.example.com/", Secrets: [][]byte{hookSecret}, Budget: time.Second, Client: transport,
		}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Notify(t.Context(), "evt_1", nil); err != nil || len(transport.at) != 2 || transport.at[1] < 50*time.Millisecond || transport.at[1] > 150*time.Millisecond {
			t.Errorf("Notify = %v with tries after %v, want a pause of 50 to 150 ms", err, transport.at)
		}
	})
}

// endless is an answer without end.
type endless struct {
	read   int
	closed bool
}

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }
func (e *endless) Close() error               { e.closed = true; return nil }

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: e, Request: r}, nil
}

func TestWebhookReadsNoAnswerToItsEnd(t *testing.T) {
	body := &endless{}
	if err := webhook(t, "https://backend.example.com/", body).Notify(t.Context(), "evt_1", nil); err != nil || body.read != 64<<10 || !body.closed {
		t.Errorf("Notify = %v, having read %d bytes, closed %v; want 64 KiB and closed", err, body.read, body.closed)
	}
}

// held is the body of an answer that does not end while anybody waits for it.
type held struct{ ctx context.Context }

func (h held) Read([]byte) (int, error) { <-h.ctx.Done(); return 0, h.ctx.Err() }
func (h held) Close() error             { return nil }

// atOnce answers every request with 200 and such a body.
type atOnce struct{}

func (atOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: held{r.Context()}, Request: r}, nil
}

// A receiver that sends its status at once and ends its answer with its work has
// taken the event.
func TestWebhookWaitsForNoEndOfAnAnswer(t *testing.T) {
	for _, patience := range []time.Duration{time.Minute, 300 * time.Millisecond, 90 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			begin := time.Now()
			err := webhook(t, "https://backend.example.com/", atOnce{}).Notify(ctx, "evt_1", []byte("{}"))
			if took := time.Since(begin); err != nil || took > 50*time.Millisecond {
				t.Errorf("with %v: Notify = %v after %v, want it taken within 50ms", patience, err, took)
			}
		})
	}
}

func TestWebhookRefusesURLs(t *testing.T) {
	for _, url := range []string{
		"https://backend example.com/secret-path", "http://backend.example.com/secret-path", "ftp://127.0.0.1/secret-path",
		"https://user@backend.example.com/secret-path", "/secret-path",
	} {
		_, err := confirm.NewWebhook(confirm.WebhookConfig{URL: url, Secrets: [][]byte{hookSecret}, Budget: time.Second}, time.Now)
		if err == nil || strings.Contains(err.Error(), "secret-path") {
			t.Errorf("NewWebhook for %q = %v, want an error without the URL", url, err)
		}
	}
}

func TestWebhookRefusesToBeUnsigned(t *testing.T) {
	for _, c := range []confirm.WebhookConfig{
		{Budget: time.Second, Secrets: [][]byte{hookSecret}},
		{URL: "https://x.example.com", Budget: time.Second},
		{URL: "https://x.example.com", Budget: time.Second, Secrets: [][]byte{{}}},
		{URL: "https://x.example.com", Budget: time.Second, Secrets: [][]byte{hookSecret, {}}},
		{URL: "https://x.example.com", Secrets: [][]byte{hookSecret}},
		{URL: "https://x.example.com", Secrets: [][]byte{hookSecret}, Budget: -1},
	} {
		if _, err := confirm.NewWebhook(c, time.Now); err == nil {
			t.Errorf("NewWebhook(%+v) = nil error, want one", c)
		}
	}
}

func TestLogIsOneLineOfJSON(t *testing.T) {
	const event = `{"type":"upload.completed","data":{"key":"k","size":5,"subject":"alice","vars":{"a":"b"}}}`
	for whole, want := range map[bool]string{true: `"eventId":"evt_1","event":` + event + "}", false: `"eventId":"evt_1","type":"upload.completed","key":"k","size":5}`} {
		var out bytes.Buffer
		n := confirm.NewEventLog(slog.New(slog.NewJSONHandler(&out, nil)), whole)
		if err := n.Notify(t.Context(), "evt_1", []byte(event)); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.HasSuffix(strings.TrimSpace(got), want) {
			t.Errorf("logged %q, want one line that ends in %s", got, want)
		}
	}
}

// A receiver that is gone for good is told apart from one that is down.
func TestWebhookGone(t *testing.T) {
	for status, gone := range map[int]bool{410: true, 404: false, 500: false} {
		synctest.Test(t, func(t *testing.T) {
			transport := &answers{statuses: []int{status}}
			err := webhook(t, "https://backend.example.com/secret-path", transport).Notify(t.Context(), "evt_1", nil)
			if err == nil || errors.Is(err, outbox.ErrRefused) != gone || gone && transport.calls.Load() != 1 {
				t.Errorf("Notify answered with %d = %v after %d tries, want refused for good %v", status, err, transport.calls.Load(), gone)
			}
		})
	}
}

// patient is a transport of a receiver that says when it wants to be asked again.
type patient struct {
	answers
	after string
}

func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := p.answers.RoundTrip(r)
	if err == nil {
		res.Header.Set("Retry-After", p.after)
	}
	return res, err
}

// A receiver that names a time is left alone until then: the queue tries again.
func TestWebhookTakesRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		after string // the clock begins with the year 2000
		want  time.Duration
		calls int32
	}{
		{"120", 2 * time.Minute, 1},
		{"Sat, 01 Jan 2000 00:00:30 GMT", 30 * time.Second, 1},
		{"9999999999", 0, 3},
		{"Fri, 31 Dec 1999 23:59:59 GMT", 0, 3},
		{"0", 0, 3},
		{"-5", 0, 3},
		{"soon", 0, 3},
		{"", 0, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			transport := &patient{answers: answers{statuses: []int{503}}, after: tt.after}
			err := webhook(t, "https://backend.example.com/", transport).Notify(t.Context(), "evt_1", nil)
			var got time.Duration
			if delayed, ok := errors.AsType[*outbox.DelayedError](err); ok {
				got = delayed.For
			}
			if err == nil || got != tt.want || transport.calls.Load() != tt.calls {
				t.Errorf("Retry-After %q: %v after %d tries, want a wait of %v after %d", tt.after, err, transport.calls.Load(), tt.want, tt.calls)
			}
		})
	}
}

// The worker waits for a silent receiver as long as it has itself, and tries a
// failing one three times, as everybody does.
func TestWorkerHasNoBudget(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int // 0: no connection, -1: silence
		at     []time.Duration
		end    time.Duration
	}{
		{"silence", -1, []time.Duration{0}, 15 * time.Second},
		{"failure", 500, []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}, 300 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &tries{answers: answers{statuses: []int{tt.status}}, start: time.Now()}
				c := config(t, stored(object()))
				c.Notifier = nil
				c.Webhook = confirm.WebhookConfig{
					URL: "https://backend.example.com/", Secrets: [][]byte{hookSecret}, Budget: time.Second, Client: transport,
					Jitter: func() float64 { return 0.5 },
				}
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				err := made(t, c).Do(ctx, outbox.Entry{Kind: outbox.Event, ID: "evt_1", Body: []byte("{}")})
				synctest.Wait() // for the try, which ends with the same deadline
				if end := time.Since(transport.start); err == nil || !slices.Equal(transport.at, tt.at) || end != tt.end {
					t.Errorf("Do = %v after tries at %v in %v, want an error after %v in %v", err, transport.at, end, tt.at, tt.end)
				}
			})
		})
	}
}

// A transport that finds a kept connection closed sends the request again, of whose
// body it may have read a part.
func TestWebhookBodyCanBeSentAgain(t *testing.T) {
	const event = `{"type":"upload.completed"}`
	sends := roundTrip(func(r *http.Request) int {
		for n := range 3 {
			body, err := r.Body, error(nil)
			if n > 0 {
				if body, err = r.GetBody(); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != event || r.ContentLength != int64(len(event)) {
				t.Errorf("body %d = %s, %v, of %d bytes as the request says, want %s", n, got, err, r.ContentLength, event)
			}
		}
		return http.StatusOK
	})
	if err := webhook(t, "https://backend.example.com/", sends).Notify(t.Context(), "evt_1", []byte(event)); err != nil {
		t.Error(err)
	}
}
