package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	pageFile = "scripts/bench/README.md"
	plotFile = "scripts/bench/growth.svg"
)

// The parts of the page that are measured stand between <!-- NAME --> and
// <!-- /NAME -->.
const (
	tablePart  = "table"
	growthPart = "growth"
)

// partOf is what stands in a part of the page, and where.
func partOf(page, name string) (text string, from, to int, err error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	from, to = strings.Index(page, begin), strings.Index(page, end)
	if from += len(begin); to < from || from < len(begin) {
		return "", 0, 0, fmt.Errorf("the page has no part between %q and %q", strings.TrimSpace(begin), end)
	}
	return page[from:to], from, to, nil
}

// replacePart puts text into a part of the page.
func replacePart(page, name, text string) (string, error) {
	_, from, to, err := partOf(page, name)
	if err != nil {
		return "", err
	}
	return page[:from] + "\n" + text + "\n" + page[to:], nil
}

// updatePage writes a part of the page at the top of a tree anew.
func updatePage(root, name, text string) error {
	path := filepath.Join(root, pageFile)
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the page of speed: %w", err)
	}
	updated, err := replacePart(string(page), name, text)
	if err != nil {
		return fmt.Errorf("reading the page of speed: %w", err)
	}
	if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
		return fmt.Errorf("writing the page of speed: %w", err)
	}
	return nil
}
