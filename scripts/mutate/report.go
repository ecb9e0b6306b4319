package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// report prints what became of one package's mutations.
func report(w io.Writer, p target, results []result, took time.Duration) {
	var counts [survived + 1]int
	var survivors []mutation
	for _, r := range results {
		counts[r.outcome]++
		if r.outcome == survived {
			survivors = append(survivors, r.mutation)
		}
	}
	fmt.Fprintf(w, "%s: killed %d of %d, in %v (%d more did not compile; %d in all)\n", p.path,
		counts[killed], counts[killed]+counts[survived], took.Round(time.Second), counts[unbuildable], len(p.mutations))
	slices.SortFunc(survivors, func(a, b mutation) int {
		return cmp.Or(cmp.Compare(a.file.path, b.file.path), cmp.Compare(a.start, b.start), cmp.Compare(a.with, b.with))
	})
	for _, m := range survivors {
		fmt.Fprintf(w, "\t%s:%v\n", relative(m.file.path), m)
	}
}

// relative is a path as seen from here, if it lies below.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if below, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(below) {
		return below
	}
	return path
}
