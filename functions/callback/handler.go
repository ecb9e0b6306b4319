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

	"ossupload/shared/announcer"
	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/hold"
	"ossupload/shared/osscallback"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/trace"
	"ossupload/shared/uploadtoken"
)

const (
	// OSS waits five seconds for an answer, connecting and a cold start included
	// ("Callback", OSS API reference).
	answerWithin   = 3400 * time.Millisecond
	deliveryBudget = 2 * time.Second
)

// handler believes a callback when three things hold: OSS signed it, the token
// inside the signed body was sealed here for this bucket and key, and the
// object is there and as granted. They are checked in this order, and nothing
// but an allowed key URL is called before the token has opened.
type handler struct {
	uri       string // path and query of the configured callback URL
	verifier  *osscallback.Verifier
	keyring   *uploadtoken.Keyring
	storage   confirm.Storage
	confirmer *confirm.Confirmer
	now       func() time.Time
}

// outside is what a handler meets outside of itself.
type outside struct {
	storage announcer.Storage
	webhook http.RoundTripper // nil: the network
	keys    *http.Client      // fetches public keys; nil: the network
	now     func() time.Time
	random  io.Reader
	log     *slog.Logger
}

func newHandler(s settings.Callback, out outside) (*handler, error) {
	announcing, err := announcer.New(announcer.Config{
		TokenKeys: s.TokenKeys, Place: s.Place, Former: s.Former, Storage: out.storage, Location: s.Storage.Location,
		Webhook: s.Webhook, Budget: deliveryBudget, Client: out.webhook, ReceiptSecret: s.ReceiptSecret, Now: out.now, Random: out.random, Log: out.log,
	})
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
	return &handler{
		uri:       uri,
		verifier:  verifier,
		keyring:   announcing.Keyring,
		storage:   out.storage,
		confirmer: announcing.Confirmer,
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
	body, err := fchttp.ReadBody(r)
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
	trace.From(ctx).Ask(claims.Subject)
	if notice.Bucket != claims.Bucket || notice.Object != claims.Key {
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
func (h *handler) confirm(ctx context.Context, claims uploadtoken.Claims, notice osscallback.Notice) (confirm.Answer, error) {
	object, err := h.storage.Head(ctx, claims.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return confirm.Answer{}, fmt.Errorf("%w: %w", errObject, err)
	}
	if err != nil {
		return confirm.Answer{}, err
	}
	if !strings.EqualFold(notice.ETag, object.ETag) || notice.Size != object.Size {
		return confirm.Answer{}, fmt.Errorf("%w: its ETag or size is not the callback's", errObject)
	}
	answer, err := h.confirmer.Announce(ctx, claims, object)
	if errors.Is(err, hold.ErrMismatch) {
		return confirm.Answer{}, fmt.Errorf("%w: %w", errObject, err)
	}
	return answer, err
}

// What is not believed is answered alike; the log tells why. To OSS a token or
// an object that is not as it should be is a callback that is not.
var (
	errToken  = &api.Error{Code: api.CallbackRejected, Message: "The callback was rejected.", Reason: "token"}
	errObject = &api.Error{Code: api.CallbackRejected, Message: "The callback was rejected.", Reason: "object"}
)
