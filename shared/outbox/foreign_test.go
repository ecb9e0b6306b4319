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
	// The listing tells their size: none is read, and a run has one line for all.
	w.bucket.set("_pending/1800000000-y", strings.Repeat("x", 128<<10+1))
	w.bucket.set("_pending/1800000000-z", strings.Repeat("x", 128<<10))
	w.bucket.calls = nil
	w.logged.Reset()
	if s := w.run(t); s.Failed != 2 || s.Unreadable != 1 || s.Due != 3 {
		t.Errorf("Run = %+v, want two left, and the other set aside", s)
	}
	collect(t, w.Pending(t.Context()))
	for _, call := range w.bucket.calls {
		if strings.HasPrefix(call, "Get ") && !strings.HasSuffix(call, "-z") {
			t.Errorf("%s, want nothing read that is too large", call)
		}
	}
	if n := strings.Count(w.logged.String(), "larger"); n != 1 {
		t.Errorf("logged %s, want one line for both", w.logged)
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

// Releases meet in one queue: an entry of a later one has fields that this one does
// not know, and an earlier one's lacks some.
func TestLaterEntriesAreRead(t *testing.T) {
	keys, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: []uploadtoken.Key{{ID: "k1", Secret: []byte(strings.Repeat("a", 32))}}, Place: place, Random: strings.NewReader(strings.Repeat("r", 1000))})
	if err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]string{"later": `,"p":"00-x","z":{"new":[1]}`, "earlier": ""} {
		w := stopped(t)
		sealed, err := keys.SealEvent([]byte(`{"k":"event","i":"evt_7","t":"upload.completed","b":"e30=","s":"2027-01-15T08:00:00Z","q":"2027-01-15T08:00:00Z","a":3` + more + `}`))
		if err != nil {
			t.Fatal(err)
		}
		w.bucket.set("_pending/1800000060-evt_7", sealed)
		w.clock.pass(time.Minute)
		if s := w.run(t); s.Done != 1 || w.receiver.took["evt_7"] != 1 {
			t.Errorf("%s: Run = %+v, want it delivered", name, s)
		}
	}
}
