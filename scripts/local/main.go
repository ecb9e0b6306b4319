// Command local runs the whole of ossupload on one machine, with nothing but
// Go installed:
//
//	go run ./scripts/local
//
// It builds the three functions and runs them as processes over the runtime
// API of Function Compute, and stands in for what surrounds them: the gateway,
// OSS with its trigger, the timer, STS and the application's webhook. When all of it answers, it prints one
// line of JSON with the addresses and credentials that a client needs; logs are
// lines of JSON on stderr. It ends on SIGINT or SIGTERM and leaves no process
// and, without -data, no file behind.
//
// With -once it uploads by every method instead, as a client would, checks the
// stored bytes and the events, and exits with a status that says how it went.
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

	"ossupload/scripts/internal/envfile"
	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(whileParentLives(ctx), os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		slog.New(slog.NewJSONHandler(os.Stderr, nil)).Error("running the local stack", "err", err.Error())
		os.Exit(1)
	}
}

// run serves until ctx ends, or for the length of one rehearsal.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, once, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	s, err := stack.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if once {
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
	<-ctx.Done()
	return nil
}

// errUsage means that the flags are wrong and that the user has been told why.
var errUsage = errors.New("wrong usage")

// uppyDirVariable names a folder with a uppy.js, so that the page can upload
// with Uppy too.
const uppyDirVariable = "OSSUPLOAD_UPPY_DIR"

// deliverEvery is how often s.yaml has the timer deliver what waits.
const deliverEvery = time.Minute

const maxInstances = 16

func parseFlags(args []string, stderr io.Writer) (o stack.Options, once bool, err error) {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(stderr)
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
	flags.BoolVar(&once, "once", false, "upload once by every method, check the outcome, and exit; ports are chosen unless given")

	refuse := func(err error) (stack.Options, bool, error) {
		fmt.Fprintln(stderr, err)
		return stack.Options{}, false, errUsage
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return stack.Options{}, false, err
	case err != nil: // flags.Parse has said what is wrong
		return stack.Options{}, false, errUsage
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
	if once {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for name, address := range map[string]*string{"addr": &o.Addr, "oss-addr": &o.OSSAddr, "sts-addr": &o.STSAddr} {
			if !given[name] {
				*address = "127.0.0.1:0"
			}
		}
	}
	o.DeliverEvery = deliverEvery
	o.UppyDir = os.Getenv(uppyDirVariable)
	o.Log = stderr
	return o, once, nil
}
