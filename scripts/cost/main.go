// Cost prints what uploads cost, and what a million of them in an hour would need,
// as the tables of scripts/deploy/SCALE.md:
//
//	go run ./scripts/cost
//
// Prices and limits are those that are published, named beside each. Of the times
// that calls take, CPU is measured and the waiting for others estimated: put in
// what your log says (scripts/sls/search-time.json).
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("cost cannot begin")

func run(_ context.Context, args []string, _ settings.Lookup, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("cost", flag.ContinueOnError)
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return fmt.Errorf("%w: unexpected argument %q: there is nothing to choose", errUsage, flags.Arg(0))
	}
	_, err := io.WriteString(stdout, tables())
	return err
}

// tables are all of them, as they stand in the page.
func tables() string {
	var b strings.Builder
	printCost(&b)
	b.WriteString("\n")
	printScale(&b)
	return b.String()
}

// sorted has the scarcest first.
func sorted(all []rate) []rate {
	slices.SortStableFunc(all, func(a, b rate) int { return cmp.Compare(a.most(), b.most()) })
	return all
}
