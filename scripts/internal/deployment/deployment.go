// Package deployment opens a deployment from where an operator sits: with the
// environment of functions/complete, and with credentials from where Alibaba
// Cloud's tools look, ALIBABA_CLOUD_ACCESS_KEY_ID and its siblings first.
package deployment

import (
	"crypto/rand"
	"log/slog"
	"time"

	"ossupload/shared/assumerole"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/outbox"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// Deployment is what functions/complete works with, less what serves requests.
type Deployment struct {
	Settings  settings.Complete
	Storage   *storage.Client
	Queue     *outbox.Queue
	Confirmer *confirm.Confirmer
}

// deliveryBudget is for all tries to deliver one event while a client waits. The
// worker of the outbox is patient.
const deliveryBudget = 8 * time.Second

// Open puts a deployment together. It calls nothing.
func Open(lookup settings.Lookup, log *slog.Logger) (*Deployment, error) {
	s, err := settings.LoadComplete(lookup)
	if err != nil {
		return nil, err
	}
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: s.TokenKeys, Place: s.Place, Former: s.Former, Random: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	store := storage.New(storage.Config{
		Region: s.Storage.Region, Bucket: s.Storage.Bucket, Endpoint: s.Storage.Internal, Credentials: assumerole.DefaultChain(time.Now),
	})
	queue, err := outbox.New(outbox.Config{
		Storage: store, Sealer: keyring, Root: grant.OwnRoot(s.Place.Prefix), RetryFor: s.Webhook.RetryFor, Now: time.Now, Log: log,
	})
	if err != nil {
		return nil, err
	}
	confirmer, err := confirm.New(confirm.Config{
		Storage: store, Queue: queue, Keyring: keyring, Bucket: s.Place.Bucket, Prefix: s.Place.Prefix, Location: s.Storage.Location,
		Webhook:   confirm.WebhookConfig{URL: s.Webhook.URL, Secrets: s.Webhook.Secrets, Budget: deliveryBudget},
		LogEvents: s.Webhook.LogEvents, Events: s.Webhook.Events, ReceiptSecret: s.ReceiptSecret, Now: time.Now, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return &Deployment{Settings: s, Storage: store, Queue: queue, Confirmer: confirmer}, nil
}
