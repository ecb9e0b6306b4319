package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// lengths are what two events of one shape may differ in.
var lengths = regexp.MustCompile(`<(?:#\d+ \d+ )?([A-Za-z0-9-]+)[ 0-9.%+]*>`)

// writeFixtures writes one event for each distinct shape. No file is replaced.
func writeFixtures(dir string, events []recorded) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing fixtures: %w", err)
	}
	seen := map[string]bool{}
	count := map[string]int{}
	for _, e := range events {
		kind := fixtureName.ReplaceAllString(e.Function+"-"+e.Trigger, "")
		shape := kind + lengths.ReplaceAllString(string(e.Event), "<$1>")
		if seen[shape] {
			continue
		}
		seen[shape] = true
		count[kind]++
		event, err := rebuild(e.Event, "")
		if err != nil {
			return err
		}
		var indented bytes.Buffer
		if json.Indent(&indented, event, "", "  ") == nil {
			indented.WriteByte('\n')
			event = indented.Bytes()
		}
		if err := writeNew(filepath.Join(dir, fmt.Sprintf("%s-%d.json", kind, count[kind])), event); err != nil {
			return err
		}
	}
	return nil
}

// fixtureName is what a name of a file does without.
var fixtureName = regexp.MustCompile(`[^a-z-]`)

func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing a fixture: %w", err)
	}
	_, err = f.Write(content)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("writing a fixture: %w", err)
	}
	return nil
}
