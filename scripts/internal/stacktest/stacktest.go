// Package stacktest runs the local stack as a process of its own, for tests of
// programs that talk to it in other languages. What such a test looks at is
// what any user of the stack can see: its ready line, its events and faults,
// and its bucket. It does not reach inside.
package stacktest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
)

// Stack is a running local stack: its ready line.
type Stack struct {
	Gateway         string
	OSS             string
	Bucket          string
	Region          string
	AccessKeyID     string
	AccessKeySecret string
	CallerToken     string
}

// Event is a delivery that the stack's own receiver got.
type Event struct {
	ID       string
	Verified bool
}

// Start builds the local stack, runs it on free ports until the end of the
// test, and returns when it is ready. Its log is the test's output.
func Start(t *testing.T, args ...string) *Stack {
	t.Helper()
	root := moduleRoot(t)
	for _, source := range []string{"go.mod", "functions", "shared", "scripts/local", "scripts/internal/stack"} {
		Watch(t, filepath.Join(root, source))
	}
	program := filepath.Join(t.TempDir(), "local.exe")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./scripts/local")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the local stack: %v\n%s", err, out)
	}

	args = append([]string{"-addr", "127.0.0.1:0", "-oss-addr", "127.0.0.1:0", "-sts-addr", "127.0.0.1:0"}, args...)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = root // it builds the functions of the module that it is started in
	cmd.Stderr = t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The test's context has ended by then, and with it the stack.
	t.Cleanup(func() { _ = cmd.Wait() })

	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("reading the ready line: %v", err)
	}
	s := new(Stack)
	if err := json.Unmarshal(line, s); err != nil {
		t.Fatalf("reading the ready line: %v", err)
	}
	return s
}

// moduleRoot is the folder of go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// Watch looks at the files below root, on which the outcome depends: "go test"
// repeats a cached pass unless a file changed that the test itself has looked
// at, and does not see what other programs read.
func Watch(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Fail makes the next call of an operation of a target fail.
func (s *Stack) Fail(t *testing.T, target, operation, mode string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"target": target, "operation": operation, "mode": mode, "count": 1})
	if err != nil {
		t.Fatal(err)
	}
	s.ask(t, http.MethodPost, "/_local/faults", text, nil)
}

// FaultsLeft is how many faults were set and have not happened. It forgets
// them, so that they do not happen to the next test.
func (s *Stack) FaultsLeft(t *testing.T) int {
	t.Helper()
	var left []json.RawMessage
	s.ask(t, http.MethodGet, "/_local/faults", nil, &left)
	s.ask(t, http.MethodDelete, "/_local/faults", nil, nil)
	return len(left)
}

// Events returns what the stack's own receiver got, newest last.
func (s *Stack) Events(t *testing.T) []Event {
	t.Helper()
	var events []Event
	s.ask(t, http.MethodGet, "/_local/events", nil, &events)
	return events
}

// Object returns the bytes of an object.
func (s *Stack) Object(t *testing.T, key string) []byte {
	t.Helper()
	client := oss.NewClient(oss.LoadDefaultConfig().
		WithRegion(s.Region).
		WithEndpoint(s.OSS).
		WithUsePathStyle(true).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.AccessKeySecret)))
	res, err := client.GetObject(t.Context(), &oss.GetObjectRequest{Bucket: &s.Bucket, Key: &key})
	if err != nil {
		t.Fatalf("getting object %q: %v", key, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("getting object %q: %v", key, err)
	}
	return body
}

// ask calls the gateway and decodes its answer into out, unless that is nil.
func (s *Stack) ask(t *testing.T, method, path string, body []byte, out any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.Gateway+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("%s %s = %d %s, %v; want 2xx", method, path, res.StatusCode, text, err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
}
