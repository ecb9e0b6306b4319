// Package facts lists what the design relies on about OSS, STS, Function Compute
// and gateways, and how sure each of it is.
//
// No cloud was at hand when this was built. A fact is confirmed if the service's
// own tests, captures of its traffic or its documentation say so in as many
// words; likely if it follows from them; and unknown otherwise. What is unknown
// should not matter. The stand-in takes any value of it, the first unless
// [Assumptions] say otherwise, and a note says where.
package facts

import (
	"fmt"
	"slices"
	"strings"
)

// Status says how sure a fact is.
type Status string

// How sure a fact is.
const (
	Confirmed Status = "confirmed"
	Likely    Status = "likely"
	Unknown   Status = "unknown"
)

// Fact is one thing that the design relies on, or would if it were known.
type Fact struct {
	ID     string // area.subject, in lower case
	Says   string // one sentence
	Source string // a document, a test or a capture
	Status Status
	// Leans are the packages and documents that rely on it, below the module.
	Leans []string
	// Values are what may be so, of what is unknown, and what the stand-in can do. The
	// first is what it does if it is not told otherwise.
	Values []string
	// Worst is the one of Values that is worst for us.
	Worst string
}

// All returns the facts, by ID.
func All() []Fact {
	return slices.SortedFunc(slices.Values(slices.Concat(known, unknown)), func(a, b Fact) int { return strings.Compare(a.ID, b.ID) })
}

// Table is the facts as a table in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString(`# What the design relies on

Written by a test of scripts/internal/facts, where the facts stand. No cloud was at hand. Of what is
unknown the local stack takes the first of the values that are named here, or, told with
"-assume fact=value", any other; "-assume worst" takes all that are worst for us at once.

| fact | status | source | the stand-in | worst for us | leaned on by |
|---|---|---|---|---|---|
`)
	for _, f := range All() {
		local := "as it says"
		if len(f.Values) > 0 {
			local = f.Values[0] + "; or " + strings.Join(f.Values[1:], ", ")
		}
		fmt.Fprintf(&b, "| `%s`: %s | %s | %s | %s | %s | %s |\n", f.ID, f.Says, f.Status, f.Source, local, f.Worst, strings.Join(f.Leans, ", "))
	}
	return b.String()
}
