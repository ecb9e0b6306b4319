// Command go receives upload events:
//
//	WEBHOOK_SECRETS=whsec_…,whsec_… PORT=8080 go run main.go
//
// It listens on loopback: what stands in front of it ends TLS.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	maxBody = 256 << 10
	events  = "events" // the folder of what was taken
)

func main() {
	webhooks, err := webhooksOf(os.Getenv("WEBHOOK_SECRETS"))
	if err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(events, 0o700); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /webhook", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(receive(webhooks, w, r))
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), ReadTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// webhooksOf has one verifier per secret: there are several during a rotation.
// None at all must not mean "believe all".
func webhooksOf(secrets string) ([]*standardwebhooks.Webhook, error) {
	var webhooks []*standardwebhooks.Webhook
	for secret := range strings.SplitSeq(secrets, ",") {
		secret = strings.TrimSpace(secret)
		if strings.TrimPrefix(secret, "whsec_") == "" {
			continue // the library would verify with an empty key
		}
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("a secret of WEBHOOK_SECRETS is not whsec_ and base64")
		}
		webhooks = append(webhooks, webhook)
	}
	if len(webhooks) == 0 {
		return nil, errors.New("WEBHOOK_SECRETS is empty")
	}
	return webhooks, nil
}

// receive returns the status of the answer.
func receive(webhooks []*standardwebhooks.Webhook, w http.ResponseWriter, r *http.Request) int {
	// The signature covers the bytes as they came, so they are read before
	// anything parses them.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return http.StatusBadRequest
	}
	if !verifies(webhooks, body, r.Header) {
		return http.StatusBadRequest
	}
	id := r.Header.Get(standardwebhooks.HeaderWebhookID)
	isNew, err := takeOnce(id, body)
	if err != nil {
		log.Print(err)
		return http.StatusInternalServerError // so that it is sent again
	}
	if isNew {
		var event struct {
			Type string
			Data struct{ Key string }
		}
		if err := json.Unmarshal(body, &event); err != nil {
			log.Print(err)
		}
		log.Printf("took %s: %s %s", id, event.Type, event.Data.Key)
	}
	// A known event is answered like a new one, or it would be sent again.
	return http.StatusNoContent
}

// verifies reports whether one of the signatures was made with one of the
// secrets, just now. Verify compares in constant time and refuses what is more
// than five minutes old or early, so that a recorded request cannot be sent
// again later.
func verifies(webhooks []*standardwebhooks.Webhook, body []byte, header http.Header) bool {
	for _, webhook := range webhooks {
		if webhook.Verify(body, header) == nil {
			return true
		}
	}
	return false
}

// takeOnce stores an event and reports whether it is new: delivery is at least
// once. Link fails if the name is there, whoever else stores it at this moment.
// With a database it is, in one transaction with the work that the event causes:
//
//	CREATE TABLE events (event_id TEXT PRIMARY KEY, body TEXT NOT NULL)
//	INSERT INTO events VALUES ($1, $2) ON CONFLICT DO NOTHING -- 1 row: it is new
func takeOnce(id string, body []byte) (bool, error) {
	temporary, err := os.CreateTemp(events, ".new-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(body)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return false, err
	}
	err = os.Link(temporary.Name(), filepath.Join(events, url.PathEscape(id)+".json"))
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}
