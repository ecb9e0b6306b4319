package stack

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"sync"
)

// lockedWriter lets several writers share one.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// functionOutput passes on what a function prints. Its own log is JSON and
// stays as it is; other lines, such as those of a panic, become JSON too. The
// runtime SDK's two lines for each invocation are left out. It is written
// whole lines.
type functionOutput struct {
	to  io.Writer
	log *slog.Logger
}

func (o functionOutput) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		text := bytes.TrimSpace(line)
		switch {
		case len(text) == 0, bytes.HasPrefix(text, []byte("FC Invoke ")):
		case text[0] == '{' && json.Valid(text):
			if _, err := o.to.Write(append(slices.Clip(text), '\n')); err != nil {
				return 0, err
			}
		default:
			o.log.Info("function printed", "line", string(text))
		}
	}
	return len(p), nil
}
