package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"ossupload/scripts/internal/client"
)

// results are what has become of all files. It is safe for concurrent use.
type results struct {
	screen *screen
	stdout io.Writer
	advise adviser

	mu       sync.Mutex
	uploaded int
	failed   []string
	advised  map[string]bool
}

// all uploads what was found, several files at once. One that fails does not
// keep the others from being tried; an interruption does. It returns the
// program's status.
func (u *uploader) all(ctx context.Context, f found, stdout io.Writer) (status int) {
	began := u.screen.now()
	u.screen.expect(len(f.items), f.size())
	r := &results{
		screen: u.screen, stdout: stdout, advised: make(map[string]bool),
		advise: adviser{endpoint: u.client.Endpoint, token: u.client.Token != "", resumes: u.states.enabled()},
	}
	var group errgroup.Group
	group.SetLimit(max(1, u.client.Parallel))
	for _, i := range f.items {
		group.Go(func() error {
			receipt, err := json.RawMessage(nil), context.Cause(ctx)
			interrupted := err != nil // before it began
			if err == nil {
				receipt, err = u.upload(ctx, i)
			}
			r.tell(i, receipt, err, interrupted)
			return nil
		})
	}
	_ = group.Wait() // the results have the errors
	return r.sum(f, u.screen.now().Sub(began))
}

// tell prints the receipt of a file, or its error and what to do about it. Of
// files that were not begun the last line tells.
func (r *results) tell(i item, receipt json.RawMessage, err error, interrupted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		_, err = fmt.Fprintf(r.stdout, "%s\n", receipt)
	}
	if err == nil {
		r.uploaded++
		return
	}
	name := client.Clean(i.name)
	r.failed = append(r.failed, name)
	if interrupted {
		return
	}
	r.screen.say("upload: %s: %v", name, err)
	// What is wrong with one file is wrong with many, as a rule.
	if advice := r.advise.about(err); advice != "" && !r.advised[advice] {
		r.advised[advice] = true
		r.screen.say("upload: what to do: %s", advice)
	}
}

// sum prints what has become of all files, and returns the program's status.
func (r *results) sum(f found, took time.Duration) (status int) {
	if r.screen.display != quiet {
		sent, rate := r.screen.sent(), ""
		if seconds := took.Seconds(); seconds > 0.1 && sent > 0 {
			rate = fmt.Sprintf(", %.1f MB/s", float64(sent)/seconds/1e6)
		}
		left := ""
		if text := f.leftOut(); text != "" {
			left = "; left out: " + text
		}
		r.screen.say("%d of %d files uploaded, %s sent in %v%s%s", r.uploaded, len(f.items), decimal(sent), took.Round(10*time.Millisecond), rate, left)
	}
	if len(r.failed) == 0 {
		return statusDone
	}
	const most = 10 // names that anybody reads
	names, more := r.failed, ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(names)-most)
	}
	r.screen.say("upload: %d of %d files have no receipt: %s%s", len(r.failed), len(f.items), strings.Join(names, ", "), more)
	return statusFailed
}
