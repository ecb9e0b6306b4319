package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// rowsFile says what is measured, and what it is held against.
//
//go:embed rows.json
var rowsFile []byte

// rows is the table of speed before it is measured.
type rows struct {
	// Commit is that at which every Start was measured, with the rows as they are
	// here.
	Commit string `json:"commit"`
	Rows   []row  `json:"rows"`
}

// row is one number and what it has to be.
type row struct {
	Name string `json:"name"` // for -only
	What string `json:"what"`

	Of   quantity  `json:"of"`
	Over *quantity `json:"over,omitempty"` // what it is a ratio to; nil: it counts by itself
	// Faster turns the ratio round: how many times faster Of is than Over.
	Faster bool    `json:"faster,omitempty"`
	Scale  float64 `json:"scale,omitempty"` // of what counts by itself; 0: 1
	Unit   string  `json:"unit,omitempty"`  // the same

	// Bar has to be reached and Aim is aimed at, where Began was where it stood when
	// they were set. 0: there is none.
	Began float64 `json:"began,omitempty"`
	Bar   float64 `json:"bar,omitempty"`
	Aim   float64 `json:"aim,omitempty"`
	// Start is what was measured at the commit of the table, before the work on
	// speed. With Moves, what is held is as far from it as Bar and Aim were from
	// Began, in proportion: the function does something else than when they were set.
	Start float64 `json:"start,omitempty"`
	Moves bool    `json:"moves,omitempty"`
}

// quantity is what a probe tells in one unit.
type quantity struct {
	Probe  string `json:"probe"`
	Metric string `json:"metric"`
}

func parseRows(file []byte) (rows, error) {
	var all rows
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return rows{}, fmt.Errorf("reading rows.json: %w", err)
	}
	seen := map[string]bool{}
	for _, r := range all.Rows {
		if r.Name == "" || seen[r.Name] {
			return rows{}, fmt.Errorf("reading rows.json: name %q is empty or stands twice", r.Name)
		}
		if err := r.check(); err != nil {
			return rows{}, fmt.Errorf("reading rows.json: %w", err)
		}
		seen[r.Name] = true
	}
	return all, nil
}

func (r row) check() error {
	switch {
	case r.Bar < 0 || r.Aim < 0 || r.Bar > 0 && (r.Aim == 0 || r.better(r.Bar, r.Aim)):
		return fmt.Errorf("%s aims at %v, and its bar is %v", r.Name, r.Aim, r.Bar)
	case r.Moves && (r.Began <= 0 || r.Start <= 0):
		return fmt.Errorf("the bar of %s moves, and nothing says how far", r.Name)
	}
	return nil
}

// only leaves the rows whose name matches.
func (all rows) only(pattern *regexp.Regexp) rows {
	var kept []row
	for _, r := range all.Rows {
		if pattern.MatchString(r.Name) {
			kept = append(kept, r)
		}
	}
	all.Rows = kept
	return all
}

// probes are the names of all that has to be measured, each once.
func (all rows) probes() []string {
	var names []string
	seen := map[string]bool{}
	for _, r := range all.Rows {
		for _, q := range r.quantities() {
			if !seen[q.Probe] {
				seen[q.Probe] = true
				names = append(names, q.Probe)
			}
		}
	}
	return names
}

// groups are the rows that have probes in common, directly or by another row, since
// those are read together.
func (all rows) groups() []rows {
	var groups []rows
	for _, r := range all.Rows {
		joined := rows{Commit: all.Commit}
		apart := groups[:0]
		for _, g := range groups {
			if g.reads(r) {
				joined.Rows = append(joined.Rows, g.Rows...)
			} else {
				apart = append(apart, g)
			}
		}
		joined.Rows = append(joined.Rows, r)
		groups = append(apart, joined)
	}
	return groups
}

// reads reports whether one of the rows has a probe of r.
func (all rows) reads(r row) bool {
	probes := all.probes()
	return slices.ContainsFunc(r.quantities(), func(q quantity) bool { return slices.Contains(probes, q.Probe) })
}

func (all rows) names() string {
	var names []string
	for _, r := range all.Rows {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

func (r row) quantities() []quantity {
	if r.Over == nil {
		return []quantity{r.Of}
	}
	return []quantity{r.Of, *r.Over}
}

// held is what Bar or Aim has become.
func (r row) held(set float64) float64 {
	if r.Moves {
		return set * r.Start / r.Began
	}
	return set
}

// better reports whether a is better than b by any margin.
func (r row) better(a, b float64) bool {
	if r.Faster {
		return a > b
	}
	return a < b
}

// verdict is what a value of the row comes to.
type verdict string

const (
	untold   verdict = "–" // there is no bar, and no aim that is met
	missed   verdict = "no"
	reached  verdict = "yes"
	achieved verdict = "aim"
)

// verdict holds a value against a bar and an aim.
func (r row) verdict(value, bar, aim float64) verdict {
	switch {
	case aim > 0 && !r.better(aim, value):
		return achieved
	case bar == 0:
		return untold
	case !r.better(bar, value):
		return reached
	}
	return missed
}

// value is the row's of what was read of its probes in one round; ok is false if
// that is not all there.
func (r row) value(read map[string]reading) (value float64, ok bool) {
	of, ok := read[r.Of.Probe][r.Of.Metric]
	if !ok {
		return 0, false
	}
	if r.Over == nil {
		if r.Scale != 0 {
			of *= r.Scale
		}
		return of, true
	}
	over, ok := read[r.Over.Probe][r.Over.Metric]
	switch {
	case !ok || of <= 0 || over <= 0:
		return 0, false
	case r.Faster:
		return over / of, true
	}
	return of / over, true
}

// reading is what one run of a probe told, by unit.
type reading map[string]float64

// cutProbe splits the name of a probe: "bench ./shared/signing RowPut/ours",
// "cold presign".
func cutProbe(name string) (kind, what string) {
	kind, what, _ = strings.Cut(name, " ")
	return kind, what
}
