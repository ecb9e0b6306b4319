package confirm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// marker is that of claims and object.
// printf '5D41402ABC4B2A76B9719D911017C592\n5\n1795168800' | sha256sum | cut -c1-16
const marker = "_ossupload/u/_announced/alice/2026/11/x.png-8de9bfe91c3cf177"

var errDown = errors.New("webhook answered 500")

// traced is a world in which every step leaves a word.
func traced(t *testing.T) (c confirm.Config, b *bucket, q *line, hook *recorder, steps *[]string) {
	steps = new([]string)
	step := func(name string) func(context.Context) error {
		return func(context.Context) error { *steps = append(*steps, name); return nil }
	}
	b, q, hook = stored(object()), &line{put: step("queue")}, &recorder{}
	b.get, b.put = step("read marker"), step("marker")
	c = config(t, b)
	c.Queue = q
	c.Notifier = notify(func(ctx context.Context) error {
		*steps = append(*steps, "deliver")
		return hook.err
	})
	// Each step is long after the one before: nothing was just delivered.
	clock := uploadedAt
	c.Now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	return c, b, q, hook, steps
}

// HEAD, deliver, queue, marker, answer: whatever is killed where, what was
// answered is delivered or queued.
func TestOrder(t *testing.T) {
	tests := []struct {
		name      string
		down      bool
		steps     string
		delivered bool
		marker    string
	}{
		{"an event that is taken", false, "deliver, marker", true, "taken"},
		{"an event that is not", true, "deliver, read marker, queue, marker", false, "queued"},
	}
	for _, tt := range tests {
		c, b, q, hook, steps := traced(t)
		if tt.down {
			hook.err = errDown
		}
		answer, err := made(t, c).Confirm(t.Context(), claims())
		if err != nil || answer.Delivered != tt.delivered {
			t.Errorf("%s: Confirm = %+v, %v, want delivered %v", tt.name, answer, err, tt.delivered)
		}
		if got := strings.Join(*steps, ", "); got != tt.steps {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.steps)
		}
		if b.kept[marker] != tt.marker || len(b.kept) != 1 {
			t.Errorf("%s: markers are %v, want one that says %q", tt.name, b.kept, tt.marker)
		}
		if (len(q.entries) == 1) != tt.down {
			t.Errorf("%s: %d entries are queued", tt.name, len(q.entries))
		}
	}
}

// What is queued is the event to the byte, so that its id and signature will
// hold.
func TestQueued(t *testing.T) {
	taken := &recorder{}
	answer, err := confirmer(t, stored(object()), taken).Confirm(t.Context(), claims())
	if err != nil {
		t.Fatal(err)
	}
	c, _, q, hook, _ := traced(t)
	hook.err = errDown
	if _, err := made(t, c).Confirm(t.Context(), claims()); err != nil {
		t.Fatal(err)
	}
	want := outbox.Entry{
		Kind: outbox.Event, ID: answer.EventID, Type: confirm.Completed, Key: claims().Key, Marker: marker,
		Body: taken.taken[0].body, Stored: uploadedAt,
	}
	if len(q.entries) != 1 || !reflect.DeepEqual(q.entries[0], want) {
		t.Errorf("queued %+v, want %+v", q.entries, want)
	}
}

// Asked again, all but delivered is the same.
func TestAskedAgain(t *testing.T) {
	c, b, q, hook, _ := traced(t)
	c.ReceiptSecret = []byte("0123456789abcdef0123456789abcdef")
	confirmer := made(t, c)
	ask := func(down error, delivered bool, state string, queued int) confirm.Answer {
		t.Helper()
		hook.err = down
		answer, err := confirmer.Confirm(t.Context(), claims())
		if err != nil || answer.Delivered != delivered || b.kept[marker] != state || len(q.entries) != queued {
			t.Errorf("Confirm = delivered %v, %v, with the marker %q and %d entries; want delivered %v, %q and %d",
				answer.Delivered, err, b.kept[marker], len(q.entries), delivered, state, queued)
		}
		return answer
	}
	first := ask(errDown, false, "queued", 1)
	again := ask(nil, true, "taken", 1)
	// Nobody listens any more, and the event was taken before.
	last := ask(errDown, true, "taken", 1)
	if !reflect.DeepEqual(again, last) {
		t.Errorf("asked again the answer is %+v, want %+v", last, again)
	}
	first.Delivered = true
	if !reflect.DeepEqual(first, again) {
		t.Errorf("the answer is %+v, want that of before but for delivered, %+v", again, first)
	}
}

func TestNeitherDeliveredNorQueued(t *testing.T) {
	for _, cause := range []error{errDown, outbox.ErrRefused} {
		c, b, q, hook, _ := traced(t)
		hook.err, q.put = cause, func(context.Context) error { return storage.ErrUnavailable }
		answer, err := made(t, c).Confirm(t.Context(), claims())
		got, ok := errors.AsType[*api.Error](err)
		if !errors.Is(err, confirm.ErrDelivery) || !strings.Contains(err.Error(), cause.Error()) || !errors.Is(err, storage.ErrUnavailable) ||
			!ok || got.Code != api.DeliveryFailed {
			t.Errorf("Confirm = %v, want %s with both causes", err, api.DeliveryFailed)
		}
		if !reflect.DeepEqual(answer, confirm.Answer{}) || len(b.kept) != 0 {
			t.Errorf("Confirm = %+v with the markers %v, want neither answer nor marker", answer, b.kept)
		}
		// The outbox would give up the check that found the object.
		if errors.Is(err, outbox.ErrRefused) {
			t.Errorf("Confirm = %v, which ends an entry of the outbox", err)
		}
	}
}

// A missing marker costs one more delivery under the same id; a stored and
// verified upload is a success all the same.
func TestMarkerFails(t *testing.T) {
	for name, down := range map[string]error{"taken": nil, "queued": errDown} {
		var log bytes.Buffer
		c, b, _, hook, _ := traced(t)
		c.Log = slog.New(slog.NewJSONHandler(&log, nil))
		hook.err = down
		refuse := func(context.Context) error { return storage.ErrDenied }
		b.get, b.put = refuse, refuse
		answer, err := made(t, c).Confirm(t.Context(), claims())
		if err != nil || answer.Delivered != (down == nil) {
			t.Errorf("%s: Confirm = %+v, %v, want a success", name, answer, err)
		}
		if !strings.Contains(log.String(), `"msg":"mark","eventId":"`+answer.EventID+`"`) {
			t.Errorf("%s: log = %s, want the event whose marker is missing", name, &log)
		}
	}
}

// However silent everything is, an uploader has its answer in time, and the event
// is queued if the queue answers within its share.
func TestBudgets(t *testing.T) {
	const ms = time.Millisecond
	after := func(d time.Duration, err error) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-time.After(d):
				return err
			case <-ctx.Done():
				return storage.ErrTimeout
			}
		}
	}
	tests := []struct {
		name              string
		hook, get, queue  func(context.Context) error
		put               func(context.Context) error
		delivered, failed bool
		took              time.Duration
		marker            string
	}{
		{"all at once", after(0, nil), nil, nil, nil, true, false, 0, "taken"},
		{"a receiver just in time", after(2399*ms, nil), nil, nil, nil, true, false, 2399 * ms, "taken"},
		{"a silent receiver", silence, nil, nil, nil, false, false, 2400 * ms, "queued"},
		{"a silent marker", after(0, nil), nil, nil, silence, true, false, 300 * ms, ""},
		{"a receiver and a marker, both silent", silence, nil, nil, silence, false, false, 2700 * ms, ""},
		{"a slow queue", silence, nil, after(599*ms, nil), nil, false, false, 2999 * ms, "queued"},
		{"a silent queue", silence, nil, silence, nil, false, true, 3000 * ms, ""},
		{"a marker that cannot be read in time", silence, silence, nil, nil, false, false, 2500 * ms, "queued"},
		{"a marker that cannot be read, and a slow queue", silence, silence, after(599*ms, nil), nil, false, false, 3099 * ms, "queued"},
		{"all just in time or silent", silence, silence, after(599*ms, nil), after(299*ms, nil), false, false, 3398 * ms, "queued"},
		{"a receiver that is down, and a marker that cannot be read", after(0, errDown), silence, nil, nil, false, false, 300 * ms, "queued"},
		{"nothing but a slow queue", silence, silence, after(599*ms, nil), silence, false, false, 3399 * ms, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, q := stored(object()), &line{put: tt.queue}
				b.get, b.put = tt.get, tt.put
				c := config(t, b)
				c.Queue, c.Notifier = q, notify(tt.hook)
				ctx, cancel := context.WithTimeout(t.Context(), 3400*ms)
				defer cancel()
				start := time.Now()
				answer, err := made(t, c).Confirm(ctx, claims())
				if tt.failed != errors.Is(err, confirm.ErrDelivery) || !tt.failed && err != nil || answer.Delivered != tt.delivered {
					t.Errorf("Confirm = delivered %v, %v; want %v, failed %v", answer.Delivered, err, tt.delivered, tt.failed)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("the answer came after %v, want %v", took, tt.took)
				}
				if got := b.marker(); got != tt.marker {
					t.Errorf("the marker says %q, want %q", got, tt.marker)
				}
				if queued := len(q.entries) == 1; queued != (!tt.delivered && !tt.failed) {
					t.Errorf("queued %v", queued)
				}
			})
		})
	}
}

// An object that disagrees is never announced as completed; that it is there is
// told once, to those who want to know.
func TestRefused(t *testing.T) {
	wrong := object()
	wrong.Size = 6
	for _, wanted := range []bool{false, true} {
		c, b, q, _, _ := traced(t)
		hook := &recorder{}
		c.Notifier = hook
		if wanted {
			c.Events = []string{confirm.Refused}
		}
		b.object = wrong
		confirmer := made(t, c)
		for range 2 {
			if _, err := confirmer.Confirm(t.Context(), claims()); !errors.Is(err, hold.ErrMismatch) || errors.Is(err, confirm.ErrDelivery) {
				t.Errorf("Confirm = %v, want a mismatch", err)
			}
		}
		if !wanted {
			if len(hook.taken) != 0 || len(b.kept) != 0 {
				t.Errorf("told %d times with the markers %v, want nothing", len(hook.taken), b.kept)
			}
			continue
		}
		if len(hook.taken) != 1 || len(q.entries) != 0 || b.marker() != "refused" {
			t.Fatalf("told %d times, queued %d, with the marker %q; want once and refused", len(hook.taken), len(q.entries), b.marker())
		}
		var got struct {
			Type      string
			Timestamp time.Time
			Data      map[string]any
		}
		if err := json.Unmarshal(hook.taken[0].body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Type != "upload.refused" || !got.Timestamp.Equal(uploadedAt) || got.Data["eventId"] != hook.taken[0].id ||
			got.Data["key"] != claims().Key || got.Data["bucket"] != "examplebucket" || got.Data["size"] != 6.0 || got.Data["subject"] != "alice" ||
			got.Data["reason"] != "object is not what was granted: its size is 6, granted was 5" {
			t.Errorf("event = %s, want what was refused and why", hook.taken[0].body)
		}
	}
}

// The object of a later upload under the same key is not this upload's to announce
// or to refuse: a marker would keep its own event back.
func TestObjectOfAnotherUpload(t *testing.T) {
	c, b, q, _, _ := traced(t)
	hook := &recorder{}
	c.Notifier, c.Events = hook, []string{confirm.Refused}
	later := claims()
	later.ID = "jti-2"
	b.object.Metadata[grant.MetaGrant] = sealed(t, uploadtoken.Grant, later)
	confirmer := made(t, c)
	if _, err := confirmer.Confirm(t.Context(), claims()); !errors.Is(err, hold.ErrMismatch) || errors.Is(err, confirm.ErrDelivery) {
		t.Errorf("Confirm = %v, want a mismatch", err)
	}
	if len(hook.taken) != 0 || len(q.entries) != 0 || len(b.kept) != 0 {
		t.Errorf("told %d times, queued %d, with the markers %v; want nothing", len(hook.taken), len(q.entries), b.kept)
	}
	if _, err := confirmer.Confirm(t.Context(), later); err != nil || len(hook.taken) != 1 || b.marker() != "taken" {
		t.Errorf("Confirm of the later upload = %v, told %d times with the marker %q; want once and taken", err, len(hook.taken), b.marker())
	}
}

// A refused object whose event is queued is known as refused: it is not queued
// again.
func TestRefusedIsQueuedOnce(t *testing.T) {
	c, b, q, hook, _ := traced(t)
	c.Events, hook.err = []string{confirm.Refused}, errDown
	b.object.Size = 6
	confirmer := made(t, c)
	for range 2 {
		if _, err := confirmer.Confirm(t.Context(), claims()); !errors.Is(err, hold.ErrMismatch) || errors.Is(err, confirm.ErrDelivery) {
			t.Errorf("Confirm = %v, want a mismatch", err)
		}
	}
	if len(q.entries) != 1 || q.entries[0].Type != confirm.Refused || b.marker() != "refused" {
		t.Fatalf("queued %+v with the marker %q, want one entry and refused", q.entries, b.marker())
	}
	// The marker does not end the entry: nobody has taken it yet.
	hook.err = nil
	deliver := &recorder{}
	c.Notifier = deliver
	if err := made(t, c).Do(t.Context(), q.entries[0]); err != nil || len(deliver.taken) != 1 || b.marker() != "refused" {
		t.Errorf("Do = %v, taken %d times with the marker %q, want once and refused", err, len(deliver.taken), b.marker())
	}
}

// The client hears of the mismatch first, whatever else fails.
func TestRefusedThatNobodyHears(t *testing.T) {
	fails := func(context.Context) error { return storage.ErrUnavailable }
	for name, change := range map[string]func(*bucket, *line){
		"no queue":          func(_ *bucket, q *line) { q.put = fails },
		"no marker to read": func(b *bucket, _ *line) { b.get = fails },
	} {
		c, b, q, hook, _ := traced(t)
		c.Events, hook.err = []string{confirm.Refused}, errDown
		b.object.CRC64 = "43"
		change(b, q)
		_, err := made(t, c).Confirm(t.Context(), claims())
		answer, ok := errors.AsType[*api.Error](err)
		if !ok || answer.Code != api.ChecksumMismatch || !errors.Is(err, confirm.ErrDelivery) {
			t.Errorf("%s: Confirm = %v, want %s that nobody was told of", name, err, api.ChecksumMismatch)
		}
	}
}

// Other kinds of events about one object have ids of their own.
func TestEventIDDependsOnTheType(t *testing.T) {
	var ids []string
	for _, kind := range []string{confirm.Completed, confirm.Refused} {
		hook := &recorder{}
		c := config(t, stored(object()))
		c.Notifier, c.Events = hook, []string{confirm.Refused}
		granted := claims()
		if kind == confirm.Refused {
			granted.ContentType = "image/gif"
		}
		made(t, c).Confirm(t.Context(), granted)
		if len(hook.taken) != 1 {
			t.Fatalf("%s: %d events, want one", kind, len(hook.taken))
		}
		ids = append(ids, hook.taken[0].id)
	}
	if ids[0] == ids[1] {
		t.Errorf("both events have the id %s", ids[0])
	}
}

// The event and its marker are where the object is, even if the grant is of
// before a move.
func TestGrantOfBeforeAMove(t *testing.T) {
	moved := claims()
	moved.Place.Bucket = "formerbucket"
	answer, err := confirmer(t, stored(object()), &recorder{}).Confirm(t.Context(), moved)
	if err != nil || answer.Bucket != "examplebucket" {
		t.Errorf("Confirm = in %q, %v, want examplebucket", answer.Bucket, err)
	}
}

var _ confirm.Storage = (*storage.Client)(nil)
var _ confirm.Queue = (*outbox.Queue)(nil)
var _ outbox.Worker = (*confirm.Confirmer)(nil)
