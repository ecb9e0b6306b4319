package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables into the page")

const page = "../deploy/SCALE.md"

// The page has each table between its markers, computed and simulated again here.
func TestPageHasTheTables(t *testing.T) {
	t.Parallel()
	was, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := builtInModel(t)
	want := string(was)
	for name, print := range map[string]func(io.Writer){
		"cost": m.printCost, "durations": m.printDurations, "scale": m.printScale,
		"even":     func(w io.Writer) { m.printEven(w, uploadsAnHour, advised) },
		"troubles": func(w io.Writer) { m.printTroubles(w, uploadsAnHour, advised, withBurst(10)) },
	} {
		first, last := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
		before, rest, ok := strings.Cut(want, first)
		_, after, closed := strings.Cut(rest, last)
		if !ok || !closed {
			t.Fatalf("%s has no %q and %q", page, first, last)
		}
		want = before + first + text(print) + last + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(was) != want {
		t.Errorf("%s is not what is computed: go test ./scripts/cost -update", page)
	}
}

// The page recommends what was played.
func TestPageHasTheCaps(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("`reservedConcurrency` %d for `presign`, %d for `callback`, %d for `complete`, %d for `repair`", advised.presign, advised.callback, advised.complete, advised.repair)
	if !strings.Contains(string(text), want) {
		t.Errorf("%s does not say %q", page, want)
	}
	all := advised.presign + advised.callback + advised.complete + advised.repair
	if most := accountInstances * mostReserved; float64(all) > most {
		t.Errorf("the caps are %d together, want at most %v", all, most)
	}
}

// Caps and sizes are those that are deployed.
func TestCapsOfTheTemplate(t *testing.T) {
	text, err := os.ReadFile("../../s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	caps, sizes := map[string]string{}, map[string]string{}
	for _, block := range strings.Split(string(text), "functionName: ossupload-")[1:] {
		name, _, _ := strings.Cut(block, "\n")
		if m := regexp.MustCompile(`reservedConcurrency: (\d+)`).FindStringSubmatch(block); m != nil {
			caps[name] = m[1]
		}
		if m := regexp.MustCompile(`\n +cpu: (\S+)\n +memorySize: (\d+)`).FindStringSubmatch(block); m != nil {
			sizes[name] = m[1] + " " + m[2]
		}
	}
	all := 0
	for _, f := range functions {
		if caps[f.name] != fmt.Sprint(f.cap) {
			t.Errorf("the cap of %s is %s in s.yaml, and %d here", f.name, caps[f.name], f.cap)
		}
		if want := fmt.Sprintf("%v %v", f.vCPU, f.gb*1024); sizes[f.name] != want {
			t.Errorf("the size of %s is %q in s.yaml, and %q here", f.name, sizes[f.name], want)
		}
		all += f.cap
	}
	if most := accountInstances * mostReserved; float64(all) > most || len(caps) != len(functions) {
		t.Errorf("%d caps of %d together, want %d of at most %v", len(caps), all, len(functions), most)
	}
}

// A figure that was computed by hand: 15,000 CU for two million calls, 12,500 for
// their vCPU, 2,343.75 for their memory.
func TestMillion(t *testing.T) {
	w := way{calls: []call{{of: presign, took: 5e6}, {callback, 120e6, 1, 1}}, put: 1}
	if m := w.million(); math.Abs(m.cu-29843.75) > 1e-6 || m.put != 2 || m.get != 1 {
		t.Errorf("million = %+v, want 29843.75 CU, 2 puts and 1 get", m)
	}
	if got := (way{calls: w.calls}).instances(callback); math.Abs(got-33.333) > 0.001 {
		t.Errorf("instances = %v, want 33.333", got)
	}
}
