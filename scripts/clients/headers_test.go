package clients_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stacktest"
)

// headerPrograms send a file with a signed URL and a list of headers, in the ways
// of the samples of OSS's own pages: PROGRAM URL FILE HEADER...
var headerPrograms = []recipe{
	{"curl", interpreted([]string{"bash", "curl"}, "bash", "testdata/headers/put.sh")},
	{"Python urllib", interpreted([]string{"python3"}, "python3", "testdata/headers/urllib_put.py")},
	{"Python http.client", interpreted([]string{"python3"}, "python3", "testdata/headers/http_put.py")},
	{"Python requests", preparedRequests},
	{"Node http", interpreted([]string{"node"}, "node", "testdata/headers/put.mjs")},
	{"Node fetch", interpreted([]string{"node"}, "node", "testdata/headers/fetch_put.mjs")},
	{"PHP curl", func(t *testing.T, dir string, skip func(string)) []string {
		preparePHP(t, dir, skip)
		return []string{"php", "testdata/headers/put.php"}
	}},
	{"Ruby net/http", interpreted([]string{"ruby"}, "ruby", "testdata/headers/put.rb")},
	{"Go net/http", func(t *testing.T, dir string, _ func(string)) []string {
		program := filepath.Join(dir, "put.exe")
		run(t, "go", "build", "-buildvcs=false", "-o", program, "./testdata/headers/go")
		return []string{program}
	}},
	{"Java HttpURLConnection", preparedJava("ConnectionPut")},
	{"Java HttpClient", preparedJava("ClientPut")},
	{"Java OkHttp", preparedJava("OkHttpPut", "OKHTTP_JAR okhttp", "OKIO_JAR okio")},
	{"C++ libcurl", preparedCPP},
	{"C# HttpWebRequest", preparedCSharp("RequestPut")},
	{spacedType, preparedCSharp("ClientPut")},
}

// spacedType is the program that asks for its type with a space behind the
// semicolon, since it can write it in no other way.
const spacedType = "C# HttpClient"

func preparedRequests(t *testing.T, _ string, skip func(string)) []string {
	if missing := stacktest.Missing("python3"); missing != "" {
		skip(missing)
	}
	if exec.CommandContext(t.Context(), "python3", "-c", "import requests").Run() != nil {
		skip("Python has no requests")
	}
	return []string{"python3", "testdata/headers/requests_put.py"}
}

// preparedJava compiles a class with jars, each a variable and a name.
func preparedJava(class string, jars ...string) func(*testing.T, string, func(string)) []string {
	return func(t *testing.T, dir string, skip func(string)) []string {
		if missing := stacktest.Missing("java", "javac"); missing != "" {
			skip(missing)
		}
		classpath := []string{dir}
		for _, j := range jars {
			variable, name, _ := strings.Cut(j, " ")
			classpath = append(classpath, jar(variable, name, skip))
		}
		path := strings.Join(classpath, string(filepath.ListSeparator))
		run(t, "javac", "--release", "17", "-cp", path, "-d", dir, "testdata/headers/"+class+".java")
		return []string{"java", "-cp", path, class}
	}
}

func preparedCPP(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("g++"); missing != "" {
		skip(missing)
	}
	if !hasHeader(t, "curl/curl.h") {
		skip("curl/curl.h is not installed")
	}
	program := filepath.Join(dir, "put.exe")
	run(t, "g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "testdata/headers/put.cpp", "-lcurl", "-o", program)
	return []string{program}
}

func preparedCSharp(class string) func(*testing.T, string, func(string)) []string {
	return func(t *testing.T, dir string, skip func(string)) []string {
		if missing := stacktest.Missing("mcs", "mono"); missing != "" {
			skip(missing)
		}
		program := filepath.Join(dir, "put.exe")
		run(t, "mcs", "-langversion:latest", "-out:"+program, "-r:System.Net.Http.dll", "testdata/headers/"+class+".cs")
		return []string{"mono", program}
	}
}

// What OSS's samples sign and send beside their URLs is granted as it is written
// there, and every program sends what was granted.
func TestHeaderPrograms(t *testing.T) {
	stacktest.EndToEnd(t)
	stacktest.Watch(t, ".")
	stack := stacktest.Start(t, stacktest.Options{NoTrigger: true, Settings: map[string]string{
		"UPLOAD_CONTENT_TYPES": "text/plain", "UPLOAD_STORAGE_CLASSES": "Standard,IA", "UPLOAD_METHODS": "put,url",
	}})
	size := int64(len("hello\n"))
	file := filepath.Join(t.TempDir(), "exampleobject.txt")
	if err := os.WriteFile(file, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	p := headerCheck{stack, file}
	table := stacktest.NewTable(t, "programs that sent the headers of OSS's samples:")
	for _, program := range headerPrograms {
		table.Run(t, program.name, func(t *testing.T, skip func(string)) {
			command := program.prepare(t, t.TempDir(), skip)
			contentType := "text/plain;charset=utf8"
			if program.name == spacedType {
				contentType = "text/plain; charset=utf8"
			}
			bare := client.PresignRequest{Filename: "exampleobject.txt", Size: &size, ContentType: contentType, As: "url"}
			for _, class := range []string{"Standard", "IA"} {
				t.Run("type, class "+class+" and metadata", func(t *testing.T) {
					p.sendsAll(t, command, client.PresignRequest{
						Filename: "exampleobject.txt", Size: &size, ContentType: contentType, StorageClass: class,
						Metadata: map[string]string{"key1": "value1", "key2": "value2"},
					})
				})
			}
			// A program that has these headers built in needs no others.
			t.Run("a url with the type alone", func(t *testing.T) {
				g := p.grant(t, bare)
				p.sends(t, command, g, map[string]string{"Content-Type": contentType})
				if head := p.head(t, g.Key); *head.ContentType != contentType {
					t.Errorf("the object's type is %q, want %q", *head.ContentType, contentType)
				}
			})
			t.Run("refused with another spelling of the type", func(t *testing.T) {
				out := p.run(t, command, p.grant(t, bare), map[string]string{"Content-Type": "text/plain; charset=utf-8"})
				if strings.Contains(out, "eventId") {
					t.Errorf("it was answered %s, want a refusal", out)
				}
			})
		})
	}
}

type headerCheck struct {
	stack *stacktest.Stack
	file  string
}

func (p headerCheck) grant(t *testing.T, in client.PresignRequest) client.Grant {
	t.Helper()
	g, err := p.stack.Client().Presign(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// run returns what a program printed.
func (p headerCheck) run(t *testing.T, command []string, g client.Grant, headers map[string]string) string {
	t.Helper()
	args := append(slices.Clone(command[1:]), g.URL, p.file)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		args = append(args, name+": "+headers[name])
	}
	cmd := exec.CommandContext(t.Context(), command[0], args...)
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	out, _ := cmd.CombinedOutput() // a refusal makes some of them fail
	return string(out)
}

// sendsAll has a wish granted as it is written, sends what was granted, and finds
// it at the object.
func (p headerCheck) sendsAll(t *testing.T, command []string, in client.PresignRequest) {
	g := p.grant(t, in)
	wants := map[string]string{"Content-Type": in.ContentType, "x-oss-storage-class": in.StorageClass}
	for name, value := range in.Metadata {
		wants["x-oss-meta-"+name] = value
	}
	for name, want := range wants {
		if got := header(g.Headers, name); got != want {
			t.Errorf("%s is granted as %q, want %q", name, got, want)
		}
	}
	p.sends(t, command, g, g.Headers)
	head := p.head(t, g.Key)
	for name, want := range in.Metadata {
		if head.Metadata[name] != want {
			t.Errorf("the object's metadata %s is %q, want %q", name, head.Metadata[name], want)
		}
	}
	if *head.ContentType != in.ContentType || oss.ToString(head.StorageClass) != in.StorageClass {
		t.Errorf("the object has %q and %q, want what was granted", *head.ContentType, oss.ToString(head.StorageClass))
	}
}

// sends expects the receipt.
func (p headerCheck) sends(t *testing.T, command []string, g client.Grant, headers map[string]string) {
	t.Helper()
	out := p.run(t, command, g, headers)
	var r receipt
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Key != g.Key || r.EventID == "" {
		t.Fatalf("it was answered %q, want the receipt of %q", out, g.Key)
	}
}

func (p headerCheck) head(t *testing.T, key string) *oss.HeadObjectResult {
	t.Helper()
	head, err := p.stack.Ready.Developer(http.DefaultClient).HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: &p.stack.Ready.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// header looks a header up, whatever the case of its name.
func header(headers map[string]string, name string) string {
	for n, value := range headers {
		if strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}
