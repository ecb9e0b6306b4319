package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ossupload/scripts/internal/stack"
)

// How many uploads the runs of a selftest make, until one finds the bug.
var selftestUploads = []int{5, 20, 80}

const (
	selftestWorkers  = 4
	selftestPatience = time.Second // for what a bug keeps from settling
)

// selftest plants one bug after the other, each into a stack of its own, and
// prints what found it and after how many uploads. It fails if one is not found,
// or if something is found where nothing is wrong.
func selftest(ctx context.Context, o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "ossupload-load-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(out, "building the functions")
	if err := stack.Build(ctx, dir); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "bug\tfound by\tafter uploads")
	bad := 0
	for _, b := range bugs {
		found, uploads, err := b.try(ctx, o, dir)
		if err != nil {
			return fmt.Errorf("planting %q: %w", b.name, err)
		}
		switch {
		case b.want == "" && len(found) == 0:
			fmt.Fprintf(table, "%s\t(nothing, as it should be)\t%d\n", b.name, uploads)
		case b.want != "" && slices.ContainsFunc(found, func(v violation) bool { return v.name == b.want }):
			fmt.Fprintf(table, "%s\t%s\t%d\n", b.name, b.want, uploads)
		default:
			bad++
			fmt.Fprintf(table, "%s\tNOT by %q: %s\t%d\n", b.name, b.want, names(found), uploads)
		}
	}
	table.Flush()
	if bad > 0 {
		fmt.Fprintf(out, "FAIL: %d of %d rows are not as they should be (seed %d)\n", bad, len(bugs), o.seed)
		return errViolated
	}
	fmt.Fprintf(out, "PASS: every bug is found, and nothing else (seed %d)\n", o.seed)
	return nil
}

// names lists the first texts of violations.
func names(found []violation) string {
	var all []string
	for _, v := range found[:min(len(found), 3)] {
		all = append(all, v.String())
	}
	return strings.Join(all, "; ")
}

// try runs with more and more uploads until the bug is found. Where there is
// none, the longest run is the one.
func (b bug) try(ctx context.Context, o options, binaries string) (found []violation, uploads int, err error) {
	counts := selftestUploads
	if b.want == "" {
		counts = counts[len(counts)-1:]
	}
	for _, n := range counts {
		found, uploads, err = b.once(ctx, o, binaries, n)
		if err != nil || b.want != "" && slices.ContainsFunc(found, func(v violation) bool { return v.name == b.want }) {
			break
		}
	}
	return found, uploads, err
}

// once makes one run, of so many uploads, on a stack of its own.
func (b bug) once(ctx context.Context, o options, binaries string, uploads int) (found []violation, made int, err error) {
	settings := stack.Options{Binaries: binaries}
	if b.options != nil {
		b.options(&settings)
	}
	s, err := stack.Start(ctx, settings)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	o.workers = selftestWorkers
	r, err := newRun(ctx, o, &localStack{gateway: s.Ready.Gateway, token: s.Ready.CallerToken, ready: &s.Ready}, io.Discard)
	if err != nil {
		return nil, 0, err
	}
	defer r.close()
	r.traffic.lose = true
	if b.want != "" {
		r.patience = selftestPatience
	}
	b.plant(r)
	if b.start != nil {
		if err := b.start(ctx, r); err != nil {
			return nil, 0, err
		}
	}
	r.traffic.flow(ctx, ctx, newRecorder(time.Now()), o.workers, uploads)
	if b.end != nil {
		if err := b.end(ctx, r); err != nil {
			return nil, 0, err
		}
	}
	if s.Triggered != nil {
		if err := s.Triggered.Drain(ctx); err != nil {
			return nil, 0, err
		}
	}
	if err := r.check(ctx); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, context.Cause(ctx)
	}
	return r.ledger.violations, r.ledger.count(), nil
}
