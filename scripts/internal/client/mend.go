package client

import (
	"cmp"
	"net/http"

	"ossupload/scripts/internal/explain"
)

// Mend is what to do about a refusal, in a sentence or three, or "" if no more is
// known than the refusal says itself. A function's reason of a 401 is its message.
func (r *Refusal) Mend() string {
	who := "function"
	if r.From == Storage {
		who = "storage"
	}
	return explain.Refused(who, cmp.Or(r.Code, codeOf(r)), r.Message).Mend
}

// codeOf is the code of a refusal whose body did not say it.
func codeOf(r *Refusal) string {
	if r.From == Storage && r.Status == http.StatusNonAuthoritativeInfo {
		return "CallbackFailed"
	}
	return ""
}
