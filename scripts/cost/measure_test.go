package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
)

var measure = flag.Bool("measure", false, "measure the CPU of the functions, and write it into the file of durations")

// TestMeasure writes what is measured into the file of durations. The functions
// run as processes, as they do behind the runtime, and the system says what CPU a
// process had, so that OSS, STS and the receiver are not in it. Nor is TLS: the
// stack speaks plain http.
func TestMeasure(t *testing.T) {
	if !*measure {
		t.Skip("go test ./scripts/cost -run TestMeasure -measure")
	}
	if runtime.GOOS != "linux" {
		t.Fatal("what CPU a process had is read from /proc, which Linux has")
	}
	got := map[string]float64{}
	maps.Copy(got, requests(t))
	maps.Copy(got, looks(t))
	if err := writeMeasured("durations.json", got); err != nil {
		t.Fatal(err)
	}
}

// writeMeasured replaces the measured values, and leaves the assumed ones.
func writeMeasured(path string, got map[string]float64) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Measured map[string]float64 `json:"measured"`
		Assumed  json.RawMessage    `json:"assumed"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	for name := range file.Measured {
		if got[name] == 0 {
			return fmt.Errorf("%q was not measured", name)
		}
		got[name] = math.Round(got[name]*100) / 100
	}
	file.Measured = got
	if text, err = json.MarshalIndent(file, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// many is how often each is done, so that what a process does besides is little of
// it.
const many = 400

// lab is a stack whose functions are watched.
type lab struct {
	*stack.Stack
	client *client.Client
}

func newLab(t *testing.T, o stack.Options) lab {
	t.Helper()
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &client.Client{
		Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken, HTTP: &http.Client{Transport: client.NewTransport(1)},
		Retry: client.Retry{Tries: 1},
	}
	return lab{s, c}
}

// cpu is what a function's process has had of all cores so far, in milliseconds.
func (l lab) cpu(t *testing.T, function string) float64 {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", l.Functions[function].Pid()))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("%s has no process: %v", function, err)
	}
	sum := 0.0
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ran, _, _ := strings.Cut(string(text), " ") // nanoseconds
		ns, err := strconv.ParseFloat(ran, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += ns / 1e6
	}
	return sum
}

// each is the CPU of a function for one of what is done so often.
func (l lab) each(t *testing.T, function string, times int, do func()) float64 {
	t.Helper()
	before := l.cpu(t, function)
	for range times {
		do()
	}
	return (l.cpu(t, function) - before) / float64(times)
}

func (l lab) put(t *testing.T) client.Receipt {
	t.Helper()
	r, err := l.client.Put(t.Context(), client.PresignRequest{Filename: "a.png", ContentType: "image/png"}, client.Bytes([]byte("content")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// requests measures what clients and OSS ask for, the first time and often.
func requests(t *testing.T) map[string]float64 {
	l := newLab(t, stack.Options{NoTrigger: true})
	last := l.put(t)
	confirm := func() {
		if _, err := l.client.ConfirmKey(t.Context(), last.Key); err != nil {
			t.Fatal(err)
		}
	}
	confirm()
	got := map[string]float64{
		"presignFirst": l.cpu(t, "presign"), "callbackFirst": l.cpu(t, "callback"), "completeFirst": l.cpu(t, "complete"),
	}
	size := int64(7)
	got["presign"] = l.each(t, "presign", many, func() {
		if _, err := l.client.Presign(t.Context(), client.PresignRequest{Filename: "a.png", ContentType: "image/png", Size: &size}); err != nil {
			t.Fatal(err)
		}
	})
	got["callback"] = l.each(t, "callback", many, func() { last = l.put(t) })
	got["confirm"] = l.each(t, "complete", many, confirm)
	maps.Copy(got, l.multipart(t))
	got["event"] = l.queued(t)
	return got
}

// multipart measures uploads of ten parts, and what a URL more costs.
func (l lab) multipart(t *testing.T) map[string]float64 {
	const parts, partSize, uploads = 10, 102400, 60
	var all []client.Multipart
	got := map[string]float64{}
	got["create"] = l.each(t, "complete", uploads, func() {
		size := int64(parts * partSize)
		m, err := l.client.CreateMultipart(t.Context(), client.CreateRequest{Filename: "a.png", Type: "image/png", Size: &size, PartSize: partSize})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	})
	numbers := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	urls := make([]client.PartURLs, 0, uploads)
	got["urls"] = l.each(t, "complete", uploads, func() {
		u, err := l.client.PartURLs(t.Context(), all[len(urls)].UploadID, numbers)
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, u)
	})
	content := bytes.Repeat([]byte{'x'}, partSize)
	for _, u := range urls {
		for _, url := range u.URLs {
			if a, err := l.client.Send(t.Context(), http.MethodPut, url, nil, client.Bytes(content)); err != nil || a.Status != http.StatusOK {
				t.Fatalf("sending a part: %v, %v", a, err)
			}
		}
	}
	next := 0
	got["complete"] = l.each(t, "complete", uploads, func() {
		var r client.Receipt
		err := l.client.Call(t.Context(), "completing", http.MethodPost, "/s3/multipart/"+all[next].UploadID+"/complete", map[string]any{}, &r)
		if err != nil {
			t.Fatal(err)
		}
		next++
	})
	return got
}

// queued measures what the queue's worker has for one event that waits.
func (l lab) queued(t *testing.T) float64 {
	if err := l.Faults.Set(fault.Fault{Target: "webhook", Operation: "*", Mode: fault.InternalError, Count: 3 * many}); err != nil {
		t.Fatal(err)
	}
	for range many {
		l.put(t)
	}
	l.timer(t, `{"do":"deliver"}`) // its first is dearer
	before := l.cpu(t, "repair")
	l.timer(t, `{"do":"deliver","aheadSeconds":120}`)
	return (l.cpu(t, "repair") - before) / many
}

func (l lab) timer(t *testing.T, payload string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.Ready.Gateway+"/_local/timer", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	res, err := l.client.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the timer answered %d %s, %v", res.StatusCode, text, err)
	}
}

// looks measures what the trigger's looks cost, at objects that are announced, and
// what an object costs that is looked at again later.
func looks(t *testing.T) map[string]float64 {
	l := newLab(t, stack.Options{})
	l.put(t)
	drain(t, l)
	look := l.each(t, "repair", 1, func() {
		for range many {
			l.put(t)
		}
		drain(t, l)
	}) / many
	// Those of which it was faster than the callback wait to be looked at again.
	l.timer(t, `{"do":"deliver","aheadSeconds":120}`)
	return map[string]float64{"look": look}
}

func drain(t *testing.T, l lab) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Triggered.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}
