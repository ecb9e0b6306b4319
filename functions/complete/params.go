package main

import (
	"net/http"
	"net/url"
	"strings"

	"ossupload/shared/api"
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
	if faults := api.Faults(err); faults != nil {
		return nil, api.Invalid(uppysNames(faults)...)
	}
	if err != nil {
		return nil, err
	}
	form, err := h.issuer.Form(r.Context(), granted)
	if err != nil {
		return nil, err
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
func uppysNames(faults []api.Fault) []api.Fault {
	for i := range faults {
		if faults[i].Field == "contentType" {
			faults[i].Field = "type"
		}
	}
	return faults
}
