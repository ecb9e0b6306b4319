package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/osscallback"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

const (
	// OSS waits five seconds for an answer, connecting included ("Callback",
	// OSS API reference); three leave it room.
	answerWithin   = 2800 * time.Millisecond
	deliveryBudget = 2 * time.Second
)

// handler believes a callback when three things hold: OSS signed it, the token
// inside the signed body was sealed here for this bucket and key, and the
// object is there and as granted. They are checked in this order, and nothing
// but an allowed key URL is called before the token has opened.
type handler struct {
	bucket    string
	uri       string // path and query of the configured callback URL
	verifier  *osscallback.Verifier
	keyring   *uploadtoken.Keyring
	storage   confirm.Storage
	confirmer *confirm.Confirmer
	now       func() time.Time
}

// outside is what a handler meets outside of itself.
type outside struct {
	storage confirm.Storage
	webhook http.RoundTripper // nil: the network
	keys    *http.Client      // fetches public keys; nil: the network
	now     func() time.Time
	random  io.Reader
	log     *slog.Logger
}

func newHandler(s settings.Callback, out outside) (*handler, error) {
	keyring, err := uploadtoken.NewKeyring(s.TokenKeys, out.random)
	if err != nil {
		return nil, err
	}
	verifier, err := osscallback.NewVerifier(osscallback.Config{KeyURLs: s.CallbackKeyURLs, Client: out.keys, Now: out.now, Log: out.log})
	if err != nil {
		return nil, err
	}
	uri, err := osscallback.URI(s.CallbackURL)
	if err != nil {
		return nil, fmt.Errorf("reading CALLBACK_URL: %w", err)
	}
	confirmer, err := confirm.New(confirm.Config{
		Storage: out.storage, Keyring: keyring, Location: s.Storage.Location, ReceiptSecret: s.ReceiptSecret, Now: out.now, Log: out.log,
		Webhook: confirm.WebhookConfig{URL: s.Webhook.URL, Secrets: s.Webhook.Secrets, Budget: deliveryBudget, Client: out.webhook},
	})
	if err != nil {
		return nil, err
	}
	return &handler{
		bucket:    s.Storage.Bucket,
		uri:       uri,
		verifier:  verifier,
		keyring:   keyring,
		storage:   out.storage,
		confirmer: confirmer,
		now:       out.now,
	}, nil
}

// routes answers POST on any path: a gateway may have rewritten it.
func (h *handler) routes() http.Handler {
	return fchttp.NewMux(fchttp.Route{Method: "POST", Pattern: "/{path...}", Handle: h.callback})
}

func (h *handler) callback(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading callback body: %w", err)
	}
	if err := h.verifier.Verify(ctx, osscallback.Message{URIs: h.uris(r), Header: r.Header, Body: body}); err != nil {
		return nil, err
	}
	notice, err := osscallback.ParseNotice(body)
	if err != nil {
		return nil, err
	}
	claims, err := h.keyring.Open(uploadtoken.Upload, notice.Token, h.now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errToken, err)
	}
	if claims.Bucket != h.bucket || notice.Bucket != claims.Bucket || notice.Object != claims.Key {
		return nil, fmt.Errorf("%w: it is for another object", errToken)
	}
	return h.confirm(ctx, claims, notice)
}

// uris are the forms in which OSS may have signed the path and query: as
// configured, as received, and as received without the query, whose order and
// encoding the event does not keep.
func (h *handler) uris(r *http.Request) []string {
	path := r.URL.EscapedPath()
	uris := []string{h.uri}
	if r.URL.RawQuery != "" {
		uris = append(uris, path+"?"+r.URL.RawQuery)
	}
	return append(uris, path)
}

// confirm holds the object against the notice, and then against the grant.
func (h *handler) confirm(ctx context.Context, claims uploadtoken.Claims, notice osscallback.Notice) (confirm.Receipt, error) {
	object, err := h.storage.Head(ctx, claims.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return confirm.Receipt{}, fmt.Errorf("%w: %w", errObject, err)
	}
	if err != nil {
		return confirm.Receipt{}, err
	}
	if !strings.EqualFold(notice.ETag, object.ETag) || notice.Size != object.Size {
		return confirm.Receipt{}, fmt.Errorf("%w: its ETag or size is not the callback's", errObject)
	}
	receipt, err := h.confirmer.Announce(ctx, claims, object)
	if errors.Is(err, confirm.ErrMismatch) {
		return confirm.Receipt{}, fmt.Errorf("%w: %w", errObject, err)
	}
	return receipt, err
}

// What is not believed is answered alike; the log tells why. To OSS a token or
// an object that is not as it should be is a callback that is not.
var (
	errToken  = &api.Error{Code: api.CallbackRejected, Message: "The callback was rejected.", Reason: "token"}
	errObject = &api.Error{Code: api.CallbackRejected, Message: "The callback was rejected.", Reason: "object"}
)
