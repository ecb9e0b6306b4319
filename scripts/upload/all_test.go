package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/client/clienttest"
)

// allOf uploads files as a run of the program does, but never waits.
func (f *fake) allOf(ctx context.Context, files found, parallel int) (status int, stdout, stderr string) {
	f.t.Helper()
	var out, said bytes.Buffer
	transport := client.NewTransport(parallel)
	defer transport.CloseIdleConnections()
	u := &uploader{
		client: &client.Client{
			Endpoint: f.URL, Token: clienttest.Token, HTTP: client.NewHTTP(transport), Timeout: 20 * time.Second, Parallel: parallel,
			Retry: client.Retry{Tries: 2, Timer: new(clienttest.Pauses).Timer},
		},
		multipartFrom: 150 << 10,
		slots:         make(slots, parallel),
		screen:        newScreen(&said, lines, nil, time.Now),
	}
	status = u.all(ctx, files, &out)
	return status, out.String(), said.String()
}

func TestFilesGoTogether(t *testing.T) {
	const files = 4
	var met sync.WaitGroup
	met.Add(files)
	// No PUT is answered before all of them have begun.
	together := step{Status: 203, Before: func() { met.Done(); met.Wait() }}
	f := newFake(t, map[string][]step{"put": {together, together, together, together}, "confirm": {
		{Status: 200, Body: `{"key":"x","eventId":"e"}`}, {Status: 200, Body: `{"key":"x","eventId":"e"}`},
		{Status: 200, Body: `{"key":"x","eventId":"e"}`}, {Status: 200, Body: `{"key":"x","eventId":"e"}`}}})
	root := tree(t, "a", "b", "c", "d")
	status, _, said := f.allOf(t.Context(), find([]string{root}, false), files)
	if status != statusFailed || f.Count("put") != files || !strings.Contains(said, "0 of 4 files uploaded") {
		t.Errorf("status %d, requests %q\n%s", status, f.Log(), said)
	}
}

func TestSlots(t *testing.T) {
	s := make(slots, 2)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	first, err := s.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.take(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a third of two slots = %v, want to wait until the end", err)
	}
	first()
	if _, err := s.take(t.Context()); err != nil {
		t.Errorf("a slot that was given back = %v", err)
	}
}

// No more bodies are on their way than -parallel says, those of parts included.
func TestParallelBoundsBodies(t *testing.T) {
	const parallel = 2
	var (
		now  atomic.Int32
		some atomic.Int32
		met  sync.WaitGroup
	)
	met.Add(parallel)
	watch := func() {
		if n := now.Add(1); n > parallel {
			t.Errorf("%d bodies are on their way at once, want %d", n, parallel)
		}
		if some.Add(1) <= parallel { // the first ones meet
			met.Done()
			met.Wait()
		}
		now.Add(-1)
	}
	// The parts of all uploads have the same names here; their answers do not matter.
	steps := map[string][]step{}
	for n := range 5 {
		for range 3 {
			op := fmt.Sprintf("part %d", n+1)
			steps[op] = append(steps[op], step{Status: 200, Header: map[string]string{"ETag": `"x"`}, Before: watch})
		}
	}
	f := newFake(t, steps)
	var files found
	for range 3 {
		path, _ := testFile(t, fileSize)
		files.items = append(files.items, item{name: path, size: fileSize})
	}
	f.allOf(t.Context(), files, parallel)
	if some.Load() != 15 {
		t.Errorf("%d parts were sent, want 15", some.Load())
	}
}

func TestSummaryAndStatus(t *testing.T) {
	root := tree(t, "a.jpg", "2026/b.jpg", ".hidden")
	files := find([]string{filepath.Join(root, "a.jpg")}, false)

	f := newFake(t, nil)
	status, stdout, said := f.allOf(t.Context(), files, 1)
	if status != statusDone || !json.Valid([]byte(stdout)) || !strings.Contains(said, "1 of 1 files uploaded, 5 B sent in ") {
		t.Errorf("status %d, %s\n%s", status, stdout, said)
	}

	// One of two fails: 1, and its name and what to do at the end.
	f = newFake(t, map[string][]step{"presign": {clienttest.Code(401, "unauthenticated", "")}})
	status, stdout, said = f.allOf(t.Context(), find([]string{root}, false), 1)
	last := said[strings.LastIndex(strings.TrimSuffix(said, "\n"), "\n")+1:]
	if status != statusFailed || strings.Count(stdout, "\n") != 1 || last != "upload: 1 of 2 files have no receipt: "+filepath.Join(root, "2026", "b.jpg")+"\n" {
		t.Errorf("status %d, %s, last line %q", status, stdout, last)
	}
	if !strings.Contains(said, "1 of 2 files uploaded, 5 B sent in ") || !strings.Contains(said, "; left out: 1 hidden") || !strings.Contains(said, "upload: what to do: get a new token") {
		t.Errorf("said\n%s", said)
	}
}

// What is wrong with all files is explained once, and no list is endless.
func TestManyFailuresFitAScreen(t *testing.T) {
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("%02d.jpg", i))
	}
	root := tree(t, names...)
	steps := map[string][]step{}
	for range 30 {
		steps["presign"] = append(steps["presign"], clienttest.Code(403, "forbidden", ""))
	}
	f := newFake(t, steps)
	status, _, said := f.allOf(t.Context(), find([]string{root}, false), 4)
	if status != statusFailed || strings.Count(said, "what to do") != 1 || !strings.HasSuffix(said, " and 20 more\n") {
		t.Errorf("status %d\n%s", status, said)
	}
}

// After an interruption nothing new is begun, and the end is told.
func TestInterruptionEndsAllFiles(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := tree(t, "a", "b", "c", "d")
	f := newFake(t, map[string][]step{"put": {{Before: cancel, Drop: true}}})
	status, stdout, said := f.allOf(ctx, find([]string{root}, false), 1)
	if status != statusFailed || stdout != "" || f.Count("put") != 1 || f.Count("presign") != 1 {
		t.Errorf("status %d, requests %q", status, f.Log())
	}
	if !strings.Contains(said, "0 of 4 files uploaded") || strings.Count(said, "upload: "+root) != 1 {
		t.Errorf("said\n%s", said)
	}
}

func TestAFileOfAFolderKeepsItsPlace(t *testing.T) {
	w := wish{vars: map[string]string{"album": "1"}}
	if got := w.at("photos/a.jpg"); got.vars["path"] != "photos/a.jpg" || got.vars["album"] != "1" || len(w.vars) != 1 {
		t.Errorf("at() = %v, and the wish of others %v", got.vars, w.vars)
	}
	if got := (wish{}).at("photos/a.jpg"); got.vars["path"] != "photos/a.jpg" {
		t.Errorf("at() = %v", got.vars)
	}
	if got := w.at(""); len(got.vars) != 1 {
		t.Errorf("at() of what has no place = %v", got.vars)
	}

	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	if status := run(t.Context(), []string{"-vars", "path=x", tree(t, "a")}, none, nil, new(bytes.Buffer), stderr); status != statusUsage {
		t.Errorf("with a path of one's own the status is %d, want %d", status, statusUsage)
	}
}
