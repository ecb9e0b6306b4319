package fchttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/trace"
)

// call collects what is logged about one request. It travels in the context,
// so that it is found behind any middleware. The nil call, of a handler that
// runs without an Adapter, collects nothing.
type call struct {
	requestID string
	function  string
	version   string // of the program
	cold      bool   // the first event of this instance
	trace     *trace.Trace
	pseudonym func(subject string) string

	status   int   // of the answer, once there is one
	bytesIn  int64 // of the bodies
	bytesOut int

	mu      sync.Mutex // a handler may leave goroutines behind
	route   string
	failure *failure
}

type failure struct {
	answer *api.Error
	err    error
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// RequestID returns the platform's id of the invocation that ctx belongs to;
// "" outside of one.
func RequestID(ctx context.Context) string { return callOf(ctx).id() }

func (c *call) id() string {
	if c == nil {
		return ""
	}
	return c.requestID
}

func (c *call) setRoute(pattern string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.route = pattern
}

func (c *call) setFailure(answer *api.Error, err error) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = &failure{answer, err}
}

// code is what the client was told, if it was refused.
func (c *call) code() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		return ""
	}
	return string(c.failure.answer.Code)
}

// log writes the one line of a request. The route is a pattern, because paths
// and queries hold tokens; a method we do not know could hold anything.
func (c *call) log(ctx context.Context, log *slog.Logger, method string, status int, took time.Duration) {
	c.mu.Lock()
	route, failed := c.route, c.failure
	c.mu.Unlock()
	if route == "" {
		route = "unmatched"
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	level, message := slog.LevelInfo, "request"
	switch {
	case status >= 500:
		level, message = slog.LevelError, "failed"
	case status >= 400:
		level, message = slog.LevelWarn, "refused"
	}
	attrs := append(c.whose(make([]slog.Attr, 0, mostAttrs)),
		slog.String("route", route),
		slog.String("method", method),
		slog.Int("status", status),
		slog.Int64("bytesIn", c.bytesIn),
		slog.Int("bytesOut", c.bytesOut),
	)
	attrs = c.spent(attrs, took)
	if failed != nil {
		attrs = append(attrs, answerAttrs(failed.answer)...)
		attrs = append(attrs, errorAttrs(failed.err)...)
	}
	log.LogAttrs(ctx, level, message, attrs...)
}

// mostAttrs is how many attributes the line of an event may have. Whoever writes one
// makes the list, which then stays on its stack: the log copies what it keeps.
const mostAttrs = 23

// whose begins the line of an event.
func (c *call) whose(attrs []slog.Attr) []slog.Attr {
	attrs = append(attrs, slog.String("requestId", c.requestID))
	if c.function != "" {
		attrs = append(attrs, slog.String("function", c.function))
	}
	if id := c.trace.ID(); id != "" {
		attrs = append(attrs, slog.String("traceId", id))
	}
	if subject := c.trace.Subject(); subject != "" && c.pseudonym != nil {
		attrs = append(attrs, slog.String("subject", c.pseudonym(subject)))
	}
	return attrs
}

// spent adds how long an event took, how much of it others had, and what was
// announced.
func (c *call) spent(attrs []slog.Attr, took time.Duration) []slog.Attr {
	attrs = append(attrs, slog.Int64("durationMs", took.Milliseconds()), slog.Bool("coldStart", c.cold))
	if c.cold && c.version != "" {
		attrs = append(attrs, slog.String("version", c.version))
	}
	for _, o := range []trace.Outside{trace.OSS, trace.STS, trace.Keys, trace.Webhook} {
		if waited, ok := c.trace.Waited(o); ok {
			attrs = append(attrs, slog.Int64(o.String()+"Ms", waited.Milliseconds()))
		}
	}
	if told := c.trace.Announced(); told.Event != "" {
		attrs = append(attrs, slog.String("eventId", told.Event), slog.String("announced", told.As), slog.Int64("objectBytes", told.Bytes))
	}
	return attrs
}

// answerAttrs tells what the client was told. Of faults it names our fields
// alone: reasons may quote values, and other names are the client's.
func answerAttrs(answer *api.Error) []slog.Attr {
	attrs := []slog.Attr{slog.String("code", string(answer.Code))}
	if answer.Reason != "" {
		attrs = append(attrs, slog.String("reason", answer.Reason))
	}
	faults, ok := answer.Details.([]api.Fault)
	if !ok {
		return append(attrs, slog.String("message", answer.Message))
	}
	fields := make([]string, len(faults))
	for i, f := range faults {
		fields[i], _, _ = strings.Cut(f.Field, ".")
		if f.Foreign {
			fields[i] = "(unknown)"
		}
	}
	return append(attrs, slog.Any("fields", fields))
}

func errorAttrs(err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("err", err.Error())}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", p.stack))
	}
	return attrs
}

// panicError is a recovered panic. The value itself may hold a part of the
// request, so only its type is kept; what the runtime says of its own panics is
// safe.
type panicError struct{ text, stack string }

func (e *panicError) Error() string { return e.text }

func newPanicError(value any) *panicError {
	const maxStack = 16 << 10 // FC cuts a log line at 32 KB
	stack := debug.Stack()
	e := &panicError{
		text:  fmt.Sprintf("panic of type %T", value),
		stack: string(stack[:min(len(stack), maxStack)]),
	}
	if fault, ok := value.(runtime.Error); ok {
		e.text = "panic: " + fault.Error()
	}
	return e
}
