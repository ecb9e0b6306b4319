package oss

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

// accountID is the account that owns every bucket.
const accountID = "1000000000000000"

// validBucketName reports whether name is 3 to 63 lower-case letters, digits
// and hyphens, with no hyphen at an end.
func validBucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-')
	})
}

// createBucketConfiguration is the body that PutBucket may have. What else it holds,
// the redundancy, means nothing on one disk:
//
//	<CreateBucketConfiguration><StorageClass>IA</StorageClass></CreateBucketConfiguration>
type createBucketConfiguration struct {
	XMLName      xml.Name `xml:"CreateBucketConfiguration"`
	StorageClass string
}

// putBucket makes a bucket. One that is there stays as it is: its storage class cannot
// be changed.
func (c *call) putBucket() error {
	name := c.target.bucket
	if !validBucketName(name) {
		e := errorf(http.StatusBadRequest, codeInvalidBucketName, "", "The specified bucket is not valid.")
		e.BucketName = name
		return e
	}
	body, err := c.readDocument()
	if err != nil {
		return err
	}
	wanted := createBucketConfiguration{StorageClass: standard}
	if len(body) > 0 {
		if err := xml.Unmarshal(body, &wanted); err != nil || !slices.Contains(storageClasses, wanted.StorageClass) {
			return errMalformedXML("")
		}
	}
	if err := c.s.store.createBucket(name, wanted.StorageClass); err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+name)
	return c.writeEmpty(http.StatusOK)
}

func (c *call) getBucketInfo() error {
	settings := c.s.store.settings(c.target.bucket)
	type info struct {
		Name             string
		Location         string
		CreationDate     string
		ExtranetEndpoint string
		IntranetEndpoint string
		Owner            owner
		Grant            string `xml:"AccessControlList>Grant"`
		StorageClass     string
		Versioning       Versioning `xml:",omitempty"`
	}
	return c.writeXML(struct {
		XMLName xml.Name `xml:"BucketInfo"`
		Bucket  info
	}{Bucket: info{
		Name:             c.target.bucket,
		Location:         "oss-" + c.s.cfg.Region,
		CreationDate:     c.s.store.bucketCreated(c.target.bucket).Format(xmlTimeLayout),
		ExtranetEndpoint: c.r.Host,
		IntranetEndpoint: c.r.Host,
		Owner:            owner{ID: accountID, DisplayName: accountID},
		Grant:            "private",
		StorageClass:     settings.storageClass(),
		Versioning:       settings.Versioning,
	}})
}

type owner struct {
	ID          string
	DisplayName string
}
