// Command conformance tries the facts that ossupload relies on about OSS and STS
// (scripts/internal/facts) on a real bucket:
//
//	go run ./scripts/conformance -env FILE
//
// FILE has KEY=VALUE lines with the settings of the functions: OSS_REGION and
// OSS_BUCKET at least, OSS_ENDPOINT, OSS_CNAME, UPLOAD_ROLE_ARN, STS_ENDPOINT and
// STS_CA_FILE as in a deployment; and ALIBABA_CLOUD_ACCESS_KEY_ID,
// ALIBABA_CLOUD_ACCESS_KEY_SECRET and ALIBABA_CLOUD_SECURITY_TOKEN, which are taken
// from nowhere else. The key needs to store, read, list and delete below the prefix,
// and sts:AssumeRole for the role; what it may not do is not tried. STS
// credentials that have ended (EXPIRED_ACCESS_KEY_ID, EXPIRED_ACCESS_KEY_SECRET and
// EXPIRED_SECURITY_TOKEN) have one more tried.
//
// It says what it will do and what that costs at most, and asks. It changes no
// setting of a bucket, stores small objects below a prefix under which there is
// nothing, and removes them, also when it is interrupted. It then prints which facts
// hold, which differ with what to set, and which were not tried and why. That
// report holds no secret, and neither bucket nor account: it can be shown to
// everybody.
//
// Callbacks are tried with -callback-listen ADDR, where this program listens, and
// -callback-url URL, by which OSS reaches it, through a tunnel for one. What needs
// versions is tried in the buckets of -versioned-bucket, which may be given for one
// where they are enabled and for one where they are suspended.
//
// Deployed functions, and the gateway before them, are tried with -function URL:
// what arrives of a request, who answers a preflight, how long cold starts take. With
// a caller's token, CALLER_TOKEN in FILE (and AUTH_TOKEN_HEADER as it is deployed),
// an object of five bytes is uploaded, which stays, to see whether its callback
// arrives; a multipart upload is begun, to see whether the URLs of its parts arrive,
// and aborted; and the clocks of instances are read, before and after they froze.
//
// The exit status is 0 if all that was tried holds, 1 if something differs, 2 for
// wrong flags or settings, and 3 if it could not run or try anything, was
// interrupted or left something behind. ("go run" itself makes 1 of each of them.)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/envfile"
	"ossupload/scripts/internal/probe/function"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(status(os.Stdout, os.Stderr, run(ctx, os.Args[1:], console{
		in: os.Stdin, terminal: cmdline.Terminal(os.Stdin), out: os.Stdout, err: os.Stderr,
	})))
}

// console is where the program reads and writes.
type console struct {
	in       io.Reader
	terminal bool      // in has somebody who can answer
	out      io.Writer // the report, and nothing else
	err      io.Writer
}

var (
	errUsage   = errors.New("conformance cannot begin")
	errDiffers = errors.New("something differs")
)

// status tells an error, and is what the program ends with.
func status(stdout, w io.Writer, err error) int {
	switch {
	case err == nil, cmdline.Answered(err, stdout):
		return 0
	case errors.Is(err, errDiffers):
		return 1 // the report says what
	case errors.Is(err, errUsage):
		fmt.Fprintln(w, err)
		return 2
	}
	fmt.Fprintln(w, "conformance:", err)
	return 3
}

// options are what the flags say.
type options struct {
	env, prefix                 string
	facts, versioned            []string
	json, yes                   bool
	callbackListen, callbackURL string
	function                    string
	coldStarts                  int
	freeze                      time.Duration
	timeout                     time.Duration
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	appendTo := func(list *[]string) func(string) error {
		return func(value string) error { *list = append(*list, value); return nil }
	}
	flags.StringVar(&o.env, "env", "", "`file` of KEY=VALUE lines: settings and credentials")
	flags.StringVar(&o.prefix, "prefix", "", "`prefix` that ends in a slash, under which there is nothing (default ossupload-conformance/ and a random folder)")
	flags.Func("fact", "try only this `fact`; may be repeated", appendTo(&o.facts))
	flags.Func("versioned-bucket", "`bucket` with versioning, enabled or suspended, for what needs it; may be repeated", appendTo(&o.versioned))
	flags.StringVar(&o.callbackListen, "callback-listen", "", "`address` at which to take callbacks; nobody takes them if it is empty")
	flags.StringVar(&o.callbackURL, "callback-url", "", "`URL` by which OSS reaches -callback-listen")
	flags.StringVar(&o.function, "function", "", "base `URL` of deployed functions, which are tried as well")
	flags.IntVar(&o.coldStarts, "cold-starts", 5, "requests that are made of the functions at once; 0 leaves it out")
	flags.DurationVar(&o.freeze, "freeze", time.Minute, "how long the functions are left alone, so that their instances freeze")
	flags.BoolVar(&o.json, "json", false, "print the report as JSON")
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	flags.DurationVar(&o.timeout, "timeout", 20*time.Minute, "stop, and clean up, after so long")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q: only flags are accepted", errUsage, flags.Arg(0))
	case o.env == "":
		return o, fmt.Errorf("%w: -env is required", errUsage)
	case o.callbackURL != "" && o.callbackListen == "":
		return o, fmt.Errorf("%w: -callback-url needs -callback-listen", errUsage)
	case o.coldStarts < 0 || o.coldStarts > function.MaxParallel:
		return o, fmt.Errorf("%w: -cold-starts must be 0 to %d", errUsage, function.MaxParallel)
	case o.timeout <= 0:
		return o, fmt.Errorf("%w: -timeout must be more than nothing", errUsage)
	}
	return o, nil
}

// run tries what the flags say and prints the report.
func run(ctx context.Context, args []string, c console) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	values, err := envfile.Read(o.env)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	a, err := readAccount(values)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	for _, warning := range a.warnings {
		fmt.Fprintln(c.err, "warning:", warning)
	}
	if o.callbackListen != "" {
		receiver, at, stop, err := listen(ctx, o.callbackListen, o.callbackURL)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		defer stop()
		a.target.Receiver, a.target.CallbackURL = receiver, at
		a.secret = append(a.secret, secretsOf(a.target)...)
	}
	trials, err := newTrials(a, o)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if err := permission(o, c, trials); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		fmt.Fprintln(c.err, "stopping, and removing what was made; to stop at once, interrupt again")
	})()
	tried, err := trials.run(ctx)
	if len(tried.findings) == 0 {
		return err
	}
	// What could not run counts more than what differs.
	switch told := tell(ctx, c, o, a, tried); {
	case err == nil:
		return told
	case told == nil || errors.Is(told, errDiffers):
		return err
	default:
		return errors.Join(err, told)
	}
}

// permission says what will be done, and asks.
func permission(o options, c console, t *trials) error {
	if err := t.announce(c.err); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if !o.yes && !(c.terminal && confirmed(c.in, c.err)) {
		return fmt.Errorf("%w: nothing was done, since nobody said yes; where nobody can, say -yes", errUsage)
	}
	return nil
}

// tell prints the report and makes an error of it.
func tell(ctx context.Context, c console, o options, a account, tried outcome) error {
	secret := slices.Concat(a.secret, o.versioned, []string{o.prefix, o.function}, hostOf(o.function))
	r := newReport(tried.findings, newScrubber(secret...))
	r.Region, r.Date = a.target.Region, a.target.Now().UTC().Truncate(time.Second)
	r.Role, r.Callbacks, r.Versioned = a.target.RoleARN != "", a.target.Receiver != nil, len(o.versioned) > 0
	r.Functions = o.function != ""
	r.Calls, r.Bytes, r.Left = tried.calls, tried.bytes, len(tried.left)
	write := r.writeTable
	if o.json {
		write = r.writeJSON
	}
	if err := write(c.out); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	for _, stays := range tried.stays {
		fmt.Fprintln(c.err, "stays:", stays)
	}
	for _, left := range tried.left {
		fmt.Fprintln(c.err, "left behind:", left)
	}
	switch {
	case len(tried.left) > 0:
		return fmt.Errorf("%d things are left behind", len(tried.left))
	case ctx.Err() != nil:
		return errors.New("interrupted, or out of time: not all was tried")
	case r.Differs > 0:
		return errDiffers
	case r.Holds == 0:
		return errors.New("nothing could be tried: the report says why")
	}
	return nil
}
