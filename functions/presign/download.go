package main

import (
	"context"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/process"
)

var errNotYours = &api.Error{Code: api.Forbidden, Message: "This key is not yours."}

type downloadRequest struct {
	Key       string `json:"key" validate:"required,bytes=1023,objectkey"`
	VersionID string `json:"versionId" validate:"omitempty,bytes=128,version"`
	Process   string `json:"process"`
	Filename  string `json:"filename" validate:"omitempty,bytes=765,text"`
	Inline    bool   `json:"inline"`
	ExpiresIn *int64 `json:"expiresIn" validate:"omitempty,min=1"` // seconds
}

// download answers POST /download with a signed GET of one of the caller's own
// objects. Browsers are told to save it, under a name of the caller's choice,
// unless it is of a kind that may be shown.
func (h *handler) download(ctx context.Context, caller callerauth.Caller, in downloadRequest) (issuer.Signed, error) {
	query, faults := downloadQuery(in)
	if len(faults) > 0 {
		return issuer.Signed{}, api.Invalid(faults...)
	}
	if !strings.HasPrefix(in.Key, h.policy.OwnPrefix(caller.Subject)) {
		return issuer.Signed{}, errNotYours
	}
	return h.issuer.Download(ctx, h.policy.Bucket, in.Key, query, in.ExpiresIn)
}

func checkDownload(_ callerauth.Caller, in downloadRequest) []api.Fault {
	_, faults := downloadQuery(in)
	return faults
}

// downloadQuery is what a GET is signed with besides its key.
func downloadQuery(in downloadRequest) (query map[string]string, faults []api.Fault) {
	query = make(map[string]string)
	if in.VersionID != "" {
		query["versionId"] = in.VersionID
	}
	if in.Process != "" {
		if err := process.Check(in.Process); err != nil {
			faults = append(faults, api.Fault{Field: "process", Reason: err.Error()})
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
			faults = append(faults, api.Fault{Field: "inline", Reason: "is for images, audio, video, plain text and PDF"})
		default:
			// Shown as what its name says, whatever it was stored as.
			query["response-content-type"] = shown
		}
	}
	if in.Filename != "" {
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
