// Package terraform_test holds the example against what the providers say of
// their resources, and what it makes against what the functions and the rest of
// the tree say. It evaluates the module with HashiCorp's parser; Terraform itself
// is not run.
package terraform_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"ossupload/scripts/internal/openapi"
	"ossupload/scripts/internal/roles"
	"ossupload/shared/instance"
	"ossupload/shared/settings"
)

// given are the variables of a deployment.
func given() map[string]cty.Value {
	text := func(of map[string]string) cty.Value {
		values := map[string]cty.Value{}
		for name, v := range of {
			values[name] = cty.StringVal(v)
		}
		return cty.MapVal(values)
	}
	return map[string]cty.Value{
		"region":      cty.StringVal("cn-shanghai"),
		"bucket":      cty.StringVal("photos"),
		"domain":      cty.StringVal("api.example.com"),
		"certificate": cty.StringVal("a certificate"),
		"private_key": cty.StringVal("its key"),
		"log_project": cty.StringVal("photos-log"),
		"origins":     cty.ListVal([]cty.Value{cty.StringVal("https://app.example.com")}),
		"settings": text(map[string]string{
			"UPLOAD_MAX_SIZE": "104857600", "UPLOAD_CONTENT_TYPES": "image/*,video/mp4", "AUTH_MODE": "jwt", "OSS_CNAME": "",
			"WEBHOOK_URL": "https://app.example.com/uploads", "CORS_ORIGINS": "https://app.example.com",
		}),
		"secrets": text(map[string]string{
			"UPLOAD_TOKEN_SECRETS": "k1:Zm9yIHRva2VucyBvZiB0aGlzIHRlc3Qgb25seSwgMzJi",
			"AUTH_JWT_SECRET":      "for the callers of this test only: 0123456789",
			"WEBHOOK_SECRETS":      "whsec_Zm9yIHRoZSBldmVudHMgb2YgdGhpcyB0ZXN0IG9ubHk=",
		}),
	}
}

// deployed is the module for those variables, with the policies that scripts/ram
// writes.
func deployed(t *testing.T) *module {
	t.Helper()
	m, err := open(copied(t, "", ""), given())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// copied is a folder with the module, where one text stands for another, and with
// the policies.
func copied(t *testing.T, was, is string) string {
	t.Helper()
	dir, found := t.TempDir(), false
	err := written(dir, func(text string) string {
		found = found || strings.Contains(text, was)
		return strings.Replace(text, was, is, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Fatalf("the module has no %q", was)
	}
	if err := os.Mkdir(filepath.Join(dir, "roles"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, r := range wanted(t) {
		for kind, policy := range map[string]roles.Policy{"policy": r.Permissions, "trust": r.Trust} {
			text, err := json.Marshal(policy)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "roles", r.Name+"."+kind+".json"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// wanted are the roles that services assume, and the one that signs.
func wanted(t *testing.T) []roles.Role {
	t.Helper()
	d := roles.Deployment{Account: account, Bucket: "photos", Prefix: "uploads/", LogProject: "photos-log"}
	d.UploadRole = d.ARN(roles.Upload)
	all, err := d.Roles()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(r roles.Role) bool { return r.Trust == nil })
}

func attribute(t *testing.T, m *module, kind, name, key, attribute string) cty.Value {
	t.Helper()
	instance, ok := m.instance(kind, name, key)
	if !ok {
		t.Fatalf("there is no %s.%s[%q]", kind, name, key)
	}
	return instance.GetAttr(attribute)
}

func textOf(t *testing.T, m *module, kind, name, key, of string) string {
	t.Helper()
	value := attribute(t, m, kind, name, key, of)
	if !value.IsKnown() || value.IsNull() {
		t.Fatalf("%s of %s.%s[%q] is not known", of, kind, name, key)
	}
	return value.AsString()
}

// The variables that the page prints are of the module, and none is missing beside
// the secrets.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("TERRAFORM.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```hcl\n")
	printed, _, _ := strings.Cut(rest, "```")
	file, faults := hclsyntax.ParseConfig([]byte(printed), "terraform.tfvars", hcl.InitialPos)
	if faults.HasErrors() {
		t.Fatal(faults)
	}
	attributes, faults := file.Body.JustAttributes()
	if faults.HasErrors() {
		t.Fatal(faults)
	}
	variables := given()
	for name := range variables {
		if a, ok := attributes[name]; ok {
			if variables[name], faults = a.Expr.Value(nil); faults.HasErrors() {
				t.Fatal(faults)
			}
		} else if !strings.Contains(string(text), "`TF_VAR_"+name+"`") {
			t.Errorf("the page does not give the variable %q", name)
		}
	}
	for name := range attributes {
		if _, ok := variables[name]; !ok {
			t.Errorf("the page gives the variable %q, which is none", name)
		}
	}
	m, err := open(copied(t, "", ""), variables)
	if err != nil {
		t.Fatal(err)
	}
	if unread := m.context.Variables["local"].GetAttr("unread"); unread.LengthInt() != 0 {
		t.Errorf("the page has the settings %v, which nothing reads", unread)
	}
}

// As "terraform fmt" writes it.
func TestFormat(t *testing.T) {
	paths, err := filepath.Glob("*.tf")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := hclwrite.Format(text); !bytes.Equal(text, want) {
			t.Errorf("%s is not formatted; it should be\n%s", path, want)
		}
	}
}

func TestFaultsAreFound(t *testing.T) {
	deployed(t) // it has none
	for fault, change := range map[string][2]string{
		"a misspelt argument":            {"memory_size ", "memory_sise "},
		"a misspelt block":               {"log_config {", "log_configs {"},
		"a misspelt argument of a block": {"oss_object_name", "oss_object"},
		"a block in the wrong place":     {"  route_config {\n    routes {", "  routes {\n    route_config {"},
		"a block out of its block":       {"    expiration {\n      days = 30\n    }\n  }", "    }\n    expiration {\n      days = 30\n    }"},
		"an argument for a block":        {"  code {", "  code = {"},
		"a block for an argument":        {"environment_variables = local.environment[each.value.program]", "environment_variables {}"},
		"an argument that is missing":    {"  qualifier     = \"LATEST\"\n  trigger_name  = \"http\"", "  trigger_name  = \"http\""},
		"a block that is missing":        {"cors_rule {\n    allowed_origins = var.origins\n    allowed_methods = [\"PUT\", \"POST\"]\n    allowed_headers = [\"*\"]\n    expose_header   = [\"ETag\"]\n    max_age_seconds = 7200\n  }\n", ""},
		"text for a number":              {"days = 8", "days = \"a week\""},
		"one for a list":                 {"allowed_methods = [\"PUT\", \"POST\"]", "allowed_methods = \"PUT\""},
		"an attribute that is computed":  {"runtime               = \"go1\"", "runtime = \"go1\"\nfunction_arn = \"a\""},
		"an argument that is deprecated": {"  project_name = var.log_project", "  name = var.log_project"},
		"an attribute that is none":      {"alicloud_ram_role.upload.role_name", "alicloud_ram_role.upload.role_nome"},
		"a resource that is none":        {"alicloud_fcv3_alias.live[\"presign\"].alias_name", "alicloud_fcv3_alias.dead[\"presign\"].alias_name"},
		"an instance that is none":       {"alicloud_fcv3_alias.live[\"presign\"].alias_name", "alicloud_fcv3_alias.live[\"repair\"].alias_name"},
		"a variable that is none":        {"var.log_project", "var.log_projects"},
		"a type that is none":            {"resource \"alicloud_fcv3_alias\"", "resource \"alicloud_fc_alias\""},
		"a lifecycle that is none":       {"prevent_destroy = true", "prevent_destruction = true"},
		"a policy that nobody wrote":     {"ossupload-${each.key}.trust.json", "${each.key}.trust.json"},
		"what refers to itself":          {"depends_on = [alicloud_ram_role.function]", "depends_on = [alicloud_fcv3_function.all]"},
		"a block that is not closed":     {"  code {", "  code {{"},
	} {
		t.Run(fault, func(t *testing.T) {
			if _, err := open(copied(t, change[0], change[1]), given()); err == nil {
				t.Error("it is not found")
			}
		})
	}
}

// load reads a program's settings and forgets them.
var load = map[string]func(settings.Lookup) error{
	"presign":  func(l settings.Lookup) error { _, err := settings.LoadPresign(l); return err },
	"callback": func(l settings.Lookup) error { _, err := settings.LoadCallback(l); return err },
	"complete": func(l settings.Lookup) error { _, err := settings.LoadComplete(l); return err },
}

// notDeployed are settings that the example leaves out on purpose.
var notDeployed = []string{"OSS_PATH_STYLE", "STS_CA_FILE", "AUTH_ALLOW_NONE"}

// environment is what a function is given.
func environment(t *testing.T, m *module, function string) map[string]string {
	t.Helper()
	env := map[string]string{}
	values, marks := attribute(t, m, "alicloud_fcv3_function", "all", function, "environment_variables").UnmarkDeep()
	if len(marks) == 0 {
		t.Errorf("Terraform would print the environment of %s, with its secrets", function)
	}
	for name, v := range values.AsValueMap() {
		env[name] = v.AsString()
	}
	return env
}

func TestFunctionsStart(t *testing.T) {
	m := deployed(t)
	for function, program := range map[string]string{"callback": "callback", "complete": "complete", "repair": "complete", "presign": "presign"} {
		env := environment(t, m, function)
		if err := load[program](func(name string) (string, bool) { v, ok := env[name]; return v, ok }); err != nil {
			t.Errorf("%s does not start: %v", function, err)
		}
		if got := env["CALLBACK_URL"]; got != "https://api.example.com/callback" {
			t.Errorf("CALLBACK_URL of %s = %q", function, got)
		}
		if got := env["UPLOAD_ROLE_ARN"]; function != "callback" && got != "acs:ram::1234567890123456:role/ossupload-upload" {
			t.Errorf("UPLOAD_ROLE_ARN of %s = %q", function, got)
		}
		if got := textOf(t, m, "alicloud_fcv3_function", "all", function, "function_name"); got != "ossupload-"+function {
			t.Errorf("function_name = %q", got)
		}
		if key := textOf(t, m, "data.archive_file", "package", program, "source_file"); !strings.HasSuffix(key, "/dist/"+program+"/main") {
			t.Errorf("%s is made of %q", function, key)
		}
	}
}

// A setting that a program reads and the example does not name cannot be deployed;
// one that it names and nothing reads deceives.
func TestReadsAreWhatProgramsRead(t *testing.T) {
	m := deployed(t)
	env := environment(t, m, "presign")
	for name, v := range environment(t, m, "complete") {
		env[name] = v
	}
	env["AUTH_HEADER"], env["AUTH_HEADER_SECRET"], env["AUTH_ALLOW_NONE"] = "X-User", "for-the-gateway-of-this-test-only-0123456789", "true"
	lists := m.context.Variables["local"].GetAttr("reads").AsValueMap()
	for program, load := range load {
		read := map[string]bool{}
		// Some settings are read only beside others.
		for _, env["AUTH_MODE"] = range []string{"jwt", "header", "none"} {
			lookup := func(name string) (string, bool) { read[name] = true; v, ok := env[name]; return v, ok }
			instance.Fit(lookup) // as each main begins
			if err := load(lookup); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range notDeployed {
			delete(read, name)
		}
		listed := texts(lists[program])
		slices.Sort(listed)
		if want := slices.Sorted(maps.Keys(read)); !slices.Equal(listed, want) {
			t.Errorf("%s is given %q, and reads %q", program, listed, want)
		}
	}
}

// The domain sends every route of the contract to its function.
func TestDomainHasEveryRoute(t *testing.T) {
	contract, err := openapi3.NewLoader().LoadFromData(openapi.Document)
	if err != nil {
		t.Fatal(err)
	}
	m := deployed(t)
	config := attribute(t, m, "alicloud_fcv3_custom_domain", "api", "", "route_config").AsValueSlice()[0]
	for path, item := range contract.Paths.Map() {
		for method, operation := range item.Operations() {
			function, methods := routed(config, path)
			if function != "ossupload-"+operation.Tags[0] || !slices.Contains(methods, method) {
				t.Errorf("%s %s goes to %q with %q", method, path, function, methods)
			}
			if operation.Tags[0] != "callback" && !slices.Contains(methods, "OPTIONS") {
				t.Errorf("OPTIONS %s does not reach its function", path)
			}
		}
		if len(item.Servers) > 1 {
			if function, _ := routed(config, "/c/v1.k1.x"+path); function != "ossupload-complete" {
				t.Errorf("%s of a session goes to %q", path, function)
			}
		}
	}
}

// The triggers take what the domain sends, and nothing from elsewhere.
func TestTriggersTakeWhatTheDomainSends(t *testing.T) {
	m := deployed(t)
	config := attribute(t, m, "alicloud_fcv3_custom_domain", "api", "", "route_config").AsValueSlice()[0]
	for _, path := range []string{"/callback", "/presign", "/download", "/sts", "/session", "/s3/params", "/c/v1.k1.x/s3/params", "/confirm"} {
		function, methods := routed(config, path)
		taken := triggered(t, m, strings.TrimPrefix(function, "ossupload-"))
		for _, method := range methods {
			if !slices.Contains(taken.Methods, method) {
				t.Errorf("the trigger of %s takes no %s", function, method)
			}
		}
		if taken.AuthType != "anonymous" || !taken.Closed {
			t.Errorf("the trigger of %s = %+v, want it anonymous and closed", function, taken)
		}
	}
}

// routed is where a domain sends a path: the longest route that fits.
func routed(config cty.Value, path string) (function string, methods []string) {
	longest := ""
	for _, route := range config.GetAttr("routes").AsValueSlice() {
		pattern := route.GetAttr("path").AsString()
		prefix, wild := strings.CutSuffix(pattern, "*")
		if fits := path == pattern || wild && strings.HasPrefix(path, prefix); !fits || len(pattern) <= len(longest) {
			continue
		}
		longest, function, methods = pattern, route.GetAttr("function_name").AsString(), texts(route.GetAttr("methods"))
	}
	return function, methods
}

// httpTrigger is the configuration of a trigger that takes HTTP.
type httpTrigger struct {
	AuthType string   `json:"authType"`
	Methods  []string `json:"methods"`
	Closed   bool     `json:"disableURLInternet"`
}

func triggered(t *testing.T, m *module, function string) httpTrigger {
	t.Helper()
	var config httpTrigger
	strict(t, textOf(t, m, "alicloud_fcv3_trigger", "http", function, "trigger_config"), &config)
	return config
}

// strict decodes a configuration that has no other members.
func strict(t *testing.T, text string, v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestRepairIsCalled(t *testing.T) {
	m := deployed(t)
	for do, every := range map[string]string{"deliver": "@every 1m", "sweep": "@every 15m"} {
		var config struct {
			CronExpression string `json:"cronExpression"`
			Enable         bool   `json:"enable"`
			Payload        string `json:"payload"`
		}
		strict(t, textOf(t, m, "alicloud_fcv3_trigger", "timer", do, "trigger_config"), &config)
		if config.CronExpression != every || !config.Enable || config.Payload != `{"do":"`+do+`"}` {
			t.Errorf("the timer %s = %+v", do, config)
		}
	}
	var config struct {
		Events []string `json:"events"`
		Filter struct {
			Key struct {
				Prefix string `json:"prefix"`
				Suffix string `json:"suffix"`
			} `json:"key"`
		} `json:"filter"`
	}
	strict(t, textOf(t, m, "alicloud_fcv3_trigger", "stored", "", "trigger_config"), &config)
	if config.Filter.Key.Prefix != "uploads/" || len(config.Events) != 3 {
		t.Errorf("the trigger of OSS = %+v", config)
	}
	if got := textOf(t, m, "alicloud_fcv3_trigger", "stored", "", "function_name"); got != "ossupload-repair" {
		t.Errorf("the trigger of OSS calls %q", got)
	}
	if got := textOf(t, m, "alicloud_fcv3_trigger", "stored", "", "source_arn"); got != "acs:oss:cn-shanghai:1234567890123456:photos" {
		t.Errorf("the trigger of OSS is of %q", got)
	}
}

// Each role is made, with the policies of scripts/ram and no other.
func TestRolesAreThoseOfRAM(t *testing.T) {
	m := deployed(t)
	made := 0
	for _, r := range wanted(t) {
		key := strings.TrimPrefix(r.Name, "ossupload-")
		name, at := "function", key
		if key == "upload" {
			name, at = "upload", ""
		}
		for _, c := range []struct {
			kind, name, key, attribute string
			want                       roles.Policy
		}{
			{"alicloud_ram_role", name, at, "assume_role_policy_document", r.Trust},
			{"alicloud_ram_policy", "all", key, "policy_document", r.Permissions},
		} {
			want, err := json.Marshal(c.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := textOf(t, m, c.kind, c.name, c.key, c.attribute); got != string(want) {
				t.Errorf("%s of %s = %s, want %s", c.attribute, r.Name, got, want)
			}
		}
		role := textOf(t, m, "alicloud_ram_role_policy_attachment", name, at, "role_name")
		if policy := textOf(t, m, "alicloud_ram_role_policy_attachment", name, at, "policy_name"); role != r.Name || policy != r.Name {
			t.Errorf("%s has the policy %q, want those of %s", role, policy, r.Name)
		}
		made++
	}
	for _, r := range m.resources {
		if r.kind == "alicloud_ram_role" {
			made -= len(r.instances)
		}
	}
	if made != 0 {
		t.Errorf("there are %d roles too few", made)
	}
}

// No lifecycle rule touches what the functions need.
func TestBucketRules(t *testing.T) {
	m := deployed(t)
	var got []string
	for _, rule := range attribute(t, m, "alicloud_oss_bucket", "uploads", "", "lifecycle_rule").AsValueSlice() {
		for _, action := range []string{"abort_multipart_upload", "expiration"} {
			for _, of := range rule.GetAttr(action).AsValueSlice() {
				got = append(got, action+" "+rule.GetAttr("prefix").AsString()+" "+of.GetAttr("days").AsBigFloat().String())
			}
		}
	}
	want := []string{"abort_multipart_upload uploads/ 8", "expiration _ossupload/uploads/_announced/ 30", "expiration _ossupload/uploads/_aborted/ 30"}
	if !slices.Equal(got, want) {
		t.Errorf("lifecycle = %q, want %q", got, want)
	}
	rule := attribute(t, m, "alicloud_oss_bucket_overwrite_config", "uploads", "", "rule").AsValueSlice()[0]
	if got := rule.GetAttr("prefix").AsString(); got != "uploads/" {
		t.Errorf("overwriting is forbidden below %q: the functions overwrite below their own", got)
	}
}

// What nobody reads is named before anything is made of it.
func TestUnreadSettingsAreNamed(t *testing.T) {
	variables := given()
	known := variables["settings"].AsValueMap()
	known["UPLOAD_MAXSIZE"] = cty.StringVal("1")
	variables["settings"] = cty.MapVal(known)
	m, err := open(copied(t, "", ""), variables)
	if err != nil {
		t.Fatal(err)
	}
	unread := m.context.Variables["local"].GetAttr("unread").AsValueSlice()
	if len(unread) != 1 || unread[0].AsString() != "UPLOAD_MAXSIZE" {
		t.Errorf("unread = %v", unread)
	}
}
