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
	Unit     string  `json:"unit"`
	Measured *spread `json:"measured,omitempty"` // nil: there is no such row
	Start    float64 `json:"start,omitempty"`
	Bar      float64 `json:"bar"`
	Aim      float64 `json:"aim"`
	OK       verdict `json:"ok"`
	Other    *spread `json:"other,omitempty"` // of the commit that it is compared with
	row      row
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
		l := line{Name: r.Name, What: r.What, Unit: r.unit(), Start: r.Start, Bar: r.bar(), Aim: r.aim(), OK: missed, row: r}
		if s, ok := results[0].rows[r.Name]; ok {
			l.Measured, l.OK = &s, r.verdict(s.Median)
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

func (rep report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(rep)
}

// writeMarkdown prints the table as a page has it.
func (rep report) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	head := []string{"what", "measured", "spread", "bar", "aim", "ok", "at " + rep.Start}
	if rep.Other != "" {
		head = append(head, "at "+rep.Other)
	}
	writeCells(&b, head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	met := 0
	for _, l := range rep.Rows {
		if l.OK != missed {
			met++
		}
		start := "–"
		if l.Start != 0 {
			start = l.text(l.Start)
		}
		cells := []string{l.What, l.median(l.Measured), l.quartiles(), l.text(l.Bar), l.text(l.Aim), string(l.OK), start}
		if rep.Other != "" {
			cells = append(cells, l.median(l.Other))
		}
		writeCells(&b, cells)
	}
	fmt.Fprintf(&b, "\n%d of %d bars are met. Commit %s, medians of %d rounds with their quartiles.\n", met, len(rep.Rows), rep.Commit, rep.Rounds)
	_, err := io.WriteString(w, b.String())
	return err
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

// text is a value with its unit.
func (l line) text(value float64) string {
	switch {
	case l.row.Over == nil && l.Unit == "":
		return figure(value)
	case l.row.Over == nil:
		return figure(value) + " " + l.Unit
	case l.row.Faster && value < 1:
		return figure(1/value) + " times slower"
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
