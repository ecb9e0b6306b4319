package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"ossupload/scripts/internal/stack"
)

// target is a system for which programs are built.
type target struct{ os, arch string }

var allTargets = []target{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func (t target) String() string { return t.os + "/" + t.arch }

// suffix is that of programs.
func (t target) suffix() string {
	if t.os == "windows" {
		return ".exe"
	}
	return ""
}

func targetNames() (names []string) {
	for _, t := range allTargets {
		names = append(names, t.String())
	}
	return names
}

// functions packs the functions for Function Compute, as scripts/build.sh builds
// them for a deployment.
func (r *release) functions(ctx context.Context) error {
	built := filepath.Join(r.scratch, "functions")
	cmd := exec.CommandContext(ctx, "bash", append([]string{"scripts/build.sh"}, stack.FunctionNames...)...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "DIST="+built, "OSSUPLOAD_VERSION="+r.version)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions: %w\n%s", err, out)
	}
	for _, name := range stack.FunctionNames {
		main := filepath.Join(built, name, "main")
		if err := r.bill.add("ossupload-"+name, main); err != nil {
			return err
		}
		if err := r.pack(fmt.Sprintf("ossupload-%s_%s.zip", name, r.version), []entry{{main, "main", 0o755}}); err != nil {
			return err
		}
	}
	return nil
}

// programs packs the command line and the local stack for each system.
func (r *release) programs(ctx context.Context) error {
	for _, t := range r.targets {
		if err := r.programsFor(ctx, t); err != nil {
			return fmt.Errorf("for %v: %w", t, err)
		}
	}
	return nil
}

func (r *release) programsFor(ctx context.Context, t target) error {
	built := filepath.Join(r.scratch, t.os+"_"+t.arch)
	var functions []string
	for _, name := range stack.FunctionNames {
		functions = append(functions, "./functions/"+name)
	}
	if err := r.compile(ctx, t, built, stack.BuildTags, functions); err != nil {
		return err
	}
	if err := r.compile(ctx, t, built, "", []string{"./scripts/upload", "./scripts/local"}); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(built, name+t.suffix()) }
	license := entry{filepath.Join(r.root, "LICENSE"), "LICENSE", 0o644}
	local := []entry{license, {in("local"), "ossupload-local" + t.suffix(), 0o755}}
	for _, name := range stack.FunctionNames {
		// Where the program looks for them.
		local = append(local, entry{in(name), "functions/" + name + t.suffix(), 0o755})
	}
	for name, entries := range map[string][]entry{
		"ossupload-upload": {license, {in("upload"), "ossupload-upload" + t.suffix(), 0o755}},
		"ossupload-local":  local,
	} {
		for _, e := range entries {
			if e.mode == 0o755 {
				if err := r.bill.add(fmt.Sprintf("%s_%s_%s/%s", name, t.os, t.arch, e.name), e.path); err != nil {
					return err
				}
			}
		}
		ending := ".tar.gz"
		if t.os == "windows" {
			ending = ".zip"
		}
		if err := r.pack(fmt.Sprintf("%s_%s_%s_%s%s", name, r.version, t.os, t.arch, ending), entries); err != nil {
			return err
		}
	}
	return nil
}

// compile builds packages into a folder: static, and with nothing of this
// machine or of the time in them.
func (r *release) compile(ctx context.Context, t target, into, tags string, packages []string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-tags", tags,
		"-ldflags", "-s -w -X ossupload/shared/version.release=" + r.version, "-o", into + string(filepath.Separator)}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building: %w\n%s", err, out)
	}
	return nil
}
