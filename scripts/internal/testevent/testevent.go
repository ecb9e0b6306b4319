// Package testevent sends a test event to the webhook of a deployment, as events
// are sent, but once.
package testevent

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/shared/settings"
)

const (
	// Type is that of every test event.
	Type = "ossupload.test"

	timeout   = 10 * time.Second
	maxAnswer = 1 << 10 // bytes that are kept of the receiver's answer
)

// Sender sends test events. All fields are required.
type Sender struct {
	Webhook   settings.Webhook
	Transport http.RoundTripper
	Now       func() time.Time
	Random    io.Reader // of ids
}

// Answer is what a receiver answered.
type Answer struct {
	ID     string // of the event
	Status int
	Text   string // status and reason
	Body   []byte // its beginning
	Took   time.Duration
}

// Taken reports whether the receiver has taken the event.
func (a Answer) Taken() bool { return a.Status/100 == 2 }

// Send posts an event. About is called with its id before, unless it is nil.
//
//	{"type":"ossupload.test","timestamp":"2026-11-21T10:00:00Z","data":{"eventId":"evt_test_…","message":…}}
//
// No error holds the webhook's URL, which may be a secret.
func (s Sender) Send(ctx context.Context, about func(id, host string)) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, id, err := s.request(ctx)
	if err != nil {
		return Answer{}, err
	}
	if about != nil {
		about(id, r.URL.Host)
	}
	client := &http.Client{
		Transport:     s.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	began := s.Now()
	res, err := client.Do(r)
	if err != nil {
		// net/http puts the URL into its error.
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return Answer{}, fmt.Errorf("posting the test event: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("reading the receiver's answer: %w", err)
	}
	return Answer{ID: id, Status: res.StatusCode, Text: res.Status, Body: body, Took: s.Now().Sub(began)}, nil
}

// request is a new event, signed with every secret.
func (s Sender) request(ctx context.Context) (*http.Request, string, error) {
	random := make([]byte, 16)
	if _, err := io.ReadFull(s.Random, random); err != nil {
		return nil, "", fmt.Errorf("making an id: %w", err)
	}
	id, now := "evt_test_"+hex.EncodeToString(random), s.Now()
	body, err := json.Marshal(map[string]any{
		"type":      Type,
		"timestamp": now.UTC().Truncate(time.Second),
		"data":      map[string]string{"eventId": id, "message": "This is a test. No upload belongs to it."},
	})
	if err != nil {
		return nil, "", fmt.Errorf("encoding the test event: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Webhook.URL, bytes.NewReader(body))
	if err != nil {
		return nil, "", errors.New("making the request: WEBHOOK_URL is not a URL")
	}
	signatures := make([]string, len(s.Webhook.Secrets))
	for i, secret := range s.Webhook.Secrets {
		signer, err := standardwebhooks.NewWebhookRaw(secret)
		if err == nil {
			signatures[i], err = signer.Sign(id, now, body)
		}
		if err != nil {
			return nil, "", fmt.Errorf("signing the test event: %w", err)
		}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "ossupload")
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return r, id, nil
}
