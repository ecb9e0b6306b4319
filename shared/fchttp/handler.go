package fchttp

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/api"
)

// HandlerFunc answers with a value that is written as JSON with status 200, or
// with an error; see package api. A value that is a JSONAppender encodes itself, and one
// that is a Gzipper may be sent compressed.
type HandlerFunc func(r *http.Request) (any, error)

// JSONAppender is what an answer implements that is sent often or is large, since
// reflection costs several times what writing does. AppendJSON appends the value
// to dst: valid JSON, and as encoding/json would write the value without HTML
// escaping. rawjson.AppendQuote writes the strings.
type JSONAppender interface {
	AppendJSON(dst []byte) []byte
}

// Route is one method on one pattern. Pattern is one of net/http.ServeMux
// without method and host, for example "/s3/multipart/{uploadId}/{partNumber}".
type Route struct {
	Method, Pattern string
	Handle          HandlerFunc
}

// NewMux routes by path, then by method. A path that matches no pattern is 404
// not_found; a method that the pattern lacks is 405 method_not_allowed with
// Allow. A GET route answers HEAD, unless there is a route for HEAD. There are
// no redirects: a path that http.ServeMux would clean, or lengthen by a slash,
// matches nothing. Request.Pattern and Request.PathValue are set.
//
// It panics when a route is incomplete, stands twice or conflicts with another.
func NewMux(routes ...Route) http.Handler {
	m := &mux{}
	patterns := map[string]methods{}
	for _, route := range routes {
		if route.Handle == nil || !isToken(route.Method) || !strings.HasPrefix(route.Pattern, "/") {
			panic(fmt.Sprintf("fchttp: route %q %q is incomplete", route.Method, route.Pattern))
		}
		byMethod, ok := patterns[route.Pattern]
		if !ok {
			byMethod = methods{}
			patterns[route.Pattern] = byMethod
			m.paths.Handle(route.Pattern, byMethod)
		}
		if byMethod[route.Method] != nil {
			panic(fmt.Sprintf("fchttp: route %q %q stands twice", route.Method, route.Pattern))
		}
		byMethod[route.Method] = route.Handle
	}
	return m
}

type mux struct{ paths http.ServeMux }

func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := &routed{answer: w}
	m.paths.ServeHTTP(to, r)
	if !to.found {
		writeError(w, r, errNoRoute)
	}
}

// routed is the ResponseWriter that ServeMux gets. What ServeMux itself answers, its
// redirects and its own 404, is lost; a route unpacks the real one. So a path is
// matched once, and not a first time to see whether it has a route.
type routed struct {
	answer http.ResponseWriter
	lost   http.Header
	found  bool
}

func (w *routed) Header() http.Header {
	if w.lost == nil {
		w.lost = http.Header{}
	}
	return w.lost
}

func (w *routed) Write(p []byte) (int, error) { return len(p), nil }

func (w *routed) WriteHeader(int) {}

// methods is the http.Handler of one pattern.
type methods map[string]HandlerFunc

func (m methods) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	routed := to.(*routed)
	routed.found = true
	w := routed.answer
	handle := m[r.Method]
	if handle == nil && r.Method == http.MethodHead {
		handle = m[http.MethodGet]
	}
	if handle == nil {
		handle = func(*http.Request) (any, error) {
			w.Header().Set("Allow", m.allow())
			return nil, errMethod
		}
	}
	Handle(handle).ServeHTTP(w, r)
}

func (m methods) allow() string {
	names := []string{http.MethodOptions}
	for name := range m {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// Handle makes a http.Handler of h, for a function with one route on any path.
func Handle(h HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Pattern == "" {
			r.Pattern = "/"
		}
		callOf(r.Context()).setRoute(r.Pattern)
		value, err := h(r)
		if err != nil {
			writeError(w, r, err)
			return
		}
		body, err := encodeJSON(value)
		if err != nil {
			writeError(w, r, fmt.Errorf("encoding the answer: %w", err))
			return
		}
		writeJSON(w, http.StatusOK, compress(w, r, value, body))
	})
}

const jsonType = "application/json"

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	if w, ok := w.(*recorder); ok {
		w.handJSON(status, body)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	// A write fails only after the answer was taken from a handler that came
	// too late, and then there is nobody to tell.
	_, _ = w.Write(body)
}

// writeError answers err and keeps it for the log:
//
//	{"code":"forbidden","message":"…","requestId":"…","error":"…","details":…}
//
// "error" repeats the message, because clients of the Companion protocol look
// for it there.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := answerTo(err)
	message := e.Message
	if message == "" {
		message = http.StatusText(e.Code.Status()) + "."
	}
	call := callOf(r.Context())
	body, encodeErr := encodeJSON(struct {
		Code      api.Code `json:"code"`
		Message   string   `json:"message"`
		RequestID string   `json:"requestId"`
		Error     string   `json:"error"`
		Details   any      `json:"details,omitempty"`
	}{e.Code, message, call.id(), message, e.Details})
	if encodeErr != nil {
		// Without details, which are the only part that can fail, it ends here.
		writeError(w, r, fmt.Errorf("encoding the details of %s: %w", e.Code, encodeErr))
		return
	}
	if e.RetryAfter > 0 {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if e.Challenge != "" {
		w.Header().Set("WWW-Authenticate", e.Challenge)
	}
	call.setFailure(e, err)
	writeJSON(w, e.Code.Status(), body)
}
