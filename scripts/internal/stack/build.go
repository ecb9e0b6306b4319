package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// FunctionNames are the folders below functions/. [Repair] is the program of
// complete as well.
var FunctionNames = []string{"presign", "callback", "complete"}

// BuildTags leave out of the functions what they do not need, wherever they are
// built: 2.6 and 2.9 MB with validator, 0.4 without.
//
//   - nethttpomithttp2: the runtime's API and OSS speak HTTP/1.1, and so does who
//     receives events or publishes keys.
//   - validator_novalidatefn: the rule validateFn, which nothing uses, calls methods
//     by name, and so keeps every exported method of every type in the program.
const BuildTags = "nethttpomithttp2,validator_novalidatefn"

// ModuleRoot is the folder of go.mod, as the go command in PATH sees it from
// here.
func ModuleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("finding the source: there is no go command in PATH; a release of the local stack has its functions built, beside the program")
	case err != nil:
		return "", fmt.Errorf("asking go for the module: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("finding the source: run this inside the module, for it is built from there")
	}
	return filepath.Dir(file), nil
}

// Build compiles the functions into dir, with the go command that is in PATH.
// It works from any folder of the module. A release has them built already, in
// the folder functions beside the program.
func Build(ctx context.Context, dir string) error {
	root, err := ModuleRoot(ctx)
	if err != nil {
		return err
	}
	// The commit is not stamped: these binaries do not need it, and git
	// refuses to tell it in a tree that another user owns.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-tags", BuildTags, "-o", dir + string(filepath.Separator)}
	for _, name := range FunctionNames {
		args = append(args, "./functions/"+name)
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions: %w\n%s", err, out)
	}
	return nil
}

// Binary is the path of a function that was built into dir.
func Binary(dir, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}

// Repair is the function for timers and for OSS's trigger: the program of
// complete, deployed a second time, with a role of its own.
const Repair = "repair"

// deployed are all functions, with the program of each.
var deployed = []struct{ name, program string }{
	{"presign", "presign"},
	{"callback", "callback"},
	{"complete", "complete"},
	{Repair, "complete"},
}

// Timeout is how long a function may take to answer, as s.yaml deploys it.
func Timeout(name string) time.Duration {
	switch name {
	case "presign":
		return 30 * time.Second
	case "callback":
		return 4 * time.Second
	case Repair:
		return 300 * time.Second
	}
	return 60 * time.Second
}
