package stack

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pageStack is as much of a stack as the page needs.
func pageStack() *Stack {
	return &Stack{
		Ready: Ready{
			Gateway: "http://127.0.0.1:8580", OSS: "http://127.0.0.1:8581",
			Bucket: "bucket", Region: "cn-hangzhou", CallerToken: "token-of-the-caller",
		},
		Settings: Settings{{"UPLOAD_CONTENT_TYPES", "image/*"}, {"UPLOAD_MAX_SIZE", "10"}, {"UPLOAD_METHODS", "put,form"}},
	}
}

// get asks as a browser does that shows the page.
func get(t *testing.T, s *Stack, host, path string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = host
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	s.serveOwn(w, r)
	return w.Result()
}

const ownHost = "127.0.0.1:8580"

func TestPageFiles(t *testing.T) {
	s := pageStack()
	tests := []struct{ path, contentType string }{
		{"/", "text/html; charset=utf-8"},
		{"/_local/page/page.js", "text/javascript; charset=utf-8"},
		{"/_local/page/ossupload.js", "text/javascript; charset=utf-8"},
		{"/_local/page/explain.js", "text/javascript; charset=utf-8"},
		{"/_local/page/explain-rules.js", "text/javascript; charset=utf-8"},
		{"/_local/page/page.css", "text/css; charset=utf-8"},
		{"/_local/page/icon.svg", "image/svg+xml"},
	}
	for _, tt := range tests {
		answer := get(t, s, ownHost, tt.path, nil)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != tt.contentType {
			t.Errorf("GET %s = %d %q, want 200 %q", tt.path, answer.StatusCode, answer.Header.Get("Content-Type"), tt.contentType)
		}
		policy := answer.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "connect-src 'self' http://127.0.0.1:8581;", "script-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("policy of %s = %q, want %s in it", tt.path, policy, want)
			}
		}
	}
	for _, path := range []string{"/_local/page/", "/_local/page/page.go", "/_local/page/../routes.go", "/_local/page/uppy.js"} {
		if answer := get(t, s, ownHost, path, nil); answer.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, answer.StatusCode)
		}
	}
}

// What the page names must be there, and on no other host. Inline scripts and
// styles would be blocked by the policy.
func TestPageNamesOnlyWhatIsServed(t *testing.T) {
	s := pageStack()
	for _, file := range []string{"index.html", "page.js", "card.js", "words.js", "page.css", "ossupload.js", "upload.js", "errors.js", "explain.js"} {
		text, err := pageStack().readPageFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if other := regexp.MustCompile(`(https?:)?//[a-z0-9.-]+\.[a-z]+/`).FindAll(text, -1); len(other) > 0 {
			t.Errorf("%s names %q", file, other)
		}
		for _, match := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllSubmatch(text, -1) {
			path := string(match[1])
			if path == "/_local/events" {
				continue
			}
			if answer := get(t, s, ownHost, path, nil); answer.StatusCode != http.StatusOK {
				t.Errorf("%s names %s, which is answered %d", file, path, answer.StatusCode)
			}
		}
	}
	html, err := pageStack().readPageFile("index.html")
	if err != nil {
		t.Fatal(err)
	}
	if inline := regexp.MustCompile(`<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]`).Find(html); inline != nil {
		t.Errorf("index.html has %q, which the policy blocks", inline)
	}
}

func TestPageIsAtTheOwnAddress(t *testing.T) {
	s := pageStack()
	answer := get(t, s, "localhost:8580", "/", nil)
	if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusTemporaryRedirect || got != "http://127.0.0.1:8580/" {
		t.Errorf("GET / of localhost = %d to %q, want 307 to the gateway's address", answer.StatusCode, got)
	}
	answer = get(t, s, ownHost, "/", http.Header{"Accept": {"*/*"}})
	if got := answer.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("GET / of a program is %q, want the page", got)
	}
}

func TestSession(t *testing.T) {
	tests := []struct {
		name, host string
		site       string // Sec-Fetch-Site
		status     int
	}{
		{"the page", ownHost, "same-origin", 200},
		{"a program, or a browser that does not tell", ownHost, "", 200},
		{"another site's page", ownHost, "cross-site", 403},
		{"a page on another port", ownHost, "same-site", 403},
		{"typed into the address bar", ownHost, "none", 403},
		{"a name that was made to point here", "evil.example:8580", "same-origin", 403},
		{"the same by a browser that does not tell", "evil.example:8580", "", 403},
		{"localhost", "localhost:8580", "same-origin", 403},
		{"another port", "127.0.0.1:8581", "same-origin", 403},
		{"no port", "127.0.0.1", "same-origin", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if tt.site != "" {
				header.Set("Sec-Fetch-Site", tt.site)
			}
			answer := get(t, pageStack(), tt.host, "/_local/session", header)
			var body strings.Builder
			if err := answer.Write(&body); err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != tt.status {
				t.Errorf("GET /_local/session = %d, want %d", answer.StatusCode, tt.status)
			}
			if told := strings.Contains(body.String(), "token-of-the-caller"); told != (tt.status == 200) {
				t.Errorf("GET /_local/session told the token: %v", told)
			}
			if answer.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("GET /_local/session may be read by other origins")
			}
		})
	}
}

func TestUppyBundle(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"uppy.js", "other.js"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("export class Upload {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := pageStack()
	s.uppyDir = dir
	var got session
	if err := json.NewDecoder(get(t, s, ownHost, "/_local/session", nil).Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := session{
		Endpoint: s.Ready.Gateway, Token: "token-of-the-caller", Bucket: "bucket", Region: "cn-hangzhou", Uppy: true,
		Types: "image/*", MaxSize: "10", Methods: "put,form",
	}
	if got != want {
		t.Errorf("GET /_local/session = %+v, want %+v", got, want)
	}
	if answer := get(t, s, ownHost, "/_local/page/uppy.js", nil); answer.StatusCode != http.StatusOK {
		t.Errorf("GET uppy.js = %d, want 200", answer.StatusCode)
	}
	if answer := get(t, s, ownHost, "/_local/page/other.js", nil); answer.StatusCode != http.StatusNotFound {
		t.Errorf("GET other.js = %d, want 404", answer.StatusCode)
	}
}

// The page runs what applications ship: each module of the client, and nothing
// else of its folder.
func TestClientIsServedAsItShips(t *testing.T) {
	const dir = "../../clients/browser"
	onDisk, err := filepath.Glob(filepath.Join(dir, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range onDisk {
		name := filepath.Base(file)
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pageStack().readPageFile(name)
		if name == "react.js" {
			if err == nil {
				t.Errorf("%s is served, and React is not", name)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not served as it is on disk: %v", name, err)
		}
	}
}
