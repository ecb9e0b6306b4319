package main

import (
	"context"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

type createRequest struct {
	Filename string            `json:"filename" validate:"required,bytes=765,text"` // 255 characters of three bytes
	Type     string            `json:"type"`
	Metadata uppyMetadata      `json:"metadata" validate:"dive,keys,metaname,endkeys,nonempty,text"`
	Size     *int64            `json:"size" validate:"omitempty,min=0"`
	PartSize int64             `json:"partSize"`
	Checksum *checksum         `json:"checksum"`
	Vars     map[string]string `json:"vars" validate:"jsonbytes=1024"`
}

type checksum struct {
	CRC64 string `json:"crc64" validate:"omitempty,crc64"` // decimal
}

type createResponse struct {
	Key       string    `json:"key"`
	UploadID  string    `json:"uploadId"`
	Bucket    string    `json:"bucket"`
	PartSize  int64     `json:"partSize,omitempty"`
	PartCount int64     `json:"partCount,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (in createRequest) wish() grant.Wish {
	wish := grant.Wish{
		Method:      uploadtoken.MultipartPart,
		Filename:    in.Filename,
		Size:        in.Size,
		PartSize:    in.PartSize,
		ContentType: in.Type,
		Metadata:    in.Metadata,
		Vars:        in.Vars,
	}
	if in.Checksum != nil {
		wish.CRC64 = in.Checksum.CRC64
	}
	return wish
}

func (h *handler) checkCreate(caller callerauth.Caller, in createRequest) []api.Fault {
	return inUppysWords(h.policy.Check(caller, in.wish()))
}

// create answers POST /s3/multipart.
func (h *handler) create(ctx context.Context, caller callerauth.Caller, in createRequest) (createResponse, error) {
	granted, err := h.grant(caller, in.wish())
	if err != nil {
		return createResponse{}, err
	}
	if err := h.checkOpen(ctx, caller); err != nil {
		return createResponse{}, err
	}
	token, err := h.issuer.Multipart(ctx, granted, h.storage)
	if err != nil {
		return createResponse{}, err
	}
	return createResponse{
		Key:       granted.Claims.Key,
		UploadID:  token,
		Bucket:    granted.Claims.Bucket,
		PartSize:  granted.Claims.PartSize,
		PartCount: granted.Claims.PartCount(),
		ExpiresAt: time.Unix(granted.Claims.ExpiresAt, 0).UTC(),
	}, nil
}

// errOpen is for a caller with as many multipart uploads open as are allowed.
var errOpen = &api.Error{
	Code:    api.Forbidden,
	Message: "You have as many multipart uploads open as are allowed. Complete or abort one of them, then begin the next.",
	Log:     "too many multipart uploads are open",
}

// checkOpen refuses a caller that has as many multipart uploads open as the
// policy allows. The count is approximate: of uploads that begin at once, each
// may count without the others.
func (h *handler) checkOpen(ctx context.Context, caller callerauth.Caller) error {
	left := h.policy.MaxOpen
	if left == 0 {
		return nil
	}
	var after storage.Unfinished
	for {
		page, err := h.storage.ListUploads(ctx, h.policy.OwnPrefix(caller.Subject), after, min(left, storage.PageSize))
		if err != nil {
			return err
		}
		if left -= len(page.Uploads); left <= 0 {
			return errOpen
		}
		if !page.More {
			return nil
		}
		after = page.Uploads[len(page.Uploads)-1]
	}
}
