package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"ossupload/scripts/cost/sim"
)

// What things take, in milliseconds. Measured is CPU of a whole core, which
// TestMeasure writes; assumed is the waiting for others, which your log knows
// better.
//
//go:embed durations.json
var builtIn string

// took is a row of the file of durations.
type took struct {
	name string
	what string   // as the page has it
	of   function // whose CPU it is
	get  func(*sim.Durations) *time.Duration
}

var measuredRows = []took{
	{"presign", "`POST /presign`", presign, func(d *sim.Durations) *time.Duration { return &d.CPU.Presign }},
	{"callback", "a callback", callback, func(d *sim.Durations) *time.Duration { return &d.CPU.Callback }},
	{"confirm", "`POST /confirm`", complete, func(d *sim.Durations) *time.Duration { return &d.CPU.Confirm }},
	{"create", "`POST /s3/multipart`", complete, func(d *sim.Durations) *time.Duration { return &d.CPU.Create }},
	{"urls", "ten URLs of parts", complete, func(d *sim.Durations) *time.Duration { return &d.CPU.URLs }},
	{"complete", "the completion of ten parts", complete, func(d *sim.Durations) *time.Duration { return &d.CPU.Complete }},
	{"look", "a look of the trigger, faster than the callback", repair, func(d *sim.Durations) *time.Duration { return &d.CPU.Look }},
	{"event", "an event of the outbox", repair, func(d *sim.Durations) *time.Duration { return &d.CPU.Event }},
	{"presignFirst", "start and first answer of `presign`, with AssumeRole", presign, func(d *sim.Durations) *time.Duration { return &d.CPU.PresignFirst }},
	{"callbackFirst", "the same of `callback`", callback, func(d *sim.Durations) *time.Duration { return &d.CPU.CallbackFirst }},
	{"completeFirst", "the same of `complete` and `repair`", complete, func(d *sim.Durations) *time.Duration { return &d.CPU.CompleteFirst }},
}

var assumedRows = []took{
	{"head", "HEAD", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Head }},
	{"get", "GET of a marker or an entry", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Get }},
	{"put", "PUT of one", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Put }},
	{"delete", "DELETE", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Delete }},
	{"list", "a list", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.List }},
	{"receiver", "the receiver's answer", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Receiver }},
	{"sts", "AssumeRole", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.STS }},
	{"instance", "an instance, before its process begins", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Instance }},
	{"client", "a client's PUT, or a part", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Client }},
	{"trigger", "the trigger's event, after the object is stored", function{}, func(d *sim.Durations) *time.Duration { return &d.Wait.Trigger }},
}

// loadDurations reads a file of durations; an empty path is the built-in one. Rows
// that a file leaves out are the built-in ones.
func loadDurations(path string) (d sim.Durations, err error) {
	if d, err = readDurations(sim.Durations{}, builtIn); err != nil || path == "" {
		return d, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return sim.Durations{}, fmt.Errorf("reading durations: %w", err)
	}
	return readDurations(d, string(text))
}

func readDurations(d sim.Durations, text string) (sim.Durations, error) {
	var file struct {
		Measured map[string]float64 `json:"measured"`
		Assumed  map[string]float64 `json:"assumed"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return sim.Durations{}, fmt.Errorf("reading durations: %w", err)
	}
	err := errors.Join(fill(&d, measuredRows, file.Measured), fill(&d, assumedRows, file.Assumed))
	return d, err
}

// fill sets what values name, and refuses what is no row, and what a row never had.
func fill(d *sim.Durations, rows []took, values map[string]float64) error {
	known := 0
	for _, row := range rows {
		at := row.get(d)
		if value, ok := values[row.name]; ok {
			known++
			*at = time.Duration(value * float64(time.Millisecond))
		}
		if *at <= 0 || *at > time.Hour {
			return fmt.Errorf("reading durations: %q is %v, and must be over 0 ms and up to an hour", row.name, *at)
		}
	}
	if known != len(values) {
		return fmt.Errorf("reading durations: %d of %d names are known", known, len(values))
	}
	return nil
}

// printDurations prints the rows, each with where it is from. What is CPU is also
// given as it is on what s.yaml gives a function of a core.
func (m model) printDurations(w io.Writer) {
	fmt.Fprintln(w, "| what takes time | CPU of a whole core | with the `cpu` of s.yaml | from |\n|---|---|---|---|")
	for _, row := range measuredRows {
		cpu := *row.get(&m.Durations)
		fmt.Fprintf(w, "| %s | %.2f ms | %s | measured |\n", row.what, cpu.Seconds()*1e3, milliseconds(row.of.of(cpu)))
	}
	for _, row := range assumedRows {
		fmt.Fprintf(w, "| %s | | %s | assumed |\n", row.what, milliseconds(*row.get(&m.Durations)))
	}
}
