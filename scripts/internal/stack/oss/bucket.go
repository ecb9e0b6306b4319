package oss

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
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

func (c *call) putBucket() error {
	name := c.target.bucket
	if !validBucketName(name) {
		e := errorf(http.StatusBadRequest, codeInvalidBucketName, "", "The specified bucket is not valid.")
		e.BucketName = name
		return e
	}
	// The configuration that the body may hold, storage class and
	// redundancy, means nothing on one disk.
	if _, err := c.readDocument(); err != nil {
		return err
	}
	if err := c.s.store.createBucket(name); err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+name)
	return c.writeEmpty(http.StatusOK)
}

func (c *call) getBucketInfo() error {
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
		StorageClass:     "Standard",
		Versioning:       c.s.store.versioning(c.target.bucket),
	}})
}

type owner struct {
	ID          string
	DisplayName string
}

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Type         string
	Size         int64
	StorageClass string
	Owner        *owner `xml:",omitempty"`
}

type commonPrefix struct{ Prefix string }

type listBucketResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	Prefix                string
	StartAfter            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	MaxKeys               int
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listedObject
	CommonPrefixes        []commonPrefix
	KeyCount              int
}

// listObjectsV2 lists in key order. The continuation token is the last name
// that was listed, a key or a common prefix, in URL-safe base64.
func (c *call) listObjectsV2() error {
	if value := c.query.get("list-type"); value != "2" {
		return invalidArgument("list-type", value, "", "The list type is invalid.")
	}
	maxKeys, err := c.intParam("max-keys", 1, 1000, 100)
	if err != nil {
		return err
	}
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	token, startAfter, after := c.query.get("continuation-token"), c.query.get("start-after"), ""
	if token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return invalidArgument("continuation-token", token, "", "The continuation token is invalid.")
		}
		after = string(last)
	}
	prefix, delimiter := c.query.get("prefix"), c.query.get("delimiter")
	result := listBucketResult{
		Name: c.target.bucket, Prefix: encode(prefix), StartAfter: encode(startAfter),
		ContinuationToken: token, MaxKeys: maxKeys, Delimiter: encode(delimiter), EncodingType: encodingType,
	}
	last := ""
	for _, o := range c.s.store.list(c.target.bucket, prefix) {
		name, isPrefix := o.Key, false
		if delimiter != "" {
			if before, _, found := strings.Cut(o.Key[len(prefix):], delimiter); found {
				name, isPrefix = prefix+before+delimiter, true
			}
		}
		if o.Key <= startAfter || name <= after || name == last {
			continue
		}
		if result.KeyCount == maxKeys {
			result.IsTruncated = true
			result.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(last))
			break
		}
		result.KeyCount++
		last = name
		if isPrefix {
			result.CommonPrefixes = append(result.CommonPrefixes, commonPrefix{encode(name)})
			continue
		}
		listed := listedObject{
			Key: encode(o.Key), LastModified: o.Modified.Format(xmlTimeLayout), ETag: quote(o.ETag),
			Type: o.Type, Size: o.Size, StorageClass: o.StorageClass,
		}
		if c.query.get("fetch-owner") == "true" {
			listed.Owner = &owner{ID: accountID, DisplayName: accountID}
		}
		result.Contents = append(result.Contents, listed)
	}
	return c.writeXML(result)
}
