package outbox_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/outbox"
)

// runEachMinute is the timer: one run a minute, of at most a minute, as long as
// more reports that there is something to wait for.
func (w *world) runEachMinute(t *testing.T, q *outbox.Queue, more func() bool) {
	t.Helper()
	for more() {
		next := time.Now().Truncate(time.Minute).Add(time.Minute)
		time.Sleep(time.Until(next))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := q.Run(ctx, 0, w.receiver); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(next); took > 54*time.Second {
			t.Errorf("a run of a minute took %v, want a tenth left to its caller", took)
		}
		cancel()
	}
}

func (w *world) untilEmpty() bool { return len(w.bucket.names("_pending/")) > 0 }

func TestReceiverThatIsDown(t *testing.T) {
	for _, tt := range []struct {
		down time.Duration
		dead bool
	}{
		{70 * time.Hour, false},
		{80 * time.Hour, true},
	} {
		t.Run(tt.down.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events = 20
				w := newWorld(t, time.Now)
				begin := time.Now()
				w.receiver.answer = func(context.Context, outbox.Entry) error {
					if time.Since(begin) < tt.down {
						return errDown
					}
					return nil
				}
				for n := range events {
					w.put(t, event(n, begin.Add(time.Duration(n)*time.Second)))
				}
				w.runEachMinute(t, w.Queue, w.untilEmpty)
				if gone := time.Since(begin); gone < 70*time.Hour || gone > 74*time.Hour {
					t.Errorf("the last left the queue after %v", gone)
				}
				for id, n := range w.receiver.tries {
					if n < 70 || n > 81 {
						t.Errorf("%s was tried %d times in three days", id, n)
					}
				}
				listed := dead(t, w.Queue)
				if errorLines := strings.Count(w.logged.String(), "level=ERROR"); errorLines != len(listed) {
					t.Errorf("%d lines at error for %d dead", errorLines, len(listed))
				}
				if !tt.dead {
					if w.receiver.total() != events || len(listed) != 0 {
						t.Errorf("delivered %d, dead %d, want all delivered", w.receiver.total(), len(listed))
					}
					return
				}
				if w.receiver.total() != 0 || len(listed) != events {
					t.Fatalf("delivered %d, dead %d, want all dead", w.receiver.total(), len(listed))
				}
				time.Sleep(tt.down - time.Since(begin))
				for _, l := range listed {
					if _, err := w.Revive(t.Context(), l.Name); err != nil {
						t.Fatal(err)
					}
				}
				revived := time.Now()
				w.runEachMinute(t, w.Queue, w.untilEmpty)
				if w.receiver.total() != events || len(w.receiver.took) != events || len(dead(t, w.Queue)) != 0 || time.Since(revived) > time.Minute {
					t.Errorf("delivered %d of %d in %v, %d dead, want each once", len(w.receiver.took), w.receiver.total(), time.Since(revived), len(dead(t, w.Queue)))
				}
			})
		})
	}
}

// poisoned are those that cost all the time that a try has, each time.
func poisoned(from, to int) map[string]bool {
	ids := map[string]bool{}
	for n := from; n < to; n++ {
		ids[event(n, time.Time{}).ID] = true
	}
	return ids
}

func TestPoisonDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Now)
		begin := time.Now().Truncate(time.Minute)
		bad := poisoned(0, 40)
		w.bucket.latency = func(op, key string) time.Duration { return 30 * time.Millisecond }
		w.receiver.answer = func(ctx context.Context, e outbox.Entry) error {
			if bad[e.ID] {
				<-ctx.Done()
				return ctx.Err()
			}
			time.Sleep(200 * time.Millisecond)
			return nil
		}
		for n := range 40 {
			w.put(t, event(n, begin))
		}
		// Healthy ones arrive all the time, for three hours.
		arrived := map[string]time.Time{}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		wg.Go(func() {
			defer close(stop)
			for n := range 3 * 60 * 4 {
				e := event(1000+n, time.Now())
				arrived[e.ID] = time.Now()
				w.put(t, e)
				time.Sleep(15 * time.Second)
			}
		})
		running := func() bool {
			select {
			case <-stop:
				return time.Since(begin) < 3*time.Hour+5*time.Minute
			default:
				return true
			}
		}
		w.runEachMinute(t, w.Queue, running)
		wg.Wait()
		for id, at := range arrived {
			due := at.Truncate(time.Second).Add(time.Minute)
			// The first run that begins when it is due, and one more.
			first := due.Add(time.Minute - 1).Truncate(time.Minute)
			if took := w.receiver.at[id]; w.receiver.took[id] != 1 || took.After(first.Add(2*time.Minute)) {
				t.Errorf("%s was due at %v, delivered %d times, at %v", id, due, w.receiver.took[id], took)
			}
		}
		for id := range bad {
			// At 1, 2, 4, 8, 16, 32, 64, 124, 184 minutes, and a run later each.
			if n := w.receiver.tries[id]; n < 8 || n > 9 {
				t.Errorf("poison %s was tried %d times in three hours", id, n)
			}
		}
	})
}

// More than a run can do: every run makes the same progress, from the front.
func TestMoreThanOneRunCanDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 200
		w := newWorld(t, time.Now)
		w.receiver.answer = func(ctx context.Context, _ outbox.Entry) error {
			<-ctx.Done()
			return ctx.Err()
		}
		for n := range many {
			w.put(t, event(n, time.Now()))
		}
		time.Sleep(time.Minute)
		for tried := 0; tried < many; {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := time.Now()
			s, err := w.Run(ctx, 0, w.receiver)
			cancel()
			if err != nil || s.PutOff != 48 || s.Due != 48 || s.Finished || time.Since(began) != 45*time.Second {
				t.Fatalf("after %d, Run = %+v, %v in %v, want 48 put off in three times 15 s", tried, s, err, time.Since(began))
			}
			// None a second time before all were tried once.
			if tried = min(tried+48, many); len(w.receiver.tries) != tried {
				t.Fatalf("%d events tried, want %d", len(w.receiver.tries), tried)
			}
		}
	})
}

func TestRunsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Now)
		for n := range 100 {
			w.put(t, event(n, time.Now()))
		}
		time.Sleep(time.Minute)

		run := func(limit time.Duration) (outbox.Summary, time.Duration) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			s, err := w.Run(ctx, 0, w.receiver)
			if err != nil || s.Finished {
				t.Errorf("Run = %+v, %v, want that it did not finish", s, err)
			}
			return s, time.Since(began)
		}
		// Storage that does not answer: nothing is started that cannot end, and what
		// could not be ended is counted, left as it is and nobody's fault.
		w.bucket.latency = func(op, key string) time.Duration {
			if op == "List" {
				return 0
			}
			return time.Hour
		}
		if s, took := run(10 * time.Second); s.Left != 16 || s.Due != 16 || took != 9*time.Second {
			t.Errorf("with storage that hangs: %+v in %v", s, took)
		}
		w.bucket.latency = func(string, string) time.Duration { return time.Hour }
		if s, took := run(10 * time.Second); s.Due != 0 || took > 9*time.Second {
			t.Errorf("with a listing that hangs: %+v in %v", s, took)
		}
		// A try has a quarter of the time at most.
		w.bucket.latency = nil
		w.receiver.answer = func(ctx context.Context, _ outbox.Entry) error {
			<-ctx.Done()
			return ctx.Err()
		}
		if s, took := run(8 * time.Second); s.PutOff != 48 || s.Left != 0 || took != 6*time.Second {
			t.Errorf("with a receiver that hangs: %+v in %v", s, took)
		}
		if n := w.receiver.total(); n != 0 || len(w.bucket.names("_pending/")) != 100 {
			t.Errorf("delivered %d, pending %d, want none lost", n, len(w.bucket.names("_pending/")))
		}
		// A receiver that does not end with its time is waited for, and what it then
		// refuses is left: it was cut off.
		w.receiver.answer = func(context.Context, outbox.Entry) error {
			time.Sleep(20 * time.Second)
			return errDown
		}
		if s, took := run(10 * time.Second); s.Left != 16 || s.PutOff != 0 || took != 20*time.Second {
			t.Errorf("with a receiver that hangs on: %+v in %v", s, took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if s, err := w.Run(ctx, 0, w.receiver); err != nil || s.Finished || s.Due != 0 {
			t.Errorf("Run of one that was cancelled = %+v, %v", s, err)
		}
		w.receiver.answer = func(ctx context.Context, _ outbox.Entry) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a try without a deadline")
			}
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		if s, err := w.Run(t.Context(), 0, w.receiver); err != nil || !s.Finished || s.PutOff != s.Due || time.Since(began) != 4*15*time.Second {
			t.Errorf("Run without a deadline = %+v, %v in %v", s, err, time.Since(began))
		}
	})
}

// Two workers, and callers who queue the same events again, all at once.
func TestTwoWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 60
		w := newWorld(t, time.Now)
		// Latency that differs by call, so that the two overtake each other.
		var mu sync.Mutex
		calls := 0
		w.bucket.latency = func(op, key string) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			calls++
			h := fnv.New32a()
			fmt.Fprint(h, op, key, calls)
			return time.Duration(h.Sum32()%4000) * time.Millisecond
		}
		begin := time.Now()
		w.receiver.answer = func(context.Context, outbox.Entry) error {
			if time.Since(begin) < 30*time.Minute {
				return errDown
			}
			return nil
		}
		entries := make([]outbox.Entry, events)
		for n := range entries {
			entries[n] = event(n, begin)
		}
		var wg sync.WaitGroup
		for range 4 { // callback, trigger and two clients who confirm
			wg.Go(func() {
				for _, e := range entries {
					w.put(t, e)
				}
			})
		}
		for range 2 {
			q := w.instance(t, place)
			wg.Go(func() {
				time.Sleep(time.Second) // until something is queued
				w.runEachMinute(t, q, func() bool { return time.Since(begin) < 3*time.Hour })
			})
		}
		wg.Wait()
		for _, e := range entries {
			if n := w.receiver.took[e.ID]; n < 1 || n > 2 {
				t.Errorf("%s was delivered %d times, want once or, by both, twice", e.ID, n)
			}
			if n := w.receiver.tries[e.ID]; n > 2*(6+3) {
				t.Errorf("%s was tried %d times", e.ID, n)
			}
		}
		if got := w.bucket.names("_pending/"); got != nil || len(w.bucket.names("_dead/")) != 0 {
			t.Errorf("left = %q", got)
		}
	})
}

// With real goroutines, for the race detector.
func TestWorkersAtOnce(t *testing.T) {
	w := newWorld(t, time.Now)
	for n := range 200 {
		w.put(t, event(n, time.Now().Add(-time.Hour)))
	}
	gone := 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		q := w.instance(t, place)
		wg.Go(func() {
			s, err := q.Run(t.Context(), 2*time.Hour, w.receiver)
			if err != nil || !s.Finished || s.Failed != 0 || s.Due != s.Done+s.Gone {
				t.Errorf("Run = %+v, %v", s, err)
			}
			mu.Lock()
			gone += s.Gone
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(w.receiver.took) != 200 || w.untilEmpty() {
		t.Errorf("delivered %d, %d by others first, left %q", len(w.receiver.took), gone, w.bucket.names("_pending/"))
	}
}
