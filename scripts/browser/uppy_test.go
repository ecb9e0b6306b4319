package browser_test

import (
	"fmt"
	"slices"
	"testing"

	"ossupload/scripts/internal/stacktest"
)

// outcome is what an Uppy told the application, and what it asked for.
type outcome struct {
	Uploaded []struct{ Location, Key, UploadURL string }
	Failed   []struct{ Name, Message string }
	Asked    []string // routes
	Parts    []int
}

// asked is how often a route was asked.
func (o outcome) asked(route string) (n int) {
	for _, r := range o.Asked {
		if r == route {
			n++
		}
	}
	return n
}

// uppy is the arguments for one version of Uppy with the options that an
// application would give it. token is the caller's.
func (d *driver) uppy(t *testing.T, s *stack, version int, f file, token string, more map[string]any) map[string]any {
	t.Helper()
	args := map[string]any{"url": d.plain, "uppy": version, "file": f.path, "options": s.uppyOptions(t, version, token)}
	for name, value := range more {
		args[name] = value
	}
	return args
}

func (s *stack) uppyOptions(t *testing.T, version int, token string) map[string]any {
	t.Helper()
	if version == 5 {
		return map[string]any{"endpoint": s.Ready.Gateway, "token": token, "retryDelays": []int{0}}
	}
	if token != s.Ready.CallerToken {
		return map[string]any{"companionEndpoint": s.Ready.Gateway + "/c/" + token}
	}
	var session struct{ Endpoint string }
	s.ask(t, "POST", "/session", map[string]any{}, &session)
	return map[string]any{"companionEndpoint": session.Endpoint}
}

// one checks the one upload that an Uppy reports, and returns its key.
func (o outcome) one(t *testing.T, s *stack, version int, parts bool, want file) string {
	t.Helper()
	if len(o.Uploaded) != 1 || len(o.Failed) != 0 {
		t.Fatalf("Uppy reports %+v and %+v, want one upload", o.Uploaded, o.Failed)
	}
	u := o.Uploaded[0]
	s.check(t, u.Key, want)
	location := s.Ready.OSS + "/" + s.Ready.Bucket + "/" + u.Key
	if version == 5 && !parts {
		// Uppy 5 knows no more than the Location header, and else the URL of
		// the form.
		location = s.Ready.OSS + "/" + s.Ready.Bucket + "/"
	}
	if u.Location != location || u.UploadURL != location {
		t.Errorf("Uppy reports location %q and upload URL %q, want %q", u.Location, u.UploadURL, location)
	}
	return u.Key
}

func testUppy(t *testing.T, table *stacktest.Table, d *driver, s *stack, version int) {
	run := func(name string, test func(t *testing.T, skip func(string))) {
		table.Run(t, fmt.Sprintf("Uppy %d: %s", version, name), test)
	}
	run("a file in one request, with an odd name", func(t *testing.T, _ func(string)) {
		var got outcome
		d.call(t, "uppyUpload", d.uppy(t, s, version, d.odd, s.Ready.CallerToken, nil), &got)
		key := got.one(t, s, version, false, d.odd)
		if got.asked("GET params") != 1 || len(got.Asked) != 1 {
			t.Errorf("Uppy asked for %q, want one form", got.Asked)
		}
		for _, e := range s.events(t) {
			if e.Body.Data.Key == key && e.Body.Data.Metadata["album"] != "first" {
				t.Errorf("metadata of the event = %v, want the album", e.Body.Data.Metadata)
			}
		}
	})
	run("one request, paused", func(t *testing.T, _ func(string)) {
		var got outcome
		d.call(t, "uppyPause", d.uppy(t, s, version, d.small, s.Ready.CallerToken, nil), &got)
		got.one(t, s, version, false, d.small)
	})
	run("parts, with an odd name", func(t *testing.T, _ func(string)) {
		var got outcome
		d.call(t, "uppyUpload", d.uppy(t, s, version, d.oddLarge, s.Ready.CallerToken, map[string]any{"parts": true}), &got)
		got.one(t, s, version, true, d.oddLarge)
	})
	run("parts, paused when one is stored", func(t *testing.T, _ func(string)) {
		var got outcome
		d.call(t, "uppyPause", d.uppy(t, s, version, d.large, s.Ready.CallerToken, map[string]any{"parts": true}), &got)
		got.one(t, s, version, true, d.large)
		if got.asked("GET multipart/{uploadId}") != 1 {
			t.Errorf("Uppy asked for %q, want the parts listed once", got.Asked)
		}
		if !slices.Equal(got.Parts, []int{1, 2, 3}) {
			t.Errorf("stored parts = %v, want each once", got.Parts)
		}
	})
	run("parts, given up", func(t *testing.T, _ func(string)) {
		var got struct {
			Key    string
			Status int
		}
		d.call(t, "uppyAbort", d.uppy(t, s, version, d.large, s.Ready.CallerToken, map[string]any{"parts": true}), &got)
		if n := s.openUploads(t, got.Key); got.Key == "" || got.Status != 200 || n != 0 {
			t.Errorf("giving up %q answered %d and leaves %d uploads at OSS, want 200 and none", got.Key, got.Status, n)
		}
	})
	run("parts, one answered 500 once", func(t *testing.T, _ func(string)) {
		s.fail(t, "UploadPart", 1)
		var got outcome
		d.call(t, "uppyUpload", d.uppy(t, s, version, d.large, s.Ready.CallerToken, map[string]any{"parts": true}), &got)
		got.one(t, s, version, true, d.large)
		if !s.failed(t) {
			t.Error("UploadPart did not fail once")
		}
	})
	run("parts, failed and tried again", func(t *testing.T, _ func(string)) {
		s.fail(t, "UploadPart", 20)
		var got outcome
		d.call(t, "uppyUpload", d.uppy(t, s, version, d.large, s.Ready.CallerToken, map[string]any{"parts": true}), &got)
		if s.failed(t) || len(got.Failed) != 1 || len(got.Uploaded) != 0 {
			t.Fatalf("Uppy reports %+v and %+v, want one failure", got.Uploaded, got.Failed)
		}
		// Version 6 goes on with the same upload, on another session here.
		var renewed map[string]any
		if version == 6 {
			renewed = s.uppyOptions(t, version, s.Ready.CallerToken)
		}
		d.call(t, "uppyRetry", map[string]any{"options": renewed}, &got)
		got.one(t, s, version, true, d.large)
		if version == 6 && (got.asked("POST multipart") != 0 || got.asked("GET multipart/{uploadId}") != 1) {
			t.Errorf("Uppy asked for %q, want the same upload", got.Asked)
		}
	})
	if version == 6 { // version 5 gives the upload up, and begins another
		run("parts, completed, and the answer was lost", func(t *testing.T, _ func(string)) {
			fault := map[string]any{"target": "oss", "operation": "CompleteMultipartUpload", "mode": "stored-then-reset", "count": 2}
			s.ask(t, "POST", "/_local/faults", fault, nil)
			var got outcome
			d.call(t, "uppyUpload", d.uppy(t, s, version, d.large, s.Ready.CallerToken, map[string]any{"parts": true}), &got)
			if !s.failed(t) || len(got.Failed) != 1 || len(got.Uploaded) != 0 {
				t.Fatalf("Uppy reports %+v and %+v, want one failure", got.Uploaded, got.Failed)
			}
			d.call(t, "uppyRetry", map[string]any{"options": nil}, &got)
			got.one(t, s, version, true, d.large)
			if !slices.Equal(got.Asked, []string{"GET multipart/{uploadId}", "POST multipart/{uploadId}/complete"}) {
				t.Errorf("Uppy asked for %q, want the parts listed and completed again", got.Asked)
			}
		})
	}
	run("stored, and the callback failed", func(t *testing.T, _ func(string)) {
		s.ask(t, "POST", "/_local/faults", map[string]any{"target": "callback", "operation": "*", "mode": "500"}, nil)
		var got outcome
		d.call(t, "uppyUpload", d.uppy(t, s, version, d.small, s.Ready.CallerToken, nil), &got)
		// Uppy takes 203 for success; the application asks by the key.
		if len(got.Uploaded) != 1 || !s.failed(t) {
			t.Fatalf("Uppy reports %+v and %+v, want one upload", got.Uploaded, got.Failed)
		}
		var receipt struct{ EventID string }
		s.ask(t, "POST", "/confirm", map[string]any{"key": got.Uploaded[0].Key}, &receipt)
		if key := got.one(t, s, version, false, d.small); s.check(t, key, d.small) != receipt.EventID {
			t.Errorf("the receipt is of event %s, want that of %q", receipt.EventID, key)
		}
	})
	for _, tt := range []struct {
		name, token string
		file        file
		want        [7]string // of version 5 and 6
	}{
		{"a caller who is not believed", "forged", d.small, [7]string{
			5: "Authorization required", 6: "Companion request failed: Forbidden",
		}},
		{"a type that is not taken", s.Ready.CallerToken, d.refused, [7]string{
			5: `Some fields of the request are not valid: type "text/html" is not an allowed type; allowed are */* (a wildcard covers no html, xml, svg or script).`,
			6: "Companion request failed: Bad Request",
		}},
	} {
		run(tt.name, func(t *testing.T, _ func(string)) {
			for _, parts := range []bool{false, true} {
				var got outcome
				d.call(t, "uppyUpload", d.uppy(t, s, version, tt.file, tt.token, map[string]any{"parts": parts}), &got)
				if len(got.Failed) != 1 || len(got.Uploaded) != 0 || got.Failed[0].Message != tt.want[version] {
					t.Errorf("Uppy reports %+v and %+v, want one failure: %s", got.Uploaded, got.Failed, tt.want[version])
				}
			}
		})
	}
}

func testSTS(t *testing.T, table *stacktest.Table, d *driver, s *stack) {
	var c struct{ Prefix string }
	var whole map[string]any
	s.ask(t, "POST", "/sts", map[string]any{}, &whole)
	s.ask(t, "POST", "/sts", map[string]any{}, &c)
	key := c.Prefix + "file"
	args := map[string]any{"credentials": whole, "key": key, "file": d.large.path, "outside": "uploads/demo/file"}
	table.Run(t, "ali-oss: put and parts below the prefix", func(t *testing.T, _ func(string)) {
		d.call(t, "stsUpload", args, nil)
		for _, k := range []string{key + "-put", key + "-parts"} {
			if got := s.Object(t, k); !slices.Equal(got, d.large.content) {
				t.Errorf("object %q has %d bytes that are not the file's", k, len(got))
			}
		}
	})
	table.Run(t, "ali-oss: refused what is not granted", func(t *testing.T, _ func(string)) {
		var got map[string]string
		args["key"] = key + "-put"
		d.call(t, "stsRefused", args, &got)
		for name, refusal := range got {
			if refusal != "403 AccessDenied" {
				t.Errorf("%s: %s, want 403 AccessDenied", name, refusal)
			}
		}
		if len(got) == 0 {
			t.Error("nothing was tried")
		}
	})
}
