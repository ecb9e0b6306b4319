package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
)

// sendPart sends one part until storage has it.
func (s *session) sendPart(ctx context.Context, urls *partURLs, number int) error {
	what := fmt.Sprintf("sending part %d of %d", number, len(s.parts))
	err := s.client.retry.do(ctx, what, func(try int) error {
		signed, err := urls.get(ctx, number)
		if err != nil {
			return final(err)
		}
		sent, err := s.putPart(ctx, try, number, signed)
		if isStatus(err, http.StatusForbidden) {
			// The URL has expired, or the credentials behind it.
			if signed, err = urls.renew(ctx, number); err != nil {
				return final(err)
			}
			sent, err = s.putPart(ctx, try, number, signed)
		}
		if err == nil {
			s.parts[number-1] = sent
		}
		return err
	})
	switch {
	case isCode(err, "NoSuchUpload"):
		return fmt.Errorf("%s: %w", what, errGone)
	case err != nil && !errors.Is(err, errGone):
		return fmt.Errorf("%s: %w", what, err)
	}
	return err
}

// putPart is one try of sendPart.
func (s *session) putPart(ctx context.Context, try, number int, signed string) (part, error) {
	offset, length := s.stretch(number)
	unchanged := func(uint64) error { return s.file.unchanged() }
	b := s.file.body(offset, length, s.progress.add, unchanged)
	// No headers: a Content-Type would have to be signed.
	a, err := s.client.send(ctx, try, signed, nil, b, length)
	sent := part{there: true, etag: a.header.Get("ETag")}
	if err == nil && a.status != http.StatusOK {
		err = a.refusal(storage, s.client.now())
	}
	crc, whole, readErr := b.settle()
	sent.crc = crc
	stored := a.header.Get("x-oss-hash-crc64ecma")
	switch {
	case readErr != nil:
		err = readErr
	case err != nil:
	case !whole, sent.etag == "", stored != "" && stored != decimal(crc):
		err = errDamaged
	}
	if err != nil {
		b.takeBack()
		return part{}, err
	}
	return sent, nil
}

// listedPart is a part that storage has.
type listedPart struct {
	PartNumber int    `json:"PartNumber"`
	Size       int64  `json:"Size"`
	ETag       string `json:"ETag"`
}

// verify takes the listed parts for there whose size is right and whose ETag
// is the MD5 of their bytes in the file. Any other is sent again, which
// replaces it.
func (s *session) verify(ctx context.Context, listed []listedPart) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.client.parallel)
	seen := make(map[int]bool)
	for _, l := range listed {
		if l.PartNumber < 1 || l.PartNumber > len(s.parts) || seen[l.PartNumber] {
			continue
		}
		seen[l.PartNumber] = true
		offset, length := s.stretch(l.PartNumber)
		if l.Size != length {
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			hash, crc := md5.New(), crc64.New(crcTable)
			if _, err := io.Copy(io.MultiWriter(hash, crc), io.NewSectionReader(s.file, offset, length)); err != nil {
				return fmt.Errorf("reading the file: %w", withoutPath(err))
			}
			if strings.EqualFold(hex.EncodeToString(hash.Sum(nil)), strings.Trim(l.ETag, `"`)) {
				s.parts[l.PartNumber-1] = part{there: true, etag: l.ETag, crc: crc.Sum64()}
			}
			return nil
		})
	}
	return group.Wait()
}
