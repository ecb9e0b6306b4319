package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"slices"
	"testing"
	"time"

	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
)

var began = time.Date(2026, 11, 20, 10, 0, 0, 123456789, time.UTC)

func clock() time.Time { return began }

func bucket(t testing.TB) *storagetest.Bucket { return storagetest.New(t, clock) }

// client is what the client offers; the bucket must stand in for it.
type client interface {
	Head(ctx context.Context, key string) (storage.Object, error)
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	Put(ctx context.Context, key string, content []byte) error
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, prefix, after string, n int) (storage.Page, error)
	ListUploads(ctx context.Context, prefix string, after storage.Unfinished, n int) (storage.UnfinishedPage, error)
	Initiate(ctx context.Context, key string, header map[string]string) (string, error)
	ListParts(ctx context.Context, key, uploadID string) ([]storage.Part, error)
	Complete(ctx context.Context, key, uploadID string, parts []storage.Part) error
	Abort(ctx context.Context, key, uploadID string) error
}

var (
	_ client = (*storage.Client)(nil)
	_ client = (*storagetest.Bucket)(nil)
)

func TestMultipart(t *testing.T) {
	b, ctx := bucket(t), t.Context()
	id, err := b.Initiate(ctx, "k", map[string]string{
		"Content-Type": "image/png", "x-oss-meta-a": "1", "x-oss-tagging": "a=b&c=d", "Cache-Control": "no-store",
		"Content-Encoding": "gzip", "Content-Disposition": "inline", "Expires": "0", "x-oss-forbid-overwrite": "true",
	})
	if err != nil || len(id) != 32 {
		t.Fatalf("Initiate = %q, %v, want 32 characters", id, err)
	}
	first := make([]byte, 100<<10)
	want := []storage.Part{b.UploadPart(id, 1, first), b.UploadPart(id, 2, []byte("end"))}
	b.UploadPart(id, 2, []byte("END"))
	want[1] = b.UploadPart(id, 2, []byte("end")) // the last one counts
	parts, err := b.ListParts(ctx, "k", id)
	if err != nil || !slices.Equal(parts, want) || parts[1].Size != 3 || parts[1].ETag != "7F021A1415B86F2D013B2618FB31AE53" {
		t.Fatalf("ListParts = %+v, %v, want %+v", parts, err, want)
	}
	if open := b.Open(); len(open) != 1 || open[0] != (storage.Unfinished{Key: "k", ID: id, Initiated: began.Truncate(time.Millisecond)}) {
		t.Errorf("Open = %+v, want the upload", open)
	}
	if err := b.Complete(ctx, "k", id, parts); err != nil {
		t.Fatal(err)
	}
	o, err := b.Head(ctx, "k")
	crc := fmt.Sprint(crc64.Checksum(append(first, "end"...), crc64.MakeTable(crc64.ECMA)))
	if err != nil || o.Size != 100<<10+3 || o.CRC64 != crc || o.Type != "Multipart" || o.ContentType != "image/png" ||
		o.ETag[32:] != "-2" || o.Tags != 2 || len(o.Metadata) != 1 || o.Metadata["a"] != "1" || !o.LastModified.Equal(began.Truncate(time.Second)) ||
		o.CacheControl != "no-store" || o.ContentEncoding != "gzip" || o.ContentDisposition != "inline" || o.Expires != "0" {
		t.Errorf("Head = %+v, %v", o, err)
	}
	for name, err := range map[string]error{
		"Complete": b.Complete(ctx, "k", id, parts), "Abort": b.Abort(ctx, "k", id), "ListParts": second(b.ListParts(ctx, "k", id)),
	} {
		if !errors.Is(err, storage.ErrNoSuchUpload) {
			t.Errorf("%s after completion = %v, want %v", name, err, storage.ErrNoSuchUpload)
		}
	}
	if open := b.Open(); len(open) != 0 {
		t.Errorf("Open after completion = %+v, want none", open)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRefusals(t *testing.T) {
	held := storage.Part{Number: 1, Size: 100 << 10, ETag: "A"}
	tests := []struct {
		name  string
		parts []storage.Part
		want  error
	}{
		{"a part that is not held", []storage.Part{held, {Number: 3, ETag: "C"}}, storage.ErrParts},
		{"another ETag", []storage.Part{{Number: 1, ETag: "B"}}, storage.ErrParts},
		{"a small part before the last", []storage.Part{held, {Number: 2, ETag: "S"}, {Number: 4, ETag: "D"}}, storage.ErrParts},
		{"a gap", []storage.Part{held, {Number: 4, ETag: "d"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := bucket(t)
			id := b.StartUpload("k", nil, began)
			b.HoldPart(id, held)
			b.HoldPart(id, storage.Part{Number: 2, Size: 100<<10 - 1, ETag: "S"})
			b.HoldPart(id, storage.Part{Number: 4, Size: 1, ETag: "D"})
			if err := b.Complete(t.Context(), "k", id, tt.parts); !errors.Is(err, tt.want) {
				t.Errorf("Complete = %v, want %v", err, tt.want)
			}
		})
	}
	b := bucket(t)
	id := b.StartUpload("k", nil, began)
	b.HoldPart(id, held)
	b.Store("k", storage.Object{ETag: "OTHER"})
	err := b.Complete(t.Context(), "k", id, []storage.Part{held})
	var classified *storage.Error
	if !errors.Is(err, storage.ErrExists) || !errors.As(err, &classified) || classified.Op != "CompleteMultipartUpload" {
		t.Errorf("Complete over an object = %v, want %v of the client", err, storage.ErrExists)
	}
	if _, err := b.ListParts(t.Context(), "other", id); !errors.Is(err, storage.ErrNoSuchUpload) {
		t.Errorf("ListParts under another key = %v, want %v", err, storage.ErrNoSuchUpload)
	}
	b.Remove("k")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Head(ended, "k"); !errors.Is(err, storage.ErrTimeout) {
		t.Errorf("Head with an ended context = %v, want %v", err, storage.ErrTimeout)
	}
	if _, err := b.Head(t.Context(), "k"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Head of nothing = %v, want %v", err, storage.ErrNotFound)
	}
}

func TestObjectsAndListings(t *testing.T) {
	b, ctx := bucket(t), t.Context()
	for _, key := range []string{"b/2", "a", "b/1", "b/3"} {
		if err := b.Put(ctx, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	page, err := b.List(ctx, "b/", "b/1", 1)
	if err != nil || !page.More || len(page.Objects) != 1 || page.Objects[0].Key != "b/2" {
		t.Errorf("List = %+v, %v, want b/2 and more", page, err)
	}
	b.PageSize = 2
	if page, err = b.List(ctx, "b/", "", 1000); err != nil || !page.More || len(page.Objects) != 2 {
		t.Errorf("List = %+v, %v, want 2 and more", page, err)
	}
	if content, err := b.Get(ctx, "b/1", 3); string(content) != "b/1" || err != nil {
		t.Errorf("Get = %q, %v, want b/1", content, err)
	}
	if _, err := b.Get(ctx, "b/1", 2); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("Get of more than the limit = %v, want %v", err, storage.ErrTooLarge)
	}
	if err := b.Delete(ctx, "b/1"); err != nil || !slices.Equal(b.Keys("b/"), []string{"b/2", "b/3"}) {
		t.Errorf("after Delete: %v, %q", err, b.Keys("b/"))
	}
	first, last := b.StartUpload("x", nil, began), b.StartUpload("x", nil, began)
	b.StartUpload("w", nil, began)
	uploads, err := b.ListUploads(ctx, "x", storage.Unfinished{Key: "x", ID: first}, 10)
	if err != nil || uploads.More || len(uploads.Uploads) != 1 || uploads.Uploads[0].ID != last {
		t.Errorf("ListUploads = %+v, %v, want %s", uploads, err, last)
	}
}

func TestFaults(t *testing.T) {
	b, ctx := bucket(t), t.Context()
	b.Next(storagetest.Put, storagetest.Fault{Err: storage.ErrTimeout, Done: true}, storagetest.Fault{Err: storage.ErrDenied}, storagetest.Fault{})
	ran := false
	b.Next(storagetest.Head, storagetest.Fault{Before: func(context.Context) { ran = true; b.Remove("a") }})
	for i, want := range []error{storage.ErrTimeout, storage.ErrDenied, nil} {
		if err := b.Put(ctx, string(rune('a'+i)), nil); !errors.Is(err, want) {
			t.Errorf("Put %d = %v, want %v", i, err, want)
		}
	}
	if keys := b.Keys(""); !slices.Equal(keys, []string{"a", "c"}) {
		t.Errorf("Keys = %q, want what was done and what passed", keys)
	}
	if _, err := b.Head(ctx, "a"); !errors.Is(err, storage.ErrNotFound) || !ran {
		t.Errorf("Head after a removal = %v, %v", err, ran)
	}
	b.Fail(storagetest.Delete, storage.ErrThrottled)
	for range 2 {
		if err := b.Delete(ctx, "c"); !errors.Is(err, storage.ErrThrottled) {
			t.Errorf("Delete = %v, want %v", err, storage.ErrThrottled)
		}
	}
	b.Fail(storagetest.Delete, nil)
	if err := b.Delete(ctx, "c"); err != nil {
		t.Error(err)
	}
	want := []storagetest.Op{storagetest.Put, storagetest.Put, storagetest.Put, storagetest.Head, storagetest.Delete, storagetest.Delete, storagetest.Delete}
	if got := storagetest.Ops(b.Calls()); !slices.Equal(got, want) || len(b.Calls()) != 0 {
		t.Errorf("Calls = %q, want %q, once", got, want)
	}
}

// What others do is no call.
func TestOthers(t *testing.T) {
	b := bucket(t)
	id := b.StartUpload("k", nil, began)
	b.UploadPart(id, 1, []byte("one"))
	b.CompleteUpload(id)
	aborted := b.StartUpload("l", nil, began)
	b.AbortUpload(aborted)
	if o, ok := b.Object("k"); !ok || o.Size != 3 || len(b.Open()) != 0 || len(b.Keys("")) != 1 || len(b.Calls()) != 0 {
		t.Errorf("Object = %+v, %v; uploads %+v, keys %q", o, ok, b.Open(), b.Keys(""))
	}
}

// spy is a test that may fail.
type spy struct {
	testing.TB
	faults  int
	cleanup []func()
}

func (s *spy) Helper()               {}
func (s *spy) Errorf(string, ...any) { s.faults++ }
func (s *spy) Cleanup(f func())      { s.cleanup = append(s.cleanup, f) }

// What OSS would refuse whatever it holds fails the test.
func TestContract(t *testing.T) {
	ctx := t.Context()
	complete := func(parts ...storage.Part) func(*storagetest.Bucket) {
		return func(b *storagetest.Bucket) { _ = b.Complete(ctx, "k", "id", parts) }
	}
	tests := []struct {
		name string
		ask  func(*storagetest.Bucket)
		want int
	}{
		{"a HEAD", func(b *storagetest.Bucket) { _, _ = b.Head(ctx, "k") }, 0},
		{"an upload", complete(storage.Part{Number: 1, ETag: "A"}, storage.Part{Number: 10000, ETag: "A"}), 0},
		{"no key", func(b *storagetest.Bucket) { _, _ = b.Head(ctx, "") }, 1},
		{"a key that begins with a slash", func(b *storagetest.Bucket) { _ = b.Delete(ctx, "/k") }, 1},
		{"a key that is no text", func(b *storagetest.Bucket) { _ = b.Put(ctx, "k\xff", nil) }, 1},
		{"a long key", func(b *storagetest.Bucket) { _, _ = b.Get(ctx, string(make([]byte, 1024)), 1) }, 1},
		{"no upload id", func(b *storagetest.Bucket) { _ = b.Abort(ctx, "k", "") }, 1},
		{"a header of two lines", func(b *storagetest.Bucket) { _, _ = b.Initiate(ctx, "k", map[string]string{"a": "b\nc: d"}) }, 1},
		{"no parts", complete(), 1},
		{"part 0", complete(storage.Part{ETag: "A"}), 1},
		{"part 10001", complete(storage.Part{Number: 10001, ETag: "A"}), 1},
		{"a part twice", complete(storage.Part{Number: 1, ETag: "A"}, storage.Part{Number: 1, ETag: "A"}), 1},
		{"a part without an ETag", complete(storage.Part{Number: 1}), 1},
		{"a quoted ETag", complete(storage.Part{Number: 1, ETag: `"A"`}), 1},
		{"a page of nothing", func(b *storagetest.Bucket) { _, _ = b.List(ctx, "", "", 0) }, 1},
		{"too large a page", func(b *storagetest.Bucket) { _, _ = b.ListUploads(ctx, "", storage.Unfinished{}, 1001) }, 1},
		{"what is not allowed", func(b *storagetest.Bucket) { _, _ = b.Head(ctx, "secret") }, 1},
		{"a fault that nothing meets", func(b *storagetest.Bucket) { b.Next(storagetest.Head, storagetest.Fault{}) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &spy{TB: t}
			b := bucket(s)
			b.Allow = func(c storagetest.Call) error {
				if c.Key == "secret" {
					return errors.New("nobody may")
				}
				return nil
			}
			tt.ask(b)
			for _, f := range s.cleanup {
				f()
			}
			if s.faults != tt.want {
				t.Errorf("%d faults, want %d", s.faults, tt.want)
			}
		})
	}
}
