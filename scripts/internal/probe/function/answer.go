package function

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"ossupload/scripts/internal/probe"
)

// answerHeaders looks for those that every answer of ours has.
func answerHeaders(ctx context.Context, r *run) probe.Finding {
	a, err := r.ask(ctx, http.MethodPost, "/presign", nil)
	if err != nil {
		return noAnswer(err)
	}
	var lost []string
	for _, want := range []struct{ name, value string }{
		{"Cache-Control", "no-store"},
		{"Content-Type", "application/json"},
		{"Referrer-Policy", "no-referrer"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Request-Id", ""},
		{"WWW-Authenticate", ""},
	} {
		got := a.Header.Values(want.name)
		if len(got) != 1 || want.value != "" && got[0] != want.value {
			lost = append(lost, want.name)
		}
	}
	if a.Status != http.StatusUnauthorized {
		return notTried("a request without a token was answered %s", statusOf(a))
	}
	if len(lost) > 0 {
		return found(false, "headers of the functions that are dropped, doubled or changed: %s", strings.Join(lost, ", "))
	}
	return found(true, "all headers of a refusal arrived")
}

// exposed is how our own CORS headers are known.
const exposed = "X-Request-Id, Retry-After, WWW-Authenticate"

// corsHeaders counts who lets the page of Origin in.
func corsHeaders(ctx context.Context, r *run) probe.Finding {
	a, err := r.ask(ctx, http.MethodPost, "/presign", http.Header{"Origin": {r.Origin}})
	if err != nil {
		return noAnswer(err)
	}
	allowed := listed(a.Header, "Access-Control-Allow-Origin")
	own := slices.Contains(a.Header.Values("Access-Control-Expose-Headers"), exposed)
	switch {
	case len(allowed) == 0:
		return notTried("nobody lets the page in: name an origin that CORS_ORIGINS has")
	case len(allowed) > 1:
		return seen("doubled", "Access-Control-Allow-Origin has %d values, which browsers refuse", len(allowed))
	case own && a.Header.Get("Access-Control-Allow-Credentials") == "":
		return seen("the function's", "Access-Control-Allow-Origin once, with the function's other headers")
	}
	return seen("replaced", "Access-Control-Allow-Origin once, with headers that are not the function's")
}

// listed are the values of a header, also those that were joined.
func listed(h http.Header, name string) []string {
	return strings.FieldsFunc(strings.Join(h.Values(name), ","), func(c rune) bool { return c == ',' || c == ' ' })
}

// preflight sees who answers one. Ours is a 204 with the headers that each answer
// has.
func preflight(ctx context.Context, r *run) probe.Finding {
	a, err := r.ask(ctx, http.MethodOptions, "/presign", http.Header{
		"Origin": {r.Origin}, "Access-Control-Request-Method": {http.MethodPost},
		"Access-Control-Request-Headers": {"authorization,content-type"},
	})
	if err != nil {
		return noAnswer(err)
	}
	if ours(a) && a.Status == http.StatusNoContent {
		return seen("function", "a preflight was answered %d by the function", a.Status)
	}
	lets := listed(a.Header, "Access-Control-Allow-Origin")
	return seen("gateway", "a preflight was answered %s by something else, which names %d origins", statusOf(a), len(lets))
}
