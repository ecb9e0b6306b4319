package main

import (
	"fmt"
	"io"
)

// finding is one thing that is, or may be, wrong.
type finding struct {
	warning bool   // it may be meant
	name    string // of the setting
	text    string
}

// report prints findings, the errors first, and fails if there are any.
func report(findings []finding, out io.Writer) error {
	errors := 0
	for _, warning := range []bool{false, true} {
		for _, f := range findings {
			if f.warning != warning {
				continue
			}
			level := "warning"
			if !f.warning {
				level = "error"
				errors++
			}
			fmt.Fprintf(out, "%-7s  %s\n", level, f.text)
		}
	}
	if errors > 0 {
		return fmt.Errorf("%d to mend", errors)
	}
	fmt.Fprintln(out, "ok       nothing is wrong")
	return nil
}
