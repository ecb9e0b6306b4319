package main

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/request"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

type presignRequest struct {
	Filename     string             `json:"filename" validate:"required"`
	Size         *int64             `json:"size" validate:"omitempty,min=0"`
	ContentType  string             `json:"contentType"`
	As           uploadtoken.Method `json:"as" validate:"omitempty,oneof=put url"`
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
	Headers     map[string]string `json:"headers"` // to be sent as they are
	Key         string            `json:"key"`
	Expires     int64             `json:"expires"` // seconds
	ExpiresAt   time.Time         `json:"expiresAt"`
	UploadToken string            `json:"uploadToken"`
}

// presign answers POST /presign with a signed PUT.
func (h *handler) presign(r *http.Request) (any, error) {
	caller, err := h.caller.Authenticate(r)
	if err != nil {
		return nil, problem(err)
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
	if refusal := new(grant.Refusal); errors.As(err, &refusal) {
		faults = request.Merge(faults, refusal.Faults)
	}
	if len(faults) > 0 {
		return nil, fchttp.Invalid(faults)
	}
	if err != nil {
		return nil, problem(err)
	}
	out, err := h.put(r, granted)
	if err != nil {
		return nil, problem(err)
	}
	return out, nil
}

// put signs the PUT that was granted. A PUT with headers stores the sealed
// grant with the object; the url kind has no headers to store it in.
func (h *handler) put(r *http.Request, g grant.Grant) (presignResponse, error) {
	token, err := h.keyring.Seal(uploadtoken.Upload, g.Claims)
	if err != nil {
		return presignResponse{}, err
	}
	callback, err := osscallback.Param(h.callbackURL, token)
	if err != nil {
		return presignResponse{}, err
	}
	if g.Claims.Method != uploadtoken.URL {
		stored, err := h.keyring.Seal(uploadtoken.Grant, g.Claims)
		if err != nil {
			return presignResponse{}, err
		}
		g.Header[grant.MetaPrefix+grant.MetaGrant] = stored
	}
	req := signing.Request{
		Method: http.MethodPut,
		Bucket: g.Claims.Bucket,
		Key:    g.Claims.Key,
		Query:  map[string]string{"callback": callback},
		Header: maps.Clone(g.Header),
	}
	if g.Claims.Size != nil {
		// Signed, and not among the answer's headers: every client sends it by
		// itself, and browsers let nobody set it.
		req.Header["content-length"] = strconv.FormatInt(*g.Claims.Size, 10)
		req.AdditionalHeaders = []string{"content-length"}
	}
	signed, err := h.issuer.Presign(r.Context(), req, g.Expires)
	if err != nil {
		return presignResponse{}, err
	}
	return presignResponse{
		Method:      signed.Method,
		URL:         signed.URL,
		Headers:     g.Header,
		Key:         g.Claims.Key,
		Expires:     signed.Expires,
		ExpiresAt:   signed.ExpiresAt.UTC(),
		UploadToken: token,
	}, nil
}
