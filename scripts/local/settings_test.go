package main

import (
	"os"
	"path/filepath"
	"testing"

	"ossupload/scripts/internal/envfile"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/settings"
)

// What is written is all that the functions, and commands for them, ask for.
func TestWriteSettings(t *testing.T) {
	s := stacktest.Start(t, stack.Options{})
	path := filepath.Join(t.TempDir(), settingsFile)
	if err := writeSettings(path, s.Stack); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v, want one that is for its owner alone", info.Mode(), err)
	}
	got, err := envfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { v, ok := got[name]; return v, ok }
	if complete, err := settings.LoadComplete(lookup); err != nil || complete.Storage.Bucket != s.Ready.Bucket {
		t.Errorf("complete reads the bucket %q of it, %v, want %s", complete.Storage.Bucket, err, s.Ready.Bucket)
	}
	for name, want := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID": s.Ready.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": s.Ready.AccessKeySecret,
		"OSSUPLOAD_ENDPOINT": s.Ready.Gateway, "OSSUPLOAD_TOKEN": s.Ready.CallerToken,
	} {
		if got[name] != want || want == "" {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}
