package confirm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/shared/confirm"
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
	var body []byte
	var header http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	if err := webhook(t, s.URL, nil).Notify(t.Context(), "evt_1", []byte(`{"a":1}`)); err != nil {
		t.Fatalf("Notify: %v", err)
	}
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
		return nil, errors.New("connection reset by https://backend.example.com/secret-path")
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
		{"refused for good", []int{400}, false, 1},
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

func TestWebhookRefusesToBeUnsigned(t *testing.T) {
	for _, c := range []confirm.WebhookConfig{
		{Budget: time.Second, Secrets: [][]byte{hookSecret}},
		{URL: "https://x.example.com", Budget: time.Second},
		{URL: "https://x.example.com", Budget: time.Second, Secrets: [][]byte{{}}},
		{URL: "https://x.example.com", Secrets: [][]byte{hookSecret}},
	} {
		if _, err := confirm.NewWebhook(c, time.Now); err == nil {
			t.Errorf("NewWebhook(%+v) = nil error, want one", c)
		}
	}
}

// slow takes an event after a second, and counts.
type slow struct {
	calls atomic.Int32
	err   error
}

func (s *slow) Notify(ctx context.Context, _ string, _ []byte) error {
	s.calls.Add(1)
	select {
	case <-time.After(time.Second):
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestOnceSharesOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{}
		once := confirm.NewOnce(next, time.Now)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := once.Notify(t.Context(), "evt_1", nil); err != nil {
					t.Errorf("Notify = %v, want nil", err)
				}
			})
		}
		wg.Go(func() { once.Notify(t.Context(), "evt_2", nil) })
		wg.Wait()
		if got := next.calls.Load(); got != 2 {
			t.Errorf("delivered %d times, want once for each of two ids", got)
		}
		time.Sleep(4 * time.Second)
		once.Notify(t.Context(), "evt_1", nil)
		if got := next.calls.Load(); got != 2 {
			t.Errorf("delivered %d times, want none for an id just delivered", got)
		}
		time.Sleep(2 * time.Second)
		once.Notify(t.Context(), "evt_1", nil)
		if got := next.calls.Load(); got != 3 {
			t.Errorf("delivered %d times, want one more after a while", got)
		}
	})
}

func TestOnceForgetsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{err: errors.New("down")}
		once := confirm.NewOnce(next, time.Now)
		for range 2 {
			if err := once.Notify(t.Context(), "evt_1", nil); err == nil {
				t.Error("Notify = nil, want the failure")
			}
		}
		if got := next.calls.Load(); got != 2 {
			t.Errorf("tried %d times, want 2", got)
		}
	})
}

func TestOnceOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{}
		once := confirm.NewOnce(next, time.Now)
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := once.Notify(first, "evt_1", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("Notify of the caller that left = %v, want Canceled", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if err := once.Notify(t.Context(), "evt_1", nil); err != nil {
				t.Errorf("Notify of the caller that stayed = %v, want nil", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if got := next.calls.Load(); got != 1 {
			t.Errorf("delivered %d times, want 1", got)
		}
	})
}

func TestLogIsOneLineOfJSON(t *testing.T) {
	var out bytes.Buffer
	n := confirm.NewEventLog(slog.New(slog.NewJSONHandler(&out, nil)))
	if err := n.Notify(t.Context(), "evt_1", []byte(`{"type":"upload.completed"}`)); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"event":{"type":"upload.completed"}`) {
		t.Errorf("logged %q, want one line that holds the event", got)
	}
}
