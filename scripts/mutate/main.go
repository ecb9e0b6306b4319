// Command mutate asks how much a package's own tests notice. It breaks the
// package in one small place, runs the tests, and counts whether they fail:
//
//	go run ./scripts/mutate -n 100 ./shared/grant ./functions/complete
//
// A mutation is one of
//
//	comparison  < becomes <= and >=, == becomes !=, and so on
//	condition   the condition of an if, a for or a case is negated
//	logic       && becomes ||, and the reverse
//	drop        a call, an assignment, a send, a defer or a go is left out
//	constant    a number one up and one down, a string with a letter more, true
//	            for false, time.Minute for time.Second
//
// Generated files, struct tags and words that only people read are left alone:
// strings in errors.New, fmt.Errorf, panic, log calls and Message fields.
//
// Of all mutations -n are drawn for each package; the same -seed draws the same
// ones as long as the code stays the same. One that does not compile says nothing
// about the tests, does not count, and another is drawn in its place. Each is
// built with an overlay, so the source tree is never written to. Tests that fail,
// or run for much longer than without it, have killed it.
//
// What is printed for each package is "killed K of N" and the survivors, as
//
//	shared/grant/grant.go:120:14 comparison: < → <=
//
// A survivor is one of three things: a test that is missing, code that can go
// because nothing depends on it, or an equivalent, a change that nobody could
// see (a capacity, an order that does not matter). Telling them apart takes a
// reader, so survivors are a report, with status 0. The status is 1 if the tests
// fail already without a mutation or a package cannot be built, and 2 for wrong
// flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ossupload/scripts/internal/cmdline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, cmdline.Answered(err, os.Stdout):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("mutate cannot begin")

type options struct {
	count   int
	seed    uint64
	short   bool
	jobs    int
	timeout time.Duration
}

func parseFlags(args []string) (options, []string, error) {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.IntVar(&o.count, "n", 100, "mutations to draw for each package; 0 for all")
	flags.Uint64Var(&o.seed, "seed", 1, "decides which ones are drawn")
	flags.BoolVar(&o.short, "short", false, "run the tests with -short")
	flags.IntVar(&o.jobs, "j", 2, "mutations to try at once")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "the longest that the tests of a package may take")
	if err := cmdline.Parse(flags, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, nil, err
		}
		return o, nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() == 0 || o.count < 0 || o.jobs < 1 || o.timeout <= 0 {
		return o, nil, fmt.Errorf("%w: usage is mutate [flags] PACKAGE..., with -n of at least 0 and -j and -timeout of more", errUsage)
	}
	return o, flags.Args(), nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, patterns, err := parseFlags(args)
	if err != nil {
		return err
	}
	pkgs, err := load(ctx, patterns)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	for _, p := range pkgs {
		begin := time.Now()
		t := &trial{pkg: p, options: o, scratch: scratch}
		if err := t.baseline(ctx); err != nil {
			return fmt.Errorf("testing %s as it is: %w", p.path, err)
		}
		fmt.Fprintf(stderr, "%s: %d mutations, tests take %v\n", p.path, len(p.mutations), t.unmutated.Round(time.Millisecond))
		results, err := t.all(ctx)
		if err != nil {
			return fmt.Errorf("mutating %s: %w", p.path, err)
		}
		report(stdout, p, results, time.Since(begin))
	}
	return nil
}
