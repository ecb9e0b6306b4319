package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/assumerole"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/rolecreds"
	"ossupload/shared/route"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// deliveryBudget is for all tries to deliver one event.
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
	keyring, err := uploadtoken.NewKeyring(s.TokenKeys, out.random)
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
		Keyring: keyring, CallbackURL: s.CallbackURL, MaxExpires: s.MaxExpires, Now: out.now,
	})
	if err != nil {
		return nil, err
	}
	confirmer, err := confirm.New(confirm.Config{
		Storage: out.storage, Keyring: keyring, Location: s.Storage.Location, ReceiptSecret: s.ReceiptSecret, Now: out.now, Log: out.log,
		Webhook: confirm.WebhookConfig{URL: s.Webhook.URL, Secrets: s.Webhook.Secrets, Budget: deliveryBudget, Client: out.webhook},
	})
	if err != nil {
		return nil, err
	}
	return &handler{
		policy:    s.Policy,
		caller:    caller,
		keyring:   keyring,
		issuer:    issuer,
		storage:   out.storage,
		confirmer: confirmer,
		sweeper: &sweep.Sweeper{
			Prefix: s.Policy.Prefix, Bucket: s.Storage.Bucket, TokenTTL: s.Policy.TokenTTL,
			Storage: out.storage, Confirmer: confirmer, Now: out.now, Log: out.log,
		},
		now:    out.now,
		random: out.random,
		log:    out.log,
	}, nil
}

func (h *handler) routes() http.Handler {
	routes := append(h.uploads(""), h.uploads("/c/{capability}")...)
	routes = append(routes, route.New(h.authenticate, "POST", "/confirm", route.Strict, h.confirm))
	return fchttp.NewMux(routes...)
}

// uploads are the routes below /s3, whose names and shapes are Uppy's.
func (h *handler) uploads(base string) []fchttp.Route {
	who, s3, upload := h.authenticate, base+"/s3", base+"/s3/multipart/{uploadId}"
	return []fchttp.Route{
		route.New(who, "GET", s3+"/params", route.None, h.params, h.checkParams),
		route.New(who, "POST", s3+"/multipart", route.Lenient, h.create, h.checkCreate),
		route.New(who, "GET", upload, route.None, h.list),
		route.New(who, "GET", upload+"/{partNumber}", route.None, h.part),
		route.New(who, "GET", upload+"/batch", route.None, h.batch, h.checkBatch),
		route.New(who, "POST", upload+"/complete", route.Lenient, h.complete),
		route.New(who, "DELETE", upload, route.None, h.abort),
	}
}

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
	return callerauth.Caller{
		Subject: session.Subject,
		Expires: time.Unix(session.ExpiresAt, 0),
		Limits:  callerauth.Limits{Context: session.Context, MaxSize: session.MaxSize, ContentTypes: session.ContentTypes},
	}, nil
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

// own refuses claims that are not this caller's, in this bucket. Whatever is
// wrong with a token, the caller is told the same.
func (h *handler) own(caller callerauth.Caller, claims uploadtoken.Claims) error {
	switch {
	case claims.Subject != caller.Subject:
		return fmt.Errorf("%w: it is another subject's", uploadtoken.ErrToken)
	case claims.Bucket != h.policy.Bucket:
		return fmt.Errorf("%w: it is for another bucket", uploadtoken.ErrToken)
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
