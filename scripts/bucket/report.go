package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"ossupload/scripts/internal/bucket"
)

// tell prints what was found and done, and makes an error of what is left. A report
// of what failed half-way is printed as well.
func (p program) tell(o options, r bucket.Report, failed error) error {
	write := writeText
	if o.json {
		write = writeJSON
	}
	if err := write(p.out, r, failed); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	switch {
	case failed != nil:
		return failed
	case len(r.Differences) > 0:
		return errDiffers
	}
	return nil
}

func writeJSON(w io.Writer, r bucket.Report, failed error) error {
	document := struct {
		bucket.Report
		Error string `json:"error,omitempty"`
	}{Report: r}
	if failed != nil {
		document.Error = failed.Error()
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document)
}

// writeText prints a line for each finding. Its first sign says what it is:
//
//   - lifecycle ossupload-abort-4a3c9f21: aborts …   missing, would be added
//     ~ cors 1: lets in …                              there, would be changed
//     = lifecycle ossupload-abort-4a3c9f21: aborts …   applied
//     ! lifecycle old: deletes uploads below …         a rule of somebody else
func writeText(w io.Writer, r bucket.Report, failed error) error {
	var b strings.Builder
	fmt.Fprintf(&b, "bucket %s, versioning %s\n", r.Bucket, strings.ToLower(cmp.Or(r.Versioning, "never enabled")))
	for _, d := range r.Applied {
		line(&b, "=", d.Setting, d.Rule, d.Needs)
	}
	for _, d := range r.Differences {
		sign, needs := "+", d.Needs
		if d.Has != "" {
			sign, needs = "~", d.Needs+" (now: "+d.Has+")"
		}
		line(&b, sign, d.Setting, d.Rule, needs)
	}
	for _, warning := range r.Warnings {
		line(&b, "!", warning.Setting, warning.Rule, warning.Text)
	}
	fmt.Fprintln(&b, summary(r, failed))
	_, err := io.WriteString(w, b.String())
	return err
}

func line(w io.Writer, sign, setting, rule, text string) {
	if rule != "" {
		setting += " " + rule
	}
	fmt.Fprintf(w, "%s %s: %s\n", sign, setting, text)
}

func summary(r bucket.Report, failed error) string {
	switch applied, left := len(r.Applied), len(r.Differences); {
	case r.Unknown:
		return fmt.Sprintf("stopped; %d applied, and what is left is not known: the bucket could not be read again", applied)
	case failed != nil && applied == 0:
		return "stopped; nothing was changed"
	case failed != nil:
		return fmt.Sprintf("stopped; %d applied, as said above, and %d left", applied, left)
	case left > 0:
		return fmt.Sprintf("%d to add or change; -apply does it", left)
	case applied > 0:
		return fmt.Sprintf("%d applied", applied)
	}
	return "nothing is missing"
}
