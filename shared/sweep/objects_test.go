package sweep_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// The edges of the three ages, counted from storing.
func TestAges(t *testing.T) {
	tests := []struct {
		name            string
		granted, stored time.Duration // ago
		size            int64         // 5 were granted
		want            sweep.Summary
	}{
		{"just old enough", hour, 15 * time.Minute, 5, sweep.Summary{Announced: 1}},
		{"an instant too young", hour, 15*time.Minute - 1, 5, sweep.Summary{Young: 1}},
		{"stored in the future", hour, -hour, 5, sweep.Summary{Young: 1}},
		{"just not too old", 8 * day, 8 * day, 5, sweep.Summary{Announced: 1}},
		{"granted long before", 40 * day, hour, 5, sweep.Summary{Announced: 1}},
		{"too old by a second", 8 * day, 8*day + time.Second, 5, sweep.Summary{Old: 1}},
		{"bad for just a day", 2 * day, day, 6, sweep.Summary{Deleted: 1}},
		{"bad for an instant less", 2 * day, day - 1, 6, sweep.Summary{Refused: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.store("alice", tt.granted, func(_ *uploadtoken.Claims, o *storage.Object) {
				o.Size, o.LastModified = tt.size, now.Add(-tt.stored)
			})
			tt.want.Finished, tt.want.Objects = true, 1
			if got, err := w.run(deleting); err != nil || got != tt.want {
				t.Errorf("Run = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// Ages of zero are not out of range: then nothing is young.
func TestNoAgeAtAll(t *testing.T) {
	w := newWorld(t)
	w.store("alice", 0, nil)
	w.store("alice", 0, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
	summary, err := w.run(func(o *sweep.Options) { o.MinAge, o.Grace, o.Delete = 0, 0, true })
	if err != nil || summary.Announced != 1 || summary.Deleted != 1 {
		t.Errorf("Run = %+v, %v, want one announced and one deleted", summary, err)
	}
}

// A deletion of which any call fails is a failure, and is tried again later.
func TestDeletionFails(t *testing.T) {
	for _, tt := range []struct {
		call string
		nth  int
	}{{"Head", 1}, {"Head", 2}, {"Delete", 1}} {
		w := newWorld(t)
		key := w.store("alice", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
		seen := 0
		w.fault = func(_ int, name string) (error, bool) {
			if name != tt.call {
				return nil, false
			}
			if seen++; seen == tt.nth {
				return storage.ErrUnavailable, false
			}
			return nil, false
		}
		if summary, err := w.run(deleting); err != nil || summary.Failed != 1 || summary.Deleted != 0 || len(w.deleted) != 0 {
			t.Errorf("Run when %s %d fails = %+v, %v, deleted %q, want one failure", tt.call, tt.nth, summary, err, w.deleted)
		}
		if summary, err := w.run(deleting); err != nil || summary.Deleted != 1 || !slices.Equal(w.deleted, []string{key}) {
			t.Errorf("the next Run = %+v, %v, deleted %q, want the object", summary, err, w.deleted)
		}
	}
}

// What another deployment granted is not ours to delete, also when it takes an
// object's place while we look.
func TestSecondLookAtThePlace(t *testing.T) {
	w := newWorld(t)
	key := w.store("alice", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
	w.fault = func(_ int, name string) (error, bool) {
		if name == "Head" && w.count("Head") == 2 {
			claims := w.grant("alice", 3*day)
			claims.Key = key
			o := w.objects[key]
			o.Metadata = map[string]string{}
			w.seal(keyring(t, "k", "s", uploadtoken.Place{Bucket: "another", Prefix: prefix}), claims, o)
			w.objects[key] = o
		}
		return nil, false
	}
	if summary, err := w.run(deleting); err != nil || summary.Deleted != 0 || len(w.deleted) != 0 {
		t.Errorf("Run = %+v, %v, deleted %q, want nothing deleted", summary, err, w.deleted)
	}
}

// What cannot be listed ends the run, and is no end that was reached.
func TestListingFails(t *testing.T) {
	for _, call := range []string{"List objects", "List markers", "List uploads"} {
		w := newWorld(t)
		k := w.everyKind()
		w.fault = func(_ int, name string) (error, bool) {
			if name == call {
				return storage.ErrDenied, false
			}
			return nil, false
		}
		summary, err := w.run(nil)
		if !errors.Is(err, storage.ErrDenied) || summary.Finished {
			t.Errorf("Run without %s = %+v, %v, want ErrDenied and no end", call, summary, err)
		}
		// The other half is done.
		if call == "List uploads" {
			w.wantAnnounced(t, 0, slices.Concat(k.lost, k.overwritten)...)
		} else if !slices.Equal(w.aborted, k.stale) {
			t.Errorf("without %s aborted %q, want %q", call, w.aborted, k.stale)
		}
	}
}

func TestNoLog(t *testing.T) {
	w := newWorld(t)
	k := w.everyKind()
	s := w.sweeper()
	s.Log = nil
	if summary, err := s.Run(t.Context(), sweep.Defaults()); err != nil || !summary.Finished {
		t.Errorf("Run = %+v, %v", summary, err)
	}
	w.wantAnnounced(t, 0, slices.Concat(k.lost, k.overwritten)...)
}
