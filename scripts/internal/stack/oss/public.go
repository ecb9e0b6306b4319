package oss

import (
	"encoding/xml"
	"net/http"
	"slices"
)

// publicAccessBlock is the document of the calls about it:
//
//	<PublicAccessBlockConfiguration><BlockPublicAccess>true</BlockPublicAccess></PublicAccessBlockConfiguration>
//
// Where it is true nothing can be made public, and what is has no effect
// ("PutBucketPublicAccessBlock"). There is none of the whole account.
type publicAccessBlock struct {
	XMLName           xml.Name `xml:"PublicAccessBlockConfiguration"`
	BlockPublicAccess bool
}

// publicACLs let strangers in.
var publicACLs = []string{"public-read", "public-read-write"}

func (c *call) putBucketPublicAccessBlock() error {
	body, err := c.readDocument()
	if err != nil {
		return err
	}
	var wanted publicAccessBlock
	if err := xml.Unmarshal(body, &wanted); err != nil {
		return errMalformedXML("")
	}
	return c.blockPublicAccess(wanted.BlockPublicAccess, http.StatusOK)
}

func (c *call) getBucketPublicAccessBlock() error {
	return c.writeXML(publicAccessBlock{BlockPublicAccess: c.blocksPublicAccess()})
}

func (c *call) deleteBucketPublicAccessBlock() error {
	return c.blockPublicAccess(false, http.StatusNoContent)
}

func (c *call) blockPublicAccess(block bool, status int) error {
	if err := c.s.store.configure(c.target.bucket, func(s *settings) { s.BlockPublicAccess = block }); err != nil {
		return err
	}
	return c.writeEmpty(status)
}

func (c *call) blocksPublicAccess() bool {
	return c.s.store.settings(c.target.bucket).BlockPublicAccess
}

// readACL reads the ACL that the headers of an upload ask for. The documents say that
// a public one cannot be set where they are blocked, and not by which code.
func (c *call) readACL(header http.Header) (string, error) {
	acl, err := oneOf(header, "x-oss-object-acl", "default", "private", publicACLs[0], publicACLs[1])
	if err == nil && slices.Contains(publicACLs, acl) && c.blocksPublicAccess() {
		return "", errorf(http.StatusForbidden, codeAccessDenied, "", "Public access is blocked: a public ACL cannot be set.")
	}
	return acl, err
}

func (c *call) putObjectACL() error {
	if c.r.Header.Get("x-oss-object-acl") == "" {
		return invalidArgument("x-oss-object-acl", "", "0017-00000105", "The ACL is missing.")
	}
	acl, err := c.readACL(c.r.Header)
	if err != nil {
		return err
	}
	o, err := c.s.store.modify(c.target.bucket, c.target.key, c.query.get("versionId"), func(o *object) { o.ACL = acl })
	if err != nil {
		return c.versionError(o, err)
	}
	c.writeVersion(o)
	return c.writeEmpty(http.StatusOK)
}

// isPublicRead reports whether the object was stored with an ACL that lets
// strangers read it.
func (c *call) isPublicRead() bool {
	o, err := c.s.store.version(c.target.bucket, c.target.key, c.query.get("versionId"))
	return err == nil && slices.Contains(publicACLs, o.ACL) && !c.blocksPublicAccess()
}
