package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"ossupload/scripts/internal/client"
)

// display is how progress is shown.
type display int

const (
	quiet display = iota
	lines         // one when a file begins, each 10 percent, and at the end
	bar           // one line that is drawn again and again
)

// displayOf is what suits a file: a bar on a terminal.
func displayOf(f *os.File, terminal string) display {
	info, err := f.Stat()
	if err == nil && info.Mode()&os.ModeCharDevice != 0 && terminal != "dumb" {
		return bar
	}
	return lines
}

// progress shows how far the upload of one file is. It is safe for concurrent
// use.
type progress struct {
	out     io.Writer
	display display
	name    string
	size    int64
	now     func() time.Time

	mu      sync.Mutex
	began   time.Time
	done    int64
	skipped int64 // of done: by an earlier run
	tenth   int64 // the highest that was shown
	drawn   time.Time
}

const drawEvery = 100 * time.Millisecond

func newProgress(out io.Writer, how display, name string, size int64, now func() time.Time) *progress {
	p := &progress{out: out, display: how, name: client.Clean(name), size: size, now: now, began: now()}
	switch how {
	case lines:
		fmt.Fprintf(out, "%s: %s to send\n", p.name, bytesText(size))
	case bar:
		p.drawn = p.began
		p.draw()
	}
	return p
}

// add counts bytes, or takes them back with a negative n.
func (p *progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	switch p.display {
	case lines:
		if tenth := p.percent() / 10; tenth > p.tenth && tenth < 10 {
			p.tenth = tenth
			fmt.Fprintf(p.out, "%s: %d %%\n", p.name, tenth*10)
		}
	case bar:
		if now := p.now(); now.Sub(p.drawn) >= drawEvery {
			p.drawn = now
			p.draw()
		}
	}
}

// skip counts bytes that need not be sent.
func (p *progress) skip(n int64) {
	p.mu.Lock()
	p.skipped += n
	p.mu.Unlock()
	p.add(n)
}

// reset forgets what was counted, for an upload that is begun again.
func (p *progress) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.skipped = 0, 0
}

// note tells the user something about the file.
func (p *progress) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.display == quiet {
		return
	}
	p.clear()
	fmt.Fprintf(p.out, "%s: %s\n", p.name, fmt.Sprintf(format, args...))
	if p.display == bar {
		p.draw()
	}
}

// finish ends the display.
func (p *progress) finish(good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.display == quiet {
		return
	}
	p.clear()
	if good {
		took := p.now().Sub(p.began)
		fmt.Fprintf(p.out, "%s: done, %s in %v\n", p.name, bytesText(p.size), took.Round(10*time.Millisecond))
	}
}

func (p *progress) percent() int64 {
	if p.size == 0 {
		return 0
	}
	return int64(float64(p.done) / float64(p.size) * 100)
}

// draw draws the bar over the last one, in less than 80 columns:
//
//	film.mp4  [############------------------]  41 %  12.3 MB/s
func (p *progress) draw() {
	const width, nameWidth = 30, 24
	filled := int(max(0, min(100, p.percent())) * width / 100)
	rate := ""
	if seconds := p.now().Sub(p.began).Seconds(); seconds > 0.5 {
		rate = fmt.Sprintf("%.1f MB/s", float64(max(0, p.done-p.skipped))/seconds/1e6)
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s  [%s%s] %3d %%  %s", shorten(p.name, nameWidth),
		strings.Repeat("#", filled), strings.Repeat("-", width-filled), p.percent(), rate)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.display == bar {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// shorten keeps the end of a name, where its extension is.
func shorten(name string, most int) string {
	if n := utf8.RuneCountInString(name); n > most {
		return "…" + string([]rune(name)[n-most+1:])
	}
	return name
}

func bytesText(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
