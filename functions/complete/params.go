package main

import (
	"context"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

type paramsRequest struct {
	Filename string       `query:"filename" validate:"required,bytes=765,text"`
	Type     string       `query:"type"`
	Metadata uppyMetadata `query:"metadata" validate:"dive,keys,metaname,endkeys,nonempty,text"`
}

type paramsResponse struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Fields  map[string]string `json:"fields"`
	Expires int64             `json:"expires"` // seconds
}

func (in paramsRequest) wish() grant.Wish {
	return grant.Wish{Method: uploadtoken.Form, Filename: in.Filename, ContentType: in.Type, Metadata: in.Metadata}
}

func (h *handler) checkParams(caller callerauth.Caller, in paramsRequest) []api.Fault {
	return inUppysWords(h.policy.Check(caller, in.wish()))
}

// params answers GET /s3/params with a POST form, which is how Uppy sends a
// file in one request. Uppy keeps no upload token; the stored grant serves for
// a repair.
func (h *handler) params(ctx context.Context, caller callerauth.Caller, in paramsRequest) (paramsResponse, error) {
	granted, err := h.grant(caller, in.wish())
	if err != nil {
		return paramsResponse{}, err
	}
	form, err := h.issuer.Form(ctx, granted, issuer.Term{NotAfter: caller.Expires})
	if err != nil {
		return paramsResponse{}, err
	}
	return paramsResponse{Method: form.Method, URL: form.URL, Fields: signing.Map(form.Fields), Expires: form.Expires}, nil
}
