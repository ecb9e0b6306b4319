package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/uploadtoken"
)

type paramsResponse struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Fields  map[string]string `json:"fields"`
	Expires int64             `json:"expires"` // seconds
}

// params answers GET /s3/params with a POST form, which is how Uppy sends a
// file in one request. Uppy keeps no upload token; the stored grant serves for
// a repair.
func (h *handler) params(r *http.Request) (any, error) {
	caller, err := h.authenticate(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	granted, err := h.policy.Grant(caller, grant.Wish{
		Method:      uploadtoken.Form,
		Filename:    query.Get("filename"),
		ContentType: query.Get("type"),
		Metadata:    queryMetadata(query),
	}, h.now(), h.random)
	if refusal := new(grant.Refusal); errors.As(err, &refusal) {
		return nil, invalid(uppysNames(refusal.Faults))
	}
	if err != nil {
		return nil, problem(err)
	}
	form, err := h.issuer.Form(r.Context(), granted)
	if err != nil {
		return nil, problem(err)
	}
	return paramsResponse{Method: form.Method, URL: form.URL, Fields: form.Fields, Expires: form.Expires}, nil
}

// queryMetadata reads metadata[name]=value.
func queryMetadata(query url.Values) map[string]string {
	metadata := make(uppyMetadata)
	for name, values := range query {
		if inner, ok := strings.CutPrefix(name, "metadata["); ok && strings.HasSuffix(inner, "]") && len(values) > 0 {
			metadata[strings.TrimSuffix(inner, "]")] = values[0]
		}
	}
	metadata.dropUppysOwn()
	return metadata
}

// uppysNames calls the fields of faults as Uppy does.
func uppysNames(faults []fchttp.Fault) []fchttp.Fault {
	for i := range faults {
		if faults[i].Field == "contentType" {
			faults[i].Field = "type"
		}
	}
	return faults
}

// invalid refuses an upload that Uppy may have asked for. Of a refusal Uppy
// shows the message alone, so the message tells each fault.
func invalid(faults []fchttp.Fault) error {
	told := make([]string, len(faults))
	for i, f := range faults {
		told[i] = f.Field + " " + f.Reason
	}
	refusal := fchttp.Invalid(faults)
	refusal.Message = fmt.Sprintf("%s: %s.", strings.TrimSuffix(refusal.Message, "."), strings.Join(told, "; "))
	return refusal
}
