package main

import (
	"context"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/uploadtoken"
)

type presignRequest struct {
	Filename     string             `json:"filename" validate:"required,bytes=765,text"` // 255 characters of three bytes
	Size         *int64             `json:"size" validate:"omitempty,min=0"`
	ContentType  string             `json:"contentType"`
	As           uploadtoken.Method `json:"as" validate:"omitempty,oneof=put form url"`
	Checksum     *checksum          `json:"checksum"`
	Metadata     map[string]string  `json:"metadata" validate:"dive,keys,metaname,endkeys,nonempty,text"`
	StorageClass string             `json:"storageClass"`
	Tags         map[string]string  `json:"tags" validate:"entries=10,dive,keys,bytes=128,tagtext,endkeys,omitempty,bytes=256,tagtext"`
	Vars         map[string]string  `json:"vars" validate:"jsonbytes=1024"`
	ExpiresIn    *int64             `json:"expiresIn" validate:"omitempty,min=1"` // seconds
}

type checksum struct {
	MD5   string `json:"md5" validate:"omitempty,md5"`     // base64
	CRC64 string `json:"crc64" validate:"omitempty,crc64"` // decimal
}

func (in presignRequest) wish() grant.Wish {
	wish := grant.Wish{
		Method:       in.As,
		Filename:     in.Filename,
		Size:         in.Size,
		ContentType:  in.ContentType,
		Metadata:     in.Metadata,
		StorageClass: in.StorageClass,
		Tags:         in.Tags,
		Vars:         in.Vars,
	}
	if wish.Method == "" {
		wish.Method = uploadtoken.Put
	}
	if in.Checksum != nil {
		wish.MD5, wish.CRC64 = in.Checksum.MD5, in.Checksum.CRC64
	}
	return wish
}

func (h *handler) checkPresign(caller callerauth.Caller, in presignRequest) []api.Fault {
	return h.policy.Check(caller, in.wish())
}

// presign answers POST /presign with a signed PUT or form.
func (h *handler) presign(ctx context.Context, caller callerauth.Caller, in presignRequest) (issuer.Issued, error) {
	granted, err := h.policy.Grant(caller, in.wish(), h.now(), h.random)
	if err != nil {
		return issuer.Issued{}, err
	}
	term := issuer.Term{Asked: in.ExpiresIn, NotAfter: caller.Expires}
	if granted.Claims.Method == uploadtoken.Form {
		return h.issuer.Form(ctx, granted, term)
	}
	return h.issuer.Put(ctx, granted, term)
}
