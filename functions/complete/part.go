package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/signing"
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
	signed, err := h.issuer.Presign(r.Context(), partRequest(claims, number), min(partLife, h.policy.MaxExpires))
	if err != nil {
		return nil, problem(err)
	}
	return partResponse{Method: signed.Method, URL: signed.URL, Expires: signed.Expires}, nil
}

// partRequest is the upload of one part. Where size and part size are agreed
// the exact length is signed; a Content-Type never is, since browsers send none
// with a part.
func partRequest(claims uploadtoken.Claims, number int64) signing.Request {
	req := signing.Request{
		Method: http.MethodPut,
		Bucket: claims.Bucket,
		Key:    claims.Key,
		Query:  map[string]string{"partNumber": strconv.FormatInt(number, 10), "uploadId": claims.UploadID},
	}
	if length, ok := claims.PartLength(number); ok {
		req.Header = map[string]string{"content-length": strconv.FormatInt(length, 10)}
		req.AdditionalHeaders = []string{"content-length"}
	}
	return req
}

// partNumber reads a part number in its one decimal form.
func partNumber(claims uploadtoken.Claims, text string) (int64, error) {
	most := int64(grant.MaxParts)
	if count := claims.PartCount(); count > 0 {
		most = count
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 || n > most || strconv.FormatInt(n, 10) != text {
		return 0, fchttp.Invalid([]fchttp.Fault{{Field: "partNumber", Reason: fmt.Sprintf("must be a whole number from 1 to %d", most)}})
	}
	return n, nil
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
		return nil, problem(err)
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
		if err = h.ended(r.Context(), claims, err); isCode(err, fchttp.UploadGone) {
			err = nil
		}
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, problem(err)
	}
	return struct{}{}, nil
}

// ended tells how an upload ended that OSS does not know any more: 409 when its
// object is there, else 410.
func (h *handler) ended(ctx context.Context, claims uploadtoken.Claims, cause error) error {
	_, _, err := h.own(ctx, claims)
	switch {
	case err == nil:
		return &fchttp.Error{Code: fchttp.AlreadyCompleted, Message: "The upload has been completed.", Err: cause}
	case errors.Is(err, storage.ErrNotFound):
		return problem(cause)
	}
	return problem(err)
}

func isCode(err error, code fchttp.Code) bool {
	var e *fchttp.Error
	return errors.As(err, &e) && e.Code == code
}
