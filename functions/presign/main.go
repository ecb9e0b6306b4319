// Presign decides who may upload what, and issues URLs, forms, credentials and sessions.
//
// It is an FC 3.0 function on the go1 runtime, triggered through an API gateway
// or an HTTP trigger. The environment that it reads is settings.Presign.
package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"

	"ossupload/shared/assumerole"
	"ossupload/shared/fchttp"
	"ossupload/shared/instance"
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
	s, err := settings.LoadPresign(os.LookupEnv)
	if err != nil {
		return err
	}
	for _, warning := range append(s.Warnings, settings.Unknown(os.Environ())...) {
		log.Warn(warning)
	}
	own := rolecreds.FromContext{Now: time.Now, Fallback: assumerole.DefaultChain(time.Now)}
	store := func(c rolecreds.Source) header {
		return storage.New(storage.Config{Region: s.Storage.Region, Bucket: s.Storage.Bucket, Endpoint: s.Storage.Internal, Credentials: c})
	}
	h, err := newHandler(s, outside{credentials: own, storage: store, now: time.Now, random: rand.Reader, log: log})
	if err != nil {
		return err
	}
	adapter := &fchttp.Adapter{Handler: h.routes(), CORSOrigins: s.CORSOrigins,
		Record: s.RecordEvents, Name: "presign", Version: version.String(), Log: log, Now: time.Now, Pseudonym: h.keyring.Pseudonym}
	fc.Start(func(ctx context.Context, event []byte) (any, error) {
		invocation, _ := fccontext.FromContext(ctx)
		given := invocation.Credentials
		ctx = rolecreds.NewContext(ctx, rolecreds.Credentials{AccessKeyID: given.AccessKeyId, AccessKeySecret: given.AccessKeySecret, SecurityToken: given.SecurityToken})
		return adapter.Answer(fchttp.WithPlatform(ctx, invocation), invocation.RequestID, event)
	})
	return nil // fc.Start does not return.
}
