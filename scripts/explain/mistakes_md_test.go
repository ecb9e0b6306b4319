package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"ossupload/scripts/internal/explain"
)

var update = flag.Bool("update", false, "write MISTAKES.md")

// MISTAKES.md is written from what TestMistakes makes, and from the rules:
//
//	go test ./scripts/explain -run MISTAKES -update
func TestMISTAKESIsWrittenFromTheMistakes(t *testing.T) {
	want := mistakesPage()
	if *update {
		if err := os.WriteFile("MISTAKES.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("MISTAKES.md")
	if err != nil || string(got) != want {
		t.Errorf("MISTAKES.md is not what the mistakes say (%v): run this test with -update", err)
	}
}

func mistakesPage() string {
	var b strings.Builder
	b.WriteString(`# Mistakes, and what mends them

` + "`explain`" + ` says what went wrong with an upload. It takes the XML of an OSS refusal, the JSON of a function's, all that ` + "`curl -v`" + ` prints, or the message of a
browser's console, and asks nobody; with the answer of ` + "`POST /presign`" + ` it names what was sent otherwise than it was signed:

    curl -v ... 2>&1 | go run ./scripts/explain
    go run ./scripts/explain -presign presign.json refusal.xml

The page of the local stack has a box for the same. Nothing that either says holds a signature or a token.

Written from the tests by ` + "`go test ./scripts/explain -run MISTAKES -update`" + `. A test makes each of these mistakes at a running stack, and holds what whoever made
it gets to read against the words in the last column.

`)
	n := 0
	for _, people := range []struct {
		who      string
		mistakes []mistake
	}{{"Whoever writes the client, or signs the callers' tokens", integrators}, {"Whoever deploys", operators}} {
		fmt.Fprintf(&b, "## %s\n\n| # | mistake | what comes back | who says what to do | in these words |\n|---|---|---|---|---|\n", people.who)
		for _, m := range people.mistakes {
			n++
			fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", n, cell(m.what), code(m.seen), m.who, cell(m.mend))
		}
		b.WriteString("\n")
	}
	b.WriteString("## Everything that `explain` knows\n")
	book := explain.Every()
	for _, list := range []struct {
		title string
		rules []explain.Rule
	}{
		{"What differs from the answer of POST /presign", book.Differences}, {"What was answered", book.Refusals},
		{"What a browser's console says", book.Pages}, {"What curl says", book.Curl},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| symptom | cause | mend |\n|---|---|---|\n", list.title)
		for _, r := range list.rules {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", general(r.Symptom), general(r.Cause), general(r.Mend))
		}
	}
	return b.String()
}

// cell is a text within a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ", `\"`, `"`).Replace(text)
}

func code(text string) string {
	return "`" + strings.NewReplacer("<Code>", "", "</Code>", "").Replace(text) + "`"
}

// general is a text of a rule that is about no upload in particular.
func general(text string) string {
	return cell(strings.NewReplacer("[", "", "]", "", "{said}", "What the message says", "{", "*", "}", "*").Replace(text))
}
