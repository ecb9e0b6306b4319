package function

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/probe"
)

// coldStarts makes requests at once, twice: instances have one request at a time,
// so that the first round needs as many, and the second finds them warm.
func coldStarts(ctx context.Context, r *run) probe.Finding {
	if r.Parallel == 0 {
		return notTried("was not asked for")
	}
	var rounds [2][]time.Duration
	for i := range rounds {
		var err error
		if rounds[i], err = r.round(ctx); err != nil {
			return noAnswer(err)
		}
	}
	return found(true, "%d requests at once: %s; again: %s", r.Parallel, spread(rounds[0]), spread(rounds[1]))
}

// round is how long requests took that were made at once.
func (r *run) round(ctx context.Context) ([]time.Duration, error) {
	took, errs := make([]time.Duration, r.Parallel), make([]error, r.Parallel)
	var wg sync.WaitGroup
	for i := range took {
		wg.Go(func() {
			began := r.Now()
			_, errs[i] = r.ask(ctx, http.MethodPost, "/presign", nil)
			took[i] = r.Now().Sub(began)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	return fmt.Sprintf("min %d ms, median %d ms, max %d ms", ms(d[0]), ms(d[len(d)/2]), ms(d[len(d)-1]))
}

// maxSkew is by how much a clock may differ beyond what the call took. A date has
// whole seconds.
const maxSkew = 2 * time.Second

// clock reads the clock of a function from when what it signs ends, before and
// after a pause in which its instance freezes.
func clock(ctx context.Context, r *run) probe.Finding {
	if r.Token == "" {
		return notTried(needToken)
	}
	skew, right, err := r.skew(ctx)
	if err != nil {
		return noAnswer(err)
	}
	text := "differs from ours by " + skew
	if r.Pause <= 0 {
		return found(right, "%s", text)
	}
	if err := r.Wait(ctx, r.Pause); err != nil {
		return notTried("interrupted")
	}
	after, rightAfter, err := r.skew(ctx)
	if err != nil {
		return noAnswer(err)
	}
	return found(right && rightAfter, "%s, and after a pause of %v by %s", text, r.Pause, after)
}

// skew is by how much the clock of a function is ahead, in words, and whether that
// may be chance.
func (r *run) skew(ctx context.Context) (words string, right bool, err error) {
	one := int64(1)
	began := r.Now()
	g, err := r.client.Presign(ctx, client.PresignRequest{Filename: "probe.txt", Size: &one, ContentType: "text/plain"})
	if err != nil {
		return "", false, err
	}
	ended := r.Now()
	theirs := g.ExpiresAt.Add(-time.Duration(g.Expires) * time.Second)
	switch {
	case theirs.Before(began.Add(-maxSkew)):
		return fmt.Sprintf("-%v", began.Sub(theirs).Round(time.Second)), false, nil
	case theirs.After(ended.Add(maxSkew)):
		return fmt.Sprintf("+%v", theirs.Sub(ended).Round(time.Second)), false, nil
	}
	return fmt.Sprintf("less than %v", maxSkew), true, nil
}
