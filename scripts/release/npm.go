package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// browserClient packs the browser client for npm, under the release's version.
// What is packed is a copy, so that the tree stays as it is.
func (r *release) browserClient(ctx context.Context) error {
	return r.packNPM(ctx, filepath.Join(r.root, "scripts", "clients", "browser"))
}

func (r *release) packNPM(ctx context.Context, source string) error {
	if _, err := os.Stat(filepath.Join(source, manifestFile)); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(r.log, "no npm package: there is no %s in %s\n", manifestFile, filepath.Base(source))
		return nil
	}
	folder := filepath.Join(r.scratch, "npm")
	if err := os.CopyFS(folder, os.DirFS(source)); err != nil {
		return fmt.Errorf("copying the browser client: %w", err)
	}
	if err := setVersion(filepath.Join(folder, manifestFile), strings.TrimPrefix(r.version, "v")); err != nil {
		return err
	}
	out, err := filepath.Abs(r.out)
	if err != nil {
		return fmt.Errorf("finding the folder: %w", err)
	}
	// No script of the package runs: what is in the tree is what is packed.
	cmd := exec.CommandContext(ctx, "npm", "pack", "--ignore-scripts", "--json", "--pack-destination", out)
	cmd.Dir = folder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	said, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("packing the browser client: %w\n%s", err, &stderr)
	}
	var packed []struct{ Filename string }
	if err := json.Unmarshal(said, &packed); err != nil || len(packed) != 1 {
		return fmt.Errorf("packing the browser client: npm says %.300q", said)
	}
	fmt.Fprintln(r.log, packed[0].Filename)
	return nil
}

const manifestFile = "package.json"

// setVersion sets the version of an npm package, and leaves the rest of its
// manifest as it is written.
func setVersion(path, version string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(text, &manifest); err != nil || manifest.Version == "" {
		return fmt.Errorf("reading the manifest %s: it has no version", filepath.Base(path))
	}
	before := fmt.Sprintf("%q: %q", "version", manifest.Version)
	if strings.Count(string(text), before) != 1 {
		return fmt.Errorf("reading the manifest %s: want %s in it once", filepath.Base(path), before)
	}
	after := fmt.Sprintf("%q: %q", "version", version)
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), before, after, 1)), 0o644); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}
