package scripts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/api"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestREADMEListsEveryError(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `([a-z_]+)` \\|").FindAllStringSubmatch(readme(t), -1)
	var got, want []string
	for _, row := range rows {
		got = append(got, row[1]+" "+row[2])
	}
	for _, code := range api.Codes() {
		want = append(want, fmt.Sprint(code.Status(), " ", code))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("errors of the README = %v, want %v", got, want)
	}
}

func TestREADMEListsEverySetting(t *testing.T) {
	text := readme(t)
	for name, load := range load {
		for _, mode := range []string{"jwt", "header", "none"} {
			env := deployment()
			env["AUTH_MODE"] = mode
			load(func(variable string) (string, bool) {
				if !strings.Contains(text, "`"+variable+"`") {
					t.Errorf("the README does not name %s, which %s reads", variable, name)
				}
				v, ok := env[variable]
				return v, ok
			})
		}
	}
}

// by is the test that runs a piece of the README, as printed there: a block of code
// by the comment before it, a command by how it begins.
var by = []struct{ begins, dir, test string }{
	{"<!-- session -->", "e2e", "TestREADMESession"},
	{"<!-- upload -->", "e2e", "TestREADMEUpload"},
	{"<!-- claims -->", "e2e", "TestREADMEClaims"},
	{"<!-- run: app -->", "browser", "TestREADME"},
	{"<!-- file: app/", "browser", "TestREADME"},
	{"<!-- snippet: ", "browser", "TestREADME"},
	{"go run ./scripts/local -once", "local", "TestRehearsalPasses"},
	{"go run ./scripts/local -env app/.env -webhook ", "browser", "TestREADME"}, // with another port
	{"cd app && node --env-file=.env app.mjs", "browser", "TestREADME"},
	{"go run ./scripts/local | tee ready.json", "local", "TestRunPrintsOneReadyLineWithRealAddresses"},
	{"go run ./scripts/conformance ", "conformance", "TestStrangersCloud"},
	{"cp .env.example .env", ".", "TestDeployPage"},
	{"go run ./scripts/secrets -into .env", ".", "TestDeployPage"},
	{"go run ./scripts/doctor -settings", ".", "TestDeployPage"},
	{"CICD_ENV=true s deploy -y", ".", "TestDeployPage"},
	{"go run ./scripts/ram -account ", "ram", "TestPrints"},
}

// Every block of code of the README is run by a test. An output, which is indented
// too, begins with none of the programs.
func TestREADMEIsRun(t *testing.T) {
	programs := regexp.MustCompile(`^(go|cd|cp|s|node|npm|npx|curl|bash|OSSUPLOAD_\w+=\S+|CICD_ENV=true) `)
	previous, fenced, seen := "", false, map[string]bool{}
	for line := range strings.Lines(readme(t)) {
		line = strings.TrimSuffix(line, "\n")
		var piece string
		switch code, indented := strings.CutPrefix(line, "    "); {
		case strings.HasPrefix(line, "```"):
			if fenced = !fenced; fenced {
				piece = previous
			}
		case !fenced && indented && programs.MatchString(code):
			piece = code
		}
		previous = line
		if piece == "" {
			continue
		}
		i := slices.IndexFunc(by, func(b struct{ begins, dir, test string }) bool { return strings.HasPrefix(piece, b.begins) })
		if i < 0 {
			t.Errorf("no test is known to run %q", piece)
			continue
		}
		seen[by[i].begins] = true
	}
	for _, b := range by {
		if !seen[b.begins] {
			t.Errorf("the README has no %q", b.begins)
		}
		files, err := filepath.Glob(filepath.Join(b.dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(text), "\nfunc "+b.test+"(t *testing.T)")
		}) {
			t.Errorf("%s has no test %s", b.dir, b.test)
		}
	}
}
