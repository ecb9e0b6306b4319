package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
)

// rehearsal uploads by every method as the stack's caller, and tries everything
// once. What it checks afterwards is read as the developer.
type rehearsal struct {
	caller    *client.Client
	developer *oss.Client
	bucket    string
	out       io.Writer
	uploads   []uploaded
	faults    int
}

// uploaded is an upload that was answered with its receipt.
type uploaded struct {
	method  string
	receipt client.Receipt
	content []byte
}

func newRehearsal(ready stack.Ready, out io.Writer) *rehearsal {
	h := client.NewHTTP(client.NewTransport(1))
	r := &rehearsal{caller: ready.Client(h), developer: ready.Developer(h), bucket: ready.Bucket, out: out}
	r.caller.Timeout = 30 * time.Second
	return r
}

// errFaults means that steps failed, and that the table says which.
var errFaults = errors.New("the rehearsal has faults")

// rehearse prints a line for each step. It fails if a step did.
func rehearse(ctx context.Context, s *stack.Stack, out io.Writer) error {
	r := newRehearsal(s.Ready, out)
	defer r.caller.HTTP.CloseIdleConnections()
	began := time.Now()
	methods := []struct {
		name   string
		upload func(context.Context) error
	}{
		{"put", r.put},
		{"form", r.form},
		{"url", r.url},
		{"multipart", r.multipart},
	}
	enabled := s.Settings.List("UPLOAD_METHODS")
	if len(enabled) == 0 {
		enabled = []string{"put", "form", "multipart"} // the functions' default
	}
	for _, m := range methods {
		// A method ends at its first fault, which is counted; the others go on.
		if slices.Contains(enabled, m.name) {
			_ = m.upload(ctx)
		}
	}
	for _, u := range r.uploads {
		r.step(u.method, "compare the stored object", func() (string, error) { return r.compare(ctx, u) })
		r.step(u.method, "find its event", func() (string, error) { return r.findEvent(ctx, u) })
	}
	if r.faults > 0 {
		fmt.Fprintf(out, "faults: %d\n", r.faults)
		return errFaults
	}
	fmt.Fprintf(out, "all uploads stored and announced in %v\n", time.Since(began).Round(time.Millisecond))
	return nil
}

// step does one thing and prints a line about it:
//
//	multipart  send part 2 of 3               1.2ms  ETag "9B2C…"
func (r *rehearsal) step(method, what string, do func() (result string, err error)) error {
	began := time.Now()
	result, err := do()
	if err != nil {
		r.faults++
		result = "FAULT: " + err.Error()
	}
	fmt.Fprintf(r.out, "%-9s  %-27s  %7v  %s\n", method, what, time.Since(began).Round(100*time.Microsecond), result)
	return err
}

// put uploads with a presigned PUT; OSS answers it with the receipt that the
// callback function made.
func (r *rehearsal) put(ctx context.Context) error {
	return r.presigned(ctx, "put", client.PresignRequest{
		Filename:    "holiday ☀.png",
		ContentType: "image/png",
		Metadata:    map[string]string{"camera": "Übersee"},
	}, randomBytes(1<<20))
}

// form uploads as a browser's form does.
func (r *rehearsal) form(ctx context.Context) error {
	return r.presigned(ctx, "form", client.PresignRequest{Filename: "notes.txt", As: "form"}, randomBytes(50_000))
}

// url uploads with a URL that needs no headers, as curl -T does.
func (r *rehearsal) url(ctx context.Context) error {
	return r.presigned(ctx, "url", client.PresignRequest{Filename: "report.pdf", As: "url"}, randomBytes(100_000))
}

func (r *rehearsal) presigned(ctx context.Context, method string, in client.PresignRequest, content []byte) error {
	in.Size = new(int64(len(content)))
	var g client.Grant
	err := r.step(method, "ask for a URL", func() (_ string, err error) {
		g, err = r.caller.Presign(ctx, in)
		return g.Key, err
	})
	if err != nil {
		return err
	}
	return r.step(method, fmt.Sprintf("send %d bytes", len(content)), func() (_ string, err error) {
		headers, source := g.Headers, client.Bytes(content)
		if g.Fields != nil {
			if headers, source, err = g.Form(in.Filename, source); err != nil {
				return "", err
			}
		}
		// Not SendPut, which would mend an upload that is stored without a receipt.
		a, err := r.caller.Send(ctx, g.Method, g.URL, headers, source)
		if err == nil {
			err = a.Into(nil)
		}
		if err != nil {
			return "", err
		}
		receipt, err := client.ParseReceipt(a.Body)
		if err != nil {
			return "", err
		}
		return r.keep(method, g.Key, receipt, content)
	})
}

// multipart uploads three parts, the last of them shorter.
func (r *rehearsal) multipart(ctx context.Context) error {
	const (
		method   = "multipart"
		partSize = 1 << 20
	)
	content := randomBytes(2*partSize + 12_345)
	var created client.Multipart
	err := r.step(method, "start an upload", func() (_ string, err error) {
		created, err = r.caller.CreateMultipart(ctx, client.CreateRequest{
			Filename: "film.mp4", Type: "video/mp4", Size: new(int64(len(content))), PartSize: partSize,
		})
		if err == nil && (created.PartSize != partSize || created.PartCount != 3) {
			err = fmt.Errorf("it has %d parts of %d bytes, not 3 of %d", created.PartCount, created.PartSize, partSize)
		}
		return created.Key, err
	})
	if err != nil {
		return err
	}
	sign := func(ctx context.Context, number int, _ bool) (string, error) {
		u, err := r.caller.PartURL(ctx, created.UploadID, number)
		return u.URL, err
	}
	var parts []client.Part
	for chunk := range slices.Chunk(content, partSize) {
		number, of := len(parts)+1, int(created.PartCount)
		err := r.step(method, fmt.Sprintf("send part %d of %d", number, of), func() (string, error) {
			part, _, err := r.caller.SendPart(ctx, number, of, sign, client.Bytes(chunk))
			parts = append(parts, part)
			return "ETag " + part.ETag, err
		})
		if err != nil {
			return err
		}
	}
	return r.step(method, "complete it", func() (string, error) {
		receipt, err := r.caller.Complete(ctx, created.UploadID, client.CompleteRequest{Parts: parts})
		if err != nil {
			return "", err
		}
		return r.keep(method, created.Key, receipt, content)
	})
}

// keep holds a receipt against the upload, and remembers both.
func (r *rehearsal) keep(method, key string, receipt client.Receipt, content []byte) (string, error) {
	if receipt.Bucket != r.bucket {
		return "", fmt.Errorf("the receipt names the bucket %q, not %q", receipt.Bucket, r.bucket)
	}
	if err := receipt.Check(key, int64(len(content)), ""); err != nil {
		return "", err
	}
	r.uploads = append(r.uploads, uploaded{method, receipt, content})
	return "receipt of " + receipt.EventID, nil
}

// compare reads the object with the developer's key.
func (r *rehearsal) compare(ctx context.Context, u uploaded) (string, error) {
	object, err := r.developer.GetObject(ctx, &oss.GetObjectRequest{Bucket: &u.receipt.Bucket, Key: &u.receipt.Key})
	if err != nil {
		return "", err
	}
	defer object.Body.Close()
	stored, err := io.ReadAll(io.LimitReader(object.Body, int64(len(u.content))+1))
	if err != nil {
		return "", fmt.Errorf("reading the object: %w", err)
	}
	if !bytes.Equal(stored, u.content) {
		return "", errors.New("other bytes are stored than were sent")
	}
	return fmt.Sprintf("%d bytes, all the same", len(stored)), nil
}

// findEvent asks the webhook receiver, which has verified the signatures.
func (r *rehearsal) findEvent(ctx context.Context, u uploaded) (string, error) {
	events, err := stack.Events(ctx, r.caller)
	if err != nil {
		return "", err
	}
	found := 0
	for _, e := range events {
		// An event about this key under another id is one too many as well.
		if e.ID != u.receipt.EventID && e.Body.Data.Key != u.receipt.Key {
			continue
		}
		found++
		if err := e.Check(u.receipt); err != nil {
			return "", err
		}
	}
	if found != 1 {
		return "", fmt.Errorf("it was delivered %d times, not once", found)
	}
	return u.receipt.EventID + ", delivered once, signature verified", nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
