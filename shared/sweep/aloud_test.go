package sweep_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// What does not open is counted by reason, and said once a run.
func TestWhatDoesNotOpen(t *testing.T) {
	here := uploadtoken.Place{Bucket: bucketName, Prefix: prefix}
	tests := []struct {
		name  string
		ring  *uploadtoken.Keyring
		spoil func(token string) string
		want  sweep.Summary
		aloud string
	}{
		{"the secret was replaced under another name", keyring(t, "new", "n", here), nil, sweep.Summary{UnknownSecret: 1}, `"unknownSecret":1,"unreadable":0,"otherDeployment":0`},
		{"the secret was replaced under its name", keyring(t, "k", "n", here), nil, sweep.Summary{Unreadable: 1}, `"unknownSecret":0,"unreadable":1,"otherDeployment":0`},
		{"the prefix was replaced", keyring(t, "k", "s", uploadtoken.Place{Bucket: bucketName, Prefix: "v/"}), nil, sweep.Summary{OtherDeployment: 1}, `"otherDeployment":1`},
		{"the bucket was replaced", keyring(t, "k", "s", uploadtoken.Place{Bucket: "another", Prefix: prefix}), nil, sweep.Summary{OtherDeployment: 1}, `"otherDeployment":1`},
		{"it was cut off", nil, func(token string) string { return token[:len(token)-4] }, sweep.Summary{Unreadable: 1}, `"unreadable":1`},
		{"it is no token", nil, func(string) string { return "x" }, sweep.Summary{Unreadable: 1}, `"unreadable":1`},
		{"there is none", nil, func(string) string { return "" }, sweep.Summary{}, ""},
		{"it is another object's", nil, nil, sweep.Summary{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			good := w.store("bob", hour, nil)
			key := w.store("alice", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
			o := w.objects[key]
			claims := w.grant("alice", 3*day) // of another key
			if tt.ring != nil {
				claims.Key = key
			} else {
				tt.ring = w.keyring
			}
			delete(o.Metadata, grant.MetaGrant)
			w.seal(tt.ring, claims, o)
			if tt.spoil != nil {
				o.Metadata[grant.MetaGrant] = tt.spoil(o.Metadata[grant.MetaGrant])
			}
			tt.want.Finished, tt.want.Objects, tt.want.Announced, tt.want.NoGrant = true, 2, 1, 1
			if got, err := w.run(deleting); err != nil || got != tt.want {
				t.Errorf("Run = %+v, %v, want %+v", got, err, tt.want)
			}
			w.wantAnnounced(t, 0, good)
			lines := strings.Count(w.log.String(), `"level":"ERROR"`)
			if tt.aloud == "" && lines != 0 || tt.aloud != "" && (lines != 1 || !strings.Contains(w.log.String(), tt.aloud)) {
				t.Errorf("the log has %d errors, want one with %s:\n%s", lines, tt.aloud, &w.log)
			}
		})
	}
}

// A round that takes over half its look-back is said aloud, with each run until it
// ends.
func TestRoundThatTakesTooLong(t *testing.T) {
	w := newWorld(t)
	for range 6 {
		w.mark(w.store("alice", hour, nil))
	}
	for i, tt := range []struct {
		at    time.Duration // since the round began
		aloud bool
	}{{0, false}, {4 * day, false}, {4*day + time.Second, true}, {5 * day, false}} { // the last begins another
		w.log.Reset()
		s := w.sweeper()
		s.Now = func() time.Time { return now.Add(tt.at) }
		o := sweep.Defaults()
		o.MaxObjects = 2
		if _, err := s.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if aloud := strings.Contains(w.log.String(), `"action":"too slow","roundHours":96,"lookBackHours":192`); aloud != tt.aloud {
			t.Errorf("run %d, %v after the round began, says so: %v, want %v", i, tt.at, aloud, tt.aloud)
		}
	}
}

// Names that the application chose lie among the dated ones, and the markers of
// "room" among those of "room-1".
func TestNamesThatTheApplicationChose(t *testing.T) {
	names := []string{
		"room", "room-1", "room-0000000000000000", "room+1", "room,1", "room(1", "room.png", "room/1", "room-1-2", "room+1-1",
		"2026/10/17/a.jpg", "2026/11/a.jpg", "9", "a~b=c@d",
	}
	for _, pageSize := range []int{1, 2, 3, 1000} {
		w := newWorld(t)
		w.pageSize = pageSize
		var keys []string
		for _, name := range names {
			temporary := w.store("alice", hour, nil)
			o, claims := w.objects[temporary], w.grant("alice", hour)
			delete(w.objects, temporary)
			claims.Key = "u/alice/" + name
			delete(o.Metadata, grant.MetaGrant)
			w.seal(w.keyring, claims, o)
			w.objects[claims.Key] = o
			keys = append(keys, claims.Key)
			// Beside each something old, which is not to be leapt from.
			w.store("alice", 60*day, nil)
		}
		for i, announced := range []int{len(keys), 0} {
			if summary, err := w.run(nil); err != nil || summary.Announced != announced || summary.Known != len(keys)-announced {
				t.Errorf("run %d with pages of %d = %+v, %v, want %d announced", i+1, pageSize, summary, err, announced)
			}
		}
		w.wantAnnounced(t, 0, keys...)
	}
}

// An object is not deleted if anything under its very name was announced, and is
// if only something that begins like it was.
func TestDeletesBesideOthersMarkers(t *testing.T) {
	for _, tt := range []struct {
		marked string
		delete bool
	}{{"room", false}, {"room-1", true}, {"room-0000000000000000", true}, {"room+1", true}, {"roo", true}} {
		w := newWorld(t)
		w.pageSize = 2
		temporary := w.store("alice", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
		o, claims := w.objects[temporary], w.grant("alice", 3*day)
		delete(w.objects, temporary)
		claims.Key = "u/alice/room"
		delete(o.Metadata, grant.MetaGrant)
		w.seal(w.keyring, claims, o)
		w.objects[claims.Key] = o
		for range 5 {
			w.kept[grant.Marker(prefix, "u/alice/"+tt.marked, rand.Text(), 5, now.Add(-day))] = []byte("taken")
		}
		if summary, err := w.run(deleting); err != nil || summary.Deleted == 1 != tt.delete {
			t.Errorf("Run beside markers of %s = %+v, %v, want it deleted %v", tt.marked, summary, err, tt.delete)
		}
	}
}

// What was stored with STS credentials is told of once, if anybody wants to know,
// also where the subject reads as a year, and is never taken for an upload.
func TestStoredWithSTSCredentials(t *testing.T) {
	for _, tell := range []bool{false, true} {
		w := newWorld(t)
		w.pageSize = 2
		upload := w.store("alice", hour, nil)
		last := w.store("zoe", hour, nil)
		keys := []string{
			strings.Replace(upload, "u/alice/", "u/_sts/2026/", 1), strings.Replace(upload, "u/alice/", "u/_sts/alice/", 1),
			"u/_sts/2026/11/" + upload[len("u/alice/2026/11/"):], "u/_sts/alice/a b.png",
		}
		for _, key := range keys {
			w.objects[key] = w.objects[upload]
		}
		want := append([]string{upload, last}, keys...)
		if tell {
			w.types = []string{confirm.Stored}
		} else {
			want = want[:2]
		}
		stored := len(want) - 2
		if tell { // what cannot be asked for is tried again
			w.denied = func(key string) bool { return key == keys[0] }
			if summary, err := w.run(deleting); err != nil || summary.Stored != stored-1 || summary.Failed != 1 {
				t.Errorf("Run = %+v, %v, want %d told of and one failure", summary, err, stored-1)
			}
			w.denied, stored = nil, 1
		}
		for range 2 {
			if summary, err := w.run(deleting); err != nil || !summary.Finished || summary.Deleted+summary.Failed != 0 || summary.Stored != stored {
				t.Errorf("Run = %+v, %v, want %d told of and the end", summary, err, stored)
			}
			stored = 0
		}
		w.wantAnnounced(t, 0, want...)
	}
}

// The same bytes stored again, a second later, are another event's.
func TestAnotherVersionOfTheSameBytes(t *testing.T) {
	w := newWorld(t)
	key := w.mark(w.store("alice", 2*hour, nil))
	if summary, err := w.run(nil); err != nil || summary.Known != 1 {
		t.Errorf("Run = %+v, %v, want it known", summary, err)
	}
	o := w.objects[key]
	o.LastModified, o.VersionID = o.LastModified.Add(time.Second), "v2"
	w.objects[key] = o
	for i, announced := range []int{1, 0} {
		if summary, err := w.run(nil); err != nil || summary.Announced != announced || summary.Known != 1-announced {
			t.Errorf("run %d of another version = %+v, %v", i+1, summary, err)
		}
	}
	w.wantAnnounced(t, 0, key)
}

// An object that breaks its grant is told of once, and what cannot be told is
// tried again.
func TestRefusalIsTold(t *testing.T) {
	w := newWorld(t)
	w.types = []string{confirm.Refused}
	key := w.store("alice", hour, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
	w.refused = func(string) bool { return true }
	w.fault = func(_ int, name string) (error, bool) {
		if name == "Queue" {
			return storage.ErrUnavailable, false
		}
		return nil, false
	}
	if summary, err := w.run(nil); err != nil || summary.Failed != 1 || summary.Refused != 0 {
		t.Errorf("Run = %+v, %v, want a failure", summary, err)
	}
	w.refused, w.fault = nil, nil
	if summary, err := w.run(nil); err != nil || summary.Refused != 1 {
		t.Errorf("Run = %+v, %v, want it refused", summary, err)
	}
	if summary, err := w.run(nil); err != nil || summary.Known != 1 {
		t.Errorf("Run = %+v, %v, want it known", summary, err)
	}
	w.wantAnnounced(t, 0, key)
}

// Whatever a grant carries, the object is announced.
func TestVarsOfAllKinds(t *testing.T) {
	w := newWorld(t)
	var keys []string
	for _, value := range []string{"\x00", "a\x00b\r\n\x7f", "\u2028<&>\"\\", "夏", ""} {
		keys = append(keys, w.store("alice", hour, func(c *uploadtoken.Claims, _ *storage.Object) { c.Vars = map[string]string{"v": value} }))
	}
	w.refused = func(key string) bool { return key == keys[1] }
	if summary, err := w.run(nil); err != nil || summary.Announced != len(keys) {
		t.Errorf("Run = %+v, %v, want %d announced", summary, err, len(keys))
	}
	w.wantAnnounced(t, 0, keys...)
}
