package fc

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"ossupload/scripts/internal/facts"
)

// What nobody has said about triggers and gateways: how they write an event, and
// what they make of an answer. The zero Assumptions take what samples and captures
// show, as far as they show anything.

// headerName is how an event writes the name of a header, which net/http has in
// canonical form.
func (t Trigger) headerName(name string, a facts.Assumptions) string {
	// unconfirmed (fc.header-names), unconfirmed (gateway.header-names): one event in
	// lower case and the other not make a function prove that it minds neither.
	lower := t == TriggerHTTP && a.Is("fc.header-names", "lower") ||
		t == TriggerAPIGateway && a.Is("gateway.header-names", "lower")
	if lower {
		return strings.ToLower(name)
	}
	return name
}

// oneValue makes the one value for a name for which events have room. HTTP
// triggers join them, as is documented.
func (t Trigger) oneValue(values []string, a facts.Assumptions) string {
	// unconfirmed (gateway.repeated-values): which value of several a gateway takes.
	if t == TriggerAPIGateway && a.Is("gateway.repeated-values", "last") {
		return values[len(values)-1]
	}
	return strings.Join(values, ",")
}

// queryParameters are those of a raw query.
func (t Trigger) queryParameters(raw string, a facts.Assumptions) map[string]string {
	values, _ := url.ParseQuery(raw) // what cannot be read is left out
	// unconfirmed (fc.query-values): whether they are decoded on the way.
	if a.Is("fc.query-values", "encoded") {
		values = splitQuery(raw)
	}
	one := make(map[string]string, len(values))
	for name, v := range values {
		one[name] = t.oneValue(v, a)
	}
	return one
}

// splitQuery is url.ParseQuery without decoding.
func splitQuery(raw string) url.Values {
	values := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			values[name] = append(values[name], value)
		}
	}
	return values
}

// gatewayPath is the path in a classic gateway's event.
func gatewayPath(u *url.URL, a facts.Assumptions) string {
	// unconfirmed (gateway.path): whether it is decoded.
	if a.Is("gateway.path", "encoded") {
		return u.EscapedPath()
	}
	return u.Path
}

// gatewayFlag is how a classic gateway says that a body is in base64.
func gatewayFlag(encoded bool, a facts.Assumptions) any {
	// unconfirmed (gateway.base64-flag): the document prints "true|false".
	if a.Is("gateway.base64-flag", "text") {
		return strconv.FormatBool(encoded)
	}
	return encoded
}

// allBase64 reports whether HTTP triggers encode bodies of text as well.
func allBase64(a facts.Assumptions) bool {
	// unconfirmed (fc.text-bodies): which types count as text.
	return a.Is("fc.text-bodies", "base64")
}

// tokenHeader is the one header that gateways are known to take for themselves.
const tokenHeader = "Authorization"

// pass takes off what does not reach the function.
func (g *gateway) pass(r *http.Request, route Route) *http.Request {
	// unconfirmed (gateway.authorization): whether the client's gets through.
	if route.Direct || g.assume.Is("gateway.authorization", "passed") {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del(tokenHeader)
	return r
}

// preflight answers a preflight, and reports whether it did.
func (g *gateway) preflight(w http.ResponseWriter, r *http.Request, route Route) bool {
	// unconfirmed (gateway.preflight): who answers it.
	asked := r.Header.Get("Access-Control-Request-Method")
	passed := g.assume.Is("gateway.preflight", "function") && !route.NoOptions
	if passed || r.Method != http.MethodOptions || asked == "" {
		return false
	}
	h := w.Header()
	setCORS(h, r.Header.Get("Origin"))
	h.Set("Access-Control-Allow-Methods", asked)
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		h.Set("Access-Control-Allow-Headers", names)
	}
	h.Set("Access-Control-Max-Age", "3600")
	w.WriteHeader(http.StatusOK)
	return true
}

// addCORS puts the platform's own CORS headers on the answer to a page: beside
// those of the function, or in their place.
func (g *gateway) addCORS(response *Response, r *http.Request) {
	origin := r.Header.Get("Origin")
	// unconfirmed (fc.cors-headers): whether it sets its own where there are some.
	switch {
	case origin == "" || g.assume.Is("fc.cors-headers", "the function's"):
	case g.assume.Is("fc.cors-headers", "replaced"):
		setCORS(response.Header, origin)
	default:
		own := http.Header{}
		setCORS(own, origin)
		for name, values := range own {
			response.Header[name] = append(response.Header[name], values...)
		}
	}
}

// setCORS are the headers that "HTTP triggers overview" describes.
func setCORS(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Date,x-fc-request-id,x-fc-error-type")
}

// limit refuses an answer that is too large.
func (g *gateway) limit(response Response) error {
	// unconfirmed (fc.answer-limit): how large one may be.
	most := maxBodyBytes
	if g.assume.Is("fc.answer-limit", "6 MB") {
		most = 6 << 20
	}
	if len(response.Body) > most {
		return fmt.Errorf("%w: its body is over the limit of %d bytes", ErrBadResponse, most)
	}
	return nil
}

// failureStatus is the status of a failed invocation.
func (g *gateway) failureStatus(status int) int {
	// unconfirmed (fc.failure-status): with 200, X-Fc-Error-Type alone tells it.
	if g.trigger == TriggerHTTP && g.assume.Is("fc.failure-status", "200") {
		return http.StatusOK
	}
	return status
}
