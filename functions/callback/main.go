// Callback receives the upload callback that OSS sends, proves that it is
// genuine and belongs to an upload that was granted, confirms the object,
// notifies the application and answers the receipt, which OSS hands to the
// uploader.
//
// It is an FC 3.0 function on the go1 runtime behind an anonymous HTTP trigger
// or an API gateway. The environment that it reads is settings.Callback.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"time"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"

	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/osscallback"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	if err := run(log); err != nil {
		log.Error("refusing to start", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	s, err := settings.LoadCallback(os.LookupEnv)
	if err != nil {
		return err
	}
	for _, w := range s.Warnings {
		log.Warn(w)
	}
	keyring, err := uploadtoken.NewKeyring(s.TokenKeys, rand.Reader)
	if err != nil {
		return err
	}
	verifier, err := osscallback.NewVerifier(osscallback.Config{KeyURLs: s.CallbackKeyURLs, Now: time.Now, Log: log})
	if err != nil {
		return err
	}
	uri, err := osscallback.URI(s.CallbackURL)
	if err != nil {
		return fmt.Errorf("reading CALLBACK_URL: %w", err)
	}
	var notifier confirm.Notifier = confirm.Log{Logger: log}
	if s.Webhook.URL != "" {
		notifier, err = confirm.NewWebhook(confirm.WebhookConfig{
			URL: s.Webhook.URL, Secrets: s.Webhook.Secrets, Budget: deliveryBudget, Now: time.Now, Jitter: mathrand.Float64,
		})
		if err != nil {
			return err
		}
	}
	store := storage.New(storage.Config{
		Region: s.Storage.Region, Bucket: s.Storage.Bucket, Endpoint: s.Storage.Internal,
		Credentials: rolecreds.FromContext{Now: time.Now, Fallback: rolecreds.Env{Lookup: os.LookupEnv, Now: time.Now}},
	})
	h := &handler{
		bucket:   s.Storage.Bucket,
		uri:      uri,
		verifier: verifier,
		keyring:  keyring,
		confirmer: &confirm.Confirmer{
			Storage:       store,
			Keyring:       keyring,
			Location:      func(key string) string { return s.Storage.Public.URL(s.Storage.Bucket, key) },
			Notifier:      confirm.NewOnce(notifier, time.Now),
			Marks:         store,
			Log:           log,
			ReceiptSecret: s.ReceiptSecret,
		},
		now: time.Now,
	}
	adapter := &fchttp.Adapter{Handler: h.routes(), MaxBody: maxBody, Log: log, Now: time.Now}
	fc.Start(func(ctx context.Context, event []byte) (json.RawMessage, error) {
		invocation, _ := fccontext.FromContext(ctx)
		given := invocation.Credentials
		ctx = rolecreds.NewContext(ctx, rolecreds.Credentials{
			AccessKeyID: given.AccessKeyId, AccessKeySecret: given.AccessKeySecret, SecurityToken: given.SecurityToken,
		})
		return adapter.Invoke(ctx, invocation.RequestID, event)
	})
	return nil // fc.Start does not return.
}
