package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ossupload/scripts/internal/stack/ram"
)

var update = flag.Bool("update", false, "write testdata anew")

var environment = map[string]string{"ACCOUNT_ID": "1234567890123456", "OSS_BUCKET": "photos", "UPLOAD_TAG_KEYS": "project"}

func ask(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, func(name string) (string, bool) { v, ok := environment[name]; return v, ok }, &out, io.Discard)
	return out.String(), err
}

// The roles of a usual deployment, for those who would rather read than run.
func TestPrints(t *testing.T) {
	got, err := ask(t)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/photos.json"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("the roles differ from %s; \"go test ./scripts/ram -update\" writes it (%v)", golden, err)
	}
}

// The folder's script makes the roles that its files say, in an order in which
// each is known when it is named.
func TestWritesWhatMakesTheRoles(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := filepath.Join(t.TempDir(), "roles")
	if said, err := ask(t, "-out", dir, "-prefix", "in/", "-names", "prod-"); err != nil || !strings.Contains(said, "10 roles and policies") {
		t.Fatalf("run(-out) said %q, %v", said, err)
	}
	bin := t.TempDir()
	calls := filepath.Join(bin, "calls")
	const record = "#!/bin/sh\nprintf '%s\\0' \"$#\" \"$@\" >>\"$CALLS\"\n"
	if err := os.WriteFile(filepath.Join(bin, "aliyun"), []byte(record), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bash, filepath.Join(dir, "create.sh"))
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "CALLS=" + calls}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("create.sh: %v: %s", err, out)
	}
	made := map[string]int{}
	for _, call := range recorded(t, calls) {
		made[call[1]]++
		switch call[1] {
		case "CreatePolicy":
			if _, err := ram.ParsePolicy([]byte(call[5])); err != nil && !strings.Contains(err.Error(), "Condition") {
				t.Errorf("the policy %s: %v", call[3], err)
			}
			if strings.Contains(call[5], "photos/uploads/") {
				t.Errorf("the policy %s is of another prefix: %s", call[3], call[5])
			}
		case "CreateRole":
			if !json.Valid([]byte(call[5])) || !strings.Contains(call[5], "Principal") {
				t.Errorf("the role %s trusts %s", call[3], call[5])
			}
		}
		if name := call[3]; call[1] != "AttachPolicyToRole" && !strings.HasPrefix(name, "prod-") {
			t.Errorf("%q makes %q, want prod-…", call, name)
		}
	}
	if got, want := fmt.Sprint(made), "map[AttachPolicyToRole:6 CreatePolicy:10 CreateRole:6]"; got != want {
		t.Errorf("create.sh made %s, want %s", got, want)
	}
}

// recorded are the arguments of each call.
func recorded(t *testing.T, path string) (calls [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	for len(words) > 0 {
		var n int
		if _, err := fmt.Sscan(words[0], &n); err != nil || n >= len(words) {
			t.Fatalf("%q is no number of arguments", words[0])
		}
		calls, words = append(calls, words[1:n+1]), words[n+1:]
	}
	return calls
}

func TestRefuses(t *testing.T) {
	for _, args := range [][]string{{"-account", "1"}, {"-bucket", "a*"}, {"-prefix", "up"}, {"up"}, {"-what"}, {"-names", "$(id)"}} {
		if out, err := ask(t, args...); !errors.Is(err, errUsage) || out != "" {
			t.Errorf("run(%q) printed %q, %v, want %v", args, out, err, errUsage)
		}
	}
}
