package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// tail keeps the last lines of a log that nobody sees, for the case that
// something fails. It is safe for concurrent use.
type tail struct {
	mu    sync.Mutex
	lines [][]byte // the last of them may have no end yet
	left  int      // out of what is kept
}

const (
	tailLines = 30
	tailLine  = 2 << 10 // bytes of one
)

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range bytes.Lines(p) {
		last := len(t.lines) - 1
		if last < 0 || bytes.HasSuffix(t.lines[last], []byte("\n")) {
			t.lines, last = append(t.lines, nil), last+1
		}
		t.lines[last] = append(t.lines[last], line...)
		if over := len(t.lines[last]) - tailLine; over > 0 {
			t.lines[last] = append(bytes.Clone(t.lines[last][:tailLine]), "…\n"...)
		}
		if len(t.lines) > tailLines {
			t.lines, t.left = t.lines[1:], t.left+1
		}
	}
	return len(p), nil
}

// print prints what is kept, and how to see the rest.
func (t *tail) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return
	}
	what := "the log"
	if t.left > 0 {
		what = fmt.Sprintf("the end of the log, without %d lines that -v prints", t.left)
	}
	fmt.Fprintf(w, "\n%s:\n%s", what, bytes.Join(t.lines, nil))
}
