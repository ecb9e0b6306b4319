package scripts_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDeployPage goes through the README as a new user would, from a tree without
// settings to one that is deployed.
func TestDeployPage(t *testing.T) {
	commands := regexp.MustCompile(`(?m)^    ((?:cp|go run|CICD_ENV=true) .*?)(?:  +# .*)?$`).FindAllStringSubmatch(section(t, readme(t), "## Deploy"), -1)
	// That one wants a bucket; its own tests give it one.
	commands = slices.DeleteFunc(commands, func(c []string) bool { return strings.Contains(c[1], "scripts/conformance") })
	if len(commands) != 5 {
		t.Fatalf("the README has %d commands to deploy, want 5", len(commands))
	}
	s := newServerless(t)
	for i, command := range commands {
		if i == 2 {
			if out, err := s.run(t, nil, "bash", "-c", command[1]); err == nil || !strings.Contains(out, "OSS_BUCKET: is required") {
				t.Errorf("%s with empty settings: %v\n%s", command[1], err, out)
			}
			s.fillIn(t)
		}
		out, err := s.run(t, nil, "bash", "-c", command[1])
		if err != nil {
			t.Fatalf("%s: %v\n%s", command[1], err, out)
		}
		for name, value := range s.settings(t) {
			if strings.Contains(name, "SECRET") && value != "" && strings.Contains(out, value) {
				t.Errorf("%s prints %s", command[1], name)
			}
		}
	}
	if got, want := steps(s.calls(t)), []string{"callback deploy", "complete deploy", "repair deploy", "presign deploy"}; !slices.Equal(got, want) {
		t.Errorf("the components were asked to %q, want %q", got, want)
	}
}

// TestDomainPage runs what the page says, one block after the other.
func TestDomainPage(t *testing.T) {
	blocks := regexp.MustCompile("(?s)<!-- run -->\n```sh\n(.*?)```").FindAllStringSubmatch(read(t, "deploy/DOMAIN.md"), -1)
	var all strings.Builder
	for _, block := range blocks {
		all.WriteString(block[1])
	}
	s := newServerless(t)
	s.dotenv(t, deployment())
	out, err := s.run(t, nil, "bash", "-euc", all.String())
	if err != nil {
		t.Fatalf("the page's commands: %v\n%s", err, out)
	}
	s.keepsSecrets(t, out)

	live := func(function, more string) string {
		return function + " alias publish --alias-name live --version-id " + more
	}
	want := []string{"callback deploy", "complete deploy", "repair deploy", "presign deploy"}
	for _, f := range []string{"callback", "complete", "presign"} {
		want = append(want, f+" version publish", live(f, "latest"))
	}
	want = append(want, "domain deploy", "callback deploy", "complete deploy", "repair deploy", "presign deploy", "domain deploy")
	for _, f := range []string{"callback", "complete", "presign"} {
		want = append(want, f+" version publish", live(f, `1 --additionalVersionWeight {"2": 0.1}`))
	}
	for _, f := range []string{"callback", "complete", "presign"} {
		want = append(want, live(f, "2 --additionalVersionWeight {}"))
	}
	if got := steps(s.calls(t)); !slices.Equal(got, want) {
		t.Errorf("the components were asked to\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// section is a part of a page, from its title to the next.
func section(t *testing.T, page, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n"+title+"\n")
	if !ok {
		t.Fatalf("the page has no %q", title)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// steps are calls without what all of them have.
func steps(calls []call) []string {
	var steps []string
	for _, c := range calls {
		step := c.Resource + " " + c.Command
		for i, arg := range c.Args {
			if arg != "-y" && arg != "-t" && (i == 0 || c.Args[i-1] != "-t") {
				step += " " + arg
			}
		}
		steps = append(steps, step)
	}
	return steps
}

func (s *serverless) settings(t *testing.T) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for line := range strings.Lines(read(t, filepath.Join(s.tree, ".env"))) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = value
		}
	}
	return settings
}

// fillIn gives what is empty in .env a value, as the README says.
func (s *serverless) fillIn(t *testing.T) {
	t.Helper()
	path := filepath.Join(s.tree, ".env")
	text := read(t, path)
	for name, value := range s.settings(t) {
		if own := deployment()[name]; value == "" && own != "" {
			text = strings.Replace(text, fmt.Sprintf("\n%s=\n", name), fmt.Sprintf("\n%s=%s\n", name, own), 1)
		}
	}
	s.write(t, path, text, 0o600)
}
