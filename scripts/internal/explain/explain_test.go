package explain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/explain"
)

// table is testdata/cases.json: what is pasted, with the answer of POST /presign of
// that name, and the ids of what has to be found.
type table struct {
	Secrets []string // in grants and cases; nothing that is said may hold one
	Grants  map[string]json.RawMessage
	Cases   []struct {
		Name, Grant string
		Text        []string // lines
		Want        []string
		Has         []string // in the texts
	}
}

func readTable(t *testing.T) table {
	t.Helper()
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var all table
	if err := json.Unmarshal(text, &all); err != nil || len(all.Cases) == 0 {
		t.Fatalf("reading cases: %v, %d of them", err, len(all.Cases))
	}
	return all
}

func TestExplain(t *testing.T) {
	all := readTable(t)
	for _, c := range all.Cases {
		t.Run(c.Name, func(t *testing.T) {
			found, err := explain.Explain(strings.Join(c.Text, "\n"), string(all.Grants[c.Grant]))
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			var said strings.Builder
			for _, f := range found {
				ids = append(ids, f.ID)
				said.WriteString(f.String() + "\n")
			}
			if !slices.Equal(ids, c.Want) {
				t.Errorf("found %q, want %q:\n%s", ids, c.Want, &said)
			}
			for _, want := range c.Has {
				if !strings.Contains(said.String(), want) {
					t.Errorf("%q is not in:\n%s", want, &said)
				}
			}
			for _, secret := range all.Secrets {
				if strings.Contains(said.String(), secret) {
					t.Errorf("a secret is told:\n%s", &said)
				}
			}
			if strings.ContainsAny(said.String(), "{}[]") || strings.Contains(said.String(), "(unknown)") {
				t.Errorf("a fact is missing:\n%s", &said)
			}
		})
	}
}

// Whoever adds a rule adds a case.
func TestEveryRuleHasACase(t *testing.T) {
	wanted := map[string]bool{}
	for _, c := range readTable(t).Cases {
		for _, id := range c.Want {
			wanted[id] = true
		}
	}
	book := explain.Every()
	seen := map[string]bool{}
	for list, rules := range map[string][]explain.Rule{"differences": book.Differences, "refusals": book.Refusals, "pages": book.Pages, "curl": book.Curl, "": {book.Nothing}} {
		for _, r := range rules {
			if !wanted[r.ID] {
				t.Errorf("no case has the rule %s of %s", r.ID, list)
			}
			if seen[list+r.ID] || r.Symptom == "" || r.Cause == "" || r.Mend == "" {
				t.Errorf("the rule %s of %s lacks a text, or stands there twice", r.ID, list)
			}
			seen[list+r.ID] = true
		}
	}
}

// The page says what the command says, to the letter.
func TestThePageSaysTheSame(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed: explain.js is not held against the Go package")
	}
	all := readTable(t)
	pages, refused := runModule(t)
	if len(pages) != len(all.Cases) {
		t.Fatalf("node printed %d answers for %d cases", len(pages), len(all.Cases))
	}
	for i, c := range all.Cases {
		want, err := explain.Explain(strings.Join(c.Text, "\n"), string(all.Grants[c.Grant]))
		if err != nil || !reflect.DeepEqual(pages[i], want) {
			t.Errorf("%s: the page says\n%v\nwant\n%v (%v)", c.Name, pages[i], want, err)
		}
	}
	if want := explain.ErrPresign.Error() + "."; !strings.EqualFold(refused, want) {
		t.Errorf("the page says %q of what is no answer of POST /presign, want %q", refused, want)
	}
}

// runModule is what the page's module finds in each case, and what it says of an
// answer of POST /presign that is none.
func runModule(t *testing.T) (found [][]explain.Finding, refused string) {
	t.Helper()
	dir := t.TempDir()
	module, err := os.ReadFile("../stack/page/explain.js")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := filepath.Abs("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"package.json": `{"type":"module"}`, "explain.js": string(module), "explain-rules.js": "export default " + string(explain.Rules),
		"run.js": `import { readFileSync } from 'node:fs'
import { explain } from './explain.js'
const { grants, cases } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
console.log(JSON.stringify(cases.map((c) => explain(c.text.join('\n'), c.grant ? JSON.stringify(grants[c.grant]) : ''))))
try { explain('', '{}'); console.log('"taken"') } catch (error) { console.log(JSON.stringify(error.message)) }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node := exec.CommandContext(t.Context(), "node", "run.js", cases)
	node.Dir, node.Stderr = dir, t.Output()
	out, err := node.Output()
	if err != nil {
		t.Fatalf("running explain.js: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(out))
	if err := errors.Join(d.Decode(&found), d.Decode(&refused)); err != nil {
		t.Fatalf("reading what explain.js says: %v", err)
	}
	return found, refused
}

func TestPresignMustBeOne(t *testing.T) {
	for _, text := range []string{"{", `{}`, `[]`, `{"method":"PUT"}`, `{"url":"https://x"}`, `{"code":"unauthenticated"}`} {
		if found, err := explain.Explain("", text); err == nil {
			t.Errorf("Explain with %s as the answer of POST /presign = %v, want an error", text, found)
		}
	}
}

// Nothing that is pasted may end the program, or be repeated.
func FuzzExplain(f *testing.F) {
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		f.Fatal(err)
	}
	var all table
	if err := json.Unmarshal(text, &all); err != nil {
		f.Fatal(err)
	}
	for _, c := range all.Cases {
		f.Add(strings.Join(c.Text, "\n"), string(all.Grants[c.Grant]))
	}
	const secret = "c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmUtc2ln"
	f.Fuzz(func(t *testing.T, text, presign string) {
		text = strings.ReplaceAll(text, "=", "="+secret)
		found, err := explain.Explain(text, presign)
		if err == nil && len(found) == 0 {
			t.Error("nothing is found, not even that")
		}
		for _, f := range found {
			if strings.Contains(f.String(), secret) {
				t.Errorf("a secret is repeated: %v", f)
			}
		}
	})
}

// What a mend says to run must be there.
func TestMendsNameWhatThereIs(t *testing.T) {
	checks, err := os.ReadFile("../../doctor/CHECKS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`go run \./scripts/([a-z]+)(?: -only ([a-z,.-]+[a-z]))?`).FindAllStringSubmatch(string(explain.Rules), -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1], "main.go")); err != nil {
			t.Errorf("%s: there is no such command", m[0])
		}
		for name := range strings.SplitSeq(m[2], ",") {
			if name != "" && !strings.Contains(string(checks), "| `"+name+"`") && !strings.Contains(string(checks), "| `"+name+".") {
				t.Errorf("%s: the doctor has no check %s", m[0], name)
			}
		}
	}
	settings, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\b(?:OSS|UPLOAD|AUTH|CALLBACK|CORS|STS|WEBHOOK)_[A-Z_]+\b`).FindAllString(string(explain.Rules), -1) {
		if !strings.Contains(string(settings), "`"+name+"`") {
			t.Errorf("the README has no setting %s", name)
		}
	}
}
