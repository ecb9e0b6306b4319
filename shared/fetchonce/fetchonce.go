// Package fetchonce holds a value that is fetched when it is needed, by one fetch
// for everyone who needs it at that time: the keys of an issuer, the credentials
// of a role. Several such values, as one per URL, are several Values.
//
// A Value promises:
//
//   - One fetch is under way at a time. Whoever needs it waits for it, but no
//     longer than their own context lasts.
//   - A fetch serves everyone who waits, so it outlives the asker who started it.
//     It keeps the values of that asker's context and ends by its own timeout.
//   - A fetch that panics ends like one that fails.
//   - Time is the wall clock's. Function Compute freezes an instance between
//     requests, and the monotonic clock may stand still meanwhile.
//   - A fetch that seems to last longer than it may was frozen with its instance.
//     It is given up: the next asker starts another one. If it succeeds after all
//     its result is kept unless a later fetch has brought one; its failure says
//     nothing about the present and is forgotten.
//   - A clock that was set back makes nothing last longer. What lies ahead of it
//     counts as over.
//
// It does not decide how long a value serves, whether an old one serves after a
// failure, or how long a failure stands. Each asker's rule does, see Value.Get.
package fetchonce

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// grace is how far beyond its timeout a fetch may last before it counts as
// frozen. Without it an asker who comes just as the timeout strikes would start
// another fetch, and the failure of the first would be forgotten.
const grace = time.Second

// Config says how a value is fetched.
type Config[T any] struct {
	// Fetch returns the value, which is shared by all askers, or an error.
	Fetch func(context.Context) (T, error)
	// Timeout ends the context of a fetch. A second later the fetch is given up.
	Timeout time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Report is called at the end of each fetch that changed the State, with the
	// new one and the values of the fetch's context, before those who wait for it
	// go on. Nil: nothing is called.
	Report func(context.Context, State[T])
}

// Value is a value that is fetched when it is needed. It is safe for concurrent
// use.
type Value[T any] struct {
	cfg Config[T]

	mu      sync.Mutex
	state   State[T] // but for Now and UnderWay
	kept    int      // number of the flight that brought state.Value
	started int      // flights so far
	flight  *flight[T]
}

// State is what is known about a value at one moment.
type State[T any] struct {
	// Now is that moment.
	Now time.Time
	// Value is what the last successful fetch brought, and Fetched when that
	// fetch began. Zero: no fetch has succeeded.
	Value   T
	Fetched time.Time
	// Err is why the last fetch failed, at the time Failed. Nil: it succeeded,
	// or there was none.
	Err    error
	Failed time.Time
	// UnderWay reports whether a fetch is, which was not given up.
	UnderWay bool
}

// FetchedWithin reports whether Value was fetched, less than d before Now.
func (s State[T]) FetchedWithin(d time.Duration) bool { return Within(s.Now, s.Fetched, d) }

// FailedWithin reports whether the last fetch failed, less than d before Now.
func (s State[T]) FailedWithin(d time.Duration) bool { return Within(s.Now, s.Failed, d) }

// flight is one fetch. What it left behind may be read when done is closed.
type flight[T any] struct {
	number int
	began  time.Time
	done   chan struct{}
	after  State[T]
}

// New returns a Value that nobody has fetched yet.
func New[T any](cfg Config[T]) *Value[T] {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Report == nil {
		cfg.Report = func(context.Context, State[T]) {}
	}
	return &Value[T]{cfg: cfg}
}

// State returns what is known now.
func (v *Value[T]) State() State[T] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.look()
}

// Get returns what is known now if the asker's rule finds it enough. If not, Get
// waits for the fetch that is under way, or starts one, and returns what is known
// at its end, whatever the rule would say: Err is set if that fetch failed.
//
// If ctx ends first, Get returns its cause, and what was known before the wait.
//
// Rules are called one at a time and must not use the Value. When a rule finds
// that the State is not enough and that no fetch is under way, its asker starts
// the fetch.
func (v *Value[T]) Get(ctx context.Context, enough func(State[T]) bool) (State[T], error) {
	state, f := v.ask(ctx, enough)
	if f == nil {
		return state, nil
	}
	select {
	case <-f.done:
		return f.after, nil
	case <-ctx.Done():
		return state, context.Cause(ctx)
	}
}

// ask returns what is known, and the flight to wait for if that is not enough.
func (v *Value[T]) ask(ctx context.Context, enough func(State[T]) bool) (State[T], *flight[T]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	state := v.look()
	if enough(state) {
		return state, nil
	}
	if !state.UnderWay {
		v.start(ctx, state.Now)
	}
	return state, v.flight
}

// look completes the state. The caller holds the mutex.
func (v *Value[T]) look() State[T] {
	state := v.state
	state.Now = v.cfg.Now().Round(0) // without the monotonic reading
	state.UnderWay = v.flight != nil && Within(state.Now, v.flight.began, v.cfg.Timeout+grace)
	return state
}

// start lets a flight take the place of the one that was given up, if any. The
// caller holds the mutex.
func (v *Value[T]) start(ctx context.Context, now time.Time) {
	v.started++
	f := &flight[T]{number: v.started, began: now, done: make(chan struct{})}
	v.flight = f
	ctx = context.WithoutCancel(ctx)
	go func() {
		var value T
		err := errors.New("fetch did not return")
		// Deferred, so that nobody waits for ever.
		defer func() {
			if reason := recover(); reason != nil {
				err = fmt.Errorf("fetch panicked: %v\n%s", reason, debug.Stack())
			}
			if v.land(f, value, err) {
				v.cfg.Report(ctx, f.after)
			}
			close(f.done)
		}()
		limited, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
		defer cancel()
		value, err = v.cfg.Fetch(limited)
	}()
}

// land takes what a flight brought, and reports whether that changed the state.
func (v *Value[T]) land(f *flight[T], value T, err error) (changed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.look()
	current := v.flight == f && before.UnderWay
	if v.flight == f {
		v.flight = nil
	}
	switch {
	case err == nil && f.number > v.kept:
		v.kept = f.number
		v.state = State[T]{Value: value, Fetched: f.began}
		changed = true
	case err != nil && current:
		v.state.Err, v.state.Failed = err, before.Now
		changed = true
	}
	f.after = v.look()
	if err != nil {
		// Even if it is forgotten, those who waited learn of it.
		f.after.Err, f.after.Failed = err, before.Now
	}
	return changed
}

// Within reports whether now is less than d after t. If t is zero, or ahead of a
// clock that was set back, it is not. Both are times of a State.
func Within(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return !t.IsZero() && 0 <= age && age < d
}
