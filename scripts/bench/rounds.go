package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// The kinds of probes, which the name of each begins with.
const (
	benchProbe  = "bench"  // and a package and a benchmark
	coldProbe   = "cold"   // and a function, as the others
	warmProbe   = "warm"   // the same
	sizeProbe   = "size"   // the same
	memoryProbe = "memory" // complete
)

// bencher measures.
type bencher struct {
	driver driver
	long   time.Duration // of one run of a benchmark
	random *rand.Rand    // of the order
	log    io.Writer     // says how far it is
}

// measured is what came of a tree: the spread of each row's values. A row that the
// tree does not have has none.
type measured struct {
	tree *tree
	rows map[string]spread
}

// turns is how often a round reads a group, of which the median counts.
const turns = 5

// rounds measures every row of every tree in each round: group by group, in a random
// order, and each group several times. A row's value is made of what one turn has
// read, so both sides of a ratio are of the same second or two: how fast a machine is
// changes from minute to minute.
func (b *bencher) rounds(ctx context.Context, all rows, trees []*tree, n int) ([]measured, error) {
	values := make([]map[string][]float64, len(trees))
	for i := range values {
		values[i] = map[string][]float64{}
	}
	groups := all.groups()
	for round := range n {
		b.random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		for i, group := range groups {
			fmt.Fprintf(b.log, "round %d of %d, %d of %d: %s\n", round+1, n, i+1, len(groups), group.names())
			read, err := b.group(ctx, group, trees)
			if err != nil {
				return nil, err
			}
			for i := range trees {
				for name, of := range read[i] {
					values[i][name] = append(values[i][name], median(of))
				}
			}
		}
	}
	results := make([]measured, len(trees))
	for i, t := range trees {
		results[i] = measured{t, map[string]spread{}}
		for name, of := range values[i] {
			results[i].rows[name] = spreadOf(of)
		}
	}
	return results, nil
}

// group measures the rows of a group in every tree, turn by turn: the values by row.
func (b *bencher) group(ctx context.Context, group rows, trees []*tree) ([]map[string][]float64, error) {
	values := make([]map[string][]float64, len(trees))
	for i := range values {
		values[i] = map[string][]float64{}
	}
	for range turns {
		read, err := b.turn(ctx, group.probes(), trees)
		if err != nil {
			return nil, err
		}
		for i := range trees {
			for _, r := range group.Rows {
				if value, ok := r.value(read[i]); ok {
					values[i][r.Name] = append(values[i][r.Name], value)
				}
			}
		}
	}
	return values, nil
}

// turn reads the probes of every tree once, in an order of its own, so that what
// else the machine does meets all alike.
func (b *bencher) turn(ctx context.Context, names []string, trees []*tree) ([]map[string]reading, error) {
	type probe struct {
		tree int
		name string
	}
	var probes []probe
	read := make([]map[string]reading, len(trees))
	for i := range trees {
		read[i] = map[string]reading{}
		for _, name := range names {
			probes = append(probes, probe{i, name})
		}
	}
	b.random.Shuffle(len(probes), func(i, j int) { probes[i], probes[j] = probes[j], probes[i] })
	for _, p := range probes {
		got, err := b.probe(ctx, trees[p.tree], p.name)
		if err != nil && !errors.Is(err, errAbsent) {
			return nil, fmt.Errorf("measuring %s at %s: %w", p.name, trees[p.tree].name, err)
		}
		read[p.tree][p.name] = got
	}
	return read, nil
}

// probe reads one.
func (b *bencher) probe(ctx context.Context, t *tree, name string) (reading, error) {
	kind, what := cutProbe(name)
	if err := t.lacks(name); err != nil {
		return nil, err
	}
	switch kind {
	case benchProbe:
		pkg, bench, _ := strings.Cut(what, " ")
		results, err := t.bench(ctx, pkg, bench, b.long, 1)
		if err != nil {
			return nil, err
		}
		return results[0].Values, nil
	case coldProbe:
		return b.driver.cold(ctx, t, what)
	case warmProbe:
		return b.driver.warm(ctx, t, what)
	case sizeProbe:
		return sizeOf(t, what)
	case memoryProbe:
		return b.driver.memory(ctx, t)
	}
	return nil, fmt.Errorf("there is no probe %q", name)
}
