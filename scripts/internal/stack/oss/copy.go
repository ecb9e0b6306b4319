package oss

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// copySource is what x-oss-copy-source names.
type copySource struct{ bucket, key, versionID string }

// readCopySource parses "/bucket/a%20b.txt?versionId=CAEQ…".
func readCopySource(value, ec string) (copySource, error) {
	bad := func() (copySource, error) {
		return copySource{}, invalidArgument("x-oss-copy-source", value, ec, "The copy source is invalid.")
	}
	path, query, _ := strings.Cut(value, "?")
	path, rooted := strings.CutPrefix(path, "/")
	path, err := url.PathUnescape(path)
	if err != nil {
		return bad()
	}
	parameters, err := readParams(query)
	if err != nil {
		return bad()
	}
	source := copySource{versionID: parameters.get("versionId")}
	var ok bool
	source.bucket, source.key, ok = strings.Cut(path, "/")
	if !rooted || !ok || !validBucketName(source.bucket) || checkKey(source.key) != nil {
		return bad()
	}
	return source, nil
}

// openCopySource opens what x-oss-copy-source names, if the caller may read it and
// the conditions on it hold. A bad name is refused with ec.
func (c *call) openCopySource(ec string) (copySource, *object, *os.File, error) {
	refuse := func(err error) (copySource, *object, *os.File, error) { return copySource{}, nil, nil, err }
	source, err := readCopySource(c.r.Header.Get("x-oss-copy-source"), ec)
	if err != nil {
		return refuse(err)
	}
	if err := c.checkBucketFirst(source.bucket); err != nil {
		return refuse(err)
	}
	actions := []string{"oss:GetObject"}
	if source.versionID != "" {
		actions = append(actions, "oss:GetObjectVersion")
	}
	if fault := c.permit(source.bucket, source.key, actions...); fault != nil {
		return refuse(fault)
	}
	if !c.s.store.hasBucket(source.bucket) {
		return refuse(errNoSuchBucket(source.bucket))
	}
	original, file, err := c.s.store.open(source.bucket, source.key, source.versionID)
	switch {
	case errors.Is(err, errDeleteMarker) && source.versionID != "":
		// unconfirmed (copy.marker-by-id): the code of this 400.
		return refuse(refusal(c.s.cfg.Assume, "copy.marker-by-id",
			invalidArgument("x-oss-copy-source", c.r.Header.Get("x-oss-copy-source"), "", "The copy source is a delete marker.")))
	case errors.Is(err, errNotStored):
		return refuse(errNoSuchKey(source.key))
	case err != nil:
		return refuse(c.versionError(original, err))
	}
	if err := c.checkConditions("x-oss-copy-source-", original); err != nil {
		file.Close()
		return refuse(err)
	}
	return source, original, file, nil
}

// writeSourceVersion puts on the answer which version was copied, where there are
// versions.
func (c *call) writeSourceVersion(source copySource, original *object) {
	if original.VersionID != "" || c.s.store.versioning(source.bucket) != "" {
		c.w.Header().Set("x-oss-copy-source-version-id", original.versionName())
	}
}

// copyObject stores a copy. The metadata and tags are the source's unless the
// directives say to replace them; ACL, storage class and encryption are always
// the request's. A symlink is copied, not what it points to.
func (c *call) copyObject() error {
	source, original, file, err := c.openCopySource("")
	if err != nil {
		return err
	}
	defer file.Close()
	guard, err := c.readGuard(c.r.Header)
	if err != nil {
		return err
	}
	a, err := c.copyAttributes(original, source)
	if err != nil {
		return err
	}
	if original.Size > maxSinglePut {
		return errEntityTooLarge()
	}
	body, err := c.s.store.stage(file)
	if err != nil {
		return err
	}
	defer body.discard()
	o := &object{Key: c.target.key, Type: typeNormal, content: body.content, attributes: a}
	if original.Type == typeSymlink {
		o.Type, o.SymlinkTarget = typeSymlink, original.SymlinkTarget
	}
	if err := c.storeError(c.s.store.commit(c.target.bucket, o, body, guard)); err != nil {
		return err
	}
	c.w.Header().Set("ETag", quote(o.ETag))
	c.w.Header().Set("x-oss-hash-crc64ecma", strconv.FormatUint(o.CRC, 10))
	c.writeVersion(o)
	c.writeSourceVersion(source, original)
	return c.writeXML(struct {
		XMLName      xml.Name `xml:"CopyObjectResult"`
		ETag         string
		LastModified string
	}{ETag: quote(o.ETag), LastModified: o.Modified.Format(xmlTimeLayout)})
}

// copyAttributes applies the two directives. Copied onto itself, an object
// takes the metadata of the request whatever the directive says, unless the
// bucket has versions ("CopyObject").
func (c *call) copyAttributes(original *object, source copySource) (attributes, error) {
	a, err := c.readAttributes(c.r.Header)
	if err != nil {
		return attributes{}, err
	}
	metadata, err := readDirective(c.r.Header, "x-oss-metadata-directive")
	if err != nil {
		return attributes{}, err
	}
	tags, err := readDirective(c.r.Header, "x-oss-tagging-directive")
	if err != nil {
		return attributes{}, err
	}
	itself := source.bucket == c.target.bucket && source.key == c.target.key && c.s.store.versioning(source.bucket) == ""
	if metadata == "COPY" && !itself {
		a.Headers, a.Metadata = original.Headers, original.Metadata
	}
	if tags == "COPY" {
		a.Tags = original.Tags
	}
	return a, nil
}

// readDirective reads COPY, the default, or REPLACE. Letter case is free: the
// documents spell the directives of metadata and of tags differently.
func readDirective(header http.Header, name string) (string, error) {
	switch value := strings.ToUpper(header.Get(name)); value {
	case "", "COPY":
		return "COPY", nil
	case "REPLACE":
		return value, nil
	default:
		return "", invalidArgument(name, header.Get(name), "", "The value must be COPY or REPLACE.")
	}
}
