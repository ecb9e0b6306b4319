package sweep_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// plain is a bucket of n announced uploads of so many subjects, in the order of
// their keys, which are made when they are listed.
type plain struct {
	n, subjects int
	calls       map[string]int
	cursor      []byte
}

func (p *plain) key(i int) string {
	each := p.n / p.subjects
	// Version and variant of a UUID, and a date that fits no id: what a sweep asks
	// of a key is that it could be ours.
	return fmt.Sprintf("%suser%06d/2026/11/019a9f3c-0000-7000-8000-%012x.png", prefix, i/each, i%each)
}

func (p *plain) listed(i int) storage.Listed {
	return storage.Listed{Key: p.key(i), ETag: "5D41402ABC4B2A76B9719D911017C592", Size: 5, LastModified: now.Add(-hour)}
}

func (p *plain) marker(i int) string {
	o := p.listed(i)
	return grant.Marker(prefix, o.Key, o.ETag, o.Size, o.LastModified)
}

// find is the first object whose name is behind after.
func (p *plain) find(after string, name func(int) string) int {
	low, high := 0, p.n
	for low < high {
		if middle := (low + high) / 2; name(middle) <= after {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

func (p *plain) List(_ context.Context, from, after string, n int) (page storage.Page, err error) {
	call, name := "objects", p.key
	if strings.HasPrefix(from, grant.AnnouncedPrefix(prefix)) {
		call, name = "markers", p.marker
	}
	p.calls[call]++
	first := p.find(after, name)
	page.Objects = make([]storage.Listed, 0, min(n, p.n-first))
	for i := first; i < min(first+n, p.n); i++ {
		o := p.listed(i)
		o.Key = name(i)
		page.Objects = append(page.Objects, o)
	}
	page.More = first+n < p.n
	return page, nil
}

func (p *plain) ListUploads(context.Context, string, storage.Unfinished, int) (storage.UnfinishedPage, error) {
	p.calls["uploads"]++
	return storage.UnfinishedPage{}, nil
}

func (p *plain) Get(context.Context, string, int64) ([]byte, error) {
	p.calls["other"]++
	if p.cursor == nil {
		return nil, storage.ErrNotFound
	}
	return p.cursor, nil
}

func (p *plain) Put(_ context.Context, _ string, content []byte) error {
	p.calls["other"]++
	p.cursor = content
	return nil
}

func (p *plain) Head(context.Context, string) (storage.Object, error) {
	p.calls["other"]++
	return storage.Object{}, storage.ErrDenied
}
func (p *plain) Delete(context.Context, string) error        { return storage.ErrDenied }
func (p *plain) Abort(context.Context, string, string) error { return storage.ErrDenied }

type noQueue struct{}

func (noQueue) Put(context.Context, outbox.Entry) error { return storage.ErrDenied }

// A round over a million objects, in runs of the default size. The table in the
// package comment has the requests; time and memory depend on the machine and are
// logged.
func TestRound(t *testing.T) {
	const n = 1_000_000
	if testing.Short() {
		t.Skip("a million objects take half a minute")
	}
	var table strings.Builder
	for _, subjects := range []int{1, 1_000, 100_000} {
		p := &plain{n: n, subjects: subjects, calls: map[string]int{}}
		confirmer, err := confirm.New(confirm.Config{
			Storage: p, Queue: noQueue{}, Keyring: keyring(t, "k", "s", uploadtoken.Place{Bucket: bucketName, Prefix: prefix}),
			Bucket: bucketName, Prefix: prefix, Location: func(string) string { return "" }, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &sweep.Sweeper{Prefix: prefix, Storage: p, Confirmer: confirmer, Now: func() time.Time { return now }}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start, runs, known := time.Now(), 0, 0
		for finished := false; !finished; runs++ {
			summary, err := s.Run(t.Context(), sweep.Defaults())
			if err != nil || summary.Failed+summary.Announced > 0 || runs > 10 {
				t.Fatalf("run %d = %+v, %v", runs, summary, err)
			}
			known += summary.Known
			finished = summary.Finished
		}
		took := time.Since(start)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if known != n {
			t.Errorf("of %d subjects %d objects were known, want %d", subjects, known, n)
		}
		fmt.Fprintf(&table, "//\t%-9d  %-8d  %-4d  %-16d  %-10d  %-10d  %d\n", n, subjects, runs, p.calls["objects"], p.calls["markers"], p.calls["uploads"], p.calls["other"])
		t.Logf("%d objects of %d subjects: %d runs, %v, %d KiB kept, %d MiB allocated in all", n, subjects, runs, took.Round(time.Millisecond),
			(int64(after.HeapAlloc)-int64(before.HeapAlloc))>>10, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
	text, err := os.ReadFile("sweep.go")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), roundTable)
	_, rest, ended := strings.Cut(rest, "//\n// # Why")
	if !ok || !ended {
		t.Fatal("the package comment has no table of a round")
	}
	want := head + roundTable + table.String() + "//\n// # Why" + rest
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("the package comment's table is not this; run with -update to write it:\n%s", &table)
	}
	if err := os.WriteFile("sweep.go", []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

var update = flag.Bool("update", false, "write the table of the package comment anew")

const roundTable = "//\tobjects    subjects  runs  lists of objects  of markers  of uploads  other\n"
