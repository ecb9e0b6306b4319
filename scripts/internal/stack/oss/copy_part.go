package oss

import (
	"encoding/xml"
	"fmt"
	"io"
)

const (
	ecBadPartCopySource = "0042-00000301"
	ecBadPartCopyRange  = "0042-00000306"
)

// uploadPartCopy makes a part of another object's bytes. Of the source nothing but
// the bytes counts ("UploadPartCopy").
func (c *call) uploadPartCopy() error {
	id, number, err := c.readPart(ecNoSuchUploadCopy)
	if err != nil {
		return err
	}
	source, original, file, err := c.openCopySource(ecBadPartCopySource)
	if err != nil {
		return err
	}
	defer file.Close()
	if original.Type == typeSymlink {
		return errNotImplemented("parts that are copied of symlinks")
	}
	start, end, partial, err := c.readCopyRange(original.Size)
	if err != nil {
		return err
	}
	if end-start > maxSinglePut {
		return errEntityTooLarge()
	}
	body, err := c.s.store.stage(io.NewSectionReader(file, start, end-start))
	if err != nil {
		return err
	}
	defer body.discard()
	p, err := c.s.store.putPart(c.target.bucket, c.target.key, id, number, body)
	if err != nil {
		return uploadError(err, id, ecNoSuchUploadCopy)
	}
	if partial {
		// unconfirmed (copy.content-range): the document has a tilde for the hyphen here,
		// "bytes 0~9/44".
		between := "-"
		if c.assumes("copy.content-range", "tilde") {
			between = "~"
		}
		c.w.Header().Set("Content-Range", fmt.Sprintf("bytes %d%s%d/%d", start, between, end-1, original.Size))
	}
	c.writeSourceVersion(source, original)
	return c.writeXML(struct {
		XMLName      xml.Name `xml:"CopyPartResult"`
		LastModified string
		ETag         string
	}{LastModified: p.Modified.Format(xmlTimeLayout), ETag: quote(p.ETag)})
}

// readCopyRange returns the bytes to copy, end exclusive: those of
// x-oss-copy-source-range, or all if it is absent or breaks the rules.
//
// unconfirmed (copy.range-beyond): is a range that ends beyond the source one that breaks the rules? It
// is for GetObject; the same call in S3's dialect refuses it.
func (c *call) readCopyRange(size int64) (start, end int64, partial bool, err error) {
	const name = "x-oss-copy-source-range"
	value := c.r.Header.Get(name)
	start, end, ok := parseRange(value, size)
	beyond := end > size || start >= size
	switch {
	case !ok:
		return 0, size, false, nil
	case !beyond:
		return start, end, true, nil
	case c.assumes("copy.range-beyond", "refused"):
		return 0, 0, false, invalidArgument(name, value, ecBadPartCopyRange, "The range ends beyond the copy source.")
	case start < size && c.assumes("copy.range-beyond", "clipped"):
		return start, size, true, nil
	}
	return 0, size, false, nil
}
