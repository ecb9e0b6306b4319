package oss

import (
	"encoding/base64"
	"encoding/xml"
)

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

// listPage is what both lists of objects have.
type listPage struct {
	Name           string
	Prefix         string
	MaxKeys        int
	Delimiter      string `xml:",omitempty"`
	EncodingType   string `xml:",omitempty"`
	IsTruncated    bool
	Contents       []listedObject
	CommonPrefixes []commonPrefix
}

type listBucketResult struct {
	XMLName    xml.Name `xml:"ListBucketResult"`
	Marker     string
	NextMarker string `xml:",omitempty"`
	listPage
}

type listBucketResultV2 struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	StartAfter            string   `xml:",omitempty"`
	ContinuationToken     string   `xml:",omitempty"`
	NextContinuationToken string   `xml:",omitempty"`
	KeyCount              int
	listPage
}

// listObjects lists in key order, from behind the marker, which is a key or a common
// prefix.
func (c *call) listObjects() error {
	encode, _, err := c.encodeKey()
	if err != nil {
		return err
	}
	marker := c.query.get("marker")
	page, last, err := c.listPage("", marker, true)
	if err != nil {
		return err
	}
	result := listBucketResult{Marker: encode(marker), listPage: page}
	if page.IsTruncated {
		result.NextMarker = encode(last)
	}
	return c.writeXML(result)
}

// listObjectsV2 lists in key order. The continuation token is the last name
// that was listed, a key or a common prefix, in URL-safe base64.
func (c *call) listObjectsV2() error {
	if value := c.query.get("list-type"); value != "2" {
		return invalidArgument("list-type", value, "", "The list type is invalid.")
	}
	encode, _, err := c.encodeKey()
	if err != nil {
		return err
	}
	token, startAfter := c.query.get("continuation-token"), c.query.get("start-after")
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return invalidArgument("continuation-token", token, "", "The continuation token is invalid.")
	}
	page, last, err := c.listPage(startAfter, string(after), c.query.get("fetch-owner") == "true")
	if err != nil {
		return err
	}
	result := listBucketResultV2{
		StartAfter: encode(startAfter), ContinuationToken: token,
		KeyCount: len(page.Contents) + len(page.CommonPrefixes), listPage: page,
	}
	if page.IsTruncated {
		result.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return c.writeXML(result)
}

// listPage lists the keys behind startAfter whose names, keys or common prefixes, are
// behind after. It returns the last of these names as well.
func (c *call) listPage(startAfter, after string, withOwner bool) (page listPage, last string, err error) {
	maxKeys, err := c.intParam("max-keys", 1, 1000, 100)
	if err != nil {
		return listPage{}, "", err
	}
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return listPage{}, "", err
	}
	prefix, delimiter := c.query.get("prefix"), c.query.get("delimiter")
	page = listPage{
		Name: c.target.bucket, Prefix: encode(prefix), MaxKeys: maxKeys, Delimiter: encode(delimiter), EncodingType: encodingType,
	}
	for _, o := range c.s.store.list(c.target.bucket, prefix) {
		name, isPrefix := groupOf(o.Key, prefix, delimiter)
		if o.Key <= startAfter || name <= after || name == last {
			continue
		}
		if len(page.Contents)+len(page.CommonPrefixes) == maxKeys {
			page.IsTruncated = true
			break
		}
		last = name
		if isPrefix {
			page.CommonPrefixes = append(page.CommonPrefixes, commonPrefix{encode(name)})
			continue
		}
		listed := listedObject{
			Key: encode(o.Key), LastModified: o.Modified.Format(xmlTimeLayout), ETag: quote(o.ETag),
			Type: o.Type, Size: o.Size, StorageClass: o.StorageClass,
		}
		if withOwner {
			listed.Owner = &owner{ID: accountID, DisplayName: accountID}
		}
		page.Contents = append(page.Contents, listed)
	}
	return page, last, nil
}
