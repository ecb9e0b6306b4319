package clients_test

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The recipes spend their time in pauses, and not at a processor.
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	stacktest.Main(m)
}

// recipe is a program to be copied. prepare finds its runtime and compiles it
// into dir, if it has to be, and returns the command that takes FILE; it calls
// skip where the machine lacks what it takes.
type recipe struct {
	name    string
	prepare func(t *testing.T, dir string, skip func(reason string)) (command []string)
}

var recipes = []recipe{
	{"curl", interpreted([]string{"bash", "curl", "jq"}, "bash", "curl.sh")},
	{"fetch, and Node around it", interpreted([]string{"node"}, "node", "node.mjs")},
	{"Python", interpreted([]string{"python3"}, "python3", "python/upload.py")},
	{"Go", prepareGo},
	{"Java", prepareJava},
	{"PHP", preparePHP},
	{"Kotlin", prepareKotlin},
	{"Swift", func(_ *testing.T, _ string, skip func(string)) []string {
		skip("never compiled or run: only Apple's systems have background sessions")
		return nil
	}},
	{"WeChat, on a wx of Node", interpreted([]string{"node"}, "node", "testdata/run-wechat.mjs")},
	{"C++", prepareCPP},
	{"C#", prepareCSharp},
}

func interpreted(needs []string, command ...string) func(*testing.T, string, func(string)) []string {
	return func(_ *testing.T, _ string, skip func(string)) []string {
		if missing := stacktest.Missing(needs...); missing != "" {
			skip(missing)
		}
		return command
	}
}

func prepareGo(t *testing.T, dir string, _ func(string)) []string {
	program := filepath.Join(dir, "upload.exe")
	run(t, "go", "build", "-buildvcs=false", "-o", program, "./go")
	return []string{program}
}

// prepareJava compiles what "java -cp gson.jar Upload.java" would compile at
// every start.
func prepareJava(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("javac"); missing != "" {
		skip(missing)
	}
	gson := jar("GSON_JAR", "gson", skip)
	run(t, "javac", "--release", "17", "-Xlint:all", "-Werror", "-cp", gson, "-d", dir, "java/Upload.java")
	return []string{"java", "-cp", dir + string(filepath.ListSeparator) + gson, "Upload"}
}

func preparePHP(t *testing.T, _ string, skip func(string)) []string {
	if missing := stacktest.Missing("php"); missing != "" {
		skip(missing)
	}
	if !slices.Contains(strings.Fields(run(t, "php", "-m")), "curl") {
		skip("PHP has no curl extension")
	}
	return []string{"php", "php/upload.php"}
}

// prepareKotlin translates the recipe where it is compiled with the OkHttp 3
// that Debian has, in which some functions are spelled in the way of Java.
func prepareKotlin(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("kotlinc", "java"); missing != "" {
		skip(missing)
	}
	classpath := strings.Join([]string{
		jar("OKHTTP_JAR", "okhttp", skip), jar("OKIO_JAR", "okio", skip), jar("ORG_JSON_JAR", "com.android.json", skip),
	}, string(filepath.ListSeparator))
	source := "kotlin/Upload.kt"
	if os.Getenv("OKHTTP_JAR") == "" {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		older := strings.NewReplacer(
			"import okhttp3.MediaType.Companion.toMediaType", "import okhttp3.MediaType",
			"import okhttp3.RequestBody.Companion.asRequestBody", "import okhttp3.RequestBody",
			"import okhttp3.RequestBody.Companion.toRequestBody\n", "",
			"file.asRequestBody()", "RequestBody.create(null, file)",
			`body.toString().toRequestBody("application/json".toMediaType())`, `RequestBody.create(MediaType.get("application/json"), body.toString())`,
			"it.code,", "it.code(),", "it.body!!", "it.body()!!",
		).Replace(string(text))
		source = filepath.Join(dir, "Upload.kt")
		if err := os.WriteFile(source, []byte(older), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "upload.jar")
	run(t, "kotlinc", "-nowarn", "-include-runtime", "-classpath", classpath, "-d", program, source)
	return []string{"java", "-cp", program + string(filepath.ListSeparator) + classpath, "UploadKt"}
}

func prepareCPP(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("g++"); missing != "" {
		skip(missing)
	}
	for _, header := range []string{"curl/curl.h", "nlohmann/json.hpp"} {
		if !hasHeader(t, header) {
			skip(header + " is not installed")
		}
	}
	program := filepath.Join(dir, "upload.exe")
	run(t, "g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "cpp/upload.cpp", "-lcurl", "-o", program)
	return []string{program}
}

func hasHeader(t *testing.T, name string) bool {
	check := exec.CommandContext(t.Context(), "g++", "-E", "-x", "c++", "-include", name, os.DevNull, "-o", os.DevNull)
	return check.Run() == nil
}

// prepareCSharp takes Mono, or a .NET that runs one file without a project.
func prepareCSharp(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("mcs", "mono"); missing != "" {
		if stacktest.Missing("dotnet") != "" {
			skip(missing + ", nor is dotnet")
		}
		version := run(t, "dotnet", "--version")
		if major, _, _ := strings.Cut(version, "."); len(major) < 2 {
			skip("this is .NET " + strings.TrimSpace(version) + ", and one file is run since .NET 10")
		}
		return []string{"dotnet", "run", "csharp/Upload.cs", "--"}
	}
	program := filepath.Join(dir, "upload.exe")
	compile := []string{"mcs", "-langversion:latest", "-warn:4", "-warnaserror", "-out:" + program, "csharp/Upload.cs"}
	for _, library := range []string{"System.Net.Http", "System.Runtime.Serialization", "System.Xml", "System.Xml.Linq"} {
		compile = append(compile, "-r:"+library+".dll")
	}
	run(t, compile...)
	return []string{"mono", program}
}

// jar returns the path of a library: the value of variable, or where Debian
// installs it.
func jar(variable, name string, skip func(string)) string {
	path := cmp.Or(os.Getenv(variable), "/usr/share/java/"+name+".jar")
	if _, err := os.Stat(path); err != nil {
		skip(name + ".jar is not installed: set " + variable)
	}
	return path
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}

// Every recipe uploads the same file to a local stack of its own, and then the
// answers get lost.
func TestRecipes(t *testing.T) {
	stacktest.EndToEnd(t)
	stacktest.Watch(t, ".")
	content := make([]byte, 1<<20)
	rand.Read(content)
	// Spaces and CJK, an apostrophe, and what curl takes for a pattern.
	file := filepath.Join(t.TempDir(), "年度报告 it's 100% [final].pdf")
	for name, content := range map[string][]byte{
		file: content, file + ".empty": nil, file + ".small": []byte("hello"), file + ".large": make([]byte, 2<<20),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	table := stacktest.NewTable(t, "recipes that uploaded a file to the local stack:")
	for _, r := range recipes {
		table.Run(t, r.name, func(t *testing.T, skip func(string)) {
			t.Parallel()
			c := &check{command: r.prepare(t, t.TempDir(), skip), operation: "PutObject"}
			if strings.HasPrefix(r.name, "WeChat") {
				c.operation = "PostObject"
			}
			c.stack = stacktest.Start(t, stacktest.Options{
				NoTrigger: true, // it would announce the objects as well, and meet the faults
				Trigger:   "http",
				Assume:    stacktest.Assume(t, "fc.failure-status=200"),
				Settings:  map[string]string{"UPLOAD_MAX_SIZE": "2000000"},
			})
			endless := c.beginEndless(t, file)
			t.Run("uploads a file", func(t *testing.T) { c.uploads(t, file, content) })
			t.Run("uploads an empty file", func(t *testing.T) { c.uploads(t, file+".empty", nil) })
			for _, l := range lostAnswers {
				t.Run(l.name(), func(t *testing.T) { c.loses(t, l, file+".small") })
			}
			t.Run("says what is refused", func(t *testing.T) { c.refusals(t, file+".large", file+".small") })
			t.Run("ends when nothing answers", func(t *testing.T) { endless(t) })
		})
	}
}

// check runs one recipe and looks at what it did.
type check struct {
	stack     *stacktest.Stack
	command   []string
	operation string // of OSS, by which it uploads
}

func (c *check) cmd(t *testing.T, endpoint, file, token string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), c.command[0], append(slices.Clone(c.command[1:]), file)...)
	cmd.Env = append(os.Environ(),
		"OSSUPLOAD_ENDPOINT="+endpoint, "OSSUPLOAD_TOKEN="+token,
		"LC_ALL=C.UTF-8", // Java cannot name the file in the C locale
		"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

type receipt struct {
	Key, Filename, EventID string
	Size                   int
}

// uploads runs the recipe and expects one new object of this content, and one
// event of the printed id.
func (c *check) uploads(t *testing.T, file string, content []byte) {
	t.Helper()
	before := c.world(t)
	var stdout, stderr bytes.Buffer
	cmd := c.cmd(t, c.stack.Ready.Gateway, file, c.stack.Ready.CallerToken)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(c.command, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	var r receipt
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("it printed %q, want a receipt", stdout.Bytes())
	}
	if r.Filename != filepath.Base(file) || r.Size != len(content) {
		t.Errorf("the receipt is %+v, want %q of %d bytes", r, filepath.Base(file), len(content))
	}
	keys, ids := before.since(c.world(t))
	if !slices.Equal(keys, []string{r.Key}) || !slices.Equal(ids, []string{r.EventID}) {
		t.Errorf("objects %q and events %q are new, want those of the receipt, %q and %q", keys, ids, r.Key, r.EventID)
	}
	if !bytes.Equal(c.stack.Object(t, r.Key), content) {
		t.Error("the object is not the file")
	}
}

// fails runs the recipe and expects that it fails and says why, without a word
// of what is secret.
func (c *check) fails(t *testing.T, endpoint, file, token string, says ...string) {
	t.Helper()
	out, err := c.cmd(t, endpoint, file, token).CombinedOutput()
	if err == nil {
		t.Errorf("it said %q and did not fail", out)
	}
	for _, want := range says {
		if !strings.Contains(string(out), want) {
			t.Errorf("it said %q, want %q in it", out, want)
		}
	}
	for _, secret := range []string{c.stack.Ready.CallerToken, "x-oss-signature", "x-oss-credential", "SignatureProvided", "StringToSign"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("it said %q, which has a secret: %s", out, secret)
		}
	}
}

// world is what a recipe can change.
type world struct{ keys, ids []string }

func (c *check) world(t *testing.T) (w world) {
	t.Helper()
	developer := c.stack.Ready.Developer(http.DefaultClient)
	objects := developer.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: &c.stack.Ready.Bucket, Prefix: oss.Ptr("uploads/")})
	for objects.HasNext() {
		page, err := objects.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			w.keys = append(w.keys, *o.Key)
		}
	}
	for _, e := range c.stack.Events(t) {
		if !e.Verified {
			t.Errorf("the signature of event %s does not verify", e.ID)
		}
		w.ids = append(w.ids, e.ID)
	}
	return w
}

// since are the new keys, and the new event ids, each once.
func (w world) since(now world) (keys, ids []string) {
	fresh := func(old, all []string) (found []string) {
		for _, s := range all {
			if !slices.Contains(old, s) && !slices.Contains(found, s) {
				found = append(found, s)
			}
		}
		return found
	}
	return fresh(w.keys, now.keys), fresh(w.ids, now.ids)
}
