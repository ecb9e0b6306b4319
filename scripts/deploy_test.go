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
	"complete": loadComplete,
	"repair":   loadComplete, // the same program
}

func loadComplete(l settings.Lookup) error { _, err := settings.LoadComplete(l); return err }

// notDeployed are settings that s.yaml leaves out on purpose.
var notDeployed = map[string]string{
	"OSS_PATH_STYLE":  "OSS itself wants the bucket in the host name",
	"STS_CA_FILE":     "STS itself has a public certificate",
	"AUTH_ALLOW_NONE": "nobody should let everybody in by a typo in a file",
}

// deployment is an environment that satisfies every function.
func deployment() map[string]string {
	return map[string]string{
		"ACCOUNT_ID":           "1234567890123456", // for the template alone
		"OSS_REGION":           "cn-shanghai",
		"OSS_BUCKET":           "photos",
		"UPLOAD_MAX_SIZE":      "104857600",
		"UPLOAD_CONTENT_TYPES": "image/*,video/mp4",
		"UPLOAD_TOKEN_SECRETS": "k1:Zm9yIHRva2VucyBvZiB0aGlzIHRlc3Qgb25seSwgMzJi",
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

// TestDeploymentStarts gives each function what s.yaml makes of a user's
// environment, by the two forms that the template has. That the tool reads it so
// is TestDeploymentRenders' to say.
func TestDeploymentStarts(t *testing.T) {
	user := deployment()
	raw, err := os.ReadFile("../s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]map[string]string{}
	resource := ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if m := resourceLine.FindStringSubmatch(line); m != nil {
			resource = m[1]
			given[resource] = map[string]string{}
		} else if m := variableLine.FindStringSubmatch(line); m != nil {
			given[resource][m[1]] = evaluate(t, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), m[1]+":")), user)
		}
	}
	for name, load := range load {
		if err := load(func(variable string) (string, bool) { v, ok := given[name][variable]; return v, ok }); err != nil {
			t.Errorf("%s does not start: %v", name, err)
		}
	}
	for variable, want := range map[string]string{"UPLOAD_PREFIX": "uploads/", "AUTH_AUDIENCE": "ossupload", "OSS_INTERNAL_ENDPOINT": "oss-cn-shanghai-internal.aliyuncs.com"} {
		if got := given["repair"][variable]; got != want {
			t.Errorf("%s of repair = %q, want %q", variable, got, want)
		}
	}
}

var environmentForm = regexp.MustCompile(`^\$\{env\('([A-Z_]+)'(?:, (.*))?\)\}$`)

// evaluate is what the template's ${vars.region}, ${env('NAME')} or
// ${env('NAME', 'default')} stands for.
func evaluate(t *testing.T, text string, env map[string]string) string {
	t.Helper()
	if text == "${vars.region}" {
		return env["OSS_REGION"]
	}
	m := environmentForm.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("s.yaml has %s, which is of no form that is known here", text)
	}
	value, ok := env[m[1]]
	if !ok && m[2] == "" {
		t.Fatalf("s.yaml requires %s, which deployment() lacks", m[1])
	}
	if ok {
		return value
	}
	// 'a' + vars.region + 'b'
	var def strings.Builder
	for item := range strings.SplitSeq(m[2], " + ") {
		if item == "vars.region" {
			item = env["OSS_REGION"]
		}
		def.WriteString(strings.Trim(item, "'"))
	}
	return def.String()
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
	Concurrency          concurrency       `json:"concurrencyConfig"`
	Role                 string            `json:"role"`
	EnvironmentVariables map[string]string `json:"environmentVariables"`
	LogConfig            string            `json:"logConfig"`
	Triggers             []trigger         `json:"triggers"`
}

type concurrency struct {
	Reserved int `json:"reservedConcurrency"`
}

type trigger struct {
	Name           string `json:"triggerName"`
	Type           string `json:"triggerType"`
	SourceARN      string `json:"sourceArn"`
	InvocationRole string `json:"invocationRole"`

	Config struct {
		AuthType       string   `json:"authType"`
		Methods        []string `json:"methods"`
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

// triggers are those of a function.
func triggers(name string) []trigger {
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
	http.Config.Methods = map[string][]string{
		"presign":  {"GET", "POST", "OPTIONS"},
		"callback": {"POST"},
		"complete": {"GET", "POST", "DELETE", "OPTIONS"},
	}[name]
	return []trigger{http}
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
	timeout := map[string]int{"presign": 30, "callback": 4, "complete": 60, "repair": 60}
	reserved := map[string]int{"presign": 40, "callback": 80, "complete": 40, "repair": 10}
	program := map[string]string{"presign": "presign", "callback": "callback", "complete": "complete", "repair": "complete"}
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
				Region: "cn-shanghai", FunctionName: "ossupload-" + name, Runtime: "go1", Handler: "main", Code: "./dist/" + program[name],
				MemorySize: 512, CPU: 0.35, DiskSize: 512, Timeout: timeout[name], Concurrency: concurrency{reserved[name]},
				Role: "ossupload-" + name, LogConfig: "auto", Triggers: triggers(name),
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
