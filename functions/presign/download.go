package main

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/grant"
	"ossupload/shared/process"
	"ossupload/shared/request"
	"ossupload/shared/signing"
)

type downloadRequest struct {
	Key       string `json:"key" validate:"required,max=1023"`
	VersionID string `json:"versionId"`
	Process   string `json:"process"`
	Filename  string `json:"filename"`
	Inline    bool   `json:"inline"`
	ExpiresIn *int64 `json:"expiresIn" validate:"omitempty,min=1"` // seconds
}

type downloadResponse struct {
	Method    string    `json:"method"`
	URL       string    `json:"url"`
	Expires   int64     `json:"expires"` // seconds
	ExpiresAt time.Time `json:"expiresAt"`
}

// download answers POST /download with a signed GET of one of the caller's own
// objects. Browsers are told to save it, under a name of the caller's choice,
// unless it is of a kind that may be shown.
func (h *handler) download(r *http.Request) (any, error) {
	caller, err := h.caller.Authenticate(r)
	if err != nil {
		return nil, err
	}
	var in downloadRequest
	faults, err := request.Decode(r, &in, request.Refuse)
	if err != nil {
		return nil, err
	}
	query, more := downloadQuery(in)
	if faults = request.Merge(faults, more); len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	if !strings.HasPrefix(in.Key, h.policy.OwnPrefix(caller.Subject)) {
		return nil, &api.Error{Code: api.Forbidden, Message: "This key is not yours."}
	}
	signed, err := h.downloads.Presign(r.Context(), signing.Request{
		Method: http.MethodGet, Bucket: h.policy.Bucket, Key: in.Key, Query: query,
	}, h.policy.Life(in.ExpiresIn))
	if err != nil {
		return nil, err
	}
	return downloadResponse{Method: signed.Method, URL: signed.URL, Expires: signed.Expires, ExpiresAt: signed.ExpiresAt.UTC()}, nil
}

var versionForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// downloadQuery is what a GET is signed with besides its key, and the faults of
// the request.
func downloadQuery(in downloadRequest) (query map[string]string, faults []api.Fault) {
	fault := func(field, reason string) { faults = append(faults, api.Fault{Field: field, Reason: reason}) }
	query = make(map[string]string)
	if reason := grant.CheckKey(in.Key); in.Key != "" && reason != "" {
		fault("key", reason)
	}
	if in.VersionID != "" {
		if !versionForm.MatchString(in.VersionID) {
			fault("versionId", "is not a version id")
		}
		query["versionId"] = in.VersionID
	}
	if in.Process != "" {
		if err := process.Check(in.Process); err != nil {
			fault("process", err.Error())
		}
		query["x-oss-process"] = in.Process
	}
	disposition := "attachment"
	if in.Inline {
		disposition = "inline"
		shown, harmless := grant.InlineType(in.Key)
		switch {
		case in.Process != "":
			// OSS answers an image, whatever the object is, or refuses.
		case !harmless:
			fault("inline", "is for images, audio, video, plain text and PDF")
		default:
			// Shown as what its name says, whatever it was stored as.
			query["response-content-type"] = shown
		}
	}
	if in.Filename != "" {
		if reason := grant.CheckFilename(in.Filename); reason != "" {
			fault("filename", reason)
		}
		disposition += "; " + dispositionName(in.Filename)
	}
	query["response-content-disposition"] = disposition
	return query, faults
}

// dispositionName is a file name as RFC 6266 has it: an ASCII form for old
// clients, in which nothing can end the quotes, and the name itself.
func dispositionName(name string) string {
	ascii := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || strings.ContainsRune(`"\%/;`, c) {
			return '_'
		}
		return c
	}, name)
	return `filename="` + ascii + `"; filename*=UTF-8''` + grant.Escape(name)
}
