package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"ossupload/shared/assumerole"
	"ossupload/shared/callerauth"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/rolecreds"
	"ossupload/shared/route"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// handler issues what may be signed.
type handler struct {
	policy  grant.Policy
	caller  callerauth.Authenticator
	issuer  *issuer.Issuer
	storage header               // what it holds downloads against
	keyring *uploadtoken.Keyring // seals sessions
	// assume returns the upload role's credentials, narrowed by a session policy;
	// nil: STS is off.
	assume   func(sessionName, policy string, life time.Duration) (rolecreds.Source, error)
	lent     lent
	region   string
	endpoint signing.Endpoint // for the clients of STS credentials
	// publicURL is the base of session endpoints; empty: none are issued.
	publicURL string
	now       func() time.Time
	random    io.Reader
}

// header asks for an object's metadata, with the credentials that sign:
// storage.Client.
type header interface {
	HeadVersion(ctx context.Context, key, version string) (storage.Object, error)
}

// outside is what a handler meets outside of itself.
type outside struct {
	credentials rolecreds.Source // the function's own
	storage     func(rolecreds.Source) header
	now         func() time.Time
	random      io.Reader
	log         *slog.Logger
}

func newHandler(s settings.Presign, out outside) (*handler, error) {
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: s.TokenKeys, Place: s.Place, Former: s.Former, Random: out.random,
	})
	if err != nil {
		return nil, err
	}
	assume := func(sessionName, policy string, duration time.Duration) (rolecreds.Source, error) {
		return assumerole.New(assumerole.Config{
			Base: out.credentials, RoleARN: s.Role.ARN, SessionName: sessionName, Policy: policy, Duration: duration,
			Endpoint: s.Role.STSEndpoint, CAFile: s.Role.STSCAFile, Region: s.Storage.Region, Now: out.now, Log: out.log,
		})
	}
	credentials := out.credentials
	if s.Role.ARN != "" {
		if credentials, err = assume("ossupload-presign", "", s.Role.Duration); err != nil {
			return nil, err
		}
	}
	caller, err := callerauth.New(s.Caller, out.now, out.log)
	if err != nil {
		return nil, err
	}
	issuer, err := issuer.New(issuer.Config{
		Region: s.Storage.Region, Uploads: s.Storage.Public, Downloads: s.Storage.Download, Credentials: credentials,
		Keyring: keyring, CallbackURL: s.CallbackURL, MaxExpires: s.MaxExpires, Now: out.now,
	})
	if err != nil {
		return nil, err
	}
	h := &handler{
		policy:    s.Policy,
		caller:    caller,
		issuer:    issuer,
		storage:   out.storage(credentials),
		keyring:   keyring,
		region:    s.Storage.Region,
		endpoint:  s.Storage.Public,
		publicURL: s.PublicURL,
		now:       out.now,
		random:    out.random,
	}
	if s.STSEnabled {
		h.assume = assume
		h.lent = lent{now: out.now, longest: min(s.Role.Duration, maxSTS)}
	}
	return h, nil
}

func (h *handler) routes() http.Handler { return fchttp.NewMux(h.table()...) }

func (h *handler) table() []fchttp.Route {
	uploads := route.For(callerauth.ScopeUpload, h.caller.Authenticate)
	downloads := route.For(callerauth.ScopeDownload, h.caller.Authenticate)
	credentials := route.For(callerauth.ScopeSTS, h.caller.Authenticate)
	return []fchttp.Route{
		route.New(uploads, "POST", "/presign", route.Strict, h.presign, h.checkPresign),
		route.New(downloads, "POST", "/download", route.Strict, h.download, checkDownload),
		route.New(credentials, "POST", "/sts", route.Optional, h.sts),
		route.New(uploads, "POST", "/session", route.Optional, h.session),
	}
}
