package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	maxLine   = 256 << 10 // bytes of a line of a log; a recorded event has 16 KiB
	maxStarts = 8         // places of a line where JSON may begin
)

// recorded is a line that a function wrote about an event.
type recorded struct {
	Message    string          `json:"msg"`
	RequestID  string          `json:"requestId"`
	Function   string          `json:"function"`
	Trigger    string          `json:"trigger"`
	Status     int             `json:"status"`
	Code       string          `json:"code"`
	DurationMs int64           `json:"durationMs"`
	Bytes      int             `json:"bytes"`
	Event      json.RawMessage `json:"event"`
}

// found is what a log holds.
type found struct {
	events     []recorded
	left, long int // events over the limit, lines that are too long
}

func readFile(name string, stdin io.Reader, most int) (found, error) {
	if name == "-" {
		return read(stdin, most)
	}
	f, err := os.Open(name)
	if err != nil {
		return found{}, fmt.Errorf("reading a log: %w", err)
	}
	defer f.Close()
	return read(f, most)
}

// read picks the recorded events out of a log, at most so many.
func read(r io.Reader, most int) (found, error) {
	var f found
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			f.long++
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
			line = nil
		}
		if e, ok := parse(line, true); ok {
			if len(f.events) < most {
				f.events = append(f.events, e)
			} else {
				f.left++
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return f, nil
		case err != nil:
			return f, fmt.Errorf("reading a log: %w", err)
		}
	}
}

// parse reads a line. Something may stand before the JSON, and an export of the log
// service has the line as a string in a member of its own.
func parse(line []byte, outer bool) (recorded, bool) {
	line = bytes.TrimSpace(line)
	for range maxStarts {
		start := bytes.IndexByte(line, '{')
		if start < 0 {
			break
		}
		line = line[start:]
		var e recorded
		if json.Unmarshal(line, &e) == nil && e.Message == "event" && e.Function != "" && len(e.Event) > 0 {
			return e, true
		}
		var exported map[string]any
		if outer && json.Unmarshal(line, &exported) == nil {
			for _, name := range []string{"message", "content", "log"} {
				text, _ := exported[name].(string)
				if e, ok := parse([]byte(text), false); ok {
					return e, true
				}
			}
			break
		}
		line = line[1:]
	}
	return recorded{}, false
}
