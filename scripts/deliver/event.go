package main

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
	testType    = "ossupload.test"
	testTimeout = 10 * time.Second
	maxAnswer   = 1 << 10 // bytes that are shown of the receiver's answer
)

var errNotTaken = errors.New("the receiver did not take the event: it must answer 2xx")

// tester sends a test event as events are sent, but once.
type tester struct {
	webhook   settings.Webhook
	transport http.RoundTripper
	now       func() time.Time
	random    io.Reader // of ids
}

// send posts an event and prints what the receiver answered.
//
//	{"type":"ossupload.test","timestamp":"2026-11-21T10:00:00Z","data":{"eventId":"evt_test_…","message":…}}
func (t tester) send(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	r, id, err := t.request(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "sending %s, of the type %s, to %s\n", id, testType, r.URL.Host)
	client := &http.Client{
		Transport:     t.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	began := t.now()
	res, err := client.Do(r)
	if err != nil {
		// net/http puts the URL into its error, and a webhook URL may hold a secret.
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("posting the test event: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the receiver's answer: %w", err)
	}
	fmt.Fprintf(out, "the receiver answered %s after %v: %q\n", res.Status, t.now().Sub(began).Round(time.Millisecond), answer)
	if res.StatusCode/100 != 2 {
		return errNotTaken
	}
	return nil
}

// request is a new event, signed with every secret.
func (t tester) request(ctx context.Context) (*http.Request, string, error) {
	random := make([]byte, 16)
	if _, err := io.ReadFull(t.random, random); err != nil {
		return nil, "", fmt.Errorf("making an id: %w", err)
	}
	id, now := "evt_test_"+hex.EncodeToString(random), t.now()
	body, err := json.Marshal(map[string]any{
		"type":      testType,
		"timestamp": now.UTC().Truncate(time.Second),
		"data":      map[string]string{"eventId": id, "message": "This is a test. No upload belongs to it."},
	})
	if err != nil {
		return nil, "", fmt.Errorf("encoding the test event: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.webhook.URL, bytes.NewReader(body))
	if err != nil {
		return nil, "", errors.New("making the request: WEBHOOK_URL is not a URL")
	}
	signatures := make([]string, len(t.webhook.Secrets))
	for i, secret := range t.webhook.Secrets {
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
