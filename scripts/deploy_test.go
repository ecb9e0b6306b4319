package scripts_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/template"
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
		err := load(func(variable string) (string, bool) {
			asked[variable] = true
			v, ok := env[variable]
			return v, ok
		})
		if err != nil {
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
					if c.Component == "fc3" {
						s.runs(t, path, c)
					}
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

// runs holds a function against what it must be, and starts its package under the
// runtime protocol with the environment that was deployed.
func (s *serverless) runs(t *testing.T, path string, c call) {
	p, name := c.props(t), c.Resource
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
	if env["CALLBACK_URL"] != callback || name == "presign" && env["PUBLIC_URL"] != public {
		t.Errorf("CALLBACK_URL, PUBLIC_URL = %q, %q, want %q, %q", env["CALLBACK_URL"], env["PUBLIC_URL"], callback, public)
	}
	got := props{
		FunctionName: p.FunctionName, Handler: p.Handler, MemorySize: p.MemorySize, CPU: p.CPU, Timeout: p.Timeout, Concurrency: p.Concurrency, Role: p.Role,
	}
	want := map[string]props{
		"presign":  {MemorySize: 128, CPU: 0.1, Timeout: 30, Concurrency: concurrency{40}},
		"callback": {MemorySize: 128, CPU: 0.1, Timeout: 4, Concurrency: concurrency{80}},
		"complete": {MemorySize: 256, CPU: 0.15, Timeout: 60, Concurrency: concurrency{40}},
		"repair":   {MemorySize: 256, CPU: 0.15, Timeout: 300, Concurrency: concurrency{10}},
	}[name]
	want.FunctionName, want.Role, want.Handler = "ossupload-"+name, "ossupload-"+name, "main"
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("props = %+v, want %+v", got, want)
	}

	program := map[string]string{"presign": "presign", "callback": "callback", "complete": "complete", "repair": "complete"}[name]
	code := filepath.Join(filepath.Dir(c.Template), p.Code)
	if want := filepath.Join(s.tree, "dist", program); code != want {
		t.Fatalf("code = %q, want %q", code, want)
	}
	files, err := os.ReadDir(code)
	if err != nil || len(files) != 1 || files[0].Name() != p.Handler {
		t.Fatalf("the package holds %v, %v, want %s alone", files, err, p.Handler)
	}
	var variables []string
	for name, value := range env {
		variables = append(variables, name+"="+value)
	}
	function, err := fc.Start(t.Context(), fc.FunctionConfig{
		Name: name, Binary: filepath.Join(code, p.Handler), Env: variables, Timeout: time.Duration(p.Timeout) * time.Second, MemoryMB: p.MemorySize,
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

// A template that is wrong does not conform.
func TestSchemaIsHeld(t *testing.T) {
	const right = `{"region":"cn-shanghai","functionName":"f","runtime":"go1","handler":"main","code":"./dist","cpu":0.1,"memorySize":128,"diskSize":512,
		"timeout":4,"concurrencyConfig":{"reservedConcurrency":1},"asyncInvokeConfig":{"maxAsyncRetryAttempts":3},"logConfig":"auto",
		"environmentVariables":{"A":"b"},"triggers":[
		{"triggerName":"h","triggerType":"http","triggerConfig":{"authType":"anonymous","methods":["GET"],"disableURLInternet":true}},
		{"triggerName":"t","triggerType":"timer","triggerConfig":{"cronExpression":"@every 1m","enable":true,"payload":"{}"}},
		{"triggerName":"o","triggerType":"oss","sourceArn":"a","invocationRole":"r","triggerConfig":{"events":["oss:ObjectCreated:PutObject"],"filter":{"key":{"prefix":"p","suffix":""}}}}]}`
	const route = `{"region":"cn-shanghai","domainName":"d","protocol":"HTTPS","certConfig":{"certId":"1"},"routeConfig":{"routes":[{"path":"/a","functionName":"f","methods":["GET"],"qualifier":"live"}]}}`
	for _, tt := range []struct{ component, props, from, to, want string }{
		{"fc3", right, "", "", ""},
		{"fc3", right, `"memorySize"`, `"memorysize"`, "memorysize is not known"},
		{"fc3", right, `"handler":"main",`, ``, "lacks handler"},
		{"fc3", right, `"timeout":4`, `"timeout":"4"`, "timeout is of type string, want integer"},
		{"fc3", right, `"timeout":4`, `"timeout":4.5`, "timeout is 4.5"},
		{"fc3", right, `"memorySize":128`, `"memorySize":100`, "memorySize is 100"},
		{"fc3", right, `"cpu":0.1`, `"cpu":0.01`, "cpu is 0.01"},
		{"fc3", right, `"go1"`, `"go2"`, "runtime is go2"},
		{"fc3", right, `"cn-shanghai"`, `"shanghai"`, "region is shanghai"},
		{"fc3", right, `{"A":"b"}`, `{"A":1}`, "environmentVariables.A is of type number, want string"},
		{"fc3", right, `"auto"`, `"on"`, "logConfig is none of those"},
		{"fc3", right, `"reservedConcurrency"`, `"reserved"`, "concurrencyConfig lacks reservedConcurrency"},
		{"fc3", right, `"maxAsyncRetryAttempts":3`, `"maxAsyncRetryAttempts":9`, "maxAsyncRetryAttempts is 9"},
		{"fc3", right, `"methods":["GET"]`, `"methods":["GETS"]`, "triggers[0].triggerConfig.methods[0] is GETS"},
		{"fc3", right, `"disableURLInternet":true`, `"disableUrlInternet":true`, "triggers[0].triggerConfig.disableUrlInternet is not known"},
		{"fc3", right, `"disableURLInternet":true`, `"enable":true`, "triggers[0].triggerConfig.enable is not known"},
		{"fc3", right, `"disableURLInternet":true`, `"disableURLInternet":"true"`, "disableURLInternet is of type string, want boolean"},
		{"fc3", right, `"payload":"{}"`, `"methods":["GET"]`, "triggers[1].triggerConfig.methods is not known"},
		{"fc3", right, `"enable":true`, `"enabled":true`, "triggers[1].triggerConfig lacks enable"},
		{"fc3", right, `"prefix":"p",`, ``, "triggers[2].triggerConfig.filter.key lacks prefix"},
		{"fc3", right, `"oss:ObjectCreated:PutObject"`, `"oss:ObjectCreated:Put"`, "triggers[2].triggerConfig.events[0] is oss:ObjectCreated:Put"},
		{"fc3", right, `"triggerType":"oss"`, `"triggerType":"log"`, "triggers[2].triggerConfig of \"log\" is not known here"},
		{"fc3", right, `"sourceArn"`, `"sourceARN"`, "triggers[2].sourceARN is not known"},
		{"fc3-domain", route, "", "", ""},
		{"fc3-domain", route, `"certId"`, `"certID"`, "certConfig is none of those"},
		{"fc3-domain", route, `"qualifier"`, `"alias"`, "routes[0].alias is not known"},
		{"fc3-domain", route, `"path":"/a",`, ``, "routes[0] lacks path"},
	} {
		var published schema
		if err := json.Unmarshal([]byte(read(t, filepath.Join("testdata", tt.component, "schema.json"))), &published); err != nil {
			t.Fatal(err)
		}
		faults := strings.Join(judge(&published, []byte(strings.Replace(tt.props, tt.from, tt.to, 1))), "; ")
		if tt.want == "" && faults != "" || !strings.Contains(faults, tt.want) {
			t.Errorf("%s with %s for %s: %q, want %q", tt.component, tt.to, tt.from, faults, tt.want)
		}
	}
}
