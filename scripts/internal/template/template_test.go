package template_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/template"
)

const base = `edition: 3.0.0
# env('COMMENTED')
vars:
  region: ${env('REGION')}
  account: ${env('ACCOUNT')}

resources:
  first:
    component: fc3
    props:
      role: ${env('FIRST_ROLE', 'first')}
      environmentVariables:
        REGION: ${vars.region}
        # A comment.
        SELF: https://self.invalid/x
        NUMBER: '1'
        ENDPOINT: ${env('ENDPOINT', 'oss-' + vars.region + '-internal')}
      triggers:
        - triggerName: http
          sourceArn: acs:oss:${vars.region}:${vars.account}:${env('BUCKET')}

  second:
    props:
      environmentVariables: &second
        URL: ${resources.first.output.url.system_url}/x
        EMPTY: ${env('EMPTY', '')}

  third:
    props:
      environmentVariables: *second
`

const extension = `extend: ../base.yaml
resources:
  second:
    props:
      environmentVariables:
        URL: ${env('URL', 'https://' + env('DOMAIN') + '/x')}
  domain:
    props:
      domainName: ${env('DOMAIN')}
`

func open(t *testing.T, files map[string]string, path string) *template.Template {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read, err := template.Open(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func lookup(env map[string]string) template.Lookup {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestEnvironment(t *testing.T) {
	files := map[string]string{"base.yaml": base, "below/more.yaml": extension}
	env := map[string]string{"REGION": "r", "DOMAIN": "d", "EMPTY": "no longer"}
	for _, tt := range []struct {
		path, function, variable, want string
	}{
		{"base.yaml", "first", "REGION", "r"},
		{"base.yaml", "first", "SELF", "https://self.invalid/x"},
		{"base.yaml", "first", "NUMBER", "1"},
		{"base.yaml", "first", "ENDPOINT", "oss-r-internal"},
		{"base.yaml", "second", "URL", "https://ossupload-first.invalid/x"},
		{"base.yaml", "third", "URL", "https://ossupload-first.invalid/x"},
		{"base.yaml", "third", "EMPTY", "no longer"},
		{"below/more.yaml", "second", "URL", "https://d/x"},
		{"below/more.yaml", "third", "URL", "https://ossupload-first.invalid/x"},
		{"below/more.yaml", "second", "EMPTY", "no longer"},
	} {
		got, err := open(t, files, tt.path).Environment(tt.function, lookup(env))
		if err != nil || got[tt.variable] != tt.want {
			t.Errorf("%s gives %s %s=%q, %v, want %q", tt.path, tt.function, tt.variable, got[tt.variable], err, tt.want)
		}
	}
}

func TestReads(t *testing.T) {
	read := open(t, map[string]string{"base.yaml": base, "below/more.yaml": extension}, "below/more.yaml")
	want := []template.Read{
		{Name: "REGION", Required: true}, {Name: "ACCOUNT", Required: true}, {Name: "FIRST_ROLE", Default: true}, {Name: "ENDPOINT", Default: true},
		{Name: "BUCKET", Required: true}, {Name: "EMPTY"}, {Name: "URL", Default: true}, {Name: "DOMAIN", Required: true},
	}
	if got := read.Reads(); !slices.Equal(got, want) {
		t.Errorf("Reads = %v, want %v", got, want)
	}
	if got, want := read.Functions(), []string{"first", "second", "third"}; !slices.Equal(got, want) {
		t.Errorf("Functions = %q, want %q", got, want)
	}
	missing := read.Missing(lookup(map[string]string{"REGION": "r", "BUCKET": " "}))
	if want := []string{"ACCOUNT", "BUCKET", "DOMAIN"}; !slices.Equal(missing, want) {
		t.Errorf("Missing = %q, want %q", missing, want)
	}
}

func TestUnknownForms(t *testing.T) {
	for _, form := range []string{"${config('x')}", "${env('A'", "${env('A', )}", "${vars.nothing}", "${resources.first.props.x}", "${'a' + }", "${'a}"} {
		text := strings.Replace(base, "https://self.invalid/x", form, 1)
		if got, err := open(t, map[string]string{"s.yaml": text}, "s.yaml").Environment("first", lookup(nil)); err == nil {
			t.Errorf("Environment with %s = %q, want an error", form, got["SELF"])
		}
	}
}
