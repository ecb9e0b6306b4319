// Package deployment opens a deployment from where an operator sits: with the
// environment of functions/complete, and with credentials from where Alibaba
// Cloud's tools look, ALIBABA_CLOUD_ACCESS_KEY_ID and its siblings first. It also
// runs the commands that do so.
package deployment

import (
	"crypto/rand"
	"log/slog"
	"time"

	"ossupload/shared/announcer"
	"ossupload/shared/assumerole"
	"ossupload/shared/confirm"
	"ossupload/shared/outbox"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
)

// Deployment is what functions/complete works with, less what serves requests.
type Deployment struct {
	Settings  settings.Complete
	Storage   *storage.Client
	Queue     *outbox.Queue
	Confirmer *confirm.Confirmer
}

// deliveryBudget is for all tries to deliver one event while an operator waits.
const deliveryBudget = 8 * time.Second

// Open puts a deployment together. It calls nothing.
func Open(lookup settings.Lookup, log *slog.Logger) (*Deployment, error) {
	return OpenAs(assumerole.DefaultChain(time.Now), lookup, log)
}

// OpenAs is Open with credentials from elsewhere.
func OpenAs(source rolecreds.Source, lookup settings.Lookup, log *slog.Logger) (*Deployment, error) {
	s, err := settings.LoadComplete(lookup)
	if err != nil {
		return nil, err
	}
	store := storage.New(storage.Config{
		Region: s.Storage.Region, Bucket: s.Storage.Bucket, Endpoint: s.Storage.Internal, Credentials: source,
	})
	announcing, err := announcer.New(announcer.Config{
		TokenKeys: s.TokenKeys, Place: s.Place, Former: s.Former, Storage: store, Location: s.Storage.Location,
		Webhook: s.Webhook, Budget: deliveryBudget, ReceiptSecret: s.ReceiptSecret, Now: time.Now, Random: rand.Reader, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return &Deployment{Settings: s, Storage: store, Queue: announcing.Queue, Confirmer: announcing.Confirmer}, nil
}
