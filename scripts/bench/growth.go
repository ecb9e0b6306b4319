package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// growth is one chart: how what a benchmark costs depends on one size. Below the
// benchmark stand the sizes, and below each of them "ours" and "peer".
type growth struct {
	Title string
	Pkg   string
	Bench string
	Peer  string
	Many  bool // needs all processors
}

var growths = []growth{
	{Title: "64 URLs, by bytes of an ASCII key", Pkg: "./shared/signing", Bench: "GrowthKey", Peer: "SDK"},
	{Title: "64 URLs, by bytes of a Chinese key", Pkg: "./shared/signing", Bench: "GrowthChineseKey", Peer: "SDK"},
	{Title: "64 URLs, by signed headers", Pkg: "./shared/signing", Bench: "GrowthHeaders", Peer: "SDK"},
	{Title: "64 URLs, by goroutines that sign", Pkg: "./shared/signing", Bench: "GrowthConcurrency", Peer: "SDK", Many: true},
	{Title: "URLs of all parts, by parts", Pkg: "./shared/signing", Bench: "GrowthParts", Peer: "SDK"},
	{Title: "a completion, by parts", Pkg: "./functions/complete", Bench: "GrowthComplete", Peer: "encoding/xml"},
}

// chart is a growth that was measured, as the page has it.
type chart struct {
	Title string
	Sizes []string
	Lines [2]curve // ours and the peer
}

// curve is one line of a chart, in µs of CPU time.
type curve struct {
	Name   string
	Micros []float64
}

// grow measures every growth in each round, in an order of its own.
func (b *bencher) grow(ctx context.Context, t *tree, all []growth, n int) ([]chart, error) {
	read := map[string][]float64{} // by the benchmark's name
	sizes := map[string][]string{} // of each growth, as they came
	order := slices.Clone(all)
	for round := range n {
		b.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for i, g := range order {
			fmt.Fprintf(b.log, "round %d of %d, %d of %d: %s %s\n", round+1, n, i+1, len(order), g.Pkg, g.Bench)
			processors := 1
			if g.Many {
				processors = runtime.NumCPU()
			}
			results, err := t.bench(ctx, g.Pkg, g.Bench, b.long, processors)
			if err != nil {
				return nil, err
			}
			for _, r := range results {
				read[r.Name] = append(read[r.Name], r.Values["cpu-ns/op"])
				if size := strings.Split(r.Name, "/")[1]; !slices.Contains(sizes[g.Bench], size) {
					sizes[g.Bench] = append(sizes[g.Bench], size)
				}
			}
		}
	}
	var charts []chart
	for _, g := range all {
		c := chart{Title: g.Title, Sizes: sizes[g.Bench], Lines: [2]curve{{Name: "ours"}, {Name: g.Peer}}}
		for i, side := range []string{"ours", "peer"} {
			for _, size := range c.Sizes {
				of := read[g.Bench+"/"+size+"/"+side]
				if len(of) == 0 {
					return nil, fmt.Errorf("benchmark %s of %s told nothing of %s at %s", g.Bench, g.Pkg, side, size)
				}
				c.Lines[i].Micros = append(c.Lines[i].Micros, median(of)/1e3)
			}
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// growthTables are the charts as a page has them, a table each.
func growthTables(charts []chart) string {
	var b strings.Builder
	for i, c := range charts {
		if i > 0 {
			b.WriteString("\n")
		}
		writeCells(&b, append([]string{c.Title}, c.Sizes...))
		b.WriteString("|---" + strings.Repeat("|--:", len(c.Sizes)) + "|\n")
		for _, l := range c.Lines {
			cells := []string{l.Name}
			for _, micros := range l.Micros {
				cells = append(cells, figure(micros))
			}
			writeCells(&b, cells)
		}
	}
	return b.String()
}

// parseGrowth reads the tables back: the plot is made of them, so that nothing is
// in it which the page does not tell.
func parseGrowth(page string) ([]chart, error) {
	var charts []chart
	for table := range strings.SplitSeq(strings.TrimSpace(page), "\n\n") {
		rows := strings.Split(table, "\n")
		if len(rows) != 4 {
			return nil, fmt.Errorf("reading a table of growth: %d lines, want 4", len(rows))
		}
		head := cells(rows[0])
		c := chart{Title: head[0], Sizes: head[1:]}
		for i, row := range rows[2:] {
			of := cells(row)
			if len(of) != len(head) {
				return nil, fmt.Errorf("reading the table of growth %q: %d cells, want %d", c.Title, len(of), len(head))
			}
			c.Lines[i].Name = of[0]
			for _, cell := range of[1:] {
				micros, err := strconv.ParseFloat(cell, 64)
				if err != nil {
					return nil, fmt.Errorf("reading the table of growth %q: %w", c.Title, err)
				}
				c.Lines[i].Micros = append(c.Lines[i].Micros, micros)
			}
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// cells are those of a table's row.
func cells(row string) []string {
	all := strings.Split(strings.Trim(row, "|"), "|")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}
