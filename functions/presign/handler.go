package main

import (
	"errors"
	"io"
	"net/http"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/uploadtoken"
)

// handler issues what may be signed.
type handler struct {
	policy      grant.Policy
	caller      callerauth.Authenticator
	keyring     *uploadtoken.Keyring
	issuer      issuer.Issuer
	callbackURL string
	now         func() time.Time
	random      io.Reader
}

func (h *handler) routes() http.Handler {
	return fchttp.NewMux(
		fchttp.Route{Method: "POST", Pattern: "/presign", Handle: h.presign},
	)
}

// problem turns what can go wrong into an answer; what it does not know
// becomes 500.
func problem(err error) error {
	var refusal *grant.Refusal
	switch {
	case errors.Is(err, callerauth.ErrUnauthenticated):
		return &fchttp.Error{Code: fchttp.Unauthenticated, Message: "The request is not authenticated.", Err: err}
	case errors.As(err, &refusal):
		return fchttp.Invalid(refusal.Faults)
	case errors.Is(err, grant.ErrMethod):
		return &fchttp.Error{Code: fchttp.Forbidden, Message: "This way to upload is not enabled.", Err: err}
	case errors.Is(err, uploadtoken.ErrTooLong):
		return fchttp.Invalid([]fchttp.Fault{{Field: "vars", Reason: "does not fit into the upload token"}})
	}
	return issuer.Problem(err)
}
