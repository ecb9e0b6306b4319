package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// client is one good client: it asks again when an answer was lost or the
// server was at a loss, and has an upload confirmed that was not announced.
// It is not safe for concurrent use; each worker has its own.
type client struct {
	*wire
	rand *rand.Rand
}

// operation is one thing that a client does, and what went wrong on the way.
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

// persist repeats try until it succeeds, fails for good or ctx ends.
func (c *client) persist(ctx context.Context, op *operation, try func() error) error {
	for wait := firstPause; ; wait = min(2*wait, mostPause) {
		err := try()
		if err == nil {
			return nil
		}
		op.errors = append(op.errors, codeOf(err))
		var refused *refusal
		var lost *lostAnswer
		switch {
		case errors.As(err, &refused):
			if refused.status < 500 && refused.status != http.StatusTooManyRequests {
				return err
			}
		case !errors.As(err, &lost) || errors.Is(err, errNotHere):
			return err
		}
		pause := wait/2 + time.Duration(c.rand.Int64N(int64(wait/2)))
		if refused != nil {
			pause = max(pause, min(refused.retryAfter, maxRetryAfter))
		}
		if !sleep(ctx, pause) {
			return err
		}
	}
}

// sleep waits for d, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// call asks a function until it answers 200, and reads that answer.
func (c *client) call(ctx context.Context, op *operation, method, path string, in, out any) error {
	return c.persist(ctx, op, func() error {
		a, err := c.ask(ctx, method, path, in)
		if err != nil {
			return err
		}
		return a.into(out)
	})
}

// into reads the JSON of an answer of status 200.
func (a answer) into(out any) error {
	if a.status != http.StatusOK {
		return a.refusal()
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	return nil
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

// grant is an answer to POST /presign.
type grant struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers"`
	Key         string            `json:"key"`
	UploadToken string            `json:"uploadToken"`
}

// receipt is what is checked of a receipt, and of an event's data.
type receipt struct {
	Key     string `json:"key"`
	Size    int    `json:"size"`
	CRC64   string `json:"crc64"`
	EventID string `json:"eventId"`
}

// upload is an upload of which a receipt was had.
type upload struct {
	content
	kind    string
	token   string // by which it can be confirmed
	sum     [sha256.Size]byte
	receipt receipt
}

// presign asks for a URL.
func (c *client) presign(ctx context.Context, op *operation, filename string, size int) (grant, error) {
	var g grant
	err := c.call(ctx, op, http.MethodPost, "/presign", map[string]any{"filename": filename, "size": size}, &g)
	if err == nil && (g.Method != http.MethodPut || g.URL == "" || g.Key == "" || g.UploadToken == "") {
		err = errors.New("the answer of /presign lacks what a client needs")
	}
	return g, err
}

// put uploads with one request. Its answer is the receipt, which OSS hands on
// from the callback function; without it, the upload is confirmed.
func (c *client) put(ctx context.Context, op *operation, what content, seed uint64) (upload, error) {
	body := what.bytes(seed)
	g, err := c.presign(ctx, op, fmt.Sprintf("load %d.bin", what.number), what.size)
	if err != nil {
		return upload{}, err
	}
	var got receipt
	err = c.persist(ctx, op, func() error {
		a, err := c.send(ctx, g.Method, g.URL, g.Headers, body)
		if err != nil {
			return err
		}
		return a.into(&got)
	})
	// It is stored: announced or not, or by a try whose answer was lost.
	if r := (*refusal)(nil); errors.As(err, &r) && (r.status == http.StatusNonAuthoritativeInfo || r.code == "FileAlreadyExists") {
		got, err = c.confirm(ctx, op, g.UploadToken)
	}
	if err != nil {
		return upload{}, err
	}
	return finish(op, what, body, g.Key, g.UploadToken, got)
}

// confirm asks for the receipt of an upload that is stored.
func (c *client) confirm(ctx context.Context, op *operation, token string) (receipt, error) {
	var got receipt
	err := c.call(ctx, op, http.MethodPost, "/confirm", map[string]string{"uploadToken": token}, &got)
	return got, err
}

// partSize is the least that OSS takes for any but the last part.
const partSize = 102_400

// multipart uploads in parts, one after the other.
func (c *client) multipart(ctx context.Context, op *operation, what content, seed uint64) (upload, error) {
	body := what.bytes(seed)
	var created struct {
		Key, UploadID       string
		PartSize, PartCount int
	}
	err := c.call(ctx, op, http.MethodPost, "/s3/multipart", map[string]any{
		"filename": fmt.Sprintf("load %d.bin", what.number), "type": "application/octet-stream", "size": what.size, "partSize": partSize,
	}, &created)
	if err != nil {
		return upload{}, err
	}
	if created.PartSize != partSize || created.PartCount != (what.size+partSize-1)/partSize {
		return upload{}, fmt.Errorf("%d bytes became %d parts of %d", what.size, created.PartCount, created.PartSize)
	}
	path := "/s3/multipart/" + url.PathEscape(created.UploadID)
	type part struct {
		PartNumber int
		ETag       string
	}
	var parts []part
	for chunk := range slices.Chunk(body, partSize) {
		number := len(parts) + 1
		var g grant
		if err := c.call(ctx, op, http.MethodGet, path+"/"+strconv.Itoa(number), nil, &g); err != nil {
			return upload{}, err
		}
		err := c.persist(ctx, op, func() error {
			a, err := c.send(ctx, g.Method, g.URL, nil, chunk)
			if err != nil {
				return err
			}
			if a.status != http.StatusOK {
				return a.refusal()
			}
			parts = append(parts, part{number, a.header.Get("ETag")})
			return nil
		})
		if err != nil {
			return upload{}, err
		}
	}
	var got receipt
	if err := c.call(ctx, op, http.MethodPost, path+"/complete", map[string]any{"parts": parts}, &got); err != nil {
		return upload{}, err
	}
	return finish(op, what, body, created.Key, created.UploadID, got)
}

// crcTable makes hash/crc64 compute CRC-64/XZ, which is OSS's.
var crcTable = crc64.MakeTable(crc64.ECMA)

// finish holds a receipt against what was sent.
func finish(op *operation, what content, body []byte, key, token string, got receipt) (upload, error) {
	want := receipt{key, what.size, strconv.FormatUint(crc64.Checksum(body, crcTable), 10), got.EventID}
	if got != want || got.EventID == "" {
		return upload{}, fmt.Errorf("the receipt says %+v of %+v", got, want)
	}
	return upload{content: what, kind: op.kind, token: token, sum: sha256.Sum256(body), receipt: got}, nil
}

// fetch reads an object as its owner does, with a URL for downloads.
func (c *client) fetch(ctx context.Context, op *operation, key string) ([]byte, error) {
	var g grant
	if err := c.call(ctx, op, http.MethodPost, "/download", map[string]string{"key": key}, &g); err != nil {
		return nil, err
	}
	var body []byte
	err := c.persist(ctx, op, func() error {
		a, err := c.send(ctx, http.MethodGet, g.URL, nil, nil)
		if err != nil {
			return err
		}
		if a.status != http.StatusOK {
			return a.refusal()
		}
		body = a.body
		return nil
	})
	return body, err
}
