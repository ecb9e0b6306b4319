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
	"slices"
	"strings"
	"testing"
)

const (
	self        = "ossupload"
	runtimeSDK  = "github.com/aliyun/fc-runtime-go-sdk"
	credentials = "github.com/aliyun/credentials-go"
	validator   = "github.com/go-playground/validator"
)

// allowedModules are the modules that may be linked into a function, each with
// the reason it earns its place in every cold start.
var allowedModules = map[string]string{
	runtimeSDK: "the runtime API of Function Compute",
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2":             "the functions' own calls to OSS",
	"golang.org/x/time":                                        "by the OSS SDK: rate limits",
	credentials:                                                "AssumeRole",
	"github.com/alibabacloud-go/debug":                         "by credentials-go",
	"github.com/alibabacloud-go/tea":                           "by credentials-go: requests",
	"github.com/json-iterator/go":                              "by tea",
	"github.com/modern-go/concurrent":                          "by json-iterator",
	"github.com/modern-go/reflect2":                            "by json-iterator",
	"golang.org/x/net":                                         "by tea: proxies",
	"gopkg.in/ini.v1":                                          "by credentials-go: profile files",
	"github.com/go-playground/validator/v10":                   "checking request bodies",
	"github.com/go-playground/locales":                         "by validator",
	"github.com/go-playground/universal-translator":            "by validator",
	"github.com/leodido/go-urn":                                "by validator",
	"github.com/gabriel-vasile/mimetype":                       "by validator",
	"golang.org/x/crypto":                                      "by validator: SHA-3",
	"golang.org/x/sys":                                         "by x/crypto: processor features",
	"golang.org/x/text":                                        "by validator: languages",
	"github.com/golang-jwt/jwt/v5":                             "callers' tokens and receipts",
	"github.com/google/uuid":                                   "time-ordered object keys",
	"github.com/standard-webhooks/standard-webhooks/libraries": "signing events",
	"golang.org/x/sync":                                        "one renewal or fetch for many requests",
}

// importsTesting are foreign packages that import "testing" in code that ships.
var importsTesting = map[string]string{
	"github.com/alibabacloud-go/tea/utils": "credentials-go's own requests need tea, which mixes test helpers in",
}

// linked is a package as go list prints it.
type linked struct {
	ImportPath string
	Dir        string
	Name       string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Module     *struct {
		Path string
		Main bool
	}
}

func (p linked) ours() bool { return p.Module != nil && p.Module.Main }

func list(t *testing.T, pattern string) []linked {
	t.Helper()
	watch(t, "../go.mod", "../functions", "../shared")
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Dir,Name,Standard,GoFiles,Imports,Module", pattern)
	cmd.Dir = ".."
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

// The callback function has five seconds, cold start included.
func TestCallbackStaysSmall(t *testing.T) {
	for _, p := range list(t, "./functions/callback") {
		if within(p.ImportPath, validator) || within(p.ImportPath, credentials) {
			t.Errorf("functions/callback depends on %s", p.ImportPath)
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
		if !p.Standard && importsTesting[p.ImportPath] == "" && (within(imported, "testing") || imported == "net/http/httptest") {
			fault("imports %s into a deployed binary", imported)
		}
		if !p.ours() {
			continue
		}
		if within(imported, runtimeSDK) && !(p.Name == "main" && within(p.ImportPath, self+"/functions")) {
			fault("imports %s: only the functions' main.go may", imported)
		}
		if within(imported, credentials) && p.ImportPath != self+"/shared/assumerole" {
			fault("imports %s: only shared/assumerole may", imported)
		}
		first, _, _ := strings.Cut(imported, "/")
		if p.ImportPath == self+"/shared/signing" && (first == self || strings.Contains(first, ".")) {
			fault("imports %s: only the standard library may be used", imported)
		}
	}
	return found
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

// A rule that never fires protects nothing.
func TestImportRulesFire(t *testing.T) {
	pkg := func(path, name, module string, imports ...string) linked {
		p := linked{ImportPath: path, Name: name, Imports: imports}
		p.Module = &struct {
			Path string
			Main bool
		}{module, module == self}
		return p
	}
	tests := []struct {
		name string
		p    linked
		want int
	}{
		{"a function imports the runtime", pkg("ossupload/functions/callback", "main", self, runtimeSDK+"/fc", "ossupload/shared/fchttp"), 0},
		{"assumerole imports credentials-go", pkg("ossupload/shared/assumerole", "assumerole", self, credentials+"/credentials"), 0},
		{"an allowed module", pkg("github.com/google/uuid", "uuid", "github.com/google/uuid", "crypto/rand"), 0},
		{"signing imports the standard library", pkg("ossupload/shared/signing", "signing", self, "crypto/hmac", "net/url"), 0},
		{"a name that only begins alike", pkg("ossupload/shared/scripts2", "x", self, credentials+"2"), 0},

		{"a shared package imports the runtime", pkg("ossupload/shared/fchttp", "fchttp", self, runtimeSDK+"/events"), 1},
		{"a shared package imports credentials-go", pkg("ossupload/shared/rolecreds", "rolecreds", self, credentials+"/credentials"), 1},
		{"a function imports credentials-go", pkg("ossupload/functions/presign", "main", self, credentials+"/credentials"), 1},
		{"signing imports a sibling", pkg("ossupload/shared/signing", "signing", self, "ossupload/shared/grant"), 1},
		{"signing imports a module", pkg("ossupload/shared/signing", "signing", self, "golang.org/x/sync/singleflight"), 1},
		{"a shared package imports testing", pkg("ossupload/shared/grant", "grant", self, "testing"), 1},
		{"a module imports httptest", pkg("github.com/google/uuid", "uuid", "github.com/google/uuid", "net/http/httptest"), 1},
		{"scripts are linked", pkg("ossupload/scripts/local/internal/oss", "oss", self), 1},
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
