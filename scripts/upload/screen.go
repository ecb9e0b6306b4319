package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/cmdline"
)

// display is how progress is shown.
type display int

const (
	quiet display = iota
	lines         // one when a file begins, each 10 percent, and at the end
	bars          // a line for each file, which is drawn again and again
)

// displayOf is what suits a file: bars on a terminal that can move its cursor.
func displayOf(f *os.File, terminal string) display {
	if cmdline.Terminal(f) && terminal != "dumb" && movesCursor(f) {
		return bars
	}
	return lines
}

// screen shows the uploads that are under way, and what is said meanwhile. It is
// safe for concurrent use, as are all its progresses, which share its lock.
type screen struct {
	out     io.Writer
	display display
	size    func() (columns, rows int) // of the terminal
	now     func() time.Time

	mu     sync.Mutex
	active []*progress
	total  total
	stand  int // lines of bars that are on the terminal
	drawn  time.Time
}

// total is what all files of a run come to.
type total struct {
	files, ended int
	size         int64 // bytes; -1 if not known
	done, sent   int64 // sent are those of this run
	meter        meter
}

const drawEvery = 100 * time.Millisecond

func newScreen(out io.Writer, how display, size func() (columns, rows int), now func() time.Time) *screen {
	return &screen{out: out, display: how, size: size, now: now}
}

// expect tells how much is to come, so that the whole has a line of its own.
func (s *screen) expect(files int, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total = total{files: files, size: size}
	s.total.meter.note(s.now(), 0)
}

// sent is how many bytes this run has sent.
func (s *screen) sent() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total.sent
}

// say prints a line, whatever the display.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print(fmt.Sprintf(format, args...))
}

// print puts a line above the bars.
func (s *screen) print(line string) {
	s.clear()
	fmt.Fprintln(s.out, line)
	s.draw()
}

// begin shows a file of size bytes, or of a size that is not known, -1.
func (s *screen) begin(name string, size int64) *progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &progress{screen: s, name: client.Clean(name), size: size, began: s.now()}
	p.meter.note(p.began, 0)
	s.active = append(s.active, p)
	switch s.display {
	case lines:
		fmt.Fprintf(s.out, "%s: %s to send\n", p.name, bytesText(size))
	case bars:
		s.draw()
	}
	return p
}

// end takes a file off the screen.
func (s *screen) end(p *progress) {
	s.active = slices.DeleteFunc(s.active, func(other *progress) bool { return other == p })
	s.total.ended++
}

// redraw draws the bars if they have stood for a moment.
func (s *screen) redraw() {
	if s.display == bars && s.now().Sub(s.drawn) >= drawEvery {
		s.draw()
	}
}

// draw draws the bars over those that stand.
func (s *screen) draw() {
	if s.display != bars {
		return
	}
	s.drawn = s.now()
	columns, rows := s.size()
	var b strings.Builder
	s.toTop(&b)
	all := s.barLines(max(1, rows-1))
	for i, line := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		// A line that wraps would be two, and the next drawing a line too low.
		b.WriteString("\x1b[K" + cut(line, columns-1))
	}
	b.WriteString("\x1b[J")
	s.stand = len(all)
	io.WriteString(s.out, b.String())
}

// barLines are the bars, at most so many lines of them, and one for the whole if
// there are several files.
func (s *screen) barLines(most int) []string {
	now := s.now()
	var all []string
	shown := s.active
	if s.total.files > 1 {
		most = max(1, most-1)
	}
	if len(shown) > most {
		shown = shown[:most]
	}
	for _, p := range shown {
		all = append(all, p.line(now))
	}
	if s.total.files > 1 && len(s.active) > 0 {
		all = append(all, s.total.line(now))
	}
	return all
}

// line is what the whole has come to:
//
//	12 of 340 files  1.2 of 3.4 GB  12.3 MB/s  3:05 left
func (t *total) line(now time.Time) string {
	text := fmt.Sprintf("%d of %d files  ", t.ended, t.files)
	if t.size < 0 {
		return text + decimal(t.done) + "  " + t.meter.text(now, t.sent, -1)
	}
	return text + decimal(t.done) + " of " + decimal(t.size) + "  " + t.meter.text(now, t.sent, t.size-t.done)
}

// clear takes the bars away.
func (s *screen) clear() {
	if s.stand == 0 {
		return
	}
	var b strings.Builder
	s.toTop(&b)
	b.WriteString("\x1b[J")
	s.stand = 0
	io.WriteString(s.out, b.String())
}

// toTop moves the cursor to the first of the bars.
func (s *screen) toTop(b *strings.Builder) {
	if s.stand > 1 {
		fmt.Fprintf(b, "\x1b[%dA", s.stand-1)
	}
	if s.stand > 0 {
		b.WriteByte('\r')
	}
}

// cut keeps the first characters of a line.
func cut(line string, most int) string {
	if r := []rune(line); len(r) > most {
		return string(r[:max(0, most)])
	}
	return line
}
