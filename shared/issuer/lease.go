package issuer

import (
	"context"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/signing"
)

const (
	// usualLife is how long something lives for which no time was asked. Uppy 5
	// gives up on sending a part when its URL ends, so it must not be short.
	usualLife = 900 * time.Second
	// least is how long credentials must last for a URL to be worth issuing.
	least = 60 * time.Second
)

// ErrExpiring means that the credentials have under a minute left.
var ErrExpiring = &api.Error{
	Code:       api.CredentialsExpiring,
	Message:    "The credentials are being renewed. Try again.",
	RetryAfter: 5 * time.Second,
	Log:        "credentials are about to expire",
}

// ErrCallerEnds means that the caller's own proof ends before anything that could
// be signed: it is accepted a little longer than it lasts, for clocks that differ.
var ErrCallerEnds = &api.Error{
	Code:      api.Unauthenticated,
	Message:   "Your token has expired. Ask your application for a new one.",
	Challenge: `Bearer error="invalid_token", error_description="the token has expired"`,
	Log:       "caller's proof ends now",
}

// Term is how long something should live that is signed.
type Term struct {
	Asked    *int64    // seconds; nil: the usual life
	NotAfter time.Time // the end of the caller's own proof; zero: unknown
}

// lease is the right to sign for a while.
type lease struct {
	credentials signing.Credentials
	now         time.Time     // a whole second, which is what a signature's date can express
	life        time.Duration // whole seconds, counted from now
}

func (l lease) seconds() int64 { return int64(l.life / time.Second) }

// lease decides how long something that is signed now lives. It is the one place
// that does, and nothing is signed without it.
func (i *Issuer) lease(ctx context.Context, term Term) (lease, error) {
	seconds := int64(usualLife / time.Second)
	if term.Asked != nil {
		seconds = *term.Asked
	}
	// Capped before it is a duration, which a large number would overflow.
	life := time.Duration(min(seconds, int64(i.config.MaxExpires/time.Second))) * time.Second
	c, err := i.config.Credentials.Credentials(ctx)
	if err != nil {
		return lease{}, err
	}
	// Read once, and after the credentials, which can take seconds: every bound
	// below is counted from the time that is signed.
	clock := i.config.Now()
	now := clock.Truncate(time.Second)
	if !term.NotAfter.IsZero() {
		left := term.NotAfter.Sub(now).Truncate(time.Second)
		if left < time.Second {
			return lease{}, ErrCallerEnds
		}
		life = min(life, left)
	}
	if left, bounded := c.Remaining(clock); bounded {
		if left < least {
			return lease{}, ErrExpiring
		}
		left, _ = c.Remaining(now)
		life = min(life, left.Truncate(time.Second))
	}
	return lease{
		credentials: c.Signing(),
		now:         now,
		life:        life,
	}, nil
}
