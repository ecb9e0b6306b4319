package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/shared/callerauth"
	"ossupload/shared/rolecreds"
)

// source is deterministic randomness. After left bytes it fails, if left is not
// negative.
type source struct {
	mu     sync.Mutex
	random *rand.ChaCha8
	left   int
}

var errRandom = errors.New("no randomness is left")

func newSource(seed byte) *source {
	return &source{random: rand.NewChaCha8([32]byte{seed}), left: -1}
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left >= 0 {
		if s.left -= len(p); s.left < 0 {
			s.left = 0
			return 0, errRandom
		}
	}
	return s.random.Read(p)
}

// own are the function's own credentials.
type own struct {
	credentials rolecreds.Credentials
	err         error
}

func (o *own) Credentials(context.Context) (rolecreds.Credentials, error) {
	return o.credentials, o.err
}

// people authenticates by the header Authorization, which names who asks.
type people map[string]callerauth.Caller

func (p people) Authenticate(r *http.Request) (callerauth.Caller, error) {
	name := r.Header.Get("Authorization")
	if name == "" {
		return callerauth.Caller{}, callerauth.ErrMissing
	}
	if known, ok := p[name]; ok {
		return known, nil
	}
	return callerauth.Caller{Subject: name}, nil
}

// webhook takes events and checks their form. Answers are statuses for the next
// ones, then it is 204. Status 0 is a broken connection, 1 is silence, and 2 is a
// 204 at the last moment.
type webhook struct {
	t       testing.TB
	secret  []byte
	mu      sync.Mutex
	answers []int
	always  int
	events  []event
}

type event struct {
	ID       string
	Type     string
	Data     map[string]any
	deadline time.Time // of the try
	body     []byte    // as it arrived
}

func (w *webhook) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	verifier, err := standardwebhooks.NewWebhookRaw(w.secret)
	if err != nil {
		w.t.Error(err)
	}
	if err := verifier.VerifyIgnoringTimestamp(body, r.Header); err != nil || r.Method != http.MethodPost || r.URL.String() != hook {
		w.t.Errorf("%s %s of an event: %v", r.Method, r.URL, err)
	}
	e := event{ID: r.Header.Get("webhook-id"), body: body}
	e.deadline, _ = r.Context().Deadline()
	if err := json.Unmarshal(body, &e); err != nil {
		w.t.Errorf("the event %s cannot be read: %v", body, err)
	}
	status := w.note(e)
	switch status {
	case 0:
		return nil, errors.New("connection reset")
	case 1:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case 2:
		time.Sleep(time.Until(e.deadline) - 1)
		status = http.StatusNoContent
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func (w *webhook) note(e event) (status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	if len(w.answers) > 0 {
		status, w.answers = w.answers[0], w.answers[1:]
		return status
	}
	if w.always > 0 {
		return w.always
	}
	return http.StatusNoContent
}

// taken returns the events that arrived since the last time it was asked.
func (w *webhook) taken() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}
