package oss

import (
	"encoding/xml"
	"net/http"
)

// tagging is the document of the three tagging calls:
//
//	<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>
type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

func (c *call) putObjectTagging() error {
	body, err := c.readDocument()
	if err != nil {
		return err
	}
	var document tagging
	if err := xml.Unmarshal(body, &document); err != nil {
		return errMalformedXML("")
	}
	if err := checkTags(document.Tags); err != nil {
		return err
	}
	return c.setTags(document.Tags, http.StatusOK)
}

func (c *call) getObjectTagging() error {
	o, err := c.s.store.version(c.target.bucket, c.target.key, c.query.get("versionId"))
	if err != nil {
		return c.versionError(o, err)
	}
	c.writeVersion(o)
	return c.writeXML(tagging{Tags: o.Tags})
}

func (c *call) deleteObjectTagging() error { return c.setTags(nil, http.StatusNoContent) }

// setTags replaces the tags of the version that the request names, and answers status.
func (c *call) setTags(tags []tag, status int) error {
	o, err := c.s.store.modify(c.target.bucket, c.target.key, c.query.get("versionId"), func(o *object) { o.Tags = tags })
	if err != nil {
		return c.versionError(o, err)
	}
	c.writeVersion(o)
	return c.writeEmpty(status)
}
