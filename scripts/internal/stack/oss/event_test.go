package oss

import (
	"encoding/json"
	"maps"
	"sync"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// told is one event, as far as a function reads it.
type told struct {
	Events []struct {
		EventName, EventSource, EventVersion, EventTime, Region string

		OSS struct {
			Bucket struct{ Name, ARN string }
			Object struct {
				Key, ETag       string
				Size, DeltaSize int64
				ObjectMeta      struct{ MimeType string }
			}
			XVars map[string]string
		}
	}
}

// listener is a trigger that keeps its events.
type listener struct {
	mu     sync.Mutex
	events []told
}

func (f *fixture) listen(t Trigger) *listener {
	f.t.Helper()
	l := &listener{}
	t.Deliver = func(event []byte) {
		l.mu.Lock()
		defer l.mu.Unlock()
		var e told
		if err := json.Unmarshal(event, &e); err != nil || len(e.Events) != 1 {
			f.t.Errorf("event = %s, %v, want one event", event, err)
			return
		}
		l.events = append(l.events, e)
	}
	f.s.SetTrigger(&t)
	return l
}

// names are the operations and keys of the events so far.
func (l *listener) names() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := map[string]string{}
	for _, e := range l.events {
		names[e.Events[0].EventName] = e.Events[0].OSS.Object.Key
	}
	return names
}

func TestTriggerTellsOfUploads(t *testing.T) {
	f := newFixture(t)
	l := f.listen(Trigger{Prefix: "uploads/"})
	ok := newReceiver(t, answering(200, "application/json", `{}`))
	callback := encode(t, map[string]string{"callbackUrl": ok.URL, "callbackBody": "u=${x:u}"})
	f.wantStatus(f.putWithCallback("uploads/a b.png", "hello", callback, encode(t, map[string]string{"x:u": "token"})), 200)
	f.wantStatus(f.putWithCallback("other/a", "hello", "", ""), 200)
	form := f.newForm(permanent, "uploads/form")
	form.sign(nil)
	f.wantStatus(f.post(form), 204)
	id := f.initiate("uploads/parts")
	if _, err := f.complete("uploads/parts", id, f.part("uploads/parts", id, 1, "part")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client(permanent).CopyObject(t.Context(), &oss.CopyObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("uploads/copy"), SourceKey: oss.Ptr("other/a"),
	}); err != nil {
		t.Fatal(err)
	}

	want := map[string]string{
		"ObjectCreated:PutObject":               "uploads/a b.png",
		"ObjectCreated:PostObject":              "uploads/form",
		"ObjectCreated:CompleteMultipartUpload": "uploads/parts",
	}
	if got := l.names(); !maps.Equal(got, want) {
		t.Fatalf("events = %q, want %q", got, want)
	}
	e := l.events[0].Events[0]
	object := e.OSS.Object
	if e.EventSource != "acs:oss" || e.Region != testRegion || e.OSS.Bucket.Name != testBucket || e.EventTime == "" ||
		object.ETag != "5D41402ABC4B2A76B9719D911017C592" || object.Size != 5 || !maps.Equal(e.OSS.XVars, map[string]string{"x:u": "token"}) {
		t.Errorf("the event of a PUT = %+v", e)
	}
	if vars := l.events[1].Events[0].OSS.XVars; vars != nil {
		t.Errorf("xVars without a callback = %q, want none", vars)
	}
}

func TestTriggerEncodesKeys(t *testing.T) {
	f := newFixture(t, assume(t, "trigger.encoded-keys=encoded"))
	l := f.listen(Trigger{Prefix: "uploads/"})
	f.wantStatus(f.putWithCallback("uploads/a b.png", "hello", "", ""), 200)
	if got := l.names()["ObjectCreated:PutObject"]; got != "uploads%2Fa%20b.png" {
		t.Errorf("key = %q, want it percent-encoded", got)
	}
	f.s.SetTrigger(nil)
	f.wantStatus(f.putWithCallback("uploads/b", "hello", "", ""), 200)
	if got := len(l.events); got != 1 {
		t.Errorf("%d events, want none without a trigger", got)
	}
}

// An upload whose answer is lost is stored, and told of.
func TestTriggerTellsOfWhatIsStored(t *testing.T) {
	f := newFixture(t)
	l := f.listen(Trigger{})
	signed := f.presign(permanent, &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), ForbidOverwrite: oss.Ptr("true")})
	f.wantStatus(f.send(signed.Method, signed.URL, map[string]string{"x-oss-forbid-overwrite": "true"}, "one"), 200)
	f.wantStatus(f.send(signed.Method, signed.URL, map[string]string{"x-oss-forbid-overwrite": "true"}, "two"), 409)
	if got := len(l.events); got != 1 {
		t.Errorf("%d events of one upload and one that was refused, want 1", got)
	}
}
