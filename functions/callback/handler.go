package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/osscallback"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

const (
	maxBody = 64 << 10 // bytes; the body that we configure is under 5 KiB
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
	confirmer *confirm.Confirmer
	now       func() time.Time
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
	err = h.verifier.Verify(ctx, osscallback.Message{URIs: h.uris(r), Header: r.Header, Body: body})
	switch {
	case errors.Is(err, osscallback.ErrKeyURL):
		return nil, rejected("key_url", err)
	case errors.Is(err, osscallback.ErrKeyFetch):
		// Possibly genuine: the uploader is told 203, and /confirm repairs it.
		return nil, &fchttp.Error{Code: fchttp.StorageError, Message: "The public key of the callback could not be fetched.", Reason: "key_url", Err: err}
	case err != nil:
		return nil, rejected("signature", err)
	}
	notice, err := osscallback.ParseNotice(body)
	if err != nil {
		return nil, rejected("body", err)
	}
	claims, err := h.keyring.Open(uploadtoken.Upload, notice.Token, h.now())
	if err != nil {
		return nil, rejected("token", err)
	}
	if claims.Bucket != h.bucket || notice.Bucket != claims.Bucket || notice.Object != claims.Key {
		return nil, rejected("token", errors.New("token is for another object"))
	}
	receipt, err := h.confirm(ctx, claims, notice)
	if err != nil {
		return nil, problem(err)
	}
	return receipt, nil
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
	object, err := h.confirmer.Storage.Head(ctx, claims.Key)
	if err != nil {
		return confirm.Receipt{}, err
	}
	if !strings.EqualFold(notice.ETag, object.ETag) || notice.Size != object.Size {
		return confirm.Receipt{}, fmt.Errorf("%w: its ETag or size is not the callback's", confirm.ErrMismatch)
	}
	return h.confirmer.Announce(ctx, claims, object)
}

// rejected is the one answer to whatever is not believed; the log tells why.
func rejected(reason string, err error) error {
	return &fchttp.Error{Code: fchttp.CallbackRejected, Message: "The callback was rejected.", Reason: reason, Err: err}
}

func problem(err error) error {
	switch {
	case errors.Is(err, confirm.ErrMismatch), errors.Is(err, storage.ErrNotFound):
		return rejected("object", err)
	case errors.Is(err, confirm.ErrDelivery):
		return &fchttp.Error{Code: fchttp.DeliveryFailed, Message: "The object is stored, but the application was not told. Confirm it again.", Err: err}
	}
	return storage.Problem(err)
}
