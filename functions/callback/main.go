// Callback receives the upload callback that OSS sends, proves that it is genuine
// and belongs to an upload that was granted, confirms the object, notifies the
// application and answers the receipt, which OSS hands to the uploader.
//
// It is an FC 3.0 function on the go1 runtime behind an anonymous HTTP trigger
// or an API gateway. The environment that it reads is settings.Callback.
package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"

	"ossupload/shared/fchttp"
	"ossupload/shared/instance"
	"ossupload/shared/osscallback"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/version"
)

func main() {
	instance.Fit(os.LookupEnv)
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("refusing to start", "version", version.String(), "err", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	s, err := settings.LoadCallback(os.LookupEnv)
	if err != nil {
		return err
	}
	for _, warning := range append(s.Warnings, settings.Unknown(os.Environ())...) {
		log.Warn(warning)
	}
	own := rolecreds.FromContext{Now: time.Now, Fallback: rolecreds.Env{Lookup: os.LookupEnv, Now: time.Now}}
	store := storage.New(storage.Config{Region: s.Storage.Region, Bucket: s.Storage.Bucket, Endpoint: s.Storage.Internal, Credentials: own})
	h, err := newHandler(s, outside{storage: store, now: time.Now, random: rand.Reader, log: log})
	if err != nil {
		return err
	}
	adapter := &fchttp.Adapter{Handler: h.routes(), MaxBody: osscallback.MaxBody,
		Record: s.RecordEvents, Name: "callback", Version: version.String(), Log: log, Now: time.Now, Pseudonym: h.keyring.Pseudonym}
	fc.Start(func(ctx context.Context, event []byte) (any, error) {
		invocation, _ := fccontext.FromContext(ctx)
		given := invocation.Credentials
		ctx = rolecreds.NewContext(ctx, rolecreds.Credentials{AccessKeyID: given.AccessKeyId, AccessKeySecret: given.AccessKeySecret, SecurityToken: given.SecurityToken})
		return adapter.Answer(fchttp.WithPlatform(ctx, invocation), invocation.RequestID, event)
	})
	return nil // fc.Start does not return.
}
