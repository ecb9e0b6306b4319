package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// printText prints a result on one line:
//
//	fail  cors.etag  ETag is not exposed to https://app.example.com; mend: expose ETag in the rule  (README.md#deploy)
func printText(out io.Writer, r result) {
	fmt.Fprintf(out, "%-4s  %-22s  %s", r.Status, r.ID, r.Seen)
	if r.Mend != "" {
		fmt.Fprintf(out, "; mend: %s  (%s)", r.Mend, r.Page)
	}
	fmt.Fprintln(out)
}

// printJSON prints a result as one line of JSON.
func printJSON(out io.Writer, r result) {
	line, err := json.Marshal(r)
	if err != nil {
		panic("doctor: " + err.Error()) // all of it is text
	}
	fmt.Fprintf(out, "%s\n", line)
}

const concealed = "[secret]"

// conceal is the last guard of what is printed: it takes out whatever is known to
// be secret, and what would break the line. Nothing should be left to it.
func (p *patient) conceal(text string) string {
	for _, secret := range p.secrets {
		text = strings.ReplaceAll(text, secret, concealed)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
