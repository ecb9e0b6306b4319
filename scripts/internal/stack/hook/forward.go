package hook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// forwardDeadline bounds one request to the developer's backend.
const forwardDeadline = 5 * time.Second

// forward sends body to the developer's backend and returns what it answered;
// 502 when it cannot be reached and 504 when it does not answer in time.
func (h *Hook) forward(ctx context.Context, header http.Header, body []byte) int {
	ctx, cancel := context.WithTimeout(ctx, forwardDeadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.Forward, bytes.NewReader(body))
	if err != nil {
		// New has parsed the same URL.
		return http.StatusBadGateway
	}
	req.Header = header.Clone()
	// These belong to one connection, or are set anew by the client.
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Expect", "Content-Length", "Accept-Encoding"} {
		req.Header.Del(name)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		// The URL in the error may hold a credential of the developer's.
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		h.cfg.Log.Warn("forwarding a webhook", "id", header.Get(standardwebhooks.HeaderWebhookID), "err", err.Error())
		if errors.Is(err, context.DeadlineExceeded) {
			return http.StatusGatewayTimeout
		}
		return http.StatusBadGateway
	}
	defer resp.Body.Close()
	// Read a little, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxBody)
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		return http.StatusBadGateway
	}
	return resp.StatusCode
}

// resend forwards a delivery again, under its own id but signed now: the old
// signature would be refused once it is five minutes old.
func (h *Hook) resend(ctx context.Context, d delivery) (int, error) {
	now := h.cfg.Now()
	signature, err := h.verifiers[0].Sign(d.id, now, d.body)
	if err != nil {
		return 0, err
	}
	header := d.header.Clone()
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return h.forward(ctx, header, d.body), nil
}
