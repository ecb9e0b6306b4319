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
)

// maxSTS is how long STS credentials last at most.
const maxSTS = time.Hour

var errNoSTS = &api.Error{Code: api.Forbidden, Message: "STS credentials are not enabled."}

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
	if err := grant.CheckPrefix(in.Prefix); err != nil {
		return stsResponse{}, api.Invalid(api.Fault{Field: "prefix", Reason: err.Error()})
	}
	prefix := h.policy.STSPrefix(caller.Subject)
	prefix += strings.TrimPrefix(in.Prefix, prefix)
	policy, err := uploadPolicy(h.policy.Bucket, prefix)
	if err != nil {
		return stsResponse{}, err
	}
	source, err := h.assume(sessionName(caller.Subject), policy)
	if err != nil {
		return stsResponse{}, fmt.Errorf("assuming the upload role for a session: %w", err)
	}
	c, err := source.Credentials(ctx)
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
		Prefix:          prefix,
	}, nil
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
