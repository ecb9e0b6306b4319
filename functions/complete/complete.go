package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/rawjson"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// settle is how long after an upload id ended its object may take to show, when
// another call is just completing it.
const settle = 300 * time.Millisecond

// errAborted is for an upload that was aborted while it was being completed, or
// because of its parts.
var errAborted = &api.Error{Code: api.Aborted, Message: "The upload was aborted. Start another."}

type completeRequest struct {
	uploadRef
	Parts    partList  `json:"parts" validate:"max=10000"` // absent: whatever parts OSS holds
	Checksum *checksum `json:"checksum"`
}

// partList is the parts as the client names them.
type partList []partReference

// UnmarshalJSON reads one part more than there can be, at most: that is enough to
// be refused, whatever else stands in a list of a million.
func (l *partList) UnmarshalJSON(text []byte) error {
	elements, ok := rawjson.Elements(text)
	if !ok {
		return errors.New("parts are not a list")
	}
	const shortest = len(`{"PartNumber":1,"ETag":""},`) // what is shorter will be at fault
	*l = make(partList, 0, min(grant.MaxParts+1, len(text)/shortest))
	for element := range elements {
		if len(*l) > grant.MaxParts {
			break
		}
		var p partReference
		if err := p.UnmarshalJSON(element); err != nil {
			return err
		}
		*l = append(*l, p)
	}
	return nil
}

// partReference is a part as the client knows it. Uppy may send more fields,
// and ETags with quotes or without.
type partReference struct {
	PartNumber int64  `json:"PartNumber"`
	ETag       string `json:"ETag"`
}

// UnmarshalJSON reads the two fields by their exact names. Beside them Uppy 5
// hands the response headers of each part to the application, and encoding/json
// by itself would take "etag" among those for ETag.
func (p *partReference) UnmarshalJSON(text []byte) error {
	members := rawjson.NewScanner(text)
	if members.Peek() != '{' {
		if string(text) == "null" {
			return nil
		}
		return errors.New("a part is not an object")
	}
	for members.Next('}') {
		name, value := members.Name(), members.Value()
		ok := true
		switch {
		case string(value) == "null":
		case rawjson.Is(name, "PartNumber"):
			p.PartNumber, ok = rawjson.Int64(value)
		case rawjson.Is(name, "ETag"):
			p.ETag, ok = rawjson.String(value)
		}
		if !ok {
			return errors.New("a part number or an ETag is of another type, or out of range")
		}
	}
	return nil
}

// complete answers POST /s3/multipart/{uploadId}/complete. Nothing is created
// unless the parts that OSS holds are those that were agreed; asked again, it
// answers the same receipt.
func (h *handler) complete(ctx context.Context, caller callerauth.Caller, in completeRequest) (confirm.Answer, error) {
	claims, err := h.upload(caller, in.uploadRef)
	if err != nil {
		return confirm.Answer{}, err
	}
	if late := in.Checksum; late != nil && late.CRC64 != "" {
		if claims.CRC64 != "" && claims.CRC64 != late.CRC64 {
			return confirm.Answer{}, hold.ChecksumMismatch(claims.CRC64, late.CRC64)
		}
		claims.CRC64 = late.CRC64
	}
	held, err := h.storage.ListParts(ctx, claims.Key, claims.UploadID)
	if errors.Is(err, storage.ErrNoSuchUpload) {
		return h.again(ctx, claims, err)
	}
	if err != nil {
		return confirm.Answer{}, err
	}
	if err := verifyParts(claims, held, in.Parts); err != nil {
		if passesLimit(claims, held) {
			h.abortForGood(ctx, claims)
		}
		return confirm.Answer{}, err
	}
	err = h.storage.Complete(ctx, claims.Key, claims.UploadID, held)
	if errors.Is(err, storage.ErrNoSuchUpload) || errors.Is(err, storage.ErrExists) {
		// It was there a moment ago: another call completed it, this call's first
		// try did and its answer was lost, or it was aborted meanwhile.
		return h.again(ctx, claims, fmt.Errorf("%w: %w", errAborted, err))
	}
	if err != nil {
		return confirm.Answer{}, err
	}
	return h.confirmer.Confirm(ctx, claims)
}

// again answers a completion of an upload that OSS does not know any more: with
// the receipt if the object is this upload's, else with gone.
func (h *handler) again(ctx context.Context, claims uploadtoken.Claims, gone error) (confirm.Answer, error) {
	object, err := h.completed(ctx, claims)
	if errors.Is(err, storage.ErrNotFound) {
		select {
		case <-ctx.Done():
			return confirm.Answer{}, gone
		case <-time.After(settle):
		}
		object, err = h.completed(ctx, claims)
	}
	if errors.Is(err, storage.ErrNotFound) {
		return confirm.Answer{}, h.whyGone(ctx, claims, gone)
	}
	if err != nil {
		return confirm.Answer{}, err
	}
	return h.confirmer.Announce(ctx, claims, object)
}

// completed returns the object of an upload if it is there and is this upload's:
// it carries a grant with the same id.
func (h *handler) completed(ctx context.Context, claims uploadtoken.Claims) (storage.Object, error) {
	stored, object, err := h.confirmer.Granted(ctx, claims.Key)
	if err == nil && stored.ID != claims.ID {
		err = fmt.Errorf("%w of this upload's", hold.ErrNoGrant)
	}
	return object, err
}
