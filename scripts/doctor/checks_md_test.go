package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write CHECKS.md")

// CHECKS.md is written from the checks:
//
//	go test ./scripts/doctor -run CHECKS -update
func TestCHECKSIsWrittenFromTheChecks(t *testing.T) {
	want := checksPage()
	if *update {
		if err := os.WriteFile("CHECKS.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("CHECKS.md")
	if err != nil || string(got) != want {
		t.Errorf("CHECKS.md is not what the checks say (%v): run this test with -update", err)
	}
}

func checksPage() string {
	var b strings.Builder
	b.WriteString(`# What the doctor looks at

Written from the checks by ` + "`go test ./scripts/doctor -run CHECKS -update`" + `. A check comes after others without which it could not tell whose fault it
is: while one of those fails, it is skipped, so that one thing that is broken is one failure. Those marked ✎ store something, or try to, and ask for
` + "`-upload`" + `; what they leave are a few objects of 48 bytes below ` + "`UPLOAD_PREFIX`" + `, whose keys they print. Those of ` + "`webhook`" + ` send three test events.

| check | what it looks at | to mend it | after |
|---|---|---|---|
`)
	for _, c := range checks {
		mark := ""
		if c.writes {
			mark = " ✎"
		}
		mend := fmt.Sprintf("%s ([page](../../%s))", c.mend, c.page)
		fmt.Fprintf(&b, "| `%s`%s | %s | %s | %s |\n", c.id, mark, c.looks, mend, strings.Join(c.after, ", "))
	}
	return b.String()
}
