package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/rolecreds"
)

// maxSTS is how long STS credentials last at most.
const maxSTS = time.Hour

var errNoSTS = &api.Error{Code: api.Forbidden, Message: "STS credentials are not enabled."}

// errNarrowed is for a caller whose own token limits sizes or types: a session
// policy cannot express that, and credentials would go beyond it.
var errNarrowed = &api.Error{Code: api.Forbidden, Message: "Your token limits what you may upload, which STS credentials cannot. Ask for a presigned upload."}

// errTooSoon is for a caller whose proof ends before the least that STS can give.
var errTooSoon = &api.Error{Code: api.Forbidden, Message: "Your token expires within 15 minutes, which is the least that STS credentials last. Ask your application for a new one."}

type stsRequest struct {
	Prefix string `json:"prefix"` // below the caller's own
}

// stsResponse has the names that OSS's SDKs use for credentials.
type stsResponse struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	AccessKeySecret string    `json:"AccessKeySecret"`
	SecurityToken   string    `json:"SecurityToken"`
	Expiration      time.Time `json:"Expiration"`
	Bucket          string    `json:"bucket"`
	Region          string    `json:"region"`
	Endpoint        string    `json:"endpoint"`
	Prefix          string    `json:"prefix"`
}

// sts answers POST /sts with credentials that can upload below one prefix, and
// nothing else. Presigned keys never lie below it, and what does is neither
// confirmed nor downloaded through us: nobody granted its size or type.
func (h *handler) sts(ctx context.Context, caller callerauth.Caller, in stsRequest) (stsResponse, error) {
	if h.assume == nil {
		return stsResponse{}, errNoSTS
	}
	if caller.Limits.Narrows() {
		return stsResponse{}, errNarrowed
	}
	prefix := h.policy.STSPrefix(caller.Subject)
	below := strings.TrimPrefix(in.Prefix, prefix)
	if err := grant.CheckBelow(below); err != nil {
		return stsResponse{}, api.Invalid(api.Fault{Field: "prefix", Reason: err.Error()})
	}
	c, err := h.lent.get(ctx, caller, prefix+below, h.lend)
	if err != nil {
		return stsResponse{}, err
	}
	return stsResponse{
		AccessKeyID:     c.AccessKeyID,
		AccessKeySecret: c.AccessKeySecret,
		SecurityToken:   c.SecurityToken,
		Expiration:      c.Expires.UTC().Truncate(time.Second),
		Bucket:          h.policy.Bucket,
		Region:          h.region,
		Endpoint:        h.endpoint.Scheme + "://" + h.endpoint.Host,
		Prefix:          prefix + below,
	}, nil
}

// lend assumes the upload role for one subject, prefix and time.
func (h *handler) lend(ctx context.Context, subject, prefix string, life time.Duration) (rolecreds.Credentials, error) {
	policy, err := uploadPolicy(h.policy.Bucket, prefix)
	if err != nil {
		return rolecreds.Credentials{}, err
	}
	source, err := h.assume(sessionName(subject), policy, life)
	if err != nil {
		return rolecreds.Credentials{}, fmt.Errorf("assuming the upload role for a session: %w", err)
	}
	return source.Credentials(ctx)
}

// uploadPolicy is the session policy: uploads below prefix, in one request or
// in parts.
func uploadPolicy(bucket, prefix string) (string, error) {
	type statement struct{ Effect, Action, Resource any }
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"1", []statement{{
		"Allow",
		[]string{"oss:PutObject", "oss:AbortMultipartUpload", "oss:ListParts"},
		[]string{"acs:oss:*:*:" + bucket + "/" + prefix + "*"},
	}}})
	if err != nil {
		return "", fmt.Errorf("encoding session policy: %w", err)
	}
	return string(text), nil
}

// sessionName is what the audit log of the account will show: the subject as it
// stands in keys, or a hash of one that does not fit.
func sessionName(subject string) string {
	const most = 64 // characters, of A-Z a-z 0-9 . @ - _ ("AssumeRole", STS API reference)
	name := "ossupload-" + grant.SubjectSegment(subject)
	if len(name) > most {
		sum := sha256.Sum256([]byte(subject))
		name = "ossupload-" + hex.EncodeToString(sum[:])[:most-len("ossupload-")]
	}
	return name
}
