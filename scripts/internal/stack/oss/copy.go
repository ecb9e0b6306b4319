package oss

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// copySource is what x-oss-copy-source names.
type copySource struct{ bucket, key, versionID string }

// readCopySource parses "/bucket/a%20b.txt?versionId=CAEQ…".
func readCopySource(value string) (copySource, error) {
	bad := func() (copySource, error) {
		return copySource{}, invalidArgument("x-oss-copy-source", value, "", "The copy source is invalid.")
	}
	path, query, _ := strings.Cut(value, "?")
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
	source.bucket, source.key, ok = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || !validBucketName(source.bucket) || checkKey(source.key) != nil {
		return bad()
	}
	return source, nil
}

// copyObject stores a copy. The metadata and tags are the source's unless the
// directives say to replace them; ACL, storage class and encryption are always
// the request's. A symlink is copied, not what it points to.
func (c *call) copyObject() error {
	source, err := readCopySource(c.r.Header.Get("x-oss-copy-source"))
	if err != nil {
		return err
	}
	actions := []string{"oss:GetObject"}
	if source.versionID != "" {
		actions = append(actions, "oss:GetObjectVersion")
	}
	if fault := c.permit(source.bucket, source.key, actions...); fault != nil {
		return fault
	}
	forbid, err := forbidsOverwrite(c.r.Header)
	if err != nil {
		return err
	}
	if !c.s.store.hasBucket(source.bucket) {
		return errNoSuchBucket(source.bucket)
	}
	original, file, err := c.s.store.open(source.bucket, source.key, source.versionID)
	switch {
	case errors.Is(err, errNotStored):
		return errNoSuchKey(source.key)
	case err != nil:
		return c.versionError(original, err)
	}
	defer file.Close()
	if err := c.checkConditions("x-oss-copy-source-", original); err != nil {
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
	if err := c.storeError(c.s.store.commit(c.target.bucket, o, body, forbid)); err != nil {
		return err
	}
	c.w.Header().Set("ETag", quote(o.ETag))
	c.w.Header().Set("x-oss-hash-crc64ecma", strconv.FormatUint(o.CRC, 10))
	c.writeVersion(o)
	if original.VersionID != "" {
		c.w.Header().Set("x-oss-copy-source-version-id", original.VersionID)
	}
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
	a, err := readAttributes(c.r.Header)
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
