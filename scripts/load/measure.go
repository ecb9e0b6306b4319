package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// recorder collects what a stretch of a run measured. It is safe for
// concurrent use.
type recorder struct {
	mu    sync.Mutex
	began time.Time
	ended time.Time
	kinds map[string]*series
}

// series are the operations of one kind.
type series struct {
	took   []time.Duration // from the first try to the last answer
	failed int             // operations that were given up
	errors map[string]int  // by code; of tries, also those that were repeated
}

func newRecorder(now time.Time) *recorder {
	return &recorder{began: now, kinds: map[string]*series{}}
}

// add notes an operation.
func (r *recorder) add(op *operation, took time.Duration, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.kinds[op.kind]
	if s == nil {
		s = &series{errors: map[string]int{}}
		r.kinds[op.kind] = s
	}
	s.took = append(s.took, took)
	if failed {
		s.failed++
	}
	for _, code := range op.errors {
		s.errors[code]++
	}
}

// end stops the clock and puts the latencies in order.
func (r *recorder) end(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = now
	for _, s := range r.kinds {
		slices.Sort(s.took)
	}
}

// percentile is the nearest-rank percentile of sorted values: the least that is
// not below p percent of them. Of none it is 0.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// of returns a percentile and the number of operations of a kind.
func (r *recorder) of(kind string, p float64) (time.Duration, int) {
	s := r.kinds[kind]
	if s == nil {
		return 0, 0
	}
	return percentile(s.took, p), len(s.took)
}

// write prints a table, kinds in the order of names, after end.
func (r *recorder) write(w io.Writer, names []string) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "kind\tops\tops/s\tp50\tp90\tp99\tmax\t  errors")
	elapsed, total := r.ended.Sub(r.began).Seconds(), 0
	for _, name := range names {
		s := r.kinds[name]
		if s == nil {
			continue
		}
		fmt.Fprintf(table, "%s\t%d\t%.1f\t%s\t%s\t%s\t%s\t  %s\n", name, len(s.took), float64(len(s.took))/elapsed,
			short(percentile(s.took, 50)), short(percentile(s.took, 90)), short(percentile(s.took, 99)), short(percentile(s.took, 100)),
			s.errorList())
		total += len(s.took)
	}
	fmt.Fprintf(table, "all\t%d\t%.1f\t\t\t\t\t\n", total, float64(total)/elapsed)
	table.Flush()
}

// errorList is "500 ×3, connection lost ×1", the most frequent first.
func (s *series) errorList() string {
	codes := slices.SortedFunc(maps.Keys(s.errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.errors[b], s.errors[a]), cmp.Compare(a, b))
	})
	var list []string
	for _, code := range codes {
		list = append(list, fmt.Sprintf("%s ×%d", code, s.errors[code]))
	}
	if s.failed > 0 {
		list = append(list, fmt.Sprintf("GIVEN UP ×%d", s.failed))
	}
	return cmp.Or(strings.Join(list, ", "), "-")
}

// short prints three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}
