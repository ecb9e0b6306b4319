package facts_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/facts"
	"ossupload/shared/settings"
)

func TestDiffers(t *testing.T) {
	setting := regexp.MustCompile(`\b[A-Z]+(_[A-Z]+)+\b`)
	for _, f := range facts.All() {
		for _, seen := range append(slices.Clone(f.Values), "something else") {
			says := f.Differs(seen)
			if !strings.HasSuffix(says, ".") {
				t.Errorf("%s differs, and is said to need %q: what is to be done is a sentence", f.ID, says)
			}
			if slices.Contains(f.Values, seen) {
				switch match := regexp.MustCompile(`-assume "([^"]+)"`).FindStringSubmatch(says); {
				case match == nil:
					t.Errorf("%s is %s, and of the local stack is said %q", f.ID, seen, says)
				default:
					if _, err := facts.Assume(match[1]); err != nil {
						t.Error(err)
					}
				}
			}
			for _, name := range setting.FindAllString(says, -1) {
				if warnings := settings.Unknown([]string{name + "=1"}); len(warnings) > 0 {
					t.Errorf("%s is said to need %s: %q", f.ID, name, warnings)
				}
			}
		}
	}
}

func TestDiffersIsOfFacts(t *testing.T) {
	for _, id := range facts.DiffersIDs() {
		if !slices.ContainsFunc(facts.All(), func(f facts.Fact) bool { return f.ID == id }) {
			t.Errorf("what to do where %q differs is said, and there is no such fact", id)
		}
	}
}
