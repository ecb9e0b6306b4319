package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack"
)

// bug is what a selftest plants: between the product and who observes it, or
// into what the product depends on.
type bug struct {
	name string
	want string // the violation that finds it; empty: there is nothing to find

	options func(*stack.Options)                         // of the stack
	event   func(*event)                                 // alters each that came
	events  func([]event) []event                        // alters a row of them
	get     func(key, text string) (string, error)       // alters what an object holds
	head    func(key string) error                       // hides objects
	list    func(prefix string, names []string) []string // alters a listing
	answer  func(*http.Request, *http.Response)          // alters an answer
	start   func(context.Context, *loadRun) error        // before the uploads
	end     func(context.Context, *loadRun) error        // after them, before anything is checked
}

// plant puts the bug into a run.
func (b bug) plant(r *loadRun) {
	r.storage = buggyStorage{r.storage, b}
	r.wire.HTTP.Transport = buggyTransport{r.wire.HTTP.Transport, b}
	r.observer.alter = func(list []event) []event {
		list = slices.Clone(list)
		for i := range list {
			if b.event != nil {
				b.event(&list[i])
			}
		}
		if b.events != nil {
			list = b.events(list)
		}
		return list
	}
}

type buggyStorage struct {
	storage
	bug bug
}

func (s buggyStorage) head(ctx context.Context, key string) (object, error) {
	if s.bug.head != nil {
		if err := s.bug.head(key); err != nil {
			return object{}, err
		}
	}
	return s.storage.head(ctx, key)
}

func (s buggyStorage) get(ctx context.Context, key string) (string, error) {
	text, err := s.storage.get(ctx, key)
	if err == nil && s.bug.get != nil {
		return s.bug.get(key, text)
	}
	return text, err
}

func (s buggyStorage) list(ctx context.Context, prefix string) ([]string, error) {
	names, err := s.storage.list(ctx, prefix)
	if err == nil && s.bug.list != nil {
		names = s.bug.list(prefix, names)
	}
	return names, err
}

type buggyTransport struct {
	http.RoundTripper
	bug bug
}

func (t buggyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err == nil && t.bug.answer != nil {
		t.bug.answer(r, res)
	}
	return res, err
}

// CloseIdleConnections is what an http.Client looks for.
func (t buggyTransport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// some is true for a quarter of all keys.
func some(key string) bool {
	h := fnv.New32a()
	io.WriteString(h, key)
	return h.Sum32()%4 == 0
}

// edit alters an answer's body.
func edit(res *http.Response, change func([]byte) []byte) {
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err == nil {
		text = change(text)
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
}

// bugs are those that a selftest plants, after the runs in which nothing is
// wrong.
var bugs = []bug{
	{name: "none", options: func(*stack.Options) {}},
	{name: "none, but the receiver is down at first", start: receiverDown, end: receiverUp},
	{name: "none, but the trigger tells everything twice", options: func(o *stack.Options) { o.TriggerTwice = true }},
	{name: "none, but the sweep in the trigger's place", options: withoutTrigger, start: sweeping(sweepPayload{Do: "sweep"})},

	{name: "events with a false size", want: "event.size", event: func(e *event) { e.Body.Data.Size++ }},
	{name: "events with a false CRC-64", want: "event.crc64", event: func(e *event) { e.Body.Data.CRC64 += "1" }},
	{name: "events with a false location", want: "event.location", event: func(e *event) { e.Body.Data.Location += "x" }},
	{name: "events with a false subject", want: "event.subject", event: func(e *event) { e.Body.Data.Subject = "mallory" }},
	{name: "events with a false ETag", want: "event.etag", event: func(e *event) { e.Body.Data.ETag = "0" }},
	{name: "events with a false bucket", want: "event.bucket", event: func(e *event) { e.Body.Data.Bucket = "other" }},
	{name: "events with a false type of content", want: "event.contentType", event: func(e *event) { e.Body.Data.ContentType = "text/html" }},
	{name: "events with a version that is not there", want: "event.versionId", event: func(e *event) { e.Body.Data.VersionID = "v1" }},
	{name: "events without vars", want: "event.vars", event: func(e *event) { e.Body.Data.Vars = "{}" }},
	{name: "events with a context that nobody gave", want: "event.context", event: func(e *event) { e.Body.Data.Context = `{"order":1}` }},
	{name: "events of another type", want: "event.type", event: func(e *event) { e.Body.Type = "upload.stored" }},
	{name: "events with the time of delivery", want: "event.timestamp", event: func(e *event) { e.Body.Timestamp = e.Body.Timestamp.Add(time.Minute) }},
	{name: "events that are not signed well", want: "event.signature", event: func(e *event) { e.Verified = false }},
	{name: "every event twice", want: "event.repeated", events: func(list []event) []event { return append(list, list...) }},
	{name: "a quarter of the events is lost", want: "event.missing", events: func(list []event) []event {
		return slices.DeleteFunc(list, func(e event) bool { return some(e.Body.Data.Key) })
	}},
	{name: "a quarter of the events has a second id", want: "event.second-id", events: func(list []event) []event {
		for _, e := range list {
			if some(e.Body.Data.Key) {
				e.ID = strings.ToUpper(e.ID)
				e.Body.Data.EventID = e.ID
				list = append(list, e)
			}
		}
		return list
	}},
	{name: "an event about no upload", want: "event.stranger", event: func(e *event) {
		if some(e.Body.Data.Key) {
			e.Body.Data.Key += "x"
		}
	}},

	{name: "no marker ever", want: "marker.missing", get: func(key, text string) (string, error) {
		if strings.HasPrefix(key, markers) {
			return "", errAbsent
		}
		return text, nil
	}},
	{name: "markers that say queued after delivery", want: "marker.state", get: func(key, text string) (string, error) {
		if strings.HasPrefix(key, markers) && some(key) {
			return "queued", nil
		}
		return text, nil
	}},
	{name: "a trigger that never announces", want: "event.missing", options: withoutTrigger},
	{name: "a sweep that never announces", want: "event.missing", options: withoutTrigger, start: sweeping(sweepPayload{Do: "sweep", DryRun: true})},
	{name: "a worker that never runs", want: "pending.left", start: func(_ context.Context, r *loadRun) error {
		r.timer = "/_local/nothing"
		return nil
	}},
	{name: "an outbox that forgets", want: "event.missing", start: receiverDown, end: func(ctx context.Context, r *loadRun) error {
		if err := receiverUp(ctx, r); err != nil {
			return err
		}
		return forget(ctx, r)
	}},
	{name: "dead letters that nobody expects", want: "dead.unexpected", list: func(prefix string, names []string) []string {
		if prefix == dead {
			return append(names, dead+"evt_0")
		}
		return names
	}},

	{name: "a quarter of the objects is gone", want: "object.missing", head: func(key string) error {
		if strings.HasPrefix(key, uploadPrefix) && some(key) {
			return errAbsent
		}
		return nil
	}},
	{name: "other bytes are stored", want: "object.bytes", answer: func(r *http.Request, res *http.Response) {
		if r.Method == http.MethodGet && res.StatusCode == http.StatusOK && strings.Contains(r.URL.Path, "/"+uploadPrefix) {
			edit(res, func(text []byte) []byte { return append(text, '!') })
		}
	}},
	{name: "the callback's key check is gone", want: "key-server.asked", answer: acceptOwnKey},
	{name: "forged callbacks are answered 200", want: "refusal.missing", answer: func(r *http.Request, res *http.Response) {
		if r.URL.Path == "/callback" {
			res.StatusCode = http.StatusOK
		}
	}},
	{name: "a confirmation that says something else", want: "confirm.other", answer: func(r *http.Request, res *http.Response) {
		if r.URL.Path == "/confirm" && res.StatusCode == http.StatusOK {
			edit(res, func(text []byte) []byte { return bytes.Replace(text, []byte(`"etag":"`), []byte(`"etag":"0`), 1) })
		}
	}},
}

func withoutTrigger(o *stack.Options) { o.NoTrigger = true }

// sweeping has the sweep run beside the worker of the outbox.
func sweeping(p sweepPayload) func(context.Context, *loadRun) error {
	return func(_ context.Context, r *loadRun) error {
		r.sweep = &p
		return nil
	}
}

// receiverDown has the receiver refuse whatever comes.
func receiverDown(ctx context.Context, r *loadRun) error {
	return r.wire.local(ctx, http.MethodPost, "/_local/faults", fault{"webhook", "Deliver", "503", 1000}, nil)
}

// receiverUp is its end.
func receiverUp(ctx context.Context, r *loadRun) error {
	return r.wire.local(ctx, http.MethodDelete, "/_local/faults", nil, nil)
}

// forget deletes what waits in the outbox.
func forget(ctx context.Context, r *loadRun) error {
	names, err := r.storage.list(ctx, pending)
	if err != nil {
		return err
	}
	b := r.storage.(buggyStorage).storage.(bucket)
	for _, name := range names {
		if _, err := b.sdk.DeleteObject(ctx, &sdk.DeleteObjectRequest{Bucket: &b.name, Key: &name}); err != nil {
			return fmt.Errorf("deleting what waits: %w", err)
		}
	}
	return nil
}

// acceptOwnKey answers as a callback function that asks whatever key server a
// callback names.
func acceptOwnKey(r *http.Request, res *http.Response) {
	named, err := base64.StdEncoding.DecodeString(r.Header.Get("x-oss-pub-key-url"))
	if r.URL.Path != "/callback" || err != nil || len(named) == 0 || strings.Contains(string(named), r.URL.Host) {
		return
	}
	if key, err := http.Get(string(named)); err == nil {
		key.Body.Close()
		res.StatusCode = http.StatusOK
	}
}
