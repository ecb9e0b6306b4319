package main

import (
	"context"
	"errors"
	"fmt"

	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// An upload whose parts are larger together than the limit is aborted when its
// client would complete it: until then OSS keeps, and bills, what nobody allowed.
// That this was the reason is remembered in an object of no content,
//
//	_ossupload/uploads/_aborted/<jti>
//
// so that the client is told, and is not sent looking for an upload that is gone.

func (h *handler) abortedName(claims uploadtoken.Claims) string {
	return grant.OwnRoot(h.policy.Prefix) + "_aborted/" + claims.ID
}

// passesLimit reports whether what OSS holds of an upload is more than this client
// may ever store. A part that is merely not of the agreed size can be uploaded
// again.
func passesLimit(claims uploadtoken.Claims, held []storage.Part) bool {
	limit := claims.MaxSize
	for _, p := range held {
		if limit -= p.Size; limit < 0 {
			return true
		}
	}
	return false
}

// abortForGood aborts an upload that passes its limit. The client is told of its
// parts all the same; what fails here is done by the next completion or, in the
// end, by the sweep.
func (h *handler) abortForGood(ctx context.Context, claims uploadtoken.Claims) {
	// First, or a client that asks in between would be told that the upload is
	// gone. While the upload runs nobody reads it.
	err := h.storage.Put(ctx, h.abortedName(claims), nil)
	if err == nil {
		err = h.storage.Abort(ctx, claims.Key, claims.UploadID)
	}
	if err != nil && !errors.Is(err, storage.ErrNoSuchUpload) {
		h.log.WarnContext(ctx, "complete", "action", "abort", "key", claims.Key, "err", err.Error())
		return
	}
	h.log.InfoContext(ctx, "complete", "action", "abort", "key", claims.Key, "reason", "the parts pass the limit")
}

// whyGone tells why neither an upload nor its object is there: aborted because of
// its parts or, as far as anybody knows, as cause says.
func (h *handler) whyGone(ctx context.Context, claims uploadtoken.Claims, cause error) error {
	switch _, err := h.storage.Get(ctx, h.abortedName(claims), 0); {
	case err == nil:
		return fmt.Errorf("%w: %w", errAborted, cause)
	case errors.Is(err, storage.ErrNotFound):
		return cause
	default:
		return err
	}
}
