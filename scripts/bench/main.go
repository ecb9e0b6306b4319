// Bench measures how fast the functions are, and prints it beside what they have
// to reach. The page beside this file explains the table.
//
//	go run ./scripts/bench [-rounds N] [-only REGEXP] [-json | -update] [-compare COMMIT]
//	go run ./scripts/bench -growth [-rounds N] [-update]
//
// It needs the go command and the source, and Linux for what is measured of
// processes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/scripts/internal/stack"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("bench cannot begin")

// options are what the command line asks for.
type options struct {
	rounds  int
	only    *regexp.Regexp
	long    time.Duration
	json    bool
	compare string
	growth  bool
	update  bool
}

func parse(args []string) (options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var o options
	flags.IntVar(&o.rounds, "rounds", 9, "measure everything `n` times; medians of the rounds count")
	only := flags.String("only", "", "measure the rows whose name matches this `regexp`")
	flags.DurationVar(&o.long, "benchtime", 100*time.Millisecond, "how long one run of a benchmark lasts")
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flags.StringVar(&o.compare, "compare", "", "put this `commit` beside, measured in the same rounds")
	flags.BoolVar(&o.growth, "growth", false, "measure how cost grows instead")
	flags.BoolVar(&o.update, "update", false, "write what is printed into "+pageFile+" too, and with -growth the plot beside it")
	err := cmdline.Parse(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q", errUsage, flags.Arg(0))
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("%w: reading -only: %w", errUsage, err)
	}
	return o, o.check()
}

func (o options) check() error {
	partly := o.only.String() != "" || o.json || o.compare != ""
	switch {
	case o.rounds < 1 || o.long <= 0:
		return fmt.Errorf("%w: -rounds and -benchtime have to be positive", errUsage)
	case o.growth && partly:
		return fmt.Errorf("%w: -growth goes with -rounds, -benchtime and -update alone", errUsage)
	case o.update && partly:
		return fmt.Errorf("%w: -update writes the whole table, and nothing beside it", errUsage)
	}
	return nil
}

func run(ctx context.Context, args []string, _ settings.Lookup, stdout, stderr io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ossupload-bench-")
	if err != nil {
		return fmt.Errorf("making a folder for what is built: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	this, err := thisTree(ctx, filepath.Join(dir, "this"))
	if err != nil {
		return err
	}
	b := &bencher{long: o.long, random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), log: stderr}
	if o.growth {
		return b.printGrowth(ctx, o, this, stdout)
	}
	return b.printRows(ctx, o, this, filepath.Join(dir, "other"), stdout)
}

// printRows measures the rows of this tree and, in a folder, of another commit if
// one is asked for.
func (b *bencher) printRows(ctx context.Context, o options, this *tree, folder string, stdout io.Writer) (err error) {
	all, err := parseRows(rowsFile)
	if err != nil {
		return err
	}
	if all = all.only(o.only); len(all.Rows) == 0 {
		return fmt.Errorf("%w: no row has a name that matches %q", errUsage, o.only)
	}
	trees := []*tree{this}
	if o.compare != "" {
		other, done, failed := checkout(ctx, this, o.compare, folder)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, done()) }()
		trees = append(trees, other)
	}
	for _, t := range trees {
		fmt.Fprintf(b.log, "building what is measured of %s\n", t.name)
		if err := t.build(ctx, all.probes()); err != nil {
			return err
		}
	}
	w, err := newWorld(time.Now())
	if err != nil {
		return err
	}
	defer w.close()
	b.driver = driver{w}
	results, err := b.rounds(ctx, all, trees, o.rounds)
	if err != nil {
		return err
	}
	rep := newReport(all, o.rounds, results)
	if o.json {
		return rep.writeJSON(stdout)
	}
	return o.print(this, tablePart, rep.markdown(), stdout)
}

// printGrowth measures how cost grows.
func (b *bencher) printGrowth(ctx context.Context, o options, this *tree, stdout io.Writer) error {
	fmt.Fprintf(b.log, "building what is measured of %s\n", this.name)
	var probes []string
	for _, g := range growths {
		probes = append(probes, benchProbe+" "+g.Pkg+" "+g.Bench)
	}
	if err := this.build(ctx, probes); err != nil {
		return err
	}
	charts, err := b.grow(ctx, this, growths, o.rounds)
	if err != nil {
		return err
	}
	tables := growthTables(charts)
	if o.update {
		svg, err := plotOf(tables)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(this.root, plotFile), []byte(svg), 0o644); err != nil {
			return fmt.Errorf("writing the plot: %w", err)
		}
	}
	return o.print(this, growthPart, tables, stdout)
}

// print prints what was measured, and with -update puts it into the page.
func (o options) print(this *tree, part, text string, stdout io.Writer) error {
	if o.update {
		if err := updatePage(this.root, part, text); err != nil {
			return err
		}
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// thisTree is the source from which the program is run.
func thisTree(ctx context.Context, dir string) (*tree, error) {
	root, err := stack.ModuleRoot(ctx)
	if err != nil {
		return nil, err
	}
	t := &tree{name: "this tree", root: root, built: dir, yardstick: root}
	// Without git it stays what it is called.
	if id, err := t.command(ctx, "git", "describe", "--always", "--dirty", "--exclude", "*").Output(); err == nil {
		t.name = strings.TrimSpace(string(id))
	}
	return t, nil
}
