package oss

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// putSymlink makes an object that points to another one of the bucket. The
// target's name arrives URL-encoded and need not exist yet.
func (c *call) putSymlink() error {
	name, err := url.PathUnescape(c.r.Header.Get("x-oss-symlink-target"))
	if err != nil || checkKey(name) != nil {
		return invalidArgument("x-oss-symlink-target", c.r.Header.Get("x-oss-symlink-target"), "", "The symlink target is invalid.")
	}
	a, err := c.readAttributes(c.r.Header)
	if err != nil {
		return err
	}
	guard, err := c.readGuard(c.r.Header)
	if err != nil {
		return err
	}
	empty, err := c.s.store.stage(strings.NewReader(""))
	if err != nil {
		return err
	}
	defer empty.discard()
	o := &object{Key: c.target.key, Type: typeSymlink, content: empty.content, attributes: a, SymlinkTarget: name}
	if err := c.storeError(c.s.store.commit(c.target.bucket, o, empty, guard)); err != nil {
		return err
	}
	c.w.Header().Set("ETag", quote(o.ETag))
	c.writeVersion(o)
	return c.writeEmpty(http.StatusOK)
}

func (c *call) getSymlink() error {
	o, err := c.s.store.object(c.target.bucket, c.target.key)
	if err != nil {
		return errNoSuchKey(c.target.key)
	}
	if o.Type != typeSymlink {
		return errorf(http.StatusBadRequest, codeNotSymlink, "", "The object is not a symlink.")
	}
	c.writeVersion(o)
	header := c.w.Header()
	header.Set("x-oss-symlink-target", percentEncode(o.SymlinkTarget))
	header.Set("ETag", quote(o.ETag))
	for name, value := range o.Metadata {
		header.Set("x-oss-meta-"+name, value)
	}
	return c.writeEmpty(http.StatusOK)
}

// openObject opens the object of the request. A symlink is followed once: the
// bytes, their size, ETag and checksums are the target's, everything else is
// the symlink's own, and its type stays Symlink ("HeadObject", "GetObject").
func (c *call) openObject() (*object, *os.File, error) {
	o, f, err := c.s.store.open(c.target.bucket, c.target.key, c.query.get("versionId"))
	if err != nil {
		return nil, nil, c.versionError(o, err)
	}
	if o.Type != typeSymlink {
		return o, f, nil
	}
	f.Close()
	linked, f, err := c.s.store.open(c.target.bucket, o.SymlinkTarget, "")
	if errors.Is(err, errNotStored) {
		return nil, nil, errorf(http.StatusNotFound, codeSymlinkTargetNotExist, "", "The symlink target object does not exist.")
	}
	if err != nil {
		return nil, nil, err
	}
	if linked.Type == typeSymlink {
		f.Close()
		return nil, nil, errorf(http.StatusBadRequest, codeInvalidTargetType, "", "The symbolic target is a symlink.")
	}
	followed := *o
	followed.content = linked.content
	if linked.Modified.After(o.Modified) {
		followed.Modified = linked.Modified
	}
	return &followed, f, nil
}
