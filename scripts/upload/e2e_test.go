package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// program is the built command and the local stack that it uploads to, all of
// them processes of their own. Between it and OSS is a line that can be
// watched and cut.
type program struct {
	path  string
	stack *stacktest.Stack
	line  *line
}

// line is a proxy in front of OSS.
type line struct {
	mu    sync.Mutex
	oss   *url.URL
	parts []string      // numbers of the parts that were sent; answerOfPut for a whole object
	bytes int64         // of these
	hold  string        // the part whose request goes nowhere, and
	held  chan struct{} // is closed when it has come
}

func newLine(t *testing.T) (*line, string) {
	l := &line{held: make(chan struct{})}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			l.mu.Lock()
			defer l.mu.Unlock()
			r.SetURL(l.oss)
			r.Out.Host = r.In.Host
		},
		// A client that has been killed is no news.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upload := r.Method == http.MethodPut && !strings.Contains(r.URL.Path, "/_ossupload/") // there the functions keep their own
		if upload && !r.URL.Query().Has("partNumber") && l.takes(answerOfPut, r.ContentLength) {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			l.release()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		if number := r.URL.Query().Get("partNumber"); number != "" && r.Method == http.MethodPut && l.takes(number, r.ContentLength) {
			// Only once the body is read does the server see that its client is gone.
			_, _ = io.Copy(io.Discard, r.Body)
			l.release()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return l, server.URL
}

// takes counts a part and reports whether it is held.
func (l *line) takes(number string, size int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number == l.hold {
		l.hold = ""
		return true
	}
	l.parts = append(l.parts, number)
	l.bytes += size
	return false
}

// release tells the test that the request is held.
func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.held)
}

// answerOfPut stands for a PUT of a whole object, which is carried out and whose
// answer is held.
const answerOfPut = "PUT"

// watch forgets what was counted, and holds a part if one is named.
func (l *line) watch(hold string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts, l.bytes, l.hold, l.held = nil, 0, hold, make(chan struct{})
}

func (l *line) sent() (parts int, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parts), l.bytes
}

func startProgram(t *testing.T) *program {
	stacktest.EndToEnd(t)
	p := &program{path: filepath.Join(t.TempDir(), "upload.exe")}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", p.path, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
	var address string
	p.line, address = newLine(t)
	p.stack = stacktest.Start(t, stacktest.Options{Settings: map[string]string{"OSS_ENDPOINT": address}})
	oss, err := url.Parse(p.stack.Ready.OSS)
	if err != nil {
		t.Fatal(err)
	}
	p.line.mu.Lock()
	p.line.oss = oss
	p.line.mu.Unlock()
	return p
}

// command is a run of the program with the caller's token in its environment.
func (p *program) command(t *testing.T, token string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, p.path, args...)
	cmd.Env = []string{"OSSUPLOAD_ENDPOINT=" + p.stack.Ready.Gateway, "OSSUPLOAD_TOKEN=" + token}
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// run runs the program and returns its output and status.
func (p *program) run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd, out, said := p.command(t, p.stack.Ready.CallerToken, args...)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	p.checkSecrets(t, said.String())
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// checkSecrets fails the test if the output has a token, sealed ones included,
// or a part of a signed URL.
func (p *program) checkSecrets(t *testing.T, said string) {
	t.Helper()
	for _, secret := range []string{p.stack.Ready.CallerToken, "v1.k1.", "x-oss-signature", "x-oss-credential", "x-oss-security-token", "Bearer"} {
		if strings.Contains(said, secret) {
			t.Errorf("stderr has a secret, %.20q: %s", secret, said)
		}
	}
}

// receipts reads stdout.
func receipts(t *testing.T, stdout string) (keys []string) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var r struct{ Key, EventID, Filename string }
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Key == "" || r.EventID == "" {
			t.Fatalf("stdout has %q, want a receipt", line)
		}
		keys = append(keys, r.Key)
	}
	return keys
}

// want fails the test unless there is a receipt of each file, and the objects
// are the files.
func (p *program) want(t *testing.T, stdout, stderr string, status int, contents ...[]byte) {
	t.Helper()
	if status != 0 {
		t.Fatalf("status = %d, want 0\n%s", status, stderr)
	}
	keys := receipts(t, stdout)
	if len(keys) != len(contents) {
		t.Fatalf("receipts = %d, want %d\n%s", len(keys), len(contents), stderr)
	}
	for i, key := range keys {
		if !bytes.Equal(p.stack.Object(t, key), contents[i]) {
			t.Errorf("object %q is not the file", key)
		}
	}
}

func randomFile(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(content)
	path = filepath.Join(t.TempDir(), "film.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestUploadToTheLocalStack(t *testing.T) {
	p := startProgram(t)
	const size, parts = 12<<20 + 345, 13
	inParts := func(state string, more ...string) []string {
		return append([]string{"-state", state, "-multipart-from", "1MiB", "-part-size", "1MiB"}, more...)
	}

	t.Run("small files, one of them empty", func(t *testing.T) {
		small, content := randomFile(t, 10_000)
		empty, _ := randomFile(t, 0)
		// One after the other, so that the receipts are in order.
		stdout, stderr, status := p.run(t, "-parallel", "1", "-state", t.TempDir(), "-content-type", "image/png", "-vars", "album=1", "-meta", "camera=x", small, empty)
		p.want(t, stdout, stderr, status, content, nil)
		if !strings.Contains(stdout, `"vars":{"album":"1"}`) || !strings.Contains(stdout, `"camera":"x"`) || !strings.Contains(stdout, `"image/png"`) {
			t.Errorf("receipts = %s, want vars, metadata and type in them", stdout)
		}
		if !strings.Contains(stderr, "film.bin: 10000 bytes to send") || !strings.Contains(stderr, "film.bin: done, 0 bytes") {
			t.Errorf("stderr = %s, want progress", stderr)
		}
	})

	t.Run("parts", func(t *testing.T) {
		path, content := randomFile(t, size)
		p.line.watch("")
		state := t.TempDir()
		stdout, stderr, status := p.run(t, inParts(state, "-quiet", path)...)
		p.want(t, stdout, stderr, status, content)
		if n, sent := p.line.sent(); n != parts || sent != size {
			t.Errorf("sent %d parts of %d bytes, want %d of %d", n, sent, parts, size)
		}
		if stderr != "" || stateFiles(t, state) != nil {
			t.Errorf("stderr = %q, state %q, want none", stderr, stateFiles(t, state))
		}
	})

	t.Run("parts of the server's choice", func(t *testing.T) {
		path, content := randomFile(t, size)
		stdout, stderr, status := p.run(t, "-no-resume", "-multipart-from", "8MiB", path)
		p.want(t, stdout, stderr, status, content)
	})

	for name, signal := range map[string]os.Signal{"killed": os.Kill, "interrupted": os.Interrupt} {
		t.Run(name+" half-way and resumed", func(t *testing.T) {
			path, content := randomFile(t, size)
			state := t.TempDir()
			p.line.watch("6")
			cmd, stdout, stderr := p.command(t, p.stack.Ready.CallerToken, inParts(state, "-parallel", "1", path)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-p.line.held:
			case <-time.After(30 * time.Second):
				t.Error("part 6 never came")
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil || stdout.Len() > 0 {
				t.Fatalf("the program = %v with %q, want it to fail with no receipt", err, stdout)
			}
			p.checkSecrets(t, stderr.String())
			if signal == os.Interrupt && (cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "the same command resumes it")) {
				t.Errorf("status = %d, stderr = %s, want 1 and how to go on", cmd.ProcessState.ExitCode(), stderr)
			}
			if kept := stateFiles(t, state); len(kept) != 1 {
				t.Errorf("state = %q, want one file", kept)
			}

			p.line.watch("")
			out, said, status := p.run(t, inParts(state, path)...)
			p.want(t, out, said, status, content)
			if n, sent := p.line.sent(); n != parts-5 || sent != size-5<<20 {
				t.Errorf("sent %d parts of %d bytes, want %d of %d", n, sent, parts-5, size-5<<20)
			}
			if !strings.Contains(said, "resuming: 5242880 of 12583257 bytes are stored already") {
				t.Errorf("stderr = %s, want what was skipped", said)
			}
		})
	}

	for _, fault := range []struct{ target, operation, mode string }{
		{"oss", "UploadPart", "500"},
		{"oss", "UploadPart", "reset"},
		{"oss", "UploadPart", "stored-then-reset"},
		{"oss", "ListParts", "503"},
		{"oss", "CompleteMultipartUpload", "stored-then-reset"},
		{"webhook", "*", "500"},
	} {
		t.Run("parts, with a fault: "+strings.Join([]string{fault.target, fault.operation, fault.mode}, " "), func(t *testing.T) {
			path, content := randomFile(t, 2<<20+1)
			p.stack.Fail(t, fault.target, fault.operation, fault.mode)
			stdout, stderr, status := p.run(t, inParts(t.TempDir(), path)...)
			p.want(t, stdout, stderr, status, content)
			if left := p.stack.FaultsLeft(); left != 0 {
				t.Errorf("%d faults have not happened", left)
			}
		})
	}

	for _, fault := range []struct{ target, operation, mode string }{
		{"callback", "*", "500"},
		{"callback", "*", "stored-then-reset"},
		{"oss", "PutObject", "503"},
		{"oss", "PutObject", "stored-then-reset"},
	} {
		t.Run("one PUT, with a fault: "+strings.Join([]string{fault.target, fault.operation, fault.mode}, " "), func(t *testing.T) {
			path, content := randomFile(t, 50_000)
			p.stack.Fail(t, fault.target, fault.operation, fault.mode)
			stdout, stderr, status := p.run(t, "-state", t.TempDir(), path)
			p.want(t, stdout, stderr, status, content)
			if left := p.stack.FaultsLeft(); left != 0 {
				t.Errorf("%d faults have not happened", left)
			}
		})
	}

	t.Run("a folder", func(t *testing.T) {
		root := tree(t, "a.txt", "2026/01/b.txt", "2026/01/empty/", ".hidden", "c")
		stdout, stderr, status := p.run(t, "-state", t.TempDir(), "-type", "text/plain", "-vars", "album=1", root)
		got := map[string]string{}
		for line := range strings.Lines(stdout) {
			var r client.Receipt
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			got[r.Vars["path"]] = string(p.stack.Object(t, r.Key))
			if r.Vars["album"] != "1" || r.Filename != path.Base(r.Vars["path"]) {
				t.Errorf("the receipt is %s", line)
			}
		}
		want := map[string]string{"photos/a.txt": "a.txt", "photos/2026/01/b.txt": "2026/01/b.txt", "photos/c": "c"}
		if status != 0 || !maps.Equal(got, want) {
			t.Errorf("status %d, uploaded %v, want %v\n%s", status, got, want, stderr)
		}
		if !strings.Contains(stderr, "3 of 3 files uploaded, ") || !strings.Contains(stderr, "; left out: 1 hidden") {
			t.Errorf("stderr = %s, want a summary", stderr)
		}
	})

	for name, tt := range map[string]struct {
		size int
		more []string
	}{
		"a little from a pipe":             {10_000, nil},
		"nothing from a pipe":              {0, nil},
		"much from a pipe":                 {size, []string{"-part-size", "1MiB"}},
		"much from a pipe, of a size":      {size, []string{"-part-size", "1MiB", "-size", strconv.Itoa(size)}},
		"parts of our choice from a pipe":  {size, nil},
		"a whole number of parts, unknown": {2 << 20, []string{"-part-size", "1MiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			content := randomBytes(tt.size)
			cmd, stdout, stderr := p.command(t, p.stack.Ready.CallerToken, append(tt.more, "-name", "dump.bin", "-vars", "a=1", "-")...)
			cmd.Stdin = bytes.NewReader(content)
			if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
				t.Fatal(err)
			}
			p.checkSecrets(t, stderr.String())
			p.want(t, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), content)
			if !strings.Contains(stdout.String(), `"filename":"dump.bin"`) || !strings.Contains(stdout.String(), `"a":"1"`) {
				t.Errorf("the receipt is %s", stdout)
			}
		})
	}

	t.Run("killed once its PUT is stored, and run again", func(t *testing.T) {
		path, content := randomFile(t, 70_000)
		state := t.TempDir()
		p.line.watch(answerOfPut)
		cmd, stdout, _ := p.command(t, p.stack.Ready.CallerToken, "-state", state, path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.line.held:
		case <-time.After(30 * time.Second):
			t.Error("the PUT never came")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || stdout.Len() > 0 {
			t.Fatalf("the program = %v with %q, want it killed", err, stdout)
		}
		p.line.watch("")
		out, said, status := p.run(t, "-state", state, path)
		p.want(t, out, said, status, content)
		if n, _ := p.line.sent(); n != 0 || !strings.Contains(said, "not sent again") || stateFiles(t, state) != nil {
			t.Errorf("%d PUTs, state %q; want it confirmed alone\n%s", n, stateFiles(t, state), said)
		}
		events, err := stack.Events(t.Context(), p.stack.Client())
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for _, e := range events {
			if e.Body.Data.Key == receipts(t, out)[0] {
				ids[e.ID] = true
			}
		}
		if len(ids) != 1 {
			t.Errorf("the application was told of %d events, want one", len(ids))
		}
	})

	t.Run("a token that is not believed", func(t *testing.T) {
		path, _ := randomFile(t, 10)
		cmd, stdout, stderr := p.command(t, "not-"+p.stack.Ready.CallerToken, "-state", t.TempDir(), path)
		err := cmd.Run()
		p.checkSecrets(t, stderr.String())
		if err == nil || cmd.ProcessState.ExitCode() != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "answered 401 unauthenticated") {
			t.Errorf("the program = %v, %s%s; want status 1 and why", err, stdout, stderr)
		}
	})

	t.Run("one file of three fails", func(t *testing.T) {
		first, content := randomFile(t, 10)
		last, _ := randomFile(t, 10)
		dir := t.TempDir()
		stdout, stderr, status := p.run(t, "-no-resume", first, dir, last)
		if keys := receipts(t, stdout); status != 1 || len(keys) != 2 || !bytes.Equal(p.stack.Object(t, keys[1]), content) {
			t.Errorf("status = %d with %d receipts, want 1 with 2\n%s", status, len(keys), stderr)
		}
		if !strings.Contains(stderr, dir+": there is no file in this folder") || !strings.Contains(stderr, "1 of 3 files have no receipt: "+dir) {
			t.Errorf("stderr = %s, want the empty folder named", stderr)
		}
	})
}
