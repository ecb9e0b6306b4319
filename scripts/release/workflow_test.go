package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

// The workflow may do as little as it can, and does not decide what a release is.
func TestWorkflow(t *testing.T) {
	text, err := os.ReadFile("../../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	type step struct{ Uses, Run, If string }
	var w struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Permissions map[string]string
			Steps       []step
		}
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	if len(w.Permissions) != 0 || len(w.Jobs) != 3 {
		t.Errorf("permissions of all jobs are %v, and there are %d jobs; want none, and 3", w.Permissions, len(w.Jobs))
	}
	allowed := map[string]map[string]string{
		"build":  {"contents": "read"},
		"github": {"contents": "write"},
		"npm":    {"contents": "read", "id-token": "write"},
	}
	pinned := regexp.MustCompile(`^actions/[a-z-]+@v\d+$`)
	var all []string
	for name, job := range w.Jobs {
		if len(job.Permissions) != len(allowed[name]) {
			t.Errorf("%s may %v, want %v", name, job.Permissions, allowed[name])
		}
		for what, how := range job.Permissions {
			if allowed[name][what] != how {
				t.Errorf("%s may %s %s", name, how, what)
			}
		}
		for _, s := range job.Steps {
			if s.Uses != "" && !pinned.MatchString(s.Uses) {
				t.Errorf("%s uses %q, want GitHub's own, of one major version", name, s.Uses)
			}
			// What somebody has named a tag goes to a shell as a variable alone.
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s puts an expression into a script: %s", name, s.Run)
			}
			if strings.Contains(s.Run, "npm publish") && !strings.Contains(s.If, "NODE_AUTH_TOKEN != ''") {
				t.Error("npm publish runs without a token")
			}
			all = append(all, s.Run)
		}
	}
	if !strings.Contains(strings.Join(all, "\n"), `go run ./scripts/release "$GITHUB_REF_NAME"`) {
		t.Error("the workflow does not build what scripts/release builds")
	}
}
