package sweep_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// The edges of the three ages, each to the nanosecond or, of ids, to the
// millisecond.
func TestAges(t *testing.T) {
	const ms = time.Millisecond
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
		{"too old by a millisecond", 8*day + ms, hour, 5, sweep.Summary{Old: 1}},
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

// Three failures in a row end a run, whatever came before them. One object a
// page, so that they come one after another.
func TestGivesUpAfterThreeInARow(t *testing.T) {
	tests := []struct {
		objects string // "x": its event is refused
		want    sweep.Summary
		ends    bool
	}{
		{"x", sweep.Summary{Failed: 1}, false},
		{"xx", sweep.Summary{Failed: 2}, false},
		{"xxx.", sweep.Summary{Failed: 3}, true},
		{"xx.xx.xx.", sweep.Summary{Failed: 6, Announced: 3}, false},
		{".x.xxx.", sweep.Summary{Failed: 4, Announced: 2}, true},
	}
	for _, tt := range tests {
		t.Run(tt.objects, func(t *testing.T) {
			w := newWorld(t)
			w.pageSize = 1
			keys := make([]string, len(tt.objects))
			for i := range keys {
				keys[i] = w.store("alice", hour, nil)
			}
			slices.Sort(keys)
			w.refused = func(key string) bool { return tt.objects[slices.Index(keys, key)] == 'x' }
			got, err := w.run(nil)
			if (err != nil) != tt.ends || got.Finished == tt.ends || got.Failed != tt.want.Failed || got.Announced != tt.want.Announced {
				t.Errorf("Run = %+v, %v, want %+v, given up %v", got, err, tt.want, tt.ends)
			}
			if n := strings.Count(w.log.String(), `"action":"pass over"`); n != tt.want.Failed {
				t.Errorf("%d failures are in the log, want %d:\n%s", n, tt.want.Failed, &w.log)
			}
		})
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
func TestSecondLookAtTheBucket(t *testing.T) {
	w := newWorld(t)
	stranger := w.store("alice", 3*day, func(c *uploadtoken.Claims, o *storage.Object) { c.Bucket = "another"; o.Size++ })
	foreign := w.objects[stranger].Metadata
	w.objects = map[string]storage.Object{}
	key := w.store("alice", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
	w.fault = func(_ int, name string) (error, bool) {
		if name == "Head" && w.count("Head") == 2 {
			o := w.objects[key]
			o.Metadata = foreign
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
	for _, call := range []string{"List objects", "List markers", "ListUploads"} {
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
		if call == "ListUploads" {
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
