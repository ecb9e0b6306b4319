// Cost prints what uploads cost, and what a million of them in an hour would need,
// as the tables of scripts/deploy/SCALE.md:
//
//	go run ./scripts/cost
//	go run ./scripts/cost -simulate
//	go run ./scripts/cost -simulate -uploads 300000 -burst 5 -caps 40,80,40,10
//
// Prices and limits are those that are published, named beside each. With -simulate
// it plays an hour of uploads (package sim) and shows what comes out beside what is
// computed, and how trouble ends: also for your own number of uploads, your caps,
// and a burst of so many times as many for one minute.
//
// Of the times that calls take, CPU is measured and the waiting for others assumed:
// durations.json has both. -durations names a file of the same form with what your
// log says (scripts/sls/search-time.json); what it leaves out stays as it is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("cost cannot begin")

func run(_ context.Context, args []string, _ settings.Lookup, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("cost", flag.ContinueOnError)
	simulate := flags.Bool("simulate", false, "play it, and show what comes out")
	uploads := flags.Float64("uploads", uploadsAnHour, "how many in an hour, with -simulate")
	burst := flags.Float64("burst", 10, "how many times as many for one minute, with -simulate")
	path := flags.String("durations", "", "a `file` of durations in place of the built-in ones")
	own := flags.String("caps", advised.list(), "reservedConcurrency of presign, callback, complete and repair, with -simulate")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return fmt.Errorf("%w: unexpected argument %q", errUsage, flags.Arg(0))
	case !within(*uploads, 1000, maxUploads) || !within(*burst, 1, maxBurst):
		return fmt.Errorf("%w: -uploads is from 1000 to %d, -burst from 1 to %d", errUsage, maxUploads, maxBurst)
	}
	c, err := readCaps(*own)
	if err != nil {
		return fmt.Errorf("%w: -caps: %w", errUsage, err)
	}
	d, err := loadDurations(*path)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	m := model{d}
	all := m.tables()
	if *simulate {
		all = m.simulated(*uploads, c, withBurst(*burst))
	}
	_, err = io.WriteString(stdout, all)
	return err
}

// within is false for what is no number, too.
func within(x, least, most float64) bool { return least <= x && x <= most }

// An hour that a machine can play.
const (
	maxUploads = 20_000_000
	maxBurst   = 100
)

// tables are those that are computed, simulated those that are played.
func (m model) tables() string { return text(m.printCost, m.printDurations, m.printScale) }
func (m model) simulated(perHour float64, c caps, all []trouble) string {
	return text(
		func(w io.Writer) { m.printEven(w, perHour, c) },
		func(w io.Writer) { m.printTroubles(w, perHour, c, all) },
	)
}

// text is what is printed, one after the other.
func text(prints ...func(io.Writer)) string {
	var b strings.Builder
	for i, print := range prints {
		if i > 0 {
			b.WriteString("\n")
		}
		print(&b)
	}
	return b.String()
}

// list is caps as a flag has them.
func (c caps) list() string {
	return fmt.Sprintf("%d,%d,%d,%d", c.presign, c.callback, c.complete, c.repair)
}

func readCaps(text string) (c caps, err error) {
	numbers := strings.Split(text, ",")
	all := []*int{&c.presign, &c.callback, &c.complete, &c.repair}
	if len(numbers) != len(all) {
		return caps{}, fmt.Errorf("%q is not four numbers", text)
	}
	for i, n := range numbers {
		if *all[i], err = strconv.Atoi(n); err != nil || *all[i] < 1 {
			return caps{}, fmt.Errorf("%q is no cap: each is 1 or more", n)
		}
	}
	return c, nil
}
