package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	p := newProgress(&out, lines, "a\x1b.bin", 1000, func() time.Time { return clock })
	p.add(99)
	p.add(1)
	p.add(250)
	p.add(-250) // sent in vain
	p.add(250)
	p.note("part %d: no", 3)
	p.add(650)
	clock = clock.Add(1500 * time.Millisecond)
	p.finish(true)
	want := "a.bin: 1000 bytes to send\na.bin: 10 %\na.bin: 30 %\na.bin: part 3: no\na.bin: done, 1000 bytes in 1.5s\n"
	if out.String() != want {
		t.Errorf("progress said\n%s, want\n%s", out.String(), want)
	}
}

func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	p := newProgress(&out, bar, strings.Repeat("ü", 300)+".bin", 1000, func() time.Time { return clock })
	p.add(1) // too soon to draw again
	clock = clock.Add(time.Second)
	p.skip(499)
	p.finish(false)
	drawn := strings.Split(out.String(), "\r\x1b[K")
	if len(drawn) != 4 || drawn[3] != "" {
		t.Fatalf("the bar was drawn as %q, want twice and then cleared", drawn)
	}
	if !strings.Contains(drawn[2], "[###############---------------]  50 %  0.0 MB/s") {
		t.Errorf("the bar = %q, want one half", drawn[2])
	}
	if columns := utf8.RuneCountInString(drawn[2]); columns >= 80 {
		t.Errorf("the bar has %d columns, want fewer than 80", columns)
	}
}

func TestQuietProgressSaysNothing(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, quiet, "a", 0, time.Now)
	p.add(0)
	p.note("x")
	p.finish(true)
	if out.Len() > 0 {
		t.Errorf("said %q, want nothing", out.String())
	}
}

func TestFilesGetNoBar(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := displayOf(f, "xterm"); got != lines {
		t.Errorf("displayOf(a file) = %v, want lines", got)
	}
}
