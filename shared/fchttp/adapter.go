package fchttp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"ossupload/shared/trace"
)

const defaultMaxBody = 2 << 20

// Adapter turns FC events into calls of an http.Handler and the handler's
// answer into what the trigger expects. Its fields must not change once it is
// used; then it is safe for concurrent use.
type Adapter struct {
	Handler     http.Handler
	MaxBody     int64            // bytes after decoding; 0: 2 MiB
	CORSOrigins []string         // exact origins ("https://app.example"), or "*"; empty: no CORS headers at all
	Log         *slog.Logger     // nil: nothing is logged
	Now         func() time.Time // nil: time.Now
	Random      io.Reader        // of the ids of traces; nil: crypto/rand.Reader

	// Pseudonym is what the log calls a subject; nil: nothing.
	Pseudonym func(subject string) string

	// Timer runs a timer event. What it returns is answered as JSON, for
	// whoever invokes the function by hand; nil as {}. A nil Timer makes timer
	// events an invocation error.
	Timer func(ctx context.Context, payload string) (any, error)

	// Stored looks at the objects that an event of OSS's trigger tells of. An
	// error makes the platform try again. A nil Stored makes such events an
	// invocation error.
	Stored func(ctx context.Context, objects []StoredObject) error

	// Record logs each event a second time, with its shape and without its values;
	// see package redact.
	Record  bool
	Name    string // of the program, in the log
	Version string // of it, in the line about an instance's first event; "": not said

	warm atomic.Bool // an event came before
}

// Invoke handles one event and returns the answer as JSON.
func (a *Adapter) Invoke(ctx context.Context, requestID string, event []byte) (json.RawMessage, error) {
	answer, err := a.Answer(ctx, requestID, event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// Answer handles one event and returns what json.Marshal encodes as the answer: of
// a request an *Answer. requestID is the platform's id of the invocation. The error
// is for the platform: it is returned for events that are no HTTP request, and never
// because a handler failed. What the handler answered is returned also when ctx has
// ended meanwhile.
func (a *Adapter) Answer(ctx context.Context, requestID string, event []byte) (any, error) {
	start := a.now()
	k := unknownEvent
	fields, err := readObject(event)
	if err == nil {
		k = kindOf(fields)
	}
	c := &call{requestID: requestID, function: a.Name, version: a.Version, cold: !a.warm.Swap(true), pseudonym: a.Pseudonym}
	ctx = context.WithValue(ctx, callKey{}, c)
	var out any
	switch k {
	case gatewayEvent, triggerEvent:
		// Headers come first: a trace is among them, and also the answer to an
		// unreadable request must let a browser read it.
		header, fault := readHeader(fields)
		ctx = a.traced(ctx, c, header["Traceparent"])
		r := newRequest(ctx, header)
		if fault == nil {
			fault = readRequest(r, k, fields, a.maxBody())
		}
		out = a.serve(c, r, fault, start)
	default:
		ctx = a.traced(ctx, c, nil)
		out, err = a.run(ctx, c, k, fields, start)
	}
	if a.Record {
		a.record(ctx, c, k, event, err != nil, a.now().Sub(start))
	}
	return out, err
}

// traced gives an invocation its trace.
func (a *Adapter) traced(ctx context.Context, c *call, traceparent []string) context.Context {
	random := a.Random
	if random == nil {
		random = rand.Reader
	}
	c.trace = trace.New(a.now, random, traceparent)
	return trace.NewContext(ctx, c.trace)
}

// run handles an event that is no request.
func (a *Adapter) run(ctx context.Context, c *call, k kind, event object, start time.Time) (any, error) {
	var (
		name = "timer"
		out  json.RawMessage
		err  error
	)
	switch k {
	case timerEvent:
		out, err = a.runTimer(ctx, event)
	case storedObjectEvent:
		name = "trigger"
		out, err = a.runStored(ctx, event)
	default:
		err = errUnknownEvent
	}
	attrs := append(c.whose(make([]slog.Attr, 0, mostAttrs)), slog.String("trigger", k.String()))
	attrs = c.spent(attrs, a.now().Sub(start))
	if err != nil {
		a.log().LogAttrs(ctx, slog.LevelError, "failed", append(attrs, errorAttrs(err)...)...)
		return nil, err
	}
	a.log().LogAttrs(ctx, slog.LevelInfo, name, attrs...)
	return out, nil
}

// serve answers a request; fault is why it could not be read, if it could not, and
// then only its header counts.
func (a *Adapter) serve(c *call, r *http.Request, fault error, start time.Time) *Answer {
	// Taken first, as handlers may change the request.
	ctx, method, cors, length := r.Context(), r.Method, a.corsHeader(r), r.ContentLength

	w := new(recorder)
	switch {
	case fault != nil:
		writeError(w, r, fault)
	case method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	default:
		if err := guard(func() error { a.Handler.ServeHTTP(w, r); return nil }); err != nil {
			w.finish()
			w = new(recorder) // forget what was half written
			writeError(w, r, fmt.Errorf("%w: %w", errPanic, err))
		}
	}
	answer := w.finish()
	answer.seal(c.requestID, cors)
	c.status = answer.status
	out := answer.event(method)
	c.bytesIn, c.bytesOut = length, len(answer.body)
	c.log(ctx, a.log(), method, answer.status, a.now().Sub(start))
	return out
}

func (a *Adapter) runTimer(ctx context.Context, event object) (json.RawMessage, error) {
	if a.Timer == nil {
		return nil, errNoTimer
	}
	payload, err := event.text("payload")
	if err != nil {
		return nil, fmt.Errorf("reading the timer event: %w", err)
	}
	var result any
	err = guard(func() (err error) { result, err = a.Timer(ctx, payload); return err })
	if err != nil {
		return nil, fmt.Errorf("running the timer: %w", err)
	}
	if result == nil {
		return json.RawMessage("{}"), nil
	}
	out, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encoding the timer's result: %w", err)
	}
	return out, nil
}

// guard turns a panic of f into a *panicError. http.ErrAbortHandler is no
// exception: there is no connection to abort, and the caller needs an answer.
func guard(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = newPanicError(value)
		}
	}()
	return f()
}

func (a *Adapter) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

func (a *Adapter) log() *slog.Logger {
	if a.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.Log
}

func (a *Adapter) maxBody() int64 {
	if a.MaxBody <= 0 {
		return defaultMaxBody
	}
	return a.MaxBody
}
