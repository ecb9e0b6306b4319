package sweep_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

const (
	bucketName = "examplebucket"
	prefix     = "u/"
	tokenTTL   = 7 * 24 * time.Hour
	hour       = time.Hour
	day        = 24 * time.Hour
)

// world is a bucket and a webhook. It fails the test when it is asked what a
// sweep has no business to ask.
type world struct {
	t       *testing.T
	keyring *uploadtoken.Keyring
	log     bytes.Buffer
	logger  *slog.Logger

	mu       sync.Mutex
	objects  map[string]storage.Object
	uploads  []storage.Unfinished
	kept     map[string][]byte // markers and cursor
	deleted  []string
	aborted  []string
	events   map[string][]string     // ids delivered, by key
	queue    map[string]outbox.Entry // by id
	types    []string                // of events beside the completed
	calls    []string                // in order
	pageSize int                     // OSS may list fewer than it is asked for

	// fault is asked before each call, with its number from 1 on. An error is
	// the answer; done says that what was asked is done nevertheless.
	fault func(n int, call string) (err error, done bool)
	// refused are keys whose events the webhook refuses.
	refused func(key string) bool
	// denied are keys that cannot be asked for.
	denied func(key string) bool
	// slow is called in each call.
	slow func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, keyring: keyring(t, "k", "s", uploadtoken.Place{Bucket: bucketName, Prefix: prefix}), pageSize: storage.PageSize,
		objects: map[string]storage.Object{}, kept: map[string][]byte{}, events: map[string][]string{}, queue: map[string]outbox.Entry{},
	}
	w.logger = slog.New(slog.NewJSONHandler(&w.log, nil))
	return w
}

// keyring has one key, whose secret is made of letter.
func keyring(t *testing.T, id, letter string, place uploadtoken.Place) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: []uploadtoken.Key{{ID: id, Secret: bytes.Repeat([]byte(letter), 32)}}, Place: place, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) sweeper() *sweep.Sweeper {
	return &sweep.Sweeper{
		Prefix: prefix, Storage: w, Confirmer: w.confirmer(), TellStored: slices.Contains(w.types, confirm.Stored),
		Now: func() time.Time { return now }, Log: w.logger,
	}
}

// confirmer is one of another instance each time, which remembers nothing.
func (w *world) confirmer() *confirm.Confirmer {
	w.t.Helper()
	c, err := confirm.New(confirm.Config{
		Storage: w, Queue: fakeQueue{w}, Keyring: w.keyring, Bucket: bucketName, Prefix: prefix, Notifier: w, Events: w.types, Log: w.logger,
		Now:      func() time.Time { return now },
		Location: func(key string) string { return "https://example.com/" + key },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// run sweeps with the options that change makes of the defaults.
func (w *world) run(change func(*sweep.Options)) (sweep.Summary, error) {
	o := sweep.Defaults()
	if change != nil {
		change(&o)
	}
	return w.sweeper().Run(w.t.Context(), o)
}

// grant decides about an upload of subject, as long ago as age.
func (w *world) grant(subject string, age time.Duration) uploadtoken.Claims {
	w.t.Helper()
	policy := grant.Policy{
		Bucket: bucketName, Prefix: prefix, MaxSize: 10, ContentTypes: grant.Types{"*/*"},
		Methods: []uploadtoken.Method{uploadtoken.Put}, TokenTTL: tokenTTL,
	}
	size := int64(5)
	g, err := policy.Grant(callerauth.Caller{Subject: subject}, grant.Wish{Method: uploadtoken.Put, Filename: "a.png", Size: &size}, now.Add(-age), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return g.Claims
}

// store stores an upload that was granted and made as long ago as age, changed
// by change, and returns its key.
func (w *world) store(subject string, age time.Duration, change func(*uploadtoken.Claims, *storage.Object)) string {
	w.t.Helper()
	claims := w.grant(subject, age)
	object := storage.Object{
		Size: 5, ETag: strings.ToUpper(rand.Text()), ContentType: claims.ContentType, Type: "Normal", LastModified: now.Add(-age),
		Metadata: map[string]string{},
	}
	key := claims.Key
	if change != nil {
		change(&claims, &object)
	}
	if object.Metadata != nil {
		w.seal(w.keyring, claims, object)
	}
	w.objects[key] = object
	return key
}

// seal gives an object its grant.
func (w *world) seal(k *uploadtoken.Keyring, claims uploadtoken.Claims, object storage.Object) {
	w.t.Helper()
	claims.Metadata = grant.MetadataSum(object.Metadata)
	token, err := k.Seal(uploadtoken.Grant, claims)
	if err != nil {
		w.t.Fatal(err)
	}
	object.Metadata[grant.MetaGrant] = token
}

// mark marks an object as announced, with the bytes that it has.
func (w *world) mark(key string) string {
	o := w.objects[key]
	w.kept[grant.Marker(prefix, key, o.ETag, o.Size, o.LastModified)] = []byte("taken")
	return key
}

// call takes note of a call and lets it fail. Callers hold no lock.
func (w *world) call(ctx context.Context, name string, do func()) error {
	if w.slow != nil {
		w.slow()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, name)
	if ctx.Err() != nil {
		return storage.ErrTimeout
	}
	if w.fault != nil {
		if err, done := w.fault(len(w.calls), name); err != nil {
			if done {
				do()
			}
			return err
		}
	}
	do()
	return nil
}

func (w *world) List(ctx context.Context, from, after string, n int) (page storage.Page, err error) {
	if n < 1 || n > storage.PageSize || from != prefix && !strings.HasPrefix(from, grant.AnnouncedPrefix(prefix)) {
		w.t.Errorf("List(%q, %q, %d) is out of bounds", from, after, n)
	}
	name := "List objects"
	if from == grant.AnnouncedPrefix(prefix) {
		name = "List markers"
	}
	err = w.call(ctx, name, func() {
		for key, o := range w.objects {
			page.Objects = append(page.Objects, storage.Listed{Key: key, ETag: o.ETag, Size: o.Size, LastModified: o.LastModified})
		}
		for key := range w.kept {
			page.Objects = append(page.Objects, storage.Listed{Key: key, ETag: "D41D", LastModified: now.Add(-day)})
		}
		page.Objects = slices.DeleteFunc(page.Objects, func(o storage.Listed) bool { return o.Key <= after || !strings.HasPrefix(o.Key, from) })
		slices.SortFunc(page.Objects, func(a, b storage.Listed) int { return cmp.Compare(a.Key, b.Key) })
		if n = min(n, w.pageSize); len(page.Objects) > n {
			page.Objects, page.More = page.Objects[:n], true
		}
	})
	return page, err
}

func (w *world) ListUploads(ctx context.Context, from string, after storage.Unfinished, n int) (page storage.UnfinishedPage, err error) {
	if n < 1 || n > storage.PageSize || from != prefix {
		w.t.Errorf("ListUploads(%q, %+v, %d) is out of bounds", from, after, n)
	}
	err = w.call(ctx, "List uploads", func() {
		sorted := slices.SortedFunc(slices.Values(w.uploads), func(a, b storage.Unfinished) int {
			return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
		})
		for _, u := range sorted {
			if !strings.HasPrefix(u.Key, from) || u.Key < after.Key || u.Key == after.Key && u.ID <= after.ID {
				continue
			}
			if len(page.Uploads) == min(n, w.pageSize) {
				page.More = true
				break
			}
			page.Uploads = append(page.Uploads, u)
		}
	})
	return page, err
}

func (w *world) Head(ctx context.Context, key string) (o storage.Object, err error) {
	ok := false
	if err := w.call(ctx, "Head", func() { o, ok = w.objects[key] }); err != nil {
		return storage.Object{}, err
	}
	switch {
	case w.denied != nil && w.denied(key):
		return storage.Object{}, storage.ErrDenied
	case !ok:
		return storage.Object{}, storage.ErrNotFound
	}
	return o, nil
}

func (w *world) Get(ctx context.Context, key string, limit int64) (content []byte, err error) {
	ok := false
	name := "Get cursor"
	if strings.HasPrefix(key, grant.AnnouncedPrefix(prefix)) {
		name = "Get marker"
	}
	if err := w.call(ctx, name, func() { content, ok = w.kept[key] }); err != nil {
		return nil, err
	}
	if !ok {
		return nil, storage.ErrNotFound
	}
	return content, nil
}

func (w *world) Put(ctx context.Context, key string, content []byte) error {
	name := "Put cursor"
	switch {
	case strings.HasPrefix(key, grant.AnnouncedPrefix(prefix)) && slices.Contains([]string{"taken", "queued", "refused"}, string(content)):
		name = "Put marker"
	case key != grant.SweepPrefix(prefix)+"cursor":
		w.t.Errorf("Put(%q) of %d bytes is not the sweep's to do", key, len(content))
	}
	return w.call(ctx, name, func() { w.kept[key] = content })
}

func (w *world) Delete(ctx context.Context, key string) error {
	return w.call(ctx, "Delete", func() {
		w.deleted = append(w.deleted, key)
		delete(w.objects, key)
	})
}

func (w *world) Abort(ctx context.Context, key, uploadID string) error {
	return w.call(ctx, "Abort", func() {
		w.aborted = append(w.aborted, uploadID)
		w.uploads = slices.DeleteFunc(w.uploads, func(u storage.Unfinished) bool { return u.Key == key && u.ID == uploadID })
	})
}

// fakeQueue is the outbox of a world.
type fakeQueue struct{ *world }

// Put queues an event that nobody took.
func (q fakeQueue) Put(ctx context.Context, e outbox.Entry) error {
	if e.Kind != outbox.Event || e.Marker == "" || e.Stored.IsZero() || len(e.Body) == 0 {
		q.t.Errorf("the queued entry %+v is not whole", e)
	}
	return q.call(ctx, "Queue", func() { q.queue[e.ID] = e })
}

// Notify is the webhook.
func (w *world) Notify(ctx context.Context, id string, body []byte) error {
	var event struct{ Data struct{ Key, EventID string } }
	if err := json.Unmarshal(body, &event); err != nil || event.Data.EventID != id {
		w.t.Errorf("the event %s does not name its id", body)
	}
	if w.refused != nil && w.refused(event.Data.Key) {
		return errors.New("webhook answered 500")
	}
	return w.call(ctx, "Notify", func() { w.events[event.Data.Key] = append(w.events[event.Data.Key], id) })
}

// count is how often a call was made.
func (w *world) count(name string) (n int) {
	for _, call := range w.calls {
		if call == name {
			n++
		}
	}
	return n
}

// wantAnnounced checks that the events about these keys and no others were
// delivered or queued, each under one id and no more than most times in all beyond once.
func (w *world) wantAnnounced(t *testing.T, again int, keys ...string) {
	t.Helper()
	told := maps.Clone(w.events)
	for id, e := range w.queue {
		told[e.Key] = append(slices.Clone(told[e.Key]), id)
	}
	total := 0
	for key, ids := range told {
		if !slices.Contains(keys, key) {
			t.Errorf("%s was announced", key)
		}
		if len(slices.Compact(slices.Clone(ids))) > 1 {
			t.Errorf("%s was announced under the ids %q", key, ids)
		}
		total += len(ids)
	}
	for _, key := range keys {
		if len(told[key]) == 0 {
			t.Errorf("%s was not announced", key)
		}
	}
	if total > len(keys)+again {
		t.Errorf("%d events were delivered or queued about %d uploads, want at most %d again", total, len(keys), again)
	}
}

// everyKind is one upload of each kind that a sweep tells apart.
type everyKind struct {
	lost, overwritten              []string // to be announced
	bad                            []string // to be deleted
	known, young, old, refused     []string
	foreign, stranger              []string
	stale, running, foreignUploads []string // ids of multipart uploads
}

func (w *world) everyKind() (k everyKind) {
	encoded := func(c *uploadtoken.Claims, o *storage.Object) { o.ContentEncoding = "gzip" }
	k.lost = []string{
		w.store("alice", hour, nil),
		w.store("alice", 7*day, nil),
		w.store("_announced", hour, nil),
		// Granted long before it was stored.
		w.store("zoe", 6*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.LastModified = now.Add(-hour); o.Type = "Multipart" }),
	}
	k.overwritten = []string{w.mark(w.store("alice", hour, nil))}
	again := w.objects[k.overwritten[0]]
	again.ETag = "OTHER"
	w.objects[k.overwritten[0]] = again
	k.bad = []string{
		w.store("alice", 25*hour, encoded),
		w.store("bob", 3*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ }),
	}
	k.known = []string{w.mark(w.store("alice", hour, nil)), w.mark(w.store("bob", 5*day, nil)), w.mark(w.store("bob", 5*day, encoded))}
	k.young = []string{
		w.store("alice", time.Minute, nil),
		w.store("alice", 14*time.Minute, encoded),
		w.store("bob", 2*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.LastModified = now.Add(-time.Minute) }),
	}
	k.old = []string{w.store("alice", 9*day, nil), w.store("alice", 40*day, encoded), w.store("bob", 400*day, nil)}
	k.refused = []string{
		w.store("alice", 23*hour, encoded), // not yet a day old
		w.mark(w.store("bob", 3*day, nil)), // announced, and then overwritten
	}
	again = w.objects[k.refused[1]]
	again.ETag, again.CacheControl = "OTHER", "no-store"
	w.objects[k.refused[1]] = again
	other := w.grant("mallory", 3*day)
	k.stranger = []string{
		w.store("carol", 2*day, func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata = nil }),
		w.store("carol", 2*day, func(c *uploadtoken.Claims, o *storage.Object) { *c = other; o.Size++ }),
		w.store("carol", 2*day, func(c *uploadtoken.Claims, o *storage.Object) { c.Key += "x"; o.Size++ }),
	}
	object := w.objects[k.bad[0]]
	for _, key := range []string{
		"u/notes.txt", "u/alice//notes.txt", "u/Backup/2026/11/x.png", "u/_sts/alice/2026/11/a.png",
		strings.Replace(k.bad[0], "u/alice/", "u/_sts/alice/", 1), "u/alice/_mine/x.png",
	} {
		w.objects[key] = object
		k.foreign = append(k.foreign, key)
	}
	upload := func(key, id string, age time.Duration) string {
		w.uploads = append(w.uploads, storage.Unfinished{Key: key, ID: id, Initiated: now.Add(-age)})
		return id
	}
	k.stale = []string{upload(w.grant("alice", 9*day).Key, "S1", 9*day), upload(w.grant("bob", 99*day).Key, "S2", 99*day)}
	k.running = []string{upload(w.grant("alice", hour).Key, "R1", hour), upload(w.grant("bob", 7*day).Key, "R2", 7*day+hour-1)}
	k.foreignUploads = []string{upload("u/backup.tar", "F1", 99*day), upload("u/_sts/alice/a", "F2", 99*day),
		upload(strings.Replace(w.grant("alice", 99*day).Key, "u/", "u/_sts/", 1), "F3", 99*day)}
	return k
}

// snapshot is everything that a sweep could change.
func (w *world) snapshot() string {
	return fmt.Sprint(slices.Sorted(maps.Keys(w.objects)), w.uploads, slices.Sorted(maps.Keys(w.kept)), w.events, slices.Sorted(maps.Keys(w.queue)), w.deleted, w.aborted)
}
