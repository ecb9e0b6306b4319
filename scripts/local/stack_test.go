package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
)

// builtFunctions is the folder of the functions that all tests share.
var builtFunctions string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ossupload-local-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		builtFunctions = dir
		// go test reuses a result as long as the files that the test itself looked
		// at are the same; the functions are built by another process.
		for _, folder := range []string{"../../functions", "../../shared"} {
			if err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
				if err == nil {
					_, err = os.Stat(path)
				}
				return err
			}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		if err := buildFunctions(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// testOptions are those of a stack on ports of its own that logs to the test.
func testOptions(t *testing.T) options {
	return options{
		addr: "127.0.0.1:0", ossAddr: "127.0.0.1:0", stsAddr: "127.0.0.1:0",
		binaries: builtFunctions,
		log:      t.Output(),
	}
}

// startStack runs a stack until the end of the test; change may be nil.
func startStack(t *testing.T, change func(*options)) *stack {
	t.Helper()
	o := testOptions(t)
	if change != nil {
		change(&o)
	}
	s, err := start(t.Context(), o)
	if err != nil {
		t.Fatalf("start() = %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// ask sends JSON as the caller of the ready line, or as nobody with an empty
// token, and returns status and body.
func ask(t *testing.T, method, target, token string, in any) (status int, body []byte) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

func TestRunPrintsOneReadyLineWithRealAddresses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout, printed := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan error, 1)
	go func() {
		// Without binaries: this one builds them, as for a developer.
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-oss-addr", "localhost:0", "-sts-addr", "127.0.0.1:0"}, printed, &stderr)
		printed.Close()
		done <- err
	}()
	lines := json.NewDecoder(stdout)
	var line json.RawMessage
	if err := lines.Decode(&line); err != nil {
		t.Fatalf("the ready line = %v, run() = %v", err, <-done)
	}

	var names []string
	for dec := json.NewDecoder(bytes.NewReader(line)); ; {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		if name, ok := tok.(string); ok {
			names = append(names, name)
			if value, err := dec.Token(); err != nil || value == "" {
				t.Errorf("%s of the ready line = %v, want a value", name, value)
			}
		}
	}
	want := []string{"gateway", "oss", "sts", "bucket", "region", "accessKeyId", "accessKeySecret", "callerToken", "stsCAFile"}
	if !slices.Equal(names, want) {
		t.Errorf("the ready line has %q, want %q", names, want)
	}
	var r ready
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, http.MethodGet, r.Gateway+"/_local/", "", nil); status != http.StatusOK || !bytes.Contains(body, []byte(r.OSS)) {
		t.Errorf("GET %s/ = %d %q, want 200 and the address of OSS", r.Gateway, status, body)
	}
	if status, body := ask(t, http.MethodGet, r.OSS+keyPath, "", nil); status != http.StatusOK || !bytes.HasPrefix(body, []byte("-----BEGIN PUBLIC KEY-----")) {
		t.Errorf("GET %s%s = %d %q, want 200 and a public key", r.OSS, keyPath, status, body)
	}
	checkCertificate(t, r)

	cancel()
	if err := <-done; err != nil {
		t.Errorf("run() = %v, want nil after a signal", err)
	}
	if err := lines.Decode(&line); !errors.Is(err, io.EOF) {
		t.Errorf("after the ready line stdout has %s, %v; want its end", line, err)
	}
	for line := range strings.Lines(stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("stderr has %q, want JSON lines only", line)
		}
	}
}

// checkCertificate connects to STS as a client that trusts only stsCAFile.
func checkCertificate(t *testing.T, r ready) {
	t.Helper()
	pem, err := os.ReadFile(r.STSCAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	address, ok := strings.CutPrefix(r.STS, "https://")
	if !ok {
		t.Errorf("sts = %q, want an https URL", r.STS)
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatalf("connecting to STS: %v", err)
	}
	conn.Close()
}

func TestRehearsalPasses(t *testing.T) {
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			s := startStack(t, func(o *options) { o.trigger = trigger })
			var out strings.Builder
			if err := rehearse(t.Context(), s, &out); err != nil {
				t.Errorf("rehearse() = %v, want nil", err)
			}
			t.Log("\n" + out.String())
			for method, steps := range map[string]int{"put": 4, "form": 4, "url": 4, "multipart": 7} {
				if got := strings.Count("\n"+out.String(), "\n"+method+" "); got != steps {
					t.Errorf("rehearse() printed %d lines about %s, want %d", got, method, steps)
				}
			}
		})
	}
}

func TestRehearsalFails(t *testing.T) {
	tests := []struct {
		name   string
		change func(*options)
		fault  fault.Fault
		say    []string
	}{
		{
			name:  "when a callback is lost, and goes on with the other methods",
			fault: fault.Fault{Target: "callback", Operation: "*", Mode: "reset"},
			say:   []string{"FAULT: status 203: CallbackFailed", "multipart  find its event"},
		},
		{
			name:  "when an event is delivered twice",
			fault: fault.Fault{Target: "webhook", Operation: "*", Mode: "stored-then-reset"},
			say:   []string{"delivered 2 times"},
		},
		{
			name:   "when a method is refused",
			change: func(o *options) { o.overrides = map[string]string{"UPLOAD_MAX_SIZE": "500000"} },
			say:    []string{"FAULT: status 400: invalid_request", "url        find its event"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startStack(t, tt.change)
			if tt.fault.Target != "" {
				if err := s.faults.Set(tt.fault); err != nil {
					t.Fatal(err)
				}
			}
			var out strings.Builder
			if err := rehearse(t.Context(), s, &out); err == nil {
				t.Errorf("rehearse() = nil, want an error")
			}
			for _, text := range tt.say {
				if !strings.Contains(out.String(), text) {
					t.Errorf("rehearse() printed\n%swant %q in it", out.String(), text)
				}
			}
		})
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	keep := func(o *options) { o.dataDir = dir }
	content := []byte("stored before the restart")

	before := startStack(t, keep)
	// The callback is lost, so that only the token knows of the upload.
	if err := before.faults.Set(fault.Fault{Target: "callback", Operation: "*", Mode: "reset"}); err != nil {
		t.Fatal(err)
	}
	status, body := ask(t, http.MethodPost, before.ready.Gateway+"/presign", before.ready.CallerToken,
		map[string]any{"filename": "a.txt", "contentType": "text/plain", "size": len(content)})
	if status != http.StatusOK {
		t.Fatalf("POST /presign = %d %s, want 200", status, body)
	}
	var granted struct {
		URL, Key, UploadToken string
		Headers               map[string]string
	}
	if err := json.Unmarshal(body, &granted); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, granted.URL, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range granted.Headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNonAuthoritativeInfo {
		t.Fatalf("PUT with a lost callback = %d, want 203", res.StatusCode)
	}
	if err := before.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}

	after := startStack(t, keep)
	if got, want := after.ready.AccessKeySecret, before.ready.AccessKeySecret; got != want {
		t.Error("the access key is another after the restart")
	}
	status, body = ask(t, http.MethodPost, after.ready.Gateway+"/confirm", before.ready.CallerToken,
		map[string]any{"uploadToken": granted.UploadToken})
	if status != http.StatusOK {
		t.Fatalf("POST /confirm = %d %s, want 200", status, body)
	}
	r := &rehearsal{ready: after.ready, client: http.DefaultClient, out: io.Discard}
	confirmed := uploaded{content: content}
	if err := json.Unmarshal(body, &confirmed.receipt); err != nil {
		t.Fatal(err)
	}
	if _, err := r.compare(t.Context(), confirmed); err != nil {
		t.Errorf("comparing the object after the restart: %v", err)
	}
	if _, err := r.findEvent(t.Context(), confirmed); err != nil {
		t.Errorf("finding the event after the restart: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, identityFile))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode of %s = %v, want 0600", identityFile, info.Mode())
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("asking whether a process lives takes a signal")
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	s := startStack(t, nil)
	if status, body := ask(t, http.MethodPost, s.ready.Gateway+"/presign", s.ready.CallerToken, map[string]any{"filename": "a", "size": 1}); status != http.StatusOK {
		t.Errorf("POST /presign = %d %s, want 200", status, body)
	}
	// A request that waits for its answer does not keep the stack from ending.
	if err := s.faults.Set(fault.Fault{Target: "oss", Operation: "*", Mode: "timeout"}); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() {
		_, err := http.Get(s.ready.OSS + "/bucket/key")
		held <- err
	}()
	waitUntil(t, "the request is held", func() bool { return len(s.faults.List()) == 0 })

	var processes []*os.Process
	for name, f := range s.functions {
		p, err := os.FindProcess(f.Pid())
		if err != nil || p.Signal(syscall.Signal(0)) != nil {
			t.Fatalf("%s has no process", name)
		}
		processes = append(processes, p)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := <-held; err == nil {
		t.Error("the request that was held got an answer")
	}
	for _, p := range processes {
		if p.Signal(syscall.Signal(0)) == nil {
			t.Errorf("process %d lives on after Close", p.Pid)
		}
	}
	for _, address := range []string{s.ready.Gateway, s.ready.OSS, s.ready.STS} {
		_, address, _ := strings.Cut(address, "://")
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Errorf("%s still listens after Close", address)
		}
	}
	checkEmpty(t, temporary)
	if err := s.Close(); err != nil {
		t.Errorf("Close() again = %v, want nil", err)
	}
}

func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to be: %s", what)
		}
	}
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left behind in the temporary folder", e.Name())
	}
}

func TestStartRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*options)
		want   []string
	}{
		{"a gateway for the network", func(o *options) { o.addr = "0.0.0.0:0" }, []string{"-addr", "127.0.0.1 only"}},
		{"all interfaces by no host", func(o *options) { o.ossAddr = ":0" }, []string{"-oss-addr", "127.0.0.1 only"}},
		{"an address without a port", func(o *options) { o.stsAddr = "127.0.0.1" }, []string{"-sts-addr", "host:port"}},
		{"settings that a function refuses", func(o *options) { o.overrides = map[string]string{"UPLOAD_MAX_SIZE": "much"} },
			[]string{`starting function "presign"`, "UPLOAD_MAX_SIZE", "much"}},
		{"a bucket that cannot be", func(o *options) { o.overrides = map[string]string{"OSS_BUCKET": "No_Bucket"} }, []string{"No_Bucket"}},
		{"a forward URL that is none", func(o *options) { o.webhook = "backend" }, []string{"forward URL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			o := testOptions(t)
			tt.change(&o)
			s, err := start(t.Context(), o)
			if err == nil {
				s.Close()
				t.Fatal("start() = nil, want an error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("start() = %v, want %q in it", err, want)
				}
			}
			checkEmpty(t, temporary)
		})
	}
}
