package main

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/rawjson"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

type listedPart struct {
	PartNumber int64  `json:"PartNumber"`
	Size       int64  `json:"Size"` // bytes; 0 where it is not known
	ETag       string `json:"ETag"` // in quotes, as OSS answered it to the uploader
}

// listedParts is the answer to list.
type listedParts []listedPart

// AppendJSON appends the list in half the time of encoding/json: there may be 10,000
// parts.
func (l listedParts) AppendJSON(dst []byte) []byte {
	const each = len(`{"PartNumber":10000,"Size":5242880,"ETag":"\"\""},`) + 2*md5.Size
	dst = append(slices.Grow(dst, len("[]")+len(l)*each), '[')
	for i, p := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"PartNumber":`...)
		dst = strconv.AppendInt(dst, p.PartNumber, 10)
		dst = append(dst, `,"Size":`...)
		dst = strconv.AppendInt(dst, p.Size, 10)
		dst = append(dst, `,"ETag":`...)
		dst = rawjson.AppendQuote(dst, p.ETag)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// list answers GET /s3/multipart/{uploadId} with all parts that OSS holds.
func (h *handler) list(ctx context.Context, caller callerauth.Caller, in uploadRef) (listedParts, error) {
	claims, err := h.upload(caller, in)
	if err != nil {
		return nil, err
	}
	parts, err := h.storage.ListParts(ctx, claims.Key, claims.UploadID)
	if errors.Is(err, storage.ErrNoSuchUpload) {
		return h.listCompleted(ctx, claims, err)
	}
	if err != nil {
		return nil, err
	}
	list := make(listedParts, len(parts))
	for i, p := range parts {
		list[i] = listedPart{PartNumber: p.Number, Size: p.Size, ETag: quoted(p.ETag)}
	}
	return list, nil
}

// listCompleted lists the parts of an upload that has its object. A client that
// lost the answer to its completion finds nothing left to send, completes again,
// and has its receipt. gone is the answer if there is no such object.
func (h *handler) listCompleted(ctx context.Context, claims uploadtoken.Claims, gone error) (listedParts, error) {
	object, err := h.completed(ctx, claims)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, h.whyGone(ctx, claims, gone)
	}
	if err != nil {
		return nil, err
	}
	return partsOf(claims, object), nil
}

// partsOf makes up the parts of an object, of which OSS keeps nothing but, as far
// as is known, their number at the end of the ETag. unconfirmed (multipart.etag-suffix):
//
//	"5F1D3DD2E24B4A4B8A4A1CD9B1B0B3C8-3"
//
// Where a part size was agreed the number follows from it. Otherwise one
// that the object cannot have is not believed, and the greatest that it can have
// is taken: clients ignore parts that they did not send. Sizes are those that were
// agreed, or 0. The ETags are the object's, since completion of what is complete
// asks for none.
func partsOf(claims uploadtoken.Claims, object storage.Object) listedParts {
	claims.Size = &object.Size
	count := claims.PartCount()
	if count == 0 {
		count = claims.LastPart(grant.MinPart, grant.MaxParts)
		_, suffix, _ := strings.Cut(object.ETag, "-")
		if told, ok := parsePartNumber(suffix, count); ok {
			count = told
		}
	}
	list := make(listedParts, count)
	for i := range list {
		number := int64(i + 1)
		size, _ := claims.PartLength(number)
		list[i] = listedPart{PartNumber: number, Size: size, ETag: quoted(object.ETag)}
	}
	return list
}

func quoted(etag string) string { return `"` + etag + `"` }

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
