package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/probe"
	"ossupload/scripts/internal/probe/function"
)

// trials are runs of probes: one of deployed functions, one in the bucket of the
// settings, and one in each bucket with versions, of what needs them.
type trials struct {
	facts   []string // all that the report is about
	targets []probe.Target
	probes  [][]string // of each target
	random  bool       // nobody chose the prefix

	everything bool // no fact was named

	functions *function.Target // nil: none
}

// outcome is what trials found.
type outcome struct {
	findings []probe.Finding
	calls    int
	bytes    int64
	left     []string // in words that may name bucket and keys
	stays    []string // what was said to stay
}

// newTrials chooses what to try. A fact that there is not is an error; one that no
// probe tries is told to be not tried.
func newTrials(a account, o options) (*trials, error) {
	t := a.target
	t.Prefix = o.prefix
	if t.Prefix == "" {
		t.Prefix = randomPrefix()
	}
	all := &trials{facts: slices.Clone(o.facts), random: o.prefix == "", everything: len(o.facts) == 0}
	if len(o.facts) == 0 {
		for _, f := range facts.All() {
			all.facts = append(all.facts, f.ID)
		}
	}
	var ordinary, versions []string
	for _, id := range all.facts {
		if !slices.ContainsFunc(facts.All(), func(f facts.Fact) bool { return f.ID == id }) {
			return nil, fmt.Errorf("there is no fact %q", id)
		}
		p, ok := probe.Find(id)
		if !ok {
			continue
		}
		ordinary = append(ordinary, id)
		if needsVersions(p) {
			versions = append(versions, id)
		}
	}
	all.add(t, ordinary)
	for _, bucket := range o.versioned {
		t.Bucket = bucket
		all.add(t, versions)
	}
	all.addFunctions(a, o)
	if len(all.targets) == 0 && all.functions == nil {
		return nil, errors.New("none of these facts is tried like this")
	}
	return all, nil
}

func (t *trials) add(target probe.Target, ids []string) {
	if len(ids) > 0 {
		t.targets, t.probes = append(t.targets, target), append(t.probes, ids)
	}
}

// addFunctions has functions probed where a URL names some, unless other facts are
// asked for.
func (t *trials) addFunctions(a account, o options) {
	asked := slices.ContainsFunc(t.facts, func(id string) bool { return slices.Contains(function.Facts(), id) })
	if o.function == "" || !asked {
		return
	}
	t.functions = &function.Target{
		Endpoint: o.function, Token: a.caller.token, TokenHeader: a.caller.header, Origin: a.caller.origin,
		Parallel: o.coldStarts, Pause: o.freeze, HTTP: a.target.HTTP, Now: a.target.Now,
	}
}

func needsVersions(p probe.Probe) bool {
	return slices.ContainsFunc(p.Needs, func(n probe.Need) bool {
		return n == probe.NeedVersioning || n == probe.NeedEnabled || n == probe.NeedSuspended
	})
}

// announce says what will be done. It fails if the targets are not complete.
func (t *trials) announce(w io.Writer) error {
	var sum probe.Plan
	for i, target := range t.targets {
		p, err := target.Plan(t.probes[i]...)
		if err != nil {
			return err
		}
		sum.Facts, sum.Calls, sum.Bytes = max(sum.Facts, p.Facts), sum.Calls+p.Calls, sum.Bytes+p.Bytes
	}
	announce(w, t.targets, sum)
	if t.functions != nil {
		announceFunctions(w, *t.functions)
	}
	return nil
}

// errInUse means that something lies where everything is going to be removed.
var errInUse = errors.New("something lies below it already: choose another with -prefix, or none")

// run tries all facts, and tells all of them. It makes nothing in a bucket if
// something lies below the prefix of a target, or if that cannot be seen below one
// that was chosen by hand. Where it fails in one bucket, what others told is told.
// Errors number the buckets: their names are nobody else's business.
func (t *trials) run(ctx context.Context) (outcome, error) {
	var all outcome
	found := map[string]probe.Finding{}
	if err := t.runFunctions(ctx, &all, found); err != nil {
		return outcome{}, err
	}
	for i, target := range t.targets {
		if err := mayUse(ctx, target, t.random); err != nil {
			if t.functions == nil {
				return outcome{}, t.inBucket(i, err)
			}
			all.tell(t.facts, found)
			return all, t.inBucket(i, err)
		}
	}
	var failed []error
	for i := range t.targets {
		if err := t.runBucket(ctx, i, &all, found); err != nil {
			failed = append(failed, t.inBucket(i, err))
		}
	}
	all.tell(t.facts, found)
	return all, errors.Join(failed...)
}

// inBucket says in which of the buckets of the plan something failed.
func (t *trials) inBucket(i int, err error) error {
	return fmt.Errorf("bucket %d of %d, below its prefix: %w", i+1, len(t.targets), err)
}

// runBucket tries what is tried in one bucket.
func (t *trials) runBucket(ctx context.Context, i int, all *outcome, found map[string]probe.Finding) error {
	skip := func(why string) {
		for _, id := range t.probes[i] {
			keep(found, probe.Finding{Fact: id, Outcome: probe.NotTried, Saw: why})
		}
	}
	why, err := probe.Denied(ctx, t.targets[i])
	if err != nil {
		skip("the bucket could not be tried")
		return err
	}
	if why != "" {
		skip(why)
		return nil
	}
	report, err := probe.Run(ctx, t.targets[i], t.probes[i]...)
	if err != nil {
		skip("the bucket could not be tried")
		return err
	}
	all.add(found, report)
	return nil
}

// tell makes the findings of all facts, of what was found.
func (o *outcome) tell(ids []string, found map[string]probe.Finding) {
	for _, id := range ids {
		f, ok := found[id]
		if !ok {
			f = probe.Finding{Fact: id, Outcome: probe.NotTried, Saw: cmp.Or(probe.Missing(id), "there is no probe for it")}
		}
		o.findings = append(o.findings, f)
	}
}

// runFunctions tries deployed functions, if any are named.
func (t *trials) runFunctions(ctx context.Context, all *outcome, found map[string]probe.Finding) error {
	if t.functions == nil {
		return nil
	}
	report, err := function.Run(ctx, *t.functions)
	if err != nil {
		return fmt.Errorf("%w: -function: %w", errUsage, err)
	}
	all.add(found, report)
	// An upload is its owner's, and not ours to remove.
	all.stays, all.left = report.Leftovers, nil
	if t.everything {
		t.also(report.Findings)
	}
	return nil
}

// also has the report tell of what is no fact of the design.
func (t *trials) also(findings []probe.Finding) {
	for _, f := range findings {
		if !slices.Contains(t.facts, f.Fact) {
			t.facts = append(t.facts, f.Fact)
		}
	}
}

// add takes what one run found.
func (o *outcome) add(found map[string]probe.Finding, report probe.Report) {
	for _, f := range report.Findings {
		keep(found, f)
	}
	o.calls, o.bytes, o.left = o.calls+report.Calls, o.bytes+report.Bytes, append(o.left, report.Leftovers...)
}

// keep remembers a finding. A bucket where a fact could be tried counts more than
// one where it could not, and one where it differs more than one where it holds.
func keep(found map[string]probe.Finding, f probe.Finding) {
	rank := []probe.Outcome{probe.NotTried, probe.Holds, probe.Differs}
	before, ok := found[f.Fact]
	if !ok || slices.Index(rank, f.Outcome) > slices.Index(rank, before.Outcome) {
		found[f.Fact] = f
	}
}

// mayUse fails if something lies below the prefix of a target. Where that may not
// be listed, a prefix that nobody can have thought of is taken to be free.
func mayUse(ctx context.Context, t probe.Target, random bool) error {
	empty, err := probe.Empty(ctx, t)
	switch {
	case err == nil && !empty:
		return errInUse
	case errors.Is(err, probe.ErrDenied) && random:
		return nil
	}
	return err
}
