// Command local runs the whole of ossupload on one machine, with nothing but
// Go installed:
//
//	go run ./scripts/local
//
// It builds the three functions and runs them as processes over the runtime
// API of Function Compute, and stands in for what surrounds them: the gateway,
// OSS with its trigger, the timer, STS and the application's webhook. When all of it answers, it prints one
// line of JSON with the addresses and credentials that a client needs; logs are
// lines of JSON on stderr, and on a terminal a plain one says where to look. It
// ends on SIGINT or SIGTERM and leaves no process and, without -data, no file
// behind.
//
// With -once it uploads by every method instead, as a client would, checks the
// stored bytes and the events, and exits with a status that says how it went.
// Its table is all that it prints; the end of the log follows if something
// failed, and -v prints the whole.
//
// The program of a release has the functions beside it, in the folder
// "functions", and needs neither Go nor the source.
//
// It listens on this machine only. Whoever reaches it may read its events and
// set its faults, without credentials: it is a tool for development and not a
// server.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/envfile"
	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/shared/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if !version.Released() {
		ctx = whileParentLives(ctx)
	}
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, cmdline.Answered(err, os.Stdout):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case errors.Is(err, errFaults):
		os.Exit(1) // the table says which
	default:
		slog.New(slog.NewJSONHandler(os.Stderr, nil)).Error("running the local stack", "err", err.Error())
		os.Exit(1)
	}
}

// run serves until ctx ends, or for the length of one rehearsal.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	o.Log = stderr
	if o.once && !o.verbose {
		log := new(tail)
		o.Log = log
		defer func() {
			if err != nil {
				log.print(stderr)
			}
		}()
	}
	return start(ctx, o, stdout, cmdline.Terminal(stderr))
}

// start runs the stack, whose log a person reads if terminal.
func start(ctx context.Context, o options, stdout io.Writer, terminal bool) (err error) {
	s, err := stack.Start(ctx, o.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if o.once {
		return rehearse(ctx, s, stdout)
	}
	if o.DataDir != "" {
		if err := writeSettings(filepath.Join(o.DataDir, settingsFile), s); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(stdout).Encode(s.Ready); err != nil {
		return fmt.Errorf("printing the ready line: %w", err)
	}
	// Uploads may run by now: the ready line is out.
	sayWhereToLook(s.Log, s.Ready.Gateway, terminal)
	<-ctx.Done()
	return nil
}

// choosePorts takes free ports where none are given: the usual ones may be those
// of a stack that runs.
func (o *options) choosePorts(flags *flag.FlagSet) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, address := range map[string]*string{"addr": &o.Addr, "oss-addr": &o.OSSAddr, "sts-addr": &o.STSAddr} {
		if !given[name] {
			*address = "127.0.0.1:0"
		}
	}
}

// sayWhereToLook tells a person of the page. Whoever reads the log from a file or
// a pipe expects lines of JSON, and gets one.
func sayWhereToLook(log io.Writer, gateway string, terminal bool) {
	if terminal {
		fmt.Fprintf(log, "\nopen %s to upload something; Ctrl-C ends it\n\n", gateway)
		return
	}
	slog.New(slog.NewJSONHandler(log, nil)).Info("open "+gateway, "url", gateway)
}

// errUsage means that the flags are wrong.
var errUsage = errors.New("local cannot begin")

// uppyDirVariable names a folder with a uppy.js, so that the page can upload
// with Uppy too.
const uppyDirVariable = "OSSUPLOAD_UPPY_DIR"

// deliverEvery is how often s.yaml has the timer deliver what waits.
const deliverEvery = time.Minute

const maxInstances = 16

// options are what the flags say.
type options struct {
	stack.Options
	once, verbose bool
}

func parseFlags(args []string) (o options, err error) {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.StringVar(&o.Addr, "addr", "127.0.0.1:8580", "`address` of the gateway; port 0 chooses one")
	flags.StringVar(&o.OSSAddr, "oss-addr", "127.0.0.1:8581", "`address` of OSS")
	flags.StringVar(&o.STSAddr, "sts-addr", "127.0.0.1:8582", "`address` of STS")
	flags.StringVar(&o.DataDir, "data", "", "`folder` that keeps objects and secrets, and gets "+settingsFile+" for scripts/doctor (default: a temporary one, removed at exit)")
	trigger := flags.String("trigger", string(fc.TriggerAPIGateway), "`kind` of gateway: apigateway or http")
	flags.StringVar(&o.Webhook, "webhook", "", "`URL` of your own backend, to which events are delivered as well")
	envFile := flags.String("env", "", "`file` of KEY=VALUE lines that override the settings of the functions")
	flags.IntVar(&o.Instances, "instances", 1, "processes of each function; requests go to them in turn")
	var assumed []string
	flags.Func("assume", "`fact=value`: what OSS, FC and STS are taken to do where nobody knows; may be repeated, and \"worst\" is all at once", func(setting string) error {
		assumed = append(assumed, setting)
		return nil
	})
	flags.BoolVar(&o.RefusePrivateCallbacks, "refuse-private-callbacks", false, "refuse uploads whose callback goes to a private address, as OSS does; PUBLIC_URL in -env then has to be public")
	flags.BoolVar(&o.once, "once", false, "upload once by every method, check the outcome, and exit; ports are chosen unless given")
	flags.BoolVar(&o.verbose, "v", false, "with -once: print the log as well")
	functions := flags.String("functions", "", "`folder` of the built functions (default: \"functions\" beside the program, or else they are built from source)")

	refuse := func(err error) (options, error) {
		return options{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return options{}, err
	case err != nil:
		return refuse(err)
	case flags.NArg() > 0:
		return refuse(fmt.Errorf("unexpected argument %q: only flags are accepted", flags.Arg(0)))
	}
	if o.Instances < 1 || o.Instances > maxInstances {
		return refuse(fmt.Errorf("-instances is %d, and must be from 1 to %d", o.Instances, maxInstances))
	}
	if o.Trigger, err = fc.ParseTrigger(*trigger); err != nil {
		return refuse(err)
	}
	if o.Assume, err = facts.Assume(assumed...); err != nil {
		return refuse(err)
	}
	if *envFile != "" {
		if o.Settings, err = envfile.Read(*envFile); err != nil {
			return refuse(err)
		}
	}
	if o.once {
		o.choosePorts(flags)
	}
	program, _ := os.Executable() // without it nothing is looked for beside it
	if o.Binaries, err = findFunctions(*functions, program); err != nil {
		return refuse(err)
	}
	o.DeliverEvery = deliverEvery
	o.UppyDir = os.Getenv(uppyDirVariable)
	return o, nil
}
