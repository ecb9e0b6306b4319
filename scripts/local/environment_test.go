package main

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestOwnSettingsReachTheFunctions(t *testing.T) {
	const secret = "a secret of the developer's own identity provider"
	tests := []struct {
		name      string
		overrides map[string]string
		token     func(ready) string
		want      int
	}{
		{"the caller's token is signed with the secret that was set", map[string]string{"AUTH_JWT_SECRET": secret},
			func(r ready) string { return r.CallerToken }, http.StatusOK},
		{"so is one of the developer's", map[string]string{"AUTH_JWT_SECRET": secret},
			func(ready) string { return signed(t, jwt.SigningMethodHS256, secret) }, http.StatusOK},
		{"the caller's token has the issuer, audience, subject and algorithm that were set",
			map[string]string{"AUTH_ISSUER": "me", "AUTH_AUDIENCE": "you", "AUTH_SUBJECT_CLAIM": "uid", "AUTH_JWT_ALGS": "HS512"},
			func(r ready) string { return r.CallerToken }, http.StatusOK},
		{"there is no token to use where everybody may call", map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true"},
			func(r ready) string { return r.CallerToken }, http.StatusOK},
		{"nobody may call without a token else", nil, func(ready) string { return "" }, http.StatusUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startStack(t, func(o *options) { o.overrides = tt.overrides })
			token := tt.token(s.ready)
			if none := tt.overrides["AUTH_MODE"] == "none"; none != (s.ready.CallerToken == "") {
				t.Errorf("callerToken = %q", s.ready.CallerToken)
			}
			status, body := ask(t, http.MethodPost, s.ready.Gateway+"/presign", token, map[string]any{"filename": "a", "size": 1})
			if status != tt.want {
				t.Errorf("POST /presign = %d %s, want %d", status, body, tt.want)
			}
		})
	}
}

func signed(t *testing.T, method jwt.SigningMethod, secret string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "me", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOtherBucketPrefixAndNoRole(t *testing.T) {
	s := startStack(t, func(o *options) {
		o.overrides = map[string]string{"OSS_REGION": "eu-central-1", "OSS_BUCKET": "another", "UPLOAD_PREFIX": "", "UPLOAD_ROLE_ARN": ""}
	})
	if s.ready.Bucket != "another" || s.ready.Region != "eu-central-1" {
		t.Errorf("bucket, region = %q, %q, want what was set", s.ready.Bucket, s.ready.Region)
	}
	var out strings.Builder
	if err := rehearse(t.Context(), s, &out); err != nil {
		t.Errorf("rehearse() = %v, want nil; it printed\n%s", err, out.String())
	}
}

// What a function sees is the table and what the platform adds, whatever the
// developer's shell has set.
func TestFunctionsSeeNothingElse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reading the environment of a process takes /proc")
	}
	t.Setenv("GODEBUG", "http2client=0")
	t.Setenv("OSS_CNAME", "true")
	s := startStack(t, nil)
	var want []string
	for _, setting := range s.settings {
		want = append(want, setting.name)
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.functions["presign"].Pid()), "environ"))
	if err != nil {
		t.Fatal(err)
	}
	for variable := range strings.SplitSeq(strings.TrimRight(string(text), "\x00"), "\x00") {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "FC_") && !slices.Contains(want, name) {
			t.Errorf("the function sees %s", name)
		}
	}
}

func TestOverride(t *testing.T) {
	e := environment{{"A", "1"}, {"B", "2"}}
	got := e.override(map[string]string{"B": "", "D": "4", "C": "3"}).variables()
	if want := []string{"A=1", "B=", "C=3", "D=4"}; !slices.Equal(got, want) {
		t.Errorf("override() = %q, want %q", got, want)
	}
	if e.get("B") != "2" {
		t.Error("override() changed what it was called on")
	}
}

func TestReadEnvFile(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
		fault      string // "" means none
	}{
		{"lines", "A=1\nB_2=two words\n", map[string]string{"A": "1", "B_2": "two words"}, ""},
		{"comments, empty lines, spaces, CRLF and no last line end", "# A=0\r\n\r\n  A = 1 \r\n#\nB=x", map[string]string{"A": "1", "B": "x"}, ""},
		{"values with = and # and quotes are taken as they are", "A=b64==\nB=a#b\nC=\"q\"", map[string]string{"A": "b64==", "B": "a#b", "C": `"q"`}, ""},
		{"an empty value", "A=", map[string]string{"A": ""}, ""},
		{"an empty file", "", map[string]string{}, ""},
		{"a line without =", "A=1\nsecret", nil, "line 2"},
		{"a name with a space", "export A=1", nil, "line 1"},
		{"no name", "=1", nil, "line 1"},
		{"a name that is repeated", "A=1\n\nA=2", nil, "line 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "env")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readEnvFile(path)
			if tt.fault == "" {
				if err != nil || !maps.Equal(got, tt.want) {
					t.Errorf("readEnvFile() = %q, %v, want %q", got, err, tt.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("readEnvFile() = %v, want %q in it", err, tt.fault)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("readEnvFile() = %v, which quotes the line", err)
			}
		})
	}
	if _, err := readEnvFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("readEnvFile(no file) = nil, want an error")
	}
}
