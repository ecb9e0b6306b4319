package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"ossupload/shared/assumerole"
	"ossupload/shared/callerauth"
	"ossupload/shared/rolecreds"
)

// lent keeps the STS credentials that were handed out, so that the calls of one
// subject for one prefix share them until half their life is over: each AssumeRole
// counts against the account's quota.
type lent struct {
	now     func() time.Time
	longest time.Duration

	flight singleflight.Group

	mu   sync.Mutex
	held map[lentFor]lentCredentials
}

type lentFor struct{ subject, prefix string }

type lentCredentials struct {
	rolecreds.Credentials
	until time.Time // they are shared
}

// maxLent bounds what is kept; beyond it, all is forgotten.
const maxLent = 1024

// get returns credentials that do not outlive the caller's own proof.
func (l *lent) get(ctx context.Context, caller callerauth.Caller, prefix string, lend func(context.Context, string, string, time.Duration) (rolecreds.Credentials, error)) (rolecreds.Credentials, error) {
	life := l.longest
	if !caller.Expires.IsZero() {
		life = min(life, caller.Expires.Sub(l.now()).Truncate(time.Second))
	}
	if life < assumerole.MinDuration {
		return rolecreds.Credentials{}, errTooSoon
	}
	if c, ok := l.shared(caller, prefix); ok {
		return c, nil
	}
	// Requests that come together with one token, or with tokens that end together,
	// wait for one call, which outlives the one that began it.
	flight := fmt.Sprintf("%s\n%s\n%d", caller.Subject, prefix, caller.Expires.Unix())
	done := l.flight.DoChan(flight, func() (any, error) {
		if c, ok := l.shared(caller, prefix); ok {
			return c, nil
		}
		c, err := lend(context.WithoutCancel(ctx), caller.Subject, prefix, life)
		if err == nil {
			l.keep(lentFor{caller.Subject, prefix}, c)
		}
		return c, err
	})
	select {
	case result := <-done:
		c, _ := result.Val.(rolecreds.Credentials)
		return c, result.Err
	case <-ctx.Done():
		return rolecreds.Credentials{}, fmt.Errorf("waiting for a session's credentials: %w", ctx.Err())
	}
}

// shared returns credentials that were handed out before, if they are young enough
// and end with the caller's proof at the latest.
func (l *lent) shared(caller callerauth.Caller, prefix string) (rolecreds.Credentials, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held, ok := l.held[lentFor{caller.Subject, prefix}]
	ends := !caller.Expires.IsZero() && held.Expires.After(caller.Expires)
	return held.Credentials, ok && !ends && l.now().Round(0).Before(held.until)
}

func (l *lent) keep(who lentFor, c rolecreds.Credentials) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil || len(l.held) >= maxLent {
		l.held = make(map[lentFor]lentCredentials)
	}
	now := l.now().Round(0)
	l.held[who] = lentCredentials{c, now.Add(c.Expires.Sub(now) / 2)}
}
