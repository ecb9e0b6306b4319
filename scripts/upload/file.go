package main

import (
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
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
	if name == "-" {
		return nil, errors.New("standard input cannot be uploaded: its size is not known beforehand, and it cannot be read again")
	}
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
	hash := crc64.New(crcTable)
	n, err := io.Copy(hash, io.NewSectionReader(f, 0, f.size))
	switch {
	case err != nil:
		return 0, withoutPath(err)
	case n != f.size:
		return 0, errChanged
	}
	return hash.Sum64(), nil
}

// body is the body of one request: a stretch of the file, read as it is sent,
// never held. It computes its CRC-64 on the way.
//
// The transport may read on for a moment after the request is over, so that
// everything is guarded, and settle ends it.
type body struct {
	// last is asked before the last bytes are handed over. If it refuses, the
	// request has fewer bytes than it announced, and nothing is stored.
	last func(crc uint64) error
	// count is told how many bytes go, as a negative number when they come back.
	count func(n int64)

	mu      sync.Mutex
	section *io.SectionReader
	left    int64
	counted int64
	crc     uint64
	err     error // why reading ended early
}

// body returns a body of size bytes from offset on.
func (f *file) body(offset, size int64, count func(n int64), last func(crc uint64) error) *body {
	return &body{section: io.NewSectionReader(f, offset, size), left: size, count: count, last: last}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.section.Read(p)
	b.crc = crc64.Update(b.crc, crcTable, p[:n])
	b.left -= int64(n)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		b.err = errChanged // the file became shorter
	case n == 0 && err != nil:
		b.err = fmt.Errorf("reading the file: %w", withoutPath(err))
	case b.left == 0:
		b.err = b.last(b.crc)
	}
	if b.err != nil {
		return 0, b.err
	}
	b.counted += int64(n)
	b.count(int64(n))
	return n, nil
}

// settle ends the body. It tells the CRC of what was read, whether that was
// all, and the error that ended reading early.
func (b *body) settle() (crc uint64, whole bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err = b.err; err == nil {
		b.err = os.ErrClosed
	}
	return b.crc, b.left == 0, err
}

// takeBack uncounts a body that was sent in vain. It comes after settle.
func (b *body) takeBack() { b.count(-b.counted) }
