package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables into the page")

const (
	page        = "../deploy/SCALE.md"
	first, last = "<!-- cost -->\n", "<!-- /cost -->\n"
)

func TestPageHasTheTables(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), first)
	_, after, closed := strings.Cut(rest, last)
	if !ok || !closed {
		t.Fatalf("%s has no %q and %q", page, first, last)
	}
	want := before + first + tables() + last + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s is not what is computed: go test ./scripts/cost -update", page)
	}
}

// The caps are those that are deployed.
func TestCapsOfTheTemplate(t *testing.T) {
	text, err := os.ReadFile("../../s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	caps := map[string]string{}
	for _, block := range strings.Split(string(text), "functionName: ossupload-")[1:] {
		name, _, _ := strings.Cut(block, "\n")
		if m := regexp.MustCompile(`reservedConcurrency: (\d+)`).FindStringSubmatch(block); m != nil {
			caps[name] = m[1]
		}
	}
	all := 0
	for _, f := range functions {
		if caps[f.name] != fmt.Sprint(f.cap) {
			t.Errorf("the cap of %s is %s in s.yaml, and %d here", f.name, caps[f.name], f.cap)
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
