package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/probe"
)

// report is what a run tells, and can be shown to everybody: it holds no secret,
// and neither bucket nor account.
type report struct {
	Ossupload string    `json:"ossupload"` // version or revision
	Go        string    `json:"go"`
	Platform  string    `json:"platform"`
	Region    string    `json:"region"`
	Date      time.Time `json:"date"`
	// Role tells whether a role was assumed, Versioned whether further buckets were
	// tried for what needs versions, Callbacks whether some could arrive.
	Role      bool `json:"role"`
	Versioned bool `json:"versioned"`
	Callbacks bool `json:"callbacks"`
	Functions bool `json:"functions"`

	Calls    int      `json:"calls"` // without those of the cleanup
	Bytes    int64    `json:"bytes"`
	Holds    int      `json:"holds"`
	Differs  int      `json:"differs"`
	NotTried int      `json:"notTried"`
	Left     int      `json:"left"` // things that could not be removed
	Facts    []result `json:"facts"`
}

// result is what became of one fact.
type result struct {
	Fact    string        `json:"fact"`
	Says    string        `json:"says"`
	Status  facts.Status  `json:"status"`
	Outcome probe.Outcome `json:"outcome"`
	Value   string        `json:"value,omitempty"`
	Saw     string        `json:"saw,omitempty"`
	Do      string        `json:"do,omitempty"` // where it differs
}

// measured stands for a status where a deployment was measured that no fact is
// about.
const measured facts.Status = "measured"

// newReport makes a report of findings, by fact and without what clean takes out.
func newReport(findings []probe.Finding, clean scrubber) report {
	r := report{Ossupload: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	byID := map[string]facts.Fact{}
	for _, f := range facts.All() {
		byID[f.ID] = f
	}
	for _, f := range slices.SortedFunc(slices.Values(findings), func(a, b probe.Finding) int { return cmp.Compare(a.Fact, b.Fact) }) {
		about, ok := byID[f.Fact]
		if !ok { // of functions, which package function has some more of
			about = facts.Fact{ID: f.Fact, Says: "The functions and what stands before them work.", Status: measured}
		}
		one := result{Fact: f.Fact, Says: about.Says, Status: about.Status, Outcome: f.Outcome, Value: clean.text(f.Value), Saw: clean.text(f.Saw)}
		switch f.Outcome {
		case probe.Holds:
			r.Holds++
		case probe.Differs:
			r.Differs++
			if one.Do = about.Differs(f.Value); !ok {
				one.Do = "Look at the gateway before the functions; if it is sound, report it."
			}
		default:
			r.NotTried++
		}
		r.Facts = append(r.Facts, one)
	}
	return r
}

// version is that of the module, or the revision that it was built of.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := cmp.Or(info.Main.Version, "unknown")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(version, s.Value[:min(12, len(s.Value))]) {
			version += " " + s.Value
		}
	}
	return version
}

func (r report) writeJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// writeTable writes a line for each fact, and below what to do about those that
// differ.
func (r report) writeTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "ossupload %s, %s, %s; region %s, %s\n\n", r.Ossupload, r.Go, r.Platform, r.Region, r.Date.Format(time.RFC3339))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FACT\tSTATUS\tOUTCOME\tSEEN")
	for _, f := range r.Facts {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Fact, f.Status, f.Outcome, f.Saw)
	}
	table.Flush() // a strings.Builder takes everything
	for _, f := range r.Facts {
		if f.Outcome == probe.Differs {
			fmt.Fprintf(&b, "\n%s differs. It was taken to be: %s\n  %s\n", f.Fact, f.Says, f.Do)
		}
	}
	fmt.Fprintf(&b, "\n%d hold, %d differ, %d not tried; %d calls and %d bytes before the cleanup\n", r.Holds, r.Differs, r.NotTried, r.Calls, r.Bytes)
	_, err := io.WriteString(w, b.String())
	return err
}
