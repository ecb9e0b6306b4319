package outbox_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ossupload/shared/outbox"
)

var update = flag.Bool("update", false, "write testdata/crashes.md anew")

// scenarios are all that is done with an entry. before makes the world, do is
// what meets the fault.
var scenarios = []struct {
	name   string
	before func(t testing.TB, w *world)
	do     func(ctx context.Context, w *world) error
}{
	{"queue", func(testing.TB, *world) {}, func(ctx context.Context, w *world) error { return w.Put(ctx, event(1, start)) }},
	{"deliver", queued, oneRun},
	{"put off", func(t testing.TB, w *world) { queued(t, w); w.receiver.answer = down }, oneRun},
	{"bury", func(t testing.TB, w *world) { queued(t, w); w.receiver.answer = refuse }, oneRun},
	{"set aside", func(t testing.TB, w *world) {
		queued(t, w)
		name := w.bucket.names("_pending/")[0]
		w.bucket.set(name, w.bucket.content(name)[1:])
	}, oneRun},
	{"revive", func(t testing.TB, w *world) {
		queued(t, w)
		w.receiver.answer = refuse
		w.run(t)
		w.receiver.answer = nil
		w.clock.pass(time.Minute)
	}, func(ctx context.Context, w *world) error {
		_, err := w.Revive(ctx, "_dead/"+event(1, start).ID)
		return err
	}},
}

func queued(t testing.TB, w *world) {
	w.put(t, event(1, start))
	w.clock.pass(time.Minute)
}

func refuse(context.Context, outbox.Entry) error { return outbox.ErrRefused }

func oneRun(ctx context.Context, w *world) error {
	_, err := w.Run(ctx, 0, w.receiver)
	return err
}

// state tells what is left, in words that need no ids.
func (w *world) state() string {
	var all []string
	for _, name := range w.bucket.names("") {
		words := strings.ReplaceAll(name, event(1, start).ID, "x")
		if strings.HasPrefix(name, "_announced/") {
			words = "marker " + w.bucket.content(name)
		}
		var due int64
		if _, err := fmt.Sscanf(words, "_pending/%d-x", &due); err == nil {
			words = fmt.Sprintf("pending +%d s", due-start.Unix())
		}
		if before, after, ok := strings.Cut(words, "_dead/"); ok && before == "" {
			words = "dead " + map[bool]string{true: "unreadable", false: "entry"}[strings.HasPrefix(after, "~")]
		}
		all = append(all, words)
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

func counts(s outbox.Summary) string {
	var all []string
	for _, c := range []struct {
		name string
		n    int
	}{{"done", s.Done}, {"put off", s.PutOff}, {"buried", s.Buried}, {"unreadable", s.Unreadable}, {"gone", s.Gone}, {"failed", s.Failed}} {
		if c.n > 0 {
			all = append(all, fmt.Sprintf("%s %d", c.name, c.n))
		}
	}
	if len(all) == 0 {
		return "nothing due"
	}
	return strings.Join(all, ", ")
}

// step names a call without ids.
func step(op, key string) string {
	key = strings.TrimPrefix(key, root)
	for prefix, word := range map[string]string{"_pending/": "pending", "_dead/": "dead", "_announced/": "marker"} {
		if strings.HasPrefix(key, prefix) {
			return op + " " + word
		}
	}
	return op
}

// TestCrashes plants one fault at each call of each scenario, lets healthy runs
// follow, and revives what is dead. It writes down what results.
func TestCrashes(t *testing.T) {
	faults := []struct {
		fault fault
		name  string
	}{{failBefore, "fails"}, {failAfter, "fails, done"}, {endBefore, "ends before"}, {endAfter, "ends after"}}

	var table strings.Builder
	table.WriteString(`# What a crash leaves

Each call of each thing that the outbox does, to the storage or the receiver, went
wrong once: it failed; failed though it was done; or the process ended before or
after it was done. Then all is well again: five runs follow, a minute apart, and
what is dead is revived. A delivery too many has the id of the first. Written by

    go test ./shared/outbox -run TestCrashes -update

| doing | call | it | left | next runs | left then | deliveries in all |
|---|---|---|---|---|---|---|
`)
	for _, s := range scenarios {
		clean := stopped(t)
		s.before(t, clean)
		clean.bucket.calls = nil
		if err := s.do(t.Context(), clean); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		calls := clean.bucket.calls
		fmt.Fprintf(&table, "| %s | every call | goes well | %s | | | %d |\n", s.name, clean.state(), clean.receiver.total())
		for i := range calls {
			for _, f := range faults {
				w := stopped(t)
				s.before(t, w)
				w.bucket.calls = nil
				called := ""
				w.bucket.fault = func(op, key string) fault {
					if len(w.bucket.calls) != i+1 {
						return none
					}
					called = step(op, key)
					return f.fault
				}
				said := s.do(t.Context(), w)
				left := w.state()

				w.bucket.fault, w.bucket.ended = nil, false
				w.receiver.answer = nil
				var next outbox.Summary
				for range 5 {
					w.clock.pass(time.Minute)
					one := w.run(t)
					next.Done += one.Done
					next.PutOff += one.PutOff
					next.Buried += one.Buried
					next.Unreadable += one.Unreadable
					next.Gone += one.Gone
					next.Failed += one.Failed
				}
				leftThen := w.state()
				for _, l := range dead(t, w.Queue) {
					if l.Entry == nil {
						continue
					}
					if _, err := w.Revive(t.Context(), l.Name); err != nil {
						t.Error(err)
					}
				}
				w.run(t)
				total := w.receiver.total()
				fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s | %d |\n", s.name, called, f.name, left, counts(next), leftThen, total)

				where := fmt.Sprintf("%s, %s %s", s.name, called, f.name)
				queued := s.name != "queue" || said == nil || left != "nothing"
				kept := strings.Contains(w.state(), "dead unreadable")
				if queued && s.name != "set aside" && total < 1 || s.name == "set aside" && !kept {
					t.Errorf("%s: it is lost: %s", where, w.state())
				}
				if total > 2 {
					t.Errorf("%s: %d deliveries, want 2 at most", where, total)
				}
				if end := w.state(); strings.Contains(end, "pending") || strings.Contains(end, "dead entry") {
					t.Errorf("%s: it does not end: %s", where, end)
				}
			}
		}
	}
	const path = "testdata/crashes.md"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if table.String() != string(want) {
		t.Errorf("what crashes leave has changed; run with -update and look at the difference:\n%s", table.String())
	}
}
