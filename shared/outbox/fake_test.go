package outbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

var (
	_ outbox.Storage = (*storage.Client)(nil)
	_ outbox.Sealer  = (*uploadtoken.Keyring)(nil)
)

// fault is what happens to one call.
type fault int

const (
	none       fault = iota
	failBefore       // an error, and nothing was done
	failAfter        // an error, though it was done
	endBefore        // the process ends, and nothing was done
	endAfter         // the process ends when it was done
)

var (
	errFault = errors.New("planted fault")
	errEnded = errors.New("the process has ended")
)

// bucket is OSS in memory. It fails the test if it is asked for what OSS refuses.
type bucket struct {
	t       testing.TB
	now     func() time.Time
	latency func(op, key string) time.Duration // nil: none
	fault   func(op, key string) fault         // nil: none

	mu      sync.Mutex
	objects map[string]object
	calls   []string
	ended   bool
}

type object struct {
	content []byte
	stored  time.Time
}

func newBucket(t testing.TB, now func() time.Time) *bucket {
	return &bucket{t: t, now: now, objects: make(map[string]object)}
}

// do makes one call, to the storage or to a receiver, with the faults that were
// planted.
func (b *bucket) do(ctx context.Context, op, key string, act func() error) error {
	if b.latency != nil {
		select {
		case <-time.After(b.latency(op, key)):
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return &storage.Error{Op: op, Reason: storage.ErrTimeout}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return errEnded
	}
	b.calls = append(b.calls, op+" "+key)
	f := none
	if b.fault != nil {
		f = b.fault(op, key)
	}
	if f == failBefore {
		return errFault
	}
	b.ended = f == endBefore || f == endAfter
	if f == endBefore {
		return errEnded
	}
	err := act()
	if f == failAfter {
		return errFault
	}
	if f == endAfter {
		return errEnded
	}
	return err
}

func (b *bucket) checkKey(key string) {
	if key == "" || len(key) > 1023 || key[0] == '/' || !utf8.ValidString(key) {
		b.t.Errorf("%q is not a key", key)
	}
}

func (b *bucket) List(ctx context.Context, prefix, after string, n int) (page storage.Page, err error) {
	if n < 1 || n > storage.PageSize {
		b.t.Errorf("List of %d objects, want 1 to %d", n, storage.PageSize)
	}
	err = b.do(ctx, "List", prefix, func() error {
		for _, key := range slices.Sorted(maps.Keys(b.objects)) {
			if !strings.HasPrefix(key, prefix) || key <= after {
				continue
			}
			if len(page.Objects) == n {
				page.More = true
				break
			}
			page.Objects = append(page.Objects, storage.Listed{Key: key, Size: int64(len(b.objects[key].content)), LastModified: b.objects[key].stored})
		}
		return nil
	})
	return page, err
}

func (b *bucket) Get(ctx context.Context, key string, limit int64) (content []byte, err error) {
	b.checkKey(key)
	err = b.do(ctx, "Get", key, func() error {
		o, ok := b.objects[key]
		switch {
		case !ok:
			return &storage.Error{Op: "GetObject", Reason: storage.ErrNotFound, Status: 404}
		case int64(len(o.content)) > limit:
			return &storage.Error{Op: "GetObject", Reason: storage.ErrTooLarge}
		}
		content = bytes.Clone(o.content)
		return nil
	})
	return content, err
}

func (b *bucket) Put(ctx context.Context, key string, content []byte) error {
	b.checkKey(key)
	return b.do(ctx, "Put", key, func() error {
		b.objects[key] = object{bytes.Clone(content), b.now()}
		return nil
	})
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	b.checkKey(key)
	return b.do(ctx, "Delete", key, func() error {
		delete(b.objects, key)
		return nil
	})
}

// names returns the objects below the root that begin with prefix.
func (b *bucket) names(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if name, ok := strings.CutPrefix(key, root+prefix); ok {
			names = append(names, prefix+name)
		}
	}
	return names
}

// set and content go around faults and latency.
func (b *bucket) set(name, content string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[root+name] = object{[]byte(content), b.now()}
}

func (b *bucket) content(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.objects[root+name].content)
}

// receiver is what entries wait for: it marks what it took, as a worker has to.
type receiver struct {
	*bucket
	answer func(ctx context.Context, e outbox.Entry) error // nil: it takes everything

	mu     sync.Mutex
	tries  map[string]int
	took   map[string]int
	at     map[string]time.Time // when it first took it
	bodies map[string]string
}

func newReceiver(b *bucket) *receiver {
	return &receiver{bucket: b, tries: map[string]int{}, took: map[string]int{}, at: map[string]time.Time{}, bodies: map[string]string{}}
}

func marker(id string) string { return "_announced/" + id }

func (r *receiver) Do(ctx context.Context, e outbox.Entry) error {
	if mark, err := r.Get(ctx, root+marker(e.ID), 64); err == nil && string(mark) == "taken" {
		return nil
	} else if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	r.mu.Lock()
	r.tries[e.ID]++
	r.mu.Unlock()
	if r.answer != nil {
		if err := r.answer(ctx, e); err != nil {
			return err
		}
	}
	err := r.do(ctx, "deliver", e.ID, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.took[e.ID]++; r.took[e.ID] == 1 {
			r.at[e.ID] = r.now()
		}
		r.bodies[e.ID] = string(e.Body)
		return nil
	})
	if err != nil {
		return err
	}
	return r.Put(ctx, root+marker(e.ID), []byte("taken"))
}

func (r *receiver) Bury(ctx context.Context, e outbox.Entry) error {
	return r.Put(ctx, root+marker(e.ID), []byte("dead"))
}

func (r *receiver) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := 0
	for _, n := range r.took {
		sum += n
	}
	return sum
}

const root = "_ossupload/uploads/"

var place = uploadtoken.Place{Bucket: "examplebucket", Prefix: "uploads/"}

// clock is moved by the test.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// start is when the objects of most tests were stored.
var start = time.Unix(1_800_000_000, 0).UTC()

// world is a queue with all around it.
type world struct {
	*outbox.Queue
	clock    *clock // nil: time.Now
	bucket   *bucket
	receiver *receiver
	logged   *bytes.Buffer
	log      *slog.Logger
}

func newWorld(t testing.TB, now func() time.Time) *world {
	t.Helper()
	w := &world{bucket: newBucket(t, now), logged: new(bytes.Buffer)}
	w.log = slog.New(slog.NewTextHandler(w.logged, nil))
	w.receiver = newReceiver(w.bucket)
	w.Queue = w.instance(t, place)
	return w
}

// stopped is a world whose clock the test moves.
func stopped(t testing.TB) *world {
	t.Helper()
	c := &clock{start}
	w := newWorld(t, c.now)
	w.clock = c
	return w
}

// instance is another queue on the same bucket, or one that seals for elsewhere.
func (w *world) instance(t testing.TB, p uploadtoken.Place) *outbox.Queue {
	t.Helper()
	keys, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys:  []uploadtoken.Key{{ID: "k1", Secret: bytes.Repeat([]byte{'a'}, 32)}},
		Place: p, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	q, err := outbox.New(outbox.Config{
		Storage: w.bucket, Sealer: keys, Root: root, RetryFor: 72 * time.Hour, Now: w.bucket.now, Log: w.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func (w *world) put(t testing.TB, e outbox.Entry) {
	t.Helper()
	if err := w.Put(t.Context(), e); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

// run runs once, without a deadline, and wants it to finish.
func (w *world) run(t testing.TB) outbox.Summary {
	t.Helper()
	s, err := w.Run(t.Context(), 0, w.receiver)
	if err != nil || !s.Finished || s.Due != s.Done+s.PutOff+s.Buried+s.Unreadable+s.Gone+s.Failed+s.Left {
		t.Fatalf("Run = %+v, %v, want it to finish", s, err)
	}
	return s
}

func dead(t testing.TB, q *outbox.Queue) []outbox.Listed {
	t.Helper()
	return collect(t, q.Dead(t.Context()))
}

func collect(t testing.TB, all iter.Seq2[outbox.Listed, error]) []outbox.Listed {
	t.Helper()
	var listed []outbox.Listed
	for l, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, l)
	}
	return listed
}

func event(n int, stored time.Time) outbox.Entry {
	id := fmt.Sprintf("evt_%032x", n)
	return outbox.Entry{
		Kind: outbox.Event, ID: id, Key: "uploads/alice/" + id, Marker: marker(id), Type: "upload.completed",
		Body: fmt.Appendf(nil, `{"type": "upload.completed", "n": %d, "q":"<&>\u2028"}`, n), Stored: stored,
	}
}
