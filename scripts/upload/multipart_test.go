package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// fileSize makes five parts, the last one short.
const fileSize = 4*fakePartSize + 1234

func TestMultipart(t *testing.T) {
	drop := step{carry: true, drop: true}
	tests := []struct {
		name  string
		steps map[string][]step
		more  map[string]int // requests beside one of each
	}{
		{"at once", nil, nil},
		{"starting it fails", map[string][]step{"create": {{status: 500}, {drop: true}}}, map[string]int{"create": 2}},
		{"a part fails", map[string][]step{"part 2": {{status: 500, body: oss500}}}, map[string]int{"part 2": 1}},
		{"a part's connection breaks", map[string][]step{"part 5": {{drop: true}, drop}}, map[string]int{"part 5": 2}},
		{"storage is busy", map[string][]step{"part 1": {{status: 429}, {status: 503}}}, map[string]int{"part 1": 2}},
		{"a part arrives damaged", map[string][]step{"part 3": {{carry: true, header: map[string]string{"x-oss-hash-crc64ecma": "1"}}}}, map[string]int{"part 3": 1}},
		{"a part gets no ETag", map[string][]step{"part 3": {{carry: true, header: map[string]string{"ETag": ""}}}}, map[string]int{"part 3": 1}},
		{"storage tells no CRC", map[string][]step{"part 3": {{carry: true, header: map[string]string{"x-oss-hash-crc64ecma": ""}}}}, nil},
		{"a URL has expired", map[string][]step{"part 4": {{status: 403, body: oss403}}}, map[string]int{"part 4": 1, "batch": 1}},
		{"the URLs fail", map[string][]step{"batch": {{status: 502}}}, map[string]int{"batch": 1}},
		{"completing fails", map[string][]step{"complete": {code(504, "storage_timeout", ""), {drop: true}}}, map[string]int{"complete": 2}},
		{"completed, and the answer is lost", map[string][]step{"complete": {drop}}, map[string]int{"complete": 1}},
		{"completed, and the application was not told", map[string][]step{"complete": {{carry: true, status: 502, body: `{"code":"delivery_failed"}`}}}, map[string]int{"complete": 1}},
		{"parts are missing at the end", map[string][]step{"complete": {code(422, "parts_mismatch", `,"details":[{"partNumber":2,"reason":"missing"},{"partNumber":5,"reason":"missing"},{"partNumber":77,"reason":"x"}]`)}},
			map[string]int{"part 2": 1, "part 5": 1, "batch": 1, "complete": 1}},
		{"the parts changed while they were put together", map[string][]step{"complete": {code(422, "parts_mismatch", "")}}, map[string]int{"complete": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			path, content := testFile(t, fileSize)
			dir := t.TempDir()
			f.wantStored(f.upload(t.Context(), path, dir, nil), content)
			for _, op := range []string{"create", "batch", "part 1", "part 2", "part 3", "part 4", "part 5", "complete"} {
				if got, want := f.count(op), 1+tt.more[op]; got != want {
					t.Errorf("requests of %s = %d, want %d", op, got, want)
				}
			}
			if left := stateFiles(t, dir); left != nil {
				t.Errorf("after the receipt there is still %q", left)
			}
		})
	}
}

// In all of these nothing is completed. What cannot be resumed is aborted.
func TestMultipartFails(t *testing.T) {
	always := func(s step) []step { return slices.Repeat([]step{s}, 9) }
	mismatch := code(422, "parts_mismatch", `,"details":[{"partNumber":2,"reason":"missing"}]`)
	tests := []struct {
		name    string
		steps   map[string][]step
		say     string
		resumes bool
	}{
		{"nobody is believed", map[string][]step{"create": {code(401, "unauthenticated", "")}}, "starting the upload: the endpoint answered 401", false},
		{"it is not allowed", map[string][]step{"create": {code(403, "forbidden", "")}}, "answered 403 forbidden", false},
		{"the answer agrees on other parts", map[string][]step{"create": {{status: 200, body: `{"key":"k","uploadId":"i","partSize":5,"partCount":1}`}}}, "does not agree", false},
		{"a part fails always", map[string][]step{"part 2": always(step{status: 500, body: oss500})}, "sending part 2 of 5: giving up after 4 tries: storage answered 500", true},
		{"a part is always damaged", map[string][]step{"part 2": always(step{carry: true, header: map[string]string{"x-oss-hash-crc64ecma": "1"}})}, "other bytes", true},
		{"new URLs are refused, too", map[string][]step{"part 2": always(step{status: 403, body: oss403})}, "sending part 2 of 5: storage answered 403 AccessDenied", true},
		{"parts are missing twice", map[string][]step{"complete": {mismatch, mismatch}}, "parts_mismatch", true},
		{"completing fails always", map[string][]step{"complete": always(step{status: 500})}, "completing the upload: giving up after 4 tries", true},
		{"the checksum is another", map[string][]step{"complete": {code(422, "checksum_mismatch", `,"details":{"expected":"1","actual":"2"}`)}}, `{"expected":"1","actual":"2"}`, false},
		{"the server forgets every upload", map[string][]step{"part 3": always(step{status: 404, body: oss404}), "list": always(code(410, "upload_gone", ""))}, "over at the server", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			path, _ := testFile(t, fileSize)
			dir := t.TempDir()
			o := f.upload(t.Context(), path, dir, nil)
			f.wantNothing(o, tt.say, nil)
			if left := stateFiles(t, dir); (left != nil) != tt.resumes || strings.Contains(o.err.Error(), "resumes it") != tt.resumes {
				t.Errorf("state = %q, error %v; want it to be resumable: %v", left, o.err, tt.resumes)
			}
			if aborts := f.count("abort"); aborts > 0 && tt.resumes || aborts == 0 && !tt.resumes && f.begun > 0 {
				t.Errorf("aborted %d times, resumable: %v", aborts, tt.resumes)
			}
		})
	}
}

func TestMultipartOfAFileThatChanges(t *testing.T) {
	for name, op := range map[string]string{"while a part is sent": "part 3", "before the first part": "batch"} {
		t.Run(name, func(t *testing.T) {
			path, _ := testFile(t, fileSize)
			f := newFake(t, map[string][]step{op: {{carry: true, before: func() {
				if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
					t.Error(err)
				}
			}}}})
			dir := t.TempDir()
			f.wantNothing(f.upload(t.Context(), path, dir, nil), "changed", errChanged)
			if f.count("complete") != 0 || f.count("abort") != 1 || stateFiles(t, dir) != nil {
				t.Errorf("requests = %q, state %q; want it aborted and forgotten", f.log, stateFiles(t, dir))
			}
		})
	}
}

// stopAt uploads until the first request of op, and is interrupted there.
func stopAt(t *testing.T, f *fake, op, path, dir string, change func(*uploader)) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f.mu.Lock()
	f.steps = map[string][]step{op: {{before: cancel, drop: true}}}
	f.mu.Unlock()
	o := f.upload(ctx, path, dir, func(u *uploader) {
		u.client.parallel = 1
		if change != nil {
			change(u)
		}
	})
	if !errors.Is(o.err, context.Canceled) {
		t.Fatalf("upload() = %v, want it interrupted", o.err)
	}
	f.mu.Lock()
	f.log = nil
	f.mu.Unlock()
	return o
}

func TestInterruptedUploadIsResumed(t *testing.T) {
	f := newFake(t, nil)
	path, content := testFile(t, fileSize)
	dir := t.TempDir()
	stopAt(t, f, "part 4", path, dir, nil)
	kept := stateFiles(t, dir)
	if len(kept) != 1 {
		t.Fatalf("state = %q, want one file", kept)
	}
	if info, err := os.Stat(kept[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state's mode = %v, %v, want 0600", info.Mode(), err)
	}
	o := f.upload(t.Context(), path, dir, nil)
	f.wantStored(o, content)
	if f.count("create") != 0 || f.count("list") != 1 || f.count("part") != 2 || f.count("part 4") != 1 || f.count("part 5") != 1 {
		t.Errorf("requests = %q, want parts 4 and 5 only", f.log)
	}
	if !strings.Contains(o.said, "resuming: 307200 of 410834 bytes are stored already") || stateFiles(t, dir) != nil {
		t.Errorf("said %q, state %q", o.said, stateFiles(t, dir))
	}
}

func TestOnlyPartsOfTheFileAreBelieved(t *testing.T) {
	f := newFake(t, nil)
	path, content := testFile(t, fileSize)
	dir := t.TempDir()
	stopAt(t, f, "complete", path, dir, nil)
	f.parts[2][77]++                         // another ETag
	f.parts[3] = f.parts[3][:fakePartSize-1] // another size
	f.parts[9] = []byte("of what")
	f.wantStored(f.upload(t.Context(), path, dir, nil), content)
	if f.count("part") != 2 || f.count("part 2") != 1 || f.count("part 3") != 1 {
		t.Errorf("requests = %q, want parts 2 and 3 again", f.log)
	}
}

func TestWhatBecomesOfAnUploadBetweenTwoRuns(t *testing.T) {
	tests := []struct {
		name    string
		list    step
		say     string
		sends   int
		creates int
	}{
		{"aborted or expired", code(410, "upload_gone", ""), "starting anew", 5, 1},
		{"of another caller", code(403, "invalid_token", ""), "starting anew", 5, 1},
		{"completed", code(409, "already_completed", ""), "all bytes are stored already", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, nil)
			path, content := testFile(t, fileSize)
			dir := t.TempDir()
			stopAt(t, f, "complete", path, dir, nil)
			f.steps["list"] = []step{tt.list}
			o := f.upload(t.Context(), path, dir, nil)
			f.wantStored(o, content)
			if f.count("part") != tt.sends || f.count("create") != tt.creates || !strings.Contains(o.said, tt.say) {
				t.Errorf("requests = %q, said %q", f.log, o.said)
			}
			if left := stateFiles(t, dir); left != nil {
				t.Errorf("after the receipt there is still %q", left)
			}
		})
	}
}

func TestUploadThatEndsMeanwhileIsBegunAgain(t *testing.T) {
	gone := code(410, "upload_gone", "")
	for name, steps := range map[string]map[string][]step{
		"seen by a part":     {"part 3": {{status: 404, body: oss404}}, "list": {gone}},
		"seen by URLs":       {"batch": {gone}, "list": {gone}},
		"seen by completing": {"complete": {gone}, "list": {gone}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, steps)
			path, content := testFile(t, fileSize)
			f.wantStored(f.upload(t.Context(), path, t.TempDir(), nil), content)
			if f.count("create") != 2 {
				t.Errorf("begun %d times, want 2", f.count("create"))
			}
		})
	}
}

// An upload of what the file was, or with other options, is not gone on with:
// it is aborted, and another begins.
func TestAnotherWishIsAnotherUpload(t *testing.T) {
	for name, change := range map[string]func(path string, u *uploader) error{
		"the file changed": func(path string, _ *uploader) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"other vars":       func(_ string, u *uploader) error { u.wish.vars = map[string]string{"a": "1"}; return nil },
		"another type":     func(_ string, u *uploader) error { u.wish.contentType = "image/png"; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, nil)
			path, content := testFile(t, fileSize)
			dir := t.TempDir()
			stopAt(t, f, "part 4", path, dir, nil)
			f.wantStored(f.upload(t.Context(), path, dir, func(u *uploader) {
				if err := change(path, u); err != nil {
					t.Fatal(err)
				}
			}), content)
			if f.count("abort") != 1 || f.count("create") != 1 || f.count("part") != 5 {
				t.Errorf("requests = %q, want it aborted and begun again", f.log)
			}
		})
	}
}

func TestWithoutResumingNothingIsLeft(t *testing.T) {
	f := newFake(t, nil)
	path, _ := testFile(t, fileSize)
	o := stopAt(t, f, "part 4", path, "", nil)
	if aborted := len(f.parts) == 0; !aborted || strings.Contains(o.err.Error(), "resumes it") {
		t.Errorf("upload() = %v, aborted: %v; want it aborted, and nothing promised", o.err, aborted)
	}
}

// Another file at the same path, or a damaged state, is no reason to fail.
func TestDamagedStateIsIgnored(t *testing.T) {
	f := newFake(t, nil)
	path, content := testFile(t, fileSize)
	dir := t.TempDir()
	stopAt(t, f, "part 4", path, dir, nil)
	if err := os.WriteFile(stateFiles(t, dir)[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.wantStored(f.upload(t.Context(), path, dir, nil), content)
}

// A state folder that cannot be written is told, and the file is uploaded.
func TestUploadWithoutAFolderForState(t *testing.T) {
	f := newFake(t, nil)
	path, content := testFile(t, fileSize)
	o := f.upload(t.Context(), path, path+"/state", nil)
	f.wantStored(o, content)
	if !strings.Contains(o.said, "not be resumable") {
		t.Errorf("said %q, want that it is not resumable", o.said)
	}
}

func TestDeadlineFitsTheSize(t *testing.T) {
	c := &client{timeout: 30 * time.Second, parallel: 4}
	for _, tt := range []struct {
		try  int
		size int64
		want time.Duration
	}{{1, 0, 30 * time.Second}, {1, 100_000, 34 * time.Second}, {2, 100_000, 68 * time.Second}, {6, maxSinglePut, 6 * (30*time.Second + 214_748_364*time.Millisecond)}} {
		if got := c.deadline(tt.try, tt.size); got != tt.want || got < 0 {
			t.Errorf("deadline(%d, %d) = %v, want %v", tt.try, tt.size, got, tt.want)
		}
	}
}

// A request that hangs is ended by its deadline, and another try is made.
func TestSilenceIsATimeout(t *testing.T) {
	f := newFake(t, nil)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.steps = map[string][]step{"part 2": {{before: func() { <-release }, drop: true}}}
	path, content := testFile(t, fileSize)
	o := f.upload(t.Context(), path, "", func(u *uploader) {
		u.client.timeout = 500 * time.Millisecond
		u.client.parallel = 1
	})
	f.wantStored(o, content)
	if !strings.Contains(o.said, "no answer from storage: it took too long; trying again in") {
		t.Errorf("said %q, want a timeout", o.said)
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "7": {7}, "1-3": {1, 2, 3}, "1,3-4,9": {1, 3, 4, 9}} {
		if got := ranges(numbers); got != want {
			t.Errorf("ranges(%v) = %q, want %q", numbers, got, want)
		}
	}
}

// URLs are asked for in batches, and again when they are about to end.
func TestPartURLsAreAskedForInTime(t *testing.T) {
	f := newFake(t, nil)
	clock := time.Now()
	p := &partURLs{route: "/s3/multipart/x", client: &client{
		endpoint: f.server.URL, token: testToken, http: newHTTPClient(newTransport(1)), timeout: time.Minute, parallel: 1,
		retry: retry{tries: 1}, now: func() time.Time { return clock },
	}}
	for n := range 2 * urlBatch {
		p.missing = append(p.missing, n+1)
	}
	get := func(number, batches int) string {
		t.Helper()
		u, err := p.get(t.Context(), number)
		if err != nil || f.count("batch") != batches {
			t.Fatalf("get(%d) = %v, after %d calls, want %d", number, err, f.count("batch"), batches)
		}
		return u
	}
	first := get(1, 1)
	get(urlBatch, 1)
	get(urlBatch+1, 2)
	if get(1, 2) != first {
		t.Error("the same part gets another URL for no reason")
	}
	clock = clock.Add(15*time.Minute - urlMargin + time.Second)
	get(2, 3)
	// Of a server whose clock is an hour behind, or of a clock that is ahead.
	clock = clock.Add(time.Hour)
	get(3, 4)
	clock = clock.Add(59 * time.Second)
	get(4, 4)
}
