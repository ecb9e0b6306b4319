// Presign decides who may upload what, and issues presigned PUTs, POST forms,
// download URLs, scoped STS credentials and session endpoints.
//
// It is an FC 3.0 function on the go1 runtime, triggered through an API gateway
// or an HTTP trigger. The environment that it reads is settings.Presign.
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
	slog.SetDefault(log)
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
	var own rolecreds.Source = rolecreds.FromContext{Now: time.Now, Fallback: assumerole.DefaultChain(time.Now)}
	assume := func(sessionName, policy string, duration time.Duration) (rolecreds.Source, error) {
		return assumerole.New(assumerole.Config{
			Base: own, RoleARN: s.Role.ARN, SessionName: sessionName, Policy: policy, Duration: duration,
			Endpoint: s.Role.STSEndpoint, CAFile: s.Role.STSCAFile, Region: s.Storage.Region, Now: time.Now, Log: log,
		})
	}
	credentials := own
	if s.Role.ARN != "" {
		if credentials, err = assume("ossupload-presign", "", s.Role.Duration); err != nil {
			return err
		}
	}
	downloads, err := signing.New(s.Storage.Region, s.Storage.Download)
	if err != nil {
		return fmt.Errorf("making signer of downloads: %w", err)
	}
	h := &handler{
		policy: s.Policy,
		caller: s.Caller,
		issuer: issuer.Issuer{
			Signer: signer, Credentials: credentials, Keyring: keyring, CallbackURL: s.CallbackURL, Now: time.Now,
		},
		downloads: issuer.Issuer{Signer: downloads, Credentials: credentials, Now: time.Now},
		storage:   s.Storage,
		publicURL: s.PublicURL,
		now:       time.Now,
		random:    rand.Reader,
	}
	if s.STSEnabled {
		h.assume = func(sessionName, policy string) (rolecreds.Source, error) {
			return assume(sessionName, policy, min(s.Role.Duration, time.Hour))
		}
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
