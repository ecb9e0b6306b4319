// Command replay shows whether events that a deployed function received are read
// here as they were there:
//
//	go run ./scripts/replay FILE...
//
// A FILE is a function's log, as the log service keeps or exports it, with the lines
// of LOG_EVENTS=redacted among others; - is standard input. From each such line it
// rebuilds an event, with made-up values of the same shape, hands it to the
// functions of this tree in a local stack, and prints what was answered there and
// here:
//
//	same      the same status and code
//	unproven  here it ends at a token, signature or key, which was made up; never a
//	          failure there, or a path that has no route here
//	differs   anything else
//
// Callers' tokens are replaced by a valid one of the stack, but for events that were
// refused as unauthenticated. Settings that matter, such as AUTH_TOKEN_HEADER, are
// given by -set.
//
// The status is 1 when an outcome differs, a file cannot be read or an event cannot
// be rebuilt, which leaves the others in place, and 2 when the
// command line is wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"unicode"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/stack"
)

var (
	errUsage   = errors.New("replay cannot begin")
	errDiffers = errors.New("an event is not answered as it was")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, cmdline.Answered(err, os.Stdout):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what the command line asks for.
type options struct {
	files    []string
	json     bool
	fixtures string
	max      int
	stack    stack.Options
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	return o.run(ctx, stdin, stdout, stderr)
}

func (o options) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	events, err := o.events(stdin, stderr)
	if err != nil {
		return err
	}
	unreadable := 0
	if o.fixtures != "" {
		fixtures := fixturesOf(events, func(e recorded, err error) {
			unreadable++
			fmt.Fprintf(stderr, "%s: left out of the fixtures: %s\n", printable(e.RequestID), printable(err.Error()))
		})
		if err := writeFixtures(o.fixtures, fixtures); err != nil {
			return err
		}
	}
	s, err := stack.Start(ctx, o.stack)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	results := replay(ctx, s, events)
	if err := show(stdout, results, o.json); err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(r result) bool { return r.Verdict == differs }) {
		return errDiffers
	}
	if unreadable > 0 {
		return fmt.Errorf("writing fixtures: %d events cannot be rebuilt", unreadable)
	}
	return ctx.Err()
}

// events reads all files.
func (o options) events(stdin io.Reader, stderr io.Writer) ([]recorded, error) {
	var events []recorded
	for _, file := range o.files {
		found, err := readFile(file, stdin, o.max-len(events))
		if err != nil {
			return nil, err
		}
		events = append(events, found.events...)
		if found.left > 0 || found.long > 0 {
			fmt.Fprintf(stderr, "%s: %d events beyond -max and %d overlong lines are left out\n", file, found.left, found.long)
		}
	}
	if len(events) == 0 {
		return nil, errors.New("reading events: there is none; set LOG_EVENTS=redacted to have them recorded")
	}
	return events, nil
}

func parseFlags(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.BoolVar(&o.json, "json", false, "print one line of JSON for each event")
	flags.StringVar(&o.fixtures, "fixture", "", "`folder` into which each distinct shape is written as an event")
	flags.IntVar(&o.max, "max", 1000, "replay at most so `many` events")
	verbose := flags.Bool("v", false, "print the log of the local stack")
	o.stack = stack.Options{NoTrigger: true, Settings: map[string]string{}}
	flags.Func("set", "`NAME=VALUE`: a setting of the functions; may be repeated", func(setting string) error {
		name, value, found := strings.Cut(setting, "=")
		if !found {
			return errors.New("it is not NAME=VALUE")
		}
		o.stack.Settings[name] = value
		return nil
	})
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	o.files = flags.Args()
	if len(o.files) == 0 || o.max < 1 {
		return o, fmt.Errorf("%w: usage is replay [flags] FILE..., and -max is at least 1", errUsage)
	}
	if *verbose {
		o.stack.Log = stderr
	}
	return o, nil
}

// printable is the beginning of what a log says, without what a terminal would obey.
func printable(s string) string {
	const most = 60 // characters
	shown := 0
	return strings.Map(func(c rune) rune {
		if shown++; shown > most || !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, s)
}

// show prints the results as a table, or as lines of JSON.
func show(w io.Writer, results []result, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		for _, r := range results {
			if err := encoder.Encode(r); err != nil {
				return fmt.Errorf("printing the results: %w", err)
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FUNCTION\tTRIGGER\tEVENT\tRECORDED\tREPLAYED\tVERDICT")
	counts := map[verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			printable(r.Function), printable(r.Trigger), printable(r.What), printable(r.Recorded.String()), r.Replayed, r.Verdict)
	}
	for _, r := range results {
		if r.Err != "" {
			fmt.Fprintf(table, "%s: %s\n", printable(r.RequestID), printable(r.Err))
		}
	}
	fmt.Fprintf(table, "%d events: %d same, %d unproven, %d differ\n", len(results), counts[same], counts[unproven], counts[differs])
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the results: %w", err)
	}
	return nil
}
