package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Retry says how often something is tried, and how long to pause in between.
// The zero value tries once. The package documentation says what is tried
// again.
type Retry struct {
	Tries int // at most; math.MaxInt: until the context ends

	First time.Duration // the first pause; each is twice the one before,
	Most  time.Duration // but not longer than this
	// MostAsked bounds what a server can make us wait by Retry-After.
	MostAsked time.Duration
	// Jitter is between 0 and 1; nil is math/rand/v2.Float64. Half of a pause is
	// left to it, so that parts which failed together do not come back together.
	Jitter func() float64
	// Timer waits; nil waits in real time.
	Timer func() backoff.Timer

	// Failed is told of every try that failed; nil is not.
	Failed func(Failure)
}

// Failure is a try that failed.
type Failure struct {
	What string // was being done
	Err  error
	// Again tells whether there will be another try, after the pause.
	Again bool
	Pause time.Duration
}

// Do calls try, with its number from 1 on, until it succeeds, fails for good or
// has been called r.Tries times. It returns the last error, an *Exhausted of
// it, or the cause by which the context ended, with the last error as text.
func (r Retry) Do(ctx context.Context, what string, try func(number int) error) error {
	var (
		pauses  = r.pauses()
		number  int
		last    error
		pending bool // last is to be reported
	)
	var timer backoff.Timer
	if r.Timer != nil {
		timer = r.Timer()
	}
	err := backoff.RetryNotifyWithTimer(
		func() error {
			number++
			last = try(number)
			pauses.err, pending = last, last != nil
			if last != nil && !transient(last) {
				return backoff.Permanent(last)
			}
			return last
		},
		backoff.WithContext(backoff.WithMaxRetries(pauses, uint64(max(1, r.Tries)-1)), ctx),
		func(err error, pause time.Duration) {
			pending = false
			r.report(Failure{what, err, true, pause})
		},
		timer,
	)
	if pending {
		r.report(Failure{What: what, Err: last})
	}
	switch {
	case err == nil:
		return nil
	case !transient(last):
		return last
	case ctx.Err() != nil:
		return fmt.Errorf("%w; the last try: %v", context.Cause(ctx), last)
	case r.Tries > 1:
		return &Exhausted{number, last}
	}
	return last
}

func (r Retry) report(f Failure) {
	if r.Failed != nil {
		r.Failed(f)
	}
}

// pauses is exponential, with jitter, and never less than the server asked for.
type pauses struct {
	*backoff.ExponentialBackOff
	jitter    func() float64
	mostAsked time.Duration
	err       error // of the last try
}

func (r Retry) pauses() *pauses {
	p := &pauses{jitter: r.Jitter, mostAsked: r.MostAsked}
	if p.jitter == nil {
		p.jitter = rand.Float64
	}
	p.ExponentialBackOff = backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(r.First), backoff.WithMaxInterval(r.Most), backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0), // jitter is an argument here
		backoff.WithMaxElapsedTime(0))
	return p
}

// NextBackOff implements backoff.BackOff.
func (p *pauses) NextBackOff() time.Duration {
	base := p.ExponentialBackOff.NextBackOff()
	pause := base/2 + time.Duration(p.jitter()*float64(base/2))
	if refused, ok := errors.AsType[*Refusal](p.err); ok {
		pause = max(pause, min(refused.RetryAfter, p.mostAsked))
	}
	return pause
}

// Exhausted is an error that would be worth another try if there had not been
// enough of them.
type Exhausted struct {
	Tries int
	Err   error // of the last
}

func (e *Exhausted) Error() string {
	return fmt.Sprintf("giving up after %d tries: %v", e.Tries, e.Err)
}
func (e *Exhausted) Unwrap() error { return e.Err }

// ErrDamaged means that what arrived is not what was sent.
var ErrDamaged = errors.New("storage received other bytes than were sent")

// transient reports whether another try may do better. An error that has had
// tries of its own is not tried again by whoever gets it, nor is what a
// transport marked with backoff.Permanent.
func transient(err error) bool {
	var (
		spent       *Exhausted
		permanent   *backoff.PermanentError
		certificate *tls.CertificateVerificationError
		lost        *LostAnswer
	)
	if errors.As(err, &spent) || errors.As(err, &permanent) || errors.As(err, &certificate) {
		return false
	}
	if refused, ok := errors.AsType[*Refusal](err); ok {
		return refused.Status >= 500 || refused.Status == http.StatusRequestTimeout ||
			refused.Status == http.StatusTooManyRequests || refused.Code == "RequestTimeout"
	}
	return errors.As(err, &lost) || errors.Is(err, ErrDamaged)
}
