package clients_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The browser client has tests of its own, which need no browser.
func TestBrowserClient(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skipf("the tests of the browser client need Node.js: %v", err)
	}
	const dir = "browser"
	// "go test" repeats a cached pass unless a file changed that the test itself
	// has looked at.
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "--test", "--test-timeout=60000", "--test-reporter=tap", "errors.test.mjs", "ossupload.test.mjs")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "\n# pass ") || strings.Contains(string(out), "\n# pass 0\n") {
		t.Fatalf("node --test passed no test:\n%s", out)
	}
}
