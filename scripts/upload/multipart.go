package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
)

// session is a multipart upload under way.
type session struct {
	*upload
	saved saved
	parts []part // part number n is parts[n-1]
	// completed means that the object is there already, and that only the
	// receipt is missing.
	completed bool
}

// part is what is known of a part that storage has.
type part struct {
	there bool
	etag  string
	crc   uint64 // CRC-64 of the bytes of the file
}

// maxSessions bounds how often an upload is begun again that the server has
// forgotten.
const maxSessions = 3

// multipart uploads a file in parts. What an earlier run has sent is not sent
// again.
func (u *upload) multipart(ctx context.Context) (json.RawMessage, error) {
	known := u.earlier(ctx)
	for round := 1; ; round++ {
		s, err := u.begin(ctx, known)
		if err != nil {
			return nil, err
		}
		receipt, err := s.finish(ctx)
		switch {
		case err == nil:
			u.states.remove(s.saved)
			return receipt, nil
		case errors.Is(err, client.ErrGone) && round < maxSessions:
			known = &s.saved // listing its parts tells how it ended
			u.progress.reset()
			continue
		case hopeless(err) || !u.states.enabled():
			u.abort(ctx, s.saved.UploadID)
			u.states.remove(s.saved)
			return nil, err
		}
		return nil, fmt.Errorf("%w; the same command resumes it", err)
	}
}

// hopeless reports whether no later run could complete the upload: the file
// has changed, or all that was sent and verified does not make up what was
// agreed.
func hopeless(err error) bool {
	return errors.Is(err, errChanged) || client.IsCode(err, "checksum_mismatch") || client.IsCode(err, "object_mismatch")
}

// earlier is what an earlier run has left of the upload of this very file, or
// nil. The rest of an upload of what the file once was is removed.
func (u *upload) earlier(ctx context.Context) *saved {
	known, same := u.states.load(u.wanted())
	if known == nil || same {
		return known
	}
	u.giveUp(ctx, *known)
	return nil
}

// giveUp forgets what an earlier run has left of another upload of this file.
func (u *upload) giveUp(ctx context.Context, known saved) {
	u.progress.note("the file or the options have changed since an earlier run: starting over")
	if known.UploadID != "" {
		u.abort(ctx, known.UploadID)
	}
	u.states.remove(known)
}

// begin resumes what is known or starts an upload.
func (u *upload) begin(ctx context.Context, known *saved) (*session, error) {
	if known != nil {
		s, err := u.resume(ctx, *known)
		if !errors.Is(err, client.ErrGone) {
			return s, err
		}
		u.progress.note("%v: starting over", client.ErrGone)
	}
	return u.create(ctx)
}

func (u *upload) create(ctx context.Context) (*session, error) {
	created, err := u.client.CreateMultipart(ctx, client.CreateRequest{
		Filename: u.filename,
		Type:     u.wish.contentType,
		Metadata: u.wish.metadata,
		Vars:     u.wish.vars,
		Size:     &u.file.size,
		PartSize: u.wish.partSize,
	})
	if err != nil {
		return nil, err
	}
	s := u.wanted()
	s.Key, s.UploadID, s.PartSize = created.Key, created.UploadID, created.PartSize
	if s.PartSize < 1 || created.PartCount != s.partCount() {
		return nil, errors.New("starting the upload: the answer does not agree on parts")
	}
	if err := u.states.save(s); err != nil {
		// It can be uploaded all the same.
		u.progress.note("this upload will not be resumable: %v", err)
	}
	return u.session(s), nil
}

func (u *upload) session(s saved) *session {
	return &session{upload: u, saved: s, parts: make([]part, s.partCount())}
}

// resume asks which parts storage has of an upload, and believes it of those
// whose bytes are those of the file.
func (u *upload) resume(ctx context.Context, known saved) (*session, error) {
	s := u.session(known)
	listed, err := u.client.ListParts(ctx, known.UploadID)
	if err != nil {
		return nil, err
	}
	if completed(listed) {
		s.completed = true
		return s, nil
	}
	if err := s.verify(ctx, listed); err != nil {
		return nil, err
	}
	skipped := int64(0)
	for i, p := range s.parts {
		if p.there {
			_, length := s.stretch(i + 1)
			skipped += length
		}
	}
	s.progress.skip(skipped)
	s.progress.note("resuming: %d of %d bytes are stored already", skipped, s.file.size)
	return s, nil
}

// completed reports whether these are the parts of an upload that has its object:
// they are listed with the object's ETag, "…-N", which no part has by itself.
func completed(listed []client.Part) bool {
	return len(listed) > 0 && !slices.ContainsFunc(listed, func(p client.Part) bool {
		return p.ETag != listed[0].ETag || !strings.Contains(p.ETag, "-")
	})
}

// stretch is where in the file part number is.
func (s *session) stretch(number int) (offset, length int64) {
	offset = int64(number-1) * s.saved.PartSize
	return offset, min(s.saved.PartSize, s.file.size-offset)
}

// finish sends what is missing and completes the upload.
func (s *session) finish(ctx context.Context) (json.RawMessage, error) {
	if s.completed {
		return s.receiptOfCompleted(ctx)
	}
	for again := true; ; again = false {
		if err := s.sendMissing(ctx); err != nil {
			return nil, err
		}
		// The last moment at which it can be seen before there is an object.
		if err := s.file.unchanged(); err != nil {
			return nil, err
		}
		receipt, err := s.complete(ctx)
		if again && client.IsCode(err, "parts_mismatch") {
			s.progress.note("%v; sending these parts again", err)
			s.forget(err)
			continue
		}
		return receipt, err
	}
}

// receiptOfCompleted completes once more what an earlier run had completed
// without getting to know it. The file is read again, because what is there
// must be this file.
func (s *session) receiptOfCompleted(ctx context.Context) (json.RawMessage, error) {
	s.progress.note("resuming: all bytes are stored already")
	crc, err := s.file.checksum()
	if err != nil {
		return nil, err
	}
	return s.askForReceipt(ctx, nil, crc)
}

// complete has the parts put together, and declares the CRC-64 of the file,
// combined from those of the parts as they were read.
func (s *session) complete(ctx context.Context) (json.RawMessage, error) {
	crc := uint64(0)
	references := make([]client.Part, len(s.parts))
	for i, p := range s.parts {
		_, length := s.stretch(i + 1)
		crc = oss.CRC64Combine(crc, p.crc, uint64(length))
		references[i] = client.Part{PartNumber: i + 1, ETag: p.etag}
	}
	return s.askForReceipt(ctx, references, crc)
}

func (s *session) askForReceipt(ctx context.Context, parts []client.Part, crc uint64) (json.RawMessage, error) {
	return s.upload.complete(ctx, s.saved.UploadID, s.saved.Key, s.file.size, parts, crc)
}

// complete completes an upload and returns its receipt, held against what was
// sent. Without parts it completes what storage has.
func (u *upload) complete(ctx context.Context, id, key string, size int64, parts []client.Part, crc uint64) (json.RawMessage, error) {
	sum := client.Decimal(crc)
	receipt, err := u.client.Complete(ctx, id, client.CompleteRequest{Parts: parts, Checksum: &client.Checksum{CRC64: sum}})
	if err != nil {
		return nil, err
	}
	return receipt.Line, receipt.Check(key, size, sum)
}

// forget makes the parts that a refusal names missing.
func (s *session) forget(mismatch error) {
	var refused *client.Refusal
	var faults []struct {
		PartNumber int `json:"partNumber"`
	}
	if !errors.As(mismatch, &refused) || json.Unmarshal(refused.Details, &faults) != nil {
		return
	}
	for _, f := range faults {
		if f.PartNumber < 1 || f.PartNumber > len(s.parts) || !s.parts[f.PartNumber-1].there {
			continue
		}
		s.parts[f.PartNumber-1] = part{}
		_, length := s.stretch(f.PartNumber)
		s.progress.add(-length)
	}
}

// abort has the parts of an upload removed that nobody will complete, if that
// is possible: they cost money. It is done after an interruption, too.
func (u *upload) abort(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if err := u.client.Once().Abort(ctx, id); err != nil && !client.IsStatus(err, http.StatusConflict) && !errors.Is(err, client.ErrGone) {
		u.progress.note("parts may be left at storage: %v", err)
	}
}
