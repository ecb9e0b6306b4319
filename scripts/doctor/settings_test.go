package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	alone  = "../../s.yaml"
	domain = "../deploy/domain.yaml"
)

// right are settings with which nothing is wrong, by either template.
func right() map[string]string {
	return map[string]string{
		"ACCOUNT_ID":           "1234567890123456",
		"API_DOMAIN":           "api.example.com",
		"API_CERT_ID":          "12345678",
		"OSS_REGION":           "eu-central-1",
		"OSS_BUCKET":           "photos",
		"UPLOAD_MAX_SIZE":      "104857600",
		"UPLOAD_CONTENT_TYPES": "image/*",
		"UPLOAD_TOKEN_SECRETS": "k1:Zm9yIHRva2VucyBvZiB0aGlzIHRlc3Qgb25seSwgMzJi",
		"AUTH_MODE":            "jwt",
		"AUTH_JWT_SECRET":      "for the callers of this test only: 0123456789",
		"UPLOAD_ROLE_ARN":      "acs:ram::1234567890123456:role/ossupload-upload",
	}
}

// examine runs the command with settings in a file, and returns its lines and
// what it ended with.
func examine(t *testing.T, path string, file, environment map[string]string) ([]string, error) {
	t.Helper()
	var text strings.Builder
	for name, value := range file {
		fmt.Fprintf(&text, "%s=%s\n", name, value)
	}
	env := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(env, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { v, ok := environment[name]; return v, ok }
	var out, stderr bytes.Buffer
	err := run(t.Context(), []string{"-settings", "-template", path, "-env", env}, lookup, &out, &stderr)
	return strings.Split(strings.TrimSpace(out.String()), "\n"), err
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name     string
		template string
		change   map[string]string // "-" unsets
		want     []string
	}{
		{"all is well", alone, map[string]string{"API_DOMAIN": "-", "API_CERT_ID": "-"}, []string{"ok       nothing is wrong"}},
		{"all is well with a domain", domain, nil, []string{"ok       nothing is wrong"}},
		{"several at once", domain, map[string]string{
			"ACCOUNT_ID": "12a", "OSS_BUCKET": "-", "UPLOAD_MAX_SIZE": "5GB", "API_DOMAIN": "-", "PRESIGN_ROLE": "Presign", "TRIGGER_ROLE": "acs:ram::1:role/trigger",
			"WEBHOOK_URL": "https://app.example.com/uploads",
		}, []string{
			`error    ACCOUNT_ID: "12a" is not the number of an account, of 16 digits`,
			`error    OSS_BUCKET: is required`,
			`error    WEBHOOK_SECRETS: is required`,
			`error    UPLOAD_MAX_SIZE: "5GB" is not a number of bytes from 1 to 48800000000000`,
			`error    TRIGGER_ROLE: "acs:ram::1:role/trigger" is not the name of a role in lower case`,
			`error    PRESIGN_ROLE: "Presign" is not the name or ARN of a role in lower case, which Serverless Devs makes of it`,
			`error    API_DOMAIN: is required`,
		}},
		{"a mode without its settings", domain, map[string]string{"AUTH_MODE": "-"}, []string{`error    AUTH_MODE: is required: jwt, header or none`}},
		{"everybody", domain, map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true"}, []string{
			`error    AUTH_MODE: none lets everybody upload: it needs AUTH_ALLOW_NONE=true as well`,
			`warning  AUTH_ALLOW_NONE is not handed on by ../deploy/domain.yaml`,
		}},
		{"a role by its ARN", domain, map[string]string{"PRESIGN_ROLE": "acs:ram::1234567890123456:role/presign"}, []string{"ok       nothing is wrong"}},
		{"a URL for a domain", domain, map[string]string{"API_DOMAIN": "https://api.example.com"}, []string{
			`error    API_DOMAIN: "https://api.example.com" is not a domain in lower case, such as api.example.com`,
		}},
		{"a certificate of OSS", domain, map[string]string{"API_CERT_ID": "12345678-cn-hangzhou"}, []string{
			`error    API_CERT_ID: "12345678-cn-hangzhou" is not the number of a certificate`,
		}},
		{"a mainland region", domain, map[string]string{"OSS_REGION": "cn-hangzhou"}, []string{
			`warning  OSS_ENDPOINT is the default public domain of a mainland region: accounts that are new to OSS since March 2025 get PublicEndpointForbidden there and need a custom domain (OSS_CNAME)`,
			"ok       nothing is wrong",
		}},
		{"a region without functions", domain, map[string]string{"OSS_REGION": "us-moon-1"}, []string{
			`warning  OSS_REGION is us-moon-1, where Serverless Devs knows no Function Compute`,
			"ok       nothing is wrong",
		}},
		{"misspelt", domain, map[string]string{"UPLOAD_TAGKEYS": "a", "COLOUR": "red", "UPLOAD_TAG": ""}, []string{
			`warning  COLOUR is read by nothing`,
			`warning  "UPLOAD_TAGKEYS" is not a setting and is ignored: did you mean UPLOAD_TAG_KEYS?`,
			"ok       nothing is wrong",
		}},
		{"without a domain its own URLs do not count", alone, map[string]string{"CALLBACK_URL": "https://elsewhere.example.com/", "API_DOMAIN": "-", "API_CERT_ID": "-"}, []string{
			`warning  CALLBACK_URL is not handed on by ../../s.yaml`,
			"ok       nothing is wrong",
		}},
		{"no role that signs", domain, map[string]string{"UPLOAD_ROLE_ARN": ""}, []string{
			`warning  UPLOAD_ROLE_ARN is empty: presign and complete sign with roles of their own, which have the right by "scripts/ram -no-upload-role" alone; else it is acs:ram::1234567890123456:role/ossupload-upload`,
			"ok       nothing is wrong",
		}},
		{"plain http inside", domain, map[string]string{"OSS_INTERNAL_ENDPOINT": "http://oss-eu-central-1-internal.aliyuncs.com"}, []string{
			"error    OSS_INTERNAL_ENDPOINT: is plain http, by which the role that signs may do nothing: /download would fail",
			"warning  OSS_INTERNAL_ENDPOINT is plain http: whoever listens in reads the bytes and may use the URLs",
		}},
		{"a role of somebody else", domain, map[string]string{"UPLOAD_ROLE_ARN": "acs:ram::6543210987654321:role/ossupload-upload"}, []string{
			"warning  UPLOAD_ROLE_ARN is a role of another account than ACCOUNT_ID",
			"ok       nothing is wrong",
		}},
		{"nothing in place of a default", domain, map[string]string{"UPLOAD_PREFIX": "", "CORS_ORIGINS": ""}, []string{
			"error    UPLOAD_PREFIX: is set to nothing, which would replace its default: leave it out",
		}},
		{"a comment behind a value", domain, map[string]string{"AUTH_SUBJECT_CLAIM": "id # of the user", "AUTH_AUDIENCE": `"ours"`, "AUTH_ISSUER": "$HOME"}, []string{
			"error    AUTH_ISSUER: holds # or $ or begins with a quote, and would not be deployed as it stands in the file",
			"error    AUTH_AUDIENCE: holds # or $ or begins with a quote, and would not be deployed as it stands in the file",
			"error    AUTH_SUBJECT_CLAIM: holds # or $ or begins with a quote, and would not be deployed as it stands in the file",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := right()
			maps.Copy(env, tt.change)
			maps.DeleteFunc(env, func(_, value string) bool { return value == "-" })
			got, err := examine(t, tt.template, env, nil)
			if tt.want[len(tt.want)-1] != "ok       nothing is wrong" {
				if err == nil || errors.Is(err, errUsage) {
					t.Errorf("run = %v, want a failure", err)
				}
			} else if err != nil {
				t.Errorf("run = %v", err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("findings =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestRegionsAreTheComponents(t *testing.T) {
	text, err := os.ReadFile("../testdata/fc3/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions struct {
			IRegion struct{ Enum []string }
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(regions, schema.Definitions.IRegion.Enum) {
		t.Errorf("regions = %q, want %q", regions, schema.Definitions.IRegion.Enum)
	}
}

// Serverless Devs lets the environment win, and so does this.
func TestEnvironmentWins(t *testing.T) {
	file := right()
	file["OSS_REGION"] = "nowhere at all"
	got, err := examine(t, domain, file, map[string]string{"OSS_REGION": "eu-central-1"})
	want := []string{"warning  OSS_REGION is something else in the environment, which is what counts", "ok       nothing is wrong"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("findings = %q, %v, want %q", got, err, want)
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	env := right()
	env["UPLOAD_TOKEN_SECRETS"] = "k1:abcdefgh"
	env["AUTH_JWT_SECRET"] = "ijklmnop$q"
	env["WEBHOOK_URL"], env["WEBHOOK_SECRETS"] = "https://app.example.com/", "rstuvwxyz"
	got, err := examine(t, domain, env, nil)
	out := fmt.Sprint(got, err)
	for _, secret := range []string{"abcdefgh", "ijklmnop", "rstuvwxyz"} {
		if strings.Contains(out, secret) {
			t.Errorf("the output has %s: %s", secret, out)
		}
	}
	if len(got) < 3 {
		t.Errorf("findings = %q, want one for each secret", got)
	}
}

func TestUsage(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	for _, args := range [][]string{
		{}, {"-settings", "more"}, {"-nothing"}, {"-settings", "-template", "nowhere.yaml"},
		{"-settings", "-template", alone, "-env", "nowhere"},
	} {
		var out, stderr bytes.Buffer
		if err := run(t.Context(), args, none, &out, &stderr); !errors.Is(err, errUsage) {
			t.Errorf("run %q = %v, want errUsage", args, err)
		}
	}
	// Without a file all of it is in the environment.
	var out, stderr bytes.Buffer
	right := right()
	lookup := func(name string) (string, bool) { v, ok := right[name]; return v, ok }
	if err := run(t.Context(), []string{"-settings", "-template", domain}, lookup, &out, &stderr); err != nil {
		t.Errorf("run without a file = %v\n%s", err, &out)
	}
}
