package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

// creation is what OSS's trigger tells of an object.
type creation struct {
	bucket, key, etag string
	vars              map[string]string
}

// trigger invokes the function as OSS's trigger does.
func (f *fixture) trigger(objects ...creation) error {
	f.t.Helper()
	var events []map[string]any
	for _, o := range objects {
		events = append(events, map[string]any{
			"eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss",
			"oss": map[string]any{"bucket": map[string]any{"name": o.bucket}, "object": map[string]any{"key": o.key, "eTag": o.etag}, "xVars": o.vars},
		})
	}
	_, err := f.adapter().Invoke(f.t.Context(), "request-1", []byte(jsonOf(f.t, map[string]any{"events": events})))
	return err
}

// pending are the names of what is queued.
func (f *fixture) pending() []string { return f.bucket.Keys("_ossupload/u/_pending/") }

// The trigger looks once: an object that may still be announced by its callback is
// queued to be looked at, an older one is announced, one with a marker is done.
func TestTriggerLooksOnce(t *testing.T) {
	f := newFixture(t)
	claims, _ := f.stored(nil)
	seen := creation{bucketName, claims.Key, "E", nil}
	for range 2 {
		if err := f.trigger(seen); err != nil {
			t.Fatal(err)
		}
		f.asked(storagetest.Head, storagetest.Get, storagetest.Put)
	}
	f.told()
	if waiting := f.pending(); len(waiting) != 1 || !strings.Contains(waiting[0], "-chk_") {
		t.Fatalf("the queue is %q, want one entry to be checked", waiting)
	}
	if summary, err := f.timerOf(`{"do":"deliver"}`); err != nil || len(f.pending()) != 1 {
		t.Errorf("deliver = %v, %v, want nothing due", summary, err)
	}
	f.told()
	f.clock = today.Add(time.Minute)
	if summary, err := f.timerOf(`{"do":"deliver"}`); err != nil || len(f.pending()) != 0 {
		t.Errorf("deliver = %v, %v, want the entry done", summary, err)
	}
	ids := f.told(claims.Key)
	f.bucket.Calls()

	// The marker says that it is announced.
	f.again()
	if err := f.trigger(seen); err != nil {
		t.Fatal(err)
	}
	f.asked(storagetest.Head, storagetest.Get)
	f.told()

	// Without it the object is announced at once, under the same id.
	for _, marker := range f.bucket.Keys(grant.AnnouncedPrefix(prefix)) {
		f.bucket.Remove(marker)
	}
	f.again()
	if err := f.trigger(seen); err != nil {
		t.Fatal(err)
	}
	f.asked(storagetest.Head, storagetest.Get, storagetest.Put)
	if again := f.told(claims.Key); !slices.Equal(again, ids) {
		t.Errorf("announced as %q and %q, want one id", ids, again)
	}
}

// What waits longer may be taken ahead.
func TestDeliverAhead(t *testing.T) {
	f := newFixture(t)
	claims, _ := f.stored(nil)
	if err := f.trigger(creation{bucketName, claims.Key, "E", nil}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.timerOf(`{"do":"deliver","aheadSeconds":60}`); err != nil || len(f.pending()) != 0 {
		t.Errorf("deliver = %v, the queue is %q, want it empty", err, f.pending())
	}
	f.told(claims.Key)
}

// What is not ours is left alone, and holds up nothing.
func TestTriggerLeavesAlone(t *testing.T) {
	f := newFixture(t)
	claims, _ := f.stored(nil)
	f.clock = today.Add(time.Minute)
	err := f.trigger(
		creation{"another", claims.Key, "E", nil},
		creation{bucketName, "notes.txt", "E", nil},
		creation{bucketName, "u/notes.txt", "E", nil},
		creation{bucketName, "u/_other/x", "E", nil},
		creation{bucketName, "_ossupload/u/_pending/0000000000-evt_x", "E", nil},
		creation{bucketName, "v/alice/2026/11/x.png", "E", nil},
		creation{bucketName, "u/alice/../bob/x.png", "E", nil},
		creation{bucketName, "u/alice/%zz", "E", nil},
		creation{bucketName, "u/alice/2026/11/gone.png", "E", nil},
		creation{bucketName, claims.Key, "E", nil},
	)
	if err != nil {
		t.Fatal(err)
	}
	f.asked(storagetest.Head, storagetest.Head, storagetest.Get, storagetest.Put)
	f.told(claims.Key)
}

// Whether a key comes encoded is not documented.
func TestTriggerTakesEncodedKeys(t *testing.T) {
	for _, key := range []string{"u/alice/a+b=c@(1).png", "u/alice/plain.png"} {
		for _, encode := range []func(string) string{
			func(key string) string { return key },
			func(key string) string {
				return strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D", "@", "%40", "(", "%28", ")", "%29").Replace(key)
			},
			func(key string) string { return strings.ReplaceAll(key, "+", "%2B") },
		} {
			f := newFixture(t)
			claims, _ := f.stored(nil)
			object, _ := f.bucket.Object(claims.Key)
			claims.Key = key
			object.Metadata[grant.MetaGrant] = f.seal(uploadtoken.Grant, claims)
			f.bucket.Store(key, object)
			f.clock = today.Add(time.Minute)
			if err := f.trigger(creation{bucketName, encode(key), "E", nil}); err != nil {
				t.Fatal(err)
			}
			f.told(key)
		}
	}
}

// Below _sts/ clients name what they upload, so that a key may hold what looks
// encoded. Whatever an event does to it, the object is told of under its own key.
func TestTriggerTakesEncodedKeysOfSTS(t *testing.T) {
	segments := func(key string) string { // as a URL's path has it
		return strings.ReplaceAll(url.PathEscape(key), "%2F", "/")
	}
	forms := map[string]func(string) string{
		"as it is": func(key string) string { return key }, "of a path": segments, "all of it": url.PathEscape, "of a form": url.QueryEscape,
	}
	for _, key := range []string{
		"u/_sts/alice/plain.png", "u/_sts/alice/a b.png", "u/_sts/alice/a+b.png", "u/_sts/alice/100%.png", "u/_sts/alice/a%20b.png",
		"u/_sts/alice/a%2Fb c+d.png", "u/_sts/alice/%ff.png", "u/_sts/alice/%2e%2e/x", "u/_sts/alice/假日.png", "u/_sts/alice/%",
	} {
		for name, form := range forms {
			t.Run(key+" "+name, func(t *testing.T) {
				f := newFixture(t, func(f *fixture) { f.settings.Webhook.Events = []string{confirm.Stored} })
				f.bucket.Store(key, storage.Object{Size: 1, ETag: "E", Type: "Normal", LastModified: today})
				if err := f.trigger(creation{bucketName, form(key), "E", nil}); err != nil {
					t.Fatal(err)
				}
				events := f.webhook.taken()
				if len(events) != 1 || events[0].Type != confirm.Stored || events[0].Data["key"] != key {
					t.Errorf("%q is told as %+v, want %q once", form(key), events, key)
				}
			})
		}
	}
}

// Reading a key in another way never leads to what is not ours, and what cannot be
// a key is not asked for.
func TestReadings(t *testing.T) {
	f := newFixture(t)
	for key, want := range map[string][]string{
		"u/alice/x.png":              {"u/alice/x.png"},
		"u/alice/a+b":                {"u/alice/a+b"},
		"u/alice/a%2Bb":              {"u/alice/a+b"},
		"u/alice/a+b%3Dc":            {"u/alice/a+b=c"},
		"u%2Falice%2Fx.png":          {"u/alice/x.png"},
		"u/alice/%2e%2e/bob/x.png":   nil,
		"u/alice%2F..%2Fbob%2Fx.png": nil,
		"u/%5Fother/x":               nil,
		"%5Fossupload/u/_pending/x":  nil,
		"u/alice/%252Bb":             nil, // encoded once, not twice
		"v/alice/x.png":              nil,
		"u/_sts/a/b":                 {"u/_sts/a/b"},
		"u/%5Fsts/a/b":               {"u/_sts/a/b"},
		"u/_sts/a+b":                 {"u/_sts/a+b", "u/_sts/a b"},
		"u/_sts/a%2Bb":               {"u/_sts/a%2Bb", "u/_sts/a+b"},
		"u/_sts/a+%20":               {"u/_sts/a+%20", "u/_sts/a+ ", "u/_sts/a  "},
		"u/_sts/100%":                {"u/_sts/100%"},
		"u/_sts/%FF":                 {"u/_sts/%FF"},
	} {
		if got := f.handler.readings(key); !slices.Equal(got, want) {
			t.Errorf("%q is read as %q, want %q", key, got, want)
		}
	}
}

// A url upload carries no grant: the token of its callback is one.
func TestTriggerOpensTheCallbacksToken(t *testing.T) {
	other := "u/alice/2026/11/01a1f866-0d00-7000-8000-000000000002.png"
	tests := []struct {
		name  string
		token func(f *fixture, c uploadtoken.Claims, token string) string
		told  bool
	}{
		{"its own", func(_ *fixture, _ uploadtoken.Claims, token string) string { return token }, true},
		{"none", func(*fixture, uploadtoken.Claims, string) string { return "" }, false},
		{"no token", func(*fixture, uploadtoken.Claims, string) string { return "x" }, false},
		{"another object's", func(f *fixture, c uploadtoken.Claims, _ string) string {
			c.Key = other
			return f.seal(uploadtoken.Upload, c)
		}, false},
		{"of another purpose", func(f *fixture, c uploadtoken.Claims, _ string) string { return f.seal(uploadtoken.Multipart, c) }, false},
		{"another deployment's", func(f *fixture, c uploadtoken.Claims, _ string) string {
			return f.sealedElsewhere(uploadtoken.Upload, c, "s", uploadtoken.Place{Bucket: "another", Prefix: prefix})
		}, false},
		{"ended before it was stored", func(f *fixture, c uploadtoken.Claims, _ string) string {
			c.ExpiresAt = today.Unix()
			return f.seal(uploadtoken.Upload, c)
		}, false},
	}
	for _, young := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				f := newFixture(t)
				claims, token := f.stored(func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata = nil })
				seen := creation{bucketName, claims.Key, "E", map[string]string{osscallback.Variable: tt.token(f, claims, token)}}
				if !young {
					f.clock = today.Add(time.Hour) // the token has ended since
				}
				if err := f.trigger(seen); err != nil {
					t.Fatal(err)
				}
				f.clock = today.Add(time.Hour)
				if _, err := f.timerOf(`{"do":"deliver"}`); err != nil {
					t.Fatal(err)
				}
				if tt.told {
					f.told(claims.Key)
				} else {
					f.told()
				}
			})
		}
	}
}

// What was stored with STS credentials is told of once, if anybody wants to know,
// and is never announced as completed, whatever it carries.
func TestTriggerTellsOfWhatWasStored(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		f := newFixture(t, func(f *fixture) {
			if wanted {
				f.settings.Webhook.Events = []string{confirm.Stored}
			}
		})
		claims, token := f.stored(nil)
		object, _ := f.bucket.Object(claims.Key)
		for _, key := range []string{"u/_sts/alice/a b.png", "u/_sts/2026/11/01a1f866-0d00-7000-8000-000000000001.png"} {
			f.bucket.Store(key, object)
			for range 2 {
				if err := f.trigger(creation{bucketName, key, "E", map[string]string{osscallback.Variable: token}}); err != nil {
					t.Fatal(err)
				}
			}
			events := f.webhook.taken()
			if !wanted && len(events) != 0 || wanted && (len(events) != 1 || events[0].Type != confirm.Stored || events[0].Data["key"] != key || events[0].Data["subject"] != nil) {
				t.Errorf("wanted %v: events %+v", wanted, events)
			}
		}
	}
}

// An object that breaks its grant is told of once, if anybody wants to know.
func TestTriggerMeetsWhatBreaksItsGrant(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		f := newFixture(t, func(f *fixture) {
			if wanted {
				f.settings.Webhook.Events = []string{confirm.Refused}
			}
		})
		claims, _ := f.stored(func(_ *uploadtoken.Claims, o *storage.Object) { o.Size = 11 })
		f.clock = today.Add(time.Minute)
		for range 2 {
			f.again()
			if err := f.trigger(creation{bucketName, claims.Key, "E", nil}); err != nil {
				t.Fatal(err)
			}
		}
		events := f.webhook.taken()
		if !wanted && len(events) != 0 || wanted && (len(events) != 1 || events[0].Type != confirm.Refused) {
			t.Errorf("wanted %v: events %+v", wanted, events)
		}
		if _, ok := f.bucket.Object(claims.Key); !ok {
			t.Error("the object is gone")
		}
	}
}

// FC tries again what failed; the others of the event are done.
func TestTriggerFails(t *testing.T) {
	f := newFixture(t)
	claims, _ := f.stored(nil)
	object, _ := f.bucket.Object(claims.Key)
	f.bucket.Store("u/alice/x", object)
	f.clock = today.Add(time.Minute)
	f.bucket.Next(storagetest.Head, storagetest.Fault{Err: storage.ErrUnavailable})
	if err := f.trigger(creation{bucketName, "u/alice/x", "E", nil}, creation{bucketName, claims.Key, "E", nil}); err == nil {
		t.Error("the trigger's event is done, want an error")
	}
	f.told(claims.Key)
	// What nobody takes is queued, which is done.
	f = newFixture(t)
	claims, _ = f.stored(nil)
	f.clock = today.Add(time.Minute)
	f.webhook.always = http.StatusBadRequest
	if err := f.trigger(creation{bucketName, claims.Key, "E", nil}); err != nil || len(f.pending()) != 1 {
		t.Errorf("the trigger = %v, the queue is %q, want one entry", err, f.pending())
	}
	f.told(claims.Key)
	var sealed json.RawMessage
	if content, err := f.bucket.Get(t.Context(), f.pending()[0], 1<<20); err != nil || json.Unmarshal(content, &sealed) == nil || strings.Contains(string(content), "alice") {
		t.Errorf("the entry is %q, %v, want it sealed", content, err)
	}
}
