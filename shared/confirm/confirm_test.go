package confirm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

var uploadedAt = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

var here = uploadtoken.Place{Bucket: "examplebucket", Prefix: "u/"}

func claims() uploadtoken.Claims {
	size := int64(5)
	return uploadtoken.Claims{
		ID: "jti-1", Method: uploadtoken.Put, Place: here, Key: "u/alice/2026/11/x.png", Subject: "alice",
		Size: &size, MaxSize: 10, ContentType: "image/png", CRC64: "42", Metadata: grant.MetadataSum(object().Metadata),
		Vars: map[string]string{"album": "夏"}, Context: json.RawMessage(`{"order":7}`),
		IssuedAt: uploadedAt.Unix() - 60, ExpiresAt: uploadedAt.Unix() + 60,
	}
}

func object() storage.Object {
	return storage.Object{
		Size: 5, ETag: "5D41402ABC4B2A76B9719D911017C592", ContentType: "image/png", CRC64: "42", Type: "Normal", LastModified: uploadedAt,
		Metadata: map[string]string{"album": "%E5%A4%8F", "ossupload-filename": "a%20b.png", "ossupload-grant": "v1.x"},
	}
}

// bucket holds one object under every key, and what is put.
type bucket struct {
	object storage.Object
	err    error

	mu     sync.Mutex
	kept   map[string]string
	heads  int
	reads  int                         // of what was put
	get    func(context.Context) error // fails a read first
	put    func(context.Context) error // fails a write first
	writes []string                    // what was put, in order
}

func stored(o storage.Object) *bucket { return &bucket{object: o} }

func (b *bucket) Head(context.Context, string) (storage.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heads++
	return b.object, b.err
}

func (b *bucket) Get(ctx context.Context, key string, _ int64) ([]byte, error) {
	if b.get != nil {
		if err := b.get(ctx); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads++
	if content, ok := b.kept[key]; ok {
		return []byte(content), nil
	}
	return nil, storage.ErrNotFound
}

func (b *bucket) Put(ctx context.Context, key string, content []byte) error {
	if b.put != nil {
		if err := b.put(ctx); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == nil {
		b.kept = make(map[string]string)
	}
	b.kept[key] = string(content)
	b.writes = append(b.writes, string(content))
	return nil
}

// marker is the one marker that is kept, or "".
func (b *bucket) marker() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, content := range b.kept {
		return content
	}
	return ""
}

// line is a queue that keeps what is put, or fails as put says.
type line struct {
	entries []outbox.Entry
	put     func(context.Context) error
}

func (l *line) Put(ctx context.Context, e outbox.Entry) error {
	if l.put != nil {
		if err := l.put(ctx); err != nil {
			return err
		}
	}
	l.entries = append(l.entries, e)
	return nil
}

// silence does not answer before ctx ends.
func silence(ctx context.Context) error { <-ctx.Done(); return storage.ErrTimeout }

type delivery struct {
	id   string
	body []byte
}

// recorder takes every event, or fails with err.
type recorder struct {
	taken []delivery
	err   error
}

func (r *recorder) Notify(_ context.Context, id string, body []byte) error {
	if r.err == nil {
		r.taken = append(r.taken, delivery{id, body})
	}
	return r.err
}

func keyring(t *testing.T) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: []uploadtoken.Key{{ID: "k", Secret: bytes.Repeat([]byte("s"), 32)}}, Place: here, Random: rand.Reader,
		Former: []uploadtoken.Place{{Bucket: "formerbucket", Prefix: "u/"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func config(t *testing.T, b *bucket) confirm.Config {
	return confirm.Config{
		Storage: b, Queue: &line{}, Keyring: keyring(t), Bucket: here.Bucket, Prefix: here.Prefix, Now: time.Now,
		Location: func(key string) string { return "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/" + key },
	}
}

func made(t *testing.T, c confirm.Config) *confirm.Confirmer {
	t.Helper()
	confirmer, err := confirm.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return confirmer
}

func confirmer(t *testing.T, b *bucket, n confirm.Notifier) *confirm.Confirmer {
	t.Helper()
	c := config(t, b)
	c.Notifier = n
	return made(t, c)
}

func TestNewRefuses(t *testing.T) {
	hook := confirm.WebhookConfig{URL: "https://backend.example.com/hook", Secrets: [][]byte{hookSecret}, Budget: time.Second}
	tests := []struct {
		name   string
		change func(*confirm.Config)
		ok     bool
	}{
		{"nothing missing", func(*confirm.Config) {}, true},
		{"no storage", func(c *confirm.Config) { c.Storage = nil }, false},
		{"no queue", func(c *confirm.Config) { c.Queue = nil }, false},
		{"no bucket", func(c *confirm.Config) { c.Bucket = "" }, false},
		{"no prefix", func(c *confirm.Config) { c.Prefix = "" }, false},
		{"no keyring", func(c *confirm.Config) { c.Keyring = nil }, false},
		{"no locations", func(c *confirm.Config) { c.Location = nil }, false},
		{"no clock", func(c *confirm.Config) { c.Now = nil }, false},
		{"a webhook", func(c *confirm.Config) { c.Webhook = hook }, true},
		{"a webhook without secrets", func(c *confirm.Config) { c.Webhook = hook; c.Webhook.Secrets = nil }, false},
		{"no webhook", func(c *confirm.Config) { c.Webhook = hook; c.Webhook.URL = "" }, true},
		{"a webhook that is not needed", func(c *confirm.Config) { c.Webhook = hook; c.Webhook.Secrets = nil; c.Notifier = &recorder{} }, true},
	}
	for _, tt := range tests {
		c := config(t, stored(object()))
		tt.change(&c)
		if got, err := confirm.New(c); (err == nil) != tt.ok || (got != nil) != tt.ok {
			t.Errorf("New with %s = %v, %v, want ok %v", tt.name, got, err, tt.ok)
		}
	}
}

// Where no webhook is configured, the log has the events: their names alone, or
// all of them if that is wanted. Without a log, too, uploads are confirmed.
func TestEventsGoToTheLog(t *testing.T) {
	tests := []struct {
		name  string
		whole bool
		want  string
	}{
		{"names alone", false, `,"type":"upload.completed","key":"u/alice/2026/11/x.png","size":5}` + "\n"},
		{"whole events", true, `,"event":{"type":"upload.completed",`},
	}
	for _, tt := range tests {
		var log bytes.Buffer
		c := config(t, stored(object()))
		c.Log, c.LogEvents = slog.New(slog.NewJSONHandler(&log, nil)), tt.whole
		answer, err := made(t, c).Confirm(t.Context(), claims())
		if err != nil || !answer.Delivered {
			t.Fatalf("%s: Confirm = %+v, %v, want it delivered", tt.name, answer, err)
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"msg":"event","eventId":"`+answer.EventID+`"`+tt.want) {
			t.Errorf("%s: log = %s, want the event with %s", tt.name, got, tt.want)
		}
		if !tt.whole && strings.Contains(log.String(), "order") {
			t.Errorf("%s: log = %s, which holds the context", tt.name, &log)
		}
	}
	if _, err := made(t, config(t, stored(object()))).Confirm(t.Context(), claims()); err != nil {
		t.Errorf("Confirm without a log: %v", err)
	}
}

// What a client is told.
func TestErrDeliveryCarriesItsAnswer(t *testing.T) {
	if e := confirm.ErrDelivery; e.Code != api.DeliveryFailed || e.Message == "" || e.RetryAfter <= 0 || e.RetryAfter >= 10*time.Second {
		t.Errorf("the answer to a failed delivery = %+v, want %s, and to try again soon", e, api.DeliveryFailed)
	}
}

func TestReceipt(t *testing.T) {
	tests := []struct {
		name   string
		change func(*uploadtoken.Claims, *storage.Object)
		want   string // in the receipt's JSON
	}{
		{"the name from the metadata", func(c *uploadtoken.Claims, _ *storage.Object) { c.Filename = "other" }, `"filename":"a b.png"`},
		{"the name from the grant, where the object has none", func(c *uploadtoken.Claims, o *storage.Object) { c.Filename, o.Metadata = "url.png", nil }, `"filename":"url.png","metadata":{},`},
		{"no name at all", func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata = nil }, `"filename":""`},
		{"metadata without ours", func(_ *uploadtoken.Claims, o *storage.Object) {
			o.Metadata = map[string]string{"ossupload": "1", "ossupload-x": "2", "ossuploads": "3", "b": "100%"}
		}, `"metadata":{"b":"100%","ossuploads":"3"},`},
		{"no variables", func(c *uploadtoken.Claims, _ *storage.Object) { c.Vars = nil }, `"vars":{},`},
		{"no context", func(c *uploadtoken.Claims, _ *storage.Object) { c.Context = nil }, `"vars":{"album":"夏"},"uploadedAt":`},
		{"a version", func(_ *uploadtoken.Claims, o *storage.Object) { o.VersionID = "v7" }, `"contentType":"image/png","versionId":"v7",`},
		{"the type of the object, where none was granted", func(c *uploadtoken.Claims, o *storage.Object) { c.ContentType, o.ContentType = "", "text/plain" }, `"contentType":"text/plain"`},
		{"the time in UTC", func(_ *uploadtoken.Claims, o *storage.Object) {
			o.LastModified = uploadedAt.In(time.FixedZone("", 8*3600))
		}, `"uploadedAt":"2026-11-20T10:00:00Z"`},
	}
	for _, tt := range tests {
		c, o := claims(), object()
		tt.change(&c, &o)
		c.Metadata = grant.MetadataSum(o.Metadata)
		receipt, err := confirmer(t, stored(o), &recorder{}).Confirm(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got, err := json.Marshal(receipt); err != nil || !strings.Contains(string(got), tt.want) {
			t.Errorf("%s: receipt = %s, %v, want %s in it", tt.name, got, err, tt.want)
		}
	}
}

func TestConfirm(t *testing.T) {
	hook := &recorder{}
	receipt, err := confirmer(t, stored(object()), hook).Confirm(t.Context(), claims())
	if err != nil {
		t.Fatalf("Confirm: %v", err)
	}
	want := confirm.Answer{Delivered: true, Receipt: confirm.Receipt{
		Location: "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/u/alice/2026/11/x.png",
		Bucket:   "examplebucket", Key: "u/alice/2026/11/x.png", Size: 5, ETag: "5D41402ABC4B2A76B9719D911017C592", CRC64: "42",
		ContentType: "image/png", Filename: "a b.png", Metadata: map[string]string{"album": "夏"},
		Vars: map[string]string{"album": "夏"}, Context: json.RawMessage(`{"order":7}`), UploadedAt: uploadedAt, EventID: receipt.EventID,
	}}
	if !reflect.DeepEqual(receipt, want) {
		t.Errorf("Confirm = %+v, want %+v", receipt, want)
	}
	if len(hook.taken) != 1 || hook.taken[0].id != receipt.EventID {
		t.Fatalf("delivered %d events, want one with the id of the receipt", len(hook.taken))
	}
	const body = `{"type":"upload.completed","timestamp":"2026-11-20T10:00:00Z","data":{` +
		`"location":"https://examplebucket.oss-cn-hangzhou.aliyuncs.com/u/alice/2026/11/x.png","bucket":"examplebucket",` +
		`"key":"u/alice/2026/11/x.png","size":5,"etag":"5D41402ABC4B2A76B9719D911017C592","crc64":"42","contentType":"image/png",` +
		`"filename":"a b.png","metadata":{"album":"夏"},"vars":{"album":"夏"},"context":{"order":7},` +
		`"uploadedAt":"2026-11-20T10:00:00Z","eventId":"EVENT","subject":"alice"}}`
	if got := strings.Replace(string(hook.taken[0].body), receipt.EventID, "EVENT", 1); got != body {
		t.Errorf("event = %s, want %s", got, body)
	}
}

func TestEventID(t *testing.T) {
	id := func(change func(*uploadtoken.Claims, *storage.Object)) string {
		c, o := claims(), object()
		change(&c, &o)
		r, err := confirmer(t, stored(o), &recorder{}).Confirm(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return r.EventID
	}
	first := id(func(*uploadtoken.Claims, *storage.Object) {})
	// Computed by another program: printf 'upload.completed\njti-1\n5D41402ABC4B2A76B9719D911017C592\n5\n42\n' | sha256sum | cut -c1-32
	if want := "evt_f3dfb0a5c1c550b9a16d1f4234341541"; first != want {
		t.Errorf("event id = %q, want %q", first, want)
	}
	if again := id(func(c *uploadtoken.Claims, o *storage.Object) {
		o.LastModified = uploadedAt.Add(time.Hour)
		c.ExpiresAt++
	}); again != first {
		t.Errorf("event id of the same bytes = %q, want %q", again, first)
	}
	for name, change := range map[string]func(*uploadtoken.Claims, *storage.Object){
		"another upload": func(c *uploadtoken.Claims, _ *storage.Object) { c.ID = "jti-2" },
		"other bytes":    func(_ *uploadtoken.Claims, o *storage.Object) { o.ETag = "X" },
		"another CRC-64": func(c *uploadtoken.Claims, o *storage.Object) { c.CRC64, o.CRC64 = "43", "43" },
		"another size": func(c *uploadtoken.Claims, o *storage.Object) {
			c.Size = nil
			o.Size = 6
		},
		"another version": func(_ *uploadtoken.Claims, o *storage.Object) { o.VersionID = "v1" },
	} {
		if other := id(change); other == first {
			t.Errorf("event id of %s is the same", name)
		}
	}
}

// An object must carry the grant of its very key: what hold.Grant refuses has no
// claims here.
func TestGranted(t *testing.T) {
	k := keyring(t)
	own, err := k.Seal(uploadtoken.Grant, claims())
	if err != nil {
		t.Fatal(err)
	}
	for token, ok := range map[string]bool{own: true, "": false, "v1.k.AAAA": false} {
		o := object()
		o.Metadata["ossupload-grant"] = token
		got, head, err := confirmer(t, stored(o), &recorder{}).Granted(t.Context(), claims().Key)
		if head.ETag != o.ETag {
			t.Errorf("Granted = %+v, want the object", head)
		}
		if ok != (err == nil) || !ok && !errors.Is(err, hold.ErrNoGrant) || ok != (got.ID == "jti-1") {
			t.Errorf("Granted = %+v, %v, want ok %v", got, err, ok)
		}
	}
}

func TestConfirmPassesStorageErrors(t *testing.T) {
	for _, want := range []error{storage.ErrNotFound, storage.ErrDenied, storage.ErrTimeout} {
		_, err := confirmer(t, &bucket{err: want}, &recorder{}).Confirm(t.Context(), claims())
		if !errors.Is(err, want) {
			t.Errorf("Confirm = %v, want %v", err, want)
		}
		if _, _, err := confirmer(t, &bucket{err: want}, &recorder{}).Granted(t.Context(), claims().Key); !errors.Is(err, want) {
			t.Errorf("Granted = %v, want %v", err, want)
		}
	}
}

func TestReceiptToken(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	hook := &recorder{}
	with := config(t, stored(object()))
	with.Notifier, with.ReceiptSecret = hook, secret
	c := made(t, with)
	receipt, err := c.Confirm(t.Context(), claims())
	if err != nil {
		t.Fatal(err)
	}
	var got jwt.MapClaims
	_, err = jwt.ParseWithClaims(receipt.ReceiptToken, &got, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("ossupload"), jwt.WithSubject("alice"))
	if err != nil {
		t.Fatalf("parsing receipt token: %v", err)
	}
	if got["key"] != receipt.Key || got["jti"] != receipt.EventID || got["size"] != float64(5) {
		t.Errorf("receipt token = %v, want the receipt", got)
	}
	for _, word := range []string{"receiptToken", "delivered"} {
		if bytes.Contains(hook.taken[0].body, []byte(word)) || got[word] != nil {
			t.Errorf("the event or the receipt token holds %s", word)
		}
	}
	again, err := c.Confirm(t.Context(), claims())
	if err != nil || !reflect.DeepEqual(again, receipt) {
		t.Errorf("confirming again = %+v, %v, want an equal receipt", again, err)
	}
}
