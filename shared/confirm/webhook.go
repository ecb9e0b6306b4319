package confirm

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"ossupload/shared/mac"
	"ossupload/shared/netcause"
	"ossupload/shared/outbox"
	"ossupload/shared/secureurl"
	"ossupload/shared/trace"
)

// webhook posts events as Standard Webhooks defines: headers webhook-id,
// webhook-timestamp and webhook-signature, "v1," and base64 of
// HMAC-SHA256(secret, id "." timestamp "." body) for each secret. Beside them goes
// the traceparent of W3C Trace Context, which is not signed.
//
// A delivery is tried up to three times within Budget: on no answer, 408, 429
// and 5xx. Each try has half of what is left of that, the first of 8 s for instance
// 4 s. A patient webhook has no budget, and its tries share what time the caller
// has as they come. Any 2xx counts as taken; redirects are not followed.
type webhook struct {
	// requests is what is the same in all of them.
	requests  *http.Request
	keys      []*mac.Key // of the secrets
	transport http.RoundTripper
	budget    time.Duration // 0: patient
	now       func() time.Time
	jitter    func() float64
}

// WebhookConfig says where events go.
type WebhookConfig struct {
	URL     string
	Secrets [][]byte
	Budget  time.Duration     // for all tries together
	Client  http.RoundTripper // nil: a transport of its own
	Jitter  func() float64    // from 0 to 1; nil: math/rand/v2.Float64
}

const (
	tries      = 3
	firstPause = 100 * time.Millisecond
)

// newWebhook returns a Notifier that posts to c.URL. It refuses to be made
// without a secret.
func newWebhook(c WebhookConfig, now func() time.Time) (*webhook, error) {
	if c.URL == "" || len(c.Secrets) == 0 || c.Budget <= 0 {
		return nil, errors.New("a webhook needs a URL, a secret and a budget")
	}
	if _, err := secureurl.Parse(c.URL); err != nil {
		return nil, fmt.Errorf("the webhook's URL %w", err)
	}
	r, err := http.NewRequest(http.MethodPost, c.URL, nil)
	if err != nil {
		return nil, errors.New("making webhook request")
	}
	w := &webhook{requests: r, transport: c.Client, budget: c.Budget, now: now, jitter: c.Jitter}
	if w.jitter == nil {
		w.jitter = mathrand.Float64
	}
	for _, secret := range c.Secrets {
		if len(secret) == 0 {
			return nil, errors.New("a webhook's secret is empty")
		}
		w.keys = append(w.keys, mac.New(secret))
	}
	if w.transport == nil {
		w.transport = netcause.Transport{Next: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: c.Budget / 2}).DialContext,
			TLSHandshakeTimeout: c.Budget / 2,
			IdleConnTimeout:     60 * time.Second,
		}}
	}
	return w, nil
}

// patient is the same webhook for a worker, which comes back later anyway: a
// receiver that is silent has all the time there is, not one try of several.
func (w webhook) patient() *webhook {
	w.budget = 0
	return &w
}

// Notify posts body until it is taken, refused for good, or the budget is
// spent.
func (w *webhook) Notify(ctx context.Context, id string, body []byte) error {
	// A time and no context: each try has a context of its own.
	var end time.Time
	if w.budget > 0 {
		end = time.Now().Add(w.budget)
		if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
			end = deadline
		}
	}
	var err error
	for n := range tries {
		if n > 0 && !pause(ctx, time.Duration((0.5+w.jitter())*float64(firstPause<<(n-1))), end) {
			return err
		}
		var again bool
		if again, err = w.post(ctx, end, id, body); err == nil || !again {
			return err
		}
	}
	return err
}

// post tries once, before end if there is one. again says whether another try may do
// better.
func (w *webhook) post(ctx context.Context, end time.Time, id string, body []byte) (again bool, err error) {
	var cancel context.CancelFunc
	if end.IsZero() {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		// Half of what is left, so that one silent try does not spend it all.
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
	}
	defer cancel()
	now := w.now()
	r := w.request(ctx, id, body, now)
	answered := trace.From(ctx).Begin(trace.Webhook)
	// Not a client's Do, which is for redirects and cookies.
	res, err := w.transport.RoundTrip(r)
	answered()
	if err != nil {
		// A transport may put the URL into its error, and it may hold a secret.
		return true, errors.New("posting event: " + netcause.Of(err))
	}
	drain(ctx, cancel, res.Body)
	return outcome(res, now)
}

// request is a signed request to deliver an event.
func (w *webhook) request(ctx context.Context, id string, body []byte, now time.Time) *http.Request {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	r := w.requests.WithContext(ctx)
	// Named as net/http sends them: Set would have to make these names first.
	r.Header = http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"ossupload"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {timestamp},
		"Webhook-Signature": {w.signatures(id, timestamp, body)},
	}
	if parent := trace.From(ctx).Parent(); parent != "" {
		r.Header["Traceparent"] = []string{parent}
	}
	r.ContentLength = int64(len(body))
	// The transport asks for the body again if a connection was closed meanwhile.
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return r
}

// signatures are those of an event with each secret.
func (w *webhook) signatures(id, timestamp string, body []byte) string {
	const each = len(" v1,") + (mac.Size+2)/3*4
	var sum [mac.Size]byte
	before := []byte(id + "." + timestamp + ".")
	all := make([]byte, 0, len(w.keys)*each)
	for i, key := range w.keys {
		if i > 0 {
			all = append(all, ' ')
		}
		all = base64.StdEncoding.AppendEncode(append(all, "v1,"...), key.Append(sum[:0], before, body))
	}
	return string(all)
}

// drain reads an answer to its end, to keep the connection, if that is near. The
// status has come, and decides alone: a receiver that ends its answer when its
// work is done must not make of a 2xx an answer that came too late.
func drain(ctx context.Context, cancel context.CancelFunc, body io.ReadCloser) {
	const (
		most    = 64 << 10 // bytes
		longest = 50 * time.Millisecond
	)
	defer body.Close()
	if body == http.NoBody {
		return // no timer for nothing
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 2*longest {
		return
	}
	timer := time.AfterFunc(longest, cancel)
	defer timer.Stop()
	io.Copy(io.Discard, io.LimitReader(body, most))
}

// outcome is what an answer means. again says whether another try may do better.
func outcome(res *http.Response, now time.Time) (again bool, err error) {
	if res.StatusCode/100 == 2 {
		return false, nil
	}
	if res.StatusCode == http.StatusGone {
		return false, fmt.Errorf("%w: webhook answered %d", outbox.ErrRefused, res.StatusCode)
	}
	err = fmt.Errorf("posting event: webhook answered %d", res.StatusCode)
	if wait := retryAfter(res.Header, now); wait > 0 {
		return false, &outbox.DelayedError{For: wait, Err: err}
	}
	return res.StatusCode >= 500 || res.StatusCode == http.StatusRequestTimeout || res.StatusCode == http.StatusTooManyRequests, err
}

// retryAfter is how long a receiver wants to be left alone, zero if it does not
// say: RFC 9110, 10.2.3, in seconds or as a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return date.Sub(now)
	}
	return 0
}

// pause waits for d, and reports whether ctx lives on. It does not wait for what
// would be over after end, if there is one.
func pause(ctx context.Context, d time.Duration, end time.Time) bool {
	if !end.IsZero() && time.Until(end) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// eventLog is the Notifier for when no webhook is configured: the event becomes one
// line of the log.
type eventLog struct {
	log   *slog.Logger
	whole bool
}

// Notify fails only for what is not an event.
func (l eventLog) Notify(_ context.Context, id string, body []byte) error {
	if l.whole {
		l.log.Info("event", "eventId", id, "event", json.RawMessage(body))
		return nil
	}
	var names struct {
		Type string
		Data struct {
			Key  string
			Size int64
		}
	}
	if err := json.Unmarshal(body, &names); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	l.log.Info("event", "eventId", id, "type", names.Type, "key", names.Data.Key, "size", names.Data.Size)
	return nil
}
