package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/explain"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/signing"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

const (
	app      = "https://app.example.com" // the page that is let in
	maxSize  = "1000000"
	content  = "hello"
	filename = "holiday.png"
)

// world is a running stack, its log, and what people do to it.
type world struct {
	*stacktest.Stack
	logged *logged
}

// newWorld starts a stack whose settings differ from those of a deployment that
// works by these.
func newWorld(t *testing.T, settings map[string]string) *world {
	t.Helper()
	all := map[string]string{
		"UPLOAD_CONTENT_TYPES": "image/*,text/plain,application/octet-stream", "UPLOAD_MAX_SIZE": maxSize, "CORS_ORIGINS": app,
	}
	maps.Copy(all, settings)
	w := &world{logged: &logged{}}
	w.Stack = stacktest.Start(t, stack.Options{Settings: all, NoTrigger: true, Log: w.logged})
	return w
}

// logged is the log of a stack.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// line is the first line of the log that has all the words. It may come after the
// answer.
func (w *world) line(t *testing.T, words ...string) string {
	t.Helper()
	found := ""
	stacktest.Eventually(t, "the log has a line with "+strings.Join(words, ", "), func() bool {
		w.logged.mu.Lock()
		defer w.logged.mu.Unlock()
		for line := range strings.Lines(w.logged.text.String()) {
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// granted is an answer of POST /presign.
type granted struct {
	client.Grant
	text string // as it was answered
}

func (w *world) presign(t *testing.T, in map[string]any) granted {
	t.Helper()
	a := w.ask(t, http.MethodPost, "/presign", nil, in)
	g := granted{text: string(a.Body)}
	if err := a.Into(&g.Grant); err != nil {
		t.Fatal(err)
	}
	return g
}

// put is a grant for the content.
func (w *world) put(t *testing.T) granted {
	t.Helper()
	return w.presign(t, map[string]any{"filename": filename, "contentType": "image/png", "size": len(content)})
}

func (w *world) form(t *testing.T, more map[string]any) granted {
	t.Helper()
	in := map[string]any{"filename": filename, "contentType": "image/png", "as": "form"}
	maps.Copy(in, more)
	return w.presign(t, in)
}

// ask asks a function as the caller, or as header says.
func (w *world) ask(t *testing.T, method, path string, header http.Header, in any) client.Answer {
	t.Helper()
	a, err := w.Client().Ask(t.Context(), method, path, header, in)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// as is POST /presign with another token, or another Authorization.
func (w *world) as(t *testing.T, authorization ...string) (seen, said string) {
	t.Helper()
	a := w.ask(t, http.MethodPost, "/presign", http.Header{"Authorization": authorization}, map[string]any{"filename": filename, "size": 1})
	return a.String(), string(a.Body) + a.Header.Get("WWW-Authenticate") + "\n" + explained(t, string(a.Body), "")
}

// token is a caller's, with claims that are changed; nil takes one away.
func (w *world) token(t *testing.T, secret []byte, changes map[string]any) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": "alice", "aud": "ossupload", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// curl runs curl -v and returns all that it prints. It ends the test where there is
// none.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	return command(t, "curl", append([]string{"-v", "-sS", "--max-time", "20", "--globoff"}, args...)...)
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	if missing := stacktest.Missing(name); missing != "" {
		t.Skip(missing)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "no_proxy=*"}
	out, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return string(out)
}

// headers are those of a grant, as arguments of curl. Of changes, "" takes one away.
func headers(g granted, changes map[string]string) []string {
	all := map[string]string{}
	maps.Copy(all, g.Headers)
	maps.Copy(all, changes)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			args = append(args, "-H", name+": "+all[name])
		}
	}
	return args
}

// file is a file with the content.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), filename)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// fields are those of a form, as arguments of curl, with changes.
func fields(g granted, changes map[string]string) []string {
	all := map[string]string{}
	maps.Copy(all, g.Fields)
	maps.Copy(all, changes)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "--form-string", name+"="+all[name])
	}
	return args
}

// send uploads the content with curl as a grant says, but for changes of the headers,
// and explains what curl printed.
func (w *world) send(t *testing.T, g granted, changes map[string]string) (seen, said string) {
	t.Helper()
	out := curl(t, append(headers(g, changes), "-T", file(t, content), g.URL)...)
	return out, explained(t, out, g.text)
}

// explained is what the command prints, which has none of the secrets in what it
// was given.
func explained(t *testing.T, text, presign string) string {
	t.Helper()
	found, err := explain.Explain(text, presign)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, f := range found {
		said.WriteString(f.String() + "\n")
	}
	var g client.Grant
	if presign != "" {
		if err := json.Unmarshal([]byte(presign), &g); err != nil {
			t.Fatal(err)
		}
	}
	secrets := append(slices.Collect(maps.Values(g.Fields)), g.URL, g.UploadToken, g.Headers["x-oss-meta-ossupload-grant"])
	const short = 24 // a content type, a status
	for _, secret := range secrets {
		if len(secret) > short && strings.Contains(said.String(), secret) {
			t.Errorf("explain repeats a secret: %s", secret)
		}
	}
	return said.String()
}

// signed is a URL for a PUT that somebody else than presign signs.
func (w *world) signed(t *testing.T, region, bucket string, cred signing.Credentials, at time.Time) string {
	t.Helper()
	endpoint, err := signing.ParseEndpoint(w.Ready.OSS, signing.PathStyle)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.New(region, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Presign(cred, signing.Request{Method: http.MethodPut, Bucket: bucket, Key: "uploads/x", Expires: 15 * time.Minute}, at)
	if err != nil {
		t.Fatal(err)
	}
	return p.URL
}

func (w *world) developer() signing.Credentials {
	return signing.Credentials{AccessKeyID: w.Ready.AccessKeyID, AccessKeySecret: w.Ready.AccessKeySecret}
}

// sendTo puts the content to a URL, and explains what curl printed.
func sendTo(t *testing.T, url string) (seen, said string) {
	t.Helper()
	out := curl(t, "-T", file(t, content), url)
	return out, explained(t, out, "")
}

// nobody is an address at which nobody listens: a port that was free a moment
// ago may be another test's by now, and this one is given to nobody.
const nobody = "127.0.0.1:1"

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

var (
	doctorOnce sync.Once
	doctorErr  error
	doctorAt   string
)

// doctor runs the doctor with the settings of the stack, but for changes, and
// returns what it prints.
func (w *world) doctor(t *testing.T, only string, changes map[string]string) (seen, said string) {
	t.Helper()
	doctorOnce.Do(func() {
		doctorAt = filepath.Join(stacktest.Binaries(t), "doctor")
		build := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "build", "-o", doctorAt, "ossupload/scripts/doctor")
		build.Stderr = t.Output()
		doctorErr = build.Run()
	})
	if doctorErr != nil {
		t.Fatalf("building the doctor: %v", doctorErr)
	}
	environment := map[string]string{
		"PATH": os.Getenv("PATH"), "OSSUPLOAD_TOKEN": w.Ready.CallerToken,
		"ALIBABA_CLOUD_ACCESS_KEY_ID": w.Ready.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": w.Ready.AccessKeySecret,
	}
	for _, variable := range w.Settings.Variables() {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	maps.Copy(environment, changes)
	cmd := exec.CommandContext(t.Context(), doctorAt, "-only", only)
	cmd.Dir = t.TempDir()
	for name, value := range environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if failed, ok := errors.AsType[*exec.ExitError](err); !ok || failed.ExitCode() != 1 {
		t.Fatalf("the doctor ended with %v, want 1:\n%s", err, out)
	}
	return string(out), string(out)
}
