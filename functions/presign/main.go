// Presign decides who may upload what, and issues presigned PUTs.
//
// It is an FC 3.0 function on the go1 runtime, triggered through an API gateway
// or an HTTP trigger, and answers POST /presign with a URL, the headers to send
// with it and an upload token. The environment that it reads is settings.Presign.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"

	"ossupload/shared/assumerole"
	"ossupload/shared/fchttp"
	"ossupload/shared/issuer"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("refusing to start", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	s, err := settings.LoadPresign(os.LookupEnv)
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
	var credentials rolecreds.Source = rolecreds.FromContext{Now: time.Now, Fallback: assumerole.DefaultChain(time.Now)}
	if s.Role.ARN != "" {
		credentials, err = assumerole.New(assumerole.Config{
			Base: credentials, RoleARN: s.Role.ARN, SessionName: "ossupload-presign", Duration: s.Role.Duration,
			Endpoint: s.Role.STSEndpoint, CAFile: s.Role.STSCAFile, Region: s.Storage.Region, Now: time.Now, Log: log,
		})
		if err != nil {
			return err
		}
	}
	h := &handler{
		policy:      s.Policy,
		caller:      s.Caller,
		keyring:     keyring,
		issuer:      issuer.Issuer{Signer: signer, Credentials: credentials, Now: time.Now},
		callbackURL: s.CallbackURL,
		now:         time.Now,
		random:      rand.Reader,
	}
	adapter := &fchttp.Adapter{Handler: h.routes(), CORSOrigins: s.CORSOrigins, Log: log, Now: time.Now}
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
