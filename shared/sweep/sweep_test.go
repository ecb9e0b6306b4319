package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

func deleting(o *sweep.Options) { o.Delete = true }

func TestRun(t *testing.T) {
	w := newWorld(t)
	k := w.everyKind()
	announced := slices.Concat(k.lost, k.overwritten)

	listed := len(w.objects)
	summary, err := w.run(nil)
	want := sweep.Summary{
		Finished: true, Objects: listed, Foreign: 6, Old: 3, Young: 3, Known: 3, NoGrant: 3,
		Announced: 5, Refused: 4, Uploads: 7, Aborted: 2,
	}
	if err != nil || summary != want {
		t.Errorf("Run = %+v, %v, want %+v", summary, err, want)
	}
	w.wantAnnounced(t, 0, announced...)
	if len(w.deleted) != 0 || !slices.Equal(w.aborted, k.stale) {
		t.Errorf("deleted %q, aborted %q, want none and %q", w.deleted, w.aborted, k.stale)
	}

	summary, err = w.run(deleting)
	if err != nil || summary.Announced != 0 || summary.Known != 8 || summary.Deleted != 2 || summary.Refused != 2 || summary.Aborted != 0 {
		t.Errorf("the second Run = %+v, %v, want 8 known, 2 deleted and 2 refused", summary, err)
	}
	w.wantAnnounced(t, 0, announced...)
	slices.Sort(w.deleted)
	if want := slices.Sorted(slices.Values(k.bad)); !slices.Equal(w.deleted, want) {
		t.Errorf("deleted %q, want %q", w.deleted, want)
	}
	for _, key := range slices.Concat(k.lost, k.overwritten, k.known, k.young, k.old, k.refused, k.foreign, k.stranger) {
		if _, ok := w.objects[key]; !ok {
			t.Errorf("%s is gone", key)
		}
	}
	if len(w.uploads) != 5 {
		t.Errorf("uploads = %+v, want those that run and those that are not ours", w.uploads)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.everyKind()
	w.pageSize = 5
	before := w.snapshot()
	summary, err := w.run(func(o *sweep.Options) { o.DryRun, o.Delete = true, true })
	if err != nil || !summary.DryRun || !summary.Finished || summary.Announced != 5 || summary.Deleted != 2 || summary.Refused != 2 || summary.Aborted != 2 {
		t.Errorf("Run = %+v, %v, want what would be done", summary, err)
	}
	if summary, err := w.run(func(o *sweep.Options) { o.DryRun, o.MaxObjects = true, 3 }); err != nil || summary.Finished {
		t.Errorf("a bounded Run = %+v, %v, want it not to finish", summary, err)
	}
	if after := w.snapshot(); after != before {
		t.Errorf("a dry run changed\n%s to\n%s", before, after)
	}
	for _, action := range []string{`"action":"announce","dryRun":true`, `"action":"delete","dryRun":true`, `"action":"abort","dryRun":true`, `"action":"leave","dryRun":true`, `"reason":"object is not what was granted: its size is 6, granted was 5"`, `"reason":"object is not what was granted: it has a`} {
		if !strings.Contains(w.log.String(), action) {
			t.Errorf("the log has no %s:\n%s", action, &w.log)
		}
	}
}

// Each call of a run fails once, with or without having been done; then runs go
// on until all is done.
func TestResumesAfterAFaultAtAnyCall(t *testing.T) {
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("what failed was done: %v", done), func(t *testing.T) {
			for n := 1; ; n++ {
				w := newWorld(t)
				k := w.everyKind()
				w.pageSize = 3
				failed := ""
				w.fault = func(call int, name string) (error, bool) {
					if call == n {
						failed = name
						return storage.ErrUnavailable, done
					}
					return nil, false
				}
				for range 20 {
					w.run(func(o *sweep.Options) { o.Delete, o.MaxObjects = true, 7 })
				}
				if failed == "" {
					t.Fatalf("call %d was never made", n)
				}
				again := 0
				if failed == "Put marker" && !done || failed == "Notify" && done {
					again = 1
				}
				w.wantAnnounced(t, again, slices.Concat(k.lost, k.overwritten)...)
				slices.Sort(w.deleted)
				if got, want := slices.Compact(w.deleted), slices.Sorted(slices.Values(k.bad)); !slices.Equal(got, want) {
					t.Errorf("call %d, %s: deleted %q, want %q", n, failed, got, want)
				}
				slices.Sort(w.aborted)
				if got := slices.Compact(w.aborted); !slices.Equal(got, k.stale) {
					t.Errorf("call %d, %s: aborted %q, want %q", n, failed, got, k.stale)
				}
				if t.Failed() {
					t.Fatalf("call %d, %s", n, failed)
				}
				if n > 120 {
					return
				}
			}
		})
	}
}

func TestBoundedByObjects(t *testing.T) {
	w := newWorld(t)
	k := w.everyKind()
	runs, finished := 0, false
	for ; runs < 20 && !finished; runs++ {
		summary, err := w.run(func(o *sweep.Options) { o.MaxObjects = 4 })
		if err != nil || summary.Objects > 4 || summary.Uploads > 4 {
			t.Fatalf("Run = %+v, %v, want at most 4 objects and uploads", summary, err)
		}
		finished = summary.Finished
	}
	if runs < 5 {
		t.Errorf("all was done after %d runs", runs)
	}
	for range 20 {
		w.run(func(o *sweep.Options) { o.MaxObjects = 4 })
	}
	w.wantAnnounced(t, 0, slices.Concat(k.lost, k.overwritten)...)
	if !slices.Equal(w.aborted, k.stale) {
		t.Errorf("aborted %q, want %q", w.aborted, k.stale)
	}
}

// Each call takes a second, and a run has sixty.
func TestBoundedByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var keys []string
		for range 300 {
			keys = append(keys, w.store("alice", hour, nil))
		}
		w.everyKind()
		w.slow = func() { time.Sleep(time.Second) }
		aborted := 0
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			start, cursors := time.Now(), w.count("Put cursor")
			summary, err := w.sweeper().Run(ctx, sweep.Defaults())
			if err != nil || summary.Failed != 0 {
				t.Errorf("Run = %+v, %v, want no failures", summary, err)
			}
			if took := time.Since(start); took > 58*time.Second || ctx.Err() != nil {
				t.Errorf("Run took %v of a minute", took)
			}
			if !summary.Finished && w.count("Put cursor") == cursors {
				t.Error("it was not kept where the run stopped")
			}
			aborted += summary.Aborted
			cancel()
		}
		for _, key := range keys {
			// What the deadline interrupted behind the delivery comes again.
			if n := len(w.events[key]); n < 1 || n > 2 {
				t.Errorf("%s was announced %d times", key, n)
			}
		}
		if aborted != 2 {
			t.Errorf("%d uploads were aborted, want 2", aborted)
		}

		w.slow = nil
		over, cancel := context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		before := w.snapshot()
		if summary, _ := w.sweeper().Run(over, sweep.Defaults()); summary.Finished || w.snapshot() != before {
			t.Errorf("Run without time = %+v", summary)
		}
	})
}

// Of a hundred seconds a tenth is the caller's; of the rest a quarter is left to
// uploads, however many objects there are.
func TestTimeIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pageSize = 1
		for i := range 200 {
			w.mark(w.store("alice", hour, nil))
			w.multipart(fmt.Sprint(i), 9*day)
		}
		start := time.Now()
		last := map[string]time.Duration{} // when a call of its kind was last made
		w.slow = func() { time.Sleep(500 * time.Millisecond) }
		w.fault = func(_ int, name string) (error, bool) { last[name] = time.Since(start); return nil, false }
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		if summary, err := w.sweeper().Run(ctx, sweep.Defaults()); err != nil || summary.Finished || summary.Failed > 0 {
			t.Errorf("Run = %+v, %v, want it not to finish, without failures", summary, err)
		}
		for _, tt := range []struct {
			call     string
			from, to time.Duration
		}{
			{"List objects", 66 * time.Second, 68 * time.Second}, // until 67.5
			{"Abort", 88 * time.Second, 91 * time.Second},        // until 90
			{"Put cursor", 90 * time.Second, 92 * time.Second},
		} {
			if at := last[tt.call]; at < tt.from || at > tt.to {
				t.Errorf("%s was last called after %v, want %v to %v", tt.call, at, tt.from, tt.to)
			}
		}
	})
}

// Eight objects at a time, and as much time as their rounds of calls take.
func TestWorksOnEightAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 100 {
			w.store("alice", hour, nil)
		}
		var running, most atomic.Int32
		w.slow = func() {
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); {
				old = most.Load()
			}
			time.Sleep(time.Second)
			running.Add(-1)
		}
		if summary, err := w.run(nil); err != nil || summary.Announced != 100 {
			t.Errorf("Run = %+v, %v, want 100 announced", summary, err)
		}
		if most.Load() != 8 {
			t.Errorf("at most %d calls were made at once, want 8", most.Load())
		}
	})
}

// What a run without options may do, in numbers: the package comment counts on it.
func TestDefaults(t *testing.T) {
	want := sweep.Options{MaxObjects: 100_000, MinAge: 15 * time.Minute, Grace: day}
	if got := sweep.Defaults(); got != want {
		t.Errorf("Defaults = %+v, want %+v", got, want)
	}
}

// What nobody takes is queued, and is the outbox's from then on.
func TestWebhookIsDown(t *testing.T) {
	w := newWorld(t)
	var keys []string
	for range 100 {
		keys = append(keys, w.store("alice", hour, nil))
	}
	w.refused = func(string) bool { return true }
	if summary, err := w.run(nil); err != nil || !summary.Finished || summary.Announced != 100 || summary.Failed != 0 {
		t.Errorf("Run = %+v, %v, want 100 announced", summary, err)
	}
	if len(w.queue) != 100 || len(w.events) != 0 {
		t.Errorf("%d events are queued and %d were delivered, want all queued", len(w.queue), len(w.events))
	}
	w.wantAnnounced(t, 0, keys...)
	w.refused = nil
	if summary, err := w.run(nil); err != nil || summary.Known != 100 || len(w.events) != 0 {
		t.Errorf("Run = %+v, %v, want it to leave what is queued alone", summary, err)
	}
}

// What can neither be delivered nor queued is tried again.
func TestNeitherDeliveredNorQueued(t *testing.T) {
	w := newWorld(t)
	var keys []string
	for range 20 {
		keys = append(keys, w.store("alice", hour, nil))
	}
	w.refused = func(string) bool { return true }
	w.fault = func(_ int, name string) (error, bool) {
		if name == "Queue" {
			return storage.ErrUnavailable, false
		}
		return nil, false
	}
	if summary, err := w.run(nil); err != nil || !summary.Finished || summary.Announced != 0 || summary.Failed != 20 || w.count("Put marker") != 0 {
		t.Errorf("Run = %+v, %v, want 20 failures", summary, err)
	}
	w.refused, w.fault = nil, nil
	if summary, err := w.run(nil); err != nil || summary.Announced != 20 || len(w.queue) != 0 {
		t.Errorf("Run = %+v, %v, want 20 announced", summary, err)
	}
	w.wantAnnounced(t, 0, keys...)
}

func TestOneEventThatIsRefusedHoldsNothingUp(t *testing.T) {
	w := newWorld(t)
	var keys []string
	for range 50 {
		keys = append(keys, w.store("alice", hour, nil))
	}
	bad := keys[7]
	w.refused = func(key string) bool { return key == bad }
	for range 3 {
		if summary, err := w.run(nil); err != nil || !summary.Finished || summary.Failed != 0 {
			t.Errorf("Run = %+v, %v, want no failure", summary, err)
		}
	}
	w.wantAnnounced(t, 0, keys...)
	if len(w.queue) != 1 || len(w.events[bad]) != 0 {
		t.Errorf("the queue is %+v, want the one event", w.queue)
	}
}

// Objects that fail, however many and wherever they stand, hold up nothing.
func TestMovesOnFromAPageThatFails(t *testing.T) {
	for failing := 1; failing <= 12; failing++ {
		for _, pageSize := range []int{1, failing, 1000} {
			t.Run(fmt.Sprint(failing, " failing, pages of ", pageSize), func(t *testing.T) {
				w := newWorld(t)
				var healthy []string
				for range failing {
					healthy = append(healthy, w.store("aaron", hour, nil), w.store("bob", hour, nil))
					w.store("alice", hour, nil)
				}
				w.pageSize = pageSize
				w.denied = func(key string) bool { return strings.HasPrefix(key, "u/alice/") }
				for range 2 {
					if summary, err := w.run(nil); err != nil || !summary.Finished || summary.Failed != failing {
						t.Errorf("Run = %+v, %v, want %d failures and the end", summary, err, failing)
					}
				}
				w.wantAnnounced(t, 0, healthy...)
			})
		}
	}
}

// Where the cursor cannot be written, markers cannot either: nothing is announced,
// or it would be in each run.
func TestEndsWhenItCannotMark(t *testing.T) {
	w := newWorld(t)
	w.everyKind()
	w.fault = func(_ int, name string) (error, bool) {
		if strings.HasPrefix(name, "Put") {
			return storage.ErrDenied, false
		}
		return nil, false
	}
	before := w.snapshot()
	for range 2 {
		if summary, err := w.run(deleting); !errors.Is(err, storage.ErrDenied) || summary != (sweep.Summary{}) {
			t.Errorf("Run = %+v, %v, want ErrDenied and nothing done", summary, err)
		}
	}
	if after := w.snapshot(); after != before {
		t.Errorf("it changed\n%s to\n%s", before, after)
	}
}

// An object may change between listing, HEAD and deletion.
func TestDeletesOnlyWhatItLookedAt(t *testing.T) {
	tests := []struct {
		name   string
		before string // the call before which it changes
		nth    int
		change func(w *world, key string)
	}{
		{"replaced after listing", "Head", 1, func(w *world, key string) { o := w.objects[key]; o.ETag = "NEW"; w.objects[key] = o }},
		{"replaced before the second look", "Head", 2, func(w *world, key string) { o := w.objects[key]; o.ETag = "NEW"; w.objects[key] = o }},
		{"another version before the second look", "Head", 2, func(w *world, key string) { o := w.objects[key]; o.VersionID = "v2"; w.objects[key] = o }},
		{"stored again before the second look", "Head", 2, func(w *world, key string) { o := w.objects[key]; o.LastModified = now; w.objects[key] = o }},
		{"put right before the second look", "Head", 2, func(w *world, key string) { o := w.objects[key]; o.Size = 5; w.objects[key] = o }},
		{"without its grant before the second look", "Head", 2, func(w *world, key string) { o := w.objects[key]; o.Metadata = nil; w.objects[key] = o }},
		{"gone after listing", "Head", 1, func(w *world, key string) { delete(w.objects, key) }},
		{"gone before the second look", "Head", 2, func(w *world, key string) { delete(w.objects, key) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			key := w.store("alice", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
			seen := 0
			w.fault = func(_ int, name string) (error, bool) {
				if name == tt.before {
					if seen++; seen == tt.nth {
						tt.change(w, key)
					}
				}
				return nil, false
			}
			if summary, err := w.run(deleting); err != nil || summary.Failed != 0 || summary.Deleted != 0 || w.count("Delete") != 0 {
				t.Errorf("Run = %+v, %v, deleted %q, want nothing and no failure", summary, err, w.deleted)
			}
			if seen < tt.nth {
				t.Errorf("%d calls of %s, want %d", seen, tt.before, tt.nth)
			}
		})
	}
}

// Without what lists, nothing is guessed: it may all have been announced.
func TestNothingIsAnnouncedWithoutItsMarkers(t *testing.T) {
	w := newWorld(t)
	w.everyKind()
	w.fault = func(_ int, name string) (error, bool) {
		if name == "List markers" {
			return storage.ErrDenied, false
		}
		return nil, false
	}
	if summary, err := w.run(deleting); !errors.Is(err, storage.ErrDenied) || summary.Announced != 0 || summary.Deleted != 0 || summary.Aborted != 2 {
		t.Errorf("Run = %+v, %v, want ErrDenied", summary, err)
	}
	w.wantAnnounced(t, 0)
}

func TestOptionsOutOfRange(t *testing.T) {
	for name, change := range map[string]func(*sweep.Options){
		"no objects":         func(o *sweep.Options) { o.MaxObjects = 0 },
		"a negative window":  func(o *sweep.Options) { o.LookBack = -1 },
		"a negative age":     func(o *sweep.Options) { o.MinAge = -1 },
		"a negative respite": func(o *sweep.Options) { o.Grace = -1 },
	} {
		w := newWorld(t)
		if _, err := w.run(change); err == nil || len(w.calls) > 0 {
			t.Errorf("%s: Run = %v after %d calls, want an error and none", name, err, len(w.calls))
		}
	}
}

// Counted from storing, however long before that it was granted.
func TestLooksBackFromStoring(t *testing.T) {
	for _, tt := range []struct{ lookBack, within time.Duration }{{0, 8 * day}, {2 * day, 2 * day}, {30 * day, 30 * day}} {
		for _, granted := range []time.Duration{0, 7 * day, 40 * day} {
			w := newWorld(t)
			stored := func(ago time.Duration) string {
				return w.store("alice", ago+granted, func(_ *uploadtoken.Claims, o *storage.Object) { o.LastModified = now.Add(-ago) })
			}
			seen := stored(tt.within)
			stored(tt.within + time.Second)
			if summary, err := w.run(func(o *sweep.Options) { o.LookBack = tt.lookBack }); err != nil || summary.Announced != 1 || summary.Old != 1 {
				t.Errorf("Run with a window of %v = %+v, %v, want one within %v", tt.lookBack, summary, err, tt.within)
			}
			w.wantAnnounced(t, 0, seen)
		}
	}
}

// The numbers of the package comment.
func TestRequests(t *testing.T) {
	const n = 3 * storage.PageSize
	tests := []struct {
		name    string
		arrange func(w *world, i int)
		want    map[string]int
	}{
		{"all are announced", func(w *world, i int) { w.mark(w.store(fmt.Sprint("user", i%7), hour, nil)) },
			map[string]int{"List objects": 3, "List markers": 3}},
		{"one of a hundred was lost", func(w *world, i int) {
			if key := w.store(fmt.Sprint("user", i%7), hour, nil); i%100 > 0 {
				w.mark(key)
			}
		}, map[string]int{"List objects": 3, "List markers": 3, "Head": n / 100, "Notify": n / 100, "Put marker": n / 100}},
		{"what is old has its marker not looked for", func(w *world, i int) {
			w.mark(w.store(fmt.Sprint("user", i%2), 30*day+time.Duration(i)*hour, nil))
		}, map[string]int{"List objects": 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for i := range n {
				tt.arrange(w, i)
			}
			if summary, err := w.run(nil); err != nil || !summary.Finished {
				t.Fatalf("Run = %+v, %v", summary, err)
			}
			tt.want["Get cursor"], tt.want["Put cursor"], tt.want["List uploads"] = 1, 2, 1
			got := map[string]int{}
			for _, call := range w.calls {
				got[call]++
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("calls = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTwoRunsAtOnce(t *testing.T) {
	w := newWorld(t)
	k := w.everyKind()
	done := make(chan error)
	for range 2 {
		s := w.sweeper()
		go func() { _, err := s.Run(t.Context(), sweep.Defaults()); done <- err }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
	announced := slices.Concat(k.lost, k.overwritten)
	w.wantAnnounced(t, len(announced), announced...)
}
