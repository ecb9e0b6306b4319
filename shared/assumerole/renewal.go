package assumerole

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"ossupload/shared/fetchonce"
	"ossupload/shared/rolecreds"
)

const (
	// enoughLife is what credentials must have left to serve during a renewal.
	enoughLife = 60 * time.Second
	// retryAfter is the pause after a failed renewal while old ones live.
	retryAfter = 10 * time.Second
	// fetchTimeout is longer than any call's own timeouts.
	fetchTimeout = 9 * time.Second
)

// renewal keeps one set of credentials fresh. It is safe for concurrent use.
type renewal struct {
	role     *fetchonce.Value[rolecreds.Credentials]
	patience time.Duration
}

func newRenewal(fetch func(context.Context) (rolecreds.Credentials, error), now func() time.Time, log *slog.Logger, patience time.Duration) *renewal {
	report := func(ctx context.Context, known fetchonce.State[rolecreds.Credentials]) {
		if known.Err != nil && life(known.Value, known.Now) > 0 {
			log.WarnContext(ctx, "renewing role credentials", "err", known.Err, "old", known.Value, "expires", known.Value.Expires)
		}
	}
	return &renewal{
		role: fetchonce.New(fetchonce.Config[rolecreds.Credentials]{
			Fetch: fetch, Timeout: fetchTimeout, Now: now, Report: report,
		}),
		patience: patience,
	}
}

// Credentials implements rolecreds.Source.
func (r *renewal) Credentials(ctx context.Context) (rolecreds.Credentials, error) {
	wait := ctx
	if old := r.role.State(); life(old.Value, old.Now) >= enoughLife {
		var stop context.CancelFunc
		wait, stop = context.WithTimeout(ctx, r.patience)
		defer stop()
	}
	known, err := r.role.Get(wait, enough)
	switch {
	case ctx.Err() != nil && err != nil:
		return rolecreds.Credentials{}, fmt.Errorf("%w: waiting for role credentials: %w", ErrUnavailable, ctx.Err())
	case known.Err != nil && life(known.Value, known.Now) <= 0:
		return rolecreds.Credentials{}, known.Err
	}
	return known.Value, nil
}

// enough reports whether a request uses the credentials at hand rather than wait
// for others.
func enough(known fetchonce.State[rolecreds.Credentials]) bool {
	left := life(known.Value, known.Now)
	switch {
	case left <= 0:
		return false
	case known.FetchedWithin(life(known.Value, known.Fetched) / 2), known.FailedWithin(retryAfter):
		return true
	}
	return left >= enoughLife && known.UnderWay
}

// life is how long c may be used after now: not at all if c is empty, and for ever
// if it does not expire.
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
