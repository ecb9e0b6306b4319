package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ossupload/shared/storage"
)

// ErrRefused is for an event that its receiver does not want, now or ever: 410
// Gone. It moves to the dead at once.
var ErrRefused = errors.New("event is refused for good")

// DelayedError is for a receiver that says how long it wants to be left alone:
// Retry-After. More than an hour counts as an hour.
type DelayedError struct {
	For time.Duration
	Err error
}

func (e *DelayedError) Error() string {
	return fmt.Sprintf("%v (to be tried again after %v)", e.Err, e.For)
}

// Unwrap returns Err.
func (e *DelayedError) Unwrap() error { return e.Err }

// Worker does what entries wait for. It is called by several goroutines.
type Worker interface {
	// Do delivers an event or looks at an object, and ends when ctx does. First it
	// asks the marker, and returns nil for what was taken before: that is what ends
	// an entry which a crash left behind. What it delivers it marks, and may go on
	// for a moment to do so. ErrRefused is final, any other error is tried again.
	Do(ctx context.Context, e Entry) error
	// Bury marks that an entry is dead. It may be called again for the same entry.
	Bury(ctx context.Context, e Entry) error
}

const (
	// parallel is how many entries are worked on at a time.
	parallel = 16
	// tryTime is how long one try may take: 15 to 30 seconds are what Standard
	// Webhooks recommends to wait for a receiver. A deadline under a minute leaves
	// less.
	tryTime = 15 * time.Second
	// leastAttempts is how often an entry is tried at least, however long that
	// takes: a worker that stood still for days must not bury what it finds.
	leastAttempts = 8
)

// Summary says what a run did. Due is the sum of the numbers up to Left.
type Summary struct {
	Finished   bool `json:"finished"` // all that was due was tried
	Due        int  `json:"due"`
	Done       int  `json:"done"`
	PutOff     int  `json:"putOff"`
	Buried     int  `json:"buried"`     // given up, and moved to the dead
	Unreadable int  `json:"unreadable"` // moved to the dead as they were
	Gone       int  `json:"gone"`       // another worker was faster
	Failed     int  `json:"failed"`     // the storage failed, or they are too large; they stay as they are
	Left       int  `json:"left"`       // the time ran out; they stay as they are

	// Waiting is how many entries the run leaves behind, due or not, as far as it
	// listed them: maxCounted at most of those that are not due.
	Waiting int `json:"waiting"`
	// OldestSeconds is how long ago the oldest of those that were due was first
	// queued, or revived.
	OldestSeconds int64 `json:"oldestSeconds"`
}

// maxCounted bounds what counting the queue costs: ten listings.
const maxCounted = 10 * storage.PageSize

// Run works on what is due within ahead from now. With a deadline it starts
// nothing that could not end in time, and leaves a tenth of the time to its
// caller; what it did not come to is the first of the next run. It fails only if
// the queue cannot be listed.
func (q *Queue) Run(ctx context.Context, ahead time.Duration, w Worker) (Summary, error) {
	if ahead < 0 {
		return Summary{}, fmt.Errorf("delivering: %v ahead is out of range", ahead)
	}
	r := &run{Queue: q, worker: w, until: q.config.Now().Add(ahead), try: tryTime}
	starting := ctx
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		r.try = min(tryTime, left/4)
		var cancelRest, cancel context.CancelFunc
		ctx, cancelRest = context.WithTimeout(ctx, left*9/10)
		defer cancelRest()
		// Around its try, an entry takes some calls to the storage.
		starting, cancel = context.WithTimeout(ctx, left*8/10-r.try)
		defer cancel()
	}
	err := r.all(ctx, starting)
	return r.summary, err
}

type run struct {
	*Queue
	worker Worker
	until  time.Time // what is due after it waits for another run
	try    time.Duration

	mu       sync.Mutex
	summary  Summary
	tooLarge int // of those that failed
	later    int // that are listed and not due
}

// all works on one entry after the other until starting ends. It returns when
// nothing is under way any more.
func (r *run) all(ctx, starting context.Context) error {
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	finished, err := r.each(starting, func(name string) bool {
		select {
		case slots <- struct{}{}:
		case <-starting.Done():
			return false
		}
		wg.Go(func() {
			defer func() { <-slots }()
			r.one(ctx, name)
		})
		return true
	})
	wg.Wait()
	r.summary.Finished = finished && r.summary.Left == 0
	r.summary.Waiting = r.later + r.summary.PutOff + r.summary.Failed + r.summary.Left
	return err
}

// each names what is due, the earliest first, and reports whether that was all. It
// counts what comes after that.
func (r *run) each(ctx context.Context, start func(name string) bool) (finished bool, err error) {
	for o, err := range r.listed(ctx, pendingName) {
		switch {
		case err != nil && r.later > 0:
			return true, nil // only the count is short
		case err != nil && ctx.Err() != nil:
			return false, nil
		case err != nil:
			return false, err
		case r.later > 0, r.dueOf(o.Key).After(r.until):
			if r.later++; r.later == maxCounted {
				return true, nil
			}
		case o.Size > maxEntry:
			r.leaveTooLarge(ctx, o)
		case !start(o.Key):
			return false, nil
		}
	}
	return true, nil
}

// leaveTooLarge counts what is larger than any entry: we neither wrote it nor can
// keep it, so it stays. However many there are, a run logs the first alone.
func (r *run) leaveTooLarge(ctx context.Context, o storage.Listed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Due++
	r.summary.Failed++
	if r.tooLarge++; r.tooLarge == 1 {
		r.config.Log.WarnContext(ctx, "outbox", "action", "leave", "name", o.Key[len(r.config.Root):], "size", o.Size, "err", "it is larger than any entry")
	}
}

func (r *run) one(ctx context.Context, name string) {
	outcome, err := r.settle(ctx, name)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		outcome = &r.summary.Left
	default:
		outcome = &r.summary.Failed
		r.config.Log.WarnContext(ctx, "outbox", "action", "leave", "err", err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Due++
	*outcome++
}

// settle does the next thing with one entry, in the order that forgives a crash
// at any point, and returns where it counts.
func (r *run) settle(ctx context.Context, name string) (outcome *int, err error) {
	e, content, err := r.read(ctx, name)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return &r.summary.Gone, nil
	case errors.Is(err, errUnreadable):
		return &r.summary.Unreadable, r.setAside(ctx, name, content, err)
	case err != nil:
		return nil, err
	}
	r.seen(e)
	cause := r.do(ctx, e)
	if cause == nil {
		return &r.summary.Done, r.config.Storage.Delete(ctx, name)
	}
	if ctx.Err() != nil {
		return nil, cause // that is not the receiver's fault
	}
	e.Attempt++
	if errors.Is(cause, ErrRefused) || e.Attempt >= leastAttempts && r.config.Now().Sub(e.Queued) >= r.config.RetryFor {
		return &r.summary.Buried, r.bury(ctx, name, e, cause)
	}
	return &r.summary.PutOff, r.putOff(ctx, name, e, cause)
}

func (r *run) seen(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.OldestSeconds = max(r.summary.OldestSeconds, int64(r.config.Now().Sub(e.Queued)/time.Second))
}

func (r *run) do(ctx context.Context, e Entry) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.try)
	defer cancel()
	// One entry that crashes the process would do so in every run.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("worker panicked: %v", p)
		}
	}()
	return r.worker.Do(ctx, e)
}

func (r *run) putOff(ctx context.Context, name string, e Entry, cause error) error {
	// Not before until: no run meets an entry twice, not even one that looks ahead
	// or whose clock is set back, and the successor's name is never the entry's own.
	after := r.config.Now()
	if delayed, ok := errors.AsType[*DelayedError](cause); ok {
		after = after.Add(min(delayed.For, lastPause*time.Second))
	}
	if after.Before(r.until) {
		after = r.until
	}
	if err := r.await(ctx, e.next(after), e); err != nil {
		return err
	}
	if err := r.config.Storage.Delete(ctx, name); err != nil {
		return err
	}
	r.config.Log.WarnContext(ctx, "outbox", "action", "put off", "eventId", e.ID, "attempt", e.Attempt, "err", cause.Error())
	return nil
}

// bury moves an entry to the dead, from where an operator may revive it.
func (r *run) bury(ctx context.Context, name string, e Entry, cause error) error {
	if err := r.write(ctx, r.dead(e.ID), e); err != nil {
		return err
	}
	if err := r.worker.Bury(ctx, e); err != nil {
		return err
	}
	if err := r.config.Storage.Delete(ctx, name); err != nil {
		return err
	}
	r.config.Log.ErrorContext(ctx, "outbox", "action", "bury", "eventId", e.ID, "attempt", e.Attempt, "queued", e.Queued, "err", cause.Error())
	return nil
}

// setAside moves what does not open to the dead as it is. What has become too large
// for that since it was listed stays.
func (r *run) setAside(ctx context.Context, name string, content []byte, cause error) error {
	if errors.Is(cause, storage.ErrTooLarge) {
		return cause
	}
	aside := r.dead(unreadableName + name[len(r.config.Root+pendingName):])
	if err := r.config.Storage.Put(ctx, aside, content); err != nil {
		return err
	}
	if err := r.config.Storage.Delete(ctx, name); err != nil {
		return err
	}
	r.config.Log.ErrorContext(ctx, "outbox", "action", "set aside", "name", aside[len(r.config.Root):], "err", cause.Error())
	return nil
}
