package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/scripts/internal/stack/fault"
)

const (
	// maxBody bounds one delivery; an event is a few KiB.
	maxBody = 256 << 10
	// tolerance is how far a webhook-timestamp may lie from now, the value
	// of the Standard Webhooks libraries.
	tolerance    = 5 * time.Minute
	defaultLimit = 10_000
)

// Config says what a Hook accepts and what it depends on.
type Config struct {
	// Secrets are the whsec_… secrets of which any may have signed. At least
	// one; the first signs what is sent again.
	Secrets []string
	// Forward is the URL of the developer's own backend, or empty.
	Forward string
	// Fault returns the mode in which a delivery is to fail, or "". It is
	// asked with the target "webhook" and the operation "Deliver"; nil never
	// fails.
	Fault func(target, operation string) string
	// Timeout is how long a delivery that has to time out is held before its
	// connection is reset; zero is 30 seconds.
	Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets a line for each delivery; nil discards them.
	Log *slog.Logger
	// Limit is how many deliveries are kept, the newest; zero is 10,000.
	Limit int
	// Transport carries what is forwarded; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// Hook is the receiver and its memory. It is safe for concurrent use.
type Hook struct {
	cfg       Config
	verifiers []*standardwebhooks.Webhook
	client    *http.Client

	mu         sync.Mutex
	received   int        // deliveries so far, those that are forgotten too
	deliveries []delivery // newest last
}

// delivery is one request that was received.
type delivery struct {
	number    int // 1 for the first
	id        string
	timestamp int64
	verified  bool
	header    http.Header
	body      []byte
}

// New returns a Hook. It refuses to start without a secret, or with a secret or
// forward URL that cannot work.
func New(cfg Config) (*Hook, error) {
	if len(cfg.Secrets) == 0 {
		return nil, errors.New("configuring the webhook receiver: no secret")
	}
	h := &Hook{}
	for i, secret := range cfg.Secrets {
		v, err := standardwebhooks.NewWebhook(secret)
		if err != nil || secret == "" || secret == "whsec_" {
			// The cause quotes a byte of the secret.
			return nil, fmt.Errorf("configuring the webhook receiver: secret %d is not whsec_ and base64", i+1)
		}
		h.verifiers = append(h.verifiers, v)
	}
	if cfg.Forward != "" {
		u, err := url.Parse(cfg.Forward)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("configuring the webhook receiver: the forward URL is not http(s)://host/…")
		}
	}
	if cfg.Fault == nil {
		cfg.Fault = func(string, string) string { return "" }
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Limit <= 0 {
		cfg.Limit = defaultLimit
	}
	h.cfg = cfg
	h.client = &http.Client{
		Transport: cfg.Transport,
		// A redirect is a failed delivery: its target was never configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

// Receive takes deliveries: POST, on any path. It answers 204, or 401 to what
// does not verify, or what the forward URL answered.
func (h *Hook) Receive() http.Handler {
	return http.HandlerFunc(h.receive)
}

func (h *Hook) receive(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "use POST")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "too_large", "the delivery is over 256 KiB")
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body cannot be read")
		return
	}
	mode := h.cfg.Fault("webhook", "Deliver")
	if mode != "" {
		h.cfg.Log.Info("failing on demand", "operation", "Deliver", "mode", mode)
	}
	switch mode {
	case fault.InternalError:
		refuse(w, http.StatusInternalServerError, "internal", "failing on demand")
		return
	case fault.Unavailable:
		refuse(w, http.StatusServiceUnavailable, "unavailable", "failing on demand")
		return
	case fault.Timeout:
		fault.Hang(r, h.cfg.Timeout)
		fault.Reset(w)
		return
	case fault.ConnectionReset:
		fault.Reset(w)
		return
	}

	d := delivery{
		id:       r.Header.Get(standardwebhooks.HeaderWebhookID),
		verified: h.verifies(body, r.Header),
		header:   r.Header.Clone(),
		body:     body,
	}
	// A header that is missing or no number leaves 0; it does not verify.
	d.timestamp, _ = strconv.ParseInt(r.Header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	h.store(d)

	status := http.StatusNoContent
	switch {
	case !d.verified:
		status = http.StatusUnauthorized
	case h.cfg.Forward != "":
		status = h.forward(r.Context(), d.header, d.body)
	}
	h.cfg.Log.Info("receiving a webhook", "id", d.id, "verified", d.verified, "status", status)
	switch {
	case mode == fault.StoredThenReset:
		fault.Reset(w)
	case status == http.StatusUnauthorized && !d.verified:
		refuse(w, status, "unauthenticated", "the delivery does not verify")
	default:
		w.WriteHeader(status)
	}
}

// verifies reports whether one of the secrets signed body, and did so lately.
// The library would judge the age by its own clock.
func (h *Hook) verifies(body []byte, header http.Header) bool {
	seconds, err := strconv.ParseInt(header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil || h.cfg.Now().Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	return slices.ContainsFunc(h.verifiers, func(v *standardwebhooks.Webhook) bool {
		return v.VerifyIgnoringTimestamp(body, header) == nil
	})
}

func (h *Hook) store(d delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.received++
	d.number = h.received
	h.deliveries = append(h.deliveries, d)
	if len(h.deliveries) > h.cfg.Limit {
		h.deliveries[0] = delivery{} // append moves the rest to the front, in time
		h.deliveries = h.deliveries[1:]
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	reply(w, status, map[string]string{"code": code, "message": message})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	// The only possible error is that the client has left.
	_ = enc.Encode(value)
}
