package announcer_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"ossupload/shared/announcer"
	"ossupload/shared/grant"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

var today = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// down is a webhook that nobody answers.
type down struct{}

func (down) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

func config(b announcer.Storage) announcer.Config {
	return announcer.Config{
		TokenKeys: []uploadtoken.Key{{ID: "k1", Secret: bytes.Repeat([]byte("s"), 32)}},
		Place:     uploadtoken.Place{Bucket: "examplebucket", Prefix: "u/"},
		Storage:   b,
		Location:  func(key string) string { return "https://oss.example.com/" + key },
		Webhook:   settings.Webhook{URL: "https://hook.example.com/", Secrets: [][]byte{[]byte("0123456789abcdef01234567")}, RetryFor: time.Hour},
		Budget:    time.Second, Client: down{}, Now: func() time.Time { return today }, Random: rand.Reader,
	}
}

// What the confirmer cannot deliver waits in the queue, and both know the keyring.
func TestParts(t *testing.T) {
	bucket := storagetest.New(t, func() time.Time { return today })
	a, err := announcer.New(config(bucket))
	if err != nil {
		t.Fatal(err)
	}
	const key = "u/alice/x.png"
	claims := uploadtoken.Claims{ID: "1", Key: key, Subject: "alice", MaxSize: 5, Metadata: grant.MetadataSum(nil)}
	sealed, err := a.Keyring.Seal(uploadtoken.Grant, claims)
	if err != nil {
		t.Fatal(err)
	}
	bucket.Store(key, storage.Object{Size: 5, ETag: "E", Type: "Normal", LastModified: today, Metadata: map[string]string{grant.MetaGrant: sealed}})
	granted, object, err := a.Confirmer.Granted(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Confirmer.Announce(t.Context(), granted, object)
	if err != nil || answer.Delivered || answer.Location != "https://oss.example.com/"+key {
		t.Errorf("Announce = %+v, %v, want a receipt of what is not delivered", answer, err)
	}
	for l, err := range a.Queue.Pending(t.Context()) {
		if err != nil || l.Entry == nil || l.Entry.ID != answer.EventID {
			t.Errorf("waiting: %+v, %v, want the event %s", l, err, answer.EventID)
		}
	}
	if waiting := bucket.Keys("_ossupload/u/_pending/"); len(waiting) != 1 || !strings.HasSuffix(waiting[0], answer.EventID) {
		t.Errorf("waiting: %q, want the event %s", waiting, answer.EventID)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*announcer.Config){
		"no keys":                    func(c *announcer.Config) { c.TokenKeys = nil },
		"no place":                   func(c *announcer.Config) { c.Place = uploadtoken.Place{} },
		"no storage":                 func(c *announcer.Config) { c.Storage = nil },
		"no time to retry for":       func(c *announcer.Config) { c.Webhook.RetryFor = 0 },
		"no locations":               func(c *announcer.Config) { c.Location = nil },
		"a webhook without a secret": func(c *announcer.Config) { c.Webhook.Secrets = nil },
		"a webhook without a budget": func(c *announcer.Config) { c.Budget = 0 },
		"no clock":                   func(c *announcer.Config) { c.Now = nil },
		"no randomness":              func(c *announcer.Config) { c.Random = nil },
	} {
		c := config(storagetest.New(t, time.Now))
		change(&c)
		if a, err := announcer.New(c); err == nil || a != (announcer.Announcer{}) {
			t.Errorf("%s: New = %+v, %v, want an error alone", name, a, err)
		}
	}
}
