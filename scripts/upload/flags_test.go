package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func none(string) string { return "" }

func TestParseFlags(t *testing.T) {
	o, err := parseFlags([]string{"a", "b"}, none)
	if err != nil || o.endpoint != "http://127.0.0.1:8580" || o.token != "" || o.parallel != 4 || o.multipartFrom != 16<<20 ||
		o.timeout != 30*time.Second || !reflect.DeepEqual(o.files, []string{"a", "b"}) {
		t.Errorf("parseFlags(a b) = %+v, %v, want the documented defaults", o, err)
	}
	env := func(name string) string {
		return map[string]string{"OSSUPLOAD_ENDPOINT": "https://up.example.com/x/", "OSSUPLOAD_TOKEN": "from-env\n"}[name]
	}
	o, err = parseFlags([]string{"a"}, env)
	if err != nil || o.endpoint != "https://up.example.com/x" || o.token != "from-env" {
		t.Errorf("parseFlags = %+v, %v, want endpoint and token of the environment", o, err)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err = parseFlags([]string{"-endpoint", "http://localhost:1", "-token-file", token, "-content-type", "image/png", "-vars", "a=1", "-vars", "b=x=y",
		"-meta", "c=", "-parallel", "8", "-part-size", "1MiB", "-multipart-from", "0", "-state", "dir", "-quiet", "-timeout", "5s", "f"}, env)
	want := options{
		endpoint: "http://localhost:1", token: "from-file", parallel: 8, multipartFrom: 0, stdinSize: -1, stateDir: "dir", quiet: true, timeout: 5 * time.Second,
		wish:  wish{contentType: "image/png", vars: map[string]string{"a": "1", "b": "x=y"}, metadata: map[string]string{"c": ""}, partSize: 1 << 20},
		files: []string{"f"},
	}
	if err != nil || !reflect.DeepEqual(o, want) {
		t.Errorf("parseFlags = %+v, %v, want %+v", o, err, want)
	}
	o, err = parseFlags([]string{"-type", "text/csv", "-name", "x.csv", "-size", "1KiB", "-hidden", "-"}, env)
	if err != nil || o.wish.contentType != "text/csv" || o.stdinName != "x.csv" || o.stdinSize != 1024 || !o.hidden {
		t.Errorf("parseFlags(-) = %+v, %v, want what it says of standard input", o, err)
	}
	if o, err := parseFlags([]string{"-no-resume", "-state", "dir", "f"}, env); err != nil || o.stateDir != "" {
		t.Errorf("parseFlags(-no-resume) = %q, %v, want nothing kept", o.stateDir, err)
	}
	if o, err := parseFlags([]string{"-endpoint", "http://up.example.com", "f"}, env); err != nil || len(o.warnings) == 0 {
		t.Errorf("parseFlags = %q, %v, want a warning about a token in the clear", o.warnings, err)
	}
}

func TestParseFlagsRefuses(t *testing.T) {
	const secret = "what-nobody-may-see"
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		say  string
	}{
		{"no file", nil, "no file is named"},
		{"an unknown flag", []string{"-port", "80", "f"}, "-port"},
		{"standard input without a name", []string{"-"}, "needs a -name"},
		{"standard input twice", []string{"-name", "x", "-", "-"}, "twice"},
		{"a name for a file", []string{"-name", "x", "f"}, "is for standard input"},
		{"a size of a file", []string{"-size", "0", "f"}, "is for standard input"},
		{"no part at once", []string{"-parallel", "0", "f"}, "-parallel"},
		{"too many at once", []string{"-parallel", "65", "f"}, "-parallel"},
		{"a pair that is none", []string{"-vars", "a", "f"}, "name=value"},
		{"a name twice", []string{"-vars", "a=1", "-vars", "a=2", "f"}, "twice"},
		{"a size that is none", []string{"-part-size", "1MB", "f"}, "not a number of bytes"},
		{"a size beyond all", []string{"-part-size", "9999999999999GiB", "f"}, "not a number of bytes"},
		{"a part that is too small", []string{"-part-size", "102399", "f"}, "at least 102400"},
		{"no time", []string{"-timeout", "0s", "f"}, "-timeout"},
		{"an endpoint that is none", []string{"-endpoint", "up.example.com", "f"}, "not an http"},
		{"a user in the endpoint", []string{"-endpoint", "https://u:" + secret + "@up.example.com", "f"}, "must not have a user"},
		{"a query in the endpoint", []string{"-endpoint", "https://up.example.com/?k=" + secret, "f"}, "a query"},
		{"an endpoint beyond parsing", []string{"-endpoint", "https://up.example.com/%zz" + secret, "f"}, "not an http"},
		{"two tokens", []string{"-token", secret, "-token-file", empty, "f"}, "exclude"},
		{"a token of two lines", []string{"-token", secret + "\nX", "f"}, "characters"},
		{"an empty token file", []string{"-token-file", empty, "f"}, "is empty"},
		{"no token file", []string{"-token-file", empty + "2", "f"}, "reading the token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseFlags(tt.args, none)
			if err == nil || !strings.Contains(err.Error(), tt.say) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
				t.Errorf("parseFlags(%q) = %v, want one line with %q", tt.args, err, tt.say)
			}
		})
	}
	if _, err := parseFlags([]string{"-h"}, none); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("parseFlags(-h) = %v, want %v", err, flag.ErrHelp)
	}
}
