package oss

import (
	"encoding/xml"
	"errors"
	"net/http"
)

// maxDeletes is how many objects one DeleteMultipleObjects may name.
const maxDeletes = 1000

// deleteObject answers 204 whether or not there was an object.
//
// unconfirmed (delete.version-missing): what OSS answers when a version does not exist.
func (c *call) deleteObject() error {
	removed, err := c.s.store.remove(c.target.bucket, c.target.key, c.query.get("versionId"))
	if err != nil {
		return c.versionError(nil, err)
	}
	if removed != nil {
		c.writeVersion(removed)
	}
	return c.writeEmpty(http.StatusNoContent)
}

// deletion is the body of DeleteMultipleObjects:
//
//	<Delete><Quiet>false</Quiet><Object><Key>a</Key><VersionId>…</VersionId></Object></Delete>
type deletion struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Objects []struct {
		Key       string
		VersionID string `xml:"VersionId"`
	} `xml:"Object"`
}

type deletedObject struct {
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

// deleteMultipleObjects deletes up to 1,000 objects; those that are not there
// count as deleted. Asked to be quiet, it answers with an empty body.
//
// unconfirmed (delete.many-denied): one object that the policy protects fails the whole call here,
// before anything is deleted.
func (c *call) deleteMultipleObjects() error {
	if c.r.Header.Get("Content-MD5") == "" {
		// unconfirmed (delete.many-md5): the code of this refusal; the header is required.
		return invalidArgument("Content-MD5", "", "", "Content-MD5 is required.")
	}
	body, err := c.readDocument()
	if err != nil {
		return err
	}
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	var wanted deletion
	if err := xml.Unmarshal(body, &wanted); err != nil || len(wanted.Objects) == 0 || len(wanted.Objects) > maxDeletes {
		return errMalformedXML("")
	}
	for _, o := range wanted.Objects {
		actions := []string{"oss:DeleteObject"}
		if o.VersionID != "" {
			actions = append(actions, "oss:DeleteObjectVersion")
		}
		if err := checkKey(o.Key); err != nil {
			return err
		}
		if fault := c.permit(c.target.bucket, o.Key, actions...); fault != nil {
			return fault
		}
	}
	var deleted []deletedObject
	for _, o := range wanted.Objects {
		removed, err := c.s.store.remove(c.target.bucket, o.Key, o.VersionID)
		if err != nil && !errors.Is(err, errNoVersion) {
			return err
		}
		entry := deletedObject{Key: encode(o.Key), VersionID: o.VersionID}
		if removed != nil && removed.Type == typeDeleteMarker {
			entry.DeleteMarker, entry.DeleteMarkerVersionID = true, removed.versionName()
		}
		deleted = append(deleted, entry)
	}
	if wanted.Quiet {
		return c.writeEmpty(http.StatusOK)
	}
	return c.writeXML(struct {
		XMLName      xml.Name        `xml:"DeleteResult"`
		EncodingType string          `xml:",omitempty"`
		Deleted      []deletedObject `xml:"Deleted"`
	}{EncodingType: encodingType, Deleted: deleted})
}
