// Complete runs multipart uploads: it starts them, issues part URLs, lists,
// verifies, completes and aborts; and it repairs a notification that was lost.
//
// It is an FC 3.0 function on the go1 runtime, triggered through an API gateway
// or an HTTP trigger, and answers the routes below /s3/multipart, whose names
// and shapes are Uppy's, and POST /confirm. A timer makes it sweep. The
// environment that it reads is settings.Complete.
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

	"ossupload/shared/assumerole"
	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/issuer"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
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
	s, err := settings.LoadComplete(os.LookupEnv)
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
	signer, err := signing.New(s.Storage.Region, s.Storage.Public)
	if err != nil {
		return fmt.Errorf("making signer: %w", err)
	}
	// Its own calls are made with the function's role, what clients get is
	// signed with the upload role if there is one: that role needs no more than
	// oss:PutObject.
	var own rolecreds.Source = rolecreds.FromContext{Now: time.Now, Fallback: assumerole.DefaultChain(time.Now)}
	credentials := own
	if s.Role.ARN != "" {
		credentials, err = assumerole.New(assumerole.Config{
			Base: own, RoleARN: s.Role.ARN, SessionName: "ossupload-complete", Duration: s.Role.Duration,
			Endpoint: s.Role.STSEndpoint, CAFile: s.Role.STSCAFile, Region: s.Storage.Region, Now: time.Now, Log: log,
		})
		if err != nil {
			return err
		}
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
		Region: s.Storage.Region, Bucket: s.Storage.Bucket, Endpoint: s.Storage.Internal, Credentials: own,
	})
	confirmer := &confirm.Confirmer{
		Storage:       store,
		Keyring:       keyring,
		Location:      func(key string) string { return s.Storage.Public.URL(s.Storage.Bucket, key) },
		Notifier:      confirm.NewOnce(notifier, time.Now),
		Marks:         store,
		Log:           log,
		ReceiptSecret: s.ReceiptSecret,
	}
	h := &handler{
		policy:  s.Policy,
		caller:  s.Caller,
		keyring: keyring,
		issuer: issuer.Issuer{
			Signer: signer, Credentials: credentials, Keyring: keyring, CallbackURL: s.CallbackURL, Now: time.Now,
		},
		storage:   store,
		confirmer: confirmer,
		now:       time.Now,
		random:    rand.Reader,
	}
	sweeper := &sweep.Sweeper{
		Prefix: s.Policy.Prefix, Bucket: s.Storage.Bucket, TokenTTL: s.Policy.TokenTTL,
		Storage: store, Confirmer: confirmer, Now: time.Now, Log: log,
	}
	adapter := &fchttp.Adapter{
		Handler: h.routes(), CORSOrigins: s.CORSOrigins, Log: log, Now: time.Now, Timer: timer(sweeper, log),
	}
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
