package main

import (
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
	"ossupload/shared/uploadtoken"
)

// handler issues what may be signed.
type handler struct {
	policy  grant.Policy
	caller  callerauth.Authenticator
	issuer  *issuer.Issuer
	keyring *uploadtoken.Keyring // seals sessions
	// assume returns the upload role's credentials, narrowed by a session policy;
	// nil: STS is off.
	assume   func(sessionName, policy string) (rolecreds.Source, error)
	region   string
	endpoint signing.Endpoint // for the clients of STS credentials
	// publicURL is the base of session endpoints; empty: none are issued.
	publicURL string
	now       func() time.Time
	random    io.Reader
}

// outside is what a handler meets outside of itself.
type outside struct {
	credentials rolecreds.Source // the function's own
	now         func() time.Time
	random      io.Reader
	log         *slog.Logger
}

func newHandler(s settings.Presign, out outside) (*handler, error) {
	keyring, err := uploadtoken.NewKeyring(s.TokenKeys, out.random)
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
		keyring:   keyring,
		region:    s.Storage.Region,
		endpoint:  s.Storage.Public,
		publicURL: s.PublicURL,
		now:       out.now,
		random:    out.random,
	}
	if s.STSEnabled {
		h.assume = func(sessionName, policy string) (rolecreds.Source, error) {
			return assume(sessionName, policy, min(s.Role.Duration, maxSTS))
		}
	}
	return h, nil
}

func (h *handler) routes() http.Handler {
	who := h.caller.Authenticate
	return fchttp.NewMux(
		route.New(who, "POST", "/presign", route.Strict, h.presign, h.checkPresign),
		route.New(who, "POST", "/download", route.Strict, h.download, checkDownload),
		route.New(who, "POST", "/sts", route.Optional, h.sts),
		route.New(who, "POST", "/session", route.Optional, h.session),
	)
}
