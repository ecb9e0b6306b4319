package probe

import (
	"net/http"
	"slices"
	"strings"
)

// policyEC begins the ECs of refusals by a policy.
const policyEC = "0003-"

// transient are the codes that a call can be answered with whatever it asks: the
// body came too slowly, a clock is wrong, a token ended meanwhile.
var transient = []string{"RequestTimeout", "RequestTimeTooSkewed", "SecurityTokenExpired"}

// notice remembers an answer that says nothing about the fact at work. own is
// whether the target's own credentials asked, as they are.
func (r *run) notice(a reply, own bool) {
	// Elsewhere nothing is narrowed on purpose, so nothing is refused for it.
	own = own || !r.at.Refused
	if a.trouble(own, r.at.Provokes...) {
		r.trouble = &a
	}
}

// trouble reports whether an answer is about who asks, about the service at this
// moment or of somebody on the way, and not about what was asked. own is whether no
// refusal by a policy was asked for. provoked are the codes that were.
func (a reply) trouble(own bool, provoked ...string) bool {
	switch {
	case a.foreign():
		return true
	case slices.Contains(provoked, a.code):
		return false
	case slices.Contains(transient, a.code):
		return true
	case a.status == http.StatusForbidden:
		return own && (a.code == "AccessDenied" && strings.HasPrefix(a.ec, policyEC) || a.code == "InvalidAccessKeyId")
	}
	return a.overloaded()
}

// overloaded reports whether a service fails for now, which 501 does not say.
func (a reply) overloaded() bool {
	switch a.status {
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return a.status >= http.StatusInternalServerError && a.status != http.StatusNotImplemented
}

// foreign reports whether somebody else than OSS answered: a proxy, a firewall, a
// page to log in at. OSS names the request in every answer, in a header and in
// its error documents, sends errors as XML, and redirects nobody but forms, by 303.
func (a reply) foreign() bool {
	if a.header.Get("x-oss-request-id") == "" && element(a.body, "RequestId") == "" {
		return true
	}
	if a.status/100 == 3 {
		return a.status != http.StatusSeeOther
	}
	text := strings.ToLower(strings.TrimSpace(a.body))
	return a.status >= http.StatusBadRequest && text != "" && (text[0] != '<' || strings.HasPrefix(text, "<html") || strings.HasPrefix(text, "<!doctype html"))
}

// troubled is the finding of a probe that met trouble.
func troubled(a reply) Finding {
	switch {
	case a.overloaded():
		return notTried("the service failed: it answered %v", a)
	case a.foreign():
		return notTried("somebody else than OSS answered: %v", a)
	case a.status == http.StatusForbidden && !slices.Contains(transient, a.code):
		return notTried("denied: the credentials were answered %v", a)
	}
	return notTried("the service failed: it answered %v", a)
}
