package scripts_test

import (
	"fmt"
	"os"
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
