package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ossupload/scripts/internal/template"
)

// tree is the source of one commit, and what was built of it.
type tree struct {
	name  string // what the table calls it
	root  string
	built string // a folder for what is built
	// yardstick is the root of the tree that has this program.
	yardstick string

	absent map[string]error // of each target, why it cannot be built; nil: it is
}

// command runs at the top of the tree, in no other Go workspace and with no
// setting of the developer's shell that changes what is measured.
func (t *tree) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.root
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		set, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "GOFLAGS", "GOWORK"}, set)
	})
	cmd.Env = append(cmd.Env, "GOFLAGS=-buildvcs=false")
	return cmd
}

// build builds what the probes need, each once. What the tree does not have is no
// error: see lacks.
func (t *tree) build(ctx context.Context, probes []string) error {
	t.absent = map[string]error{}
	for _, name := range probes {
		target, build := t.target(name)
		if _, tried := t.absent[target]; tried {
			continue
		}
		err := build(ctx)
		if err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		t.absent[target] = err
	}
	return nil
}

// lacks is why a probe cannot be read of this tree; nil: it can.
func (t *tree) lacks(probe string) error {
	target, _ := t.target(probe)
	return t.absent[target]
}

// target is what has to be built for a probe, and how.
func (t *tree) target(probe string) (name string, build func(context.Context) error) {
	kind, what := cutProbe(probe)
	if kind == benchProbe {
		pkg, _, _ := strings.Cut(what, " ")
		return pkg, func(ctx context.Context) error { return t.buildTests(ctx, pkg) }
	}
	if what == hello || what == alike {
		return hello, t.buildHello
	}
	return what, func(ctx context.Context) error { return t.buildFunction(ctx, what) }
}

const (
	hello = "hello" // the program that functions are held against, as Go starts it
	alike = "alike" // the same, with what is set for Go's runtime of presign
)

// function is where a function is built to.
func (t *tree) function(name string) string {
	if name == alike {
		name = hello
	}
	return filepath.Join(t.built, name, "main")
}

// given is what the tree's s.yaml sets for Go's runtime of a function.
func (t *tree) given(name string) ([]string, error) {
	if name == alike {
		name = "presign"
	}
	deployed, err := template.Open(filepath.Join(t.root, "s.yaml"))
	if err != nil {
		return nil, err
	}
	env, err := deployed.Environment(name, func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, err
	}
	if procs := env["GOMAXPROCS"]; procs != "" {
		return []string{"GOMAXPROCS=" + procs}, nil
	}
	return nil, nil
}

func (t *tree) buildFunction(ctx context.Context, name string) error {
	if _, err := os.Stat(filepath.Join(t.root, "functions", name)); err != nil {
		return fmt.Errorf("function %s: %w", name, errAbsent)
	}
	build := t.command(ctx, filepath.Join(t.root, "scripts", "build.sh"), name)
	build.Env = append(build.Env, "DIST="+t.built)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the function %s: %w\n%s", name, err, out)
	}
	return nil
}

// buildHello builds it with the flags that scripts/build.sh has for functions. Of
// another commit it is that of this tree: the yardstick stays.
func (t *tree) buildHello(ctx context.Context) error {
	build := t.command(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", t.function(hello), "./scripts/bench/testdata/hello")
	build.Dir = t.yardstick
	build.Env = append(build.Env, "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", hello, err, out)
	}
	return nil
}

// checkout adds a temporary worktree of a commit to the repository. done removes
// it.
func checkout(ctx context.Context, from *tree, commit, dir string) (t *tree, done func() error, err error) {
	root := filepath.Join(dir, "tree")
	// A commit that begins with a dash is none, and must not become a flag.
	verify := from.command(ctx, "git", "rev-parse", "--verify", "--quiet", "--short", "--end-of-options", commit+"^{commit}")
	id, err := verify.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("looking for commit %q: %w", commit, err)
	}
	name := strings.TrimSpace(string(id))
	if out, err := from.command(ctx, "git", "worktree", "add", "--detach", root, name).CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("checking out %s: %w\n%s", name, err, out)
	}
	done = func() error {
		// Also after an interrupt: what is left would stay registered.
		out, err := from.command(context.WithoutCancel(ctx), "git", "worktree", "remove", "--force", root).CombinedOutput()
		if err != nil {
			return fmt.Errorf("removing the worktree of %s: %w\n%s", name, err, out)
		}
		return nil
	}
	return &tree{name: name, root: root, built: filepath.Join(dir, "built"), yardstick: from.root}, done, nil
}
