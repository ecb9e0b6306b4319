package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func TestParse(t *testing.T) {
	r, err := parse([]string{"-out", "d", "-targets", "linux/arm64,windows/amd64", "v1.2.3-rc.1"})
	if err != nil || r.version != "v1.2.3-rc.1" || r.out != "d" || !slices.Equal(r.targets, []target{{"linux", "arm64"}, {"windows", "amd64"}}) {
		t.Errorf("parse() = %+v, %v", r, err)
	}
	if r, err := parse([]string{"v0.0.1"}); err != nil || len(r.targets) != 6 {
		t.Errorf("parse() = %+v, %v, want all six systems", r, err)
	}
	for _, args := range [][]string{{}, {"1.2.3"}, {"v1.2"}, {"v01.2.3"}, {"v1.2.3+meta"}, {"v1.2.3", "v1.2.4"}, {"v1.2.3 -X main.x=y"}, {"-targets", "plan9/amd64", "v1.2.3"}, {"-x"}} {
		if _, err := parse(args); !errors.Is(err, errUsage) {
			t.Errorf("parse(%q) = %v, want %v", args, err, errUsage)
		}
	}
}

func TestOnlyAReleaseIsReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "release")
	photo := filepath.Join(dir, "photo.jpg")
	for _, step := range []error{emptyFolder(dir), os.WriteFile(photo, nil, 0o600)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := emptyFolder(dir); !errors.Is(err, errUsage) {
		t.Errorf("emptyFolder() of somebody's files = %v, want %v", err, errUsage)
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := emptyFolder(dir); err != nil {
		t.Errorf("emptyFolder() of a release = %v", err)
	}
	if _, err := os.Stat(photo); err == nil {
		t.Error("what was there is still there")
	}
}

// build builds a release for this machine alone, in a folder of its own.
func build(t *testing.T) (dir string, sums map[string]string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "release")
	var said bytes.Buffer
	args := []string{"-out", dir, "-targets", runtime.GOOS + "/" + runtime.GOARCH, "v1.2.3"}
	if err := run(t.Context(), args, nil, &said, io.Discard); err != nil {
		t.Fatalf("run(%q) = %v", args, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	sums = map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if got, err := sumOf(filepath.Join(dir, name)); !ok || err != nil || got != sum {
			t.Errorf("%s has the sum %s, %v, and the file says %q", name, got, err, lines.Text())
		}
		if !strings.Contains(said.String(), name+"\n") {
			t.Errorf("run() does not tell of %s:\n%s", name, &said)
		}
		sums[name] = sum
	}
	return dir, sums
}

func TestRelease(t *testing.T) {
	stacktest.EndToEnd(t)
	system := target{runtime.GOOS, runtime.GOARCH}
	if !slices.Contains(allTargets, system) || system.os == "windows" {
		t.Skipf("releases are not built on %v", system)
	}
	stacktest.Binaries(t) // so that a change of the sources runs this test again
	dir, sums := build(t)
	suffix := "_v1.2.3_" + system.os + "_" + system.arch + ".tar.gz"
	for _, name := range []string{"ossupload-presign_v1.2.3.zip", "ossupload-callback_v1.2.3.zip", "ossupload-complete_v1.2.3.zip",
		"ossupload-upload" + suffix, "ossupload-local" + suffix, "ossupload_v1.2.3.cdx.json"} {
		if sums[name] == "" {
			t.Errorf("there is no sum of %s", name)
		}
	}

	t.Run("another build has the same bytes", func(t *testing.T) {
		_, again := build(t)
		for name, sum := range sums {
			if again[name] != sum {
				t.Errorf("%s is another file", name)
			}
		}
	})
	t.Run("a function's package is its program", func(t *testing.T) { checkPackage(t, filepath.Join(dir, "ossupload-callback_v1.2.3.zip")) })
	t.Run("the bill names what is in it", func(t *testing.T) { checkBill(t, filepath.Join(dir, "ossupload_v1.2.3.cdx.json")) })
	t.Run("the programs run with nothing around them", func(t *testing.T) {
		where := t.TempDir()
		unpack(t, filepath.Join(dir, "ossupload-upload"+suffix), where)
		unpack(t, filepath.Join(dir, "ossupload-local"+suffix), where)
		for program, args := range map[string][]string{"ossupload-upload": {"-version"}, "ossupload-local": {"-version"}} {
			if out := alone(t, where, program, args...); !strings.Contains(out, " v1.2.3 go1.") {
				t.Errorf("%s %q prints %q", program, args, out)
			}
		}
		if out := alone(t, where, "ossupload-local", "-once"); !strings.Contains(out, "all uploads stored and announced") {
			t.Errorf("the local stack prints\n%s", out)
		}
	})
}

// alone runs a program where there is no Go, no source and no environment.
func alone(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, program), args...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q = %v\n%s", program, args, err, out)
	}
	return string(out)
}

func unpack(t *testing.T, archive, into string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(g); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(archived) || header.Uid != 0 || header.Uname != "" {
			t.Errorf("%s of %v belongs to %d %q, want nothing of this machine", header.Name, header.ModTime, header.Uid, header.Uname)
		}
		path := filepath.Join(into, header.Name)
		content, err := io.ReadAll(r)
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, header.FileInfo().Mode()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func checkPackage(t *testing.T, path string) {
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if len(z.File) != 1 || z.File[0].Name != "main" || z.File[0].Mode() != 0o755 || !z.File[0].Modified.Equal(archived) {
		t.Errorf("it has %+v, want main alone, to be executed", z.File)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	magic := make([]byte, 20)
	if _, err := io.ReadFull(f, magic); err != nil || string(magic[:4]) != "\x7fELF" || magic[18] != 0x3e {
		t.Errorf("main begins with %x, %v, want a program for Linux on x86-64", magic, err)
	}
}

func checkBill(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.Format != "CycloneDX" || d.SpecVersion != "1.6" || d.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("it is %+v", d.Metadata)
	}
	depends, known := map[string][]string{}, map[string]bool{"ossupload": true}
	for _, dep := range d.Dependencies {
		depends[dep.Ref] = dep.DependsOn
	}
	for _, c := range d.Components {
		if known[c.Ref] {
			t.Errorf("%s is there twice", c.Ref)
		}
		known[c.Ref] = true
		if c.Type == "application" && (len(c.Hashes) != 1 || len(depends[c.Ref]) == 0) {
			t.Errorf("%s has the hashes %v and depends on %v", c.Ref, c.Hashes, depends[c.Ref])
		}
	}
	for ref, needs := range depends {
		for _, need := range append(needs, ref) {
			if !known[need] {
				t.Errorf("%s depends on %s, which is not there", ref, need)
			}
		}
	}
	has := func(program, purl string) bool {
		return slices.ContainsFunc(depends["program:"+program], func(ref string) bool { return strings.HasPrefix(ref, purl) })
	}
	if !has("ossupload-presign", "pkg:golang/std@1.") || !has("ossupload-presign", "pkg:golang/github.com/aliyun/fc-runtime-go-sdk@v0.3.1") {
		t.Errorf("presign depends on %v", depends["program:ossupload-presign"])
	}
	if has("ossupload-callback", "pkg:golang/github.com/aliyun/credentials-go") {
		t.Error("callback is said to have what it does not link")
	}
}

func TestPackageURL(t *testing.T) {
	for m, want := range map[module]string{
		{"std", "1.26.0"}: "pkg:golang/std@1.26.0",
		{"github.com/Masterminds/semver/v3", "v3.0.0"}: "pkg:golang/github.com/masterminds/semver/v3@v3.0.0",
		{"gopkg.in/ini.v1", "v1.2.3+incompatible"}:     "pkg:golang/gopkg.in/ini.v1@v1.2.3%2Bincompatible",
	} {
		if got := m.purl(); got != want {
			t.Errorf("purl() = %q, want %q", got, want)
		}
	}
}

func TestBrowserClientIsPackedUnderTheReleasesVersion(t *testing.T) {
	stacktest.EndToEnd(t)
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skipf("npm is not installed: %v", err)
	}
	source := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pack := func() (string, error) {
		r := &release{version: "v1.2.3-rc.1", out: t.TempDir(), scratch: t.TempDir(), log: io.Discard}
		err := r.packNPM(context.WithoutCancel(t.Context()), source)
		found, _ := filepath.Glob(filepath.Join(r.out, "*"))
		return strings.Join(found, " "), err
	}
	if found, err := pack(); err != nil || found != "" {
		t.Errorf("without a manifest there is %q, %v, want nothing", found, err)
	}
	write("package.json", `{"name": "x"}`)
	if _, err := pack(); err == nil {
		t.Error("a manifest without a version is packed")
	}
	manifest := "{\n  \"name\": \"x\",\n  \"version\": \"0.0.0\",\n  \"files\": [\"x.js\"]\n}\n"
	write("package.json", manifest)
	write("x.js", "export {};\n")
	first, err := pack()
	if err != nil || filepath.Base(first) != "x-1.2.3-rc.1.tgz" {
		t.Fatalf("packed %q, %v", first, err)
	}
	second, err := pack()
	if err != nil {
		t.Fatal(err)
	}
	a, errA := sumOf(first)
	b, errB := sumOf(second)
	if a != b || errA != nil || errB != nil {
		t.Errorf("packed again it is another file: %v %v", errA, errB)
	}
	if text, err := os.ReadFile(filepath.Join(source, "package.json")); err != nil || string(text) != manifest {
		t.Errorf("the manifest in the tree became %q, %v", text, err)
	}
}
