package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client/clienttest"
)

// What a put does when something goes wrong is the client's, and tested there.
func TestPut(t *testing.T) {
	tests := []struct {
		name  string
		size  int
		steps map[string][]step
		log   string // of requests
	}{
		{"at once", 1000, nil, "presign put"},
		{"an empty file", 0, nil, "presign put"},
		{"a connection that breaks", 1000, map[string][]step{"put": {{Drop: true}}}, "presign put put"},
		{"stored, and the answer is lost", 1000, map[string][]step{"put": {{Carry: true, Drop: true}}}, "presign put put confirm"},
		{"the URL has expired", 1000, map[string][]step{"put": {{Status: 403, Body: clienttest.OSS403}}}, "presign put presign put"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			path, content := testFile(t, tt.size)
			f.wantStored(f.upload(t.Context(), path, t.TempDir(), nil), content)
			if got := strings.Join(f.Log(), " "); got != tt.log {
				t.Errorf("requests = %s, want %s", got, tt.log)
			}
		})
	}
}

func TestPutFails(t *testing.T) {
	f := newFake(t, map[string][]step{"put": slices.Repeat([]step{{Status: 500, Body: clienttest.OSS500}}, 9)})
	path, _ := testFile(t, 1000)
	o := f.upload(t.Context(), path, t.TempDir(), nil)
	f.wantNothing(o, "giving up after 4 tries: storage answered 500 InternalError: We are sorry. (request R1)", nil)
	if !strings.Contains(o.said, "sending the file: storage answered 500 InternalError: We are sorry. (request R1); trying again in 1s\n") ||
		strings.Count(o.said, "trying again") != 3 {
		t.Errorf("said %q, want why there is another try, three times", o.said)
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
			f := newFake(t, map[string][]step{"presign": {{Carry: true, Before: func() {
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
		dir:           "directory",
		os.DevNull:    "not a regular file",
		dir + "/none": "no such file",
	} {
		f := newFake(t, nil)
		f.wantNothing(f.upload(t.Context(), name, "", nil), say, nil)
		if len(f.Log()) > 0 {
			t.Errorf("%s: requests = %q, want none", name, f.Log())
		}
	}
}
