package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/cputime"
)

func TestParseBench(t *testing.T) {
	const output = `goos: linux
cpu: Fast CPU-2 @ 3 GHz
BenchmarkRowPut/ours
BenchmarkRowPut/ours-2         	  100	  4321 ns/op	  1.5e+03 cpu-ns/op	 16 B/op	 1 allocs/op
BenchmarkGrowthKey/15/peer     	    1	  9 ns/op
PASS
`
	got, err := parseBench(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "RowPut/ours" || got[1].Name != "GrowthKey/15/peer" {
		t.Fatalf("results are %v, want the two lines", got)
	}
	if v := got[0].Values; len(v) != 4 || v["cpu-ns/op"] != 1500 || v["allocs/op"] != 1 || got[1].Values["ns/op"] != 9 {
		t.Errorf("values are %v and %v", v, got[1].Values)
	}
	if got, err := parseBench(strings.NewReader("BenchmarkA 1 fast ns/op\n")); err == nil {
		t.Errorf("a word for a number comes to %v, want an error", got)
	}
}

func TestAnchored(t *testing.T) {
	if got, want := anchored("RowPut/ours"), "^BenchmarkRowPut$/^ours$"; got != want {
		t.Errorf("anchored is %q, want %q", got, want)
	}
}

func TestSpreadOf(t *testing.T) {
	for _, c := range []struct {
		values               []float64
		first, median, third float64
	}{
		{[]float64{7}, 7, 7, 7},
		{[]float64{4, 1}, 1.75, 2.5, 3.25},
		{[]float64{5, 1, 4, 2, 3}, 2, 3, 4},
		{[]float64{1, 2, 3, 1000}, 1.75, 2.5, 252.25},
	} {
		kept := slices.Clone(c.values)
		s := spreadOf(c.values)
		if s.Quartile.First != c.first || s.Median != c.median || s.Quartile.Third != c.third || s.Rounds != len(c.values) {
			t.Errorf("spread of %v is %+v, want %v, %v, %v", c.values, s, c.first, c.median, c.third)
		}
		if !slices.Equal(kept, c.values) {
			t.Errorf("spreadOf sorted the values of its caller: %v", c.values)
		}
	}
}

func TestVerdict(t *testing.T) {
	slower := row{Bar: 2, Aim: 1.5}
	faster := row{Faster: true, Bar: 9, Aim: 11.5}
	moved := row{Bar: 2.5, Aim: 2, Began: 5, Start: 4, Moves: true}                   // 2 and 1.6
	eased := row{Faster: true, Bar: 12, Aim: 16, Began: 2.4, Start: 1.8, Moves: true} // 9 and 12
	kept := row{Bar: 2.5, Aim: 2, Began: 5, Start: 4}                                 // as set
	aimOnly, neither := row{Aim: 1.3}, row{}
	for _, c := range []struct {
		name  string
		row   row
		value float64
		want  verdict
	}{
		{"over the bar", slower, 2.01, missed},
		{"the bar", slower, 2, reached},
		{"the aim", slower, 1.5, achieved},
		{"too slow", faster, 8.99, missed},
		{"fast enough", faster, 9, reached},
		{"as fast as aimed at", faster, 11.5, achieved},
		{"met as set, and missed as moved", moved, 2.2, missed},
		{"the moved bar", moved, 2, reached},
		{"the moved aim", moved, 1.6, achieved},
		{"missed as set, and met as moved", eased, 9.01, reached},
		{"under the eased bar", eased, 8.9, missed},
		{"a row that does not move", kept, 2.2, reached},
		{"an aim without a bar", aimOnly, 1.3, achieved},
		{"no bar", aimOnly, 1.4, untold},
		{"neither", neither, 1, untold},
	} {
		if got := c.row.verdict(c.value, c.row.held(c.row.Bar), c.row.held(c.row.Aim)); got != c.want {
			t.Errorf("%s: %v is %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestRowValue(t *testing.T) {
	of, over := quantity{"bench p A", "cpu-ns/op"}, quantity{"bench p B", "cpu-ns/op"}
	read := map[string]reading{of.Probe: {"cpu-ns/op": 2, "B/op": 3e6}, over.Probe: {"cpu-ns/op": 8}, "empty": {"cpu-ns/op": 0}}
	for _, c := range []struct {
		name string
		row  row
		want float64 // NaN: there is none
	}{
		{"ratio", row{Of: of, Over: &over}, 0.25},
		{"faster", row{Of: of, Over: &over, Faster: true}, 4},
		{"alone", row{Of: quantity{of.Probe, "B/op"}, Scale: 1e-6}, 3},
		{"without a scale", row{Of: of}, 2},
		{"not read", row{Of: quantity{"bench p C", "cpu-ns/op"}, Over: &over}, math.NaN()},
		{"peer not read", row{Of: of, Over: &quantity{"bench p C", "cpu-ns/op"}}, math.NaN()},
		{"peer of nothing", row{Of: of, Over: &quantity{"empty", "cpu-ns/op"}}, math.NaN()},
	} {
		got, ok := c.row.value(read)
		if ok == math.IsNaN(c.want) || ok && math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: value is %v, %v; want %v", c.name, got, ok, c.want)
		}
	}
}

// Rows that have a probe in common, be it by another row, are measured together,
// and each row once.
func TestGroups(t *testing.T) {
	ratio := func(name, of, over string) row {
		return row{Name: name, Of: quantity{Probe: of}, Over: &quantity{Probe: over}}
	}
	all := rows{Rows: []row{
		ratio("a", "x", "peer of x"), ratio("b", "y", "peer of y"), {Name: "c", Of: quantity{Probe: "z"}},
		ratio("d", "x", "floor of x"), ratio("e", "peer of x", "peer of y"),
	}}
	var got []string
	for _, g := range all.groups() {
		got = append(got, g.names())
	}
	if want := []string{"c", "b, a, d, e"}; !slices.Equal(got, want) {
		t.Errorf("groups %q, want %q", got, want)
	}
}

func TestParseRowsRefuses(t *testing.T) {
	for _, rows := range []string{
		`[{"name":"a","bar":2,"aim":1},{"name":"a","bar":2,"aim":1}]`,
		`[{"name":"","bar":2,"aim":1}]`,
		`[{"name":"a","bar":1,"aim":2}]`,
		`[{"name":"a","faster":true,"bar":2,"aim":1}]`,
		`[{"name":"a","bar":1}]`,
		`[{"name":"a","bar":2,"aim":1,"moves":true}]`,
		`[{"name":"a","bar":2,"aim":1,"moves":true,"began":3}]`,
		`[{"name":"a","baar":2,"aim":1}]`,
		`{`,
	} {
		if got, err := parseRows([]byte(`{"rows":` + rows + `}`)); err == nil {
			t.Errorf("%s comes to %+v, want an error", rows, got)
		}
	}
}

// The rows are of benchmarks that exist, and those whose bars move are those of
// handlers and starts.
func TestRowsFile(t *testing.T) {
	all, err := parseRows(rowsFile)
	if err != nil {
		t.Fatal(err)
	}
	var moving []string
	for _, r := range all.Rows {
		if r.Moves {
			moving = append(moving, r.Name)
		}
		for _, q := range r.quantities() {
			kind, what := cutProbe(q.Probe)
			if kind != benchProbe {
				continue
			}
			pkg, bench, _ := strings.Cut(what, " ")
			name, _, _ := strings.Cut(bench, "/")
			requireBenchmark(t, pkg, name)
		}
	}
	for _, g := range growths {
		requireBenchmark(t, g.Pkg, g.Bench)
	}
	want := []string{
		"part-urls-handler", "part-signatures", "callback-handler", "complete", "presign", "warm-presign",
		"cold-presign", "cold-complete", "cold-callback", "size-presign", "size-complete", "size-callback",
	}
	if !slices.Equal(moving, want) {
		t.Errorf("the bars of %q move, want %q", moving, want)
	}
}

func requireBenchmark(t *testing.T, pkg, name string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if source, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		} else if strings.Contains(string(source), "func Benchmark"+name+"(b *testing.B)") {
			return
		}
	}
	t.Errorf("%s has no Benchmark%s", pkg, name)
}

// spreadBy is a spread whose median is in the middle.
func spreadBy(first, median, third float64) spread {
	s := spread{Median: median, Rounds: 9}
	s.Quartile.First, s.Quartile.Third = first, third
	return s
}

func TestMarkdown(t *testing.T) {
	over := &quantity{"bench p B", "cpu-ns/op"}
	all := rows{Commit: "0a1b2c3", Rows: []row{
		{Name: "fast", What: "fast", Over: over, Faster: true, Bar: 9, Aim: 11.5, Start: 0.86},
		{Name: "moved", What: "a|b", Over: over, Bar: 2.5, Aim: 2, Began: 5, Start: 4, Moves: true},
		{Name: "size", What: "size", Unit: "MB", Bar: 11, Aim: 10.5, Start: 12.28},
		{Name: "count", What: "count", Bar: 6, Aim: 1},
		{Name: "told", What: "told", Over: over},
		{Name: "gone", What: "gone", Over: over, Bar: 2, Aim: 1},
	}}
	this := map[string]spread{
		"fast": spreadBy(9.9, 10.04, 10.2), "moved": spreadBy(2.1, 2.2, 2.3), "size": spreadBy(9.54321, 9.54321, 9.54321),
		"count": spreadBy(7, 7, 7), "told": spreadBy(1, 1, 1),
	}
	other := map[string]spread{"fast": spreadBy(0.8, 0.8, 0.8)}
	rep := newReport(all, 9, []measured{{&tree{name: "1111111"}, this}, {&tree{name: "2222222"}, other}})
	const want = `| what | start | bar | aim | measured | spread | ok | at 2222222 |
|---|---|---|---|---|---|---|---|
| fast | 0.86 times as fast | 9 times faster | 11.5 times faster | 10 times faster | 9.9 – 10.2 | yes | 0.8 times as fast |
| a\|b | 4 times | 2.5 → 2 times | 2 → 1.6 times | 2.2 times | 2.1 – 2.3 | no (as set: yes) | not there |
| size | 12.3 MB | 11 MB | 10.5 MB | 9.54 MB | 9.54 – 9.54 | aim | not there |
| count | – | 6 | 1 | 7 | 7 – 7 | no | not there |
| told | – | – | – | 1 times | 1 – 1 | – | not there |
| gone | – | 2 times | 1 times | not there | not there | no | not there |

2 of 5 bars are met, of the numbers as they were set 3. Measured at 1111111, the start at 0a1b2c3; medians of 9 rounds, with their quartiles.
`
	if got := rep.markdown(); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
	var b strings.Builder
	if err := rep.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var read report
	if err := json.Unmarshal([]byte(b.String()), &read); err != nil || len(read.Rows) != len(all.Rows) || read.Rows[1].Bar != (target{2.5, 2}) {
		t.Errorf("the JSON is read as %+v, %v", read, err)
	}
}

func TestFigure(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 1: "1", 0.2524: "0.252", 1.006: "1.01", 12.04: "12", 99.96: "100", 234567.8: "234568", 0.001234: "0.00123"} {
		if got := figure(value); got != want {
			t.Errorf("figure(%v) is %q, want %q", value, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, args := range [][]string{
		{"-rounds", "0"}, {"-benchtime", "0s"}, {"-only", "("}, {"more"}, {"-growth", "-json"}, {"-growth", "-only", "put"}, {"-growth", "-compare", "HEAD"},
		{"-update", "-only", "put"}, {"-update", "-compare", "HEAD"}, {"-update", "-json"},
	} {
		if _, err := parse(args); !errors.Is(err, errUsage) {
			t.Errorf("%q is %v, want errUsage", args, err)
		}
	}
	o, err := parse([]string{"-rounds", "3", "-only", "^put$"})
	if err != nil || o.rounds != 3 || !o.only.MatchString("put") || o.only.MatchString("put-floor") {
		t.Errorf("options are %+v, %v", o, err)
	}
}

var someCharts = []chart{
	{Title: "URLs, by parts", Sizes: []string{"1", "10", "100"}, Lines: [2]curve{{"ours", []float64{1, 10, 100}}, {"SDK", []float64{10, 100, 1000}}}},
	{Title: "keys & more", Sizes: []string{"15", "63"}, Lines: [2]curve{{"ours", []float64{20, 20}}, {"SDK", []float64{20, 20}}}},
}

func TestGrowthTables(t *testing.T) {
	const want = `| URLs, by parts | 1 | 10 | 100 |
|---|--:|--:|--:|
| ours | 1 | 10 | 100 |
| SDK | 10 | 100 | 1000 |

| keys & more | 15 | 63 |
|---|--:|--:|
| ours | 20 | 20 |
| SDK | 20 | 20 |
`
	tables := growthTables(someCharts)
	if tables != want {
		t.Errorf("the tables are\n%s\nwant\n%s", tables, want)
	}
	back, err := parseGrowth("\n" + tables + "\n")
	if err != nil || growthTables(back) != want {
		t.Errorf("the tables are read as %+v, %v", back, err)
	}
	for _, bad := range []string{"", strings.Replace(want, "100 |\n| SDK", "many |\n| SDK", 1), strings.Replace(want, "| 1000 |", "|", 1), strings.Replace(want, "| ours | 20 | 20 |\n", "", 1)} {
		if got, err := parseGrowth(bad); err == nil {
			t.Errorf("tables\n%s\nare read as %+v, want an error", bad, got)
		}
	}
}

func TestPlot(t *testing.T) {
	svg, err := plot(someCharts)
	if err != nil {
		t.Fatal(err)
	}
	lines, text := curvesAndText(t, svg)
	// Powers of ten stand as far from each other as the grid's lines: the first curve
	// is below the second by one of three of them, throughout.
	want := []string{"46.0,174.0 130.0,126.0 214.0,78.0", "46.0,126.0 130.0,78.0 214.0,30.0"}
	if len(lines) != 4 || !slices.Equal(lines[:2], want) {
		t.Errorf("the curves are %q, want %q and two more", lines, want)
	}
	for _, want := range []string{"URLs, by parts", "keys & more", "ours", "SDK", "1 ms", "10 µs", "prefers-color-scheme: dark"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plot does not say %q", want)
		}
	}
	for _, bad := range []chart{
		{Title: "zero", Sizes: []string{"0", "1"}, Lines: [2]curve{{"ours", []float64{1, 1}}, {"SDK", []float64{1, 1}}}},
		{Title: "word", Sizes: []string{"a"}, Lines: [2]curve{{"ours", []float64{1}}, {"SDK", []float64{1}}}},
		{Title: "nothing", Sizes: []string{"1"}, Lines: [2]curve{{"ours", []float64{0}}, {"SDK", []float64{1}}}},
	} {
		if _, err := plot([]chart{bad}); err == nil {
			t.Errorf("%s is plotted, want an error", bad.Title)
		}
	}
}

// curvesAndText are the points of each line in a plot, and all that it says.
func curvesAndText(t *testing.T, svg string) (lines []string, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	var said strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return lines, said.String()
		}
		if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local == "points" {
					lines = append(lines, a.Value)
				}
			}
		case xml.CharData:
			said.Write(token)
		}
	}
}

func TestReplacePart(t *testing.T) {
	const page = "# Page\n\n<!-- table -->\nold\n<!-- /table -->\n\nMore.\n"
	got, err := replacePart(page, tablePart, "| new |\n")
	if want := "# Page\n\n<!-- table -->\n\n| new |\n\n<!-- /table -->\n\nMore.\n"; err != nil || got != want {
		t.Errorf("the page is %q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", "<!-- table -->\n", "<!-- /table -->\n", "<!-- /table -->\n<!-- table -->\n"} {
		if got, err := replacePart(bad, tablePart, "x"); err == nil {
			t.Errorf("%q becomes %q, want an error", bad, got)
		}
	}
}

// The page has the rows and the bars of rows.json, and its plot is that of its
// tables.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseRows(rowsFile)
	if err != nil {
		t.Fatal(err)
	}
	table, _, _, err := partOf(string(text), tablePart)
	if err != nil {
		t.Fatal(err)
	}
	printed := strings.Split(strings.TrimSpace(table), "\n")
	blank := strings.Split(newReport(all, 1, []measured{{&tree{}, nil}}).markdown(), "\n")
	for i := range len(all.Rows) + 2 {
		// Up to what is measured.
		if i >= len(printed) || !slices.Equal(cells(printed[i])[:4], cells(blank[i])[:4]) {
			t.Errorf("line %d of the table does not begin as\n%s\nrun scripts/bench.sh -update", i+1, blank[i])
		}
	}
	tables, _, _, err := partOf(string(text), growthPart)
	if err != nil {
		t.Fatal(err)
	}
	want, err := plotOf(tables)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("growth.svg"); err != nil || string(got) != want {
		t.Errorf("growth.svg is not the plot of the page's tables (%v): run scripts/bench.sh -growth -update", err)
	}
}

// One round of a cheap row measures what the package says of itself.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out what builds programs")
	}
	if cputime.Used() == 0 {
		t.Skip("this system does not tell what a process used")
	}
	var out, said strings.Builder
	if err := run(t.Context(), []string{"-rounds", "1", "-benchtime", "1ms", "-json", "-only", "^put(-allocations)?$"}, nil, &out, &said); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var rep report
	if err := json.Unmarshal([]byte(out.String()), &rep); err != nil {
		t.Fatal(err)
	}
	if len(rep.Rows) != 2 || rep.Rounds != 1 || rep.Commit == "" {
		t.Fatalf("the report is %+v", rep)
	}
	requireMeasured(t, rep, 1e-3)
	if !strings.Contains(said.String(), "round 1 of 1, 1 of 1: put, put-allocations\n") {
		t.Errorf("it says %q", said.String())
	}
}

// requireMeasured wants a value and a verdict of each row.
func requireMeasured(t *testing.T, rep report, least float64) {
	t.Helper()
	for _, l := range rep.Rows {
		if l.Measured == nil || l.Measured.Median < least || l.Measured.Median > 1000 || l.OK == "" {
			t.Errorf("row %s was measured as %+v, %q", l.Name, l.Measured, l.OK)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{{"-only", "^nothing$"}, {"-no-such-flag"}} {
		if err := run(t.Context(), args, nil, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q ends with %v, want errUsage", args, err)
		}
	}
	if err := run(t.Context(), []string{"-only", "^put$", "-compare", "--force"}, nil, io.Discard, io.Discard); err == nil || errors.Is(err, errUsage) {
		t.Errorf("a commit that is none ends with %v, want an error", err)
	}
}
