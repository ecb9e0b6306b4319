package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// retry repeats what may do better next time.
type retry struct {
	tries  int
	first  time.Duration  // the first pause; each is twice the one before,
	most   time.Duration  // but not longer than this
	jitter func() float64 // from 0 to 1: math/rand/v2.Float64
	pause  func(ctx context.Context, d time.Duration) error
	note   func(format string, args ...any) // tells the user; may be nil
}

// maxRetryAfter bounds what a server can make us wait.
const maxRetryAfter = 5 * time.Minute

// do calls try, with its number from 1 on, until it succeeds, fails for good
// or has been called r.tries times.
func (r retry) do(ctx context.Context, what string, try func(number int) error) error {
	for number := 1; ; number++ {
		err := try(number)
		if err == nil || !transient(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if number >= r.tries {
			return &exhausted{number, err}
		}
		wait := r.delay(number, err)
		if r.note != nil {
			r.note("%s: %v; trying again in %v", what, err, wait.Round(10*time.Millisecond))
		}
		if err := r.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// delay is the pause after the try of this number: exponential, of which half
// is left to chance so that parts which failed together do not come back
// together, and never less than the server asked for.
func (r retry) delay(number int, err error) time.Duration {
	base := r.most
	if shift := number - 1; shift < 30 && r.first<<shift < r.most {
		base = r.first << shift
	}
	wait := base/2 + time.Duration(r.jitter()*float64(base/2))
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		wait = max(wait, min(refused.retryAfter, maxRetryAfter))
	}
	return wait
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// exhausted is an error that would be worth another try if there had not been
// enough of them.
type exhausted struct {
	tries int
	err   error
}

func (e *exhausted) Error() string {
	return fmt.Sprintf("giving up after %d tries: %v", e.tries, e.err)
}
func (e *exhausted) Unwrap() error { return e.err }

// settled is an error that has had tries of its own and is not to be tried
// again by whoever gets it.
type settled struct{ error }

func (s settled) Unwrap() error { return s.error }

// final settles an error, if there is one.
func final(err error) error {
	if err == nil {
		return nil
	}
	return settled{err}
}

// errDamaged means that what arrived is not what was sent.
var errDamaged = errors.New("storage got other bytes than were sent")

// transient reports whether another try may do better.
func transient(err error) bool {
	var (
		spent       *exhausted
		done        settled
		refused     *refusal
		lost        *lostAnswer
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &spent), errors.As(err, &done), errors.As(err, &certificate):
		return false
	case errors.As(err, &refused):
		switch refused.status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests:
			return true
		}
		// RequestTimeout is OSS's word, with status 400, for a body that stopped
		// coming.
		return refused.status >= 500 || refused.code == "RequestTimeout"
	}
	return errors.As(err, &lost) || errors.Is(err, errDamaged)
}

// parseRetryAfter reads a Retry-After header, RFC 9110, 10.2.3: seconds or a
// date. What it cannot read counts as none.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
