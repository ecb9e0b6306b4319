package fchttp

import (
	"net/http"
	"slices"
	"strings"
)

const (
	maxAskedHeaders    = 20 // names granted beyond our own
	maxAskedHeaderName = 64 // bytes; FC allows 8 KB of response headers in all
)

// corsHeader returns the CORS headers of an answer to r. Credentials are never
// allowed: callers send tokens, not cookies, so an origin that is let in gains
// nothing it did not already hold.
func (a *Adapter) corsHeader(r *http.Request) http.Header {
	h := http.Header{}
	if len(a.CORSOrigins) == 0 {
		return h
	}
	h.Set("Vary", "Origin")
	origin := a.allowedOrigin(r.Header.Values("Origin"))
	if origin == "" {
		return h
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, WWW-Authenticate")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", allowedHeaders(r.Header.Values("Access-Control-Request-Headers")))
		h.Set("Access-Control-Max-Age", "7200")
	}
	return h
}

// allowedOrigin returns the value of Access-Control-Allow-Origin, "" if the
// origin is not allowed. Origins are compared as bytes, as browsers send them
// in one form only; "null" is allowed only where it is configured as such.
func (a *Adapter) allowedOrigin(sent []string) string {
	switch {
	case len(sent) != 1 || sent[0] == "":
		return ""
	case slices.Contains(a.CORSOrigins, "*"):
		return "*"
	case slices.Contains(a.CORSOrigins, sent[0]):
		return sent[0]
	}
	return ""
}

// allowedHeaders grants the headers we read and, so that a tracing library or
// an upload client does not break a request, those the browser asks for.
func allowedHeaders(asked []string) string {
	names := []string{"Authorization", "Content-Type"}
	for name := range strings.SplitSeq(strings.Join(asked, ","), ",") {
		name = strings.TrimSpace(name)
		if len(names) == 2+maxAskedHeaders {
			break
		}
		known := func(n string) bool { return strings.EqualFold(n, name) }
		if isHeaderWord(name) && !slices.ContainsFunc(names, known) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// isHeaderWord is narrower than a token: in this place "*" has a meaning.
func isHeaderWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxAskedHeaderName
}
