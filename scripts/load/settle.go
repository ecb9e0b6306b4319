package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	settlePause   = 250 * time.Millisecond
	settleReaders = 16
	// settlePatience is longer than all tries of a trigger's event, and than
	// whatever a killed function leaves behind.
	settlePatience = time.Minute
	// settleEach is what each upload adds to the time that settling may take.
	settleEach = 10 * time.Millisecond
	// aheadSeconds is behind the next try of anything that waits: pauses are of an
	// hour and a fifth at most.
	aheadSeconds = 2 * 3600
)

// sweepPayload is what the timer is configured with to sweep.
type sweepPayload struct {
	Do            string `json:"do"` // sweep
	DryRun        bool   `json:"dryRun"`
	MinAgeSeconds int    `json:"minAgeSeconds"`
}

// settle has the worker of the outbox deliver what waits, until nothing does and
// every upload is announced and marked, or until patience is at an end. What is
// not as it should be by then is a violation.
func (r *loadRun) settle(ctx context.Context) error {
	if r.storage == nil {
		return r.observer.look(ctx)
	}
	if err := r.findVanished(ctx); err != nil {
		return err
	}
	open := r.ledger.all()
	known := make(map[string]bool, len(open)) // markers
	deadline := time.Now().Add(r.patience + time.Duration(len(open))*settleEach)
	for {
		// A run that fails, or takes longer than a request may, is followed by another.
		_ = r.wire.local(ctx, http.MethodPost, r.timer, map[string]any{"do": "deliver", "aheadSeconds": aheadSeconds}, nil)
		if r.sweep != nil {
			_ = r.wire.local(ctx, http.MethodPost, r.timer, r.sweep, nil)
		}
		if err := r.observer.look(ctx); err != nil {
			return err
		}
		waiting, err := r.storage.list(ctx, pending)
		if err != nil {
			return err
		}
		still, wrong, err := r.inspectAll(ctx, open, known)
		if err != nil {
			return err
		}
		if open = still; len(open)+len(waiting) == 0 || time.Now().After(deadline) {
			return r.conclude(ctx, waiting, wrong, known)
		}
		if !sleep(ctx, settlePause) {
			return context.Cause(ctx)
		}
	}
}

// conclude notes what is wrong in the end.
func (r *loadRun) conclude(ctx context.Context, waiting []string, wrong []violation, known map[string]bool) error {
	for _, v := range wrong {
		r.ledger.violation(v.name, "%s", v.text)
	}
	for _, name := range waiting {
		r.ledger.violation("pending.left", "%s waits still, though the worker ran to its end", name)
	}
	buried, err := r.storage.list(ctx, dead)
	if err != nil {
		return err
	}
	due := r.ledger.buried()
	r.summary.dead = len(due)
	for _, name := range buried {
		id := strings.TrimPrefix(name, dead)
		if !due[id] {
			r.ledger.violation("dead.unexpected", "%s was given up", name)
		}
		delete(due, id)
	}
	for id := range due {
		r.ledger.violation("dead.missing", "event %s is refused for good, and not among the dead", id)
	}
	marked, err := r.storage.list(ctx, markers)
	if err != nil {
		return err
	}
	for _, name := range marked {
		if !known[name] && r.ledger.alone {
			r.ledger.violation("marker.stranger", "%s is the marker of no upload", name)
		}
	}
	return nil
}

// findVanished looks which uploads of clients that went away are stored.
func (r *loadRun) findVanished(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settleReaders)
	for _, u := range r.ledger.takeVanished() {
		group.Go(func() error {
			o, err := r.storage.head(ctx, u.receipt.Key)
			switch {
			case errors.Is(err, errAbsent) && u.stored:
				r.ledger.violation("object.missing", "%s %s: OSS said that it is stored, and it is not", u.kind, u.receipt.Key)
			case errors.Is(err, errAbsent):
			case err != nil:
				return err
			default:
				u.receipt = r.place.due(u, o)
				r.ledger.add(u)
			}
			return nil
		})
	}
	return group.Wait()
}

// inspectAll inspects uploads, notes their markers, and returns those with which
// something is wrong, and what.
func (r *loadRun) inspectAll(ctx context.Context, uploads []upload, known map[string]bool) (open []upload, wrong []violation, err error) {
	type finding struct {
		marker string
		wrong  []violation
	}
	findings := make([]finding, len(uploads))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(settleReaders)
	for i, u := range uploads {
		group.Go(func() (err error) {
			findings[i].marker, findings[i].wrong, err = r.place.inspect(inner, r.storage, u, r.ledger.due(u))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	silent := r.ledger.unannounced()
	for i, f := range findings {
		known[f.marker] = true
		if len(f.wrong) > 0 || silent[uploads[i].receipt.Key] {
			open = append(open, uploads[i])
		}
		wrong = append(wrong, f.wrong...)
	}
	return open, wrong, nil
}
