// Package browsertest runs tests that are written in JavaScript: in Node.js, with
// the npm packages of the browser client, and with Chromium.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ossupload/scripts/internal/stacktest"
)

// Client returns a copy of the browser client's folder, with its npm packages
// and with the licence where packing looks for it. root is the folder of go.mod.
// What the machine lacks skips the test.
func Client(t *testing.T, root string) (dir string) {
	t.Helper()
	stacktest.EndToEnd(t)
	if missing := stacktest.Missing("node", "npm"); missing != "" {
		t.Skip(missing)
	}
	const client = "scripts/clients/browser"
	stacktest.Watch(t, filepath.Join(root, client))
	copied := t.TempDir()
	dir = filepath.Join(copied, client)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, client))); err != nil {
		t.Fatal(err)
	}
	licence, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "LICENSE"), licence, 0o600); err != nil {
		t.Fatal(err)
	}
	install := command(t.Context(), dir, nil, "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	out, err := install.CombinedOutput()
	if err != nil && unreachable.Match(out) {
		t.Skipf("the npm packages cannot be had: %s", out)
	}
	if err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

// unreachable is what npm says when it is the network that failed, and not the
// list of packages.
var unreachable = regexp.MustCompile(`npm error (code (E(CONN|NOTFOUND|AI_AGAIN|TIMEDOUT|HOSTUNREACH|NETUNREACH|SOCKET)|ERR_SOCKET)|network )`)

// Chromium returns the program, and skips the test where there is none.
func Chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	t.Skip("Chromium is not installed")
	return ""
}

// Run runs a program in dir, and returns what it wrote to its standard output.
func Run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := command(t.Context(), dir, env, name, args...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Tests runs files of tests of Node.js, of which each has to pass. It returns
// what they wrote.
func Tests(t *testing.T, dir string, env []string, files ...string) string {
	t.Helper()
	cmd := command(t.Context(), dir, env, "node", append([]string{"--test", "--test-timeout=300000", "--test-reporter=tap"}, files...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, failures(string(out)))
	}
	if !passed.Match(out) {
		t.Fatalf("node --test passed no test:\n%s", out)
	}
	return string(out)
}

var passed = regexp.MustCompile(`(?m)^# pass [1-9]`)

// failures are the parts of a report that do not pass.
func failures(tap string) string {
	var kept []string
	keep := true
	for line := range strings.Lines(tap) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "not ok "):
			keep = true
		case strings.HasPrefix(trimmed, "ok "), strings.HasPrefix(trimmed, "# Subtest: "):
			keep = false
		}
		if keep {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// npm tells of its own new versions.
	cmd.Env = append(os.Environ(), append([]string{"npm_config_update_notifier=false"}, env...)...)
	return cmd
}

// Screenshots returns the folder for pictures, which outlives the test.
func Screenshots(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("CI_ARTIFACTS")
	if dir == "" {
		dir = t.ArtifactDir()
	}
	if !filepath.IsAbs(dir) {
		t.Fatal(fmt.Errorf("CI_ARTIFACTS = %q, want an absolute path", dir))
	}
	return dir
}
