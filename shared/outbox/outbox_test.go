package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/outbox"
	"ossupload/shared/storage"
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
	if got.Attempt != 0 || !got.Queued.Equal(w.clock.at) || string(got.Body) != string(e.Body) || !got.Stored.Equal(start) || got.Type != e.Type || got.Key != e.Key || got.Marker != e.Marker || got.Kind != outbox.Event {
		t.Errorf("entry = %+v, want %+v, queued now", got, e)
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

func TestWhatSomebodyElseWrote(t *testing.T) {
	good := event(1, start)
	sealedAt := func(q *outbox.Queue, w *world, e outbox.Entry) string {
		if err := q.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		name := w.bucket.names("_pending/")[0]
		content := w.bucket.content(name)
		delete(w.bucket.objects, root+name)
		return content
	}
	w := stopped(t)
	elsewhere := sealedAt(w.instance(t, uploadtoken.Place{Bucket: "examplebucket", Prefix: "staging/"}), w, good)
	content := sealedAt(w.Queue, w, good)
	keys, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: []uploadtoken.Key{{ID: "k1", Secret: []byte(strings.Repeat("a", 32))}}, Place: place, Random: strings.NewReader(strings.Repeat("r", 1000))})
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(text string) string {
		s, err := keys.SealEvent([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	token, err := keys.Seal(uploadtoken.Grant, uploadtoken.Claims{ID: "x"})
	if err != nil {
		t.Fatal(err)
	}

	due := "_pending/1800000060-" + good.ID
	tests := []struct {
		name, object, content string
		opens                 bool
	}{
		{"as it was", due, content, true},
		{"under another id", "_pending/1800000060-evt_2", content, true},
		{"under a time long ago", "_pending/0000000000-" + good.ID, content, true},
		{"without a time", "_pending/" + good.ID, content, true},
		{"with nine digits", "_pending/180000006-" + good.ID, content, true},
		{"with eleven digits", "_pending/01800000060-" + good.ID, content, true},
		{"with eleven digits, far ahead", "_pending/19000000000-" + good.ID, content, true},
		{"with a sign", "_pending/-180000006-" + good.ID, content, true},
		{"with another sign", "_pending/+999999999-" + good.ID, content, true},
		{"with ten digits alone", "_pending/1900000000", content, true},
		{"a folder deeper", "_pending/a/b/" + good.ID, content, true},
		{"empty", due, "", false},
		{"cut off", due, content[:len(content)-1], false},
		{"longer", due, content + "A", false},
		{"text", due, "hello", false},
		{"bytes", due, "\x00\xff", false},
		{"of another deployment", due, elsewhere, false},
		{"of another purpose", due, token, false},
		{"not an entry", due, sealed(`[]`), false},
		{"without an id", due, sealed(`{"k":"event"}`), false},
		{"with a path for an id", due, sealed(`{"k":"event","i":"../x"}`), false},
		{"of a foreign name", "_pending/x/ y\u2028?", "hello", false},
		{"of the longest name", "_pending/" + strings.Repeat("x", 1023-len(root+"_pending/")), "hello", false},
		{"as large as can be read", due, strings.Repeat("x", 128<<10), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := stopped(t)
			w.bucket.set("_pending/", "") // a console's folder
			w.bucket.set(tt.object, tt.content)
			w.clock.pass(time.Minute)
			healthy := event(2, start)
			w.bucket.set("_dead/"+good.ID, "kept")
			if err := w.Put(t.Context(), healthy); err != nil {
				t.Fatal(err)
			}
			w.clock.pass(2 * time.Minute)
			s := w.run(t)
			if s.Failed+s.PutOff+s.Buried+s.Left != 0 || w.receiver.took[healthy.ID] != 1 {
				t.Errorf("Run = %+v, want the healthy one delivered", s)
			}
			left := w.bucket.names("_pending/")
			if !slices.Equal(left, []string{"_pending/"}) || w.bucket.content("_dead/"+good.ID) != "kept" {
				t.Errorf("left = %q, want nothing but the folder", left)
			}
			if tt.opens {
				if s.Done != 2 || w.receiver.took[good.ID] != 1 || s.Unreadable != 0 {
					t.Errorf("Run = %+v, want it delivered", s)
				}
				return
			}
			aside := "_dead/~" + strings.TrimPrefix(tt.object, "_pending/")
			if s.Done != 1 || s.Unreadable != 1 || w.bucket.content(aside) != tt.content || !slices.Contains(w.bucket.names("_dead/"), aside) {
				t.Errorf("Run = %+v, want it among the dead as it was: %q", s, w.bucket.names(""))
			}
			if n := strings.Count(w.logged.String(), "level=ERROR"); n != 1 || strings.Count(w.logged.String(), "\n") != 1 {
				t.Errorf("logged %s, want one line", w.logged)
			}
			if _, err := w.Revive(t.Context(), aside); err == nil {
				t.Error("Revive of what does not open = nil error, want one")
			}
			listed := dead(t, w.Queue)
			if i := slices.IndexFunc(listed, func(l outbox.Listed) bool { return l.Name == aside }); i < 0 || listed[i].Err == nil || listed[i].Entry != nil {
				t.Errorf("Dead = %+v, want it with its error", listed)
			}
		})
	}
}

func TestWhatIsTooLargeStays(t *testing.T) {
	w := stopped(t)
	w.bucket.set("_pending/1800000000-x", strings.Repeat("x", 128<<10+1))
	w.put(t, event(1, start))
	w.clock.pass(time.Minute)
	if s := w.run(t); s.Failed != 1 || s.Done != 1 || s.Due != 2 {
		t.Errorf("Run = %+v, want it left, and the other delivered", s)
	}
	if got := w.bucket.names("_"); !slices.Contains(got, "_pending/1800000000-x") || len(got) != 2 {
		t.Errorf("left = %q", got)
	}
	if !strings.Contains(w.logged.String(), "larger") {
		t.Errorf("logged %s, want why it stays", w.logged)
	}
	if listed := collect(t, w.Pending(t.Context())); len(listed) != 1 || !errors.Is(listed[0].Err, storage.ErrTooLarge) {
		t.Errorf("Pending = %+v", listed)
	}
}

// When secrets or settings were wrong for a while, what was set aside is whole.
func TestWhatWasSetAsideComesBack(t *testing.T) {
	w := stopped(t)
	e := event(1, start)
	w.put(t, e)
	w.clock.pass(time.Minute)
	wrong := w.instance(t, uploadtoken.Place{Bucket: "examplebucket", Prefix: "staging/"})
	if s, err := wrong.Run(t.Context(), 0, w.receiver); err != nil || s.Unreadable != 1 {
		t.Fatalf("Run = %+v, %v", s, err)
	}
	listed := dead(t, w.Queue)
	if len(listed) != 1 || listed[0].Entry == nil {
		t.Fatalf("Dead = %+v, want one that opens", listed)
	}
	if _, err := w.Revive(t.Context(), listed[0].Name); err != nil {
		t.Fatal(err)
	}
	if s := w.run(t); s.Done != 1 || w.receiver.took[e.ID] != 1 || w.bucket.names("_dead/") != nil {
		t.Errorf("Run = %+v, want it delivered", s)
	}
}

func TestRevive(t *testing.T) {
	w := stopped(t)
	w.receiver.answer = down
	e := event(1, start)
	w.put(t, e)
	w.clock.pass(73 * time.Hour)
	for range 8 {
		w.clock.pass(2 * time.Hour)
		w.run(t)
	}
	listed := dead(t, w.Queue)
	if len(listed) != 1 || listed[0].Entry.Attempt != 8 {
		t.Fatalf("Dead = %+v, want it after eight tries", listed)
	}
	got, err := w.Revive(t.Context(), listed[0].Name)
	if err != nil || got.ID != e.ID || got.Attempt != 0 || !got.Queued.Equal(w.clock.at) || !got.Stored.Equal(start) {
		t.Fatalf("Revive = %+v, %v", got, err)
	}
	if got := w.due(t); !slices.Equal(got, []int64{int64(w.clock.at.Sub(start).Seconds())}) || w.bucket.names("_dead/") != nil {
		t.Errorf("revived: due %v, dead %q, want now and none", got, w.bucket.names("_dead/"))
	}
	// It has all its tries again.
	if s := w.run(t); s.PutOff != 1 {
		t.Errorf("Run = %+v, want it put off", s)
	}
	for _, name := range []string{"_pending/x", "_dead/nobody", "x"} {
		if _, err := w.Revive(t.Context(), name); err == nil {
			t.Errorf("Revive(%q) = nil error, want one", name)
		}
	}
	w.bucket.fault = func(op, _ string) fault {
		if op == "List" {
			return none
		}
		return failBefore
	}
	if _, err := w.Revive(t.Context(), "_dead/nobody"); !errors.Is(err, errFault) {
		t.Errorf("Revive when the storage fails = %v, want its error", err)
	}
}

func TestListingsGoOverAllPages(t *testing.T) {
	w := stopped(t)
	const many = storage.PageSize + 1
	for n := range many {
		w.put(t, event(n, start))
	}
	w.receiver.answer = func(context.Context, outbox.Entry) error { return outbox.ErrRefused }
	if got := collect(t, w.Pending(t.Context())); len(got) != many {
		t.Errorf("Pending yields %d, want %d", len(got), many)
	}
	w.bucket.calls = nil
	for range w.Pending(t.Context()) {
		break
	}
	if len(w.bucket.calls) != 2 {
		t.Errorf("the first alone takes %q, want a page and an object", w.bucket.calls)
	}
	w.clock.pass(time.Minute)
	if s := w.run(t); s.Buried != many {
		t.Errorf("Run = %+v, want all", s)
	}
	w.receiver.answer = nil
	revived := 0
	for l, err := range w.Dead(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Revive(t.Context(), l.Name); err != nil {
			t.Fatal(err)
		}
		revived++
	}
	if s := w.run(t); revived != many || s.Done != many || w.receiver.total() != many {
		t.Errorf("revived %d, Run = %+v, want all delivered once", revived, s)
	}
	// What was taken between the listing and the reading is not listed.
	w.put(t, event(1, w.clock.at))
	w.bucket.fault = func(op, key string) fault {
		if op == "Get" {
			delete(w.bucket.objects, key)
		}
		return none
	}
	if got := collect(t, w.Pending(t.Context())); got != nil {
		t.Errorf("Pending = %+v, want none", got)
	}
}

func TestManyForeignNamesCostACallEach(t *testing.T) {
	w := stopped(t)
	const many = 3*storage.PageSize + 1
	for n := range many {
		w.bucket.set(fmt.Sprintf("_pending/%d", n), "foreign")
	}
	e := event(1, start)
	w.put(t, e)
	w.clock.pass(time.Minute)
	w.bucket.calls = nil
	if s := w.run(t); s.Unreadable != many || s.Done != 1 {
		t.Errorf("Run = %+v, want all set aside and one delivered", s)
	}
	if n := len(w.bucket.calls); n > 3*many+10 {
		t.Errorf("%d calls for %d foreign names, want three each", n, many)
	}
	w.bucket.calls = nil
	if s := w.run(t); s.Due != 0 || len(w.bucket.calls) != 1 {
		t.Errorf("the next run = %+v with %d calls, want nothing left to do", s, len(w.bucket.calls))
	}
}
