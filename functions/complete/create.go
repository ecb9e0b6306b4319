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
	"ossupload/shared/grant"
	"ossupload/shared/request"
	"ossupload/shared/uploadtoken"
)

type createRequest struct {
	Filename string            `json:"filename" validate:"required"`
	Type     string            `json:"type"`
	Metadata uppyMetadata      `json:"metadata"`
	Size     *int64            `json:"size" validate:"omitempty,min=0"`
	PartSize int64             `json:"partSize" validate:"omitempty,min=1"`
	Checksum *checksum         `json:"checksum"`
	Vars     map[string]string `json:"vars"`
}

type checksum struct {
	CRC64 string `json:"crc64"` // decimal
}

type createResponse struct {
	Key       string    `json:"key"`
	UploadID  string    `json:"uploadId"`
	Bucket    string    `json:"bucket"`
	PartSize  int64     `json:"partSize,omitempty"`
	PartCount int64     `json:"partCount,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// create answers POST /s3/multipart.
func (h *handler) create(r *http.Request) (any, error) {
	caller, err := h.authenticate(r)
	if err != nil {
		return nil, err
	}
	var in createRequest
	faults, err := request.Decode(r, &in, request.Ignore)
	if err != nil {
		return nil, err
	}
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
	granted, err := h.policy.Grant(caller, wish, h.now(), h.random)
	faults = request.Merge(faults, uppysNames(api.Faults(err)))
	if len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	if err != nil {
		return nil, err
	}
	token, err := h.initiate(r.Context(), granted)
	if err != nil {
		return nil, err
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

// initiate starts the upload at OSS and seals its id into the token. Whatever
// fails, no upload is left behind that nobody can name.
func (h *handler) initiate(ctx context.Context, g grant.Grant) (string, error) {
	// OSS's upload ids are 32 characters. Whether the token will fit is better
	// known before there is an upload.
	g.Claims.UploadID = strings.Repeat("0", 32)
	if _, err := h.keyring.Seal(uploadtoken.Multipart, g.Claims); err != nil {
		return "", err
	}
	g.Claims.UploadID = ""
	stored, err := h.keyring.Seal(uploadtoken.Grant, g.Claims)
	if err != nil {
		return "", err
	}
	g.Header[grant.MetaPrefix+grant.MetaGrant] = stored
	if g.Claims.UploadID, err = h.storage.Initiate(ctx, g.Claims.Key, g.Header); err != nil {
		return "", err
	}
	token, err := h.keyring.Seal(uploadtoken.Multipart, g.Claims)
	if err != nil {
		return "", errors.Join(
			fmt.Errorf("sealing the id of an upload that was started: %v", err),
			h.storage.Abort(ctx, g.Claims.Key, g.Claims.UploadID),
		)
	}
	return token, nil
}

// uppyMetadata takes what Uppy puts into a file's meta: scalars of any kind.
// Its own entries and those that say nothing are dropped.
type uppyMetadata map[string]string

// UnmarshalJSON reads an object whose values are strings, numbers, booleans or
// null.
func (m *uppyMetadata) UnmarshalJSON(text []byte) error {
	var values map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return err
	}
	*m = make(uppyMetadata, len(values))
	for name, value := range values {
		switch v := value.(type) {
		case nil:
			continue
		case string:
			(*m)[name] = v
		case json.Number, bool:
			(*m)[name] = fmt.Sprint(v)
		default:
			return fmt.Errorf("metadata value is a %T", v)
		}
	}
	m.dropUppysOwn()
	return nil
}

// dropUppysOwn drops the entries that Uppy adds to every file, and null, which
// it sends as text for what is not set.
func (m uppyMetadata) dropUppysOwn() {
	for name, value := range m {
		switch name {
		case "name", "type", "relativePath":
			delete(m, name)
		default:
			if value == "null" || value == "" {
				delete(m, name)
			}
		}
	}
}
