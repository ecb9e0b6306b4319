package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPut(t *testing.T) {
	drop := step{carry: true, drop: true}
	tests := []struct {
		name  string
		size  int
		steps map[string][]step
		log   string // of requests
	}{
		{"at once", 1000, nil, "presign put"},
		{"an empty file", 0, nil, "presign put"},
		{"a URL after a fault", 1000, map[string][]step{"presign": {{status: 503}}}, "presign presign put"},
		{"a fault of storage", 1000, map[string][]step{"put": {{status: 500, body: oss500}}}, "presign put put"},
		{"a connection that breaks", 1000, map[string][]step{"put": {{drop: true}}}, "presign put put"},
		{"storage is tired of waiting", 1000, map[string][]step{"put": {{status: 400, body: `<Error><Code>RequestTimeout</Code></Error>`}}}, "presign put put"},
		{"the callback failed", 1000, map[string][]step{"put": {{carry: true, status: 203, body: "<Error><Code>CallbackFailed</Code></Error>"}}}, "presign put confirm"},
		{"the callback and then the confirmation failed", 1000, map[string][]step{
			"put":     {{carry: true, status: 203}},
			"confirm": {code(502, "delivery_failed", ""), {drop: true}},
		}, "presign put confirm confirm confirm"},
		{"stored, and the answer is lost", 1000, map[string][]step{"put": {drop}}, "presign put put confirm"},
		{"an empty file, and the answer is lost", 0, map[string][]step{"put": {drop}}, "presign put put confirm"},
		{"stored, and the answer is no receipt", 1000, map[string][]step{"put": {{carry: true, status: 200, body: "{}"}}}, "presign put confirm"},
		{"the URL has expired", 1000, map[string][]step{"put": {{status: 403, body: oss403}}}, "presign put presign put"},
		{"stored, answer lost, URL expired", 1000, map[string][]step{"put": {drop, {status: 403, body: oss403}}}, "presign put put confirm"},
		{"not stored, answer lost, URL expired", 1000, map[string][]step{"put": {{drop: true}, {status: 403, body: oss403}}},
			"presign put put confirm presign put"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			path, content := testFile(t, tt.size)
			f.wantStored(f.upload(t.Context(), path, t.TempDir(), nil), content)
			if got := strings.Join(f.log, " "); got != tt.log {
				t.Errorf("requests = %s, want %s", got, tt.log)
			}
		})
	}
}

func TestPutFails(t *testing.T) {
	always := func(s step) []step { return slices.Repeat([]step{s}, 9) }
	tests := []struct {
		name  string
		steps map[string][]step
		say   string
		log   string
	}{
		{"nobody is believed", map[string][]step{"presign": {code(401, "unauthenticated", "")}},
			"asking for a URL: the endpoint answered 401 unauthenticated: No. (request Q1)", "presign"},
		{"the size is refused", map[string][]step{"presign": {code(400, "invalid_request", `,"details":[{"field":"size","reason":"must be at most 5 bytes"}]`)}},
			`"must be at most 5 bytes"`, "presign"},
		{"something else answers", map[string][]step{"presign": {{status: 200, body: "<html>"}}}, "not the JSON", "presign"},
		{"a redirect", map[string][]step{"presign": {{status: 301, header: map[string]string{"Location": "/x"}}}}, "answered 301", "presign"},
		{"storage fails always", map[string][]step{"put": always(step{status: 500, body: oss500})},
			"giving up after 4 tries: storage answered 500 InternalError: We are sorry. (request R1)", "presign put put put put"},
		{"no answer comes ever", map[string][]step{"put": always(step{drop: true})}, "no answer from storage", "presign put put put put"},
		{"new URLs are refused, too", map[string][]step{"put": always(step{status: 403, body: oss403})},
			"storage answered 403 AccessDenied: Request has expired.", "presign put presign put"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			path, _ := testFile(t, 1000)
			f.wantNothing(f.upload(t.Context(), path, t.TempDir(), nil), tt.say, nil)
			if got := strings.Join(f.log, " "); got != tt.log {
				t.Errorf("requests = %s, want %s", got, tt.log)
			}
		})
	}
}

// The object is stored, but its receipt never comes: that is a failure.
func TestPutIsConfirmedOrFails(t *testing.T) {
	f := newFake(t, map[string][]step{
		"put":     {{carry: true, status: 203}},
		"confirm": slices.Repeat([]step{code(502, "delivery_failed", "")}, 9),
	})
	path, _ := testFile(t, 1000)
	o := f.upload(t.Context(), path, "", nil)
	if o.err == nil || !strings.Contains(o.err.Error(), "confirming the upload: giving up after 4 tries") || f.count("confirm") != 4 {
		t.Errorf("upload() = %v after %d confirmations, want an error after 4", o.err, f.count("confirm"))
	}
}

func TestPausesGrowAndHonourRetryAfter(t *testing.T) {
	busy := step{status: 503, header: map[string]string{"Retry-After": "7"}}
	f := newFake(t, map[string][]step{"put": {{status: 500}, busy, {status: 500}}})
	path, content := testFile(t, 1000)
	o := f.upload(t.Context(), path, "", nil)
	f.wantStored(o, content)
	if want := []time.Duration{500 * time.Millisecond, 7 * time.Second, 2 * time.Second}; !slices.Equal(o.pauses, want) {
		t.Errorf("pauses = %v, want %v", o.pauses, want)
	}
}

// The last bytes of a file that changes are never sent, so that there is no
// object even of a single PUT.
func TestPutOfAFileThatChanges(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"other bytes":  func(path string) error { return os.WriteFile(path, slices.Repeat([]byte("x"), 100_000), 0o600) },
		"more bytes":   func(path string) error { return os.WriteFile(path, slices.Repeat([]byte("x"), 100_001), 0o600) },
		"fewer bytes":  func(path string) error { return os.Truncate(path, 99_999) },
		"another time": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"other bytes at the same time": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path, slices.Repeat([]byte("x"), 100_000), 0o600); err != nil {
				return err
			}
			return os.Chtimes(path, time.Time{}, info.ModTime())
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := testFile(t, 100_000)
			f := newFake(t, map[string][]step{"presign": {{carry: true, before: func() {
				if err := change(path); err != nil {
					t.Error(err)
				}
			}}}})
			f.wantNothing(f.upload(t.Context(), path, "", nil), "changed", errChanged)
		})
	}
}

func TestOnlyRegularFilesAreUploaded(t *testing.T) {
	dir := t.TempDir()
	for name, say := range map[string]string{
		"-":           "standard input",
		dir:           "directory",
		os.DevNull:    "not a regular file",
		dir + "/none": "no such file",
	} {
		f := newFake(t, nil)
		f.wantNothing(f.upload(t.Context(), name, "", nil), say, nil)
		if len(f.log) > 0 {
			t.Errorf("%s: requests = %q, want none", name, f.log)
		}
	}
}

func TestReceiptsAreChecked(t *testing.T) {
	const good = "{\n \"key\": \"k\", \"size\": 3, \"crc64\": \"9\", \"eventId\": \"evt\"}"
	line, err := checkReceipt([]byte(good), "k", 3, 9)
	if err != nil || string(line) != `{"key":"k","size":3,"crc64":"9","eventId":"evt"}` {
		t.Errorf("checkReceipt = %s, %v, want it on one line", line, err)
	}
	for name, change := range map[string]string{
		"another key": `"k"|"l"`, "another size": `3|4`, "another CRC": `"9"|"8"`, "no event": `"evt"|""`, "no JSON": `{|[`,
	} {
		from, to, _ := strings.Cut(change, "|")
		if _, err := checkReceipt([]byte(strings.Replace(good, from, to, 1)), "k", 3, 9); err == nil {
			t.Errorf("%s: checkReceipt = nil, want an error", name)
		}
	}
}
