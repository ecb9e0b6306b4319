package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// One bad line hides no other.
func TestFixturesWithoutBadLines(t *testing.T) {
	var events []recorded
	for _, event := range []string{`{"path":"/<#1 999999999 alnum>"}`, `{"path":"/<#1 4 alnum>"}`, `{"path":"/<#1 5 alnum>"}`, `{"host":"<#1 4 alnum>"}`} {
		events = append(events, recorded{RequestID: event, Function: "presign", Trigger: "http", Event: json.RawMessage(event)})
	}
	var skipped []string
	fixtures := fixturesOf(events, func(e recorded, err error) { skipped = append(skipped, e.RequestID) })
	if len(skipped) != 1 || skipped[0] != string(events[0].Event) {
		t.Errorf("skipped = %q, want the first alone", skipped)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := writeFixtures(dir, fixtures); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"presign-http-1.json", "presign-http-2.json"}) {
		t.Errorf("files = %q, want two", got)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "presign-http-1.json")); err != nil || string(text) != "{\n  \"path\": \"/hhhk\"\n}\n" {
		t.Errorf("the first = %q, %v", text, err)
	}
}

func TestFixturesReplaceNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b.json"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeFixtures(dir, []fixture{{"a.json", []byte("a")}, {"b.json", []byte("b")}}); err == nil {
		t.Error("a file that is there is no error")
	}
	if text, err := os.ReadFile(filepath.Join(dir, "b.json")); len(names(t, dir)) != 1 || string(text) != "mine" {
		t.Errorf("%q are left, b.json with %q, %v, want mine alone", names(t, dir), text, err)
	}
}
