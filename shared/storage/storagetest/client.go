package storagetest

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ossupload/shared/storage"
)

const (
	minPart  = 100 << 10 // bytes of every part but the last
	maxParts = 10_000
	maxKey   = 1023 // bytes
)

// Head is storage.Client's.
func (b *Bucket) Head(ctx context.Context, key string) (o storage.Object, err error) {
	b.t.Helper()
	err = b.call(ctx, Call{Op: Head, Key: key}, func() error {
		held, ok := b.objects[key]
		if !ok {
			return storage.ErrNotFound
		}
		o = held.Object
		o.Metadata = maps.Clone(o.Metadata)
		return nil
	})
	return unless(err, o)
}

// Get is storage.Client's.
func (b *Bucket) Get(ctx context.Context, key string, limit int64) (content []byte, err error) {
	b.t.Helper()
	err = b.call(ctx, Call{Op: Get, Key: key}, func() error {
		held, ok := b.objects[key]
		switch {
		case !ok:
			return storage.ErrNotFound
		case int64(len(held.content)) > limit:
			return storage.ErrTooLarge
		}
		content = slices.Clone(held.content)
		return nil
	})
	return unless(err, content)
}

// Put is storage.Client's.
func (b *Bucket) Put(ctx context.Context, key string, content []byte) error {
	b.t.Helper()
	return b.call(ctx, Call{Op: Put, Key: key, Content: slices.Clone(content)}, func() error {
		sum := md5.Sum(content)
		b.objects[key] = object{storage.Object{
			Size: int64(len(content)), ETag: hexadecimal(sum[:]), CRC64: checksum(content), ContentType: "application/octet-stream",
			Type: "Normal", LastModified: b.now().UTC().Truncate(time.Second), Metadata: map[string]string{},
		}, slices.Clone(content)}
		return nil
	})
}

// Delete is storage.Client's.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	b.t.Helper()
	return b.call(ctx, Call{Op: Delete, Key: key}, func() error {
		delete(b.objects, key)
		return nil
	})
}

// List is storage.Client's.
func (b *Bucket) List(ctx context.Context, prefix, after string, n int) (page storage.Page, err error) {
	b.t.Helper()
	b.checkCount(List, n)
	err = b.call(ctx, Call{Op: List, Key: prefix}, func() error {
		for _, key := range slices.Sorted(maps.Keys(b.objects)) {
			if key <= after || !strings.HasPrefix(key, prefix) {
				continue
			}
			if len(page.Objects) == b.page(n) {
				page.More = true
				break
			}
			o := b.objects[key]
			page.Objects = append(page.Objects, storage.Listed{Key: key, ETag: o.ETag, Size: o.Size, LastModified: o.LastModified})
		}
		return nil
	})
	return unless(err, page)
}

// ListUploads is storage.Client's.
func (b *Bucket) ListUploads(ctx context.Context, prefix string, after storage.Unfinished, n int) (page storage.UnfinishedPage, err error) {
	b.t.Helper()
	b.checkCount(ListUploads, n)
	err = b.call(ctx, Call{Op: ListUploads, Key: prefix}, func() error {
		for _, u := range b.open() {
			if !strings.HasPrefix(u.Key, prefix) || u.Key < after.Key || u.Key == after.Key && u.ID <= after.ID {
				continue
			}
			if len(page.Uploads) == b.page(n) {
				page.More = true
				break
			}
			page.Uploads = append(page.Uploads, u)
		}
		return nil
	})
	return unless(err, page)
}

// Initiate is storage.Client's.
func (b *Bucket) Initiate(ctx context.Context, key string, header map[string]string) (uploadID string, err error) {
	b.t.Helper()
	err = b.call(ctx, Call{Op: Initiate, Key: key, Header: maps.Clone(header)}, func() error {
		uploadID = b.start(key, header, b.now())
		return nil
	})
	return unless(err, uploadID)
}

// ListParts is storage.Client's.
func (b *Bucket) ListParts(ctx context.Context, key, uploadID string) (parts []storage.Part, err error) {
	b.t.Helper()
	err = b.call(ctx, Call{Op: ListParts, Key: key, UploadID: uploadID}, func() error {
		u, err := b.running(key, uploadID)
		if err != nil {
			return err
		}
		parts = u.held()
		for i := range parts {
			if b.NoPartCRC {
				parts[i].CRC64 = ""
			}
		}
		return nil
	})
	return unless(err, parts)
}

// Complete is storage.Client's.
func (b *Bucket) Complete(ctx context.Context, key, uploadID string, parts []storage.Part) error {
	b.t.Helper()
	return b.call(ctx, Call{Op: Complete, Key: key, UploadID: uploadID, Parts: slices.Clone(parts)}, func() error {
		return b.complete(key, uploadID, parts)
	})
}

func (b *Bucket) complete(key, uploadID string, parts []storage.Part) error {
	u, err := b.running(key, uploadID)
	if err != nil {
		return err
	}
	if _, ok := b.objects[key]; ok {
		return storage.ErrExists
	}
	o, err := u.assemble(parts)
	if err != nil {
		return err
	}
	o.LastModified = b.now().UTC().Truncate(time.Second)
	b.objects[key] = o
	u.ended = true
	return nil
}

// Abort is storage.Client's.
func (b *Bucket) Abort(ctx context.Context, key, uploadID string) error {
	b.t.Helper()
	return b.call(ctx, Call{Op: Abort, Key: key, UploadID: uploadID}, func() error {
		u, err := b.running(key, uploadID)
		if err != nil {
			return err
		}
		u.ended = true
		return nil
	})
}

// assemble makes the object of these parts. Gaps, and parts that are held and
// not named, are OSS's to accept.
func (u *upload) assemble(parts []storage.Part) (object, error) {
	made := object{Object: storage.Object{Type: "Multipart", ContentType: "application/octet-stream", Metadata: make(map[string]string)}}
	var etags []byte
	whole := true
	for i, p := range parts {
		held, ok := u.parts[p.Number]
		if !ok || !strings.EqualFold(held.ETag, p.ETag) || i < len(parts)-1 && held.Size < minPart {
			return object{}, storage.ErrParts
		}
		made.Size += held.Size
		etags = append(etags, held.ETag...)
		made.content = append(made.content, held.content...)
		whole = whole && int64(len(held.content)) == held.Size
	}
	sum := md5.Sum(etags)
	made.ETag = hexadecimal(sum[:]) + "-" + strconv.Itoa(len(parts))
	if whole {
		made.CRC64 = checksum(made.content)
	}
	made.describe(u.header)
	return made, nil
}

// describe gives the object the headers that its upload began with.
func (o *object) describe(header map[string]string) {
	for name, value := range header {
		low := strings.ToLower(name)
		if meta, ok := strings.CutPrefix(low, "x-oss-meta-"); ok {
			o.Metadata[meta] = value
		}
		switch low {
		case "content-type":
			o.ContentType = value
		case "content-encoding":
			o.ContentEncoding = value
		case "content-disposition":
			o.ContentDisposition = value
		case "cache-control":
			o.CacheControl = value
		case "expires":
			o.Expires = value
		case "x-oss-tagging":
			o.Tags = 1 + strings.Count(value, "&")
		}
	}
}

func (b *Bucket) page(n int) int {
	if b.PageSize > 0 {
		return min(n, b.PageSize)
	}
	return n
}

func (b *Bucket) checkCount(op Op, n int) {
	b.t.Helper()
	if n < 1 || n > storage.PageSize {
		b.t.Errorf("storagetest: %s of %d, want 1 to %d", op, n, storage.PageSize)
	}
}

// check finds what OSS refuses, or storage.Client does not send, whatever the
// bucket holds.
func check(c Call) error {
	switch c.Op {
	case List, ListUploads:
		return nil
	case ListParts, Complete, Abort:
		if c.UploadID == "" {
			return errors.New("it has no upload id")
		}
	}
	if c.Key == "" || len(c.Key) > maxKey || !utf8.ValidString(c.Key) || strings.ContainsAny(c.Key[:1], `/\`) {
		return errors.New("it is no key")
	}
	for name, value := range c.Header {
		if name == "" || strings.ContainsAny(name+value, "\r\n") {
			return fmt.Errorf("its header %q cannot be sent", name)
		}
	}
	if c.Op == Complete {
		return checkParts(c.Parts)
	}
	return nil
}

func checkParts(parts []storage.Part) error {
	if len(parts) == 0 {
		return errors.New("it has no parts")
	}
	previous := int64(0)
	for _, p := range parts {
		switch {
		case p.Number <= previous || p.Number > maxParts:
			return fmt.Errorf("part %d follows part %d", p.Number, previous)
		case p.ETag == "" || strings.Contains(p.ETag, `"`):
			return fmt.Errorf("part %d has the ETag %q", p.Number, p.ETag)
		}
		previous = p.Number
	}
	return nil
}

// unless returns v, or nothing beside an error, as the client does.
func unless[T any](err error, v T) (T, error) {
	if err != nil {
		var nothing T
		return nothing, err
	}
	return v, nil
}
