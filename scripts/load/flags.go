package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"ossupload/scripts/internal/cmdline"
)

// options are the flags, checked.
type options struct {
	gateway, token string        // of a stack that runs; empty: an own one
	log            string        // file for the log of the own stack; empty: one that goes with success
	steps          []int         // requests at once
	stepDuration   time.Duration // of each step
	soak           time.Duration // with faults, or the bound of uploads
	uploads        int           // with faults; 0: as many as soak lasts
	workers        int           // requests at once with faults
	seed           uint64
	receiverDown   time.Duration // under faults
	refuse         bool          // some events, for good
	noCallbacks    bool          // all are lost, and no client confirms
	instances      int           // of each function of the own stack
	selftest       bool          // instead of a run: plant bugs, and see whether they are found
}

// soaks tells the two kinds of run apart.
func (o options) soaks() bool { return o.soak > 0 }

// errUsage means that the flags were not understood and that this was said.
var errUsage = errors.New("load cannot begin")

// What one run may ask of a machine.
const (
	maxWorkers      = 256
	maxSteps        = 16
	maxStepDuration = 5 * time.Minute
	maxSoak         = time.Hour
	maxUploads      = 100_000
	maxInstances    = 16
)

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", "", "`URL` of the gateway of a local stack that runs (default: start one)")
	flags.StringVar(&o.token, "token", "", "the callerToken of that stack's ready line")
	flags.StringVar(&o.log, "log", "", "`file` for the log of the stack that is started (default: kept only if something is wrong)")
	steps := flags.String("steps", "1,4,16,64", "how many requests are made at once, step by step")
	flags.DurationVar(&o.stepDuration, "step-duration", 10*time.Second, "how long a step lasts")
	flags.DurationVar(&o.soak, "soak", 0, "instead of steps: how long to upload under faults and kills; with -uploads, at most (default 10m)")
	flags.IntVar(&o.uploads, "uploads", 0, "instead of steps: make `count` uploads under faults and kills")
	flags.IntVar(&o.workers, "workers", 16, "how many requests are made at once under faults")
	flags.Uint64Var(&o.seed, "seed", 0, "decides what is asked and which faults are set (default: random)")
	flags.DurationVar(&o.receiverDown, "receiver-down", 0, "how long the receiver of events is down: from a quarter of -soak on, or with -uploads from the start")
	flags.BoolVar(&o.refuse, "refuse", false, "have the receiver refuse one event in eight for good (410)")
	flags.BoolVar(&o.noCallbacks, "no-callbacks", false, "lose every callback under faults, and have no client confirm: the trigger alone is left to announce")
	flags.IntVar(&o.instances, "instances", 1, "processes of each function of the stack that is started")
	flags.BoolVar(&o.selftest, "selftest", false, "instead of all this: plant bugs one at a time, and see whether each is found")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return options{}, err
	case err != nil:
		return options{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	if o.uploads > 0 && o.soak == 0 {
		o.soak = 10 * time.Minute
	}
	if o.seed == 0 {
		o.seed = uint64(rand.Uint32()) // short enough to be typed again
	}
	err := o.parseSteps(*steps)
	if err == nil && o.noCallbacks && (o.receiverDown > 0 || !o.soaks()) {
		err = errors.New("-no-callbacks is for runs under faults, and not together with -receiver-down")
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q: only flags are accepted", flags.Arg(0))
	}
	if err == nil {
		err = o.checkStack()
	}
	if err == nil {
		err = errors.Join(
			within("-step-duration", o.stepDuration, 100*time.Millisecond, maxStepDuration),
			within("-soak", o.soak, 0, maxSoak),
			within("-uploads", o.uploads, 0, maxUploads),
			within("-workers", o.workers, 1, maxWorkers),
			within("-receiver-down", o.receiverDown, 0, o.soak/2),
			within("-instances", o.instances, 1, maxInstances),
		)
	}
	if err != nil {
		return options{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	return o, nil
}

// checkStack checks which stack is meant, and that it is of this machine.
func (o *options) checkStack() error {
	o.gateway = strings.TrimSuffix(o.gateway, "/")
	switch {
	case (o.gateway == "") != (o.token == ""):
		return errors.New("-gateway and -token go together: both are in the ready line of a stack that runs")
	case o.gateway == "":
		return nil
	case o.log != "" || o.instances > 1 || o.refuse:
		return errors.New("-log, -instances and -refuse are for a stack that is started here")
	}
	return checkLoopback(o.gateway)
}

func (o *options) parseSteps(list string) error {
	for item := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(item))
		if err != nil || n < 1 || n > maxWorkers {
			return fmt.Errorf("-steps %q: %q is not a number from 1 to %d", list, item, maxWorkers)
		}
		o.steps = append(o.steps, n)
	}
	if len(o.steps) > maxSteps {
		return fmt.Errorf("-steps %q has more than %d steps", list, maxSteps)
	}
	return nil
}

func within[T int | time.Duration](name string, value, least, most T) error {
	if value < least || value > most {
		return fmt.Errorf("%s %v is not from %v to %v", name, value, least, most)
	}
	return nil
}
