package main

import (
	"net/http"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/grant"
	"ossupload/shared/request"
	"ossupload/shared/uploadtoken"
)

type presignRequest struct {
	Filename     string             `json:"filename" validate:"required"`
	Size         *int64             `json:"size" validate:"omitempty,min=0"`
	ContentType  string             `json:"contentType"`
	As           uploadtoken.Method `json:"as" validate:"omitempty,oneof=put form url"`
	Checksum     *checksum          `json:"checksum"`
	Metadata     map[string]string  `json:"metadata"`
	StorageClass string             `json:"storageClass"`
	Tags         map[string]string  `json:"tags"`
	Vars         map[string]string  `json:"vars"`
	ExpiresIn    *int64             `json:"expiresIn" validate:"omitempty,min=1"` // seconds
}

type checksum struct {
	MD5   string `json:"md5"`   // base64
	CRC64 string `json:"crc64"` // decimal
}

type presignResponse struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers,omitzero"` // of a PUT, to be sent as they are
	Fields      map[string]string `json:"fields,omitempty"` // of a form, likewise, the file last
	Key         string            `json:"key"`
	Expires     int64             `json:"expires"` // seconds
	ExpiresAt   time.Time         `json:"expiresAt"`
	UploadToken string            `json:"uploadToken"`
}

// presign answers POST /presign with a signed PUT or form.
func (h *handler) presign(r *http.Request) (any, error) {
	caller, err := h.caller.Authenticate(r)
	if err != nil {
		return nil, err
	}
	var in presignRequest
	faults, err := request.Decode(r, &in, request.Refuse)
	if err != nil {
		return nil, err
	}
	wish := grant.Wish{
		Method:       in.As,
		Filename:     in.Filename,
		Size:         in.Size,
		ContentType:  in.ContentType,
		Metadata:     in.Metadata,
		StorageClass: in.StorageClass,
		Tags:         in.Tags,
		Vars:         in.Vars,
		Expires:      in.ExpiresIn,
	}
	if wish.Method == "" {
		wish.Method = uploadtoken.Put
	}
	if in.Checksum != nil {
		wish.MD5, wish.CRC64 = in.Checksum.MD5, in.Checksum.CRC64
	}
	granted, err := h.policy.Grant(caller, wish, h.now(), h.random)
	faults = request.Merge(faults, api.Faults(err))
	if len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	if err != nil {
		return nil, err
	}
	issue := h.issuer.Put
	if wish.Method == uploadtoken.Form {
		issue = h.issuer.Form
	}
	upload, err := issue(r.Context(), granted)
	if err != nil {
		return nil, err
	}
	return presignResponse{
		Method:      upload.Method,
		URL:         upload.URL,
		Headers:     upload.Headers,
		Fields:      upload.Fields,
		Key:         upload.Key,
		Expires:     upload.Expires,
		ExpiresAt:   upload.ExpiresAt.UTC(),
		UploadToken: upload.Token,
	}, nil
}
