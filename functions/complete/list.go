package main

import (
	"context"
	"errors"
	"fmt"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

type listedPart struct {
	PartNumber int64  `json:"PartNumber"`
	Size       int64  `json:"Size"` // bytes
	ETag       string `json:"ETag"` // in quotes, as OSS answered it to the uploader
}

// list answers GET /s3/multipart/{uploadId} with all parts that OSS holds.
func (h *handler) list(ctx context.Context, caller callerauth.Caller, in uploadRef) ([]listedPart, error) {
	claims, err := h.upload(caller, in)
	if err != nil {
		return nil, err
	}
	parts, err := h.storage.ListParts(ctx, claims.Key, claims.UploadID)
	if errors.Is(err, storage.ErrNoSuchUpload) {
		if err = h.ended(ctx, claims, err); errors.Is(err, storage.ErrNoSuchUpload) && !errors.Is(err, errCompleted) {
			err = h.whyGone(ctx, claims, err)
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	list := make([]listedPart, len(parts))
	for i, p := range parts {
		list[i] = listedPart{PartNumber: p.Number, Size: p.Size, ETag: `"` + p.ETag + `"`}
	}
	return list, nil
}

// abort answers DELETE /s3/multipart/{uploadId}. It never deletes an object.
func (h *handler) abort(ctx context.Context, caller callerauth.Caller, in uploadRef) (struct{}, error) {
	claims, err := h.upload(caller, in)
	if err != nil {
		return struct{}{}, err
	}
	err = h.storage.Abort(ctx, claims.Key, claims.UploadID)
	if errors.Is(err, storage.ErrNoSuchUpload) {
		err = h.ended(ctx, claims, err)
	}
	if errors.Is(err, storage.ErrNoSuchUpload) && !errors.Is(err, errCompleted) {
		return struct{}{}, nil // aborted before, which is as good
	}
	return struct{}{}, err
}

var errCompleted = &api.Error{Code: api.AlreadyCompleted, Message: "The upload has been completed."}

// ended tells how an upload ended that OSS does not know any more: completed, when
// its object is there, or gone as cause says.
func (h *handler) ended(ctx context.Context, claims uploadtoken.Claims, cause error) error {
	_, err := h.completed(ctx, claims)
	switch {
	case err == nil:
		return fmt.Errorf("%w: %w", errCompleted, cause)
	case errors.Is(err, storage.ErrNotFound):
		return cause
	}
	return err
}
