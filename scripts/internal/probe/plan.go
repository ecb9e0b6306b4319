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
	p.Facts, p.Calls = t.calls(probes)
	p.Calls += cleanupFor(p.Calls)
	// What Empty and Denied do, before a run.
	p.Calls += lookCalls + deniedCalls + cleanupFor(deniedCalls)
	p.Bytes += 2*lookBytes + 2*cleanupBytes
	return p, nil
}

// Bounds of Empty, and of Denied before its cleanup.
const (
	lookCalls   = 6
	deniedCalls = 1
	lookBytes   = 4 << 20 // of each
)

// calls bounds a run of probes without its cleanup, and tells how many of them can
// be tried.
func (t Target) calls(probes []Probe) (facts, calls int) {
	for _, p := range probes {
		if _, lacks := t.lacks(p.Needs); !lacks {
			facts++
			calls += p.most() * rounds
		}
	}
	limit := t.MaxCalls
	if limit == 0 {
		limit = DefaultCalls
	}
	return facts, min(calls, limit)
}

// most is how many calls one round makes at most: a need may take one to see.
func (p Probe) most() int { return p.Calls + len(p.Needs) }

// cleanupFor bounds the calls of a cleanup after so many others. What a call made
// takes one more to remove; the rest are lists, and what is tried again.
func cleanupFor(calls int) int {
	const spare = 40
	return calls + spare
}

// Denied tells why the credentials of a target may not even store and remove a
// small object below its prefix, or nothing if they may. Where they may not, no
// probe could tell a refusal that a fact is about from one that is theirs.
func Denied(ctx context.Context, t Target) (why string, err error) {
	if err := t.check(); err != nil {
		return "", err
	}
	t.MaxCalls, t.MaxBytes = deniedCalls, lookBytes
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
		return "", fmt.Errorf("removing a small object: %s", strings.ReplaceAll(strings.Join(left, "; "), t.Prefix, ""))
	}
	return "", nil
}
