package probe

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// Receiver takes the callbacks that probes ask for. Somebody serves it where OSS
// can reach it, and tells Target.CallbackURL. What nobody asked for is answered
// 404. Its zero value is ready to use, and it is safe for concurrent use.
type Receiver struct {
	mu       sync.Mutex
	expected map[string]*expectation // by the last segment of their path
}

// expectation is a callback that a probe asked for.
type expectation struct {
	url    string
	answer http.HandlerFunc // is called after the callback was kept

	mu  sync.Mutex
	got []arrival
}

// arrival is a callback as it arrived.
type arrival struct {
	uri    string // escaped path and raw query
	header http.Header
	body   string
}

// maxCallback bounds the body of a callback.
const maxCallback = 64 << 10

// ServeHTTP implements http.Handler.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc.mu.Lock()
	e := rc.expected[path.Base(r.URL.Path)]
	rc.mu.Unlock()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if e == nil || r.Method != http.MethodPost || err != nil {
		http.NotFound(w, r)
		return
	}
	e.mu.Lock()
	e.got = append(e.got, arrival{r.RequestURI, r.Header.Clone(), string(body)})
	e.mu.Unlock()
	e.answer(w, r)
}

// expect prepares for a callback below URL. extra is a path before its last
// segment, and query follows it: both as they stand in a URL, or empty.
func (rc *Receiver) expect(url, extra, query string, answer http.HandlerFunc) *expectation {
	name := strings.ToLower(rand.Text())
	e := &expectation{url: strings.TrimSuffix(url, "/") + extra + "/" + name, answer: answer}
	if query != "" {
		e.url += "?" + query
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.expected == nil {
		rc.expected = map[string]*expectation{}
	}
	rc.expected[name] = e
	return e
}

// arrivals are the callbacks that came, until now.
func (e *expectation) arrivals() []arrival {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]arrival(nil), e.got...)
}

// only is the one callback that came. It stops the probe if there was none, since
// then OSS could not reach the receiver, or refused the upload.
func (e *expectation) only(upload reply) arrival {
	got := e.arrivals()
	if len(got) == 0 {
		stop("no callback arrived, and the upload was answered %v", upload)
	}
	return got[0]
}

// expect prepares for a callback that is answered as a callback must be.
func (r *run) expect() *expectation {
	return r.expectAnswered(answerWith("application/json", `{"ok":true}`))
}

func (r *run) expectAnswered(answer http.HandlerFunc) *expectation {
	return r.Receiver.expect(r.CallbackURL, "", "", answer)
}

// answerWith answers a callback with a length and 200.
func answerWith(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body) // net/http sets the length of what is short
	}
}

// never answers a callback: it waits until OSS gives up.
func never(_ http.ResponseWriter, r *http.Request) {
	const longer = 10 * time.Second // than any callback may take
	ctx, cancel := context.WithTimeout(r.Context(), longer)
	defer cancel()
	<-ctx.Done()
	panic(http.ErrAbortHandler)
}

// callback is a configuration of one, as OSS takes it: of what type the body is,
// and what is filled into it.
type callback struct {
	body string
	json bool
	vars map[string]string
}

// at returns the parameters callback and callback-var.
func (c callback) at(url string) (config, vars string) {
	bodyType := "application/x-www-form-urlencoded"
	if c.json {
		bodyType = "application/json"
	}
	config = encodeJSON(map[string]any{
		"callbackUrl": url, "callbackBody": c.body, "callbackBodyType": bodyType, "callbackSNI": strings.HasPrefix(url, "https:"),
	})
	if len(c.vars) > 0 {
		vars = encodeJSON(c.vars)
	}
	return config, vars
}

// headers are those of an upload that is announced to e.
func (c callback) headers(e *expectation) map[string]string {
	config, vars := c.at(e.url)
	header := map[string]string{"x-oss-callback": config}
	if vars != "" {
		header["x-oss-callback-var"] = vars
	}
	return header
}

// encodeJSON is base64 of v as JSON.
func encodeJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		stop("writing JSON failed")
	}
	return base64.StdEncoding.EncodeToString(text)
}
