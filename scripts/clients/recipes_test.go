package clients_test

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// recipe is a program to be copied. prepare finds its runtime and compiles it
// into dir, if it has to be, and returns the command that takes FILE; it calls
// skip where the machine lacks what it takes.
type recipe struct {
	name    string
	prepare func(t *testing.T, dir string, skip func(reason string)) (command []string)
}

var recipes = []recipe{
	{"curl", interpreted([]string{"bash", "curl", "jq"}, "bash", "curl.sh")},
	{"browser fetch, in Node", interpreted([]string{"node"}, "node", "testdata/run-fetch.mjs")},
	{"Node", interpreted([]string{"node"}, "node", "node.mjs")},
	{"Python", interpreted([]string{"python3"}, "python3", "python/upload.py")},
	{"Go", prepareGo},
	{"Java", prepareJava},
	{"PHP", preparePHP},
	{"Kotlin", prepareKotlin},
	{"Swift", func(_ *testing.T, _ string, skip func(string)) []string {
		skip("only Apple's systems have background sessions")
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
		check := exec.CommandContext(t.Context(), "g++", "-E", "-x", "c++", "-include", header, os.DevNull, "-o", os.DevNull)
		if check.Run() != nil {
			skip(header + " is not installed")
		}
	}
	program := filepath.Join(dir, "upload.exe")
	run(t, "g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "cpp/upload.cpp", "-lcurl", "-o", program)
	return []string{program}
}

func prepareCSharp(t *testing.T, _ string, skip func(string)) []string {
	if missing := stacktest.Missing("dotnet"); missing != "" {
		skip(missing)
	}
	// One file is run without a project since .NET 10.
	version := run(t, "dotnet", "--version")
	if major, _, _ := strings.Cut(version, "."); len(major) < 2 {
		skip("this is .NET " + strings.TrimSpace(version) + ", and one file is run since .NET 10")
	}
	return []string{"dotnet", "run", "csharp/Upload.cs", "--"}
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

// Every recipe uploads the same file to the local stack.
func TestRecipes(t *testing.T) {
	stacktest.EndToEnd(t)
	stacktest.Watch(t, ".")
	// The trigger would look at the object as well, and meet the faults.
	stack := stacktest.Start(t, stacktest.Options{NoTrigger: true})
	content := make([]byte, 1<<20)
	rand.Read(content)
	// Spaces and CJK, an apostrophe, and what curl takes for a pattern.
	file := filepath.Join(t.TempDir(), "年度报告 it's 100% [final].pdf")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".empty", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := check{stack: stack, names: map[string]bool{}}
	table := stacktest.NewTable(t, "recipes that uploaded a file to the local stack:")
	for _, r := range recipes {
		table.Run(t, r.name, func(t *testing.T, skip func(string)) {
			command := r.prepare(t, t.TempDir(), skip)
			t.Run("uploads a file and prints the receipt", func(t *testing.T) {
				c.uploads(t, command, file, content)
			})
			t.Run("uploads an empty file", func(t *testing.T) {
				c.uploads(t, command, file+".empty", nil)
			})
			t.Run("asks /confirm after a 203", func(t *testing.T) {
				stack.Fail(t, "callback", "*", "500")
				c.uploads(t, command, file, content)
			})
			t.Run("asks /confirm until it has the receipt", func(t *testing.T) {
				// The callback fails, and so do both tries of the first /confirm to
				// look at the object.
				stack.Fail(t, "callback", "*", "500")
				stack.Fail(t, "oss", "HeadObject", "500")
				stack.Fail(t, "oss", "HeadObject", "500")
				c.uploads(t, command, file, content)
			})
			t.Run("says why it was refused a URL", func(t *testing.T) {
				c.fails(t, command, file, "wrong token", "401 unauthenticated")
			})
			t.Run("says why OSS refused the file", func(t *testing.T) {
				stack.Fail(t, "oss", c.operation(r.name), "503")
				c.fails(t, command, file, stack.Ready.CallerToken, "503 ServiceUnavailable")
			})
		})
	}
}

// check runs recipes and looks at what they did.
type check struct {
	stack *stacktest.Stack
	names map[string]bool // keys that were given out
}

// operation is the one of OSS by which a recipe uploads.
func (c check) operation(name string) string {
	if strings.HasPrefix(name, "WeChat") {
		return "PostObject"
	}
	return "PutObject"
}

func (c check) command(t *testing.T, command []string, file, token string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), command[0], append(command[1:len(command):len(command)], file)...)
	cmd.Env = append(os.Environ(),
		"OSSUPLOAD_ENDPOINT="+c.stack.Ready.Gateway, "OSSUPLOAD_TOKEN="+token,
		"LC_ALL=C.UTF-8", // Java cannot name the file in the C locale
		"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// uploads runs a recipe and expects one new object of this content, and one
// event of the printed id.
func (c check) uploads(t *testing.T, command []string, file string, content []byte) {
	t.Helper()
	defer func() {
		if left := c.stack.FaultsLeft(); left != 0 {
			t.Errorf("%d faults did not happen, want all", left)
		}
	}()
	var stdout, stderr bytes.Buffer
	cmd := c.command(t, command, file, c.stack.Ready.CallerToken)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	var receipt struct {
		Key, Filename, ContentType, EventID string
		Size                                int
	}
	if err := json.Unmarshal(stdout.Bytes(), &receipt); err != nil {
		t.Fatalf("it printed %q, want a receipt", stdout.Bytes())
	}
	if receipt.Filename != filepath.Base(file) || receipt.Size != len(content) || c.names[receipt.Key] {
		t.Errorf("the receipt is %+v, want %q of %d bytes under a new key", receipt, filepath.Base(file), len(content))
	}
	c.names[receipt.Key] = true
	if !bytes.Equal(c.stack.Object(t, receipt.Key), content) {
		t.Error("the object is not the file")
	}
	delivered := 0
	for _, e := range c.stack.Events(t) {
		if e.ID == receipt.EventID && e.Verified {
			delivered++
		}
	}
	if delivered != 1 {
		t.Errorf("%d events have the id of the receipt, want 1", delivered)
	}
}

// fails runs a recipe and expects that it fails and says why, without a word of
// what is secret.
func (c check) fails(t *testing.T, command []string, file, token, why string) {
	t.Helper()
	defer c.stack.FaultsLeft()
	out, err := c.command(t, command, file, token).CombinedOutput()
	if err == nil || !strings.Contains(string(out), why) {
		t.Errorf("it said %q, %v; want a failure that says %q", out, err, why)
	}
	for _, secret := range []string{c.stack.Ready.CallerToken, "x-oss-signature"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("it said %q, which has a secret", out)
		}
	}
}
