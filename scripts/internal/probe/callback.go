package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/osscallback"
	"ossupload/shared/signing"
)

var callbackProbes = []Probe{
	{Fact: "callback.operations", Calls: 6, Needs: []Need{NeedCallback}, Try: callbackOperations},
	{Fact: "callback.size", Calls: 4, Needs: []Need{NeedCallback}, Try: callbackSize},
	{Fact: "callback.signature", Calls: 2, Needs: []Need{NeedCallback}, Try: callbackSignature},
	{Fact: "callback.key", Calls: 2, Needs: []Need{NeedCallback}, Try: callbackKeyPublished},
	{Fact: "callback.headers-unsigned", Calls: 2, Needs: []Need{NeedCallback}, Try: callbackHeadersUnsigned},
	{Fact: "callback.once", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackOnce},
	{Fact: "callback.203", Calls: 2, Needs: []Need{NeedCallback}, Try: callback203},
	{Fact: "callback.answer", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackAnswer},
	{Fact: "callback.form-body", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackFormBody},
	{Fact: "callback.private-address", Calls: 2, Needs: []Need{NeedCallback}, Try: callbackPrivateAddress},
	{Fact: "callback.space", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackSpace},
	{Fact: "callback.json-escapes", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackJSONEscapes},
	{Fact: "callback.image-variables", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackImageVariables},
	{Fact: "callback.unknown-variable", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackUnknownVariable},
	{Fact: "callback.answer-length", Calls: 2, Needs: []Need{NeedCallback}, Try: callbackAnswerLength},
	{Fact: "callback.timeout-ec", Calls: 1, Needs: []Need{NeedCallback}, Try: callbackTimeoutEC},
}

// announce uploads a few bytes with a callback to e.
func (r *run) announce(ctx context.Context, e *expectation, c callback) reply {
	return r.do(ctx, call{method: "PUT", key: r.key("announced"), body: "announced", header: c.headers(e)})
}

// needArrivals stops the probe if callbacks do not reach the receiver: what then
// becomes of an upload says nothing about other facts.
func (r *run) needArrivals(ctx context.Context) {
	if r.arrive {
		return
	}
	e := r.expect()
	e.only(r.announce(ctx, e, callback{body: "a=b"}))
	r.arrive = true
}

func callbackOperations(ctx context.Context, r *run) Finding {
	c := callback{body: "operation=${operation}"}
	var told []string
	tell := func(e *expectation) {
		for _, a := range e.arrivals() {
			told = append(told, plain(strings.TrimPrefix(a.body, "operation=")))
		}
	}
	header, query, form, complete := r.expect(), r.expect(), r.expect(), r.expect()
	r.announce(ctx, header, c)
	tell(header)

	config, _ := c.at(query.url)
	r.use(ctx, r.presign(signing.Request{Method: "PUT", Key: r.key("query"), Query: signing.Query(map[string]string{"callback": config})}), "x", nil)
	tell(query)

	config, _ = c.at(form.url)
	r.post(ctx, r.form(signing.Form{Key: r.key("form"), Fields: []signing.Param{{Name: "callback", Value: config}}, MaxSize: 10}, r.Credentials), "x")
	tell(form)

	key := r.key("parts")
	id := r.initiate(ctx, key)
	part := r.part(ctx, key, id, 1, "x", nil)
	r.complete(ctx, key, id, c.headers(complete), part)
	tell(complete)
	return found(strings.Join(told, " ") == "PutObject PutObject PostObject CompleteMultipartUpload",
		"a PUT with headers, one with a query, a form and a completion were announced as: %s", strings.Join(told, ", "))
}

// callbackSize sends each of the two parameters at its limit and four characters,
// which is as little as base64 can have, above.
func callbackSize(ctx context.Context, r *run) Finding {
	const limit = 5 << 10
	var answers [4]reply
	for i, length := range []int{limit, limit + 4} {
		e := r.expect()
		c := callback{body: "a"}
		config, _ := c.at(e.url)
		// A letter more of the body is one byte more of the JSON.
		c.body += strings.Repeat("a", length/4*3-len(config)/4*3+strings.Count(config, "="))
		answers[i] = r.announce(ctx, e, c)

		c = callback{body: "a=${x:v}", vars: map[string]string{"x:v": ""}}
		_, vars := c.at(e.url)
		c.vars["x:v"] = strings.Repeat("a", length/4*3-len(vars)/4*3+strings.Count(vars, "="))
		answers[2+i] = r.announce(ctx, e, c)
	}
	return found(answers[0].ok() && answers[2].ok() && answers[1].status == http.StatusBadRequest && answers[3].status == http.StatusBadRequest,
		"a callback of 5,120 characters: %v, of 5,124: %v; variables of as many: %v and %v", answers[0], answers[1], answers[2], answers[3])
}

// signed has a callback come to a URL with a query and with what is encoded, and
// tells whether its signature verifies over path, query and body.
func (r *run) signed(ctx context.Context) (a arrival, err error) {
	e := r.Receiver.expect(r.CallbackURL, "/a%20b+c%2Fd", "x=1%202&y=+z", answerWith("application/json", "{}"))
	a = e.only(r.announce(ctx, e, callback{body: "bucket=${bucket}&object=${object}&size=${size}"}))
	configured, err := osscallback.URI(e.url)
	if err != nil {
		stop("the callback URL is not one: %v", err)
	}
	verifier, err := osscallback.NewVerifier(osscallback.Config{KeyURLs: r.CallbackKeyURLs, Client: r.client, Now: r.Now})
	if err != nil {
		stop("the URLs of callback keys are not ones: %v", err)
	}
	err = verifier.Verify(ctx, osscallback.Message{URIs: []string{configured, a.uri}, Header: a.header, Body: []byte(a.body)})
	var reason *api.Error
	switch {
	case errors.Is(err, osscallback.ErrKeyFetch):
		stop("the key of callbacks could not be fetched")
	case errors.As(err, &reason):
		// The error itself quotes what the callback said.
		return a, errors.New(reason.Log)
	}
	return a, err
}

func callbackSignature(ctx context.Context, r *run) Finding {
	_, err := r.signed(ctx)
	if err != nil {
		return found(false, "a callback to a URL with a query does not verify: %v", err)
	}
	return found(true, "a callback to a URL with a query, whose path holds %%20, + and %%2F, verifies")
}

func callbackKeyPublished(ctx context.Context, r *run) Finding {
	if len(r.CallbackKeyURLs) > 0 {
		return notTried("CALLBACK_KEY_URLS names other keys than the published one")
	}
	if _, err := r.signed(ctx); err != nil {
		return found(false, "a callback does not verify by the published key of 512 bits: %v", err)
	}
	return found(true, "a callback verifies by the published key of 512 bits")
}

func callbackHeadersUnsigned(ctx context.Context, r *run) Finding {
	a, err := r.signed(ctx)
	if err != nil {
		return found(false, "a callback does not verify by its path, query and body: %v", err)
	}
	date, err := http.ParseTime(a.header.Get("Date"))
	return found(err != nil || !strings.Contains(a.body, date.Format("2006")),
		"path, query and body verify without any header, and hold no time")
}

// slow has an upload announced to nobody who answers, once in a run. It waits for
// a callback that comes again.
func (r *run) slow(ctx context.Context) slowUpload {
	if r.slowed == nil {
		e := r.expectAnswered(never)
		began := r.Now()
		answer := r.announce(ctx, e, callback{body: "a=b"})
		took := r.Now().Sub(began)
		e.only(answer)
		r.wait(ctx, 2*time.Second)
		r.slowed = &slowUpload{answer, took, len(e.arrivals())}
	}
	return *r.slowed
}

// slowUpload is one whose callback nobody answered.
type slowUpload struct {
	answer   reply
	took     time.Duration
	arrivals int
}

func callbackOnce(ctx context.Context, r *run) Finding {
	s := r.slow(ctx)
	return found(s.arrivals == 1 && s.took > 4*time.Second && s.took < 8*time.Second,
		"a callback that is not answered came %d times, and the upload was answered %v after %.1f s", s.arrivals, s.answer, s.took.Seconds())
}

func callbackTimeoutEC(ctx context.Context, r *run) Finding {
	s := r.slow(ctx)
	value := s.answer.ec
	if value == "" {
		value = "none"
	}
	return seen(value, "an upload whose callback is not answered: %v", s.answer)
}

func callback203(ctx context.Context, r *run) Finding {
	e := r.expectAnswered(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	answer := r.announce(ctx, e, callback{body: "a=b"})
	e.only(answer)
	head := r.do(ctx, call{method: "HEAD", key: r.key("announced")})
	return found(answer.status == http.StatusNonAuthoritativeInfo && answer.code == "CallbackFailed" && head.ok(),
		"an upload whose callback is answered 500: %v; a HEAD of it: %v", answer, head)
}

func callbackAnswer(ctx context.Context, r *run) Finding {
	const body = `{"a": "b",  "ü":1}`
	e := r.expectAnswered(answerWith("application/json", body))
	answer := r.announce(ctx, e, callback{body: "a=b"})
	e.only(answer)
	same := answer.body == body
	return found(answer.status == http.StatusOK && same && answer.header.Get("ETag") != "",
		"an upload whose callback is answered with JSON: %v, with the same bytes: %v, with an ETag: %v", answer, same, answer.header.Get("ETag") != "")
}

func callbackFormBody(ctx context.Context, r *run) Finding {
	e := r.expect()
	a := e.only(r.announce(ctx, e, callback{body: "object=${object}&v=${x:v}", vars: map[string]string{"x:v": "a&b=c"}}))
	key := strings.ReplaceAll(r.key("announced"), "/", "%2F")
	escaped, held := strings.Contains(a.body, "object="+key), strings.Contains(a.body, "a%26b%3Dc")
	return found(escaped && held, "a key's slash as %%2F: %v; & and = of a variable encoded: %v", escaped, held)
}

// callbackPrivateAddress asks for a callback to an address that nobody can have on
// the internet. It is no question to a service that calls this machine.
func callbackPrivateAddress(ctx context.Context, r *run) Finding {
	u, err := url.Parse(r.CallbackURL)
	if err != nil {
		stop("the callback URL is not one")
	}
	if address, err := netip.ParseAddr(u.Hostname()); u.Hostname() == "localhost" || err == nil && (address.IsPrivate() || address.IsLoopback()) {
		return notTried("the receiver of this run has a private address itself")
	}
	e := r.expect()
	e.url = "http://192.168.1.1/callback"
	answer := r.announce(ctx, e, callback{body: "a=b"})
	head := r.do(ctx, call{method: "HEAD", key: r.key("announced")})
	return found(answer.status == http.StatusBadRequest && head.status == http.StatusNotFound,
		"an upload with a callback to 192.168.1.1: %v; a HEAD of it: %v", answer, head)
}

func callbackSpace(ctx context.Context, r *run) Finding {
	e := r.expect()
	a := e.only(r.announce(ctx, e, callback{body: "v=${x:v}", vars: map[string]string{"x:v": "a b"}}))
	value := "neither"
	for _, candidate := range []string{"%20", "+"} {
		if a.body == "v=a"+candidate+"b" {
			value = candidate
		}
	}
	return seen(value, "the space of a variable in a form body: %s", value)
}

func callbackJSONEscapes(ctx context.Context, r *run) Finding {
	e := r.expect()
	a := e.only(r.announce(ctx, e, callback{body: `{"v":${x:v}}`, json: true, vars: map[string]string{"x:v": `a"b\c`}}))
	value := "otherwise"
	switch a.body {
	case `{"v":"a"b\c"}`:
		value = "bare"
	case `{"v":"a\"b\\c"}`:
		value = "escaped"
	}
	return seen(value, "a quote and a backslash of a variable in a JSON body: %s", value)
}

func callbackImageVariables(ctx context.Context, r *run) Finding {
	e := r.expect()
	answer := r.announce(ctx, e, callback{body: `{"h":${imageInfo.height}}`, json: true})
	if len(e.arrivals()) == 0 {
		return seen("no callback", "a text whose callback has imageInfo.height: %v, and no callback", answer)
	}
	value := "otherwise"
	switch e.arrivals()[0].body {
	case `{"h":}`:
		value = "nothing"
	case `{"h":null}`:
		value = "null"
	}
	return seen(value, "imageInfo.height of a text in a JSON body: %s", value)
}

func callbackUnknownVariable(ctx context.Context, r *run) Finding {
	e := r.expect()
	answer := r.announce(ctx, e, callback{body: "v=${nosuchvariable}&w=1"})
	got, value := e.arrivals(), "otherwise"
	switch {
	case answer.status/100 == 4 && len(got) == 0:
		value = "refused"
	case len(got) > 0 && got[0].body == "v=&w=1":
		value = "empty"
	}
	return seen(value, "an upload whose callback has a variable that there is not: %v, and %d callbacks", answer, len(got))
}

func callbackAnswerLength(ctx context.Context, r *run) Finding {
	chunked := r.expectAnswered(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush() // what follows has no length any more
		fmt.Fprint(w, `{"ok":true}`)
	})
	array := r.expectAnswered(answerWith("application/json", "[1]"))
	first, second := r.announce(ctx, chunked, callback{body: "a=b"}), r.announce(ctx, array, callback{body: "a=b"})
	chunked.only(first)
	array.only(second)
	value := "one of both"
	switch {
	case first.status == http.StatusNonAuthoritativeInfo && second.status == http.StatusNonAuthoritativeInfo:
		value = "fails"
	case first.ok() && second.ok():
		value = "passes"
	}
	return seen(value, "an upload whose callback is answered without a length: %v, and with an array: %v", first, second)
}
