package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// line is a row with what was measured of it.
type line struct {
	Name     string  `json:"name"`
	What     string  `json:"what"`
	Unit     string  `json:"unit,omitempty"`
	Start    float64 `json:"start,omitempty"`
	Bar      target  `json:"bar"`
	Aim      target  `json:"aim"`
	Measured *spread `json:"measured,omitempty"` // nil: there is no such row
	OK       verdict `json:"ok"`                 // with what is held
	OKAsSet  verdict `json:"okAsSet"`            // with what was set
	Other    *spread `json:"other,omitempty"`    // of the commit that it is compared with
	row      row
}

// target is a bar or an aim. 0: there is none.
type target struct {
	Set  float64 `json:"set"`
	Held float64 `json:"held"`
}

// report is the table after it was measured.
type report struct {
	Commit string `json:"commit"`
	Start  string `json:"startCommit"`
	Other  string `json:"otherCommit,omitempty"`
	Rounds int    `json:"rounds"`
	Rows   []line `json:"rows"`
}

// newReport takes what came of this tree and, if there is one, of another.
func newReport(all rows, n int, results []measured) report {
	rep := report{Commit: results[0].tree.name, Start: all.Commit, Rounds: n}
	if len(results) > 1 {
		rep.Other = results[1].tree.name
	}
	for _, r := range all.Rows {
		l := line{
			Name: r.Name, What: r.What, Unit: r.unit(), Start: r.Start, Bar: target{r.Bar, r.held(r.Bar)}, Aim: target{r.Aim, r.held(r.Aim)},
			OK: missed, OKAsSet: missed, row: r,
		}
		if s, ok := results[0].rows[r.Name]; ok {
			l.Measured, l.OK, l.OKAsSet = &s, r.verdict(s.Median, l.Bar.Held, l.Aim.Held), r.verdict(s.Median, l.Bar.Set, l.Aim.Set)
		}
		if len(results) > 1 {
			if s, ok := results[1].rows[r.Name]; ok {
				l.Other = &s
			}
		}
		rep.Rows = append(rep.Rows, l)
	}
	return rep
}

// met counts the bars that are met, as they are held and as they were set.
func (rep report) met() (held, set, all int) {
	for _, l := range rep.Rows {
		if l.Bar.Set == 0 {
			continue
		}
		all++
		if l.OK != missed {
			held++
		}
		if l.OKAsSet != missed {
			set++
		}
	}
	return held, set, all
}

func (rep report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(rep)
}

// markdown is the table as a page has it.
func (rep report) markdown() string {
	var b strings.Builder
	head := []string{"what", "start", "bar", "aim", "measured", "spread", "ok"}
	if rep.Other != "" {
		head = append(head, "at "+rep.Other)
	}
	writeCells(&b, head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, l := range rep.Rows {
		start := "–"
		if l.Start != 0 {
			start = l.text(l.Start)
		}
		cells := []string{l.What, start, l.target(l.Bar), l.target(l.Aim), l.median(l.Measured), l.quartiles(), l.ok()}
		if rep.Other != "" {
			cells = append(cells, l.median(l.Other))
		}
		writeCells(&b, cells)
	}
	held, set, all := rep.met()
	fmt.Fprintf(&b, "\n%d of %d bars are met, of the numbers as they were set %d. Measured at %s, the start at %s; medians of %d rounds, with their quartiles.\n", held, all, set, rep.Commit, rep.Start, rep.Rounds)
	return b.String()
}

func writeCells(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}

const notThere = "not there"

func (l line) median(s *spread) string {
	if s == nil {
		return notThere
	}
	return l.text(s.Median)
}

func (l line) quartiles() string {
	if l.Measured == nil {
		return notThere
	}
	q := l.Measured.Quartile
	return figure(q.First) + " – " + figure(q.Third)
}

// target is a number to reach: where it moved, as it was set and as it is held.
func (l line) target(t target) string {
	switch {
	case t.Set == 0:
		return "–"
	case figure(t.Set) == figure(t.Held):
		return l.text(t.Held)
	}
	return figure(t.Set) + " → " + l.text(t.Held)
}

// ok is the verdict, and what the number as it was set would have made of it if
// that is something else.
func (l line) ok() string {
	if l.OK == l.OKAsSet {
		return string(l.OK)
	}
	return fmt.Sprintf("%s (as set: %s)", l.OK, l.OKAsSet)
}

// text is a value with its unit.
func (l line) text(value float64) string {
	switch {
	case l.row.Over == nil && l.Unit == "":
		return figure(value)
	case l.row.Over == nil:
		return figure(value) + " " + l.Unit
	case l.row.Faster && value < 1:
		return figure(value) + " times as fast"
	case l.row.Faster:
		return figure(value) + " times faster"
	}
	return figure(value) + " times"
}

// unit says what the numbers of the row are.
func (r row) unit() string {
	switch {
	case r.Over == nil:
		return r.Unit
	case r.Faster:
		return "times faster"
	}
	return "times"
}

// figure has three digits that say something, and no zeros behind them.
func figure(value float64) string {
	digits := 2
	if abs := math.Abs(value); abs > 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(abs))))
	}
	text := strconv.FormatFloat(value, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
