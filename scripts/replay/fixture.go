package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// lengths are what two events of one shape may differ in.
var lengths = regexp.MustCompile(`<(?:#\d+ \d+ )?([A-Za-z0-9-]+)[ 0-9.%+]*>`)

// fixture is a file that is to be written.
type fixture struct {
	name    string
	content []byte
}

// fixturesOf makes one fixture for each distinct shape. An event that cannot be
// rebuilt has none, and skipped is told of it.
func fixturesOf(events []recorded, skipped func(recorded, error)) []fixture {
	var fixtures []fixture
	seen := map[string]bool{}
	count := map[string]int{}
	for _, e := range events {
		kind := fixtureName.ReplaceAllString(e.Function+"-"+e.Trigger, "")
		shape := kind + lengths.ReplaceAllString(string(e.Event), "<$1>")
		if seen[shape] {
			continue
		}
		event, err := rebuild(e.Event, "")
		if err != nil {
			skipped(e, err)
			continue
		}
		seen[shape] = true
		count[kind]++
		var indented bytes.Buffer
		if json.Indent(&indented, event, "", "  ") == nil {
			indented.WriteByte('\n')
			event = indented.Bytes()
		}
		fixtures = append(fixtures, fixture{fmt.Sprintf("%s-%d.json", kind, count[kind]), event})
	}
	return fixtures
}

// fixtureName is what a name of a file does without.
var fixtureName = regexp.MustCompile(`[^a-z-]`)

// writeFixtures writes all fixtures or none. No file is replaced.
func writeFixtures(dir string, fixtures []fixture) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing fixtures: %w", err)
	}
	for i, f := range fixtures {
		if err := writeNew(filepath.Join(dir, f.name), f.content); err != nil {
			for _, written := range fixtures[:i] {
				err = errors.Join(err, os.Remove(filepath.Join(dir, written.name)))
			}
			return fmt.Errorf("writing fixtures: %w", err)
		}
	}
	return nil
}

// writeNew writes a file that appears with all of its content, and replaces none.
func writeNew(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".fixture-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
