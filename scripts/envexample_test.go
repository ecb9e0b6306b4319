package scripts_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write .env.example")

// suggested are variables that most deployments want, beside those that are
// required. scripts/secrets fills in the secrets.
var suggested = []string{"AUTH_JWT_SECRET", "CORS_ORIGINS", "WEBHOOK_URL", "WEBHOOK_SECRETS", "RECEIPT_SECRET", "UPLOAD_ROLE_ARN"}

// The example names what the templates read, with the README's words.
func TestEnvExample(t *testing.T) {
	const path = "../.env.example"
	want := envExample(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != want {
		t.Errorf("%s is not of today: go test ./scripts -run TestEnvExample -update", path)
	}
}

var (
	settingRow  = regexp.MustCompile("(?m)^\\| (`[A-Z][A-Z_]*`.*?) \\| [^|]*\\| (.*) \\|$")
	settingName = regexp.MustCompile("`([A-Z][A-Z_]*)`")
	link        = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
)

func envExample(t *testing.T) string {
	t.Helper()
	required := map[string]bool{} // by what a template reads: the first one requires it
	for _, r := range open(t, domain).Reads() {
		required[r.Name] = false
	}
	for _, r := range open(t, alone).Reads() {
		required[r.Name] = r.Required
	}
	var parts [3]strings.Builder
	for _, row := range settingRow.FindAllStringSubmatch(readme(t), -1) {
		meaning := fmt.Sprintf("\n# %s\n", link.ReplaceAllString(row[2], "$1"))
		var told [len(parts)]bool
		for _, m := range settingName.FindAllStringSubmatch(row[1], -1) {
			name, part, line := m[1], 2, "#%s=\n"
			must, isRead := required[name]
			switch {
			case !isRead:
				continue // The templates leave it out on purpose: notDeployed.
			case must:
				part, line = 0, "%s=\n"
			case slices.Contains(suggested, name):
				part, line = 1, "%s=\n"
			}
			if name == "AUTH_MODE" {
				line = "%s=jwt\n"
			}
			if !told[part] {
				parts[part].WriteString(meaning)
				told[part] = true
			}
			fmt.Fprintf(&parts[part], line, name)
			delete(required, name)
		}
	}
	for name := range required {
		t.Errorf("the README's table does not have %s, which a template reads", name)
	}
	return `# Settings of a deployment, for a file .env beside this one:
#
#   cp .env.example .env
#   go run ./scripts/secrets -into .env
#   go run ./scripts/doctor -settings
#
# A value stands as it is: without quotes, without a comment behind it, without $
# or #. A line that sets a name to nothing takes its default away: leave it out.
# Written by go test ./scripts -run TestEnvExample -update.

# Required.
` + parts[0].String() + `
# What most deployments want. The secrets are for scripts/secrets to fill in.
` + parts[1].String() + `
# The rest.
` + parts[2].String()
}
