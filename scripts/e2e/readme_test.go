package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
)

// The curl session of the README, as it is printed there.
func TestREADMESession(t *testing.T) {
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the session needs %s: %v", program, err)
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, session, found := strings.Cut(string(readme), "<!-- session -->\n```sh\n")
	session, _, closed := strings.Cut(session, "\n```")
	if !found || !closed {
		t.Fatal("the README has no session")
	}
	s := stacktest.Start(t, stack.Options{Assume: assumed})
	ready, err := json.Marshal(s.Ready)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ready.json"), append(ready, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	// The ports of the README may be taken on this machine.
	session = strings.ReplaceAll(session, "http://127.0.0.1:8580", s.Ready.Gateway)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", session)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the session failed: %v\n%s", err, out)
	}
	for _, want := range []string{`"filename":"hello.txt"`, `"vars":{"album":"first"}`, `"etag":"B1946AC92492D2347C6235B4D2611184"`, `"verified":true`, `"type":"upload.completed"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the session printed no %s:\n%s", want, out)
		}
	}
}
