package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/request"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

type completeRequest struct {
	Parts    []partReference `json:"parts"` // without it, whatever parts OSS holds
	Checksum *checksum       `json:"checksum"`
}

// partReference is a part as the client knows it. Uppy may send more fields,
// and ETags with quotes or without.
type partReference struct {
	PartNumber int64
	ETag       string
}

// UnmarshalJSON reads the two fields by their exact names. Beside them Uppy 5
// hands the response headers of each part to the application, and encoding/json
// by itself would take "etag" among those for ETag.
func (p *partReference) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	if number, ok := members["PartNumber"]; ok {
		if err := json.Unmarshal(number, &p.PartNumber); err != nil {
			return err
		}
	}
	if etag, ok := members["ETag"]; ok {
		return json.Unmarshal(etag, &p.ETag)
	}
	return nil
}

// complete answers POST /s3/multipart/{uploadId}/complete. Nothing is created
// unless the parts that OSS holds are those that were agreed; asked again, it
// answers the same receipt.
func (h *handler) complete(r *http.Request) (any, error) {
	claims, err := h.upload(r)
	if err != nil {
		return nil, err
	}
	var in completeRequest
	faults, err := request.Decode(r, &in, request.Ignore)
	if err != nil {
		return nil, err
	}
	if in.Checksum != nil {
		if reason := grant.CheckCRC64(in.Checksum.CRC64); reason != "" {
			faults = append(faults, api.Fault{Field: "checksum.crc64", Reason: reason})
		}
	}
	if len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	if in.Checksum != nil && in.Checksum.CRC64 != "" {
		if claims.CRC64 != "" && claims.CRC64 != in.Checksum.CRC64 {
			return nil, confirm.ChecksumMismatch(claims.CRC64, in.Checksum.CRC64)
		}
		claims.CRC64 = in.Checksum.CRC64
	}
	receipt, err := h.finish(r.Context(), claims, in.Parts)
	if err != nil {
		return nil, err
	}
	return receipt, nil
}

func (h *handler) finish(ctx context.Context, claims uploadtoken.Claims, wanted []partReference) (confirm.Receipt, error) {
	listed, err := h.storage.ListParts(ctx, claims.Key, claims.UploadID)
	if errors.Is(err, storage.ErrNoSuchUpload) {
		return h.again(ctx, claims, err)
	}
	if err != nil {
		return confirm.Receipt{}, err
	}
	if faults := verifyParts(claims, listed, wanted); len(faults) > 0 {
		return confirm.Receipt{}, errParts.With(faults)
	}
	if actual, ok := combinedCRC64(listed); ok && claims.CRC64 != "" && actual != claims.CRC64 {
		return confirm.Receipt{}, confirm.ChecksumMismatch(claims.CRC64, actual)
	}
	err = h.storage.Complete(ctx, claims.Key, claims.UploadID, listed)
	switch {
	case errors.Is(err, storage.ErrNoSuchUpload), errors.Is(err, storage.ErrExists):
		// It was there a moment ago: another call completed it, this call's first
		// try did and its answer was lost, or it was aborted meanwhile.
		return h.again(ctx, claims, fmt.Errorf("%w: %w", errAborted, err))
	case err != nil: // storage.ErrParts: a part was replaced since it was listed
		return confirm.Receipt{}, err
	}
	return h.confirmer.Confirm(ctx, claims)
}

// again answers a completion of an upload that OSS does not know any more: with
// the receipt if the object is this upload's, else with gone.
func (h *handler) again(ctx context.Context, claims uploadtoken.Claims, gone error) (confirm.Receipt, error) {
	_, object, err := h.own(ctx, claims)
	if errors.Is(err, storage.ErrNotFound) {
		// The id ends before the object shows when another call is just
		// completing it.
		select {
		case <-ctx.Done():
			return confirm.Receipt{}, gone
		case <-time.After(settle):
		}
		_, object, err = h.own(ctx, claims)
	}
	if errors.Is(err, storage.ErrNotFound) {
		return confirm.Receipt{}, gone
	}
	if err != nil {
		return confirm.Receipt{}, err
	}
	return h.confirmer.Announce(ctx, claims, object)
}

const settle = 300 * time.Millisecond

// own returns the object of an upload if it is there and is this upload's: it
// carries a grant with the same id.
func (h *handler) own(ctx context.Context, claims uploadtoken.Claims) (uploadtoken.Claims, storage.Object, error) {
	stored, object, err := h.confirmer.Stored(ctx, claims.Key)
	if err == nil && stored.ID != claims.ID {
		err = confirm.ErrNoGrant
	}
	return stored, object, err
}

var (
	errParts   = &api.Error{Code: api.PartsMismatch, Message: "The uploaded parts do not make up the object that was agreed."}
	errAborted = &api.Error{Code: api.Aborted, Message: "The upload was aborted while it was being completed. Start another."}
)

func sameETag(a, b string) bool {
	return strings.EqualFold(strings.Trim(a, `"`), strings.Trim(b, `"`))
}
