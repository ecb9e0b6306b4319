package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
)

// A subject may have so many uploads open, and is told what to do; what ended
// counts no more, and what others have open never did.
func TestMaxOpen(t *testing.T) {
	f := newFixture(t, func(f *fixture) { f.settings.Policy.MaxOpen = 3 })
	for range 5 {
		f.bucket.StartUpload("u/alicia/x", nil, today)
		f.bucket.StartUpload("u/_sts/alice/x", nil, today)
	}
	const body = `{"filename":"a.png"}`
	var open []started
	for range 3 {
		open = append(open, f.start(body))
	}
	r := f.as("alice", "POST", "/s3/multipart", body)
	r.refused(api.Forbidden)
	if !strings.Contains(string(r.body), "Complete or abort") {
		t.Errorf("answer %s, want what to do", r.body)
	}
	calls := f.asked(storagetest.ListUploads)
	if calls[0].Key != "u/alice/" {
		t.Errorf("listed %q, want alice's own", calls[0].Key)
	}
	f.as("bob", "POST", "/s3/multipart", body).ok(new(createResponse))
	f.as("alice", "GET", open[0].path("/1"), "").ok(new(partResponse)) // what is open goes on
	f.as("alice", "GET", "/s3/params?filename=a.png", "").ok(new(paramsResponse))

	f.as("alice", "DELETE", open[0].path(""), "").empty()
	f.start(body)
	f.fill(open[1], 5)
	f.as("alice", "POST", open[1].path("/complete"), "").ok(new(confirm.Answer))
	f.start(body)
	f.as("alice", "POST", "/s3/multipart", body).refused(api.Forbidden)
}

// However OSS pages, all are counted.
func TestMaxOpenOverPages(t *testing.T) {
	for pageSize := 1; pageSize <= 4; pageSize++ {
		f := newFixture(t, func(f *fixture) { f.settings.Policy.MaxOpen, f.bucket.PageSize = 3, pageSize })
		for range 2 {
			f.bucket.StartUpload("u/alice/x", nil, today)
		}
		f.start(`{"filename":"a.png"}`)
		f.as("alice", "POST", "/s3/multipart", `{"filename":"a.png"}`).refused(api.Forbidden)
	}
}

func TestMaxOpenCannotBeCounted(t *testing.T) {
	f := newFixture(t, func(f *fixture) { f.settings.Policy.MaxOpen = 1 })
	f.bucket.Next(storagetest.ListUploads, storagetest.Fault{Err: storage.ErrDenied})
	f.as("alice", "POST", "/s3/multipart", `{"filename":"a.png"}`).refused(api.StorageDenied)
	f.asked(storagetest.ListUploads)
}

// Parts that pass the limit end the upload with its completion, and the client is
// told then and later. Listing ends nothing.
func TestPartsPassTheLimit(t *testing.T) {
	limited := people{"alice": {Subject: "alice", Limits: callerauth.Limits{MaxSize: new(int64(100*kib + 5))}}}
	for name, agree := range map[string]string{"nothing agreed": `{"filename":"a.png"}`, "a size agreed": sized(100*kib + 5), "a part size agreed": `{"filename":"a.png","partSize":102400}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(f *fixture) { f.caller = limited })
				s := f.start(agree)
				parts := f.fill(s, 100*kib, 6)
				var list []listedPart
				if f.as("alice", "GET", s.path(""), "").ok(&list); len(list) != 2 || len(f.bucket.Open()) != 1 {
					t.Errorf("list = %+v, open %+v, want nothing ended", list, f.bucket.Open())
				}
				f.bucket.Calls()
				f.as("alice", "POST", s.path("/complete"), listing(parts...)).refused(api.PartsMismatch)
				calls := f.asked(storagetest.ListParts, storagetest.Put, storagetest.Abort)
				if want := "_ossupload/u/_aborted/" + s.claims.ID; calls[1].Key != want {
					t.Errorf("put %q, want %q", calls[1].Key, want)
				}
				for range 2 {
					f.as("alice", "POST", s.path("/complete"), listing(parts...)).refused(api.Aborted)
					f.as("alice", "GET", s.path(""), "").refused(api.Aborted)
					f.as("alice", "DELETE", s.path(""), "").empty()
				}
				f.told()
			})
		})
	}
}

// At the limit itself nothing ends.
func TestPartsAtTheLimit(t *testing.T) {
	f := newFixture(t, func(f *fixture) {
		f.caller = people{"alice": {Subject: "alice", Limits: callerauth.Limits{MaxSize: new(int64(100*kib + 5))}}}
	})
	s := f.start(`{"filename":"a.png"}`)
	parts := f.fill(s, 100*kib, 5)
	f.as("alice", "POST", s.path("/complete"), listing(parts[:1]...)).refused(api.PartsMismatch)
	f.as("alice", "POST", s.path("/complete"), "").ok(new(confirm.Answer))
}

// Neither call has to succeed for the client to be told.
func TestPartsPassTheLimitAndCannotBeAborted(t *testing.T) {
	for _, op := range []storagetest.Op{storagetest.Put, storagetest.Abort} {
		f := newFixture(t, func(f *fixture) {
			f.caller = people{"alice": {Subject: "alice", Limits: callerauth.Limits{MaxSize: new(int64(5))}}}
		})
		s := f.start(`{"filename":"a.png"}`)
		f.fill(s, 6)
		f.bucket.Next(op, storagetest.Fault{Err: storage.ErrUnavailable})
		for range 2 { // the next completion does it
			f.as("alice", "POST", s.path("/complete"), "").refused(api.PartsMismatch)
		}
		if open := f.bucket.Open(); len(open) != 0 {
			t.Errorf("%s failed once: uploads = %+v, want none", op, open)
		}
	}
}

// Part numbers over what the size allows are never signed.
func TestPartNumbersOverTheSize(t *testing.T) {
	tests := []struct {
		agree string
		limit *int64 // of the caller
		last  int64
	}{
		{sized(0), nil, 1},
		{sized(1), nil, 1},
		{sized(100 * kib), nil, 1},
		{sized(100*kib + 1), nil, 2},
		{sized(1000 * kib), nil, 10},
		{`{"filename":"a.png","size":1024000}`, nil, 1}, // in parts of a size that was chosen for it
		{`{"filename":"a.png","partSize":1048576}`, nil, 1024},
		{`{"filename":"a.png"}`, nil, 10_000},
		{`{"filename":"a.png"}`, new(int64(102401)), 2},
		{`{"filename":"a.png","partSize":204800}`, new(int64(204801)), 2},
	}
	for _, tt := range tests {
		f := newFixture(t, func(f *fixture) {
			f.caller = people{"alice": {Subject: "alice", Limits: callerauth.Limits{MaxSize: tt.limit}}}
		})
		s := f.start(tt.agree)
		f.as("alice", "GET", s.path(fmt.Sprintf("/%d", tt.last)), "").ok(new(partResponse))
		f.as("alice", "GET", s.path(fmt.Sprintf("/batch?partNumbers=%d", tt.last)), "").ok(new(batchAnswer))
		f.as("alice", "GET", s.path(fmt.Sprintf("/batch?as=template&partNumbers=1-%d", tt.last)), "").ok(new(batchAnswer))
		over := fmt.Sprintf("from 1 to %d", tt.last)
		f.as("alice", "GET", s.path(fmt.Sprintf("/%d", tt.last+1)), "").invalid("partNumber", over)
		f.as("alice", "GET", s.path(fmt.Sprintf("/batch?partNumbers=%d", tt.last+1)), "").invalid("partNumbers", over)
		f.as("alice", "GET", s.path(fmt.Sprintf("/batch?as=template&partNumbers=1-%d", tt.last+1)), "").invalid("partNumbers", over)
	}
}
