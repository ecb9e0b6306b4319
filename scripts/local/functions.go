package main

import (
	"fmt"
	"os"
	"path/filepath"

	"ossupload/scripts/internal/stack"
)

// findFunctions returns the folder of the built functions: given, or the folder
// "functions" beside the program, where a release has it, or "" if there is
// none and they have to be built from source.
func findFunctions(given, program string) (string, error) {
	if given != "" {
		if missing := missingFunction(given); missing != "" {
			return "", fmt.Errorf("-functions: there is no %s", missing)
		}
		return given, nil
	}
	if program == "" {
		return "", nil
	}
	beside := filepath.Join(filepath.Dir(program), "functions")
	if missingFunction(beside) != "" {
		return "", nil
	}
	return beside, nil
}

// missingFunction is the first function that a folder lacks, or "".
func missingFunction(dir string) string {
	for _, name := range stack.FunctionNames {
		path := stack.Binary(dir, name)
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
