package probe

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Plan is what a run does at most, with its cleanup.
type Plan struct {
	Facts int // that are tried, as far as can be told
	Calls int
	Bytes int64 // of bodies, both ways
}

// Plan bounds what Run would do with these facts, or with all if none is named. It
// makes no call, and fails if the target is not complete.
func (t Target) Plan(ids ...string) (Plan, error) {
	if err := t.check(); err != nil {
		return Plan{}, err
	}
	probes, err := choose(ids)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Bytes: t.MaxBytes}
	if p.Bytes == 0 {
		p.Bytes = DefaultBytes
	}
	limit := t.MaxCalls
	if limit == 0 {
		limit = DefaultCalls
	}
	for _, one := range probes {
		if _, lacks := t.lacks(one.Needs); !lacks {
			p.Facts++
			p.Calls += one.Calls + len(one.Needs)
		}
	}
	p.Calls = min(p.Calls, limit)
	const lists = 8 // to look below the prefix before and after
	// What a call made takes one more to remove.
	p.Calls = p.Calls*2 + lists
	return p, nil
}

// Denied tells why the credentials of a target may not even store and remove a
// small object below its prefix, or nothing if they may. Where they may not, no
// probe could tell a refusal that a fact is about from one that is theirs.
func Denied(ctx context.Context, t Target) (why string, err error) {
	if err := t.check(); err != nil {
		return "", err
	}
	r, err := newRun(t)
	if err != nil {
		return "", err
	}
	r.keys = []string{r.folder + "may-i"}
	put, err := r.quietly(ctx, call{method: "PUT", key: r.keys[0], body: "x"})
	if err == nil && put.status == http.StatusForbidden {
		return fmt.Sprintf("denied: storing a small object was answered %v", put), nil
	}
	left := r.clean(ctx) // also without an answer: it may have been stored
	switch {
	case err != nil:
		return "", fmt.Errorf("storing a small object: %w", err)
	case !put.ok():
		return "", fmt.Errorf("storing a small object: answered %v", put)
	case len(left) > 0:
		return "", fmt.Errorf("removing a small object: %s", strings.Join(left, "; "))
	}
	return "", nil
}
