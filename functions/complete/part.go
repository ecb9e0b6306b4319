package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// partLife is how long a part URL lives. Uppy 5 gives up on sending a part
// after as many seconds, so it must not be short.
const partLife = 900 * time.Second

type partResponse struct {
	Method  string `json:"method"`
	URL     string `json:"url"`
	Expires int64  `json:"expires"` // seconds
}

// part answers GET /s3/multipart/{uploadId}/{partNumber}.
func (h *handler) part(r *http.Request) (any, error) {
	claims, err := h.upload(r)
	if err != nil {
		return nil, err
	}
	number, err := partNumber(claims, r.PathValue("partNumber"))
	if err != nil {
		return nil, err
	}
	parts, expires, err := h.issuer.Parts(r.Context(), claims, min(partLife, h.policy.MaxExpires))
	if err != nil {
		return nil, err
	}
	length, _ := claims.PartLength(number)
	url, err := parts.URL(number, length)
	if err != nil {
		return nil, err
	}
	return partResponse{Method: http.MethodPut, URL: url, Expires: expires}, nil
}

// partNumber reads the part number of a path.
func partNumber(claims uploadtoken.Claims, text string) (int64, error) {
	most := lastPart(claims)
	n, ok := parsePartNumber(text, most)
	if !ok {
		return 0, api.Invalid(api.Fault{Field: "partNumber", Reason: fmt.Sprintf("must be a whole number from 1 to %d", most)})
	}
	return n, nil
}

// lastPart is the greatest number that a part of the upload may have.
func lastPart(claims uploadtoken.Claims) int64 {
	if count := claims.PartCount(); count > 0 {
		return count
	}
	return grant.MaxParts
}

type listedPart struct {
	PartNumber int64  `json:"PartNumber"`
	Size       int64  `json:"Size"` // bytes
	ETag       string `json:"ETag"` // in quotes, as OSS answered it to the uploader
}

// list answers GET /s3/multipart/{uploadId} with all parts that OSS holds.
func (h *handler) list(r *http.Request) (any, error) {
	claims, err := h.upload(r)
	if err != nil {
		return nil, err
	}
	parts, err := h.storage.ListParts(r.Context(), claims.Key, claims.UploadID)
	if errors.Is(err, storage.ErrNoSuchUpload) {
		return nil, h.ended(r.Context(), claims, err)
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
func (h *handler) abort(r *http.Request) (any, error) {
	claims, err := h.upload(r)
	if err != nil {
		return nil, err
	}
	err = h.storage.Abort(r.Context(), claims.Key, claims.UploadID)
	if errors.Is(err, storage.ErrNoSuchUpload) {
		// Aborted before, which is as good; or completed, which is not.
		if err = h.ended(r.Context(), claims, err); isCode(err, api.UploadGone) {
			err = nil
		}
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// ended tells how an upload ended that OSS does not know any more: 409 when its
// object is there, else 410.
func (h *handler) ended(ctx context.Context, claims uploadtoken.Claims, cause error) error {
	_, _, err := h.own(ctx, claims)
	switch {
	case err == nil:
		return fmt.Errorf("%w: %w", errCompleted, cause)
	case errors.Is(err, storage.ErrNotFound):
		return cause
	}
	return err
}

var errCompleted = &api.Error{Code: api.AlreadyCompleted, Message: "The upload has been completed."}

func isCode(err error, code api.Code) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == code
}
