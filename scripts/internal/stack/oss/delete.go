package oss

import (
	"encoding/xml"
	"errors"
	"net/http"
)

// maxDeletes is how many objects one DeleteMultipleObjects may name.
const maxDeletes = 1000

// deleteObject answers 204 whether or not there was an object.
func (c *call) deleteObject() error {
	removed, err := c.s.store.remove(c.target.bucket, c.target.key, c.query.get("versionId"))
	switch {
	case errors.Is(err, errNoVersion) && c.assumes("delete.version-missing", "204"):
		// unconfirmed (delete.version-missing): whether a version that does not exist is
		// refused.
	case err != nil:
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
	Objects []deletedVersion `xml:"Object"`
}

type deletedVersion struct {
	Key       string
	VersionID string `xml:"VersionId"`
}

type deletedObject struct {
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

// deleteMultipleObjects deletes up to 1,000 objects; those that are not there
// count as deleted. Asked to be quiet, it answers with an empty body.
func (c *call) deleteMultipleObjects() error {
	wanted, err := c.readDeletion()
	if err != nil {
		return err
	}
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	allowed, err := c.permittedDeletions(wanted.Objects)
	if err != nil {
		return err
	}
	var deleted []deletedObject
	for _, o := range allowed {
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

// readDeletion reads the body of DeleteMultipleObjects, which needs a digest.
func (c *call) readDeletion() (wanted deletion, err error) {
	if c.r.Header.Get("Content-MD5") == "" {
		// unconfirmed (delete.many-md5): the code of this refusal; the header is required.
		return deletion{}, refusal(c.s.cfg.Assume, "delete.many-md5", invalidArgument("Content-MD5", "", "", "Content-MD5 is required."))
	}
	body, err := c.readDocument()
	if err != nil {
		return deletion{}, err
	}
	if err := xml.Unmarshal(hideControls(body), &wanted); err != nil || len(wanted.Objects) == 0 || len(wanted.Objects) > maxDeletes {
		return deletion{}, errMalformedXML("")
	}
	for i := range wanted.Objects {
		wanted.Objects[i].Key = showControls(wanted.Objects[i].Key)
	}
	return wanted, nil
}

// permittedDeletions are those of the wanted ones that the policy allows.
//
// unconfirmed (delete.many-denied): does one that it denies fail the whole call,
// before anything is deleted, or is it only left out?
func (c *call) permittedDeletions(wanted []deletedVersion) (allowed []deletedVersion, err error) {
	for _, o := range wanted {
		actions := []string{"oss:DeleteObject"}
		if o.VersionID != "" {
			actions = append(actions, "oss:DeleteObjectVersion")
		}
		if err := checkKey(o.Key); err != nil {
			return nil, err
		}
		switch fault := c.permit(c.target.bucket, o.Key, actions...); {
		case fault == nil:
			allowed = append(allowed, o)
		case c.assumes("delete.many-denied", "all"):
			return nil, fault
		}
	}
	return allowed, nil
}
