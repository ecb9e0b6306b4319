package client

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"strconv"
	"sync"
)

// Source is what a request sends, from its first byte for each try. The zero
// value sends nothing.
type Source struct {
	Size int64
	// Open begins a try. It is called for a source of no bytes, too, and its
	// reader is not closed.
	Open func() (io.Reader, error)
	// Last is asked with the CRC-64 of all bytes before the last of them are
	// handed over. If it refuses, the request has fewer bytes than it announced,
	// and nothing is stored. It is not asked if there are no bytes; nil agrees.
	Last func(crc uint64) error
	// Count is told how many bytes go, as a negative number when they were sent
	// in vain; nil is not.
	Count func(n int64)
}

// Bytes is a source in memory.
func Bytes(content []byte) Source {
	return Source{
		Size: int64(len(content)),
		Open: func() (io.Reader, error) { return bytes.NewReader(content), nil },
	}
}

// CRCTable makes hash/crc64 compute CRC-64/XZ, which is what OSS answers in
// x-oss-hash-crc64ecma: the CRC of "123456789" is 11051210869376104954.
var CRCTable = crc64.MakeTable(crc64.ECMA)

// Decimal is the form in which CRCs travel.
func Decimal(crc uint64) string { return strconv.FormatUint(crc, 10) }

// body is one reading of a source. It computes its CRC-64 on the way.
//
// The transport may read on for a moment after the request is over, so that
// everything is guarded, and settle ends it.
type body struct {
	source Source

	mu      sync.Mutex
	reader  io.Reader
	left    int64
	counted int64
	crc     uint64
	err     error // why reading ended early
}

func (s Source) begin() (*body, error) {
	b := &body{source: s, left: s.Size}
	if s.Open == nil {
		return b, nil
	}
	var err error
	b.reader, err = s.Open()
	return b, err
}

var errSettled = errors.New("the request is over")

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
	n, err := b.reader.Read(p[:min(int64(len(p)), b.left)])
	b.crc = crc64.Update(b.crc, CRCTable, p[:n])
	b.left -= int64(n)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		b.err = fmt.Errorf("reading what to send: %w", io.ErrUnexpectedEOF)
	case n == 0 && err != nil:
		b.err = err
	case b.left == 0 && b.source.Last != nil:
		b.err = b.source.Last(b.crc)
	}
	if b.err != nil {
		return 0, b.err
	}
	b.count(int64(n))
	return n, nil
}

func (b *body) count(n int64) {
	b.counted += n
	if b.source.Count != nil {
		b.source.Count(n)
	}
}

// settle ends the body, and tells the error that ended reading early.
func (b *body) settle() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.err
	if err == nil {
		b.err = errSettled
	}
	return err
}

// takeBack uncounts what was sent in vain. It comes after settle.
func (b *body) takeBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(-b.counted)
}

// whole reports whether all bytes were handed over.
func (b *body) whole() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left == 0
}

func (b *body) sum() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.crc
}
