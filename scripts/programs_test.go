package scripts_test

import (
	"bytes"
	"errors"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Every program says its version, and in one line what is wrong with a flag. The
// recipes and receivers are none of them: they are to be copied.
func TestEveryProgramReadsItsFlagsAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out what builds programs")
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, "./...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing the programs: %v", err)
	}
	programs := slices.DeleteFunc(strings.Fields(string(out)), func(p string) bool {
		return strings.Contains(p, "/clients/") || strings.Contains(p, "/receivers/")
	})
	const least = 15
	if len(programs) < least {
		t.Fatalf("there are %d programs, want at least %d: %q", len(programs), least, programs)
	}
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-buildvcs=false", "-o", dir + string(filepath.Separator)}, programs...)...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	for _, p := range programs {
		name := path.Base(p)
		t.Run(name, func(t *testing.T) {
			run := func(args ...string) (stdout, stderr string, status int) {
				if runtime.GOOS == "windows" {
					name += ".exe"
				}
				var out, said bytes.Buffer
				cmd := exec.CommandContext(t.Context(), filepath.Join(dir, name), args...)
				cmd.Env, cmd.Dir = []string{}, t.TempDir()
				cmd.Stdout, cmd.Stderr = &out, &said
				var exit *exec.ExitError
				if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				return out.String(), said.String(), cmd.ProcessState.ExitCode()
			}
			if stdout, stderr, status := run("-version"); status != 0 || stderr != "" || !regexp.MustCompile(`^`+path.Base(p)+` \S.* go1\.\S+ \w+/\w+\n$`).MatchString(stdout) {
				t.Errorf("-version ends with %d and prints %q, and on stderr %q; want a line", status, stdout, stderr)
			}
			if stdout, stderr, status := run("-h"); status != 0 || stderr != "" || !strings.Contains(stdout, "-version") {
				t.Errorf("-h ends with %d and prints %q, and on stderr %q; want the usage", status, stdout, stderr)
			}
			if stdout, stderr, status := run("-no-such-flag"); status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "-no-such-flag; -h lists the flags") {
				t.Errorf("a wrong flag ends with %d and prints %q, and on stderr %q; want one line", status, stdout, stderr)
			}
		})
	}
}
