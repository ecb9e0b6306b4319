package oss

import (
	"net/http"

	"ossupload/scripts/internal/facts"
)

// assumes reports whether an unknown fact is taken to have a value.
func (c *call) assumes(fact, value string) bool { return c.s.cfg.Assume.Is(fact, value) }

// otherRefusals are the answers in place of those that stand where a request is
// refused, for facts about the answer alone.
var otherRefusals = []struct {
	fact, value string
	status      int
	code        code
	ec          string
}{
	{"sign.too-early", "400", http.StatusBadRequest, codeInvalidArgument, "0002-00000235"},
	{"sign.foreign-token", "InvalidSecurityToken", http.StatusForbidden, codeInvalidSecurityToken, ""},
	{"meta.too-large", "MetadataTooLarge", http.StatusBadRequest, codeMetadataTooLarge, ""},
	{"multipart.complete-all-empty", "InvalidArgument", http.StatusBadRequest, codeInvalidArgument, ""},
	{"copy.marker-by-id", "InvalidRequest", http.StatusBadRequest, codeInvalidRequest, ""},
	{"delete.many-md5", "MissingArgument", http.StatusBadRequest, codeMissingArgument, ""},
	{"form.time-refusals", "400", http.StatusBadRequest, codeInvalidArgument, ""},
	{"form.signature-ec", "as URLs", http.StatusForbidden, codeSignatureDoesNotMatch, ecSignatureMismatch},
	{"form.missing-condition", "AccessDenied", http.StatusForbidden, codeAccessDenied, ""},
	{"version.status-code", "InvalidArgument", http.StatusBadRequest, codeInvalidArgument, ""},
}

// refusal is e, or with another status, code and EC if the fact is taken to have
// another value than its first.
func refusal(assume facts.Assumptions, fact string, e *apiError) *apiError {
	for _, other := range otherRefusals {
		if other.fact == fact && assume.Is(fact, other.value) {
			e.Status, e.Code, e.EC = other.status, other.code, other.ec
		}
	}
	return e
}
