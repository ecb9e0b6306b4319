package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"ossupload/scripts/internal/client"
)

// worker is one good client: it asks again when an answer was lost or the
// server was at a loss, and has an upload confirmed that was not announced.
// It is not safe for concurrent use; each goroutine has its own.
type worker struct {
	*wire
	rand *rand.Rand
}

// operation is one thing that a worker does, and what went wrong on the way.
type operation struct {
	kind   string
	errors []string // codes, in order; those that a repetition has healed, too
}

const (
	firstPause = 20 * time.Millisecond
	mostPause  = 500 * time.Millisecond
	// maxRetryAfter is shorter than a patient client's: runs are short.
	maxRetryAfter = 5 * time.Second
	// patience is for all tries of one operation together.
	patience = 60 * time.Second
)

// noting is the client with which an operation is done.
func (w *worker) noting(op *operation) *client.Client {
	c := *w.Client
	c.Retry.Failed = func(f client.Failure) { op.errors = append(op.errors, codeOf(f.Err)) }
	return &c
}

// content is what an upload consists of. It is made when it is needed and
// not kept.
type content struct {
	number int // of the upload in this run
	size   int
}

// bytes are the same each time, and differ from those of any other upload of
// this machine: the run's seed and the number decide.
func (c content) bytes(seed uint64) []byte {
	key := sha256.Sum256(fmt.Appendf(nil, "%d/%d", seed, c.number))
	b := make([]byte, c.size)
	rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func (c content) filename() string { return fmt.Sprintf("load %d.bin", c.number) }

// vars are what each upload asks to have told with it.
func vars(filename string) map[string]string { return map[string]string{"load": filename + " <&>"} }

// upload is an upload of which a receipt was had, or one whose client went away.
type upload struct {
	content
	kind     string
	token    string // by which it can be confirmed
	sum      [sha256.Size]byte
	crc      string  // CRC-64/XZ in decimal
	receipt  receipt // of a client that went away: no more than the key
	vanished bool
	stored   bool // OSS has said so; otherwise, of a client that went away, it is to be seen
	// asked is how often the application may have been told at the client's
	// request: once, and again for each try that failed and each confirmation.
	asked int
}

// presign asks for a URL.
func (w *worker) presign(ctx context.Context, op *operation, filename string, size int) (client.Grant, error) {
	g, err := w.noting(op).Presign(ctx, client.PresignRequest{
		Filename: filename, Size: new(int64(size)), Vars: vars(filename),
	})
	if err == nil && g.Method != http.MethodPut {
		err = fmt.Errorf("the method of the URL is %q", g.Method)
	}
	return g, err
}

// put uploads with one request. Its answer is the receipt, which OSS hands on
// from the callback function; without it, the upload is confirmed.
func (w *worker) put(ctx context.Context, op *operation, what content, seed uint64) (upload, error) {
	body := what.bytes(seed)
	g, err := w.presign(ctx, op, what.filename(), what.size)
	if err != nil {
		return upload{}, err
	}
	got, err := w.noting(op).SendPut(ctx, g, client.Bytes(body))
	if err != nil {
		return upload{}, err
	}
	return finish(op, what, body, g.Key, g.UploadToken, got)
}

// confirm asks for the receipt of an upload that is stored.
func (w *worker) confirm(ctx context.Context, op *operation, token string) (receipt, error) {
	got, err := w.noting(op).Confirm(ctx, token)
	return checked(got), err
}

// partSize is the least that OSS takes for any but the last part.
const partSize = 102_400

// multipart uploads in parts, one after the other.
func (w *worker) multipart(ctx context.Context, op *operation, what content, seed uint64) (upload, error) {
	body, c := what.bytes(seed), w.noting(op)
	m, err := create(ctx, c, what)
	if err != nil {
		return upload{}, err
	}
	count := (what.size + partSize - 1) / partSize
	if m.PartSize != partSize || m.PartCount != int64(count) {
		return upload{}, fmt.Errorf("%d bytes became %d parts of %d", what.size, m.PartCount, m.PartSize)
	}
	got, err := sendParts(ctx, c, m, body)
	if err != nil {
		return upload{}, err
	}
	return finish(op, what, body, m.Key, m.UploadID, got)
}

// create begins an upload in parts.
func create(ctx context.Context, c *client.Client, what content) (client.Multipart, error) {
	return c.CreateMultipart(ctx, client.CreateRequest{
		Filename: what.filename(), Type: defaultType, Size: new(int64(what.size)), PartSize: partSize,
		Vars: vars(what.filename()),
	})
}

// sendParts sends all parts and completes the upload.
func sendParts(ctx context.Context, c *client.Client, m client.Multipart, body []byte) (client.Receipt, error) {
	var parts []client.Part
	for chunk := range slices.Chunk(body, partSize) {
		part, _, err := c.SendPart(ctx, len(parts)+1, int(m.PartCount), oneURL(c, m.UploadID), client.Bytes(chunk))
		if err != nil {
			return client.Receipt{}, err
		}
		parts = append(parts, part)
	}
	return c.Complete(ctx, m.UploadID, client.CompleteRequest{Parts: parts})
}

// oneURL asks for the URL of a part when it is first needed, by the route for a
// single one.
func oneURL(c *client.Client, uploadID string) client.PartSigner {
	var known string
	return func(ctx context.Context, number int, another bool) (string, error) {
		if known != "" && !another {
			return known, nil
		}
		u, err := c.PartURL(ctx, uploadID, number)
		if err == nil && u.Method != http.MethodPut {
			err = fmt.Errorf("the method of the URL of a part is %q", u.Method)
		}
		known = u.URL
		return known, err
	}
}

// finish holds a receipt against what was sent.
func finish(op *operation, what content, body []byte, key, token string, answer client.Receipt) (upload, error) {
	got, crc := checked(answer), client.Decimal(crc64.Checksum(body, client.CRCTable))
	if got.Key != key || got.Size != what.size || got.CRC64 != crc || got.EventID == "" {
		return upload{}, fmt.Errorf("the receipt says %+v of %d bytes under %s with the CRC-64 %s", got, what.size, key, crc)
	}
	return upload{
		content: what, kind: op.kind, token: token, sum: sha256.Sum256(body), crc: crc, receipt: got, asked: asked(op, answer),
	}, nil
}

// asked is how often the application may have been told at a client's request.
// An event that was queued may be delivered by two runs of the worker at once.
func asked(op *operation, answer client.Receipt) int {
	n := 1 + len(op.errors)
	if !answer.Delivered {
		n++
	}
	return n
}

// vanish uploads with one request and goes away: it never learns what became of
// it, and nobody confirms it.
func (w *worker) vanish(ctx context.Context, op *operation, what content, seed uint64) (upload, error) {
	body := what.bytes(seed)
	g, err := w.presign(ctx, op, what.filename(), what.size)
	if err != nil {
		return upload{}, err
	}
	leaving, leave := context.WithTimeout(ctx, time.Duration(w.rand.Int64N(int64(maxStay))))
	defer leave()
	_, _ = w.Send(leaving, g.Method, g.URL, g.Headers, client.Bytes(body))
	return vanished(op, what, body, g.Key, g.UploadToken), nil
}

// vanishInParts is vanish with an upload in parts: the client goes away while it
// sends them, or while it has them completed.
func (w *worker) vanishInParts(ctx context.Context, op *operation, what content, seed uint64) (upload, error) {
	body, c := what.bytes(seed), w.noting(op)
	m, err := create(ctx, c, what)
	if err != nil {
		return upload{}, err
	}
	leaving, leave := context.WithTimeout(ctx, time.Duration(w.rand.Int64N(int64(maxStayInParts))))
	defer leave()
	_, _ = sendParts(leaving, c, m, body)
	return vanished(op, what, body, m.Key, m.UploadID), nil
}

// vanished is the upload of a client that went away. It asked once, or again for
// each error it saw; somebody else may have told, too.
func vanished(op *operation, what content, body []byte, key, token string) upload {
	return upload{
		content: what, kind: op.kind, token: token, sum: sha256.Sum256(body), vanished: true, asked: 2 + len(op.errors),
		crc: client.Decimal(crc64.Checksum(body, client.CRCTable)), receipt: receipt{Key: key},
	}
}

// errHeard means that OSS reports a callback that was to be lost.
var errHeard = errors.New("the callback was not lost")

// silent uploads with one request, learns that the callback was lost, and does
// not confirm.
func (w *worker) silent(ctx context.Context, op *operation, what content, seed uint64) (upload, error) {
	body := what.bytes(seed)
	g, err := w.presign(ctx, op, what.filename(), what.size)
	if err != nil {
		return upload{}, err
	}
	err = w.noting(op).Retry.Do(ctx, "sending", func(int) error {
		a, err := w.Send(ctx, g.Method, g.URL, g.Headers, client.Bytes(body))
		switch {
		case err != nil:
			return err
		case a.Status == http.StatusOK:
			return errHeard
		case a.Status == http.StatusNonAuthoritativeInfo, a.Status == http.StatusConflict: // stored now, or by a try before
			return nil
		}
		return a.Refusal()
	})
	u := vanished(op, what, body, g.Key, g.UploadToken)
	u.stored, u.asked = true, 1
	return u, err
}

// How long a client stays at most that goes away: about as long as an upload takes.
const (
	maxStay        = 40 * time.Millisecond
	maxStayInParts = 4 * maxStay
)

// fetch reads an object as its owner does, with a URL for downloads.
func (w *worker) fetch(ctx context.Context, op *operation, key string) ([]byte, error) {
	c := w.noting(op)
	u, err := c.Download(ctx, client.DownloadRequest{Key: key})
	if err != nil {
		return nil, err
	}
	return c.Fetch(ctx, u)
}
