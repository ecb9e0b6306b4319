package scripts_test

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/api"
)

const zhPath = ".github/README.zh-CN.md"

// translation is the README twice: in English and in Chinese.
func translation(t *testing.T) (en, zh string) {
	t.Helper()
	zh, ok := pages(t)[zhPath]
	if !ok {
		t.Fatalf("there is no %s", zhPath)
	}
	return readme(t), zh
}

// parts takes the code of a page, which no translation touches, from its prose. A
// comment that marks a block belongs to the code.
func parts(page string) (code, prose []string) {
	fenced := false
	for _, line := range strings.Split(page, "\n") {
		fence := strings.HasPrefix(line, "```")
		if fence {
			fenced = !fenced
		}
		if fence || fenced || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "<!--") {
			code = append(code, line)
		} else {
			prose = append(prose, line)
		}
	}
	return code, prose
}

var inlineCode = regexp.MustCompile("`([^`]+)`")

// spans are what a text has between backticks.
func spans(text string) (all []string) {
	for _, m := range inlineCode.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Join(strings.Fields(m[1]), " "))
	}
	return all
}

// tables are the rows of each table of a page, without the line below the head.
func tables(page string) (all [][][]string) {
	_, prose := parts(page)
	inside := false
	for _, line := range prose {
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		if !inside {
			inside = true
			all = append(all, nil)
		}
		if strings.HasPrefix(line, "|---") {
			continue
		}
		const pipe = "\x00"
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, pipe), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], pipe, `\|`))
		}
		all[len(all)-1] = append(all[len(all)-1], cells)
	}
	return all
}

// differ reports where two lists part.
func differ(t *testing.T, what string, en, zh []string) {
	t.Helper()
	for i := range max(len(en), len(zh)) {
		var a, b string
		if i < len(en) {
			a = en[i]
		}
		if i < len(zh) {
			b = zh[i]
		}
		if a != b || i >= len(en) || i >= len(zh) {
			t.Errorf("%s %d of %d is %q in README.md, and of %d is %q in %s", what, i+1, len(en), a, len(zh), b, zhPath)
			return
		}
	}
	if len(en) == 0 {
		t.Errorf("the README has no %s", what)
	}
}

func TestChineseCode(t *testing.T) {
	en, zh := translation(t)
	a, _ := parts(en)
	b, _ := parts(zh)
	differ(t, "line of code", a, b)
}

func TestChineseCommands(t *testing.T) {
	command := regexp.MustCompile(`^(\w+=\S+ )*(go run|go test|go doc|scripts/|s deploy|s config|npm) ?`)
	commands := func(page string) (all []string) {
		_, prose := parts(page)
		for _, span := range spans(strings.Join(prose, "\n")) {
			if command.MatchString(span) {
				all = append(all, span)
			}
		}
		slices.Sort(all)
		return all
	}
	en, zh := translation(t)
	differ(t, "command, sorted,", commands(en), commands(zh))
}

// The rows are the same ones in the same order, and each cell has the same names of
// code. The table of errors has its own columns behind the code.
func TestChineseTables(t *testing.T) {
	bare := regexp.MustCompile(`^(?:[A-Z]+|\d[\dx]{2}|[PCM]( [PCM])*|)$`)
	flat := func(page string, errorsTable bool) (all []string) {
		for i, table := range tables(page) {
			for j, row := range table {
				if isError(row) {
					row = row[:2]
				} else if isError(table[min(1, len(table)-1)]) {
					row = nil // the head of that table
				}
				if isError(row) != errorsTable {
					continue
				}
				at := fmt.Sprintf("table %d, row %d", i+1, j+1)
				for _, cell := range row {
					names := spans(cell)
					slices.Sort(names)
					if bare.MatchString(cell) {
						names = append(names, cell)
					}
					at += fmt.Sprintf(" | %q", names)
				}
				all = append(all, at)
			}
		}
		return all
	}
	en, zh := translation(t)
	differ(t, "table row", flat(en, false), flat(zh, false))
	differ(t, "error", flat(en, true), flat(zh, true))
}

// isError reports whether a row is of the table of errors.
func isError(row []string) bool {
	return len(row) > 1 && regexp.MustCompile(`^\d{3}$`).MatchString(row[0]) && regexp.MustCompile("^`[a-z_]+`$").MatchString(row[1])
}

func TestChineseHeadings(t *testing.T) {
	levels := func(page string) (all []string) {
		_, prose := parts(page)
		for _, line := range prose {
			if level, _, ok := strings.Cut(line, " "); ok && level != "" && strings.Trim(level, "#") == "" {
				all = append(all, level)
			}
		}
		return all
	}
	en, zh := translation(t)
	differ(t, "level of heading", levels(en), levels(zh))
}

// Whatever stands between backticks, as settings, headers, fields and codes do, is
// in both.
func TestChineseNames(t *testing.T) {
	names := func(page string) []string {
		_, prose := parts(page)
		all := spans(strings.Join(prose, "\n"))
		slices.Sort(all)
		return slices.Compact(all)
	}
	en, zh := translation(t)
	differ(t, "name, sorted,", names(en), names(zh))
}

// Sections agree in their numbers: limits, defaults, times.
func TestChineseNumbers(t *testing.T) {
	target := regexp.MustCompile(`\]\([^)]*\)`)
	number := regexp.MustCompile(`\d+(?:[.,]\d+)*`)
	numbers := func(page string) (all []string) {
		_, prose := parts(page)
		section, seen := 0, map[string]bool{}
		end := func() {
			all = append(all, fmt.Sprint("section ", section, ": ", slices.Sorted(maps.Keys(seen))))
			section, seen = section+1, map[string]bool{}
		}
		for _, line := range prose {
			if strings.HasPrefix(line, "#") {
				end()
			}
			if row := strings.Split(strings.Trim(line, "| "), " | "); isError(row) {
				line = row[0]
			}
			for _, n := range number.FindAllString(target.ReplaceAllString(line, "]"), -1) {
				seen[n] = true
			}
		}
		end()
		return all
	}
	en, zh := translation(t)
	differ(t, "numbers of a section", numbers(en), numbers(zh))
}

func TestChineseLinks(t *testing.T) {
	links := func(page, dir string) (all []string) {
		_, prose := parts(page)
		for _, m := range mdLink.FindAllStringSubmatch(strings.Join(prose, "\n"), -1) {
			to := m[1]
			switch {
			case strings.HasPrefix(to, "#"):
				to = "#" // a heading of its own language
			case !strings.Contains(to, "://"):
				to = path.Join(dir, to)
			}
			if to != "README.md" && to != zhPath { // each links to the other
				all = append(all, to)
			}
		}
		slices.Sort(all)
		return all
	}
	en, zh := translation(t)
	differ(t, "link, sorted,", links(en, "."), links(zh, path.Dir(zhPath)))
	if !strings.HasPrefix(zh, "# ossupload\n\n[English](../README.md)\n") {
		t.Errorf("%s does not begin with a link to the English page", zhPath)
	}
	if head, _, _ := strings.Cut(en, "    "); !strings.Contains(head, "]("+zhPath+")") {
		t.Errorf("README.md does not link to %s in its first lines", zhPath)
	}
}

// unsent are messages that no client gets, with the reason.
var unsent = map[string]string{
	"Your token is not for this: its scope lists other uses only. Ask your application for one that is.": "May answers with the scope that is missing",
	"There is an object under this key already.":                                                         "complete answers with what became of the upload",
}

// The table of errors has the messages that are sent, each beside its code, and no
// others.
func TestChineseMessages(t *testing.T) {
	_, zh := translation(t)
	sent := sentMessages(t)
	rows := 0
	for _, table := range tables(zh) {
		for _, row := range table {
			if isError(row) {
				rows++
				checkMessages(t, row, sent[api.Code(strings.Trim(row[1], "`"))])
			}
		}
	}
	if rows != len(api.Codes()) {
		t.Errorf("%d codes in the table of errors, want %d", rows, len(api.Codes()))
	}
	declared := slices.Concat(slices.Collect(maps.Values(sent))...)
	for message := range unsent {
		if !slices.Contains(declared, message) {
			t.Errorf("nothing declares %q any more: strike it from the list", message)
		}
	}
}

func checkMessages(t *testing.T, row, sent []string) {
	t.Helper()
	code := row[1]
	if len(row) != 4 {
		t.Errorf("%s: %d columns, want status, code, messages and meaning", code, len(row))
		return
	}
	told := strings.Split(row[2], "<br>")
	for _, message := range told {
		if !slices.Contains(sent, message) {
			t.Errorf("%s: nothing sends %q, but %q", code, message, sent)
		}
	}
	for _, message := range sent {
		if !slices.ContainsFunc(told, func(one string) bool { return covers(one, message) }) && unsent[message] == "" {
			t.Errorf("%s: %q is sent, and %s does not say what it means", code, message, zhPath)
		}
	}
	if !regexp.MustCompile(`\p{Han}`).MatchString(row[3]) {
		t.Errorf("%s: its meaning is not in Chinese: %q", code, row[3])
	}
}

// covers reports whether a message is another whose "…" are filled in.
func covers(told, message string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(told), "…", ".+")
	return regexp.MustCompile("^" + pattern + "$").MatchString(message)
}
