package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file of an archive.
type entry struct {
	path string // here
	name string // there
	mode fs.FileMode
}

// archived is the time of all files in archives: no build is to differ from
// another by its hour. It is the first that a zip can tell.
var archived = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack writes an archive, a zip or a tar.gz as its name says.
func (r *release) pack(name string, entries []entry) (err error) {
	f, err := os.OpenFile(filepath.Join(r.out, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing an archive: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err == nil {
			fmt.Fprintln(r.log, name)
		}
	}()
	if strings.HasSuffix(name, ".zip") {
		return writeZip(f, entries)
	}
	return writeTar(f, entries)
}

func writeZip(w io.Writer, entries []entry) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: archived}
		header.SetMode(e.mode)
		to, err := z.CreateHeader(header)
		if err != nil {
			return fmt.Errorf("writing a zip: %w", err)
		}
		if _, err := copyFile(to, e.path); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("writing a zip: %w", err)
	}
	return nil
}

func writeTar(w io.Writer, entries []entry) error {
	g := gzip.NewWriter(w) // its header has no time
	t := tar.NewWriter(g)
	for _, e := range entries {
		info, err := os.Stat(e.path)
		if err != nil {
			return fmt.Errorf("reading what is packed: %w", err)
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: info.Size(), Mode: int64(e.mode), ModTime: archived, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(header); err != nil {
			return fmt.Errorf("writing a tar: %w", err)
		}
		if _, err := copyFile(t, e.path); err != nil {
			return err
		}
	}
	if err := errors.Join(t.Close(), g.Close()); err != nil {
		return fmt.Errorf("writing a tar: %w", err)
	}
	return nil
}

func copyFile(to io.Writer, path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("reading what is packed: %w", err)
	}
	defer f.Close()
	n, err := io.Copy(to, f)
	if err != nil {
		return n, fmt.Errorf("packing %s: %w", filepath.Base(path), err)
	}
	return n, nil
}

// sumsFile is what "sha256sum -c" takes.
const sumsFile = "SHA256SUMS"

// writeSums writes the sums of all that is there.
func (r *release) writeSums() error {
	entries, err := os.ReadDir(r.out) // sorted
	if err != nil {
		return fmt.Errorf("listing what was built: %w", err)
	}
	var sums strings.Builder
	for _, e := range entries {
		sum, err := sumOf(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, e.Name())
	}
	if err := os.WriteFile(filepath.Join(r.out, sumsFile), []byte(sums.String()), 0o644); err != nil {
		return fmt.Errorf("writing the sums: %w", err)
	}
	fmt.Fprintln(r.log, sumsFile)
	return nil
}

// sumOf is the SHA-256 of a file in hexadecimal.
func sumOf(path string) (string, error) {
	hash := sha256.New()
	if _, err := copyFile(hash, path); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
