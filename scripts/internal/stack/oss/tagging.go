package oss

import (
	"encoding/xml"
	"errors"
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
	if err := c.setTags(document.Tags); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusOK)
}

func (c *call) getObjectTagging() error {
	o, err := c.s.store.object(c.target.bucket, c.target.key)
	if err != nil {
		return errNoSuchKey(c.target.key)
	}
	return c.writeXML(tagging{Tags: o.Tags})
}

func (c *call) deleteObjectTagging() error {
	if err := c.setTags(nil); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusNoContent)
}

func (c *call) setTags(tags []tag) error {
	err := c.s.store.setTags(c.target.bucket, c.target.key, tags)
	if errors.Is(err, errNotStored) {
		return errNoSuchKey(c.target.key)
	}
	return err
}
