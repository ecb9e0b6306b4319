package scripts_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/template"
	"ossupload/shared/instance"
	"ossupload/shared/settings"
)

// load reads a function's settings and forgets them.
var load = map[string]func(settings.Lookup) error{
	"presign":  func(l settings.Lookup) error { _, err := settings.LoadPresign(l); return err },
	"callback": func(l settings.Lookup) error { _, err := settings.LoadCallback(l); return err },
	"complete": loadComplete,
	"repair":   loadComplete, // the same program
}

func loadComplete(l settings.Lookup) error { _, err := settings.LoadComplete(l); return err }

// Where the templates lie, seen from the top of the tree.
const (
	alone  = "s.yaml"
	domain = "scripts/deploy/domain.yaml"
)

func open(t *testing.T, path string) *template.Template {
	t.Helper()
	read, err := template.Open(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// notDeployed are settings that the templates leave out on purpose.
var notDeployed = map[string]string{
	"OSS_PATH_STYLE":  "OSS itself wants the bucket in the host name",
	"STS_CA_FILE":     "STS itself has a public certificate",
	"AUTH_ALLOW_NONE": "nobody should let everybody in by a typo in a file",
}

// deployment is an environment that satisfies both templates, and with a
// CALLBACK_URL every function.
func deployment() map[string]string {
	return map[string]string{
		"ACCOUNT_ID":           "1234567890123456", // for the templates alone
		"API_DOMAIN":           "api.example.com",
		"API_CERT_ID":          "12345678",
		"OSS_REGION":           "cn-shanghai",
		"OSS_BUCKET":           "photos",
		"UPLOAD_MAX_SIZE":      "104857600",
		"UPLOAD_CONTENT_TYPES": "image/*,video/mp4",
		"UPLOAD_TOKEN_SECRETS": "k1:Zm9yIHRva2VucyBvZiB0aGlzIHRlc3Qgb25seSwgMzJi",
		"RECEIPT_SECRET":       "for the receipts of this test only: 0123456789",
		"AUTH_MODE":            "jwt",
		"AUTH_JWT_SECRET":      "for the callers of this test only: 0123456789",
		"WEBHOOK_URL":          "https://app.example.com/uploads",
		"WEBHOOK_SECRETS":      "whsec_Zm9yIHRoZSBldmVudHMgb2YgdGhpcyB0ZXN0IG9ubHk=",
	}
}

// A setting that a function reads and a template does not name cannot be deployed;
// one that a template names and nothing reads deceives.
func TestDeploymentNamesWhatFunctionsRead(t *testing.T) {
	for _, path := range []string{alone, domain} {
		read := open(t, path)
		if got, want := slices.Sorted(slices.Values(read.Functions())), slices.Sorted(maps.Keys(load)); !slices.Equal(got, want) {
			t.Errorf("%s deploys %q, want %q", path, got, want)
		}
		for name, load := range load {
			named, asked := read.Variables(name), asked(t, name, load)
			for variable := range asked {
				if notDeployed[variable] == "" && !slices.Contains(named, variable) {
					t.Errorf("%s does not give %s the variable %s, which it reads", path, name, variable)
				}
			}
			for _, variable := range named {
				if !asked[variable] {
					t.Errorf("%s gives %s the variable %s, which it does not read", path, name, variable)
				}
			}
		}
	}
}

// asked are the variables that a function reads.
func asked(t *testing.T, name string, load func(settings.Lookup) error) map[string]bool {
	t.Helper()
	asked := map[string]bool{}
	// Some settings are read only beside others.
	for _, mode := range []string{"jwt", "header", "none"} {
		env := deployment()
		env["AUTH_MODE"] = mode
		env["AUTH_HEADER"] = "X-User"
		env["AUTH_HEADER_SECRET"] = "for-the-gateway-of-this-test-only-0123456789"
		env["AUTH_ALLOW_NONE"] = "true"
		env["CALLBACK_URL"] = "https://api.example.com/callback"
		env["GOMAXPROCS"] = "1"
		lookup := func(variable string) (string, bool) {
			asked[variable] = true
			v, ok := env[variable]
			return v, ok
		}
		instance.Fit(lookup) // as each main begins
		if err := load(lookup); err != nil {
			t.Fatalf("%s with AUTH_MODE=%s: %v", name, mode, err)
		}
	}
	return asked
}

// TestDeploymentStarts gives each function what the templates make of a user's
// environment. That Serverless Devs reads them so is TestDeploymentRenders' to say.
func TestDeploymentStarts(t *testing.T) {
	for path, want := range map[string]map[string]string{
		alone: {
			"UPLOAD_PREFIX": "uploads/", "AUTH_AUDIENCE": "ossupload", "OSS_INTERNAL_ENDPOINT": "oss-cn-shanghai-internal.aliyuncs.com",
			"CALLBACK_URL": "https://ossupload-callback.invalid/callback",
		},
		domain: {"UPLOAD_PREFIX": "uploads/", "CALLBACK_URL": "https://api.example.com/callback"},
	} {
		read := open(t, path)
		for name, load := range load {
			given, err := read.Environment(name, lookup(deployment()))
			if err != nil {
				t.Fatal(err)
			}
			if err := load(lookup(given)); err != nil {
				t.Errorf("%s: %s does not start: %v", path, name, err)
			}
		}
		given, err := read.Environment("repair", lookup(deployment()))
		if err != nil {
			t.Fatal(err)
		}
		for variable, want := range want {
			if got := given[variable]; got != want {
				t.Errorf("%s: %s of repair = %q, want %q", path, variable, got, want)
			}
		}
	}
}

// The local stack stops a function when Function Compute would.
func TestStackHasTimeoutsOfTheDeployment(t *testing.T) {
	timeouts := regexp.MustCompile(`(?m)^  ([a-z]+):$|^      timeout: (\d+)$`)
	function, seen := "", 0
	for _, m := range timeouts.FindAllStringSubmatch(read(t, "../s.yaml"), -1) {
		if m[1] != "" {
			function = m[1]
			continue
		}
		seen++
		if got := fmt.Sprint(int(stack.Timeout(function) / time.Second)); got != m[2] {
			t.Errorf("the stack gives %s %s s, s.yaml %s s", function, got, m[2])
		}
	}
	if seen != len(load) {
		t.Errorf("s.yaml has %d timeouts, want %d", seen, len(load))
	}
}

// props are those of the component fc3 that the templates use. The component accepts
// misspelt names in silence, so the tests must not.
type props struct {
	Region               string            `json:"region"`
	FunctionName         string            `json:"functionName"`
	Description          string            `json:"description"`
	Runtime              string            `json:"runtime"`
	Handler              string            `json:"handler"`
	Code                 string            `json:"code"`
	MemorySize           int               `json:"memorySize"`
	CPU                  float64           `json:"cpu"`
	DiskSize             int               `json:"diskSize"`
	Timeout              int               `json:"timeout"`
	Concurrency          concurrency       `json:"concurrencyConfig"`
	Async                async             `json:"asyncInvokeConfig"`
	Role                 string            `json:"role"`
	EnvironmentVariables map[string]string `json:"environmentVariables"`
	LogConfig            string            `json:"logConfig"`
	Triggers             []trigger         `json:"triggers"`
}

type concurrency struct {
	Reserved int `json:"reservedConcurrency"`
}

// async is how FC's queue of asynchronous events treats a function.
type async struct {
	Retries int `json:"maxAsyncRetryAttempts"`
	Age     int `json:"maxAsyncEventAgeInSeconds"`
}

type trigger struct {
	Name           string `json:"triggerName"`
	Type           string `json:"triggerType"`
	SourceARN      string `json:"sourceArn"`
	InvocationRole string `json:"invocationRole"`

	Config struct {
		AuthType       string   `json:"authType"`
		Methods        []string `json:"methods"`
		Closed         bool     `json:"disableURLInternet"`
		CronExpression string   `json:"cronExpression"`
		Enable         bool     `json:"enable"`
		Payload        string   `json:"payload"`
		Events         []string `json:"events"`
		Filter         filter   `json:"filter"`
	} `json:"triggerConfig"`
}

type filter struct {
	Key struct {
		Prefix string `json:"prefix"`
		Suffix string `json:"suffix"`
	} `json:"key"`
}

func timerTrigger(name, every, payload string) trigger {
	t := trigger{Name: name, Type: "timer"}
	t.Config.CronExpression, t.Config.Enable, t.Config.Payload = "@every "+every, true, payload
	return t
}

// triggers are those of a function, by a template.
func triggers(path, name string) []trigger {
	if name == "repair" {
		stored := trigger{
			Name: "stored", Type: "oss", SourceARN: "acs:oss:cn-shanghai:1234567890123456:photos",
			InvocationRole: "acs:ram::1234567890123456:role/ossupload-trigger",
		}
		stored.Config.Events = []string{"oss:ObjectCreated:PutObject", "oss:ObjectCreated:PostObject", "oss:ObjectCreated:CompleteMultipartUpload"}
		stored.Config.Filter.Key.Prefix = "uploads/"
		return []trigger{timerTrigger("deliver", "1m", `{"do":"deliver"}`), timerTrigger("sweep", "15m", `{"do":"sweep"}`), stored}
	}
	http := trigger{Name: "http", Type: "http"}
	http.Config.AuthType = "anonymous"
	http.Config.Closed = path == domain
	http.Config.Methods = map[string][]string{
		"presign":  {"GET", "POST", "OPTIONS"},
		"callback": {"POST"},
		"complete": {"GET", "POST", "DELETE", "OPTIONS"},
	}[name]
	return []trigger{http}
}

// TestDeploymentRenders lets Serverless Devs itself deploy, to a stand-in for its
// components.
func TestDeploymentRenders(t *testing.T) {
	s := newServerless(t)
	t.Run("a required variable is missing", func(t *testing.T) {
		for _, r := range open(t, domain).Reads() {
			if r.Name != "OSS_BUCKET" && r.Name != "API_DOMAIN" {
				continue // A start of the tool takes a second.
			}
			env := deployment()
			delete(env, r.Name)
			s.dotenv(t, env)
			if out, err := s.run(t, nil, "s", "preview", "-t", domain); err == nil || !strings.Contains(out, r.Name) {
				t.Errorf("s preview without %s: %v\n%s", r.Name, err, out)
			}
		}
	})
	s.dotenv(t, deployment())
	t.Run("a component fails", func(t *testing.T) {
		out, err := s.run(t, []string{"CICD_ENV=true", "OSSUPLOAD_FAIL=presign"}, "s", "deploy", "-y")
		if err == nil || !strings.Contains(out, "Forbidden") {
			t.Errorf("s deploy: %v\n%s", err, out)
		}
		s.keepsSecrets(t, out)
	})
	for path, order := range map[string][]string{
		alone:  {"callback", "complete", "repair", "presign"},
		domain: {"callback", "complete", "repair", "presign", "domain"},
	} {
		t.Run(path, func(t *testing.T) {
			os.Remove(s.record)
			os.RemoveAll(filepath.Join(s.tree, "dist"))
			out, err := s.run(t, []string{"CICD_ENV=true"}, "s", "deploy", "-y", "-t", path)
			if err != nil {
				t.Fatalf("s deploy: %v\n%s", err, out)
			}
			calls := s.calls(t)
			var resources []string
			for _, c := range calls {
				resources = append(resources, c.Resource)
			}
			if !slices.Equal(resources, order) {
				t.Errorf("deployed %q, want %q", resources, order)
			}
			s.keepsSecrets(t, out)
			for _, c := range calls {
				t.Run(c.Resource, func(t *testing.T) {
					conforms(t, c)
					if c.Component == "fc3-domain" {
						leads(t, c)
						return
					}
					p := c.props(t)
					isMade(t, path, c.Resource, p)
					isWired(t, path, c.Resource, p)
					s.starts(t, c, p)
				})
			}
		})
	}
}

// keepsSecrets fails if a secret was printed or is left in a log.
func (s *serverless) keepsSecrets(t *testing.T, printed string) {
	t.Helper()
	holds := func(where, text string) {
		for _, name := range []string{"UPLOAD_TOKEN_SECRETS", "RECEIPT_SECRET", "AUTH_JWT_SECRET", "WEBHOOK_SECRETS"} {
			if strings.Contains(text, deployment()[name]) {
				t.Errorf("%s holds %s", where, name)
			}
		}
	}
	holds("the output", printed)
	files := 0
	err := filepath.WalkDir(filepath.Join(s.home, ".s"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
			holds(path, read(t, path))
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("read %d files of Serverless Devs: %v", files, err)
	}
}

// conforms holds props against what their component publishes.
func conforms(t *testing.T, c call) {
	t.Helper()
	var published schema
	if err := json.Unmarshal([]byte(read(t, filepath.Join("testdata", c.Component, "schema.json"))), &published); err != nil {
		t.Fatal(err)
	}
	for _, fault := range judge(&published, c.Props) {
		t.Error(fault)
	}
}

// isMade holds a function against what it must be. Its environment is isWired's to
// judge.
func isMade(t *testing.T, path, name string, p props) {
	t.Helper()
	program := map[string]string{"presign": "presign", "callback": "callback", "complete": "complete", "repair": "complete"}[name]
	p.EnvironmentVariables, p.Description = nil, ""
	want := map[string]props{
		"presign":  {MemorySize: 128, CPU: 0.1, Timeout: 30, Concurrency: concurrency{40}},
		"callback": {MemorySize: 128, CPU: 0.1, Timeout: 4, Concurrency: concurrency{80}},
		"complete": {MemorySize: 256, CPU: 0.15, Timeout: 60, Concurrency: concurrency{40}},
		"repair":   {MemorySize: 256, CPU: 0.15, Timeout: 300, Concurrency: concurrency{10}, Async: async{Retries: 3, Age: 86400}},
	}[name]
	want.Region, want.FunctionName, want.Role, want.LogConfig = "cn-shanghai", "ossupload-"+name, "ossupload-"+name, "auto"
	want.Runtime, want.Handler, want.DiskSize, want.Triggers = "go1", "main", 512, triggers(path, name)
	want.Code = map[string]string{alone: "./dist/", domain: "../../dist/"}[path] + program
	if !reflect.DeepEqual(p, want) {
		t.Errorf("props = %+v, want %+v", p, want)
	}
	if p.Role != strings.ToLower(p.Role) {
		t.Errorf("role = %q: the component would lower-case it", p.Role)
	}
}

// isWired holds a function's environment against the template as it is read here,
// and against the addresses that the others got.
func isWired(t *testing.T, path, name string, p props) {
	t.Helper()
	env := p.EnvironmentVariables
	if want := slices.Sorted(slices.Values(open(t, path).Variables(name))); !slices.Equal(slices.Sorted(maps.Keys(env)), want) {
		t.Errorf("environmentVariables = %q, want %q", slices.Sorted(maps.Keys(env)), want)
	}
	callback, public := "https://ossupload-callback-abcdefghij.cn-shanghai.fcapp.run/callback", "https://ossupload-complete-abcdefghij.cn-shanghai.fcapp.run"
	if path == domain {
		callback, public = "https://api.example.com/callback", "https://api.example.com"
	} else if name == "callback" {
		callback = "https://self.invalid/callback"
	}
	if name != "presign" {
		public = ""
	}
	if env["CALLBACK_URL"] != callback || env["PUBLIC_URL"] != public {
		t.Errorf("CALLBACK_URL, PUBLIC_URL = %q, %q, want %q, %q", env["CALLBACK_URL"], env["PUBLIC_URL"], callback, public)
	}
}

// starts runs a function's package under the runtime protocol, with the
// environment that was deployed.
func (s *serverless) starts(t *testing.T, c call, p props) {
	t.Helper()
	code := filepath.Join(filepath.Dir(c.Template), p.Code)
	if filepath.Dir(code) != filepath.Join(s.tree, "dist") {
		t.Fatalf("code = %q, want a folder of dist", code)
	}
	files, err := os.ReadDir(code)
	if err != nil || len(files) != 1 || files[0].Name() != p.Handler {
		t.Fatalf("the package holds %v, %v, want %s alone", files, err, p.Handler)
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("packages are for linux/amd64")
	}
	var variables []string
	for name, value := range p.EnvironmentVariables {
		variables = append(variables, name+"="+value)
	}
	function, err := fc.Start(t.Context(), fc.FunctionConfig{
		Name: c.Resource, Binary: filepath.Join(code, p.Handler), Env: variables, Timeout: time.Duration(p.Timeout) * time.Second, MemoryMB: p.MemorySize,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := function.Stop(); err != nil {
			t.Error(err)
		}
	}()
	event := `{"version":"v1","rawPath":"/elsewhere","headers":{},"queryParameters":{},"requestContext":{"http":{"method":"POST","path":"/elsewhere"},"requestId":"1"}}`
	answer, err := function.Invoke(t.Context(), []byte(event))
	if err != nil || !strings.Contains(string(answer), `"statusCode":4`) {
		t.Errorf("a request = %s, %v, want a refusal", answer, err)
	}
}

// leads holds the domain's routes against those of the README: each reaches its
// function, and so does the preflight of a browser.
func leads(t *testing.T, c call) {
	t.Helper()
	var p struct {
		RouteConfig struct {
			Routes []struct {
				Path, FunctionName, Qualifier string
				Methods                       []string
			}
		}
	}
	if err := json.Unmarshal(c.Props, &p); err != nil {
		t.Fatal(err)
	}
	reached := func(method, path string) string {
		var functions []string
		for _, r := range p.RouteConfig.Routes {
			before, all := strings.CutSuffix(r.Path, "*")
			if (path == r.Path || all && strings.HasPrefix(path, before)) && slices.Contains(r.Methods, method) && r.Qualifier == "live" {
				functions = append(functions, r.FunctionName)
			}
		}
		return strings.Join(functions, " and ")
	}
	wants := func(method, path, function string) {
		t.Helper()
		if got := reached(method, path); got != "ossupload-"+function {
			t.Errorf("%s %s leads to %q, want %s", method, path, got, function)
		}
	}
	wants("POST", "/callback", "callback")
	if got := reached("POST", "/elsewhere"); got != "" {
		t.Errorf("/elsewhere leads to %s", got)
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z]+) (/[^`]*)` \\|").FindAllStringSubmatch(section(t, readme(t), "## Routes"), -1)
	for _, row := range rows {
		method, path, function := row[1], row[2], "presign"
		if strings.HasPrefix(path, "/s3/") || path == "/confirm" {
			function = "complete"
		}
		wants(method, path, function)
		wants("OPTIONS", path, function)
		if strings.HasPrefix(path, "/s3/") {
			wants(method, "/c/capability"+path, function)
			wants("OPTIONS", "/c/capability"+path, function)
		}
	}
	if len(rows) < 12 {
		t.Errorf("the README has %d routes, want all of them", len(rows))
	}
}
