package stacktest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Table tells at the end of a test what of it was done on this machine, and
// what was not and why: a pass that skipped half must not look like a pass.
type Table struct {
	title string
	rows  []*row
}

type row struct{ name, outcome string }

// NewTable returns a table that is printed when t ends.
func NewTable(t *testing.T, title string) *Table {
	table := &Table{title: title}
	t.Cleanup(func() { fmt.Print(table) })
	return table
}

// Run runs a subtest and adds its outcome. The subtest calls skip where the
// machine lacks what it needs; it ends there. It may be a parallel one.
func (table *Table) Run(t *testing.T, name string, test func(t *testing.T, skip func(reason string))) {
	t.Helper()
	row := &row{name, "did not run"}
	table.rows = append(table.rows, row)
	t.Run(name, func(t *testing.T) {
		begin := time.Now()
		t.Cleanup(func() {
			if t.Failed() {
				row.outcome = "FAILED"
			} else if !t.Skipped() {
				row.outcome = fmt.Sprintf("passed in %.1f s", time.Since(begin).Seconds())
			}
		})
		test(t, func(reason string) {
			row.outcome = "skipped: " + reason
			t.Skip(reason)
		})
	})
}

func (table *Table) String() string {
	width := 0
	for _, r := range table.rows {
		width = max(width, len(r.name))
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", table.title)
	for _, r := range table.rows {
		fmt.Fprintf(&out, "  %-*s  %s\n", width, r.name, r.outcome)
	}
	return out.String()
}

// Missing says which of the programs is not installed, or "".
func Missing(programs ...string) string {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}
	return ""
}
