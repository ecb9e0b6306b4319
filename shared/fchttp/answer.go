package fchttp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"ossupload/shared/rawjson"
)

// recorder is the ResponseWriter that handlers see. It is locked because
// goroutines of a handler may outlive it (http.TimeoutHandler leaves one
// behind): what they write after finish is refused, and races with nothing.
type recorder struct {
	mu     sync.Mutex
	header http.Header // the handler's; nil until it is asked for
	status int         // 0 until it is written
	sent   http.Header // header as it was when the status was written
	body   []byte
	closed bool
}

func (w *recorder) Header() http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader ignores informational statuses, which no event can carry, and
// like net/http panics on what is no status.
func (w *recorder) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("fchttp: invalid status %d", status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if status >= 200 {
		w.writeHeader(status)
	}
}

func (w *recorder) writeHeader(status int) {
	if w.status == 0 && !w.closed {
		w.status, w.sent = status, w.header.Clone()
		if w.sent == nil {
			w.sent = http.Header{}
		}
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, http.ErrHandlerTimeout
	}
	w.writeHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

// handJSON is what one does with a ResponseWriter to answer JSON, but for two copies:
// of the body, which the caller must not keep, and of the header if nobody asked for it.
func (w *recorder) handJSON(status int, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		switch {
		case w.header != nil:
			w.header.Set("Content-Type", jsonType)
		case w.status == 0:
			w.status, w.sent = status, http.Header{"Content-Type": {jsonType}}
		}
		w.writeHeader(status)
		if w.body != nil {
			body = append(w.body, body...)
		}
		w.body = body
	}
}

// finish ends writing and returns what was written.
func (w *recorder) finish() answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(http.StatusOK)
	w.closed = true
	return answer{status: w.status, header: w.sent, body: w.body}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// seal sets what every answer carries, over anything the handler has set.
func (a *answer) seal(requestID string, cors http.Header) {
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(a.header, name)
		}
	}
	for name, values := range cors {
		a.header[name] = append(a.header[name], values...)
	}
	maps.Copy(a.header, sealed)
	a.header.Set("X-Request-Id", requestID)
	a.header.Del("Content-Length") // counted by the trigger
}

// sealed are the headers of every answer that are always the same.
var sealed = http.Header{
	"Cache-Control":          {"no-store"},
	"X-Content-Type-Options": {"nosniff"},
	"Referrer-Policy":        {"no-referrer"},
}

// Answer is the answer to a request as both triggers expect it:
//
//	{"statusCode":200,"headers":{"Content-Type":"application/json"},"isBase64Encoded":false,"body":"{}"}
//
// It is a value for json.Marshal, by which the runtime encodes whatever a function
// returns: of JSON that is finished already it would check and copy each byte again,
// which takes three times what encoding the value does.
type Answer struct {
	StatusCode      int             `json:"statusCode"`
	Headers         json.RawMessage `json:"headers"` // sorted here: a map's costs twice as much
	IsBase64Encoded bool            `json:"isBase64Encoded"`
	Body            any             `json:"body"` // text, or []byte, which is encoded as base64
}

// text is a body that is written as a string without becoming one: a string would be
// a second copy of it.
type text []byte

func (t text) MarshalText() ([]byte, error) { return t, nil }

// minBase64 is the least text that goes to the trigger as base64, a third longer. To
// escape text as JSON takes four times as much CPU: 5 of 9 ms for a thousand URLs.
const minBase64 = 64 << 10

// event is the answer for the trigger.
func (a *answer) event(method string) *Answer {
	if method == http.MethodHead || a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		a.body = nil
	}
	// A gateway would guess, and might guess HTML.
	if len(a.body) > 0 && a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", "application/octet-stream")
	}
	out := &Answer{StatusCode: a.status, Headers: appendHeaders(nil, a.header), Body: text(a.body)}
	if n := len(a.body); n >= minBase64 || n > 0 && (!utf8.Valid(a.body) || a.header.Get("Content-Encoding") != "") {
		out.IsBase64Encoded, out.Body = true, a.body
	}
	return out
}

// appendHeaders appends headers as a JSON object, each in one line, by name.
func appendHeaders(dst []byte, header http.Header) []byte {
	names := make([]string, 0, len(header))
	size := len("{}")
	for name, values := range header {
		if len(values) > 0 {
			names = append(names, name)
			size += len(name) + len(values[0]) + len(`"":"",`)
		}
	}
	slices.Sort(names)
	dst = append(slices.Grow(dst, size), '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendQuote(dst, name), ':')
		dst = rawjson.AppendQuote(dst, oneLine(strings.Join(header[name], ", ")))
	}
	return append(dst, '}')
}

// oneLine keeps the value of a header from beginning another.
func oneLine(value string) string {
	if !strings.ContainsAny(value, "\r\n") {
		return value
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
}

// encodeJSON is json.Marshal without HTML escaping: a URL in an answer stays
// readable, and nothing here is ever embedded in a page.
func encodeJSON(v any) ([]byte, error) {
	if v, ok := v.(JSONAppender); ok {
		return v.AppendJSON(nil), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
