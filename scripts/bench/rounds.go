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

// rounds measures every probe of every tree in each round. A row's value is made of
// what one round has read: both sides of a ratio then are of the same minute.
func (b *bencher) rounds(ctx context.Context, all rows, trees []*tree, n int) ([]measured, error) {
	values := make([]map[string][]float64, len(trees))
	for i := range values {
		values[i] = map[string][]float64{}
	}
	for round := range n {
		read, err := b.round(ctx, all.probes(), trees, fmt.Sprintf("round %d of %d", round+1, n))
		if err != nil {
			return nil, err
		}
		for i := range trees {
			for _, r := range all.Rows {
				if value, ok := r.value(read[i]); ok {
					values[i][r.Name] = append(values[i][r.Name], value)
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

// round reads the probes of every tree once, in an order of its own, so that what
// else the machine does meets all alike.
func (b *bencher) round(ctx context.Context, names []string, trees []*tree, called string) ([]map[string]reading, error) {
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
	for i, p := range probes {
		fmt.Fprintf(b.log, "%s, %d of %d: %s %s\n", called, i+1, len(probes), trees[p.tree].name, p.name)
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
