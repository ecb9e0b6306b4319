package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time            { return c.at }
func (c *clock) pass(d time.Duration)      { c.at = c.at.Add(d) }
func usual() (columns, rows int)           { return 80, 24 }
func newClock() *clock                     { return &clock{time.Unix(0, 0)} }
func small(rows int) func() (int, int)     { return func() (int, int) { return 80, rows } }
func narrow(columns int) func() (int, int) { return func() (int, int) { return columns, 24 } }

func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	p := newScreen(&out, lines, usual, c.now).begin("a\x1b.bin", 1000)
	p.add(99)
	p.add(1)
	p.add(250)
	p.add(-250) // sent in vain
	p.add(250)
	p.note("part %d: no", 3)
	c.pass(time.Second)
	p.add(150)
	p.add(500)
	c.pass(500 * time.Millisecond)
	p.finish(true)
	want := "a.bin: 1000 bytes to send\na.bin: 10 %\na.bin: 30 %\na.bin: part 3: no\na.bin: 50 %, 0:01 left\na.bin: done, 1000 bytes in 1.5s\n"
	if out.String() != want {
		t.Errorf("progress said\n%s, want\n%s", out.String(), want)
	}
}

// terminal is what stands on a terminal after what was printed to it.
func terminal(t *testing.T, printed string) []string {
	t.Helper()
	rows, row, column := [][]rune{nil}, 0, 0
	for text := []rune(printed); len(text) > 0; {
		c, sequence := text[0], 0
		text = text[1:]
		switch c {
		case '\r':
			column = 0
			continue
		case '\n':
			if row, column = row+1, 0; row == len(rows) {
				rows = append(rows, nil)
			}
			continue
		case '\x1b':
			for text = text[1:]; text[0] >= '0' && text[0] <= '9'; text = text[1:] {
				sequence = sequence*10 + int(text[0]-'0')
			}
			switch text[0] {
			case 'K':
				rows[row] = rows[row][:min(column, len(rows[row]))]
			case 'J':
				rows = rows[:row+1]
				rows[row] = rows[row][:min(column, len(rows[row]))]
			case 'A':
				if row -= sequence; row < 0 {
					t.Fatalf("the cursor is moved %d rows above the first", -row)
				}
			default:
				t.Fatalf("unknown escape sequence %q", text[0])
			}
			text = text[1:]
			continue
		}
		rows[row] = append(rows[row][:min(column, len(rows[row]))], append([]rune{c}, rows[row][min(column+1, len(rows[row])):]...)...)
		column++
	}
	var shown []string
	for _, r := range rows {
		shown = append(shown, string(r))
	}
	return shown
}

func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	s := newScreen(&out, bars, usual, c.now)
	s.expect(1, 100_000_000)
	p := s.begin(strings.Repeat("ü", 300)+".bin", 100_000_000)
	before := out.Len()
	p.add(1) // too soon to draw again
	if out.Len() != before {
		t.Errorf("drawn again at once: %q", out.String())
	}
	p.skip(49_999_999)
	for range 5 {
		c.pass(time.Second)
		p.add(2_000_000)
	}
	rows := terminal(t, out.String())
	if len(rows) != 1 || !strings.HasSuffix(rows[0], "  [############--------]  60 %  2.0 MB/s  0:20 left") {
		t.Errorf("the terminal shows %q, want one bar", rows)
	}
	if columns := utf8.RuneCountInString(rows[0]); columns >= 80 {
		t.Errorf("the bar has %d columns, want fewer than 80", columns)
	}
	p.finish(false)
	if rows := terminal(t, out.String()); len(rows) != 1 || rows[0] != "" {
		t.Errorf("at the end the terminal shows %q, want nothing", rows)
	}
}

// Each file under way has a bar, the whole has one more, and what is said stands
// above them.
func TestBarsOfSeveralFiles(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	s := newScreen(&out, bars, usual, c.now)
	s.expect(3, 4_000_000)
	a, b := s.begin("a.bin", 1_000_000), s.begin("b.bin", 2_000_000)
	c.pass(time.Second)
	a.add(500_000)
	b.add(500_000)
	a.note("trying again")
	c.pass(time.Second)
	a.add(500_000)
	rows := terminal(t, out.String())
	want := []string{
		"a.bin: trying again",
		"a.bin  [####################] 100 %  0.5 MB/s",
		"b.bin  [#####---------------]  25 %  0.2 MB/s  0:06 left",
		"0 of 3 files  1.5 MB of 4.0 MB  0.8 MB/s  0:04 left",
	}
	if strings.Join(rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("the terminal shows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	a.finish(true)
	rows = terminal(t, out.String())
	want = []string{
		"a.bin: trying again",
		"a.bin: done, 1000000 bytes in 2s",
		"b.bin  [#####---------------]  25 %  0.2 MB/s  0:06 left",
		"1 of 3 files  1.5 MB of 4.0 MB  0.8 MB/s  0:04 left",
	}
	if strings.Join(rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("then it shows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	b.finish(false)
	s.say("the end")
	if rows := terminal(t, out.String()); strings.Join(rows, "\n") != strings.Join(want[:2], "\n")+"\nthe end\n" {
		t.Errorf("at last it shows %q, want no bar and the end", rows)
	}
}

// More files than rows, and lines that would wrap, do not move the drawing.
func TestBarsFitTheTerminal(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	s := newScreen(&out, bars, small(5), c.now)
	s.expect(20, -1)
	for range 20 {
		s.begin("a.bin", 1000)
	}
	if rows := terminal(t, out.String()); len(rows) != 4 || !strings.HasPrefix(rows[3], "0 of 20 files  0 B") {
		t.Errorf("a terminal of 5 rows shows %q, want 4", rows)
	}
	out.Reset()
	s = newScreen(&out, bars, narrow(20), c.now)
	s.begin("a-long-name-of-a-file.bin", 1000)
	if rows := terminal(t, out.String()); utf8.RuneCountInString(rows[0]) != 19 {
		t.Errorf("a terminal of 20 columns shows %q", rows)
	}
}

func TestProgressOfAnUnknownSize(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	s := newScreen(&out, bars, usual, c.now)
	s.expect(1, -1)
	p := s.begin("backup.tar", -1)
	c.pass(2 * time.Second)
	p.add(12_300_000)
	if rows := terminal(t, out.String()); rows[0] != "backup.tar  12.3 MB  6.2 MB/s" {
		t.Errorf("the terminal shows %q", rows)
	}
	p.finish(true)
	if !strings.Contains(out.String(), "backup.tar: done, 12300000 bytes in 2s") {
		t.Errorf("it printed %q, want how much there was", out.String())
	}
}

func TestQuietProgressSaysNothing(t *testing.T) {
	var out bytes.Buffer
	p := newScreen(&out, quiet, usual, time.Now).begin("a", 0)
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
	if columns, rows := terminalSize(f)(); columns != 80 || rows != 24 {
		t.Errorf("a file is taken for a terminal of %d by %d", columns, rows)
	}
}

func TestTimeLeft(t *testing.T) {
	for _, tt := range []struct {
		bytes int64
		rate  float64
		want  string
	}{
		{0, 1, ""}, {1, 0, ""}, {-1, 1, ""}, {1, 1e6, "0:01 left"}, {60, 1, "1:00 left"}, {3599, 1, "59:59 left"}, {3600, 1, "1:00:00 left"},
		{360_000, 1, ""}, {1 << 62, 1e-300, ""},
	} {
		if got := timeLeft(tt.bytes, tt.rate); got != tt.want {
			t.Errorf("timeLeft(%d, %v) = %q, want %q", tt.bytes, tt.rate, got, tt.want)
		}
	}
}
