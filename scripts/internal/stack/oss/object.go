package oss

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxSinglePut is the limit of one PUT and of one part, 5 GiB.
const maxSinglePut = 5 << 30

const (
	typeNormal    = "Normal"
	typeMultipart = "Multipart"
	typeSymlink   = "Symlink"
)

// putObject stores the body. Everything that can be refused is refused before
// the first byte is read, the callback's configuration included.
func (c *call) putObject() error {
	a, err := c.readAttributes(c.r.Header)
	if err != nil {
		return err
	}
	guard, err := c.readGuard(c.r.Header)
	if err != nil {
		return err
	}
	callback, err := c.readCallback()
	if err != nil {
		return err
	}
	body, err := c.receive()
	if err != nil {
		return err
	}
	defer body.discard()
	o := &object{Key: c.target.key, Type: typeNormal, content: body.content, attributes: a}
	if err := c.storeError(c.s.store.commit(c.target.bucket, o, body, guard)); err != nil {
		return err
	}
	c.tell(o, callback)
	writeContentHeaders(c.w.Header(), o.content)
	c.writeVersion(o)
	if callback != nil {
		return c.sendCallback(callback, o)
	}
	return c.writeEmpty(http.StatusOK)
}

// receive stages the body of a PUT: its length must be announced or it must
// be chunked, it must arrive whole, and match Content-MD5 if there is one.
func (c *call) receive() (*stagedFile, error) {
	chunked := c.r.ContentLength < 0
	switch {
	case !chunked && c.r.ContentLength == 0 && c.r.Header.Get("Content-Length") == "":
		return nil, errorf(http.StatusLengthRequired, codeMissingContentLength, "", "You must provide the Content-Length HTTP header.")
	case c.r.ContentLength > maxSinglePut:
		return nil, errEntityTooLarge()
	}
	body, err := c.s.store.stage(io.LimitReader(uploadBody{c.r.Body}, maxSinglePut+1))
	if err != nil {
		return nil, err
	}
	if body.Size > maxSinglePut {
		body.discard()
		return nil, errEntityTooLarge()
	}
	if err := checkDigest(c.r.Header, body.MD5); err != nil {
		body.discard()
		return nil, err
	}
	return body, nil
}

// uploadBody tells a client that stopped sending from a disk that failed.
type uploadBody struct{ body io.Reader }

func (b uploadBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF {
		err = errIncompleteBody()
	}
	return n, err
}

func errEntityTooLarge() error {
	return errorf(http.StatusBadRequest, codeEntityTooLarge, "", "Your proposed upload exceeds the maximum allowed size.")
}

func errIncompleteBody() error {
	return errorf(http.StatusBadRequest, codeIncompleteBody, "", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
}

// checkDigest holds Content-MD5, if sent, against the base64 MD5 of the body.
func checkDigest(header http.Header, md5Base64 string) error {
	if sent := header.Get("Content-MD5"); sent != "" && sent != md5Base64 {
		return errorf(http.StatusBadRequest, codeInvalidDigest, "", "The Content-MD5 you specified was invalid.")
	}
	return nil
}

func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// storeError turns the refusals of the store into those of OSS.
func (c *call) storeError(err error) error {
	switch {
	case errors.Is(err, errExists):
		return errFileAlreadyExists()
	case errors.Is(err, errNotStored):
		return errNoSuchBucket(c.target.bucket)
	}
	return err
}

// quote is how an ETag is written: in double quotes, upper-case hex.
func quote(etag string) string { return `"` + etag + `"` }

// writeContentHeaders puts what describes the bytes on an answer.
func writeContentHeaders(header http.Header, content content) {
	header.Set("ETag", quote(content.ETag))
	header.Set("x-oss-hash-crc64ecma", strconv.FormatUint(content.CRC, 10))
	if content.MD5 != "" {
		header.Set("Content-MD5", content.MD5)
	}
}

// hideAbsent returns the refusal of a call about one object. It is err, unless err says that there is
// no such key and the caller may not list the bucket, which would say as much.
//
// unconfirmed (access.head-without-list): does a caller without list permission get 403 for a key that
// does not exist?
func (c *call) hideAbsent(err error) error {
	var e *apiError
	if errors.As(err, &e) && e.Code == codeNoSuchKey && c.assumes("access.head-without-list", "403") {
		if fault := c.permit(c.target.bucket, "", "oss:ListObjects"); fault != nil {
			c.w.Header().Del("x-oss-version-id")
			c.w.Header().Del("x-oss-delete-marker")
			return fault
		}
	}
	return err
}

// headObject describes an object.
func (c *call) headObject() error {
	o, f, err := c.openObject()
	if err != nil {
		return c.hideAbsent(err)
	}
	f.Close()
	if err := c.checkConditions("", o); err != nil {
		return err
	}
	c.describe(o)
	c.w.Header().Set("Content-Length", strconv.FormatInt(o.Size, 10))
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// getObjectMeta tells little of an object: no metadata, no type, nothing about what
// a symlink points to, and no conditions ("GetObjectMeta"). Access is not tracked, so
// there is no x-oss-last-access-time.
func (c *call) getObjectMeta() error {
	o, err := c.s.store.version(c.target.bucket, c.target.key, c.query.get("versionId"))
	if err != nil {
		return c.hideAbsent(c.versionError(o, err))
	}
	header := c.w.Header()
	header.Set("ETag", quote(o.ETag))
	header.Set("x-oss-hash-crc64ecma", strconv.FormatUint(o.CRC, 10))
	header.Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	header.Set("Content-Length", strconv.FormatInt(o.Size, 10))
	c.writeVersion(o)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// getObject sends an object or one range of it, as it was stored: what
// x-oss-process asks for is not done, only told in x-oss-local-process.
func (c *call) getObject() error {
	o, f, err := c.openObject()
	if err != nil {
		return c.hideAbsent(err)
	}
	defer f.Close()
	header := c.w.Header()
	if err := c.checkConditions("", o); err != nil {
		return err
	}
	start, end, partial, err := c.readRange(o.Size)
	if err != nil {
		return err
	}
	c.describe(o)
	for _, name := range []string{"Content-Type", "Content-Language", "Content-Encoding", "Content-Disposition", "Cache-Control", "Expires"} {
		if value := c.query.get("response-" + strings.ToLower(name)); value != "" {
			header.Set(name, value)
		}
	}
	header.Set("Content-Length", strconv.FormatInt(end-start, 10))
	if process := c.query.get("x-oss-process"); process != "" {
		header.Set("x-oss-local-process", process)
	}
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		header.Set("Content-Range", "bytes "+strconv.FormatInt(start, 10)+"-"+strconv.FormatInt(end-1, 10)+"/"+strconv.FormatInt(o.Size, 10))
	}
	c.w.WriteHeader(status)
	_, err = io.Copy(c.w, io.NewSectionReader(f, start, end-start))
	return err
}

// describe puts everything that is known of an object on the answer.
func (c *call) describe(o *object) {
	header := c.w.Header()
	o.attributes.write(header)
	// How many tags there are is for those who may read them.
	if len(o.Tags) > 0 && c.permit(c.target.bucket, c.target.key, "oss:GetObjectTagging") == nil {
		header.Set("x-oss-tagging-count", strconv.Itoa(len(o.Tags)))
	}
	writeContentHeaders(header, o.content)
	c.writeVersion(o)
	header.Set("x-oss-object-type", o.Type)
	header.Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	header.Set("Accept-Ranges", "bytes")
}

// checkConditions judges If-Match and its kin, whose names begin with prefix.
// An unmet condition of a cache is 304, which has no body.
func (c *call) checkConditions(prefix string, o *object) error {
	modified := o.Modified.Truncate(time.Second)
	failed := func() error {
		return errorf(http.StatusPreconditionFailed, codePreconditionFailed, "", "At least one of the pre-conditions you specified did not hold.")
	}
	notModified := func() error {
		c.w.Header().Set("ETag", quote(o.ETag))
		return errorf(http.StatusNotModified, codeNotModified, "", "Not modified.")
	}
	if value := c.r.Header.Get(prefix + "If-Match"); value != "" && strings.Trim(value, `"`) != o.ETag {
		return failed()
	}
	if t, err := http.ParseTime(c.r.Header.Get(prefix + "If-Unmodified-Since")); err == nil && modified.After(t) {
		return failed()
	}
	if value := c.r.Header.Get(prefix + "If-None-Match"); value != "" && strings.Trim(value, `"`) == o.ETag {
		return notModified()
	}
	if t, err := http.ParseTime(c.r.Header.Get(prefix + "If-Modified-Since")); err == nil && !modified.After(t) {
		return notModified()
	}
	return nil
}

// readRange returns the bytes to send, end exclusive. A range that makes no sense or
// ends beyond the object means the whole object with status 200, unless the client
// asks for x-oss-range-behavior: standard ("GetObject").
func (c *call) readRange(size int64) (start, end int64, partial bool, err error) {
	start, end, ok := parseRange(c.r.Header.Get("Range"), size)
	isStandard := c.r.Header.Get("x-oss-range-behavior") == "standard"
	switch {
	case ok && start < size && (end <= size || isStandard):
		return start, min(end, size), true, nil
	case ok && isStandard:
		return 0, 0, false, errorf(http.StatusRequestedRangeNotSatisfiable, codeInvalidRange, "", "The requested range cannot be satisfied.")
	}
	return 0, size, false, nil
}

// parseRange reads "bytes=0-9", "bytes=10-" or "bytes=-10" of an object of this size.
// The end is exclusive; start and end may lie beyond the object.
func parseRange(value string, size int64) (start, end int64, ok bool) {
	spec, isBytes := strings.CutPrefix(value, "bytes=")
	first, last, isRange := strings.Cut(spec, "-")
	a, okA := parsePosition(first)
	b, okB := parsePosition(last)
	switch {
	case !isBytes || !isRange:
		return 0, 0, false
	case first == "" && okB: // the last b bytes
		return max(0, size-b), size, b > 0 && size > 0
	case okA && last == "":
		return a, max(a, size), true
	case okA && okB:
		return a, b + 1, a <= b
	}
	return 0, 0, false
}

// parsePosition reads a number of bytes that can be counted on without overflow.
func parsePosition(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 62)
	return int64(n), err == nil
}
