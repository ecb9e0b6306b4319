package confirm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

var uploadedAt = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func claims() uploadtoken.Claims {
	size := int64(5)
	return uploadtoken.Claims{
		ID: "jti-1", Method: uploadtoken.Put, Bucket: "examplebucket", Key: "u/alice/2026/11/x.png", Subject: "alice",
		Size: &size, MaxSize: 10, ContentType: "image/png", CRC64: "42",
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

// bucket holds one object under every key, and the markers that are put.
type bucket struct {
	object storage.Object
	err    error
	marks  *marks // nil: they are forgotten
}

func (b bucket) Put(ctx context.Context, key string, content []byte) error {
	if b.marks == nil {
		return nil
	}
	return b.marks.Put(ctx, key, content)
}

func (b bucket) Head(context.Context, string) (storage.Object, error) { return b.object, b.err }

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
	k, err := uploadtoken.NewKeyring([]uploadtoken.Key{{ID: "k", Secret: bytes.Repeat([]byte("s"), 32)}}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func config(t *testing.T, b bucket) confirm.Config {
	return confirm.Config{
		Storage: b, Keyring: keyring(t), Now: time.Now,
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

func confirmer(t *testing.T, b bucket, n confirm.Notifier) *confirm.Confirmer {
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
		{"no keyring", func(c *confirm.Config) { c.Keyring = nil }, false},
		{"no locations", func(c *confirm.Config) { c.Location = nil }, false},
		{"no clock", func(c *confirm.Config) { c.Now = nil }, false},
		{"a webhook", func(c *confirm.Config) { c.Webhook = hook }, true},
		{"a webhook without secrets", func(c *confirm.Config) { c.Webhook = hook; c.Webhook.Secrets = nil }, false},
		{"no webhook", func(c *confirm.Config) { c.Webhook = hook; c.Webhook.URL = "" }, true},
		{"a webhook that is not needed", func(c *confirm.Config) { c.Webhook = hook; c.Webhook.Secrets = nil; c.Notifier = &recorder{} }, true},
	}
	for _, tt := range tests {
		c := config(t, bucket{object: object()})
		tt.change(&c)
		if got, err := confirm.New(c); (err == nil) != tt.ok || (got != nil) != tt.ok {
			t.Errorf("New with %s = %v, %v, want ok %v", tt.name, got, err, tt.ok)
		}
	}
}

// Where no webhook is configured, the log has the events; without a log, too,
// uploads are confirmed.
func TestEventsGoToTheLog(t *testing.T) {
	var log bytes.Buffer
	for _, logger := range []*slog.Logger{nil, slog.New(slog.NewJSONHandler(&log, nil))} {
		c := config(t, bucket{object: object(), marks: &marks{}})
		c.Log = logger
		receipt, err := made(t, c).Confirm(t.Context(), claims())
		if err != nil {
			t.Fatalf("Confirm with the log %v: %v", logger, err)
		}
		if logger != nil && !strings.Contains(log.String(), `"msg":"event","eventId":"`+receipt.EventID+`","event":{"type":"upload.completed",`) {
			t.Errorf("log = %s, want the event %s", &log, receipt.EventID)
		}
	}
}

// What a client is told.
func TestErrorsCarryTheirAnswer(t *testing.T) {
	for _, tt := range []struct {
		err    error
		code   api.Code
		again  bool
		reason string // in the log
	}{
		{confirm.ErrMismatch, api.ObjectMismatch, false, "object"},
		{confirm.ErrNoGrant, api.ObjectMismatch, false, "object"},
		{confirm.ErrDelivery, api.DeliveryFailed, true, ""},
		{confirm.ChecksumMismatch("1", "2"), api.ChecksumMismatch, false, ""},
	} {
		got, ok := errors.AsType[*api.Error](tt.err)
		if !ok || got.Code != tt.code || got.Message == "" || got.Reason != tt.reason {
			t.Errorf("the answer to %v = %+v, want %s", tt.err, got, tt.code)
			continue
		}
		if soon := got.RetryAfter > 0 && got.RetryAfter < 10*time.Second; soon != tt.again {
			t.Errorf("the answer to %v asks to try again after %v, want soon %v", tt.err, got.RetryAfter, tt.again)
		}
	}
	if errors.Is(confirm.ErrNoGrant, confirm.ErrMismatch) {
		t.Error("an object without a grant is told as one that breaks it")
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
		receipt, err := confirmer(t, bucket{object: o}, &recorder{}).Confirm(t.Context(), c)
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
	receipt, err := confirmer(t, bucket{object: object()}, hook).Confirm(t.Context(), claims())
	if err != nil {
		t.Fatalf("Confirm: %v", err)
	}
	want := confirm.Receipt{
		Location: "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/u/alice/2026/11/x.png",
		Bucket:   "examplebucket", Key: "u/alice/2026/11/x.png", Size: 5, ETag: "5D41402ABC4B2A76B9719D911017C592", CRC64: "42",
		ContentType: "image/png", Filename: "a b.png", Metadata: map[string]string{"album": "夏"},
		Vars: map[string]string{"album": "夏"}, Context: json.RawMessage(`{"order":7}`), UploadedAt: uploadedAt, EventID: receipt.EventID,
	}
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
		r, err := confirmer(t, bucket{object: o}, &recorder{}).Confirm(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return r.EventID
	}
	first := id(func(*uploadtoken.Claims, *storage.Object) {})
	// Computed by another program: printf 'jti-1\n5D41402ABC4B2A76B9719D911017C592\n' | sha256sum | cut -c1-32
	if want := "evt_3e728abe85d3d82fcc30733e10c32d7e"; first != want {
		t.Errorf("event id = %q, want %q", first, want)
	}
	if again := id(func(c *uploadtoken.Claims, o *storage.Object) {
		o.LastModified = uploadedAt.Add(time.Hour)
		c.ExpiresAt++
	}); again != first {
		t.Errorf("event id of the same bytes = %q, want %q", again, first)
	}
	for name, change := range map[string]func(*uploadtoken.Claims, *storage.Object){
		"another upload":  func(c *uploadtoken.Claims, _ *storage.Object) { c.ID = "jti-2" },
		"other bytes":     func(_ *uploadtoken.Claims, o *storage.Object) { o.ETag = "X" },
		"another version": func(_ *uploadtoken.Claims, o *storage.Object) { o.VersionID = "v1" },
	} {
		if other := id(change); other == first {
			t.Errorf("event id of %s is the same", name)
		}
	}
}

func TestCheck(t *testing.T) {
	const header = "it has a Content-Encoding, Content-Disposition, Cache-Control or Expires that nobody granted"
	four := int64(4)
	tests := []struct {
		name   string
		change func(*uploadtoken.Claims, *storage.Object)
		why    string // what the log says; empty: nothing is wrong
	}{
		{"as granted", func(c *uploadtoken.Claims, o *storage.Object) {}, ""},
		{"a multipart object", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "Multipart" }, ""},
		{"a symlink", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "Symlink" }, `it is of type "Symlink"`},
		{"an appendable object", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "Appendable" }, `it is of type "Appendable"`},
		{"an object of no type", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "" }, `it is of type ""`},
		{"another size", func(c *uploadtoken.Claims, o *storage.Object) { c.Size = &four }, "its size is 5, granted was 4"},
		{"no exact size, within the limit", func(c *uploadtoken.Claims, o *storage.Object) { c.Size = nil; o.Size = 10 }, ""},
		{"no exact size, over the limit", func(c *uploadtoken.Claims, o *storage.Object) { c.Size = nil; o.Size = 11 }, "its size is 11, granted were at most 10"},
		{"another type", func(c *uploadtoken.Claims, o *storage.Object) { o.ContentType = "text/html" }, `its content type is "text/html", granted was "image/png"`},
		{"a type where none was granted", func(c *uploadtoken.Claims, o *storage.Object) { c.ContentType = "" }, ""},
		{"a Content-Encoding", func(c *uploadtoken.Claims, o *storage.Object) { o.ContentEncoding = "gzip" }, header},
		{"a Content-Disposition", func(c *uploadtoken.Claims, o *storage.Object) { o.ContentDisposition = "inline" }, header},
		{"a Cache-Control", func(c *uploadtoken.Claims, o *storage.Object) { o.CacheControl = "no-store" }, header},
		{"an Expires", func(c *uploadtoken.Claims, o *storage.Object) { o.Expires = "0" }, header},
		{"a tag that nobody granted", func(c *uploadtoken.Claims, o *storage.Object) { o.Tags = 1 }, "it has 1 tags, granted were 0"},
		{"a tag that was granted", func(c *uploadtoken.Claims, o *storage.Object) { c.Tags, o.Tags = 1, 1 }, ""},
		{"another CRC-64", func(c *uploadtoken.Claims, o *storage.Object) { o.CRC64 = "43" }, "CRC-64 is 43, declared was 42"},
		{"no CRC-64 where one was declared", func(c *uploadtoken.Claims, o *storage.Object) { o.CRC64 = "" }, "CRC-64 is , declared was 42"},
		{"a CRC-64 that nobody declared", func(c *uploadtoken.Claims, o *storage.Object) { c.CRC64 = "" }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, o := claims(), object()
			tt.change(&c, &o)
			hook := &recorder{}
			_, err := confirmer(t, bucket{object: o}, hook).Confirm(t.Context(), c)
			if tt.why == "" && err != nil || tt.why != "" && (!errors.Is(err, confirm.ErrMismatch) || !strings.HasSuffix(err.Error(), ": "+tt.why)) {
				t.Errorf("Confirm = %v, want %q", err, tt.why)
			}
			if got, want := len(hook.taken) == 1, tt.why == ""; got != want {
				t.Errorf("announced %v, want %v", got, want)
			}
		})
	}
	c, o := claims(), object()
	o.CRC64 = "43"
	err := confirm.Check(c, o)
	answer, ok := errors.AsType[*api.Error](err)
	if !ok || answer.Code != api.ChecksumMismatch || !errors.Is(err, confirm.ErrMismatch) {
		t.Fatalf("Check with another CRC-64 = %v, want %s, which is a mismatch", err, api.ChecksumMismatch)
	}
	if details, err := json.Marshal(answer.Details); string(details) != `{"expected":"42","actual":"43"}` {
		t.Errorf("details = %s, %v, want 42 and 43", details, err)
	}
}

func TestStored(t *testing.T) {
	k := keyring(t)
	seal := func(p uploadtoken.Purpose, c uploadtoken.Claims) string {
		token, err := k.Seal(p, c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	elsewhere := claims()
	elsewhere.Key = "u/mallory/2026/11/x.png"
	old := claims()
	old.ExpiresAt = 1
	tests := []struct {
		name, grant string
		ok          bool
	}{
		{"its own grant", seal(uploadtoken.Grant, claims()), true},
		{"its own grant, long expired", seal(uploadtoken.Grant, old), true},
		{"no grant", "", false},
		{"an upload token", seal(uploadtoken.Upload, claims()), false},
		{"a grant copied from another object", seal(uploadtoken.Grant, elsewhere), false},
		{"anything", "v1.k.AAAA", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := object()
			o.Metadata = maps.Clone(o.Metadata)
			o.Metadata["ossupload-grant"] = tt.grant
			c := config(t, bucket{object: o})
			c.Keyring = k
			got, stored, err := made(t, c).Stored(t.Context(), claims().Key)
			if stored.ETag != o.ETag {
				t.Errorf("Stored = %+v, want the object", stored)
			}
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, confirm.ErrNoGrant) {
				t.Errorf("Stored = %v, want ok %v", err, tt.ok)
			}
			if tt.ok && got.ID != "jti-1" {
				t.Errorf("Stored = %+v, want the grant's claims", got)
			}
		})
	}
}

func TestConfirmPassesStorageErrors(t *testing.T) {
	for _, want := range []error{storage.ErrNotFound, storage.ErrDenied, storage.ErrTimeout} {
		_, err := confirmer(t, bucket{err: want}, &recorder{}).Confirm(t.Context(), claims())
		if !errors.Is(err, want) {
			t.Errorf("Confirm = %v, want %v", err, want)
		}
		if _, _, err := confirmer(t, bucket{err: want}, &recorder{}).Stored(t.Context(), claims().Key); !errors.Is(err, want) {
			t.Errorf("Stored = %v, want %v", err, want)
		}
	}
}

func TestFailedDelivery(t *testing.T) {
	_, err := confirmer(t, bucket{object: object()}, &recorder{err: errors.New("down")}).Confirm(t.Context(), claims())
	if !errors.Is(err, confirm.ErrDelivery) {
		t.Errorf("Confirm = %v, want ErrDelivery", err)
	}
}

func TestReceiptToken(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	hook := &recorder{}
	with := config(t, bucket{object: object()})
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
	if got["key"] != receipt.Key || got["jti"] != receipt.EventID || got["size"] != float64(5) || got["receiptToken"] != nil {
		t.Errorf("receipt token = %v, want the receipt", got)
	}
	if bytes.Contains(hook.taken[0].body, []byte("receiptToken")) {
		t.Error("the event holds a receipt token")
	}
	again, err := c.Confirm(t.Context(), claims())
	if err != nil || !reflect.DeepEqual(again, receipt) {
		t.Errorf("confirming again = %+v, %v, want an equal receipt", again, err)
	}
}
