package browser_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// driver is driver.mjs at work in a folder with its npm packages, and the files
// that it uploads.
type driver struct {
	dir       string
	artifacts string // folder of screenshots
	plain     string // URL of the pages with Uppy alone
	in        io.Writer
	out       *bufio.Reader
	small     file
	large     file
	odd       file // small, with a name that has to be escaped everywhere
	oddLarge  file
	photo     file // small
	film      file // large
	refused   file // of a type that is not taken
}

type file struct {
	path, name string
	content    []byte
}

// start installs the packages, bundles Uppy and starts a browser. What it
// needs and the machine lacks skips the test.
func start(t *testing.T) *driver {
	t.Helper()
	if missing := stacktest.Missing("node", "npm"); missing != "" {
		skip(t, missing)
	}
	chromium := browserProgram()
	if chromium == "" {
		skip(t, "Chromium is not installed")
	}
	d := &driver{dir: t.TempDir(), artifacts: os.Getenv("CI_ARTIFACTS")}
	if d.artifacts == "" {
		d.artifacts = t.ArtifactDir()
	}
	if !filepath.IsAbs(d.artifacts) {
		t.Fatalf("CI_ARTIFACTS = %q, want an absolute path", d.artifacts)
	}
	stacktest.Watch(t, ".")
	if err := os.CopyFS(d.dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	install(t, d.dir)
	bundle := exec.CommandContext(t.Context(), "node", "bundle.mjs", ".")
	bundle.Dir = d.dir
	if out, err := bundle.CombinedOutput(); err != nil {
		t.Fatalf("bundling: %v\n%s", err, out)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(d.dir, "plain"))))
	t.Cleanup(server.Close)
	d.plain = server.URL

	d.small = d.write(t, "small.bin", 100_000)
	d.large = d.write(t, "large.bin", 12_000_000)
	d.odd = d.write(t, `夏の "写真" & 'more' 100%.png`, 100_000)
	d.oddLarge = d.write(t, `“夏 休み” 'final' "2" 50%.mov`, 12_000_000)
	d.photo = d.write(t, "photo.png", 100_000)
	d.film = d.write(t, "film.mp4", 12_000_000)
	d.refused = d.write(t, "page.html", 1_000)

	cmd := exec.CommandContext(t.Context(), "node", "driver.mjs")
	cmd.Dir = d.dir
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// At the end of its input it closes the browser and ends.
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	d.in, d.out = stdin, bufio.NewReader(stdout)
	var version string
	d.call(t, "launch", map[string]any{"executable": chromium, "folder": d.artifacts}, &version)
	t.Logf("Chromium %s; screenshots in %s", version, d.artifacts)
	return d
}

// skip tells why even where the test is one of many.
func skip(t *testing.T, reason string) {
	t.Helper()
	fmt.Printf("%s\n  skipped: %s\n", title, reason)
	t.Skip(reason)
}

func browserProgram() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	return ""
}

// unreachable is what npm says when it is the network that failed, and not the
// list of packages.
var unreachable = regexp.MustCompile(`npm error (code (E(CONN|NOTFOUND|AI_AGAIN|TIMEDOUT|HOSTUNREACH|NETUNREACH|SOCKET)|ERR_SOCKET)|network )`)

func install(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil && unreachable.Match(out) {
		skip(t, fmt.Sprintf("the npm packages cannot be had: %s", out))
	}
	if err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// write makes a file whose every part is different.
func (d *driver) write(t *testing.T, name string, size int) file {
	t.Helper()
	f := file{path: filepath.Join(d.dir, name), name: name, content: make([]byte, size)}
	random := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = random.Read(f.content) // never fails
	if err := os.WriteFile(f.path, f.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// call has the driver do something, and decodes what it answers into result.
func (d *driver) call(t *testing.T, name string, args map[string]any, result any) {
	t.Helper()
	line, err := json.Marshal([]any{name, args})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		t.Fatalf("asking for %s: %v", name, err)
	}
	if line, err = d.out.ReadBytes('\n'); err != nil {
		t.Fatalf("waiting for %s: %v", name, err)
	}
	var answer struct {
		Result json.RawMessage
		Error  string
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		t.Fatalf("%s answered %q: %v", name, line, err)
	}
	if answer.Error != "" {
		t.Fatalf("%s: %s", name, answer.Error)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			t.Fatalf("%s answered %s: %v", name, answer.Result, err)
		}
	}
}

// stack is a local stack, and what was uploaded to it.
type stack struct {
	*stacktest.Stack
	uploaded map[string]bool // keys
}

func newStack(t *testing.T, d *driver, trigger fc.Trigger, uppy string) *stack {
	started := stacktest.Start(t, stacktest.Options{Trigger: trigger, UppyDir: filepath.Join(d.dir, uppy)})
	return &stack{started, make(map[string]bool)}
}

// check holds the object against the file, and wants one event id for it,
// which it returns.
func (s *stack) check(t *testing.T, key string, want file) string {
	t.Helper()
	s.uploaded[key] = true
	if got := s.Object(t, key); !bytes.Equal(got, want.content) {
		t.Errorf("object %q has %d bytes that are not the %d of %s", key, len(got), len(want.content), want.name)
	}
	var ids []string
	for _, e := range s.events(t) {
		if e.Body.Data.Key != key {
			continue
		}
		ids = append(ids, e.ID)
		if !e.Verified {
			t.Errorf("event %s of %q has a wrong signature", e.ID, key)
		}
		if e.Body.Data.Filename != want.name || e.Body.Data.Size != len(want.content) {
			t.Errorf("event %s = %+v, want file name %q and %d bytes", e.ID, e.Body.Data, want.name, len(want.content))
		}
	}
	if ids = slices.Compact(slices.Sorted(slices.Values(ids))); len(ids) != 1 {
		t.Fatalf("object %q has the event ids %q, want one", key, ids)
	}
	return ids[0]
}

type event struct {
	ID       string
	Verified bool
	Body     struct {
		Type string
		Data struct {
			Key, Filename string
			Size          int
			Metadata      map[string]string
		}
	}
}

func (s *stack) events(t *testing.T) []event {
	t.Helper()
	var events []event
	s.ask(t, http.MethodGet, "/_local/events", nil, &events)
	return events
}

// ask calls the gateway as the caller of the ready line.
func (s *stack) ask(t *testing.T, method, path string, body, result any) {
	t.Helper()
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.Ready.Gateway+path, &text)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Ready.CallerToken)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s = %d %s, %v; want 200", method, path, res.StatusCode, answer, err)
	}
	if result != nil {
		if err := json.Unmarshal(answer, result); err != nil {
			t.Fatalf("%s %s = %s: %v", method, path, answer, err)
		}
	}
}

// fail makes the next count calls of an operation of OSS fail with 500.
func (s *stack) fail(t *testing.T, operation string, count int) {
	t.Helper()
	s.ask(t, http.MethodPost, "/_local/faults", map[string]any{"target": "oss", "operation": operation, "mode": "500", "count": count}, nil)
}

// failed reports whether every fault that was set has happened.
func (s *stack) failed(t *testing.T) bool { return s.FaultsLeft() == 0 }

// openUploads is how many multipart uploads of a key OSS holds.
func (s *stack) openUploads(t *testing.T, key string) int {
	t.Helper()
	return len(s.uploads(t, key))
}

func (s *stack) uploads(t *testing.T, prefix string) []oss.Upload {
	t.Helper()
	list, err := s.developer().ListMultipartUploads(t.Context(), &oss.ListMultipartUploadsRequest{Bucket: &s.Ready.Bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(fmt.Errorf("listing uploads: %w", err))
	}
	return list.Uploads
}

// abortUploads has OSS forget all multipart uploads that are open.
func (s *stack) abortUploads(t *testing.T) {
	t.Helper()
	for _, u := range s.uploads(t, "") {
		if _, err := s.developer().AbortMultipartUpload(t.Context(), &oss.AbortMultipartUploadRequest{Bucket: &s.Ready.Bucket, Key: u.Key, UploadId: u.UploadId}); err != nil {
			t.Fatal(fmt.Errorf("aborting an upload: %w", err))
		}
	}
}

// keys are those of all objects that callers uploaded.
func (s *stack) keys(t *testing.T) []string {
	t.Helper()
	list, err := s.developer().ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: &s.Ready.Bucket, Prefix: oss.Ptr("uploads/"), MaxKeys: 1000})
	if err != nil {
		t.Fatal(fmt.Errorf("listing objects: %w", err))
	}
	keys := []string{}
	for _, o := range list.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

func (s *stack) developer() *oss.Client { return s.Ready.Developer(http.DefaultClient) }
