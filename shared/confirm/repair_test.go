package confirm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// seen is a world with one stored object, and somebody who has seen it.
type seen struct {
	config   confirm.Config
	bucket   *bucket
	queue    *line
	hook     *recorder
	log      bytes.Buffer
	sighting confirm.Sighting
}

// newSeen is of an object that carries its grant, at an age.
func newSeen(t *testing.T, age time.Duration) *seen {
	t.Helper()
	s := &seen{bucket: stored(object()), queue: &line{}, hook: &recorder{}, sighting: confirm.Sighting{Key: claims().Key, ETag: object().ETag}}
	s.bucket.object.Metadata["ossupload-grant"] = sealed(t, uploadtoken.Grant, claims())
	s.config = config(t, s.bucket)
	s.config.Queue, s.config.Notifier = s.queue, s.hook
	s.config.Log = slog.New(slog.NewJSONHandler(&s.log, nil))
	s.config.Now = func() time.Time { return uploadedAt.Add(age) }
	return s
}

func sealed(t *testing.T, p uploadtoken.Purpose, c uploadtoken.Claims) string {
	t.Helper()
	token, err := keyring(t).Seal(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s *seen) byURL() {
	s.bucket.object.Metadata = nil
}

// What is a url upload's alone: the token that travelled with the callback.
func urlClaims() uploadtoken.Claims {
	c := claims()
	c.Method, c.Metadata, c.Filename = uploadtoken.URL, "", "a b.png"
	return c
}

func TestLook(t *testing.T) {
	const old = time.Hour
	mark := func(state string) func(*testing.T, *seen) {
		return func(_ *testing.T, s *seen) { s.bucket.kept = map[string]string{marker: state} }
	}
	token := func(c uploadtoken.Claims, p uploadtoken.Purpose) func(*testing.T, *seen) {
		return func(t *testing.T, s *seen) {
			s.byURL()
			s.sighting.Token = sealed(t, p, c)
		}
	}
	other, expired, late := urlClaims(), urlClaims(), urlClaims()
	other.Key = "u/alice/2026/11/y.png"
	expired.ExpiresAt = uploadedAt.Unix()
	late.ExpiresAt = uploadedAt.Unix() + 1
	tests := []struct {
		name   string
		age    time.Duration
		change func(*testing.T, *seen)
		taken  int
		queued int
		marker string
	}{
		{"an object that is old", old, nil, 1, 0, "taken"},
		{"one that has just settled", 15 * time.Second, nil, 1, 0, "taken"},
		{"one that is young", 15*time.Second - 1, nil, 0, 1, ""},
		{"one from the future, by our clock", -time.Minute, nil, 0, 1, ""},
		{"one that was announced", old, mark("taken"), 0, 0, "taken"},
		{"one that was announced at once", time.Second, mark("taken"), 0, 0, "taken"},
		{"one whose event waits", old, mark("queued"), 0, 0, "queued"},
		{"one whose event was given up", old, mark("dead"), 0, 0, "dead"},
		{"one that was refused", old, mark("refused"), 0, 0, "refused"},
		{"one that is gone", old, func(_ *testing.T, s *seen) { s.bucket.err = storage.ErrNotFound }, 0, 0, ""},
		{"one that nobody granted", old, func(_ *testing.T, s *seen) { s.byURL() }, 0, 0, ""},
		{"another one under its key", old, func(_ *testing.T, s *seen) { s.bucket.object.ETag = "OTHER" }, 0, 0, ""},
		{"one with its ETag in quotes and small letters", old, func(_ *testing.T, s *seen) { s.sighting.ETag = `"` + strings.ToLower(object().ETag) + `"` }, 1, 0, "taken"},
		{"one that breaks its grant", old, func(_ *testing.T, s *seen) { s.bucket.object.Size++ }, 0, 0, ""},
		{"a url upload", old, token(urlClaims(), uploadtoken.Upload), 1, 0, "taken"},
		{"a url upload whose token has expired since", old, token(late, uploadtoken.Upload), 1, 0, "taken"},
		{"a url upload whose token had expired", old, token(expired, uploadtoken.Upload), 0, 0, ""},
		{"a url upload with the token of another", old, token(other, uploadtoken.Upload), 0, 0, ""},
		{"a url upload with a token of another purpose", old, token(urlClaims(), uploadtoken.Multipart), 0, 0, ""},
		{"a url upload with something else for a token", old, func(_ *testing.T, s *seen) { s.byURL(); s.sighting.Token = "x" }, 0, 0, ""},
		{"a receiver that is down", old, func(_ *testing.T, s *seen) { s.hook.err = errDown }, 0, 1, "queued"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSeen(t, tt.age)
			if tt.change != nil {
				tt.change(t, s)
			}
			if err := made(t, s.config).Look(t.Context(), s.sighting); err != nil {
				t.Errorf("Look: %v", err)
			}
			if len(s.hook.taken) != tt.taken || len(s.queue.entries) != tt.queued || s.bucket.marker() != tt.marker {
				t.Errorf("%d events taken, %d queued, the marker %q; want %d, %d, %q",
					len(s.hook.taken), len(s.queue.entries), s.bucket.marker(), tt.taken, tt.queued, tt.marker)
			}
			if told := strings.Contains(s.log.String(), `"msg":"repair","action":"announce","eventId":"evt_`); told != (s.bucket.marker() == "taken" && tt.taken == 1 || tt.queued == 1 && tt.marker == "queued") {
				t.Errorf("log = %s, which tells of a repair: %v", &s.log, told)
			}
			if s.sighting.Token != "" && strings.Contains(s.log.String(), s.sighting.Token) && len(s.sighting.Token) > 1 {
				t.Errorf("log = %s, which holds the token", &s.log)
			}
		})
	}
}

// What was not marked is looked at again, and delivered again under its one id:
// nobody waits, and without the marker nobody would know.
func TestNotMarked(t *testing.T) {
	for name, down := range map[string]error{"taken": nil, "queued": errDown} {
		s := newSeen(t, time.Hour)
		s.hook.err = down
		confirmer := made(t, s.config)
		s.bucket.put = func(context.Context) error { return storage.ErrDenied }
		check := outbox.Entry{Kind: outbox.Check, ID: "chk_1", Key: claims().Key}
		if err := confirmer.Do(t.Context(), check); !errors.Is(err, storage.ErrDenied) {
			t.Errorf("%s: Do = %v, want %v", name, err, storage.ErrDenied)
		}
		s.bucket.put = nil
		if err := confirmer.Do(t.Context(), check); err != nil || s.bucket.marker() != name {
			t.Errorf("%s: Do again = %v with the marker %q", name, err, s.bucket.marker())
		}
	}
}

// Whoever queues the looking at one object writes one entry.
func TestCheckEntries(t *testing.T) {
	s := newSeen(t, 0)
	s.sighting.Token = sealed(t, uploadtoken.Upload, urlClaims())
	s.sighting.ETag = "" // whatever is there
	confirmer := made(t, s.config)
	for _, change := range []func(){
		func() {}, func() {},
		func() { s.bucket.object.ETag = "OTHER" },
		func() { s.bucket.object.ETag = object().ETag; s.sighting.Key += "2" },
	} {
		change()
		if err := confirmer.Look(t.Context(), s.sighting); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.queue.entries) != 4 {
		t.Fatalf("%d entries, want 4", len(s.queue.entries))
	}
	first := s.queue.entries[0]
	if first.Kind != outbox.Check || first.Key != claims().Key || first.Token != s.sighting.Token || !first.Stored.Equal(uploadedAt) || !strings.HasPrefix(first.ID, "chk_") {
		t.Errorf("entry = %+v, want the object and the token", first)
	}
	if got := s.queue.entries[1].ID; got != first.ID {
		t.Errorf("the same object is queued as %q and %q", first.ID, got)
	}
	for _, e := range s.queue.entries[2:] {
		if e.ID == first.ID {
			t.Errorf("another object is queued as %q too", e.ID)
		}
	}
	if heads := s.bucket.heads; heads != 4 || s.bucket.reads != 4 {
		t.Errorf("%d HEADs and %d marker reads of 4 sightings", heads, s.bucket.reads)
	}
}

// What cannot be asked or kept is looked at again.
func TestLookFails(t *testing.T) {
	fails := func(context.Context) error { return storage.ErrDenied }
	for name, change := range map[string]func(*seen){
		"a HEAD":                    func(s *seen) { s.bucket.err = storage.ErrDenied },
		"a marker":                  func(s *seen) { s.bucket.get = fails },
		"a queue, for the young":    func(s *seen) { s.queue.put = fails; s.config.Now = func() time.Time { return uploadedAt } },
		"a queue and a receiver":    func(s *seen) { s.queue.put = fails; s.hook.err = errDown },
		"both, and a broken grant":  func(s *seen) { s.queue.put = fails; s.hook.err = errDown; s.bucket.object.Size++ },
		"both, below the STS place": func(s *seen) { s.queue.put = fails; s.hook.err = errDown; s.sighting.Key = "u/_sts/alice/x" },
	} {
		s := newSeen(t, time.Hour)
		s.config.Events = []string{confirm.Refused, confirm.Stored}
		change(s)
		if err := made(t, s.config).Look(t.Context(), s.sighting); err == nil || !errors.Is(err, storage.ErrDenied) {
			t.Errorf("Look with the failure of %s = %v, want it", name, err)
		}
	}
}

// Objects below _sts/ are told of, once, if anybody wants to know; never as
// completed.
func TestStored(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		s := newSeen(t, 0)
		s.sighting.Key = "u/_sts/alice/x.bin"
		if wanted {
			s.config.Events = []string{confirm.Stored}
		}
		confirmer := made(t, s.config)
		for range 2 {
			if err := confirmer.Look(t.Context(), s.sighting); err != nil {
				t.Fatal(err)
			}
		}
		if !wanted {
			if len(s.hook.taken) != 0 || s.bucket.reads != 0 {
				t.Errorf("%d events and %d marker reads, want none", len(s.hook.taken), s.bucket.reads)
			}
			continue
		}
		if len(s.hook.taken) != 1 || s.bucket.marker() != "taken" {
			t.Fatalf("%d events with the marker %q, want one and taken", len(s.hook.taken), s.bucket.marker())
		}
		want := `{"type":"upload.stored","timestamp":"2026-11-20T10:00:00Z","data":{"bucket":"examplebucket","key":"u/_sts/alice/x.bin","size":5,` +
			`"etag":"5D41402ABC4B2A76B9719D911017C592","uploadedAt":"2026-11-20T10:00:00Z","eventId":"` + s.hook.taken[0].id + `"}}`
		if got := string(s.hook.taken[0].body); got != want {
			t.Errorf("event = %s, want %s", got, want)
		}
	}
	s := newSeen(t, 0)
	s.sighting.Key, s.config.Events, s.hook.err = "u/_sts/alice/x.bin", []string{confirm.Stored}, errDown
	if err := made(t, s.config).Look(t.Context(), s.sighting); err != nil || len(s.queue.entries) != 1 || s.bucket.marker() != "queued" {
		t.Errorf("Look = %v with %d entries and the marker %q, want it queued", err, len(s.queue.entries), s.bucket.marker())
	}
}

// The worker delivers what waits, and marks it; what was taken meanwhile ends its
// entry.
func TestDoEvent(t *testing.T) {
	gone := &recorder{err: outbox.ErrRefused}
	fails := func(context.Context) error { return storage.ErrUnavailable }
	tests := []struct {
		name   string
		marker string
		change func(*seen)
		want   error
		taken  int
		after  string
	}{
		{"what waits", "queued", nil, nil, 1, "taken"},
		{"what was never marked", "", nil, nil, 1, "taken"},
		{"what was given up and revived", "dead", nil, nil, 1, "taken"},
		{"what was taken meanwhile", "taken", nil, nil, 0, "taken"},
		{"what is not taken", "queued", func(s *seen) { s.hook.err = errDown }, errDown, 0, "queued"},
		{"what is refused for good", "queued", func(s *seen) { s.config.Notifier = gone }, outbox.ErrRefused, 0, "queued"},
		{"no marker to read", "queued", func(s *seen) { s.bucket.get = fails }, storage.ErrUnavailable, 0, "queued"},
		{"no marker to write", "queued", func(s *seen) { s.bucket.put = fails }, storage.ErrUnavailable, 1, "queued"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSeen(t, time.Hour)
			if tt.marker != "" {
				s.bucket.kept = map[string]string{marker: tt.marker}
			}
			if tt.change != nil {
				tt.change(s)
			}
			e := outbox.Entry{Kind: outbox.Event, ID: "evt_1", Type: confirm.Completed, Key: claims().Key, Marker: marker, Body: []byte(`{"a":1}`)}
			if err := made(t, s.config).Do(t.Context(), e); !errors.Is(err, tt.want) {
				t.Errorf("Do = %v, want %v", err, tt.want)
			}
			if len(s.hook.taken) != tt.taken || s.bucket.marker() != tt.after || s.bucket.heads != 0 {
				t.Errorf("taken %d times, the marker %q, %d HEADs; want %d, %q and none", len(s.hook.taken), s.bucket.marker(), s.bucket.heads, tt.taken, tt.after)
			}
			if tt.taken == 1 && (s.hook.taken[0].id != "evt_1" || string(s.hook.taken[0].body) != `{"a":1}`) {
				t.Errorf("delivered %s %s, want the entry's id and body", s.hook.taken[0].id, s.hook.taken[0].body)
			}
		})
	}
}

// A test event is about no object.
func TestDoWithoutAnObject(t *testing.T) {
	s := newSeen(t, time.Hour)
	confirmer := made(t, s.config)
	e := outbox.Entry{Kind: outbox.Event, ID: "evt_1", Type: "test", Body: []byte(`{}`)}
	if err := confirmer.Do(t.Context(), e); err != nil || len(s.hook.taken) != 1 {
		t.Errorf("Do = %v, taken %d times, want once", err, len(s.hook.taken))
	}
	if err := confirmer.Bury(t.Context(), e); err != nil || len(s.bucket.kept) != 0 {
		t.Errorf("Bury = %v with the markers %v, want none", err, s.bucket.kept)
	}
}

func TestBury(t *testing.T) {
	s := newSeen(t, time.Hour)
	if err := made(t, s.config).Bury(t.Context(), outbox.Entry{Kind: outbox.Event, ID: "evt_1", Marker: marker}); err != nil || s.bucket.kept[marker] != "dead" {
		t.Errorf("Bury = %v with the markers %v, want dead", err, s.bucket.kept)
	}
}

// A check has waited, however young its object is: whoever takes entries before
// they are due must not queue it again, under the name that is deleted next.
func TestDoCheck(t *testing.T) {
	for _, age := range []time.Duration{-time.Second, 0, time.Minute} {
		s := newSeen(t, age)
		s.byURL()
		e := outbox.Entry{Kind: outbox.Check, ID: "chk_1", Key: claims().Key, Token: sealed(t, uploadtoken.Upload, urlClaims())}
		confirmer := made(t, s.config)
		for range 2 {
			if err := confirmer.Do(t.Context(), e); err != nil {
				t.Errorf("Do at the age of %v: %v", age, err)
			}
		}
		if len(s.hook.taken) != 1 || len(s.queue.entries) != 0 || s.bucket.marker() != "taken" {
			t.Errorf("at the age of %v taken %d times, queued %d, the marker %q; want once", age, len(s.hook.taken), len(s.queue.entries), s.bucket.marker())
		}
	}
	s := newSeen(t, time.Minute)
	s.bucket.err = storage.ErrDenied
	if err := made(t, s.config).Do(t.Context(), outbox.Entry{Kind: outbox.Check, Key: claims().Key}); !errors.Is(err, storage.ErrDenied) {
		t.Errorf("Do = %v, want the storage's error", err)
	}
}

// A client that asks first is worth a warning where a callback should have been
// faster, and nowhere else.
func TestAsked(t *testing.T) {
	nothing := func(*testing.T, *seen, *uploadtoken.Claims) {}
	tests := []struct {
		name   string
		change func(*testing.T, *seen, *uploadtoken.Claims)
		warned bool
	}{
		{"nobody announced it", nothing, true},
		{"by a form", func(_ *testing.T, _ *seen, c *uploadtoken.Claims) { c.Method = uploadtoken.Form }, true},
		{"its callback did", func(_ *testing.T, s *seen, _ *uploadtoken.Claims) { s.bucket.kept = map[string]string{marker: "taken"} }, false},
		{"its callback queued it", func(_ *testing.T, s *seen, _ *uploadtoken.Claims) {
			s.bucket.kept = map[string]string{marker: "queued"}
		}, false},
		{"in parts, which have no callback", func(_ *testing.T, _ *seen, c *uploadtoken.Claims) { c.Method = uploadtoken.MultipartPart }, false},
		{"it cannot be known", func(_ *testing.T, s *seen, _ *uploadtoken.Claims) {
			s.bucket.get = func(context.Context) error { return storage.ErrUnavailable }
		}, false},
		{"it disagrees with its grant", func(_ *testing.T, s *seen, _ *uploadtoken.Claims) { s.bucket.object.Size++ }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c := newSeen(t, time.Second), claims()
			tt.change(t, s, &c)
			answer, err := made(t, s.config).Asked(t.Context(), c, s.bucket.object)
			if refused := s.bucket.object.Size != object().Size; (err != nil) != refused {
				t.Fatalf("Asked = %v", err)
			}
			want := `"level":"WARN","msg":"repair","action":"no callback","eventId":"` + answer.EventID + `","method":"` + string(c.Method) + `"`
			if got := strings.Contains(s.log.String(), want); got != tt.warned || !got && strings.Contains(s.log.String(), "no callback") {
				t.Errorf("the log warns: %v, want %v\n%s", got, tt.warned, &s.log)
			}
		})
	}
}
