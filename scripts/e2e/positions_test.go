package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stacktest"
)

// assumed is what every stack of this run takes unknown facts to be.
var assumed facts.Assumptions

var (
	brief = flag.Bool("brief", false, "of the tables, run what meets the facts of -assume; without, what is no matrix")
	every = flag.Bool("every", false, "run the tables whole for every value of every unknown fact, which takes an hour")
)

// waysTable is generated from what TestPositions sees.
const waysTable = "WAYS.md"

func init() {
	var settings []string
	flag.Func("assume", "`fact=value`: run all tests under it; may be repeated, and \"worst\" is all at once", func(setting string) (err error) {
		settings = append(settings, setting)
		assumed, err = facts.Assume(settings...)
		return err
	})
}

// tables are the tests that hold whatever is not known: the ways to upload, the
// faults and the attacks.
var tables = []string{
	"TestEveryWay", "TestAttacks", "TestCrossMatrix", "TestOneChangeIsRefused", "TestFaultTable",
	"TestMultipartSurvives.*", "TestURLEndsWhenItSays",
}

// meeting are the tests, beside the themes of attacks, that meet the facts of an
// area.
var meeting = map[string][]string{
	"access":      {"TestConfirm.*", "TestRefusedHeadIsNotAnAbsentObject", "TestMultipartMeetsAnotherObject", "TestFaultTable"},
	"callback":    {"TestCallbackReplays", "TestCallbackThatFailsIsRepaired", "TestFormWhoseCallbackIsLost", "TestFaultTable"},
	"copy":        {"TestVersionDeletedForGood"},
	"credentials": {"TestPutIsStoredAndAnnounced", "TestSTSUploads"},
	"delete":      {"TestVersionDeletedForGood", "TestSweepDeletesAndAborts"},
	"fc":          {"TestSessionUploads", "TestUploadClaimNarrows", "TestTwiceEncodedQueriesOpenNothing"},
	"form":        {"TestForm", "TestFormRefuses", "TestFormFieldsThatNobodyAskedFor"},
	"gateway":     {"TestSessionUploads", "TestUploadClaimNarrows"},
	"meta":        {"TestForm", "TestPutIsStoredAndAnnounced"},
	"multipart":   {"TestMultipart", "TestMultipartMeetsAnotherObject", "TestMultipartRefusesIncompleteParts", "TestMultipartAbort", "TestUppyFindsItsReceiptByListing", "TestMultipartSurvivesFaultsOfAbortion", "TestFaultTable"},
	"sign":        {"TestOneChangeIsRefused", "TestURLEndsWhenItSays", "TestDownloadEndsWhenItSays"},
	"sts":         {"TestSTSUploads"},
	"trigger":     {"TestTrigger.*", "TestSweepAnnouncesWhatWasLost", "TestFaultTable"},
	"version":     {"TestVersionsByEveryWayToUpload", "TestVersionDeletedForGood", "TestDeletedVersions", "TestReceiptOutlivesVersioning"},
}

// areasOf are the areas of the facts that are assumed.
func areasOf(a facts.Assumptions) []string {
	areas := map[string]bool{}
	for _, setting := range a.Settings() {
		area, _, _ := strings.Cut(setting, ".")
		areas[area] = true
	}
	return slices.Sorted(maps.Keys(areas))
}

// result is what became of the tests under one position.
type result struct {
	broken          []string // ways to upload
	ways            int
	tried, accepted int // attacks
	faults          int
}

var (
	attackLine = regexp.MustCompile(`(?m)^attacks tried (\d+), accepted (\d+)$`)
	wayLine    = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL): TestEveryWay/(.+) \(`)
	faultLine  = regexp.MustCompile(`(?m)^ *--- PASS: Test(?:FaultTable/.*/(?:once|as_long_as_it_is_asked)|MultipartSurvives\w+/.+) \(`)
)

// try runs tests once more, in a process of their own, under what is assumed. A
// process has one set of assumptions, so that no test can forget them.
func try(t *testing.T, a facts.Assumptions, tests []string, flags ...string) (result, error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"-test.v", "-test.timeout=15m", "-test.run=^(" + strings.Join(tests, "|") + ")$", "-functions=" + stacktest.Binaries(t),
	}, flags...)
	for _, setting := range a.Settings() {
		args = append(args, "-assume="+setting)
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("under %s: %w\n%s", a, err, failures(out))
	}
	var r result
	for _, way := range wayLine.FindAllSubmatch(out, -1) {
		if r.ways++; string(way[1]) == "FAIL" {
			r.broken = append(r.broken, strings.ReplaceAll(string(way[2]), "_", " "))
		}
	}
	r.faults = len(faultLine.FindAll(out, -1))
	if m := attackLine.FindSubmatch(out); m != nil {
		r.tried, _ = strconv.Atoi(string(m[1])) // digits
		r.accepted, _ = strconv.Atoi(string(m[2]))
	}
	if r.ways != len(waysToUpload) || r.tried == 0 {
		err = errors.Join(err, fmt.Errorf("under %s: %d ways and %d attacks were tried, want %d ways and some attacks", a, r.ways, r.tried, len(waysToUpload)))
	}
	return r, err
}

// whose names the test that the lines after it come from.
var whose = regexp.MustCompile(`^=== (?:RUN|CONT|NAME) +(\S+)`)

// failures are the tests that failed, each with the end of what it said, without
// the logs of its stack. What ended the process belongs to no test and is kept.
func failures(out []byte) string {
	const most = 2 << 10 // of a test
	said, failed := map[string]string{}, []string(nil)
	current := ""
	for line := range strings.Lines(string(out)) {
		trimmed := strings.TrimSpace(line)
		if m := whose.FindStringSubmatch(line); m != nil {
			current = m[1]
			continue
		}
		name, isFailure := strings.CutPrefix(trimmed, "--- FAIL: ")
		switch {
		case isFailure:
			name, _, _ = strings.Cut(name, " ")
			failed = append(failed, name)
			current = name
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			failed = append(failed, "")
			current = ""
			said[current] = line
		case strings.HasPrefix(trimmed, "{"), strings.HasPrefix(trimmed, "--- "), strings.HasPrefix(trimmed, "=== "):
		default:
			said[current] += line
		}
	}
	var b strings.Builder
	for _, name := range failed {
		text := said[name]
		if name == "" {
			b.WriteString(text[:min(most, len(text))])
			continue
		}
		fmt.Fprintf(&b, "--- FAIL: %s\n%s", name, text[max(0, len(text)-most):])
	}
	return b.String()
}

func TestFailures(t *testing.T) {
	const out = `=== RUN   TestA
    a_test.go:1: fine
{"level":"INFO"}
--- PASS: TestA (0.00s)
=== RUN   TestB
=== RUN   TestB/one
    b_test.go:2: got 1
=== RUN   TestB/two
    b_test.go:2: got 2
=== NAME  TestB/one
    b_test.go:3: want 2
--- FAIL: TestB (0.00s)
    --- FAIL: TestB/one (0.00s)
    --- PASS: TestB/two (0.00s)
=== RUN   TestC
panic: out of luck

goroutine 1 [running]:
`
	const want = `--- FAIL: TestB
--- FAIL: TestB/one
    b_test.go:2: got 1
    b_test.go:3: want 2
panic: out of luck

goroutine 1 [running]:
`
	if got := failures([]byte(out)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPositions runs the tables whole with everything that is unknown at its worst
// for us. Then it changes one unknown fact at a time, and without -every runs what
// meets the fact.
func TestPositions(t *testing.T) {
	stacktest.EndToEnd(t)
	if len(assumed.Settings()) > 0 || *brief {
		t.Skip("everything is run under -assume as it is")
	}
	worst, positions := facts.AssumeWorst(), facts.Positions()
	results := make([]result, len(positions)+1)
	t.Run("all at their worst", func(t *testing.T) {
		var err error
		if results[len(positions)], err = try(t, worst, tables); err == nil {
			return
		}
		t.Logf("beside other packages: %v", err)
		if results[len(positions)], err = try(t, worst, tables); err != nil {
			t.Error(err)
		}
	})
	again := make([]func(t *testing.T), len(positions))
	one := func(t *testing.T, i int) {
		a := positions[i]
		// The run before holds every call against the contract.
		tests, flags := testsThatMeet(t, a), []string{"-brief", "-contract=false"}
		if *every {
			tests, flags = tables, nil
		}
		var err error
		if results[i], err = try(t, a, tests, flags...); err == nil {
			return
		}
		t.Logf("beside others: %v", err)
		again[i] = func(t *testing.T) {
			if results[i], err = try(t, a, tests, flags...); err != nil {
				t.Error(err)
			}
		}
	}
	t.Run("one at a time", func(t *testing.T) {
		// Faults have a budget, which two tables of them at once would spend on waiting
		// for processors: those go one after the other, and the rest beside them.
		var lanes [2][]int
		for i, a := range positions {
			lane := 0
			if *every || slices.Contains(testsThatMeet(t, a), "TestFaultTable") {
				lane = 1
			}
			lanes[lane] = append(lanes[lane], i)
		}
		var wg sync.WaitGroup
		for _, lane := range lanes {
			wg.Go(func() {
				for _, i := range lane {
					t.Run(positions[i].String(), func(t *testing.T) { one(t, i) })
				}
			})
		}
		wg.Wait()
	})
	// Beside others a run may miss a deadline of its own. What a fact breaks is
	// broken each time.
	for i, run := range again {
		if run != nil {
			t.Run("again alone/"+positions[i].String(), run)
		}
	}
	compareWays(t, append(positions, worst), results)
}

// testsThatMeet are the ways to upload, and what meets the facts that are assumed.
func testsThatMeet(t *testing.T, a facts.Assumptions) []string {
	t.Helper()
	tests := []string{"TestEveryWay", "TestAttacks"}
	for _, area := range areasOf(a) {
		if len(meeting[area]) == 0 {
			t.Errorf("no test is known to meet the facts of %s", area)
		}
		tests = append(tests, meeting[area]...)
	}
	return tests
}

// compareWays holds what was seen against the table, or with -update writes the rows
// of what was tried.
func compareWays(t *testing.T, positions []facts.Assumptions, results []result) {
	t.Helper()
	table, err := os.ReadFile(waysTable)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	rows := map[string]string{} // by the cell that names the position
	for line := range strings.Lines(string(table)) {
		if cells := strings.SplitAfterN(line, " | ", 2); strings.HasPrefix(line, "| ") {
			rows[cells[0]] = line
		}
	}
	for i, a := range positions {
		r, name := results[i], positionCell(a)
		if r.ways == 0 { // left out by -run or -skip
			continue
		}
		t.Logf("%s %d attacks tried, %d faults", r.row(a), r.tried, r.faults)
		switch {
		case *update:
			rows[name] = fmt.Sprintf("%s %d | %d |\n", r.row(a), r.tried, r.faults)
		case !strings.HasPrefix(rows[name], r.row(a)):
			t.Errorf("%s has %q, want the row to begin %q; \"-run TestPositions -update\" writes it anew", waysTable, rows[name], r.row(a))
		}
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(waysTable, renderWays(positions, rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// row begins the row of a position: what does not depend on how much was run.
func (r result) row(a facts.Assumptions) string {
	return fmt.Sprintf("%s%d of %d | %d |", positionCell(a), r.ways-len(r.broken), r.ways, r.accepted)
}

func positionCell(a facts.Assumptions) string {
	if settings := a.Settings(); len(settings) == 1 {
		return "| `" + settings[0] + "` | "
	}
	return "| all at their worst | "
}

func renderWays(positions []facts.Assumptions, rows map[string]string) []byte {
	var b bytes.Buffer
	b.WriteString(`# Whatever OSS does

Generated by TestPositions from what it sees, on the local stack: do not edit.
` + "`go test ./scripts/e2e -run TestPositions -update`" + ` writes it anew.

Each row takes one fact that nobody knows otherwise than the stand-in does, the last all of
them at their worst. The last tries all attacks, faults and ways to upload; the others all ways,
and the attacks and faults that meet the fact. ` + "`-every`" + ` tries all of them under each. The ways:

`)
	for _, way := range waysToUpload {
		fmt.Fprintf(&b, "- %s\n", way.name)
	}
	b.WriteString("\n| taken to be | ways that work | attacks accepted | of attacks tried | faults that were healed |\n|---|---|---|---|---|\n")
	for _, a := range positions {
		b.WriteString(rows[positionCell(a)])
	}
	return b.Bytes()
}
