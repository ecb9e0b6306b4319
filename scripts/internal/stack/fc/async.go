package fc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// AsyncConfig describes an asynchronous queue.
type AsyncConfig struct {
	// Invoke hands an event to the function, and fails if the function did.
	Invoke func(ctx context.Context, event []byte) (payload []byte, err error)

	// Pauses are the times before each further try of an event that failed; with
	// none it is tried once. [Pauses] are those of the platform.
	Pauses []time.Duration

	// Twice hands every event that was taken over once more, which at least once
	// allows.
	Twice bool

	Parallel int // events that the function has at a time; zero means 8
	Depth    int // events that wait or are tried; zero means 10,000

	Log *slog.Logger // nil discards
}

// Pauses are before the platform's three further tries of a failed event
// ("Retry policy" of asynchronous invocations; the times are not documented).
func Pauses() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}
}

// Async is the asynchronous queue in front of a function. It delivers at least
// once: an event of which the function failed is tried again, and one of which
// the answer was lost may be done twice. What fails to the end is dropped, with a
// line in the log, as the platform does without a destination for failures.
//
// The platform keeps events for a day over any loss of instances; here they are
// gone when the queue is closed. It is safe for concurrent use.
type Async struct {
	cfg     AsyncConfig
	slots   chan struct{}
	closing context.Context
	close   context.CancelFunc

	mu      sync.Mutex
	held    int
	settled *sync.Cond // held has become less, or somebody no longer waits
	working sync.WaitGroup
}

// NewAsync returns an empty queue.
func NewAsync(cfg AsyncConfig) (*Async, error) {
	if cfg.Invoke == nil || cfg.Parallel < 0 || cfg.Depth < 0 {
		return nil, errors.New("making an asynchronous queue: it needs a function, and sizes that are not negative")
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = 8
	}
	if cfg.Depth == 0 {
		cfg.Depth = 10_000
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	q := &Async{cfg: cfg, slots: make(chan struct{}, cfg.Parallel)}
	q.settled = sync.NewCond(&q.mu)
	q.closing, q.close = context.WithCancel(context.Background())
	return q, nil
}

// Send queues an event and does not wait. The error says that the queue is full
// or closed, and the event not taken.
func (q *Async) Send(event []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closing.Err() != nil:
		return errors.New("sending an event: the queue is closed")
	case q.held >= q.cfg.Depth:
		return fmt.Errorf("sending an event: %d are waiting already", q.held)
	}
	q.held++
	q.working.Go(func() {
		q.deliver(event)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.held--
		q.settled.Broadcast()
	})
	return nil
}

// deliver tries an event until the function takes it.
func (q *Async) deliver(event []byte) {
	err := q.try(event)
	for n := 0; err != nil && n < len(q.cfg.Pauses); n++ {
		q.cfg.Log.Warn("asynchronous invocation failed, trying it again", "try", n+1, "err", err.Error())
		select {
		case <-time.After(q.cfg.Pauses[n]):
		case <-q.closing.Done():
			return
		}
		err = q.try(event)
	}
	if err == nil && q.cfg.Twice {
		err = q.try(event)
	}
	if err != nil && q.closing.Err() == nil {
		q.cfg.Log.Error("asynchronous invocation failed, its event is dropped", "tries", len(q.cfg.Pauses)+1, "err", err.Error())
	}
}

func (q *Async) try(event []byte) error {
	select {
	case q.slots <- struct{}{}:
		defer func() { <-q.slots }()
	case <-q.closing.Done():
		return context.Cause(q.closing)
	}
	_, err := q.cfg.Invoke(q.closing, event)
	return err
}

// Drain waits until no event waits or is tried.
func (q *Async) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.settled.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held > 0 && ctx.Err() == nil {
		q.settled.Wait()
	}
	if q.held > 0 {
		return fmt.Errorf("draining an asynchronous queue of %d events: %w", q.held, context.Cause(ctx))
	}
	return nil
}

// Close forgets what waits, and returns when nothing is tried any more.
func (q *Async) Close() error {
	q.mu.Lock()
	q.close()
	q.mu.Unlock()
	q.working.Wait()
	return nil
}
