package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client/clienttest"
)

// fileSize makes five parts, the last one short.
const fileSize = 4*fakePartSize + 1234

func TestMultipart(t *testing.T) {
	drop := step{Carry: true, Drop: true}
	tests := []struct {
		name  string
		steps map[string][]step
		more  map[string]int // requests beside one of each
	}{
		{"at once", nil, nil},
		{"starting it fails", map[string][]step{"create": {{Status: 500}, {Drop: true}}}, map[string]int{"create": 2}},
		{"a part fails", map[string][]step{"part 2": {{Status: 500, Body: clienttest.OSS500}}}, map[string]int{"part 2": 1}},
		{"a part's connection breaks", map[string][]step{"part 5": {{Drop: true}, drop}}, map[string]int{"part 5": 2}},
		{"storage is busy", map[string][]step{"part 1": {{Status: 429}, {Status: 503}}}, map[string]int{"part 1": 2}},
		{"a part arrives damaged", map[string][]step{"part 3": {{Carry: true, Header: map[string]string{"x-oss-hash-crc64ecma": "1"}}}}, map[string]int{"part 3": 1}},
		{"a part gets no ETag", map[string][]step{"part 3": {{Carry: true, Header: map[string]string{"ETag": ""}}}}, map[string]int{"part 3": 1}},
		{"storage tells no CRC", map[string][]step{"part 3": {{Carry: true, Header: map[string]string{"x-oss-hash-crc64ecma": ""}}}}, nil},
		{"a URL has expired", map[string][]step{"part 4": {{Status: 403, Body: clienttest.OSS403}}}, map[string]int{"part 4": 1, "batch": 1}},
		{"the URLs fail", map[string][]step{"batch": {{Status: 502}}}, map[string]int{"batch": 1}},
		{"completing fails", map[string][]step{"complete": {clienttest.Code(504, "storage_timeout", ""), {Drop: true}}}, map[string]int{"complete": 2}},
		{"completed, and the answer is lost", map[string][]step{"complete": {drop}}, map[string]int{"complete": 1}},
		{"completed, and the application was not told", map[string][]step{"complete": {{Carry: true, Status: 502, Body: `{"code":"delivery_failed"}`}}}, map[string]int{"complete": 1}},
		{"parts are missing at the end", map[string][]step{"complete": {clienttest.Code(422, "parts_mismatch", `,"details":[{"partNumber":2,"reason":"missing"},{"partNumber":5,"reason":"missing"},{"partNumber":77,"reason":"x"}]`)}},
			map[string]int{"part 2": 1, "part 5": 1, "batch": 1, "complete": 1}},
		{"the parts changed while they were put together", map[string][]step{"complete": {clienttest.Code(422, "parts_mismatch", "")}}, map[string]int{"complete": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			path, content := testFile(t, fileSize)
			dir := t.TempDir()
			f.wantStored(f.upload(t.Context(), path, dir, nil), content)
			for _, op := range []string{"create", "batch", "part 1", "part 2", "part 3", "part 4", "part 5", "complete"} {
				if got, want := f.Count(op), 1+tt.more[op]; got != want {
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
	mismatch := clienttest.Code(422, "parts_mismatch", `,"details":[{"partNumber":2,"reason":"missing"}]`)
	tests := []struct {
		name    string
		steps   map[string][]step
		say     string
		resumes bool
	}{
		{"nobody is believed", map[string][]step{"create": {clienttest.Code(401, "unauthenticated", "")}}, "starting the upload: the endpoint answered 401", false},
		{"it is not allowed", map[string][]step{"create": {clienttest.Code(403, "forbidden", "")}}, "answered 403 forbidden", false},
		{"the answer agrees on other parts", map[string][]step{"create": {{Status: 200, Body: `{"key":"k","uploadId":"i","partSize":5,"partCount":1}`}}}, "does not agree", false},
		{"a part fails always", map[string][]step{"part 2": always(step{Status: 500, Body: clienttest.OSS500})}, "sending part 2 of 5: giving up after 4 tries: storage answered 500", true},
		{"a part is always damaged", map[string][]step{"part 2": always(step{Carry: true, Header: map[string]string{"x-oss-hash-crc64ecma": "1"}})}, "other bytes", true},
		{"new URLs are refused, too", map[string][]step{"part 2": always(step{Status: 403, Body: clienttest.OSS403})}, "sending part 2 of 5: storage answered 403 AccessDenied", true},
		{"parts are missing twice", map[string][]step{"complete": {mismatch, mismatch}}, "parts_mismatch", true},
		{"completing fails always", map[string][]step{"complete": always(step{Status: 500})}, "completing the upload: giving up after 4 tries", true},
		{"the checksum is another", map[string][]step{"complete": {clienttest.Code(422, "checksum_mismatch", `,"details":{"expected":"1","actual":"2"}`)}}, `{"expected":"1","actual":"2"}`, false},
		{"the server forgets every upload", map[string][]step{"part 3": always(step{Status: 404, Body: clienttest.OSS404}), "list": always(clienttest.Code(410, "upload_gone", ""))}, "no longer has the upload", true},
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
			if aborts := f.Count("abort"); aborts > 0 && tt.resumes || aborts == 0 && !tt.resumes && f.Begun() > 0 {
				t.Errorf("aborted %d times, resumable: %v", aborts, tt.resumes)
			}
		})
	}
}

func TestMultipartOfAFileThatChanges(t *testing.T) {
	for name, op := range map[string]string{"while a part is sent": "part 3", "before the first part": "batch"} {
		t.Run(name, func(t *testing.T) {
			path, _ := testFile(t, fileSize)
			f := newFake(t, map[string][]step{op: {{Carry: true, Before: func() {
				if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
					t.Error(err)
				}
			}}}})
			dir := t.TempDir()
			f.wantNothing(f.upload(t.Context(), path, dir, nil), "changed", errChanged)
			if f.Count("complete") != 0 || f.Count("abort") != 1 || stateFiles(t, dir) != nil {
				t.Errorf("requests = %q, state %q; want it aborted and forgotten", f.Log(), stateFiles(t, dir))
			}
		})
	}
}

// stopAt uploads until the first request of op, and is interrupted there.
func stopAt(t *testing.T, f *fake, op, path, dir string, change func(*uploader)) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f.SetSteps(map[string][]step{op: {{Before: cancel, Drop: true}}})
	o := f.upload(ctx, path, dir, func(u *uploader) {
		u.client.Parallel = 1
		if change != nil {
			change(u)
		}
	})
	if !errors.Is(o.err, context.Canceled) {
		t.Fatalf("upload() = %v, want it interrupted", o.err)
	}
	f.ForgetLog()
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
	if f.Count("create") != 0 || f.Count("list") != 1 || f.Count("part") != 2 || f.Count("part 4") != 1 || f.Count("part 5") != 1 {
		t.Errorf("requests = %q, want parts 4 and 5 only", f.Log())
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
	f.EditParts(func(parts map[int][]byte) {
		parts[2][77]++                       // another ETag
		parts[3] = parts[3][:fakePartSize-1] // another size
		parts[9] = []byte("of what")
	})
	f.wantStored(f.upload(t.Context(), path, dir, nil), content)
	if f.Count("part") != 2 || f.Count("part 2") != 1 || f.Count("part 3") != 1 {
		t.Errorf("requests = %q, want parts 2 and 3 again", f.Log())
	}
}

// completedList is a list of the parts of a completed upload.
const completedList = `[{"PartNumber":1,"Size":102400,"ETag":"\"A-5\""},{"PartNumber":2,"Size":102400,"ETag":"\"A-5\""},` +
	`{"PartNumber":3,"Size":102400,"ETag":"\"A-5\""},{"PartNumber":4,"Size":102400,"ETag":"\"A-5\""},{"PartNumber":5,"Size":1234,"ETag":"\"A-5\""}]`

func TestWhatBecomesOfAnUploadBetweenTwoRuns(t *testing.T) {
	tests := []struct {
		name    string
		list    step
		say     string
		sends   int
		creates int
	}{
		{"aborted or expired", clienttest.Code(410, "upload_gone", ""), "starting over", 5, 1},
		{"of another caller", clienttest.Code(403, "invalid_token", ""), "starting over", 5, 1},
		{"completed", step{Status: 200, Body: completedList, Header: map[string]string{}}, "all bytes are stored already", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, nil)
			path, content := testFile(t, fileSize)
			dir := t.TempDir()
			stopAt(t, f, "complete", path, dir, nil)
			f.SetSteps(map[string][]step{"list": {tt.list}})
			o := f.upload(t.Context(), path, dir, nil)
			f.wantStored(o, content)
			if f.Count("part") != tt.sends || f.Count("create") != tt.creates || !strings.Contains(o.said, tt.say) {
				t.Errorf("requests = %q, said %q", f.Log(), o.said)
			}
			if left := stateFiles(t, dir); left != nil {
				t.Errorf("after the receipt there is still %q", left)
			}
		})
	}
}

func TestUploadThatEndsMeanwhileIsBegunAgain(t *testing.T) {
	gone := clienttest.Code(410, "upload_gone", "")
	for name, steps := range map[string]map[string][]step{
		"seen by a part":     {"part 3": {{Status: 404, Body: clienttest.OSS404}}, "list": {gone}},
		"seen by URLs":       {"batch": {gone}, "list": {gone}},
		"seen by completing": {"complete": {gone}, "list": {gone}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, steps)
			path, content := testFile(t, fileSize)
			f.wantStored(f.upload(t.Context(), path, t.TempDir(), nil), content)
			if f.Count("create") != 2 {
				t.Errorf("begun %d times, want 2", f.Count("create"))
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
			if f.Count("abort") != 1 || f.Count("create") != 1 || f.Count("part") != 5 {
				t.Errorf("requests = %q, want it aborted and begun again", f.Log())
			}
		})
	}
}

func TestWithoutResumingNothingIsLeft(t *testing.T) {
	f := newFake(t, nil)
	path, _ := testFile(t, fileSize)
	o := stopAt(t, f, "part 4", path, "", nil)
	aborted := false
	f.EditParts(func(parts map[int][]byte) { aborted = len(parts) == 0 })
	if !aborted || strings.Contains(o.err.Error(), "resumes it") {
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

// A request that hangs is ended by its deadline, and another try is made.
func TestSilenceIsATimeout(t *testing.T) {
	f := newFake(t, nil)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.SetSteps(map[string][]step{"part 2": {{Before: func() { <-release }, Drop: true}}})
	path, content := testFile(t, fileSize)
	o := f.upload(t.Context(), path, "", func(u *uploader) {
		u.client.Timeout = 500 * time.Millisecond
		u.client.Parallel = 1
	})
	f.wantStored(o, content)
	if !strings.Contains(o.said, "no answer from storage: it took too long; trying again in") {
		t.Errorf("said %q, want a timeout", o.said)
	}
}
