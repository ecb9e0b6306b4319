// Package announcer puts together what announces the uploads of a deployment: the
// keyring that opens their grants, the outbox, and the confirmer over one bucket.
// The functions that announce and the commands of an operator have it from here,
// so that they do not differ.
//
// It imports uploadtoken, outbox and confirm, which it puts together, grant for the
// names of our own objects, and settings for the webhook.
package announcer

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/outbox"
	"ossupload/shared/settings"
	"ossupload/shared/uploadtoken"
)

// Config says of which deployment the uploads are, and who is told of them.
type Config struct {
	TokenKeys []uploadtoken.Key
	Place     uploadtoken.Place
	Former    []uploadtoken.Place
	Storage   Storage
	Location  func(key string) string // the object's unsigned URL
	Webhook   settings.Webhook
	// Budget is for all tries to deliver one event while somebody waits for an
	// answer. The worker of the outbox is patient.
	Budget        time.Duration
	Client        http.RoundTripper // nil: the network
	ReceiptSecret []byte
	Now           func() time.Time
	Random        io.Reader
	Log           *slog.Logger // nil: nothing is logged
}

// Storage is what announcing asks of OSS: storage.Client.
type Storage interface {
	confirm.Storage
	outbox.Storage
}

// Announcer is what New puts together.
type Announcer struct {
	Keyring   *uploadtoken.Keyring
	Queue     *outbox.Queue
	Confirmer *confirm.Confirmer
}

// New calls nothing.
func New(c Config) (Announcer, error) {
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: c.TokenKeys, Place: c.Place, Former: c.Former, Random: c.Random})
	if err != nil {
		return Announcer{}, err
	}
	queue, err := outbox.New(outbox.Config{
		Storage: c.Storage, Sealer: keyring, Root: grant.OwnRoot(c.Place.Prefix), RetryFor: c.Webhook.RetryFor, Now: c.Now, Log: c.Log,
	})
	if err != nil {
		return Announcer{}, err
	}
	confirmer, err := confirm.New(confirm.Config{
		Storage: c.Storage, Queue: queue, Keyring: keyring, Bucket: c.Place.Bucket, Prefix: c.Place.Prefix, Location: c.Location,
		Webhook:   confirm.WebhookConfig{URL: c.Webhook.URL, Secrets: c.Webhook.Secrets, Budget: c.Budget, Client: c.Client},
		LogEvents: c.Webhook.LogEvents, Events: c.Webhook.Events, ReceiptSecret: c.ReceiptSecret, Now: c.Now, Log: c.Log,
	})
	if err != nil {
		return Announcer{}, err
	}
	return Announcer{Keyring: keyring, Queue: queue, Confirmer: confirmer}, nil
}
