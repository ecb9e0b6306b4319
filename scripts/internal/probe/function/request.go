package function

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/probe"
)

// ask makes a request without a token, unless header has one.
func (r *run) ask(ctx context.Context, method, path string, header http.Header) (client.Answer, error) {
	stranger := *r.client
	stranger.Token, stranger.TokenHeader = "", ""
	return stranger.Ask(ctx, method, path, header, nil)
}

// ours reports whether a function of ours wrote an answer: it has headers that
// nobody else sets in this way.
func ours(a client.Answer) bool {
	return a.Header.Get("X-Request-Id") != "" && a.Header.Get("Referrer-Policy") == "no-referrer"
}

// authorization sees by the refusal of a token that is none whether it arrived.
//
//	WWW-Authenticate: Bearer                          no token came
//	WWW-Authenticate: Bearer error="invalid_token",…  one came, and was no good
func authorization(ctx context.Context, r *run) probe.Finding {
	if r.TokenHeader != "" {
		return notTried("the functions read tokens from another header, so it does not matter")
	}
	a, err := r.ask(ctx, http.MethodPost, "/presign", http.Header{"Authorization": {"Bearer probe"}})
	if err != nil {
		return noAnswer(err)
	}
	challenge := a.Header.Get("WWW-Authenticate")
	switch {
	case a.Status == http.StatusUnauthorized && challenge == "Bearer":
		return seen("dropped", "a token that is none was answered as if there was none: %s", statusOf(a))
	case a.Status == http.StatusUnauthorized && strings.HasPrefix(challenge, "Bearer error="):
		return r.ownToken(ctx)
	case challenge == "ossupload-gateway":
		return notTried("callers are known by a gateway's header, not by Authorization")
	}
	return notTried("a token that is none was answered %s, with no challenge of ours", statusOf(a))
}

// ownToken sees whether a token that is one arrives, too.
func (r *run) ownToken(ctx context.Context) probe.Finding {
	const arrived = "a token that is none was refused as such"
	if r.Token == "" {
		return seen("passed", arrived)
	}
	// A body that no route takes is refused, after who asks is known.
	a, err := r.client.Ask(ctx, http.MethodPost, "/presign", nil, []byte("{"))
	if err != nil {
		return noAnswer(err)
	}
	if a.Status == http.StatusUnauthorized {
		return notTried("%s, but the caller's token as well: %s", arrived, statusOf(a))
	}
	return seen("passed", "%s, and the caller's token accepted", arrived)
}

// filename asks for a form as Uppy does, and returns the file's name as the
// function understood it.
func (r *run) filename(ctx context.Context, query string) (string, error) {
	var form struct{ Fields map[string]string }
	err := r.client.Call(ctx, "asking for a form", http.MethodGet, "/s3/params?"+query, nil, &form)
	if err != nil {
		return "", err
	}
	return url.PathUnescape(form.Fields["x-oss-meta-ossupload-filename"])
}

// queryValues sends names with an escape inside of an escape. With a bracket in
// the query a function knows whether it is still encoded; without, it takes what
// could be encoded for encoded.
//
//	filename=probe%2541.txt&metadata%5Bprobe%5D=1   must be probe%41.txt
//	filename=probe%2541.txt                         is probe%41.txt if encoded, probeA.txt if decoded
func queryValues(ctx context.Context, r *run) probe.Finding {
	if r.Token == "" {
		return notTried(needToken)
	}
	const sent, once, twice = "filename=probe%2541.txt", "probe%41.txt", "probeA.txt"
	clear, err := r.filename(ctx, sent+"&metadata%5Bprobe%5D=1")
	if err != nil {
		return noAnswer(err)
	}
	open, err := r.filename(ctx, sent)
	switch {
	case err != nil:
		return noAnswer(err)
	case clear != once:
		return seen("", "a name that was encoded twice did not come out encoded once: something on the way decodes queries")
	case open == once:
		return seen("encoded", "a name that was encoded twice came out encoded once")
	case open == twice:
		return seen("decoded", "a name that was encoded twice came out decoded, where it could be either")
	}
	return seen("", "a name that was encoded twice came out as something else")
}

// repeatedValues sees which of two values a function got.
func repeatedValues(ctx context.Context, r *run) probe.Finding {
	if r.Token == "" {
		return notTried(needToken)
	}
	got, err := r.filename(ctx, "filename=one.txt&filename=two.txt")
	if err != nil {
		return noAnswer(err)
	}
	switch strings.ReplaceAll(got, " ", "") {
	case "one.txt,two.txt":
		return seen("joined", "two values came as one, with a comma")
	case "two.txt":
		return seen("last", "of two values the last came")
	}
	return seen("", "of two values neither the last nor both came")
}

// path sends an encoded slash where a route takes one segment. Decoded it makes
// two of it, which is another route that has no DELETE.
//
//	DELETE /s3/multipart/x%2Fy
func path(ctx context.Context, r *run) probe.Finding {
	a, err := r.ask(ctx, http.MethodDelete, "/s3/multipart/x%2Fy", nil)
	if err != nil {
		return noAnswer(err)
	}
	value := ""
	switch {
	case !ours(a):
		return named("function.path", found(false, "a path with an encoded slash does not reach the function: %s", statusOf(a)))
	case a.Status == http.StatusUnauthorized:
		value = "encoded"
	case a.Status == http.StatusMethodNotAllowed:
		value = "decoded"
	}
	f := seen(value, "a path with an encoded slash: %s", statusOf(a))
	if a.Header.Get("X-Ca-Request-Id") == "" { // not of a classic gateway
		f = named("function.path", found(value == "encoded", "%s", f.Saw))
	}
	return f
}

// body sends text that changes if it is decoded, re-encoded or read in another
// encoding on the way.
func body(ctx context.Context, r *run) probe.Finding {
	if r.Token == "" {
		return notTried(needToken)
	}
	const name = "pröbe +%2B%25&amp;=\u00a0☀.txt"
	one := int64(1)
	g, err := r.client.Presign(ctx, client.PresignRequest{Filename: name, Size: &one, ContentType: "text/plain"})
	if err != nil {
		return noAnswer(err)
	}
	got := ""
	for header, value := range g.Headers {
		if strings.EqualFold(header, "x-oss-meta-ossupload-filename") {
			got, _ = url.PathUnescape(value)
		}
	}
	return found(got == name, "a body with escapes and letters beyond ASCII: it arrived as sent: %v", got == name)
}
