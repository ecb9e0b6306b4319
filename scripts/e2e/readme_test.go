package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

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

// The claims of the README, with a life that has not ended: the application's key,
// limits and context are what is granted and told.
func TestREADMEClaims(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(readme), "<!-- claims -->\n```json\n")
	text, _, closed := strings.Cut(text, "```")
	var claims jwt.MapClaims
	if err := json.Unmarshal([]byte(text), &claims); err != nil || !found || !closed {
		t.Fatalf("the README has no claims: %v", err)
	}
	delete(claims, "exp") // which tokenFor sets
	s := newSite(t, settingsOf(nil))
	caller := s.tokenFor(t, "alice", claims)
	p := s.readPresigned(t, s.tryPresign(t, caller, wish{"filename": "scan.png", "contentType": "image/png", "size": 5}))
	if p.Key != "uploads/alice/orders/4711/scan.png" {
		t.Errorf("the key is %q, want the application's", p.Key)
	}
	s.checkAnnounced(t, s.send(t, p.with([]byte("hello"))), p.Key, []byte("hello"))
	for _, e := range s.eventsOf(t, p.Key) {
		if got := string(e.Body.Data.Context); got != `{"order":4711}` {
			t.Errorf("the event's context is %s, want the token's", got)
		}
	}
	if a := s.tryPresign(t, caller, wish{"filename": "scan.png", "size": 10485761}); a.Status != 400 {
		t.Errorf("a byte over maxSize = %v, want 400", a)
	}
}

// The command line as the README shows it: files, a folder and a pipe.
func TestREADMEUpload(t *testing.T) {
	t.Parallel()
	if missing := stacktest.Missing("bash", "tar"); missing != "" {
		t.Skip(missing)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, session, found := strings.Cut(string(readme), "<!-- upload -->\n```sh\n")
	session, _, closed := strings.Cut(session, "\n```")
	if !found || !closed {
		t.Fatal("the README does not show the command line")
	}
	s := stacktest.Start(t, stack.Options{Assume: assumed})
	dir := t.TempDir()
	program := filepath.Join(dir, "upload.exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "../upload").CombinedOutput(); err != nil {
		t.Fatalf("building it: %v\n%s", err, out)
	}
	for _, name := range []string{"photo.png", "holiday/1.png", "holiday/day/2.png", "src/main.go"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	session = strings.NewReplacer("https://api.example.com", s.Ready.Gateway, "OSSUPLOAD_TOKEN=…", "OSSUPLOAD_TOKEN="+s.Ready.CallerToken,
		"go run ./scripts/upload", program).Replace(session)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", session)
	cmd.Dir, cmd.Stderr = dir, t.Output()
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the session failed: %v\n%s", err, out)
	}
	if got := strings.Count(string(out), `"eventId"`); got != 4 || len(s.Events(t)) != 4 {
		t.Errorf("%d receipts and %d events, want 4 and 4:\n%s", got, len(s.Events(t)), out)
	}
}
