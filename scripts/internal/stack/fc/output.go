package fc

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

const (
	// maxLine is the platform's limit on a log line; longer ones are cut in two.
	maxLine = 32 << 10
	// tailBytes is how much of the last output an error shows.
	tailBytes = 4 << 10
)

// output carries both streams of a process to where they belong. Lines stay
// whole even if both streams, or those of several functions, share a writer.
type output struct {
	stdout, stderr *lineWriter

	mu   sync.Mutex // held over every write, and guards last
	last []byte
}

func newOutput(stdout, stderr io.Writer) *output {
	o := &output{}
	o.stdout = &lineWriter{output: o, to: stdout}
	o.stderr = &lineWriter{output: o, to: stderr}
	return o
}

// reset forgets what the process before this one wrote.
func (o *output) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = nil
}

// flush passes on an unfinished last line.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range []*lineWriter{o.stdout, o.stderr} {
		if len(w.pending) > 0 {
			w.forward(append(w.pending, '\n'))
			w.pending = nil
		}
	}
}

// tail is the end of what the process wrote, on either stream.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.ToValidUTF8(strings.TrimSpace(string(o.last)), "")
}

type lineWriter struct {
	*output
	to      io.Writer
	pending []byte
}

// Write never fails: an error would close the pipe and end the process for
// the sake of its log.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, p...)
	end := bytes.LastIndexByte(w.pending, '\n') + 1
	if end == 0 && len(w.pending) >= maxLine {
		w.pending = append(w.pending, '\n')
		end = len(w.pending)
	}
	if end > 0 {
		w.forward(w.pending[:end])
		w.pending = append([]byte(nil), w.pending[end:]...)
	}
	return len(p), nil
}

func (w *lineWriter) forward(lines []byte) {
	w.last = append(w.last, lines...)
	if over := len(w.last) - tailBytes; over > 0 {
		w.last = append([]byte(nil), w.last[over:]...)
	}
	if w.to != nil {
		w.to.Write(lines)
	}
}
