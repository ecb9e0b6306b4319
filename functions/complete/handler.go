package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"ossupload/shared/announcer"
	"ossupload/shared/api"
	"ossupload/shared/assumerole"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/outbox"
	"ossupload/shared/rolecreds"
	"ossupload/shared/route"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// deliveryBudget is for all tries to deliver one event while a client waits.
const deliveryBudget = 8 * time.Second

// handler runs multipart uploads. Clients know an upload by its token alone,
// which is what they call the upload id; owner, key and limits are in it.
type handler struct {
	policy    grant.Policy
	caller    callerauth.Authenticator
	keyring   *uploadtoken.Keyring
	issuer    *issuer.Issuer // of what clients get
	storage   bucket         // for its own calls
	confirmer *confirm.Confirmer
	queue     *outbox.Queue
	sweeper   *sweep.Sweeper
	now       func() time.Time
	random    io.Reader
	log       *slog.Logger
}

// bucket is what the function asks of OSS by itself: storage.Client.
type bucket interface {
	sweep.Storage
	Head(ctx context.Context, key string) (storage.Object, error)
	Initiate(ctx context.Context, key string, header map[string]string) (uploadID string, err error)
	ListParts(ctx context.Context, key, uploadID string) ([]storage.Part, error)
	Complete(ctx context.Context, key, uploadID string, parts []storage.Part) error
}

// outside is what a handler meets outside of itself.
type outside struct {
	credentials rolecreds.Source // the function's own
	storage     bucket           // called with them
	webhook     http.RoundTripper
	now         func() time.Time
	random      io.Reader
	log         *slog.Logger
}

func newHandler(s settings.Complete, out outside) (*handler, error) {
	announcing, err := announcer.New(announcer.Config{
		TokenKeys: s.TokenKeys, Place: s.Place, Former: s.Former, Storage: out.storage, Location: s.Storage.Location,
		Webhook: s.Webhook, Budget: deliveryBudget, Client: out.webhook, ReceiptSecret: s.ReceiptSecret, Now: out.now, Random: out.random, Log: out.log,
	})
	if err != nil {
		return nil, err
	}
	// What clients get is signed with the upload role if there is one: that role
	// needs no more than oss:PutObject.
	credentials := out.credentials
	if s.Role.ARN != "" {
		credentials, err = assumerole.New(assumerole.Config{
			Base: out.credentials, RoleARN: s.Role.ARN, SessionName: "ossupload-complete", Duration: s.Role.Duration,
			Endpoint: s.Role.STSEndpoint, CAFile: s.Role.STSCAFile, Region: s.Storage.Region, Now: out.now, Log: out.log,
		})
		if err != nil {
			return nil, err
		}
	}
	caller, err := callerauth.New(s.Caller, out.now, out.log)
	if err != nil {
		return nil, err
	}
	issuer, err := issuer.New(issuer.Config{
		Region: s.Storage.Region, Uploads: s.Storage.Public, Credentials: credentials,
		Keyring: announcing.Keyring, CallbackURL: s.CallbackURL, MaxExpires: s.MaxExpires, Now: out.now,
	})
	if err != nil {
		return nil, err
	}
	return &handler{
		policy:    s.Policy,
		caller:    caller,
		keyring:   announcing.Keyring,
		issuer:    issuer,
		storage:   out.storage,
		confirmer: announcing.Confirmer,
		queue:     announcing.Queue,
		sweeper: &sweep.Sweeper{
			Prefix: s.Place.Prefix, Storage: out.storage, Confirmer: announcing.Confirmer, Now: out.now, Log: out.log,
			TellStored: slices.Contains(s.Webhook.Events, confirm.Stored),
		},
		now:    out.now,
		random: out.random,
		log:    out.log,
	}, nil
}

func (h *handler) routes() http.Handler {
	routes := append(h.uploads(""), h.uploads("/c/{capability}")...)
	confirmer := route.For(callerauth.ScopeUpload, h.authenticate)
	routes = append(routes, route.New(confirmer, "POST", "/confirm", route.Strict, h.confirm))
	return fchttp.NewMux(routes...)
}

// uploads are the routes below /s3, whose names and shapes are Uppy's.
func (h *handler) uploads(base string) []fchttp.Route {
	begins, goesOn := route.For(callerauth.ScopeUpload, h.authenticate), route.For(callerauth.ScopeUpload, h.authenticateLate)
	s3, upload := base+"/s3", base+"/s3/multipart/{uploadId}"
	return []fchttp.Route{
		route.New(begins, "GET", s3+"/params", route.None, h.params, h.checkParams),
		route.New(begins, "POST", s3+"/multipart", route.Lenient, h.create, h.checkCreate),
		route.New(goesOn, "GET", upload, route.None, h.list),
		route.New(goesOn, "GET", upload+"/{partNumber}", route.None, h.part),
		route.New(goesOn, "GET", upload+"/batch", route.None, h.batch, h.checkBatch),
		route.New(goesOn, "POST", upload+"/complete", route.Lenient, h.complete),
		route.New(goesOn, "DELETE", upload, route.None, h.abort),
	}
}

// sessionGrace is how long after its end a session goes on with the uploads that
// it began: a file that takes long must not fail for the last of its parts.
const sessionGrace = 24 * time.Hour

// authenticate finds out who is asking: by a capability in the path, for clients
// that send no headers, else as configured. A request with both counts as the
// capability's.
func (h *handler) authenticate(r *http.Request) (callerauth.Caller, error) {
	capability := r.PathValue("capability")
	if capability == "" {
		return h.caller.Authenticate(r)
	}
	session, err := h.keyring.OpenSession(capability, h.now())
	if err != nil {
		return callerauth.Caller{}, err
	}
	return ofSession(session), nil
}

// authenticateLate is authenticate for routes about an upload that was begun,
// where a session lasts a while longer; upload sees to it that it was begun in
// this session.
func (h *handler) authenticateLate(r *http.Request) (callerauth.Caller, error) {
	caller, err := h.authenticate(r)
	capability := r.PathValue("capability")
	if capability == "" || err != nil && !errors.Is(err, uploadtoken.ErrExpired) {
		return caller, err
	}
	session, expired := h.keyring.OpenSession(capability, h.now())
	end := time.Unix(session.ExpiresAt, 0).Add(sessionGrace)
	if expired != nil && !h.now().Before(end) {
		return callerauth.Caller{}, err
	}
	caller = ofSession(session)
	caller.Expires, caller.Ended = end, expired != nil
	return caller, nil
}

func ofSession(s uploadtoken.Session) callerauth.Caller {
	return callerauth.Caller{
		Subject: s.Subject,
		Expires: time.Unix(s.ExpiresAt, 0),
		Limits:  callerauth.Limits{Context: s.Context, MaxSize: s.MaxSize, ContentTypes: s.ContentTypes, Key: s.Key},
		Session: s.ID,
	}
}

// uploadRef names the upload that a route is about.
type uploadRef struct {
	UploadID string   `path:"uploadId"`
	Keys     []string `query:"key"`
}

// upload opens the upload id, which must be the caller's own. A key beside it
// must be the upload's.
func (h *handler) upload(caller callerauth.Caller, ref uploadRef) (uploadtoken.Claims, error) {
	claims, err := h.keyring.Open(uploadtoken.Multipart, ref.UploadID, h.now())
	if err != nil {
		return uploadtoken.Claims{}, err
	}
	if err := h.own(caller, claims); err != nil {
		return uploadtoken.Claims{}, err
	}
	if ref.Keys != nil && !namesKey(ref.Keys, claims.Key) {
		return uploadtoken.Claims{}, api.Invalid(api.Fault{Field: "key", Reason: "is not the key of this upload"})
	}
	return claims, nil
}

// own refuses claims that are not this caller's. Whatever is wrong with a token,
// the caller is told the same.
func (h *handler) own(caller callerauth.Caller, claims uploadtoken.Claims) error {
	switch {
	case claims.Subject != caller.Subject:
		return fmt.Errorf("%w: it is another subject's", uploadtoken.ErrToken)
	case caller.Ended && claims.Session != caller.Session:
		return fmt.Errorf("%w: it has ended, and the upload was not begun in it", uploadtoken.ErrSession)
	}
	return nil
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
