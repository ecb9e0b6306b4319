package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// functionNames are the folders below functions/.
var functionNames = []string{"presign", "callback", "complete"}

// buildFunctions compiles the functions into dir, with the go command that is
// in PATH. It works from any folder of the module.
func buildFunctions(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("asking go for the module: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return errors.New("finding the functions: run this inside the module, for it builds them from source")
	}
	// The commit is not stamped: nobody asks these binaries for it, and git
	// refuses to tell it in a tree that another user owns.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", dir + string(filepath.Separator)}
	for _, name := range functionNames {
		args = append(args, "./functions/"+name)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = filepath.Dir(file)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions: %w\n%s", err, out)
	}
	return nil
}

// binary is the path of a function that was built into dir.
func binary(dir, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}
