package oss

import (
	"encoding/xml"
	"strconv"
	"strings"
)

type listedPart struct {
	PartNumber    int
	LastModified  string
	ETag          string
	HashCrc64ecma string
	Size          int64
}

type listPartsResult struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	EncodingType         string   `xml:",omitempty"`
	Bucket               string
	Key                  string
	UploadID             string `xml:"UploadId"`
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Parts                []listedPart `xml:"Part"`
}

// listParts lists a page of parts, those after the marker.
func (c *call) listParts() error {
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	maxParts, err := c.intParam("max-parts", 1, 1000, 1000)
	if err != nil {
		return err
	}
	marker, err := c.intParam("part-number-marker", 0, maxPartNumber, 0)
	if err != nil {
		return err
	}
	id := c.query.get("uploadId")
	u, err := c.s.store.lockUpload(c.target.bucket, c.target.key, id)
	if err != nil {
		return uploadError(err, id, ecNoSuchUpload)
	}
	parts := u.sortedParts()
	u.mu.Unlock()
	result := listPartsResult{
		EncodingType: encodingType, Bucket: c.target.bucket, Key: encode(u.Key), UploadID: u.ID,
		StorageClass: u.StorageClass, PartNumberMarker: marker, MaxParts: maxParts,
	}
	for _, p := range parts {
		if p.Number <= marker {
			continue
		}
		if len(result.Parts) == maxParts {
			result.IsTruncated = true
			break
		}
		result.NextPartNumberMarker = p.Number
		result.Parts = append(result.Parts, listedPart{
			PartNumber: p.Number, LastModified: p.Modified.Format(xmlTimeLayout), ETag: quote(p.ETag),
			HashCrc64ecma: strconv.FormatUint(p.CRC, 10), Size: p.Size,
		})
	}
	return c.writeXML(result)
}

type listedUpload struct {
	Key          string
	UploadID     string `xml:"UploadId"`
	StorageClass string
	Initiated    string
}

type listMultipartUploadsResult struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	EncodingType       string   `xml:",omitempty"`
	Bucket             string
	KeyMarker          string
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      string
	NextUploadIDMarker string `xml:"NextUploadIdMarker"`
	Prefix             string
	Delimiter          string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Uploads            []listedUpload `xml:"Upload"`
	CommonPrefixes     []commonPrefix
}

// listMultipartUploads lists a page of uploads by key, then by id. With only
// a key marker, every upload of that key has been seen; with an id marker as
// well, those up to the id.
func (c *call) listMultipartUploads() error {
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	maxUploads, err := c.intParam("max-uploads", 1, 1000, 1000)
	if err != nil {
		return err
	}
	keyMarker, idMarker := c.query.get("key-marker"), c.query.get("upload-id-marker")
	if keyMarker == "" {
		idMarker = ""
	}
	prefix, delimiter := c.query.get("prefix"), c.query.get("delimiter")
	result := listMultipartUploadsResult{
		EncodingType: encodingType, Bucket: c.target.bucket, KeyMarker: encode(keyMarker), UploadIDMarker: idMarker,
		Prefix: encode(prefix), Delimiter: encode(delimiter), MaxUploads: maxUploads,
	}
	lastPrefix := ""
	for _, u := range c.s.store.listUploads(c.target.bucket, prefix) {
		name, id := u.Key, u.ID
		if delimiter != "" {
			if before, _, found := strings.Cut(u.Key[len(prefix):], delimiter); found {
				name, id = prefix+before+delimiter, ""
			}
		}
		if name < keyMarker || name == keyMarker && (idMarker == "" || id <= idMarker) || id == "" && name == lastPrefix {
			continue
		}
		if len(result.Uploads)+len(result.CommonPrefixes) == maxUploads {
			result.IsTruncated = true
			break
		}
		result.NextKeyMarker, result.NextUploadIDMarker = encode(name), id
		if id == "" {
			lastPrefix = name
			result.CommonPrefixes = append(result.CommonPrefixes, commonPrefix{encode(name)})
			continue
		}
		result.Uploads = append(result.Uploads, listedUpload{
			Key: encode(u.Key), UploadID: u.ID, StorageClass: u.StorageClass, Initiated: u.Initiated.Format(xmlTimeLayout),
		})
	}
	return c.writeXML(result)
}
