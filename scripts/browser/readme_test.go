package browser_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/envfile"
	"ossupload/scripts/internal/stacktest"
)

// What the README shows of browsers, as it is printed there.
func TestREADME(t *testing.T) {
	stacktest.EndToEnd(t)
	d := start(t)
	stacktest.Watch(t, "../clients/browser")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("application", func(t *testing.T) { testApplication(t, d, readme) })
	t.Run("ali-oss", func(t *testing.T) { testAliOSS(t, d, readme) })
}

// The application, made by the commands and of the files of the README, with the
// local stack started as it says.
func testApplication(t *testing.T, d *driver, readme []byte) {
	dir := filepath.Join(t.TempDir(), "app")
	makeApplication(t, readme, dir)
	settings, err := envfile.Read(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	port := stacktest.FreePort(t)
	url := "http://127.0.0.1:" + port
	s := stacktest.Start(t, stacktest.Options{Settings: settings, Webhook: url + "/webhook"})
	writeApplication(t, readme, dir, s.Ready.Gateway)
	runApplication(t, dir, port)

	photo, large := d.write(t, "photo.png", 50_000), d.write(t, "large.png", 17_000_000) // the latter in parts
	var keys []string
	d.call(t, "appUpload", map[string]any{"url": url, "files": []string{photo.path, large.path}}, &keys)
	stacktest.Eventually(t, "the application has been told", func() bool { return len(photos(t, url)) == 2 })
	for i, want := range []file{photo, large} {
		same(t, s, keys[i], want)
		if !slices.Contains(photos(t, url), keys[i]+" of alice") {
			t.Errorf("the application was told of %q, want %q of alice", photos(t, url), keys[i])
		}
	}
	res, err := http.Post(url+"/webhook", "application/json", strings.NewReader(`{"type":"upload.completed","data":{"eventId":"evt_1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || len(photos(t, url)) != 2 {
		t.Errorf("an event that nobody signed = %d, want 400, and nothing taken", res.StatusCode)
	}
	var refusal string
	d.call(t, "appRefusal", map[string]any{"file": d.refused.path}, &refusal)
	if !strings.Contains(refusal, "allowed are ") {
		t.Errorf("a page as a photo: the element says %q, want what is allowed", refusal)
	}
	testForm(t, d, photo)

	code := strings.ReplaceAll(snippet(t, readme, "upload"), "https://api.example.com", s.Ready.Gateway)
	var shown struct {
		Key      string
		Progress float64
	}
	d.call(t, "appSnippet", map[string]any{"code": code, "file": photo.path}, &shown)
	same(t, s, shown.Key, photo)
	if shown.Progress != 1 {
		t.Errorf("the snippet's bar ends at %g, want 1", shown.Progress)
	}
}

// testForm holds the element to what a form wants of its own inputs.
func testForm(t *testing.T, d *driver, photo file) {
	type look struct {
		Valid bool
		Sent  []string
	}
	var form struct{ Empty, Begun, Done, Removed look }
	d.call(t, "appForm", map[string]any{"file": photo.path}, &form)
	if form.Empty.Valid || form.Begun.Valid || !form.Done.Valid || form.Removed.Valid {
		t.Errorf("the form may be sent: empty %t, begun %t, done %t, removed %t; want when it is done alone", form.Empty.Valid, form.Begun.Valid, form.Done.Valid, form.Removed.Valid)
	}
	if len(form.Begun.Sent)+len(form.Removed.Sent) != 0 || len(form.Done.Sent) != 1 || strings.Count(form.Done.Sent[0], ".") != 2 {
		t.Errorf("the form sends %d, %d and %d values, want the receipt as a JWT when it is done", len(form.Begun.Sent), len(form.Done.Sent), len(form.Removed.Sent))
	}
}

// makeApplication runs the commands of the README, with dir for its app.
func makeApplication(t *testing.T, readme []byte, dir string) {
	t.Helper()
	commands := regexp.MustCompile("(?s)<!-- run: app -->\n```sh\n(.*?)```").FindSubmatch(readme)
	if commands == nil {
		t.Fatal("the README has no commands that make an application")
	}
	run := exec.CommandContext(t.Context(), "bash", "-euc", regexp.MustCompile(`\bapp\b`).ReplaceAllLiteralString(string(commands[1]), dir))
	run.Dir = filepath.Join("..", "..")
	if out, err := run.CombinedOutput(); err != nil && unreachable.Match(out) {
		skip(t, fmt.Sprintf("the npm packages cannot be had: %s", out))
	} else if err != nil {
		t.Fatalf("making the application: %v\n%s", err, out)
	}
}

// writeApplication writes the files of the README.
func writeApplication(t *testing.T, readme []byte, dir, gateway string) {
	t.Helper()
	files := regexp.MustCompile("(?s)<!-- file: app/(\\S+) -->\n```\\w+\n(.*?)```").FindAllSubmatch(readme, -1)
	lines := 0
	for _, f := range files {
		lines += strings.Count(string(f[2]), "\n")
		text := strings.ReplaceAll(string(f[2]), "http://127.0.0.1:8580", gateway) // which may be taken
		if err := os.WriteFile(filepath.Join(dir, string(f[1])), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) != 2 || lines > 40 {
		t.Errorf("the application has %d files of %d lines, want 2 of 40 at most", len(files), lines)
	}
}

func runApplication(t *testing.T, dir, port string) {
	t.Helper()
	node := exec.CommandContext(t.Context(), "node", "--env-file=.env", "app.mjs")
	node.Dir, node.Stderr, node.Env = dir, t.Output(), append(os.Environ(), "PORT="+port)
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Kill()
		_ = node.Wait()
	})
	stacktest.Eventually(t, "the application listens", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// same holds an object against the file.
func same(t *testing.T, s *stacktest.Stack, key string, want file) {
	t.Helper()
	if got := s.Object(t, key); !bytes.Equal(got, want.content) {
		t.Errorf("%q holds %d bytes that are not the %d of %s", key, len(got), len(want.content), want.name)
	}
}

// OSS's own SDK as the README shows it. The bucket of the stack stands in the path.
func testAliOSS(t *testing.T, d *driver, readme []byte) {
	s := stacktest.Start(t, stacktest.Options{})
	code := strings.Replace(snippet(t, readme, "ali-oss"), "// sldEnable", "sldEnable", 1)
	var prefix string
	d.call(t, "stsSnippet", map[string]any{"code": code, "gateway": s.Ready.Gateway, "token": s.Ready.CallerToken, "path": d.large.path}, &prefix)
	same(t, s, prefix+"clip.mp4", d.large)
}

// snippet is a piece of the README's code.
func snippet(t *testing.T, readme []byte, name string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)<!-- snippet: " + name + " -->\n```\\w+\n(.*?)```").FindSubmatch(readme)
	if m == nil {
		t.Fatalf("the README has no snippet %q", name)
	}
	return string(m[1])
}

// photos are what the application has been told of: "key of subject".
func photos(t *testing.T, url string) (keys []string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(url + "/photos")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var all []struct{ Key, Subject string }
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, photo := range all {
		keys = append(keys, photo.Key+" of "+photo.Subject)
	}
	return keys
}
