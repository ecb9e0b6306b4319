package main

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"ossupload/shared/api"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
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
		{"completed", completed, api.AlreadyCompleted, api.AlreadyCompleted},
		{"ended with the object of another", foreign, api.ObjectMismatch, api.ObjectMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			s := f.start(sized(5))
			f.fill(s, 5)
			tt.end(f, s)
			f.as("alice", "GET", s.path(""), "").refused(tt.list)
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

// Listing after a completion whose answer was lost leads a client to the
// receipt.
func TestListLeadsToTheReceipt(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	f.bucket.Next(storagetest.Complete, storagetest.Fault{Err: storage.ErrTimeout, Done: true})
	f.as("alice", "POST", s.path("/complete"), "").refused(api.StorageTimeout)
	f.as("alice", "GET", s.path(""), "").refused(api.AlreadyCompleted)
	var got map[string]json.RawMessage
	f.as("alice", "POST", s.path("/complete"), "").ok(&got)
	f.told(s.Key)
}
