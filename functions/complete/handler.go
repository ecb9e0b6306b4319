package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

const (
	deliveryBudget = 8 * time.Second
	// Each call has its own limit, but one after the other they may take longer
	// than gateways and browsers wait. What is not done by then can be asked for
	// again.
	answerWithin = 14 * time.Second
)

// handler runs multipart uploads. Clients know an upload by its token alone,
// which is what they call the upload id; owner, key and limits are in it.
type handler struct {
	policy    grant.Policy
	caller    callerauth.Authenticator
	keyring   *uploadtoken.Keyring
	issuer    issuer.Issuer   // of what clients get
	storage   *storage.Client // for its own calls
	confirmer *confirm.Confirmer
	now       func() time.Time
	random    io.Reader
}

func (h *handler) routes() http.Handler {
	s3 := []fchttp.Route{
		{Method: "GET", Pattern: "/s3/params", Handle: h.params},
		{Method: "POST", Pattern: "/s3/multipart", Handle: h.create},
		{Method: "GET", Pattern: "/s3/multipart/{uploadId}", Handle: h.list},
		{Method: "GET", Pattern: "/s3/multipart/{uploadId}/{partNumber}", Handle: h.part},
		{Method: "GET", Pattern: "/s3/multipart/{uploadId}/batch", Handle: h.batch},
		{Method: "POST", Pattern: "/s3/multipart/{uploadId}/complete", Handle: h.complete},
		{Method: "DELETE", Pattern: "/s3/multipart/{uploadId}", Handle: h.abort},
	}
	routes := append(s3, fchttp.Route{Method: "POST", Pattern: "/confirm", Handle: h.confirm})
	for _, route := range s3 {
		route.Pattern = "/c/{capability}" + route.Pattern
		routes = append(routes, route)
	}
	for i, route := range routes {
		routes[i].Handle = inTime(route.Handle)
	}
	return fchttp.NewMux(routes...)
}

// inTime bounds all that a handler waits for.
func inTime(handle func(*http.Request) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		return handle(r.WithContext(ctx))
	}
}

// authenticate finds out who is asking: by a capability in the path, for clients
// that send no headers, else as configured. A request with both counts as the
// capability's.
func (h *handler) authenticate(r *http.Request) (callerauth.Caller, error) {
	if capability := r.PathValue("capability"); capability != "" {
		session, err := h.keyring.OpenSession(capability, h.now())
		if err != nil {
			return callerauth.Caller{}, err
		}
		return callerauth.Caller{
			Subject: session.Subject,
			Expires: time.Unix(session.ExpiresAt, 0),
			Upload:  callerauth.Upload{Context: session.Context, MaxSize: session.MaxSize, ContentTypes: session.ContentTypes},
		}, nil
	}
	caller, err := h.caller.Authenticate(r)
	if err != nil {
		return callerauth.Caller{}, err
	}
	return caller, nil
}

// upload authenticates the caller and opens the upload id in the path, which
// must be the caller's own. A key in the query must be the upload's.
func (h *handler) upload(r *http.Request) (uploadtoken.Claims, error) {
	caller, err := h.authenticate(r)
	if err != nil {
		return uploadtoken.Claims{}, err
	}
	claims, err := h.open(caller, r.PathValue("uploadId"), uploadtoken.Multipart)
	if err != nil {
		return uploadtoken.Claims{}, err
	}
	if query := r.URL.Query(); query.Has("key") && !namesKey(query["key"], claims.Key) {
		return uploadtoken.Claims{}, api.Invalid(api.Fault{Field: "key", Reason: "is not the key of this upload"})
	}
	return claims, nil
}

// namesKey takes the key as it is or percent-encoded: it is not documented
// which of them an event holds.
func namesKey(values []string, key string) bool {
	if len(values) != 1 {
		return false
	}
	decoded, err := url.PathUnescape(values[0])
	return values[0] == key || err == nil && decoded == key
}

// open opens a token for any of purposes. Whatever is wrong with it, the
// caller is told the same.
func (h *handler) open(caller callerauth.Caller, token string, purposes ...uploadtoken.Purpose) (uploadtoken.Claims, error) {
	var (
		claims uploadtoken.Claims
		err    error
	)
	for _, p := range purposes {
		if claims, err = h.keyring.Open(p, token, h.now()); !errors.Is(err, uploadtoken.ErrForged) {
			break
		}
	}
	switch {
	case err != nil:
		return uploadtoken.Claims{}, err
	case claims.Subject != caller.Subject:
		return uploadtoken.Claims{}, fmt.Errorf("%w: it is another subject's", uploadtoken.ErrToken)
	case claims.Bucket != h.policy.Bucket:
		return uploadtoken.Claims{}, fmt.Errorf("%w: it is for another bucket", uploadtoken.ErrToken)
	}
	return claims, nil
}
