package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"golang.org/x/sync/errgroup"

	"ossupload/scripts/internal/client"
)

const (
	// streamPart is the size of the parts of what has no known size, if none is
	// asked for. As many as are sent at once are held in memory.
	streamPart = 8 << 20
	// maxParts of an upload ("Limits", OSS help centre). With streamPart they are
	// 78 GiB; a larger -part-size takes more.
	maxParts = 10_000
)

// stream is the upload of what can be read once. It is held in memory part by
// part, so that a part can be sent again; but another run cannot read it again,
// and so nothing is kept for one: what fails is aborted.
type stream struct {
	*upload
	in       io.Reader
	size     int64 // that it has to have; -1 if that is not known
	partSize int64

	chunks <-chan chunk
	spare  chan []byte // buffers for the reader, as many as may be used
}

// chunk is the next bytes of a stream; fewer than a part are the last.
type chunk struct {
	buffer []byte
	n      int
	err    error
}

// stream uploads what in has: as one PUT if it fits a part, else in parts.
func (u *upload) stream(ctx context.Context, in io.Reader, size int64) (json.RawMessage, error) {
	partSize := cmp.Or(u.wish.partSize, partSizeFor(size))
	if size > partSize*maxParts {
		return nil, fmt.Errorf("%d bytes are more than %d parts of %d bytes; use a larger -part-size", size, maxParts, partSize)
	}
	s := &stream{upload: u, in: in, size: size, partSize: partSize}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.read(ctx)
	first, err := s.next(ctx)
	if err != nil {
		return nil, err
	}
	if int64(first.n) < partSize {
		return s.small(ctx, first.buffer[:first.n])
	}
	return s.parts(ctx, first)
}

// partSizeFor is the size of the parts of size bytes, -1 if that is not known,
// so that the parts suffice.
func partSizeFor(size int64) int64 {
	const mebi = 1 << 20
	return max(streamPart, ((size+maxParts-1)/maxParts+mebi-1)/mebi*mebi)
}

// read begins to read ahead. A read that waits for its bytes cannot be ended:
// after an interruption it is left behind.
func (s *stream) read(ctx context.Context) {
	ahead := max(1, s.client.Parallel)
	s.spare = make(chan []byte, ahead+1)
	for range ahead + 1 {
		s.spare <- nil // made when it is used for the first time
	}
	chunks := make(chan chunk)
	s.chunks = chunks
	go func() {
		for {
			var c chunk
			select {
			case c.buffer = <-s.spare:
			case <-ctx.Done():
				return
			}
			if c.buffer == nil {
				c.buffer = make([]byte, s.partSize)
			}
			c.n, c.err = io.ReadFull(s.in, c.buffer)
			if errors.Is(c.err, io.EOF) || errors.Is(c.err, io.ErrUnexpectedEOF) {
				c.err = nil // it has fewer bytes, which says so
			}
			select {
			case chunks <- c:
			case <-ctx.Done():
				return
			}
			if c.err != nil || c.n < len(c.buffer) {
				return
			}
		}
	}()
}

func (s *stream) next(ctx context.Context) (chunk, error) {
	select {
	case c := <-s.chunks:
		if c.err != nil {
			return chunk{}, fmt.Errorf("reading standard input: %w", withoutPath(c.err))
		}
		return c, nil
	case <-ctx.Done():
		return chunk{}, context.Cause(ctx)
	}
}

// checkSize holds how much there was against how much there had to be. more tells
// that there is no end yet.
func (s *stream) checkSize(n int64, more bool) error {
	switch {
	case s.size < 0:
		return nil
	case n > s.size:
		return fmt.Errorf("standard input has more than the %d bytes of -size", s.size)
	case n < s.size && !more:
		return fmt.Errorf("standard input ended after %d of the %d bytes of -size", n, s.size)
	}
	return nil
}

// small uploads what fits a part.
func (s *stream) small(ctx context.Context, content []byte) (json.RawMessage, error) {
	if err := s.checkSize(int64(len(content)), false); err != nil {
		return nil, err
	}
	done, err := s.slots.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	source := client.Bytes(content)
	source.Count = s.progress.add
	receipt, err := s.client.Put(ctx, s.presign(crc64.Checksum(content, client.CRCTable)), source)
	return receipt.Line, err
}

// parts uploads what does not fit one part.
func (s *stream) parts(ctx context.Context, first chunk) (json.RawMessage, error) {
	ask := client.CreateRequest{
		Filename: s.filename, Type: s.wish.contentType, Metadata: s.wish.metadata, Vars: s.wish.vars, PartSize: s.partSize,
	}
	of, numbers := 0, []int(nil) // of the parts whose URLs can be asked for in advance
	if s.size >= 0 {
		ask.Size = &s.size
		of = int((s.size + s.partSize - 1) / s.partSize)
		for i := range of {
			numbers = append(numbers, i+1)
		}
	}
	created, err := s.client.CreateMultipart(ctx, ask)
	if err != nil {
		return nil, err
	}
	m := &streamed{stream: s, id: created.UploadID, of: of, urls: client.NewURLPool(s.client, created.UploadID, numbers)}
	if created.PartSize != s.partSize {
		err = errors.New("starting the upload: the answer does not agree on parts")
	} else if err = m.send(ctx, first); err == nil {
		var receipt json.RawMessage
		if receipt, err = m.complete(ctx, created.Key); err == nil {
			return receipt, nil
		}
	}
	s.abort(ctx, created.UploadID)
	return nil, err
}

// streamed is a stream whose multipart upload was started.
type streamed struct {
	*stream
	id   string
	of   int // parts; 0 if that is not known
	urls *client.URLPool
	sent []*streamedPart // part number n is sent[n-1]
}

type streamedPart struct {
	chunk  // whose buffer is another's once the part is sent
	number int
	etag   string
	crc    uint64
}

// send sends all parts, of which c is the first.
func (m *streamed) send(ctx context.Context, c chunk) error {
	group, ctx := errgroup.WithContext(ctx)
	// In the group as well, so that whatever fails first ends all the rest.
	group.Go(func() error {
		for total := int64(0); ; {
			total += int64(c.n)
			last := int64(c.n) < m.partSize
			if err := m.checkSize(total, !last); err != nil {
				return err
			}
			if c.n > 0 {
				if len(m.sent) == maxParts {
					return fmt.Errorf("standard input has more than %d parts of %d bytes; use a larger -part-size", maxParts, m.partSize)
				}
				p := &streamedPart{chunk: c, number: len(m.sent) + 1}
				m.sent = append(m.sent, p)
				group.Go(func() error { return m.sendPart(ctx, p) })
			}
			if last {
				return nil
			}
			var err error
			if c, err = m.next(ctx); err != nil {
				return err
			}
		}
	})
	return group.Wait()
}

// sendPart sends a part and gives its buffer back.
func (m *streamed) sendPart(ctx context.Context, p *streamedPart) error {
	done, err := m.slots.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	source := client.Bytes(p.buffer[:p.n])
	source.Count = m.progress.add
	part, crc, err := m.client.SendPart(ctx, p.number, m.of, m.urls.Get, source)
	if err != nil {
		return err
	}
	p.etag, p.crc = part.ETag, crc
	m.spare <- p.buffer
	return nil
}

// complete has the parts put together.
func (m *streamed) complete(ctx context.Context, key string) (json.RawMessage, error) {
	crc, size := uint64(0), int64(0)
	references := make([]client.Part, len(m.sent))
	for i, p := range m.sent {
		crc = oss.CRC64Combine(crc, p.crc, uint64(p.n))
		size += int64(p.n)
		references[i] = client.Part{PartNumber: i + 1, ETag: p.etag}
	}
	return m.upload.complete(ctx, m.id, key, size, references, crc)
}
