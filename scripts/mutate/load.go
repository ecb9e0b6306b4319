package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// target is a package and all that could be changed in it.
type target struct {
	path, dir string
	mutations []mutation
}

// load lists the packages that the patterns name.
func load(ctx context.Context, patterns []string) ([]target, error) {
	args := append([]string{"list", "-json=ImportPath,Dir,GoFiles", "--"}, patterns...)
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	var status *exec.ExitError
	if errors.As(err, &status) {
		return nil, fmt.Errorf("listing packages: %w\n%s", err, status.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	var targets []target
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p struct {
			ImportPath, Dir string
			GoFiles         []string
		}
		if err := dec.Decode(&p); err != nil {
			return nil, fmt.Errorf("reading the list of packages: %w", err)
		}
		t := target{path: p.ImportPath, dir: p.Dir}
		for _, name := range p.GoFiles {
			found, err := findIn(filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			t.mutations = append(t.mutations, found...)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func findIn(path string) ([]mutation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return find(&source{path, text})
}
