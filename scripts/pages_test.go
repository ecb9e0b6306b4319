package scripts_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the Markdown pages of the tree, by their path from its top.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "testdata" || name == "node_modules" || name == "dist" || name == "app" || name == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel("..", path) // which it begins with
		all[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	mdLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	mdCode    = regexp.MustCompile("(?ms)^```.*?^```$")
)

// anchors are what a link to a page may have behind its "#".
func anchors(page string) (names []string) {
	for _, m := range mdHeading.FindAllStringSubmatch(mdCode.ReplaceAllString(page, ""), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(strings.TrimSpace(m[1])) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || r > 0x7f && !strings.ContainsRune("，。、：；？！“”‘’（）…—", r) || strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789", r):
				b.WriteRune(r)
			}
		}
		names = append(names, b.String())
	}
	return names
}

// Every link of a page to something of the tree leads there.
func TestLinks(t *testing.T) {
	all, seen := pages(t), 0
	for page, text := range all {
		for _, m := range mdLink.FindAllStringSubmatch(mdCode.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			seen++
			path := filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
			if target == "" {
				path = page
			}
			if _, err := os.Stat(filepath.Join("..", path)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(all[path]), anchor) {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d links were looked at, want those of all pages", seen)
	}
}

var (
	goRun   = regexp.MustCompile(`go run \./scripts/([a-z0-9]+)([^\n` + "`" + `|;&#,:]*)`)
	oneFlag = regexp.MustCompile(`(?:^|[\s\[])-([a-z][a-z-]*)`)
)

// Every program that a page has one run is there, and knows the flags.
func TestPrograms(t *testing.T) {
	seen := 0
	for page, text := range pages(t) {
		for _, m := range goRun.FindAllStringSubmatch(text, -1) {
			seen++
			sources, err := filepath.Glob(filepath.Join(m[1], "*.go"))
			if err != nil || len(sources) == 0 {
				t.Errorf("%s: %s: no such program", page, m[0])
				continue
			}
			var source strings.Builder
			for _, file := range sources {
				if strings.HasSuffix(file, "_test.go") {
					continue
				}
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source.Write(text)
			}
			for _, flag := range oneFlag.FindAllStringSubmatch(m[2], -1) {
				if !strings.Contains(source.String(), `"`+flag[1]+`"`) && flag[1] != "h" && flag[1] != "version" {
					t.Errorf("%s: %s: it does not know -%s", page, m[0], flag[1])
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d commands were looked at, want those of all pages", seen)
	}
}
