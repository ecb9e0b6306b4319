package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"ossupload/scripts/internal/client"
)

// sendMissing sends all parts that are not there, several at once.
func (s *session) sendMissing(parent context.Context) error {
	var missing []int
	for i, p := range s.parts {
		if !p.there {
			missing = append(missing, i+1)
		}
	}
	urls := client.NewURLPool(s.client, s.saved.UploadID, missing)
	group, ctx := errgroup.WithContext(parent)
	group.SetLimit(s.client.Parallel)
	for _, number := range missing {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			done, err := s.slots.take(ctx)
			if err != nil {
				return err
			}
			defer done()
			offset, length := s.stretch(number)
			sent, crc, err := s.client.SendPart(ctx, number, len(s.parts), urls.Get, s.file.source(offset, length, s.progress.add))
			if err == nil {
				s.parts[number-1] = part{there: true, etag: sent.ETag, crc: crc}
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return parent.Err()
}

// verify takes the listed parts for there whose size is right and whose ETag
// is the MD5 of their bytes in the file. Any other is sent again, which
// replaces it.
func (s *session) verify(ctx context.Context, listed []client.Part) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.client.Parallel)
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
			hash, crc := md5.New(), crc64.New(client.CRCTable)
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
