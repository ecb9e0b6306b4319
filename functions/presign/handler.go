package main

import (
	"io"
	"net/http"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/request"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
)

// handler issues what may be signed.
type handler struct {
	policy    grant.Policy
	caller    callerauth.Authenticator
	issuer    issuer.Issuer // of uploads
	downloads issuer.Issuer // of downloads, at their own endpoint
	// assume returns the upload role's credentials, narrowed by a session policy;
	// nil: STS is off.
	assume  func(sessionName, policy string) (rolecreds.Source, error)
	storage settings.Storage
	// publicURL is the base of session endpoints; empty: none are issued.
	publicURL string
	now       func() time.Time
	random    io.Reader
}

func (h *handler) routes() http.Handler {
	return fchttp.NewMux(
		fchttp.Route{Method: "POST", Pattern: "/presign", Handle: h.presign},
		fchttp.Route{Method: "POST", Pattern: "/download", Handle: h.download},
		fchttp.Route{Method: "POST", Pattern: "/sts", Handle: h.sts},
		fchttp.Route{Method: "POST", Pattern: "/session", Handle: h.session},
	)
}

// decodeOptional reads a body all of whose fields are optional, and which may
// therefore be absent.
func decodeOptional(r *http.Request, dst any) error {
	if r.ContentLength == 0 {
		return nil
	}
	faults, err := request.Decode(r, dst, request.Refuse)
	if err == nil && len(faults) > 0 {
		err = api.Invalid(faults...)
	}
	return err
}
