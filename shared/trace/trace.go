// Package trace collects what is worth a line of the log about one invocation,
// wherever in it that becomes known: how long others took to answer, who asked,
// what was announced, and to which trace it belongs. It travels in the context.
//
// A trace is that of W3C Trace Context, version 00:
//
//	traceparent: 00-<trace id: 32 hex digits>-<parent id: 16>-<flags: 2>
//
// One that came with a request is continued if it is exactly that, in lower case
// and with no id of zeros; anything else is ignored, and a new trace begun. It is
// the caller's word, names nothing of ours, and no decision rests on it. Of the
// flags "sampled" and "random" are handed on, as the others have no meaning yet;
// tracestate, which could be anything, is not.
//
// Without a Trace in the context, everything here does nothing.
package trace

import (
	"context"
	"encoding/hex"
	"io"
	"strings"
	"sync"
	"time"
)

// Outside is somebody whose answers an invocation waits for.
type Outside int

const (
	OSS     Outside = iota
	STS             // of a role, not of the function's own credentials
	Keys            // of a token's issuer, and OSS's
	Webhook         // each try
	outsides
)

// String is the name in the log, without its unit.
func (o Outside) String() string { return [...]string{"oss", "sts", "keys", "webhook"}[o] }

// Trace is of one invocation. Its methods may be called at the same time, also by
// goroutines that it left behind, and on nil.
type Trace struct {
	ids
	*learned
}

// ids are a trace's, and this invocation's own within it.
type ids struct {
	trace [16]byte
	span  [8]byte
	flags byte
}

// learned is shared by an invocation and the traces that it goes on with.
type learned struct {
	now func() time.Time

	mu        sync.Mutex
	waits     [outsides]wait
	subject   string
	announced Announced
}

// wait is the time during which at least one call was under way, which is no more
// than the invocation's own, however many there are at once.
type wait struct {
	calls, open int
	since       time.Time
	total       time.Duration
}

// Announced is an event about an object, and how far it came: taken, queued or
// refused.
type Announced struct {
	Event, As string
	Bytes     int64 // of the object
}

// New begins a trace, or goes on with the one in traceparent, the values of that
// header. A source of randomness that fails means a trace without ids, which is
// not handed on.
func New(now func() time.Time, random io.Reader, traceparent []string) *Trace {
	t := &Trace{learned: &learned{now: now}}
	var fresh [16 + 8]byte
	if _, err := io.ReadFull(random, fresh[:]); err != nil {
		return t
	}
	if given, ok := parse(traceparent); ok {
		t.ids = given
	} else {
		t.trace = [16]byte(fresh[:16])
		t.flags = flagRandom
	}
	t.span = [8]byte(fresh[16:])
	return t
}

const (
	flagSampled = 1
	flagRandom  = 2
	parentLen   = 2 + 1 + 32 + 1 + 16 + 1 + 2
)

// parse reads a traceparent. It must have come once: of two, neither is known to
// be right.
func parse(values []string) (ids, bool) {
	if len(values) != 1 || len(values[0]) != parentLen {
		return ids{}, false
	}
	text := values[0]
	if text[:3] != "00-" || text[35] != '-' || text[52] != '-' || strings.ToLower(text) != text {
		return ids{}, false
	}
	var (
		read  ids
		flags [1]byte
	)
	_, noTrace := hex.Decode(read.trace[:], []byte(text[3:35]))
	_, noSpan := hex.Decode(read.span[:], []byte(text[36:52]))
	_, noFlags := hex.Decode(flags[:], []byte(text[53:]))
	if noTrace != nil || noSpan != nil || noFlags != nil {
		return ids{}, false
	}
	read.flags = flags[0] & (flagSampled | flagRandom)
	return read, read.trace != [16]byte{} && read.span != [8]byte{}
}

type contextKey struct{}

// NewContext hands t on.
func NewContext(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// From returns the Trace of ctx, or nil.
func From(ctx context.Context) *Trace {
	t, _ := ctx.Value(contextKey{}).(*Trace)
	return t
}

// Continue goes on with the trace that a queued event began in, within the
// invocation of ctx. It returns ctx if traceparent is none.
func Continue(ctx context.Context, traceparent string) context.Context {
	t := From(ctx)
	began, ok := parse([]string{traceparent})
	if t == nil || !ok || t.span == [8]byte{} {
		return ctx
	}
	began.span = t.span
	return NewContext(ctx, &Trace{began, t.learned})
}

// ID is the trace's id, or empty.
func (t *Trace) ID() string {
	if t == nil || t.trace == [16]byte{} {
		return ""
	}
	return hex.EncodeToString(t.trace[:])
}

// Parent is the traceparent for those whom this invocation calls, or empty.
func (t *Trace) Parent() string {
	if t == nil || t.trace == [16]byte{} || t.span == [8]byte{} {
		return ""
	}
	b := make([]byte, 0, parentLen)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, t.trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, t.span[:])
	b = append(b, '-')
	return string(hex.AppendEncode(b, []byte{t.flags}))
}

// Begin is called before a call to o, and what it returns when that has ended;
// again does no harm.
func (t *Trace) Begin(o Outside) (end func()) {
	if t == nil {
		return func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.waits[o]
	if w.open == 0 {
		w.since = t.now()
	}
	w.calls++
	w.open++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if w.open--; w.open == 0 {
			w.total += t.now().Sub(w.since)
		}
	})
}

// Waited is how long the invocation has waited for o, calls that have not ended
// included. It reports false if there was no call.
func (t *Trace) Waited(o Outside) (time.Duration, bool) {
	if t == nil {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.waits[o]
	if w.open > 0 {
		w.total += t.now().Sub(w.since)
	}
	return w.total, w.calls > 0
}

// Ask remembers who asks.
func (t *Trace) Ask(subject string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subject = subject
}

// Subject is who asks, or empty.
func (t *Trace) Subject() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.subject
}

// Announce remembers the last event of the invocation.
func (t *Trace) Announce(a Announced) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.announced = a
}

// Announced is the last event of the invocation, or zero.
func (t *Trace) Announced() Announced {
	if t == nil {
		return Announced{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.announced
}
