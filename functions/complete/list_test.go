package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

func TestList(t *testing.T) {
	f := newFixture(t)
	s := f.start(`{"filename":"a"}`)
	if r := f.as("alice", "GET", s.path(""), ""); r.status != 200 || string(r.body) != "[]" {
		t.Errorf("answer %d %s, want an empty list", r.status, r.body)
	}
	f.bucket.UploadPart(s.claims.UploadID, 10000, []byte("end"))
	f.bucket.UploadPart(s.claims.UploadID, 2, []byte("two!"))
	const want = `[{"PartNumber":2,"Size":4,"ETag":"\"9F5B6D9A034D175868BF593885B7DC4E\""},{"PartNumber":10000,"Size":3,"ETag":"\"7F021A1415B86F2D013B2618FB31AE53\""}]`
	if r := f.as("alice", "GET", s.path(""), ""); r.status != 200 || string(r.body) != want {
		t.Errorf("answer %d %s, want %s", r.status, r.body, want)
	}
	f.asked(storagetest.ListParts, storagetest.ListParts)
}

// How an upload ended decides what listing and aborting it answer.
func TestEnded(t *testing.T) {
	foreign := func(f *fixture, s started) {
		abort(f, s)
		f.bucket.Store(s.Key, storage.Object{ETag: "OTHER", Type: "Normal"})
	}
	tests := []struct {
		name        string
		end         func(*fixture, started)
		list, abort api.Code // empty: 200
	}{
		{"aborted", abort, api.UploadGone, ""},
		{"completed", completed, "", api.AlreadyCompleted},
		{"ended with the object of another", foreign, api.ObjectMismatch, api.ObjectMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			s := f.start(sized(5))
			f.fill(s, 5)
			tt.end(f, s)
			list := f.as("alice", "GET", s.path(""), "")
			if tt.list == "" {
				list.ok(new([]listedPart))
			} else {
				list.refused(tt.list)
			}
			if tt.list == api.UploadGone {
				f.asked(storagetest.ListParts, storagetest.Head, storagetest.Get)
			} else {
				f.asked(storagetest.ListParts, storagetest.Head)
			}
			r := f.as("alice", "DELETE", s.path(""), "")
			f.asked(storagetest.Abort, storagetest.Head)
			if tt.abort != "" {
				r.refused(tt.abort)
			} else {
				r.empty()
			}
			// Nothing is deleted: allow sees to it. Nothing is announced either.
			f.told()
		})
	}
}

// empty checks for the answer {}.
func (r reply) empty() {
	r.t.Helper()
	if r.status != 200 || string(r.body) != "{}" {
		r.t.Errorf("answer %d %s, want 200 {}", r.status, r.body)
	}
}

func TestAbort(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	f.as("alice", "DELETE", s.path(""), "").empty()
	f.asked(storagetest.Abort)
	if open := f.bucket.Open(); len(open) != 0 {
		t.Errorf("uploads = %+v, want none", open)
	}
	for range 2 {
		f.as("alice", "DELETE", s.path(""), "").empty()
		f.asked(storagetest.Abort, storagetest.Head)
	}
	synctest.Test(t, func(t *testing.T) {
		f.in(t).as("alice", "POST", s.path("/complete"), "").refused(api.UploadGone)
	})
}

// An answer that is lost, or overtaken, changes nothing about how it ended.
func TestAbortAfterALostAnswer(t *testing.T) {
	t.Run("lost", func(t *testing.T) {
		f := newFixture(t)
		s := f.start(sized(5))
		f.bucket.Next(storagetest.Abort, storagetest.Fault{Err: storage.ErrTimeout, Done: true})
		f.as("alice", "DELETE", s.path(""), "").refused(api.StorageTimeout)
		f.as("alice", "DELETE", s.path(""), "").empty()
	})
	t.Run("overtaken by completion", func(t *testing.T) {
		f := newFixture(t)
		s := f.start(sized(5))
		f.fill(s, 5)
		f.bucket.Next(storagetest.Abort, storagetest.Fault{Before: func(context.Context) { completed(f, s) }})
		f.as("alice", "DELETE", s.path(""), "").refused(api.AlreadyCompleted)
		if _, ok := f.bucket.Object(s.Key); !ok {
			t.Error("the object is gone")
		}
	})
}

// Listing after a completion whose answer was lost leads a client to the receipt,
// as it leads Uppy: it sends no part that is listed, and names each with the ETag
// that it was told of.
func TestListLeadsToTheReceipt(t *testing.T) {
	for name, wish := range map[string]string{"agreed": sized(250 * kib), "of Uppy's choice": `{"filename":"a.png","type":"image/png"}`} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := f.start(wish)
			f.fill(s, 100*kib, 100*kib, 50*kib)
			f.bucket.Next(storagetest.Complete, storagetest.Fault{Err: storage.ErrTimeout, Done: true})
			f.as("alice", "POST", s.path("/complete"), "").refused(api.StorageTimeout)
			var listed []listedPart
			f.as("alice", "GET", s.path(""), "").ok(&listed)
			sizes := []int64{0, 0, 0}
			if s.PartSize > 0 {
				sizes = []int64{100 * kib, 100 * kib, 50 * kib}
			}
			if len(listed) != len(sizes) {
				t.Fatalf("listed %+v, want %d parts", listed, len(sizes))
			}
			object, _ := f.bucket.Object(s.Key)
			for i, p := range listed {
				if want := (listedPart{int64(i + 1), sizes[i], `"` + object.ETag + `"`}); p != want {
					t.Errorf("listed %+v, want %+v", p, want)
				}
			}
			named, _ := json.Marshal(map[string]any{"parts": listed})
			var first, other confirm.Answer
			f.as("alice", "POST", s.path("/complete"), string(named)).ok(&first)
			f.as("alice", "POST", s.path("/complete"), `{"parts":[{"PartNumber":7,"ETag":"\"0\""}]}`).ok(&other)
			if first.Key != s.Key || first.EventID == "" || jsonOf(t, first) != jsonOf(t, other) {
				t.Errorf("receipts %+v and %+v, want one", first, other)
			}
			f.told(s.Key)
		})
	}
}

// A completed upload has as many parts as its ETag says, if it can have them.
func TestPartsOfACompletedUpload(t *testing.T) {
	const size = 250 * kib
	for _, tt := range []struct {
		name     string
		etag     string
		size     int64
		partSize int64
		want     int
	}{
		{"one", "A-1", size, 0, 1},
		{"as many as the least size allows", "A-3", size, 0, 3},
		{"one more", "A-4", size, 0, 3},
		{"a number without end", "A-99999999999999999999", size, 0, 3},
		{"2^32+1", "A-4294967297", size, 0, 3},
		{"none", "A-0", size, 0, 3},
		{"less than none", "A--1", size, 0, 3},
		{"no number", "A-", size, 0, 3},
		{"padded", "A-03", size, 0, 3},
		{"no ETag of a multipart upload", "A", size, 0, 3},
		{"as agreed", "A-3", size, 100 * kib, 3},
		{"more than agreed", "A-9999", size, 200 * kib, 2},
		{"less than agreed", "A-1", size, 100 * kib, 3},
		{"nothing, in one part", "A-1", 0, 0, 1},
		{"as many as there can be", "A-10000", 1 << 40, 0, grant.MaxParts},
		{"more than there can be", "A-10001", 1 << 40, 0, grant.MaxParts},
	} {
		t.Run(tt.name, func(t *testing.T) {
			claims := uploadtoken.Claims{MaxSize: 1 << 40, PartSize: tt.partSize}
			list := partsOf(claims, storage.Object{ETag: tt.etag, Size: tt.size})
			if len(list) != tt.want {
				t.Fatalf("%d parts are listed, want %d", len(list), tt.want)
			}
			total := int64(0)
			for i, p := range list {
				if total += p.Size; p.PartNumber != int64(i+1) {
					t.Errorf("part %d has the number %d", i+1, p.PartNumber)
				}
			}
			if want := tt.size * min(1, tt.partSize); total != want {
				t.Errorf("the sizes add up to %d, want %d", total, want)
			}
		})
	}
}

// A HEAD that is refused says nothing about the object.
func TestEndedAndHeadIsDenied(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	completed(f, s)
	f.bucket.Fail(storagetest.Head, storage.ErrDenied)
	f.as("alice", "GET", s.path(""), "").refused(api.StorageDenied)
	f.as("alice", "DELETE", s.path(""), "").refused(api.StorageDenied)
	f.as("alice", "POST", s.path("/complete"), "").refused(api.StorageDenied)
	f.asked(storagetest.ListParts, storagetest.Head, storagetest.Abort, storagetest.Head, storagetest.ListParts, storagetest.Head)
	f.told()
}

func TestListedPartsEncodesAsJSON(t *testing.T) {
	for _, l := range []listedParts{
		{}, {{}}, {{PartNumber: 1, Size: 5 << 20, ETag: `"A-3"`}, {PartNumber: 10_000, Size: 1<<63 - 1, ETag: "<\"&\n\xff\u2028"}},
	} {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode([]listedPart(l)); err != nil {
			t.Fatal(err)
		}
		if got := string(l.AppendJSON([]byte("before"))) + "\n"; got != "before"+want.String() {
			t.Errorf("AppendJSON = %s, want before%s", got, want.Bytes())
		}
	}
}

func BenchmarkListedParts(b *testing.B) {
	l := make(listedParts, grant.MaxParts)
	for i := range l {
		l[i] = listedPart{int64(i + 1), 5 << 20, fmt.Sprintf(`"%032X"`, i)}
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.AppendJSON(nil)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var text bytes.Buffer
			e := json.NewEncoder(&text)
			e.SetEscapeHTML(false)
			if err := e.Encode([]listedPart(l)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
