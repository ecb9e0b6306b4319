package scripts_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/stack"
)

const (
	self        = "ossupload"
	runtimeSDK  = "github.com/aliyun/fc-runtime-go-sdk"
	credentials = "github.com/aliyun/credentials-go"
	validator   = "github.com/go-playground/validator"
)

// allowedModules are the modules that may be linked into a function, each with
// the reason it earns its place in every cold start. An entry that nothing links
// fails as a module without an entry does; so with the lists below.
var allowedModules = map[string]string{
	runtimeSDK: "the runtime API of Function Compute",
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2":  "the functions' own calls to OSS",
	"golang.org/x/time":                             "by the OSS SDK: rate limits",
	credentials:                                     "AssumeRole",
	"github.com/alibabacloud-go/debug":              "by credentials-go",
	"gopkg.in/ini.v1":                               "by credentials-go: profile files",
	"github.com/go-playground/validator/v10":        "checking request bodies",
	"github.com/go-playground/locales":              "by validator",
	"github.com/go-playground/universal-translator": "by validator",
	"github.com/leodido/go-urn":                     "by validator",
	"github.com/gabriel-vasile/mimetype":            "by validator",
	"golang.org/x/crypto":                           "by validator: SHA-3",
	"golang.org/x/sys":                              "by x/crypto: processor features",
	"golang.org/x/text":                             "by validator: languages",
	"github.com/golang-jwt/jwt/v5":                  "callers' tokens",
	"golang.org/x/sync":                             "one renewal or fetch for many requests",
}

// importsTesting are foreign packages that import "testing" in code that ships,
// each with the reason it is put up with. Today there is none.
var importsTesting = map[string]string{}

// importers are the only packages of this module that may import a module.
var importers = map[string][]string{
	runtimeSDK:  {self + "/functions/presign", self + "/functions/callback", self + "/functions/complete"},
	credentials: {self + "/shared/assumerole"},
}

// standardOnly are the packages that import nothing but the standard library.
var standardOnly = []string{self + "/shared/signing"}

// linked is a package as go list prints it.
type linked struct {
	ImportPath string
	Dir        string
	Name       string
	Standard   bool
	GoFiles    []string
	Imports    []string

	TestImports, XTestImports []string

	Module *struct {
		Path string
		Main bool
	}
}

func (p linked) ours() bool { return p.Module != nil && p.Module.Main }

func list(t *testing.T, pattern string) []linked {
	t.Helper()
	watch(t, "../go.mod", "../functions", "../shared")
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", stack.BuildTags, "-json=ImportPath,Dir,Name,Standard,GoFiles,Imports,TestImports,XTestImports,Module", pattern)
	cmd.Dir = ".."
	// What is linked depends on the platform and on tags: on those of build.sh.
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", pattern, err, stderr.String())
	}
	var pkgs []linked
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p linked
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatalf("go list %s printed no packages", pattern)
	}
	return pkgs
}

// watch looks at files on which the outcome depends. "go test" repeats a cached
// pass unless a file changed that the test itself has looked at, and does not
// see what go list or another tool reads.
func watch(t *testing.T, roots ...string) {
	t.Helper()
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFunctionsImportOnlyWhatTheyMay(t *testing.T) {
	pkgs := list(t, "./functions/...")
	for _, name := range []string{"presign", "callback", "complete"} {
		if !slices.ContainsFunc(pkgs, func(p linked) bool { return p.ImportPath == self+"/functions/"+name && p.Name == "main" }) {
			t.Errorf("functions/%s is not a program", name)
		}
	}
	for _, rule := range stale(pkgs) {
		t.Error(rule)
	}
	for _, p := range pkgs {
		for _, fault := range faults(p) {
			t.Error(fault)
		}
		if strings.HasPrefix(p.ImportPath, self+"/functions/") {
			for _, file := range filesImporting(t, p, runtimeSDK) {
				if file != "main.go" {
					t.Errorf("%s/%s imports %s: only main.go starts the runtime", p.ImportPath, file, runtimeSDK)
				}
			}
		}
	}
}

// The functions and what they share know nothing of scripts, nor do their tests.
func TestNothingImportsScripts(t *testing.T) {
	for _, p := range slices.Concat(list(t, "./functions/..."), list(t, "./shared/...")) {
		if !p.ours() {
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if within(imported, self+"/scripts") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// A shared package says in its doc why it imports another: all but api, in whose
// form errors are answered.
func TestSharedPackagesSayWhatTheyImport(t *testing.T) {
	said := 0
	for _, p := range list(t, "./shared/...") {
		if !p.ours() {
			continue
		}
		var doc string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			doc += file.Doc.Text()
		}
		for _, imported := range p.Imports {
			name, ours := strings.CutPrefix(imported, self+"/shared/")
			if !ours || name == "api" {
				continue
			}
			if said++; !regexp.MustCompile(`\b` + name + `\b`).MatchString(doc) {
				t.Errorf("the doc of %s does not say why it imports %s", p.ImportPath, name)
			}
		}
	}
	if said == 0 {
		t.Error("no shared package imports another: this tests nothing")
	}
}

// The callback function has five seconds, cold start included.
func TestCallbackStaysSmall(t *testing.T) {
	for _, p := range list(t, "./functions/callback") {
		if within(p.ImportPath, validator) || within(p.ImportPath, credentials) {
			t.Errorf("functions/callback depends on %s", p.ImportPath)
		}
	}
}

// What is deployed is built as what is tested.
func TestBuildTags(t *testing.T) {
	script, err := os.ReadFile("build.sh")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\ntags=" + stack.BuildTags + "\n"; !strings.Contains(string(script), want) {
		t.Errorf("build.sh has no line %q", strings.TrimSpace(want))
	}
}

// A program that asks for a method by a name that the linker does not know keeps
// every exported method of every type in it: 2.3 MB of complete.
func TestNothingAsksForMethodsByName(t *testing.T) {
	watch(t, "../go.mod", "../functions", "../shared")
	for _, name := range stack.FunctionNames {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "-trimpath", "-buildvcs=false", "-tags", stack.BuildTags, "-ldflags=-dumpdep", "./functions/"+name)
		cmd.Dir = ".."
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
		// caller -> callee, and a mark behind what asks for a method.
		graph := string(out)
		if !strings.Contains(graph, " -> main.main\n") {
			t.Errorf("building %s printed no graph of calls", name)
		}
		for line := range strings.Lines(graph) {
			if caller, _, _ := strings.Cut(line, " -> "); strings.HasSuffix(caller, " <ReflectMethod>") {
				t.Errorf("%s: %s", name, caller)
				break
			}
		}
	}
}

// faults names the rules that one package of a function breaks.
func faults(p linked) []string {
	var found []string
	fault := func(format string, args ...any) {
		found = append(found, p.ImportPath+": "+fmt.Sprintf(format, args...))
	}

	if within(p.ImportPath, self+"/scripts") {
		fault("scripts must not be deployed")
	}
	if p.Module != nil && !p.Module.Main && allowedModules[p.Module.Path] == "" {
		fault("module %s is not allowed: state a reason in allowedModules", p.Module.Path)
	}
	for _, imported := range p.Imports {
		if !p.Standard && importsTesting[p.ImportPath] == "" && testHelper(imported) {
			fault("imports %s into a deployed binary", imported)
		}
		if !p.ours() {
			continue
		}
		for module, only := range importers {
			if within(imported, module) && !slices.Contains(only, p.ImportPath) {
				fault("imports %s: only %s may", imported, strings.Join(only, ", "))
			}
		}
		first, _, _ := strings.Cut(imported, "/")
		if slices.Contains(standardOnly, p.ImportPath) && (first == self || strings.Contains(first, ".")) {
			fault("imports %s: only the standard library may be used", imported)
		}
	}
	return found
}

// stale names the entries of the lists above that no linked package needs. What
// is allowed and not used would one day let something in unseen.
func stale(pkgs []linked) []string {
	var found []string
	linksAny := func(match func(linked) bool) bool { return slices.ContainsFunc(pkgs, match) }
	for module := range allowedModules {
		if !linksAny(func(p linked) bool { return p.Module != nil && p.Module.Path == module }) {
			found = append(found, "allowedModules: no function links "+module)
		}
	}
	for path := range importsTesting {
		if !linksAny(func(p linked) bool { return p.ImportPath == path && slices.ContainsFunc(p.Imports, testHelper) }) {
			found = append(found, "importsTesting: no function links a "+path+" that imports testing")
		}
	}
	for module, only := range importers {
		below := func(imported string) bool { return within(imported, module) }
		for _, path := range only {
			if !linksAny(func(p linked) bool { return p.ImportPath == path && slices.ContainsFunc(p.Imports, below) }) {
				found = append(found, "importers: "+path+" does not import "+module)
			}
		}
	}
	for _, path := range standardOnly {
		if !linksAny(func(p linked) bool { return p.ImportPath == path }) {
			found = append(found, "standardOnly: no function links "+path)
		}
	}
	slices.Sort(found)
	return found
}

// testHelper reports whether an import has no place in a deployed binary.
func testHelper(path string) bool {
	return within(path, "testing") || path == "net/http/httptest"
}

// within reports whether path is the package or module root, or lies below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// filesImporting returns the files of a package that import root or below.
func filesImporting(t *testing.T, p linked, root string) []string {
	t.Helper()
	var files []string
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if within(strings.Trim(spec.Path.Value, `"`), root) {
				files = append(files, name)
			}
		}
	}
	return files
}

// fakePackage is a package of the module that imports what is named.
func fakePackage(path, name, module string, imports ...string) linked {
	p := linked{ImportPath: path, Name: name, Imports: imports}
	p.Module = &struct {
		Path string
		Main bool
	}{module, module == self}
	return p
}

// A rule that never fires protects nothing.
func TestImportRulesFire(t *testing.T) {
	pkg := fakePackage
	tests := []struct {
		name string
		p    linked
		want int
	}{
		{"a function imports the runtime", pkg("ossupload/functions/callback", "main", self, runtimeSDK+"/fc", "ossupload/shared/fchttp"), 0},
		{"assumerole imports credentials-go", pkg("ossupload/shared/assumerole", "assumerole", self, credentials+"/credentials"), 0},
		{"an allowed module", pkg("golang.org/x/time/rate", "rate", "golang.org/x/time", "crypto/rand"), 0},
		{"signing imports the standard library", pkg("ossupload/shared/signing", "signing", self, "crypto/hmac", "net/url"), 0},
		{"a name that only begins alike", pkg("ossupload/shared/scripts2", "x", self, credentials+"2"), 0},

		{"a shared package imports the runtime", pkg("ossupload/shared/fchttp", "fchttp", self, runtimeSDK+"/events"), 1},
		{"a shared package imports credentials-go", pkg("ossupload/shared/rolecreds", "rolecreds", self, credentials+"/credentials"), 1},
		{"a function imports credentials-go", pkg("ossupload/functions/presign", "main", self, credentials+"/credentials"), 1},
		{"signing imports a sibling", pkg("ossupload/shared/signing", "signing", self, "ossupload/shared/grant"), 1},
		{"signing imports a module", pkg("ossupload/shared/signing", "signing", self, "golang.org/x/sync/singleflight"), 1},
		{"a shared package imports testing", pkg("ossupload/shared/grant", "grant", self, "testing"), 1},
		{"a module imports httptest", pkg("golang.org/x/time/rate", "rate", "golang.org/x/time", "net/http/httptest"), 1},
		{"scripts are linked", pkg("ossupload/scripts/internal/stack/oss", "oss", self), 1},
		{"a new module", pkg("example.com/new", "new", "example.com/new"), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := faults(tt.p); len(got) != tt.want {
				t.Errorf("faults = %q, want %d", got, tt.want)
			}
		})
	}
}

func TestStaleRulesFire(t *testing.T) {
	var whole []linked
	for module := range allowedModules {
		whole = append(whole, fakePackage(module, "x", module))
	}
	for path := range importsTesting {
		whole = append(whole, fakePackage(path, "x", path, "testing"))
	}
	for module, only := range importers {
		for _, path := range only {
			whole = append(whole, fakePackage(path, "x", self, module+"/x"))
		}
	}
	for _, path := range standardOnly {
		whole = append(whole, fakePackage(path, "x", self))
	}
	if got := stale(whole); len(got) != 0 {
		t.Fatalf("with all that is allowed in use: stale = %q, want none", got)
	}
	// Each package stands for one entry: without it that entry is stale.
	for i, p := range whole {
		if got := stale(slices.Delete(slices.Clone(whole), i, i+1)); len(got) != 1 {
			t.Errorf("without %s: stale = %q, want 1", p.ImportPath, got)
		}
	}
	idle := fakePackage(self+"/shared/assumerole", "assumerole", self, "context")
	others := slices.DeleteFunc(slices.Clone(whole), func(p linked) bool { return p.ImportPath == idle.ImportPath })
	if got := stale(append(others, idle)); len(got) != 1 {
		t.Errorf("with an assumerole that needs no %s: stale = %q, want 1", credentials, got)
	}
}
