package receivers_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/stacktest"
)

// receiver is a program to be copied. prepare finds its runtime, puts into dir
// what it needs to run there, and returns its command; it calls skip where the
// machine lacks what that takes. In an argument of the command {port} stands
// for the port.
type receiver struct {
	name    string
	prepare func(t *testing.T, dir string, skip func(reason string)) (command []string)
	forgets bool // has no store that outlives it
}

var receivers = []receiver{
	{name: "Node, Express", prepare: prepareNode},
	{name: "Java, the verifier alone", prepare: prepareJava, forgets: true},
	{name: "Java, Spring Boot", prepare: prepareSpring},
	{name: "Python", prepare: preparePython},
	{name: "Go", prepare: prepareGo},
	{name: "PHP", prepare: preparePHP},
	{name: "Ruby", prepare: prepareRuby},
	{name: "C#", prepare: prepareCSharp},
}

func prepareNode(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("node", "npm"); missing != "" {
		skip(missing)
	}
	for _, file := range []string{"package.json", "package-lock.json", "server.mjs"} {
		copyFile(t, filepath.Join("node", file), filepath.Join(dir, file))
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund",
		"--fetch-retries=1", "--fetch-timeout=30000")
	if out, err := install.CombinedOutput(); err != nil {
		// A lock file that does not fit is a fault; a registry out of reach is not.
		if !slices.ContainsFunc([]string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENOTCACHED"}, func(code string) bool {
			return bytes.Contains(out, []byte(code))
		}) {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
		skip("npm cannot reach its registry")
	}
	return []string{"node", "server.mjs"}
}

func prepareJava(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("java", "javac"); missing != "" {
		skip(missing)
	}
	run(t, "javac", "--release", "17", "-Xlint:all", "-Werror", "-d", dir,
		"java/src/main/java/receiver/Verifier.java", "testdata/VerifierServer.java")
	return []string{"java", "-cp", dir, "VerifierServer"}
}

func prepareSpring(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("java", "mvn"); missing != "" {
		skip(missing)
	}
	for _, file := range []string{"pom.xml", "src/main/java/receiver/Receiver.java", "src/main/java/receiver/Verifier.java"} {
		copyFile(t, filepath.Join("java", file), filepath.Join(dir, file))
	}
	build := exec.CommandContext(t.Context(), "mvn", "--batch-mode", "--quiet", "--file", dir, "package")
	if out, err := build.CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("Could not transfer")) {
			skip("Maven cannot fetch Spring Boot")
		}
		t.Fatalf("mvn package: %v\n%s", err, out)
	}
	return []string{"java", "-jar", filepath.Join("target", "receiver-1.jar")}
}

func preparePython(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("python3"); missing != "" {
		skip(missing)
	}
	copyFile(t, "python/receiver.py", filepath.Join(dir, "receiver.py"))
	return []string{"python3", "receiver.py"}
}

func prepareGo(t *testing.T, dir string, _ func(string)) []string {
	program := filepath.Join(dir, "receiver.exe")
	run(t, "go", "build", "-buildvcs=false", "-o", program, "./go")
	return []string{program}
}

func preparePHP(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("php"); missing != "" {
		skip(missing)
	}
	if !slices.Contains(strings.Fields(run(t, "php", "-m")), "pdo_sqlite") {
		skip("PHP has no pdo_sqlite extension")
	}
	copyFile(t, "php/receiver.php", filepath.Join(dir, "www", "receiver.php"))
	return []string{"php", "-S", "127.0.0.1:{port}", "www/receiver.php"}
}

func prepareRuby(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("ruby"); missing != "" {
		skip(missing)
	}
	if exec.CommandContext(t.Context(), "ruby", "-rwebrick", "-rsqlite3", "-e", "").Run() != nil {
		skip("Ruby has not the gems webrick and sqlite3")
	}
	copyFile(t, "ruby/receiver.rb", filepath.Join(dir, "receiver.rb"))
	return []string{"ruby", "-w", "receiver.rb"}
}

func prepareCSharp(t *testing.T, dir string, skip func(string)) []string {
	if missing := stacktest.Missing("mcs", "mono"); missing != "" {
		skip(missing)
	}
	program := filepath.Join(dir, "receiver.exe")
	compile := []string{"mcs", "-langversion:latest", "-warn:4", "-warnaserror", "-out:" + program, "csharp/Receiver.cs"}
	for _, library := range []string{"System.Data", "Mono.Data.Sqlite", "System.Runtime.Serialization", "System.Xml", "System.Xml.Linq"} {
		compile = append(compile, "-r:"+library+".dll")
	}
	run(t, compile...)
	return []string{"mono", program}
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
