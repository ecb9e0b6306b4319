package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/scripts/internal/testevent"
	"ossupload/shared/settings"
)

var secrets = [][]byte{[]byte("the new secret of this test only"), []byte("the old secret of this test only")}

// sendTo sends a test event to a receiver.
func sendTo(t *testing.T, answer http.HandlerFunc) (string, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	sender := testevent.Sender{
		Webhook:   settings.Webhook{URL: server.URL + "/hook?token=hidden", Secrets: secrets},
		Transport: server.Client().Transport, Now: time.Now, Random: strings.NewReader("0123456789abcdef"),
	}
	var out bytes.Buffer
	err := sendTest(t.Context(), sender, &out)
	if said := out.String(); strings.Contains(said, "hidden") || err != nil && strings.Contains(err.Error(), "hidden") {
		t.Errorf("the webhook's URL is told: %s %v", said, err)
	}
	return out.String(), err
}

func TestSendIsSignedWithEverySecret(t *testing.T) {
	got, err := sendTo(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for _, secret := range secrets {
			verifier, err := standardwebhooks.NewWebhookRaw(secret)
			if err != nil {
				t.Error(err)
				return
			}
			if err := verifier.Verify(body, r.Header); err != nil {
				t.Errorf("Verify() = %v", err)
			}
		}
		var event struct {
			Type      string
			Timestamp time.Time
			Data      struct{ EventID string }
		}
		if err := json.Unmarshal(body, &event); err != nil || event.Type != "ossupload.test" || event.Timestamp.IsZero() ||
			event.Data.EventID != r.Header.Get("webhook-id") {
			t.Errorf("event = %s, %v", body, err)
		}
		io.WriteString(w, "thank you\x1b[0m")
	})
	if err != nil || !strings.Contains(got, "evt_test_30313233343536373839616263646566") || !strings.Contains(got, "answered 200 OK") || !strings.Contains(got, `"thank you\x1b[0m"`) {
		t.Errorf("sendTest() printed %q, %v, want the id and what was answered", got, err)
	}
}

func TestSendThatIsNotTaken(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusFound:               "answered 302 Found",
		http.StatusUnauthorized:        "answered 401 Unauthorized",
		http.StatusGone:                "answered 410 Gone",
		http.StatusInternalServerError: "answered 500 Internal Server Error",
	} {
		calls := 0
		got, err := sendTo(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		if !errors.Is(err, errNotTaken) || !strings.Contains(got, want) || calls != 1 {
			t.Errorf("sendTest() to a receiver that answers %d = %q, %v in %d calls, want %q once", status, got, err, calls, want)
		}
	}
	if _, err := sendTo(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }); err == nil || errors.Is(err, errNotTaken) {
		t.Errorf("sendTest() without an answer = %v, want why", err)
	}
}
