package sweep_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/storage"
	"ossupload/shared/sweep"
)

func TestCursorThatCannotBeUsed(t *testing.T) {
	for _, tt := range []struct {
		text string
		told bool
	}{
		{"", true}, {"{", true}, {`{"after":7}`, true}, {`{"after":"v/alice"}`, true}, {`{"after":"u/zzz","uploadKey":"v/"}`, true},
		{`{"uploadKey":"v/zzz"}`, true}, {`{"after":"u"}`, true},
		{"null", false}, {"{}", false}, {`{"after":"","uploadKey":""}`, false},
	} {
		w := newWorld(t)
		k := w.everyKind()
		w.kept["_ossupload/u/_sweep/cursor"] = []byte(tt.text)
		if summary, err := w.run(nil); err != nil || !summary.Finished || summary.Announced != 5 || summary.Aborted != 2 {
			t.Errorf("Run with the cursor %q = %+v, %v, want it to begin anew", tt.text, summary, err)
		}
		w.wantAnnounced(t, 0, slices.Concat(k.lost, k.overwritten)...)
		if told := strings.Contains(w.log.String(), `"action":"begin anew","err":"the cursor cannot be used: `); told != tt.told {
			t.Errorf("with the cursor %q, the log says so %v, want %v", tt.text, told, tt.told)
		}
	}
}

func TestCursorIsUsed(t *testing.T) {
	w := newWorld(t)
	var keys []string
	for range 4 {
		keys = append(keys, w.store("alice", hour, nil))
		w.multipart(keys[len(keys)-1], 9*day)
	}
	slices.Sort(keys)
	slices.SortFunc(w.uploads, func(a, b storage.Unfinished) int { return strings.Compare(a.Key, b.Key) })
	uploads := slices.Clone(w.uploads)
	text, err := json.Marshal(map[string]string{"after": keys[1], "uploadKey": uploads[0].Key, "uploadId": uploads[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	w.kept["_ossupload/u/_sweep/cursor"] = text
	if summary, err := w.run(nil); err != nil || !summary.Finished || summary.Objects != 2 || summary.Uploads != 3 {
		t.Errorf("Run = %+v, %v, want what is behind the cursor", summary, err)
	}
	w.wantAnnounced(t, 0, keys[2:]...)
	// A cursor of a release that kept no time does not say how long a round takes.
	if strings.Contains(w.log.String(), "too slow") {
		t.Errorf("the log says that the round is too slow:\n%s", &w.log)
	}
	if string(w.kept["_ossupload/u/_sweep/cursor"]) != "{}" {
		t.Errorf("the cursor after the end is %s, want the beginning", w.kept["_ossupload/u/_sweep/cursor"])
	}
}

// The cursor is written at the beginning, and at the end if it has moved.
func TestCursorIsWrittenWhenItMoves(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.store("alice", hour, nil)
	}
	for i, tt := range []struct{ most, written int }{{10, 2}, {10, 1}, {2, 2}, {10, 2}, {10, 1}} {
		before := w.count("Put cursor")
		if _, err := w.run(func(o *sweep.Options) { o.MaxObjects = tt.most }); err != nil {
			t.Fatal(err)
		}
		if n := w.count("Put cursor") - before; n != tt.written {
			t.Errorf("run %d, of at most %d objects, wrote the cursor %d times, want %d", i, tt.most, n, tt.written)
		}
	}
}

// Without its cursor a run does not begin: it could only begin anew each time,
// and never come to the end. One that cannot be kept at the end is told.
func TestCursorFails(t *testing.T) {
	for _, tt := range []struct {
		call      int
		announced int
	}{{1, 0}, {2, 0}, {-1, 2}} {
		w := newWorld(t)
		for range 3 {
			w.store("alice", hour, nil)
		}
		written := 0
		w.fault = func(n int, name string) (error, bool) {
			if name == "Put cursor" {
				written++
			}
			if n == tt.call || written == 2 {
				return storage.ErrDenied, false
			}
			return nil, false
		}
		summary, err := w.run(func(o *sweep.Options) { o.MaxObjects = 2 })
		if !errors.Is(err, storage.ErrDenied) || summary.Finished || summary.Announced != tt.announced {
			t.Errorf("Run = %+v, %v, want ErrDenied and %d announced", summary, err, tt.announced)
		}
		if tt.call > 0 && len(w.calls) != tt.call {
			t.Errorf("calls = %q, want no more than the cursor's", w.calls)
		}
	}
}
