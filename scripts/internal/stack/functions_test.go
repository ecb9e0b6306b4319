package stack_test

import (
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

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
)

func TestOwnSettingsReachTheFunctions(t *testing.T) {
	const secret = "a secret of the developer's own identity provider"
	tests := []struct {
		name      string
		overrides map[string]string
		token     func(stack.Ready) string
		want      int
	}{
		{"the caller's token is signed with the secret that was set", map[string]string{"AUTH_JWT_SECRET": secret},
			func(r stack.Ready) string { return r.CallerToken }, http.StatusOK},
		{"so is one of the developer's", map[string]string{"AUTH_JWT_SECRET": secret},
			func(stack.Ready) string { return signed(t, jwt.SigningMethodHS256, secret) }, http.StatusOK},
		{"the caller's token has the issuer, audience, subject and algorithm that were set",
			map[string]string{"AUTH_ISSUER": "me", "AUTH_AUDIENCE": "you", "AUTH_SUBJECT_CLAIM": "uid", "AUTH_JWT_ALGS": "HS512"},
			func(r stack.Ready) string { return r.CallerToken }, http.StatusOK},
		{"there is no token to use where everybody may call", map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true"},
			func(r stack.Ready) string { return r.CallerToken }, http.StatusOK},
		{"nobody may call without a token else", nil, func(stack.Ready) string { return "" }, http.StatusUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := stacktest.Start(t, stack.Options{Settings: tt.overrides})
			token := tt.token(s.Ready)
			if none := tt.overrides["AUTH_MODE"] == "none"; none != (s.Ready.CallerToken == "") {
				t.Errorf("callerToken = %q", s.Ready.CallerToken)
			}
			status, body := ask(t, http.MethodPost, s.Ready.Gateway+"/presign", token, map[string]any{"filename": "a", "size": 1})
			if status != tt.want {
				t.Errorf("POST /presign = %d %s, want %d", status, body, tt.want)
			}
		})
	}
}

func signed(t *testing.T, method jwt.SigningMethod, secret string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "me", "aud": "ossupload", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// What a function sees is the table and what the platform adds, whatever the
// developer's shell has set.
func TestFunctionsSeeNothingElse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reading the environment of a process takes /proc")
	}
	t.Setenv("GODEBUG", "http2client=0")
	t.Setenv("OSS_CNAME", "true")
	s := stacktest.Start(t, stack.Options{})
	var want []string
	for _, variable := range s.Settings.Variables() {
		name, _, _ := strings.Cut(variable, "=")
		want = append(want, name)
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.Functions["presign"].Pid()), "environ"))
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
