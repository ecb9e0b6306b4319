package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/issuer"
	"ossupload/shared/process"
	"ossupload/shared/storage"
)

// errNoObject is for a key that this caller may not read, and for one where nothing
// is: which of them it is, a stranger is not told.
var errNoObject = &api.Error{Code: api.NotFound, Message: "There is no object under this key that you may read."}

type downloadRequest struct {
	Key       string `json:"key" validate:"required,bytes=1023,objectkey"`
	VersionID string `json:"versionId" validate:"omitempty,bytes=128,version"`
	Process   string `json:"process"`
	Filename  string `json:"filename" validate:"omitempty,bytes=765,text"`
	Inline    bool   `json:"inline"`
	ExpiresIn *int64 `json:"expiresIn" validate:"omitempty,min=1"` // seconds
}

// download answers POST /download with a signed GET of one of the caller's own
// objects, or of one that the caller's token names. Browsers are told to save it, under a name of the caller's choice,
// unless it is of a kind that may be shown.
func (h *handler) download(ctx context.Context, caller callerauth.Caller, in downloadRequest) (issuer.Signed, error) {
	query, faults := downloadQuery(in)
	if len(faults) > 0 {
		return issuer.Signed{}, api.Invalid(faults...)
	}
	if err := h.readable(ctx, caller, in); err != nil {
		return issuer.Signed{}, err
	}
	return h.issuer.Download(ctx, h.policy.Bucket, in.Key, query, issuer.Term{Asked: in.ExpiresIn, NotAfter: caller.Expires})
}

// readable refuses what is not this caller's to read, and what is not what was
// granted: bytes that nobody agreed to are not handed out in our name.
func (h *handler) readable(ctx context.Context, caller callerauth.Caller, in downloadRequest) error {
	named := slices.Contains(caller.Download, in.Key) && h.policy.Anybodys(in.Key)
	if !named && !h.policy.Mine(caller.Subject, in.Key) {
		return fmt.Errorf("%w: the key is not the caller's", errNoObject)
	}
	object, err := h.storage.HeadVersion(ctx, in.Key, in.VersionID)
	if errors.Is(err, storage.ErrNotFound) || in.VersionID != "" && noVersion(err) {
		return fmt.Errorf("%w: %w", errNoObject, err)
	}
	if err != nil {
		return err
	}
	claims, err := hold.Grant(h.keyring, in.Key, object)
	if object.Metadata[grant.MetaGrant] == "" && h.policy.AllowsUngranted(object.ContentType) {
		// A url upload carries no grant: it is held against today's policy.
		claims, err = h.policy.Ungranted(caller.Subject, object.ContentType), nil
	}
	if err != nil {
		return err
	}
	if !named && claims.Subject != caller.Subject {
		return fmt.Errorf("%w: the grant is another subject's", errNoObject)
	}
	return hold.Check(claims, object)
}

// noVersion reports whether a HEAD failed because of the version that it named: a
// delete marker (405), or what OSS never made.
func noVersion(err error) bool {
	var failed *storage.Error
	return errors.As(err, &failed) && (failed.Status == http.StatusMethodNotAllowed || failed.Code == "InvalidArgument")
}

func checkDownload(_ callerauth.Caller, in downloadRequest) []api.Fault {
	in.Filename = "" // has no faults but those of its shape, and may be far too long
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
