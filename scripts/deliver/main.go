// Command deliver is for an operator whose application does not get its events.
// It shows what waits to be delivered and what was given up, queues that again,
// and sends a test event:
//
//	go run ./scripts/deliver                  # list what waits and what is dead
//	go run ./scripts/deliver show NAME        # print the body of one event
//	go run ./scripts/deliver revive NAME...   # queue dead events again, due now
//	go run ./scripts/deliver revive -all
//	go run ./scripts/deliver test             # send an event of the type ossupload.test
//
// NAME is an id as the list has it. What is revived is delivered by the timer of
// ossupload-repair, within a minute.
//
// It reads the environment of functions/complete (settings.Complete), and finds
// credentials where Alibaba Cloud's tools look, ALIBABA_CLOUD_ACCESS_KEY_ID and
// its siblings first. They need oss:ListObjects on the bucket, and on
// _ossupload/{UPLOAD_PREFIX} oss:GetObject and, to revive, oss:PutObject and
// oss:DeleteObject. A test event needs none.
//
// The status is 1 when something failed, a test event that was not taken among
// it, and 2 when the command line or the environment is wrong.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/scripts/internal/testevent"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("deliver cannot begin")

const usage = `usage: deliver [-max N] [list | show NAME | revive NAME... | revive -all | test]

  list     what waits to be delivered and what was given up; this is the default
  show     print the body of one event
  revive   queue events again that were given up, due now
  test     send an event of the type ossupload.test to the webhook

It reads the environment of functions/complete.
`

// command is what the command line asks for.
type command struct {
	verb  string
	names []string
	all   bool
	max   int // entries of each list
}

func run(ctx context.Context, args []string, lookup settings.Lookup, stdout, stderr io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	d, err := deployment.Open(lookup, slog.New(slog.NewJSONHandler(stderr, nil)))
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if c.verb == "test" {
		if d.Settings.Webhook.URL == "" {
			return fmt.Errorf("%w: WEBHOOK_URL is not set, so that events are lines of the log", errUsage)
		}
		transport := &http.Transport{ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		sender := testevent.Sender{Webhook: d.Settings.Webhook, Transport: transport, Now: time.Now, Random: rand.Reader}
		return sendTest(ctx, sender, stdout)
	}
	return operator{queue: d.Queue, max: c.max, out: stdout}.do(ctx, c)
}

// defaultMax is for a list that somebody reads.
const defaultMax = 1000

func parse(args []string) (command, error) {
	c := command{verb: "list"}
	flags := flag.NewFlagSet("deliver", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "%s\n", usage)
		flags.PrintDefaults()
	}
	flags.IntVar(&c.max, "max", defaultMax, "read at most so `many` entries of each list")
	if err := cmdline.Parse(flags, args); err != nil {
		return c, usageError(err)
	}
	if flags.NArg() == 0 {
		return c, c.check()
	}
	c.verb = flags.Arg(0)
	// Flags may stand behind the verb as well; -all belongs to one of them.
	flags.BoolVar(&c.all, "all", false, "with revive: all events that were given up")
	if err := cmdline.Parse(flags, flags.Args()[1:]); err != nil {
		return c, usageError(err)
	}
	c.names = flags.Args()
	return c, c.check()
}

func usageError(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w: %w", errUsage, err)
}

// check reports what a verb is given too much or too little of.
func (c command) check() error {
	wrong := func(what string) error { return fmt.Errorf("%w: %s", errUsage, what) }
	if c.max < 1 {
		return wrong("-max must be at least 1")
	}
	if c.all && c.verb != "revive" {
		return wrong("-all is for revive")
	}
	switch n := len(c.names); c.verb {
	case "list", "test":
		if n > 0 {
			return wrong(c.verb + " takes no names")
		}
	case "show":
		if n != 1 {
			return wrong("show takes one name")
		}
	case "revive":
		if c.all != (n == 0) {
			return wrong("revive takes names, or -all and none")
		}
	default:
		return wrong(fmt.Sprintf("%q is not list, show, revive or test", c.verb))
	}
	return nil
}
