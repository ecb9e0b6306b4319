package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// check looks at one thing of a deployment.
type check struct {
	id    string // area.thing
	looks string // what it looks at, for CHECKS.md
	mend  string // what to do when it warns or fails
	page  string // where more is said
	// after are ids of checks without which this one could not tell whose fault it
	// is. It is left out unless they are ok, or only warn.
	after []string
	// writes says that it stores something, for which -upload asks.
	writes bool
	run    func(context.Context, *patient) verdict
}

// verdict is what a check has seen.
type verdict struct {
	status string
	seen   string
}

// The words of a verdict.
const (
	statusOK   = "ok"
	statusWarn = "warn"
	statusFail = "fail"
	statusSkip = "skip" // nothing can be said
)

func passed(format string, args ...any) verdict {
	return verdict{statusOK, fmt.Sprintf(format, args...)}
}
func warned(format string, args ...any) verdict {
	return verdict{statusWarn, fmt.Sprintf(format, args...)}
}
func failed(format string, args ...any) verdict {
	return verdict{statusFail, fmt.Sprintf(format, args...)}
}
func skipped(format string, args ...any) verdict {
	return verdict{statusSkip, fmt.Sprintf(format, args...)}
}

// checks are all there are, in the order in which they run.
var checks = slices.Concat(
	storageChecks, roleChecks, corsChecks, bucketChecks, callbackChecks, gatewayChecks,
	webhookChecks, queueChecks, uploadChecks, unseenChecks,
)

// checkTime bounds one check.
const checkTime = 30 * time.Second

// result is the verdict of a check, as it is printed.
type result struct {
	Status string `json:"status"`
	ID     string `json:"id"`
	Seen   string `json:"seen"`
	Mend   string `json:"mend,omitempty"`
	Page   string `json:"page,omitempty"`
}

// selection is what a user wants to know: ids, or areas before a dot.
type selection struct{ only, skip []string }

// parseSelection fails with the first name that selects nothing.
func parseSelection(only, skip string) (selection, error) {
	s := selection{only: splitNames(only), skip: splitNames(skip)}
	for _, name := range slices.Concat(s.only, s.skip) {
		if !slices.ContainsFunc(checks, func(c check) bool { return names(name, c.id) }) {
			return s, fmt.Errorf("there is no check %q", name)
		}
	}
	return s, nil
}

func splitNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// names reports whether name is an id or its area.
func names(name, id string) bool { return name == id || strings.HasPrefix(id, name+".") }

func (s selection) takes(id string) bool {
	matches := func(name string) bool { return names(name, id) }
	return (len(s.only) == 0 || slices.ContainsFunc(s.only, matches)) && !slices.ContainsFunc(s.skip, matches)
}

// needed are the ids of the checks that are taken, and of those they come after.
func (s selection) needed() map[string]bool {
	needed := map[string]bool{}
	for _, c := range slices.Backward(checks) { // what a check is after stands before it
		if s.takes(c.id) || needed[c.id] {
			needed[c.id] = true
			for _, id := range c.after {
				needed[id] = true
			}
		}
	}
	return needed
}

// diagnose runs the checks that are wanted, and tells of each as it ends. It
// reports whether none failed.
func diagnose(ctx context.Context, p *patient, s selection, tell func(result)) bool {
	sound := true
	needed, seen := s.needed(), map[string]verdict{}
	for _, c := range checks {
		if !needed[c.id] {
			continue
		}
		v := c.look(ctx, p, seen)
		v.seen = p.conceal(v.seen)
		seen[c.id] = v
		if !s.takes(c.id) {
			continue
		}
		r := result{Status: v.status, ID: c.id, Seen: v.seen}
		if v.status == statusWarn || v.status == statusFail {
			r.Mend, r.Page = c.mend, c.page
		}
		sound = sound && v.status != statusFail
		tell(r)
	}
	return sound
}

// look runs c unless something it comes after is not as it should be.
func (c check) look(ctx context.Context, p *patient, seen map[string]verdict) verdict {
	if c.writes && !p.mayWrite {
		return skipped("it stores something, for which -upload asks")
	}
	for _, id := range c.after {
		if v := seen[id]; v.status == statusFail || v.status == statusSkip {
			return skipped("it comes after %s", id)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	return c.run(ctx, p)
}
