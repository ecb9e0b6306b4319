package fchttp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"
)

// recorder is the ResponseWriter that handlers see. It is locked because
// goroutines of a handler may outlive it (http.TimeoutHandler leaves one
// behind): what they write after finish is refused, and races with nothing.
type recorder struct {
	mu     sync.Mutex
	header http.Header // the handler's
	status int         // 0 until it is written
	sent   http.Header // header as it was when the status was written
	body   bytes.Buffer
	closed bool
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (w *recorder) Header() http.Header { return w.header }

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
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, http.ErrHandlerTimeout
	}
	w.writeHeader(http.StatusOK)
	return w.body.Write(p)
}

// finish ends writing and returns what was written.
func (w *recorder) finish() answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(http.StatusOK)
	w.closed = true
	return answer{status: w.status, header: w.sent, body: w.body.Bytes()}
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
	a.header.Set("Cache-Control", "no-store")
	a.header.Set("X-Content-Type-Options", "nosniff")
	a.header.Set("Referrer-Policy", "no-referrer")
	a.header.Set("X-Request-Id", requestID)
	a.header.Del("Content-Length") // counted by the trigger
}

// event encodes the answer as both triggers expect it:
//
//	{"statusCode":200,"headers":{"Content-Type":"application/json"},"isBase64Encoded":false,"body":"{}"}
func (a *answer) event(method string) (json.RawMessage, error) {
	if method == http.MethodHead || a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		a.body = nil
	}
	// A gateway would guess, and might guess HTML.
	if len(a.body) > 0 && a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", "application/octet-stream")
	}
	out := struct {
		StatusCode      int               `json:"statusCode"`
		Headers         map[string]string `json:"headers"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
		Body            string            `json:"body"`
	}{StatusCode: a.status, Headers: make(map[string]string, len(a.header)), Body: string(a.body)}

	oneLine := strings.NewReplacer("\r", " ", "\n", " ")
	for name, values := range a.header {
		if len(values) > 0 {
			out.Headers[name] = oneLine.Replace(strings.Join(values, ", "))
		}
	}
	if !utf8.Valid(a.body) || a.header.Get("Content-Encoding") != "" {
		out.IsBase64Encoded = true
		out.Body = base64.StdEncoding.EncodeToString(a.body)
	}
	return encodeJSON(out)
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
