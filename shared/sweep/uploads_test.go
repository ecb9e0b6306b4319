package sweep_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// multipart starts an upload as long ago as age.
func (w *world) multipart(id string, age time.Duration) string {
	w.uploads = append(w.uploads, storage.Unfinished{Key: w.grant("alice", age).Key, ID: id, Initiated: now.Add(-age)})
	return id
}

// An upload is kept for an hour longer than any token lives, also where they live
// for a minute today.
func TestAbortsWhatIsStale(t *testing.T) {
	w := newWorld(t)
	stale := []string{w.multipart("old", 9*day), w.multipart("edge", 169*hour)}
	w.multipart("running", 169*hour-1)
	w.multipart("new", 0)
	summary, err := w.run(nil)
	if err != nil || summary != (sweep.Summary{Finished: true, Uploads: 4, Aborted: 2}) {
		t.Errorf("Run = %+v, %v, want two of four aborted", summary, err)
	}
	slices.Sort(stale)
	if slices.Sort(w.aborted); !slices.Equal(w.aborted, stale) {
		t.Errorf("aborted %q, want %q", w.aborted, stale)
	}
}

// Where it stopped among uploads is kept, however few a run may list.
func TestUploadsBoundedByNumber(t *testing.T) {
	for most := 1; most <= 5; most++ {
		w := newWorld(t)
		for i := range 4 {
			w.multipart(fmt.Sprint("stale", i), 9*day)
		}
		for range 2 { // around twice, and the second time there is nothing left
			for seen := 0; seen < 4; seen += most {
				summary, err := w.run(func(o *sweep.Options) { o.MaxObjects, o.DryRun = most, false })
				left := 4 - seen
				if len(w.uploads) == 0 && summary.Uploads == 0 {
					break
				}
				if err != nil || summary.Uploads != min(most, left) || summary.Finished != (most >= left) {
					t.Errorf("of %d uploads with at most %d: Run = %+v, %v", left, most, summary, err)
				}
			}
		}
		if len(w.aborted) != 4 {
			t.Errorf("with at most %d a run, aborted %q, want each once", most, w.aborted)
		}
	}
}

// An abort that the time cuts short is no failure and no end: the next run does
// it. Each call takes five seconds, and the abort has 4.7.
func TestAbortsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.multipart("stale", 9*day)
		w.slow = func() {
			if len(w.calls) < 5 {
				time.Sleep(5 * time.Second)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 26300*time.Millisecond)
		defer cancel()
		summary, err := w.sweeper().Run(ctx, sweep.Defaults())
		if err != nil || summary != (sweep.Summary{Uploads: 1}) || w.count("Abort") != 1 {
			t.Errorf("Run = %+v, %v after the calls %q, want one upload and no end", summary, err, w.calls)
		}
		w.slow = nil
		if summary, err := w.run(nil); err != nil || !summary.Finished || summary.Aborted != 1 {
			t.Errorf("the next Run = %+v, %v, want it to abort the upload", summary, err)
		}
	})
}

func TestAbortsFail(t *testing.T) {
	tests := []struct {
		uploads         string // "x": it cannot be aborted, "0": it is gone already
		failed, aborted int
	}{
		{"x.", 1, 1},
		{"xx", 2, 0},
		{"xxx.", 3, 1},
		{"xxxxxxxx.", 8, 1},
		{"xx.xx.", 4, 2},
		{"00000", 0, 5},
		{"xx0xx", 4, 1},
	}
	for _, tt := range tests {
		// Failures among objects are no part of the row.
		for _, webhookDown := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, webhook down %v", tt.uploads, webhookDown), func(t *testing.T) {
				w := newWorld(t)
				w.pageSize = 2
				if webhookDown {
					for range 4 {
						w.store("alice", hour, nil)
					}
				}
				w.refused = func(string) bool { return true }
				for i := range tt.uploads {
					w.multipart(fmt.Sprint(i), 9*day)
				}
				tried := 0
				w.fault = func(_ int, name string) (error, bool) {
					if name != "Abort" {
						return nil, false
					}
					tried++
					switch tt.uploads[tried-1] {
					case 'x':
						return storage.ErrUnavailable, false
					case '0':
						return storage.ErrNoSuchUpload, false
					}
					return nil, false
				}
				summary, err := w.run(nil)
				if err != nil || !summary.Finished {
					t.Errorf("Run = %+v, %v, want it to finish", summary, err)
				}
				if summary.Failed != tt.failed || summary.Aborted != tt.aborted || summary.Uploads != tt.failed+tt.aborted {
					t.Errorf("Run = %+v, want %d failed and %d aborted", summary, tt.failed, tt.aborted)
				}
			})
		}
	}
}

// A deployment whose prefix begins with ours: the keys do not tell the two apart.
// Its uploads are aborted at the age at which its own sweep aborts them, and its
// objects are left alone, since their grants are of another place.
func TestPrefixBelowOurs(t *testing.T) {
	w := newWorld(t)
	below := uploadtoken.Place{Bucket: bucketName, Prefix: prefix + "staging/"}
	name := func(key string) string { return below.Prefix + strings.TrimPrefix(key, prefix) }
	for _, bad := range []bool{false, true} {
		mine := w.store("alice", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata = map[string]string{} })
		object, claims := w.objects[mine], w.grant("alice", 3*day)
		delete(w.objects, mine)
		delete(object.Metadata, grant.MetaGrant)
		claims.Key = name(mine)
		w.seal(keyring(t, "k", "s", below), claims, object)
		if bad {
			object.Size++
		}
		w.objects[claims.Key] = object
	}
	for _, u := range []storage.Unfinished{{ID: "running", Initiated: now.Add(-169*hour + 1)}, {ID: "stale", Initiated: now.Add(-169 * hour)}} {
		u.Key = name(w.grant("alice", 8*day).Key)
		w.uploads = append(w.uploads, u)
	}
	summary, err := w.run(deleting)
	if want := (sweep.Summary{Finished: true, Objects: 2, NoGrant: 2, OtherDeployment: 2, Uploads: 2, Aborted: 1}); err != nil || summary != want {
		t.Errorf("Run = %+v, %v, want %+v", summary, err, want)
	}
	w.wantAnnounced(t, 0)
	if !slices.Equal(w.aborted, []string{"stale"}) {
		t.Errorf("aborted %q, want the one that is stale", w.aborted)
	}
}
