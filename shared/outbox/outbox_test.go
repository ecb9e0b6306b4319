package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/outbox"
	"ossupload/shared/uploadtoken"
)

// due returns the times of what is pending, in seconds after start, read from the
// names and not by the package.
func (w *world) due(t testing.TB) []int64 {
	t.Helper()
	var all []int64
	for _, name := range w.bucket.names("_pending/") {
		var at int64
		if _, err := fmt.Sscanf(name, "_pending/%010d-evt_", &at); err != nil {
			t.Fatalf("pending: %q, want ten digits and an id", name)
		}
		all = append(all, at-start.Unix())
	}
	return all
}

var errDown = errors.New("receiver is down")

func down(context.Context, outbox.Entry) error { return errDown }

func TestSchedule(t *testing.T) {
	tests := []struct{ queued, due int64 }{
		{-100, 60}, {0, 60}, {3, 60}, {59, 60},
	}
	regular := []int64{60, 120, 240, 480, 960, 1920, 3840, 7440, 11040, 14640}
	for i, at := range regular[1:] {
		pause := at - regular[i]
		tests = append(tests, struct{ queued, due int64 }{regular[i] + pause/5, at})
	}
	for _, tt := range tests {
		w := stopped(t)
		w.clock.at = start.Add(time.Duration(tt.queued) * time.Second)
		w.put(t, event(1, start))
		got := w.due(t)
		pause := tt.due - tt.queued
		if len(got) != 1 || got[0] < tt.due || got[0] > tt.due+pause/4 || tt.due == 60 && got[0] != 60 {
			t.Errorf("queued at %d: due at %v, want %d or up to a fifth of its pause later", tt.queued, got, tt.due)
		}
	}
}

// Whenever it is put off, the next time is the same one, until it has
// come: there are no more names than times.
func TestScheduleFollowsFromTheEntryAlone(t *testing.T) {
	for n := range 2 {
		w := stopped(t)
		e := event(n, start.Add(123*time.Millisecond))
		var previous int64
		for range 1800 {
			w.put(t, e)
			names := w.due(t)
			last := names[len(names)-1]
			now := w.clock.at.Unix() - start.Unix()
			if last <= now || len(names) > 1 && previous > now && last != previous {
				t.Fatalf("at %d it is due at %d, and was before at %d", now, last, previous)
			}
			previous = last
			w.clock.pass(10 * time.Second)
		}
		times := w.due(t)
		if len(times) < 9 || len(times) > 11 {
			t.Fatalf("due times in five hours = %v", times)
		}
		for i := 2; i < len(times); i++ {
			pause := min(60<<(i-1), 3600)
			if step := int(times[i] - times[i-1]); step < pause*8/10 || step > pause*12/10 {
				t.Errorf("time %d comes %d s after the one before, want %d, give or take a fifth", i, step, pause)
			}
		}
	}
}

func TestEventsThatFailTogetherDoNotComeBackTogether(t *testing.T) {
	w := stopped(t)
	w.clock.pass(10 * time.Hour)
	for n := range 1000 {
		w.put(t, event(n, start))
	}
	times := w.due(t)
	distinct := map[int64]bool{}
	for _, at := range times {
		distinct[at] = true
	}
	if spread := times[len(times)-1] - times[0]; len(distinct) < 300 || spread < 600 {
		t.Errorf("1,000 events are due at %d times within %d s", len(distinct), spread)
	}
}

func TestScheduleOfOldObjects(t *testing.T) {
	for _, old := range []time.Duration{41 * 24 * time.Hour, 42 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		w := stopped(t)
		e := event(1, start.Add(-old))
		for range 600 {
			w.put(t, e)
			w.clock.pass(6 * time.Second)
		}
		if got := w.due(t); len(got) != 2 || got[1]-got[0] != 3600 {
			t.Errorf("stored %v ago: due %v, want two times that are an hour apart", old, got)
		}
	}
	for _, stored := range []time.Time{time.Unix(0, 0), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)} {
		w := stopped(t)
		for range 50 { // it must not walk through all that time
			w.put(t, event(1, stored))
		}
		if got := w.due(t); len(got) != 1 || got[0] <= 0 || got[0] > 3600+720 {
			t.Errorf("stored at %v: due %v, want within the hour", stored, got)
		}
	}
}

func TestPut(t *testing.T) {
	w := stopped(t)
	e := event(7, start)
	e.Attempt, e.Queued = 9, start.AddDate(-1, 0, 0)
	w.put(t, e)
	w.clock.pass(40 * time.Second)
	e.Attempt = 3
	w.put(t, e)
	want := "_pending/1800000060-" + e.ID
	if got := w.bucket.names(""); !slices.Equal(got, []string{want}) {
		t.Fatalf("queued twice: %q, want %q", got, want)
	}
	if c := w.bucket.content(want); strings.Contains(c, "alice") || strings.Contains(c, e.ID) || !strings.HasPrefix(c, "v1.k1.") {
		t.Errorf("content = %.60q, want it sealed", c)
	}
	listed := collect(t, w.Pending(t.Context()))
	if len(listed) != 1 || listed[0].Entry == nil {
		t.Fatalf("Pending = %+v", listed)
	}
	got := *listed[0].Entry
	if got.Attempt != 0 || !got.Queued.Equal(start) || string(got.Body) != string(e.Body) || !got.Stored.Equal(start) || got.Type != e.Type || got.Key != e.Key || got.Marker != e.Marker || got.Kind != outbox.Event {
		t.Errorf("entry = %+v, want %+v, queued when it first was", got, e)
	}
	if l := listed[0]; l.Name != want || !l.Since.Equal(w.clock.at) || l.Due.Unix() != 1800000060 || l.Err != nil {
		t.Errorf("Pending = %+v", l)
	}

	w.clock.pass(20 * time.Second)
	if s := w.run(t); s.Done != 1 {
		t.Errorf("Run = %+v, want it delivered", s)
	}
	if w.receiver.bodies[e.ID] != string(e.Body) {
		t.Errorf("body = %s, want %s", w.receiver.bodies[e.ID], e.Body)
	}
}

// Whoever asks again while an event waits, before or after its next time, does not
// keep it from being given up.
func TestQueueingAgainKeepsTheFirstTime(t *testing.T) {
	w := stopped(t)
	e := event(3, start)
	w.put(t, e)
	w.receiver.answer = func(context.Context, outbox.Entry) error {
		// Its own next time is later than that of the schedule.
		return &outbox.DelayedError{For: 50 * time.Minute, Err: errDown}
	}
	for hours := 1; len(dead(t, w.Queue)) == 0; hours++ {
		if hours > 80 {
			t.Fatalf("after %d hours it still waits: %+v", hours, collect(t, w.Pending(t.Context())))
		}
		for range 6 {
			w.clock.pass(10 * time.Minute)
			w.put(t, e)
			w.run(t)
			w.put(t, e)
		}
	}
	got := dead(t, w.Queue)[0].Entry
	if !got.Queued.Equal(start) || w.clock.at.Sub(start) < 72*time.Hour || w.clock.at.Sub(start) > 74*time.Hour {
		t.Errorf("given up after %v, as first queued at %v, want three days after %v", w.clock.at.Sub(start), got.Queued, start)
	}
}

// What waits is read in a part of the time there is: an entry is written though
// nothing answers that.
func TestPutDoesNotWaitForWhatItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Now)
		w.bucket.latency = func(op, _ string) time.Duration {
			if op == "Get" {
				return time.Hour
			}
			return 399 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		defer cancel()
		if err := w.Put(ctx, event(1, time.Now())); err != nil || len(w.bucket.names("_pending/")) != 1 {
			t.Errorf("Put = %v, pending %q, want one", err, w.bucket.names("_pending/"))
		}
	})
}

func TestPutWithoutAnObject(t *testing.T) {
	w := stopped(t)
	w.put(t, outbox.Entry{Kind: outbox.Event, ID: "evt_test", Type: "test"})
	if got := w.due(t); !slices.Equal(got, []int64{60}) {
		t.Errorf("due %v, want a minute from now", got)
	}
}

func TestPutRefuses(t *testing.T) {
	w := stopped(t)
	for _, id := range []string{"", "a/b", "~a", "a.b", "ä", strings.Repeat("a", 65)} {
		if err := w.Put(t.Context(), outbox.Entry{ID: id}); err == nil {
			t.Errorf("Put with the id %q = nil, want an error", id)
		}
	}
	w.put(t, outbox.Entry{ID: "aZ0_-" + strings.Repeat("a", 59)})
	if err := w.Put(t.Context(), outbox.Entry{ID: "a", Body: make([]byte, 64<<10)}); !errors.Is(err, uploadtoken.ErrEventTooLong) {
		t.Errorf("Put of too much = %v, want ErrEventTooLong", err)
	}
	w.bucket.fault = func(string, string) fault { return failBefore }
	if err := w.Put(t.Context(), event(1, start)); !errors.Is(err, errFault) {
		t.Errorf("Put when the storage fails = %v, want its error", err)
	}
}

func TestNewRefuses(t *testing.T) {
	w := stopped(t)
	keys, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: []uploadtoken.Key{{ID: "k", Secret: make([]byte, 32)}}, Place: place, Random: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	whole := outbox.Config{Storage: w.bucket, Sealer: keys, Root: root, RetryFor: 1, Now: time.Now}
	if _, err := outbox.New(whole); err != nil {
		t.Errorf("New = %v, want nil", err)
	}
	for name, change := range map[string]func(*outbox.Config){
		"no storage":          func(c *outbox.Config) { c.Storage = nil },
		"no sealer":           func(c *outbox.Config) { c.Sealer = nil },
		"no clock":            func(c *outbox.Config) { c.Now = nil },
		"no root":             func(c *outbox.Config) { c.Root = "" },
		"a root without a /":  func(c *outbox.Config) { c.Root = "_ossupload" },
		"no time to retry":    func(c *outbox.Config) { c.RetryFor = 0 },
		"a time to come back": func(c *outbox.Config) { c.RetryFor = -1 },
	} {
		c := whole
		change(&c)
		if _, err := outbox.New(c); err == nil {
			t.Errorf("New with %s = nil error, want one", name)
		}
	}
	// Without a log, nothing is logged.
	q, err := outbox.New(whole)
	if err != nil {
		t.Fatal(err)
	}
	w.bucket.set("_pending/x", "x")
	if s, err := q.Run(t.Context(), 0, w.receiver); err != nil || s.Unreadable != 1 {
		t.Errorf("Run without a log = %+v, %v", s, err)
	}
}

func TestRunTakesWhatIsDue(t *testing.T) {
	w := stopped(t)
	for n, stored := range []int64{-1, 0, 1, 10} {
		w.put(t, event(n, start.Add(time.Duration(stored)*time.Second)))
	}
	w.clock.pass(60 * time.Second)
	if s := w.run(t); s.Due != 2 || s.Done != 2 {
		t.Errorf("Run = %+v, want what is due by now, this second included", s)
	}
	if s, err := w.Run(t.Context(), time.Second, w.receiver); err != nil || s.Due != 1 {
		t.Errorf("Run a second ahead = %+v, %v, want one", s, err)
	}
	if s, err := w.Run(t.Context(), time.Hour, w.receiver); err != nil || s.Due != 1 || w.receiver.total() != 4 {
		t.Errorf("Run an hour ahead = %+v, %v, want the last", s, err)
	}
	if _, err := w.Run(t.Context(), -1, w.receiver); err == nil {
		t.Error("Run backwards = nil error, want one")
	}
	if got := w.bucket.names("_pending/"); got != nil {
		t.Errorf("left = %q", got)
	}
}

// Looking ahead, and with a clock that jumps, no run tries an entry twice, and
// none loses it.
func TestNoRunMeetsAnEntryTwice(t *testing.T) {
	w := stopped(t)
	w.put(t, event(1, start))
	w.receiver.answer = down
	if s, err := w.Run(t.Context(), 10*time.Hour, w.receiver); err != nil || s.PutOff != 1 || s.Due != 1 || !s.Finished {
		t.Errorf("Run ten hours ahead = %+v, %v, want one try", s, err)
	}
	if got := w.due(t); len(got) != 1 || got[0] <= 10*3600 || got[0] > 12*3600 {
		t.Errorf("put off to %v, want behind what the run looked at", got)
	}

	w = stopped(t)
	w.put(t, event(1, start))
	w.clock.pass(time.Minute)
	w.receiver.answer = func(context.Context, outbox.Entry) error {
		w.clock.pass(-time.Hour) // so that the next of its times seems to be its own
		return errDown
	}
	if s := w.run(t); s.PutOff != 1 {
		t.Errorf("Run with a clock set back = %+v", s)
	}
	if got := w.due(t); len(got) != 1 || got[0] <= 60 {
		t.Errorf("put off to %v, want the time behind its own", got)
	}
	if s := w.run(t); s.Due != 0 {
		t.Errorf("Run an hour before = %+v, want nothing due", s)
	}
}

func TestAttemptsAndTime(t *testing.T) {
	tests := []struct {
		name   string
		runs   int // that fail within the first 72 h, evenly
		buried int // at which run after 72 h
	}{
		{"tried often: the first failure after 72 h", 60, 1},
		{"tried seven times: the eighth failure", 7, 1},
		{"tried six times: the eighth failure", 6, 2},
		{"not tried at all: the eighth failure", 0, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := stopped(t)
			w.receiver.answer = down
			e := event(1, start)
			w.put(t, e)
			for i := range tt.runs {
				w.clock.at = start.Add(time.Duration(i+1) * (72*time.Hour - time.Second) / time.Duration(max(tt.runs, 1)))
				if s := w.run(t); s.PutOff != 1 {
					t.Fatalf("run %d, %v on = %+v, want it put off", i, w.clock.at.Sub(start), s)
				}
			}
			w.clock.at = start.Add(72 * time.Hour)
			for i := 1; ; i++ {
				if strings.Contains(w.logged.String(), "level=ERROR") {
					t.Fatalf("logged too early: %s", w.logged)
				}
				s, err := w.Run(t.Context(), 2*time.Hour, w.receiver) // whenever it is due
				if err != nil || s.Due != 1 || s.Buried+s.PutOff != 1 {
					t.Fatalf("run %d = %+v, %v", i, s, err)
				}
				if s.Buried == 1 {
					if i != tt.buried {
						t.Errorf("buried at run %d, want %d", i, tt.buried)
					}
					break
				}
				w.clock.pass(2 * time.Hour)
			}
			if got := w.bucket.names(""); !slices.Equal(got, []string{marker(e.ID), "_dead/" + e.ID}) || w.bucket.content(marker(e.ID)) != "dead" {
				t.Errorf("left = %q", got)
			}
			if n := strings.Count(w.logged.String(), "level=ERROR"); n != 1 || !strings.Contains(w.logged.String(), "eventId="+e.ID) {
				t.Errorf("%d lines at error, want one that names the event:\n%s", n, w.logged)
			}
		})
	}
}

func TestRefusedForGood(t *testing.T) {
	w := stopped(t)
	e := event(1, start)
	w.put(t, e)
	w.receiver.answer = func(context.Context, outbox.Entry) error { return fmt.Errorf("answer 410: %w", outbox.ErrRefused) }
	w.clock.pass(time.Minute)
	if s := w.run(t); s.Buried != 1 || s.Due != 1 {
		t.Errorf("Run = %+v, want it buried at once", s)
	}
	listed := dead(t, w.Queue)
	if len(listed) != 1 || listed[0].Name != "_dead/"+e.ID || !listed[0].Due.IsZero() || listed[0].Entry == nil || listed[0].Entry.Attempt != 1 {
		t.Errorf("Dead = %+v", listed)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		after    time.Duration
		min, max int64
	}{
		{-time.Hour, 120, 132},
		{time.Second, 120, 132},
		{100 * time.Second, 240, 264},
		{time.Hour, 3840, 3840 + 720}, // 3,660 s on
		{1000 * time.Hour, 3840, 3840 + 720},
	} {
		w := stopped(t)
		w.put(t, event(1, start))
		w.clock.pass(time.Minute)
		w.receiver.answer = func(context.Context, outbox.Entry) error {
			return fmt.Errorf("answer 429: %w", &outbox.DelayedError{For: tt.after, Err: errDown})
		}
		if s := w.run(t); s.PutOff != 1 {
			t.Errorf("Run = %+v", s)
		}
		if got := w.due(t); len(got) != 1 || got[0] < tt.min || got[0] > tt.max {
			t.Errorf("Retry-After %v: due at %v, want %d to %d", tt.after, got, tt.min, tt.max)
		}
	}
	if err := error(&outbox.DelayedError{For: time.Second, Err: errDown}); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "1s") || !strings.Contains(err.Error(), errDown.Error()) {
		t.Errorf("DelayedError = %v", err)
	}
}

func TestAWorkerThatPanics(t *testing.T) {
	w := stopped(t)
	w.put(t, event(1, start))
	w.put(t, event(2, start))
	w.clock.pass(time.Minute)
	w.receiver.answer = func(_ context.Context, e outbox.Entry) error {
		if e.ID == event(1, start).ID {
			panic("an event that nobody thought of")
		}
		return nil
	}
	if s := w.run(t); s.Done != 1 || s.PutOff != 1 {
		t.Errorf("Run = %+v, want one put off and the other delivered", s)
	}
	if !strings.Contains(w.logged.String(), "nobody thought of") {
		t.Errorf("logged %s, want the panic", w.logged)
	}
}

// A run says what it leaves behind, and how old the oldest was that it met.
func TestDepthAndAge(t *testing.T) {
	w := stopped(t)
	w.put(t, event(1, start))
	w.put(t, event(2, start))
	w.clock.pass(50 * time.Second)
	for n := 3; n < 8; n++ {
		w.put(t, event(n, w.clock.now()))
	}
	w.clock.pass(50 * time.Second)
	w.receiver.answer = func(_ context.Context, e outbox.Entry) error {
		if e.ID == event(1, start).ID {
			return nil
		}
		return errDown
	}
	if s := w.run(t); s.Due != 2 || s.Done != 1 || s.Waiting != 6 || s.OldestSeconds != 100 {
		t.Errorf("Run = %+v, want 6 left and an age of 100 s", s)
	}
	if s := w.run(t); s.Due != 0 || s.Waiting != 6 || s.OldestSeconds != 0 {
		t.Errorf("with nothing due: Run = %+v, want 6 left", s)
	}
}

func TestRunFailsIfItCannotList(t *testing.T) {
	w := stopped(t)
	w.bucket.fault = func(string, string) fault { return failBefore }
	if s, err := w.Run(t.Context(), 0, w.receiver); !errors.Is(err, errFault) || s.Finished {
		t.Errorf("Run = %+v, %v, want the storage's error", s, err)
	}
	yielded := 0
	for l, err := range w.Dead(t.Context()) {
		if yielded++; !errors.Is(err, errFault) || l.Name != "" {
			t.Errorf("Dead yields %+v, %v, want the storage's error", l, err)
		}
	}
	if yielded != 1 {
		t.Errorf("Dead yields %d times, want its error once", yielded)
	}
}

// What cannot be read for now stays, and delays nobody.
func TestStorageThatFailsForOneEntry(t *testing.T) {
	w := stopped(t)
	w.put(t, event(1, start))
	w.put(t, event(2, start))
	w.clock.pass(time.Minute)
	bad := "_pending/1800000060-" + event(1, start).ID
	w.bucket.fault = func(op, key string) fault {
		if op == "Get" && key == root+bad {
			return failBefore
		}
		return none
	}
	if s := w.run(t); s.Failed != 1 || s.Done != 1 || s.Due != 2 || !strings.Contains(w.logged.String(), "action=leave") {
		t.Errorf("Run = %+v, want one left and one delivered; logged %s", s, w.logged)
	}
	if got := w.bucket.names("_pending/"); !slices.Equal(got, []string{bad}) {
		t.Errorf("left = %q", got)
	}
	listed := collect(t, w.Pending(t.Context()))
	if len(listed) != 1 || !errors.Is(listed[0].Err, errFault) || listed[0].Entry != nil {
		t.Errorf("Pending = %+v, want it with its error", listed)
	}
}
