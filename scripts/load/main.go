// Command load drives a local stack with the traffic of many clients at once,
// good ones and bad ones, and prints what it measured and whether the product
// kept its word:
//
//	go run ./scripts/load                          rising concurrency: what does it take?
//	go run ./scripts/load -soak 5m                 steady traffic, faults, killed functions
//	go run ./scripts/load -uploads 1000            the same until so many uploads are done
//	go run ./scripts/load -soak 5m -no-callbacks   nobody but the trigger announces
//	go run ./scripts/load -selftest                does it find bugs that are planted?
//
// It builds and starts a stack of its own, on ports of its own, unless -gateway
// and -token name one that runs. The traffic is a mix of uploads by PUT and in
// parts, clients that go away in the middle, requests for URLs that nobody uses,
// confirmations, forged callbacks and junk. A client whose answer is lost asks again, and one whose upload was
// not announced has it confirmed, as the contract asks of clients. With
// -no-callbacks none does, and every callback is lost.
//
// In the end every upload that is stored, whether its client got a receipt or
// went away, must be whole, byte for byte, and announced under exactly one event
// id, its own. Each field of the event must be what was sent, what the receipt
// says and what OSS shows; each upload must have its marker, which says that it
// was announced; and nothing may wait or be given up once the worker of the
// outbox has run to its end. An event may come again where a client asked again,
// or where a fault or a kill explains it. With -refuse those events that the
// receiver refuses for good, and no others, must be dead letters. No forgery and no junk may have been
// accepted, no upload given up, and memory must not have grown. Every violation
// has a name, such as event.size or marker.missing.
//
// The last line is the verdict, and the exit status says it too: 0, 1 for a
// violation or a failure, and 2 for wrong flags.
//
// The stack's objects are files in the temporary folder. With TMPDIR on a disk in
// memory, less of what is measured is the disk.
//
// It talks to this machine alone and refuses every other address. All of a
// run is bounded in number and time. The seed decides what is asked and which
// faults are set; in which order it happens is up to the machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"ossupload/scripts/internal/cmdline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, cmdline.Answered(err, os.Stdout):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	default:
		if !errors.Is(err, errViolated) { // the verdict has been printed
			fmt.Fprintln(os.Stderr, "load:", err)
		}
		os.Exit(1)
	}
}

// errViolated means that the product broke a promise, and that this was said.
var errViolated = errors.New("the product broke a promise")

// run does what the flags say.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.bound())
	defer cancel()

	if o.selftest {
		return selftest(ctx, o, stdout)
	}
	s := &localStack{gateway: o.gateway, token: o.token}
	if o.gateway == "" {
		extra := []string{"-instances", strconv.Itoa(o.instances)}
		if o.refuse {
			backend, err := newReceiver()
			if err != nil {
				return err
			}
			defer backend.close()
			extra = append(extra, "-webhook", backend.url)
		}
		fmt.Fprintln(stdout, "building and starting a local stack")
		if s, err = startStack(ctx, o.log, extra); err != nil {
			return err
		}
		defer func() {
			if err != nil && !errors.Is(err, errViolated) {
				err = fmt.Errorf("%w%s", err, pointer(s.logFile))
			}
			err = errors.Join(err, s.stop(err == nil))
		}()
	}
	r, err := newRun(ctx, o, s, stdout)
	if err != nil {
		return err
	}
	defer r.close()
	fmt.Fprintf(stdout, "seed %d, gateway %s, %d processors\n", o.seed, s.gateway, runtime.NumCPU())
	if o.soaks() {
		err = r.soak(ctx)
	} else {
		err = r.climb(ctx)
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("stopping: not done after %v", o.bound())
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	}
	return r.judge(s.logFile)
}

// bound is the longest that a run may take, however slow the machine: what was
// asked for, and time to build, to bring begun work to an end and to read
// every object back.
func (o options) bound() time.Duration {
	const around = 5 * time.Minute
	if o.selftest {
		return 10 * time.Minute
	}
	if o.soaks() {
		return 2*o.soak + around
	}
	return 2*time.Duration(len(o.steps))*o.stepDuration + around
}
