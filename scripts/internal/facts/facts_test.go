package facts_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/facts"
)

var update = flag.Bool("update", false, "write FACTS.md anew")

const root = "../../.."

func TestFacts(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+\.[a-z0-9-]+$`)
	seen := map[string]bool{}
	for _, f := range facts.All() {
		if !id.MatchString(f.ID) || seen[f.ID] {
			t.Errorf("%q is no id, or that of two facts", f.ID)
		}
		seen[f.ID] = true
		if f.Source == "" || !strings.HasSuffix(f.Says, ".") || strings.Contains(f.Says+f.Source, "|") {
			t.Errorf("%s says %q from %q: it needs a sentence and a source, which fit a table", f.ID, f.Says, f.Source)
		}
		switch f.Status {
		case facts.Confirmed, facts.Likely:
			if len(f.Values) > 0 || f.Worst != "" {
				t.Errorf("%s is %s and has values", f.ID, f.Status)
			}
		case facts.Unknown:
			if len(f.Values) < 2 || !slices.Contains(f.Values, f.Worst) {
				t.Errorf("%s may be %q, at worst %q: it needs two values, and the worst among them", f.ID, f.Values, f.Worst)
			}
		default:
			t.Errorf("%s is %q", f.ID, f.Status)
		}
		for _, path := range f.Leans {
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s is leaned on by %q, which is not there", f.ID, path)
			}
		}
	}
}

// Every note names an unknown fact, and every unknown fact has a note.
func TestNotes(t *testing.T) {
	note := regexp.MustCompile(`unconfirmed( \(([a-z0-9.-]+)\))?`)
	noted := map[string]bool{}
	for _, dir := range []string{"functions", "shared", "scripts/internal/stack"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, match := range note.FindAllStringSubmatch(string(text), -1) {
				if strings.Contains(string(text), `"unconfirmed (ID)"`) {
					continue // says what notes look like
				}
				if match[2] == "" {
					t.Errorf("%s has a note that names no fact", path)
				}
				noted[match[2]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range facts.All() {
		if unknown := f.Status == facts.Unknown; unknown != noted[f.ID] {
			t.Errorf("%s is %s, and has a note: %v", f.ID, f.Status, noted[f.ID])
		}
		delete(noted, f.ID)
	}
	for id := range noted {
		t.Errorf("a note names %q, which is no fact", id)
	}
}

func TestTable(t *testing.T) {
	const file = "FACTS.md"
	if *update {
		if err := os.WriteFile(file, []byte(facts.Table()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil || string(written) != facts.Table() {
		t.Errorf("%s is not as the facts are; \"go test ./scripts/internal/facts -update\" writes it (%v)", file, err)
	}
}
