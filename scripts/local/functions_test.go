package main

import (
	"os"
	"path/filepath"
	"testing"

	"ossupload/scripts/internal/stack"
)

func TestFunctionsAreFoundBesideTheProgram(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "ossupload-local")
	beside := filepath.Join(dir, "functions")
	if err := os.Mkdir(beside, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range stack.FunctionNames {
		// Some of them are none: they would be of two versions.
		if found, err := findFunctions("", program); err != nil || found != "" {
			t.Errorf("findFunctions() with %d functions = %q, %v, want none", i, found, err)
		}
		if _, err := findFunctions(beside, ""); err == nil {
			t.Errorf("findFunctions(%s) with %d functions = nil, want an error", beside, i)
		}
		if err := os.WriteFile(stack.Binary(beside, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := findFunctions("", program); err != nil || found != beside {
		t.Errorf("findFunctions() = %q, %v, want %q", found, err, beside)
	}
	if found, err := findFunctions(beside, filepath.Join(t.TempDir(), "x")); err != nil || found != beside {
		t.Errorf("findFunctions(%s) = %q, %v, want what is given", beside, found, err)
	}
	if found, err := findFunctions("", ""); err != nil || found != "" {
		t.Errorf("findFunctions() of nowhere = %q, %v, want none", found, err)
	}
}
