package oss

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
)

const ecBadPartCopySource = "0042-00000301"

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
	start, end, partial := readCopyRange(c.r.Header, original.Size)
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
		c.w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, original.Size))
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
// is for GetObject; the same call in S3's dialect refuses it, 0042-00000306.
func readCopyRange(header http.Header, size int64) (start, end int64, partial bool) {
	start, end, ok := parseRange(header.Get("x-oss-copy-source-range"), size)
	if !ok || start >= size || end > size {
		return 0, size, false
	}
	return start, end, true
}
