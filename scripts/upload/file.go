package main

import (
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"time"

	"ossupload/scripts/internal/client"
)

// errChanged means that the file is not what it was when its upload began.
// Nothing is completed then: the object would be neither the old nor the new
// file.
var errChanged = errors.New("the file changed while it was sent")

// file is a regular file as it was when it was opened.
type file struct {
	*os.File
	path     string // absolute
	size     int64
	modified time.Time
}

// openFile opens what can be sent, and again in parts: nothing but a regular
// file.
func openFile(name string) (*file, error) {
	// Before it is opened: a pipe would wait for its other end.
	if err := checkRegular(os.Stat(name)); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("finding the absolute path: %w", err)
	}
	opened, err := os.Open(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	info, err := opened.Stat()
	if err := checkRegular(info, err); err != nil {
		opened.Close()
		return nil, err
	}
	return &file{File: opened, path: path, size: info.Size(), modified: info.ModTime()}, nil
}

func checkRegular(info os.FileInfo, err error) error {
	switch {
	case err != nil:
		return withoutPath(err)
	case info.IsDir():
		return errors.New("it is a directory: name the files in it")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	return nil
}

// withoutPath takes the path out of an error, because what it is about is said
// in front of every message.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}

// unchanged returns errChanged if size or time of modification are not those
// of the beginning.
func (f *file) unchanged() error {
	info, err := f.Stat()
	if err != nil {
		return withoutPath(err)
	}
	if info.Size() != f.size || !info.ModTime().Equal(f.modified) {
		return errChanged
	}
	return nil
}

// checksum reads the whole file for its CRC-64.
func (f *file) checksum() (uint64, error) {
	hash := crc64.New(client.CRCTable)
	n, err := io.Copy(hash, io.NewSectionReader(f, 0, f.size))
	switch {
	case err != nil:
		return 0, withoutPath(err)
	case n != f.size:
		return 0, errChanged
	}
	return hash.Sum64(), nil
}

// source is a stretch of the file, read as it is sent, never held. Neither its
// first nor its last bytes go if the file is not what it was.
func (f *file) source(offset, size int64, count func(n int64)) client.Source {
	return client.Source{
		Size: size,
		Open: func() (io.Reader, error) {
			return stretch{io.NewSectionReader(f, offset, size)}, f.unchanged()
		},
		Last:  func(uint64) error { return f.unchanged() },
		Count: count,
	}
}

// stretch is a part of a file, of which no more is read than it should have.
type stretch struct{ section *io.SectionReader }

// Read implements io.Reader. Its error tells that the file became shorter.
func (s stretch) Read(p []byte) (int, error) {
	n, err := s.section.Read(p)
	switch {
	case n > 0 || err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		return 0, errChanged
	}
	return 0, fmt.Errorf("reading the file: %w", withoutPath(err))
}
