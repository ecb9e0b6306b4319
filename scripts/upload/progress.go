package main

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// progress shows how far the upload of one file is.
type progress struct {
	screen *screen // whose lock guards all of it
	name   string
	size   int64 // -1 if not known
	began  time.Time

	done    int64
	skipped int64 // of done: by an earlier run
	tenth   int64 // the highest that was shown
	meter   meter
}

// add counts bytes, or takes them back with a negative n.
func (p *progress) add(n int64) { p.count(n, 0) }

// skip counts bytes that need not be sent.
func (p *progress) skip(n int64) { p.count(n, n) }

func (p *progress) count(n, skipped int64) {
	s := p.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	p.done += n
	p.skipped += skipped
	s.total.done += n
	s.total.sent += n - skipped
	now := s.now()
	p.meter.note(now, p.done-p.skipped)
	s.total.meter.note(now, s.total.sent)
	switch s.display {
	case lines:
		if tenth := p.percent() / 10; tenth > p.tenth && tenth < 10 {
			p.tenth = tenth
			fmt.Fprintf(s.out, "%s: %d %%%s\n", p.name, tenth*10, p.left(now))
		}
	case bars:
		s.redraw()
	}
}

// left is how long the rest will take, for a line; "" at the speed of no effort.
func (p *progress) left(now time.Time) string {
	if left := timeLeft(p.size-p.done, p.meter.rate(now, p.done-p.skipped)); left != "" {
		return ", " + left
	}
	return ""
}

// reset forgets what was counted, for an upload that is begun again.
func (p *progress) reset() {
	s := p.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.done -= p.done
	s.total.sent -= p.done - p.skipped
	p.done, p.skipped = 0, 0
}

// note tells the user something about the file.
func (p *progress) note(format string, args ...any) {
	s := p.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.display != quiet {
		s.print(p.name + ": " + fmt.Sprintf(format, args...))
	}
}

// finish ends the display of the file.
func (p *progress) finish(good bool) {
	s := p.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(p)
	switch {
	case s.display == quiet:
	case good:
		size := p.size
		if size < 0 {
			size = p.done
		}
		s.print(fmt.Sprintf("%s: done, %s in %v", p.name, bytesText(size), s.now().Sub(p.began).Round(10*time.Millisecond)))
	default:
		s.clear()
		s.draw()
	}
}

func (p *progress) percent() int64 {
	if p.size <= 0 {
		return 0
	}
	return int64(float64(p.done) / float64(p.size) * 100)
}

// line is the bar, of less than 80 columns:
//
//	film.mp4  [########------------]  41 %  12.3 MB/s  0:42 left
//	backup.tar  12.3 MB  3.4 MB/s
func (p *progress) line(now time.Time) string {
	const width, nameWidth = 20, 24
	name, sent := shorten(p.name, nameWidth), p.done-p.skipped
	if p.size < 0 {
		return fmt.Sprintf("%s  %s  %s", name, decimal(p.done), p.meter.text(now, sent, -1))
	}
	filled := int(max(0, min(100, p.percent())) * width / 100)
	return fmt.Sprintf("%s  [%s%s] %3d %%  %s", name,
		strings.Repeat("#", filled), strings.Repeat("-", width-filled), p.percent(), p.meter.text(now, sent, p.size-p.done))
}

// meter measures how fast bytes go, over the last seconds: what was long ago
// says little of what is left.
type meter struct{ samples []sample }

type sample struct {
	at   time.Time
	sent int64
}

const (
	sampleEvery = time.Second
	maxSamples  = 15
)

func (m *meter) note(now time.Time, sent int64) {
	if n := len(m.samples); n > 0 && now.Sub(m.samples[n-1].at) < sampleEvery {
		return
	}
	if m.samples = append(m.samples, sample{now, sent}); len(m.samples) > maxSamples {
		m.samples = m.samples[1:]
	}
}

// rate is bytes in a second; 0 as long as that says nothing.
func (m *meter) rate(now time.Time, sent int64) float64 {
	if len(m.samples) == 0 {
		return 0
	}
	first := m.samples[0]
	seconds := now.Sub(first.at).Seconds()
	if seconds < 0.5 {
		return 0
	}
	return max(0, float64(sent-first.sent)/seconds)
}

// text is the rate, and how long what is left will take; left is -1 if that is
// not known.
func (m *meter) text(now time.Time, sent, left int64) string {
	rate := m.rate(now, sent)
	if rate == 0 {
		return ""
	}
	return strings.TrimRight(fmt.Sprintf("%.1f MB/s  %s", rate/1e6, timeLeft(left, rate)), " ")
}

// timeLeft is how long so many bytes take, as "0:42 left"; "" if nobody knows.
func timeLeft(bytes int64, rate float64) string {
	const most = 100 * time.Hour
	if bytes <= 0 || rate <= 0 {
		return ""
	}
	seconds := float64(bytes) / rate
	if seconds >= most.Seconds() {
		return ""
	}
	s := int(math.Ceil(seconds))
	if s < 3600 {
		return fmt.Sprintf("%d:%02d left", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d left", s/3600, s/60%60, s%60)
}

// shorten keeps the end of a name, where its extension is.
func shorten(name string, most int) string {
	if n := utf8.RuneCountInString(name); n > most {
		return "…" + string([]rune(name)[n-most+1:])
	}
	return name
}

func bytesText(n int64) string {
	switch n {
	case -1:
		return "an unknown number of bytes"
	case 1:
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// decimal is a number of bytes as people say it.
func decimal(n int64) string {
	value, unit := float64(max(0, n)), "B"
	for _, larger := range []string{"KB", "MB", "GB", "TB"} {
		if value < 999.5 {
			break
		}
		value, unit = value/1000, larger
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
