package assumerole

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"ossupload/shared/rolecreds"
)

const (
	// enoughLife is what credentials must have left for a request to pass by a
	// renewal that another request has begun.
	enoughLife = 60 * time.Second
	// retryAfter is the pause after a failed renewal while old ones live.
	retryAfter = 10 * time.Second
	// flightLimit is longer than any call's timeouts. A flight that seems to
	// last longer was frozen with its instance and is not worth waiting for.
	flightLimit = 10 * time.Second
)

// renewal keeps one set of credentials fresh, by one call of fetch for any number
// of requests. It is safe for concurrent use.
//
// All times are wall clock times: an instance may be frozen between requests, and
// a clock that counts running time only would see too little of it.
type renewal struct {
	fetch    func(context.Context) (rolecreds.Credentials, error)
	now      func() time.Time
	log      *slog.Logger
	patience time.Duration

	mu      sync.Mutex
	have    rolecreds.Credentials // the last ones fetched, or none
	renewAt time.Time             // not before, while have lives
	flight  *flight               // nil when no fetch is under way
}

// flight is one fetch; result may be read when done is closed.
type flight struct {
	started time.Time
	done    chan struct{}
	result  rolecreds.Credentials
	err     error
}

func newRenewal(fetch func(context.Context) (rolecreds.Credentials, error), now func() time.Time, log *slog.Logger, patience time.Duration) *renewal {
	return &renewal{
		fetch:    fetch,
		now:      func() time.Time { return now().Round(0) },
		log:      log,
		patience: patience,
	}
}

// Credentials implements rolecreds.Source.
func (r *renewal) Credentials(ctx context.Context) (rolecreds.Credentials, error) {
	r.mu.Lock()
	now := r.now()
	old, left := r.have, life(r.have, now)
	f := r.flight
	underWay := f != nil && now.Sub(f.started) < flightLimit
	if left > 0 && now.Before(r.renewAt) || left >= enoughLife && underWay {
		r.mu.Unlock()
		return old, nil
	}
	if !underWay {
		f = r.begin(ctx, now)
	}
	r.mu.Unlock()

	var impatient <-chan time.Time
	if left >= enoughLife {
		timer := time.NewTimer(r.patience)
		defer timer.Stop()
		impatient = timer.C
	}
	select {
	case <-f.done:
	case <-impatient:
		return old, nil
	case <-ctx.Done():
		return rolecreds.Credentials{}, fmt.Errorf("waiting for role credentials: %w", ctx.Err())
	}
	if f.err != nil {
		if life(old, r.now()) > 0 {
			return old, nil
		}
		return rolecreds.Credentials{}, f.err
	}
	return f.result, nil
}

// life is how long c may be used after now: not at all if there is no c, and for
// ever if it has no end.
func life(c rolecreds.Credentials, now time.Time) time.Duration {
	left, ends := c.Remaining(now)
	switch {
	case c.AccessKeyID == "":
		return 0
	case !ends:
		return math.MaxInt64
	}
	return left
}

// begin starts a fetch that outlives the request, which others may wait for, but
// keeps the values of its context. The caller holds the mutex.
func (r *renewal) begin(ctx context.Context, now time.Time) *flight {
	f := &flight{started: now, done: make(chan struct{})}
	r.flight = f
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightLimit)
		defer cancel()
		f.result, f.err = r.fetch(ctx)
		r.land(f)
		close(f.done)
	}()
	return f
}

// land keeps what a flight brought. One that was given up as frozen is as good
// as another if it succeeded late, but its failure says nothing of the present.
func (r *renewal) land(f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.flight == f
	if current {
		r.flight = nil
	}
	if f.err == nil {
		if current || !f.result.Expires.Before(r.have.Expires) {
			r.have = f.result
			r.renewAt = f.started.Add(life(f.result, f.started) / 2)
		}
		return
	}
	if now := r.now(); current && life(r.have, now) > 0 {
		r.renewAt = now.Add(retryAfter)
		r.log.Warn("renewing role credentials", "error", f.err, "old", r.have)
	}
}
