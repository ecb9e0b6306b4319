package scripts_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/settings"
)

// load reads a function's settings and forgets them.
var load = map[string]func(settings.Lookup) error{
	"presign":  func(l settings.Lookup) error { _, err := settings.LoadPresign(l); return err },
	"callback": func(l settings.Lookup) error { _, err := settings.LoadCallback(l); return err },
	"complete": func(l settings.Lookup) error { _, err := settings.LoadComplete(l); return err },
}

// notDeployed are settings that s.yaml leaves out on purpose.
var notDeployed = map[string]string{
	"OSS_PATH_STYLE":  "OSS itself wants the bucket in the host name",
	"STS_CA_FILE":     "STS itself has a public certificate",
	"AUTH_ALLOW_NONE": "nobody should let everybody in by a typo in a file",
}

// deployment is an environment that satisfies every function.
func deployment() map[string]string {
	return map[string]string{
		"OSS_REGION":           "cn-shanghai",
		"OSS_BUCKET":           "photos",
		"UPLOAD_MAX_SIZE":      "104857600",
		"UPLOAD_CONTENT_TYPES": "image/*,video/mp4",
		"UPLOAD_TOKEN_SECRETS": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
		"RECEIPT_SECRET":       "for the receipts of this test only: 0123456789",
		"CALLBACK_URL":         "https://api.example.com/callback",
		"AUTH_MODE":            "jwt",
		"AUTH_JWT_SECRET":      "for the callers of this test only: 0123456789",
		"WEBHOOK_URL":          "https://app.example.com/uploads",
		"WEBHOOK_SECRETS":      "whsec_Zm9yIHRoZSBldmVudHMgb2YgdGhpcyB0ZXN0IG9ubHk=",
	}
}

// A setting that a function reads and s.yaml does not name cannot be deployed;
// one that s.yaml names and nothing reads deceives.
func TestDeploymentNamesWhatFunctionsRead(t *testing.T) {
	named := environmentsIn(t, "../s.yaml")
	for name, load := range load {
		read := map[string]bool{}
		// Some settings are read only beside others.
		for _, mode := range []string{"jwt", "header", "none"} {
			env := deployment()
			env["AUTH_MODE"] = mode
			env["AUTH_HEADER"] = "X-User"
			env["AUTH_HEADER_SECRET"] = "for-the-gateway-of-this-test-only-0123456789"
			env["AUTH_ALLOW_NONE"] = "true"
			err := load(func(variable string) (string, bool) {
				read[variable] = true
				v, ok := env[variable]
				return v, ok
			})
			if err != nil {
				t.Fatalf("%s with AUTH_MODE=%s: %v", name, mode, err)
			}
		}
		for variable := range read {
			if notDeployed[variable] == "" && !slices.Contains(named[name], variable) {
				t.Errorf("s.yaml does not give %s the variable %s, which it reads", name, variable)
			}
		}
		for _, variable := range named[name] {
			if !read[variable] {
				t.Errorf("s.yaml gives %s the variable %s, which it does not read", name, variable)
			}
		}
	}
}

var (
	resourceLine = regexp.MustCompile(`^  ([a-z]+):$`)
	variableLine = regexp.MustCompile(`^        ([A-Z][A-Z_]*): \$\{.*\}$`)
)

// environmentsIn returns the variables that a template gives each function. It
// relies on the template's own layout, so that the check above needs no tool;
// TestDeploymentRenders holds it against the tool's reading.
func environmentsIn(t *testing.T, path string) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string][]string{}
	resource := ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if m := resourceLine.FindStringSubmatch(line); m != nil {
			resource = m[1]
		} else if m := variableLine.FindStringSubmatch(line); m != nil {
			named[resource] = append(named[resource], m[1])
		}
	}
	for name := range load {
		if len(named[name]) == 0 {
			t.Fatalf("%s gives %s no variables", path, name)
		}
	}
	return named
}

// template is what Serverless Devs makes of s.yaml.
type template struct {
	Edition   string `json:"edition"`
	Resources map[string]struct {
		Component string `json:"component"`
		Props     props  `json:"props"`
	} `json:"resources"`
}

// props are those of the component fc3 that s.yaml uses. The component accepts
// misspelt names in silence, so the test must not.
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
	Role                 string            `json:"role"`
	EnvironmentVariables map[string]string `json:"environmentVariables"`
	LogConfig            string            `json:"logConfig"`
	Triggers             []trigger         `json:"triggers"`
}

type trigger struct {
	Name   string `json:"triggerName"`
	Type   string `json:"triggerType"`
	Config struct {
		AuthType       string   `json:"authType"`
		Methods        []string `json:"methods"`
		CronExpression string   `json:"cronExpression"`
		Enable         bool     `json:"enable"`
		Payload        string   `json:"payload"`
	} `json:"triggerConfig"`
}

// TestDeploymentRenders lets Serverless Devs itself read s.yaml, which needs
// neither an account nor a network, and starts nothing.
func TestDeploymentRenders(t *testing.T) {
	tool, err := exec.LookPath("s")
	if err != nil {
		t.Skip("Serverless Devs is not installed (npm install -g @serverless-devs/s): s.yaml is not rendered")
	}
	t.Run("a required variable is missing", func(t *testing.T) {
		env := deployment()
		delete(env, "OSS_BUCKET")
		if out, err := render(t, tool, env); err == nil {
			t.Errorf("s preview without OSS_BUCKET succeeded:\n%s", out)
		}
	})

	out, err := render(t, tool, deployment())
	if err != nil {
		t.Fatalf("s preview: %v\n%s", err, out)
	}
	var whole struct {
		Resources map[string]struct {
			Props json.RawMessage `json:"props"`
		} `json:"resources"`
	}
	var got template
	if err := json.Unmarshal(out, &whole); err != nil {
		t.Fatalf("s preview printed no JSON: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.Edition != "3.0.0" || len(got.Resources) != len(load) {
		t.Errorf("s.yaml has edition %q and %d resources, want 3.0.0 and %d", got.Edition, len(got.Resources), len(load))
	}

	named := environmentsIn(t, "../s.yaml")
	methods := map[string][]string{
		"presign":  {"GET", "POST", "OPTIONS"},
		"callback": {"POST"},
		"complete": {"GET", "POST", "DELETE", "OPTIONS"},
	}
	timeout := map[string]int{"presign": 30, "callback": 4, "complete": 60}
	for name, load := range load {
		t.Run(name, func(t *testing.T) {
			strict := json.NewDecoder(strings.NewReader(string(whole.Resources[name].Props)))
			strict.DisallowUnknownFields()
			var p props
			if err := strict.Decode(&p); err != nil {
				t.Fatalf("reading props: %v", err)
			}
			if c := got.Resources[name].Component; c != "fc3" {
				t.Errorf("component = %q, want fc3", c)
			}

			env := p.EnvironmentVariables
			if err := load(func(variable string) (string, bool) { v, ok := env[variable]; return v, ok }); err != nil {
				t.Errorf("the rendered environment does not start the function: %v", err)
			}
			names := slices.Sorted(maps.Keys(env))
			if want := slices.Sorted(slices.Values(named[name])); !slices.Equal(names, want) {
				t.Errorf("environmentVariables = %q, want %q", names, want)
			}
			if p.Role != strings.ToLower(p.Role) {
				t.Errorf("role = %q: the component would lower-case it", p.Role)
			}

			p.EnvironmentVariables, p.Description = nil, ""
			want := props{
				Region: "cn-shanghai", FunctionName: "ossupload-" + name, Runtime: "go1", Handler: "main", Code: "./dist/" + name,
				MemorySize: 512, CPU: 0.35, DiskSize: 512, Timeout: timeout[name], Role: "ossupload-" + name,
				LogConfig: "auto", Triggers: []trigger{{Name: "http", Type: "http"}},
			}
			want.Triggers[0].Config.AuthType = "anonymous"
			want.Triggers[0].Config.Methods = methods[name]
			if name == "complete" {
				sweep := trigger{Name: "sweep", Type: "timer"}
				sweep.Config.CronExpression, sweep.Config.Enable, sweep.Config.Payload = "@every 15m", true, `{"delete":false}`
				want.Triggers = append(want.Triggers, sweep)
			}
			if !reflect.DeepEqual(p, want) {
				t.Errorf("props = %+v, want %+v", p, want)
			}
		})
	}
}

func render(t *testing.T, tool string, env map[string]string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool, "preview", "--silent", "--output-format", "json", "--template", "s.yaml")
	// Neither the caller's environment nor a .env of the tree may stand in for a
	// variable.
	raw, err := os.ReadFile("../s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cmd.Dir, "s.yaml"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd.Output()
}
