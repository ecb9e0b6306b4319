package main

import (
	"net/http"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/uploadtoken"
)

// For a day after its end a session goes on with the uploads that it began, and
// with nothing else.
func TestSessionGoesOn(t *testing.T) {
	f := newFixture(t, func(f *fixture) { f.settings.Policy.TokenTTL = 168 * time.Hour })
	mine := f.session(nil)
	other := f.session(func(s *uploadtoken.Session) { s.ID = "session-2" })
	begin := func(base string) started {
		var s started
		f.as("alice", "POST", base+"/s3/multipart", sized(5)).ok(&s.createResponse)
		var err error
		if s.claims, err = f.keyring.Open(uploadtoken.Multipart, s.UploadID, f.clock); err != nil {
			t.Fatal(err)
		}
		f.fill(s, 5)
		return s
	}
	own, aborted, another, outside := begin(mine), begin(mine), begin(other), begin("")
	if own.claims.Session != "session-1" || outside.claims.Session != "" {
		t.Errorf("the uploads are of the sessions %q and %q", own.claims.Session, outside.claims.Session)
	}
	end := today.Add(time.Hour)
	// While it lasts it works for all of alice's.
	f.clock = end.Add(-time.Second)
	for _, s := range []started{own, another, outside} {
		f.as("", "GET", mine+s.path("/1"), "").ok(new(partResponse))
	}
	for _, at := range []time.Time{end, end.Add(24*time.Hour - time.Second)} {
		f.clock = at
		f.as("", "POST", mine+"/s3/multipart", sized(5)).refused(api.InvalidToken)
		f.as("", "GET", mine+"/s3/params?filename=a.png", "").refused(api.InvalidToken)
		f.as("", "GET", mine+own.path(""), "").ok(new([]listedPart))
		f.bucket.Calls()
		for _, s := range []started{another, outside} {
			for _, route := range routesOf(mine, s.UploadID) {
				f.as("", route[0], route[1], "").refused(api.InvalidToken)
			}
		}
		f.asked()
	}
	f.clock = end.Add(23 * time.Hour)
	var one partResponse
	if f.as("", "GET", mine+own.path("/1"), "").ok(&one); one.Expires > 3600 {
		t.Errorf("a part is signed for %d s, want no longer than the hour that is left", one.Expires)
	}
	f.as("", "GET", mine+own.path("/batch?partNumbers=1"), "").ok(new(batchAnswer))
	f.as("", "POST", mine+own.path("/complete"), "").ok(new(confirm.Answer))
	f.as("", "DELETE", mine+aborted.path(""), "").empty()
	f.told(own.Key)

	f.clock = end.Add(24 * time.Hour)
	for _, route := range routesOf(mine, own.UploadID) {
		f.as("", route[0], route[1], "").refused(api.InvalidToken)
	}
	// Her own token is as good as ever.
	if r := f.as("alice", "GET", another.path("/1"), ""); r.status != http.StatusOK {
		t.Errorf("answer %d %s, want 200", r.status, r.body)
	}
}
