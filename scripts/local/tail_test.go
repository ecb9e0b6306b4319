package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	var out strings.Builder
	new(tail).print(&out)
	if out.Len() > 0 {
		t.Errorf("an empty log prints %q", out.String())
	}

	short := new(tail)
	fmt.Fprint(short, "one\ntw")
	fmt.Fprint(short, "o\n")
	short.print(&out)
	if want := "\nthe log:\none\ntwo\n"; out.String() != want {
		t.Errorf("a short log prints %q, want %q", out.String(), want)
	}

	out.Reset()
	long := new(tail)
	for i := range 100 {
		fmt.Fprintf(long, "line %d\n", i)
	}
	fmt.Fprint(long, strings.Repeat("x", 1<<20))
	fmt.Fprint(long, "y\n")
	long.print(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if lines[0] != "the end of the log, without 72 lines that -v prints:" || lines[1] != "line 72" || len(lines) != tailLines+1 || out.Len() > 2*tailLine {
		t.Errorf("a long log prints %d lines in %d bytes: %q …", len(lines), out.Len(), lines[:2])
	}
}
