package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/client/clienttest"
)

// A file that was stored with one PUT and has no receipt gets it by the same
// command, and is not sent again.
func TestPutIsConfirmedByAnotherRun(t *testing.T) {
	unconfirmed := slices.Repeat([]step{clienttest.Code(502, "delivery_failed", "")}, 4)
	tests := []struct {
		name  string
		steps map[string][]step // of the first run
	}{
		{"its callback failed, and nobody was told", map[string][]step{"put": {{Carry: true, Status: 203}}, "confirm": unconfirmed}},
		{"its answer was lost, and the endpoint is gone", map[string][]step{"put": {{Carry: true, Drop: true}}, "confirm": slices.Repeat([]step{{Drop: true}}, 4)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			path, content := testFile(t, 1000)
			dir := t.TempDir()
			o := f.upload(t.Context(), path, dir, nil)
			if !errors.Is(o.err, client.ErrUnconfirmed) || !strings.Contains(o.err.Error(), "the same command confirms it") {
				t.Fatalf("upload() = %v, want %v", o.err, client.ErrUnconfirmed)
			}
			kept := stateFiles(t, dir)
			if len(kept) != 1 {
				t.Fatalf("state = %q, want one file", kept)
			}
			if info, err := os.Stat(kept[0]); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the state's mode = %v, %v, want 0600", info.Mode(), err)
			}
			if text, err := os.ReadFile(kept[0]); err != nil || strings.Contains(string(text), clienttest.Token) || strings.Contains(string(text), clienttest.Signature) {
				t.Errorf("the state has the caller's token or a signed URL: %s, %v", text, err)
			}

			f.ForgetLog()
			f.SetSteps(map[string][]step{"confirm": {clienttest.Code(502, "delivery_failed", "")}})
			o = f.upload(t.Context(), path, dir, nil)
			f.wantStored(o, content)
			if got := strings.Join(f.Log(), " "); got != "confirm confirm" || stateFiles(t, dir) != nil {
				t.Errorf("requests = %s, state %q; want confirmations and nothing left", got, stateFiles(t, dir))
			}
			if !strings.Contains(o.said, "not sent again") || !strings.Contains(o.said, "done, 1000 bytes") {
				t.Errorf("said %q", o.said)
			}
		})
	}
}

// A run that is killed leaves what a later one needs, wherever that happens.
func TestPutIsInterrupted(t *testing.T) {
	for name, tt := range map[string]struct {
		first []step // of the PUTs, before the one at which it is interrupted
		log   string // of the next run
	}{
		"before it is stored": {nil, "confirm presign put"},
		"once it is stored":   {[]step{{Carry: true, Drop: true}}, "confirm"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := newFake(t, map[string][]step{"put": append(tt.first, step{Before: cancel, Drop: true})})
			path, content := testFile(t, 1000)
			dir := t.TempDir()
			if o := f.upload(ctx, path, dir, nil); o.err == nil || len(stateFiles(t, dir)) != 1 {
				t.Fatalf("upload() = %v with state %q, want it to fail and leave one", o.err, stateFiles(t, dir))
			}
			f.ForgetLog()
			f.wantStored(f.upload(t.Context(), path, dir, nil), content)
			if got := strings.Join(f.Log(), " "); got != tt.log || stateFiles(t, dir) != nil {
				t.Errorf("requests = %s, state %q; want %s and nothing left", got, stateFiles(t, dir), tt.log)
			}
		})
	}
}

// What an earlier run has left is believed only of this very file.
func TestPutOfAnotherFileIsNotConfirmed(t *testing.T) {
	notThere := clienttest.Code(404, "not_found", "")
	tests := []struct {
		name    string
		change  func(path string, u *uploader) error
		confirm []step
		log     string
	}{
		{"it has other bytes, of the same size and time", func(path string, _ *uploader) error {
			info, err := os.Stat(path)
			if err == nil {
				err = errors.Join(os.WriteFile(path, slices.Repeat([]byte("x"), 1000), 0o600), os.Chtimes(path, time.Time{}, info.ModTime()))
			}
			return err
		}, nil, "presign put"},
		{"it has other vars", func(_ string, u *uploader) error { u.wish.vars = map[string]string{"a": "1"}; return nil }, nil, "presign put"},
		{"it is sent in parts now", func(_ string, u *uploader) error { u.multipartFrom = 1; return nil }, nil, "create batch part 1 complete"},
		{"the token is another caller's, or too old", nil, []step{clienttest.Code(403, "invalid_token", "")}, "confirm presign put"},
		{"the object is not what was granted", nil, []step{clienttest.Code(422, "object_mismatch", "")}, "confirm presign put"},
		{"it was deleted", nil, []step{notThere}, "confirm presign put"},
		{"the receipt is of other bytes", nil, []step{{Status: 200, Body: `{"key":"put1","size":3,"eventId":"e"}`}}, "confirm presign put"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string][]step{"put": {{Status: 203}}, "confirm": slices.Repeat([]step{clienttest.Code(502, "delivery_failed", "")}, 4)})
			path, _ := testFile(t, 1000)
			dir := t.TempDir()
			if o := f.upload(t.Context(), path, dir, nil); !errors.Is(o.err, client.ErrUnconfirmed) {
				t.Fatalf("upload() = %v, want %v", o.err, client.ErrUnconfirmed)
			}
			f.ForgetLog()
			f.SetSteps(map[string][]step{"confirm": tt.confirm})
			o := f.upload(t.Context(), path, dir, func(u *uploader) {
				if tt.change != nil {
					if err := tt.change(path, u); err != nil {
						t.Fatal(err)
					}
				}
			})
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f.wantStored(o, content)
			if got := strings.Join(f.Log(), " "); got != tt.log || stateFiles(t, dir) != nil {
				t.Errorf("requests = %s, state %q; want %s and nothing left", got, stateFiles(t, dir), tt.log)
			}
		})
	}
}

// Whether it is stored is not known, so nothing is sent and nothing forgotten.
func TestPutIsNotSentWhileNobodyAnswers(t *testing.T) {
	f := newFake(t, map[string][]step{"put": {{Carry: true, Status: 203}}, "confirm": slices.Repeat([]step{{Drop: true}}, 8)})
	path, _ := testFile(t, 1000)
	dir := t.TempDir()
	f.upload(t.Context(), path, dir, nil)
	f.ForgetLog()
	o := f.upload(t.Context(), path, dir, nil)
	if o.err == nil || !strings.Contains(o.err.Error(), "the same command asks again") || f.Count("put") != 0 || len(stateFiles(t, dir)) != 1 {
		t.Errorf("upload() = %v after %q with state %q", o.err, f.Log(), stateFiles(t, dir))
	}
}

func TestOldStateIsPruned(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	old := strings.Repeat("0", 32) + ".json"
	for name, age := range map[string]time.Duration{
		old:                               maxStateAge + time.Minute,
		strings.Repeat("1", 32) + ".json": maxStateAge - time.Minute,
		".new-123":                        maxStateAge + time.Minute,
		"notes.json":                      10 * maxStateAge,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Time{}, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	states{dir}.prune(now)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != strings.Repeat("1", 32)+".json" || entries[1].Name() != "notes.json" {
		t.Errorf("after pruning there are %v, %v, want what is young and what is not ours", entries, err)
	}
	states{filepath.Join(dir, "none")}.prune(now)
}
