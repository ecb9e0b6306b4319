package oss

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	minPartSize   = 100 << 10 // of every part but the last, judged at Complete
	maxPartNumber = 10000

	ecNoSuchUploadPart = "0042-00000104" // UploadPart
	ecNoSuchUploadCopy = "0042-00000311" // UploadPartCopy
	ecNoSuchUpload     = "0042-00000002" // AbortMultipartUpload and ListParts
)

// initiateMultipartUpload takes all metadata of the future object.
func (c *call) initiateMultipartUpload() error {
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	a, err := c.readAttributes(c.r.Header)
	if err != nil {
		return err
	}
	forbid, err := forbidsOverwrite(c.r.Header)
	if err != nil {
		return err
	}
	u, err := c.s.store.initiate(c.target.bucket, c.target.key, a, forbid)
	if err != nil {
		return c.storeError(err)
	}
	return c.writeXML(struct {
		XMLName      xml.Name `xml:"InitiateMultipartUploadResult"`
		EncodingType string   `xml:",omitempty"`
		Bucket       string
		Key          string
		UploadID     string `xml:"UploadId"`
	}{EncodingType: encodingType, Bucket: c.target.bucket, Key: encode(c.target.key), UploadID: u.ID})
}

func (c *call) uploadPart() error {
	id, number, err := c.readPart(ecNoSuchUploadPart)
	if err != nil {
		return err
	}
	body, err := c.receive()
	if err != nil {
		return err
	}
	defer body.discard()
	if _, err := c.s.store.putPart(c.target.bucket, c.target.key, id, number, body); err != nil {
		return uploadError(err, id, ecNoSuchUploadPart)
	}
	writeContentHeaders(c.w.Header(), body.content)
	return c.writeEmpty(http.StatusOK)
}

// readPart reads which part of which upload the request brings. An upload that does
// not exist is refused with ec.
func (c *call) readPart(ec string) (id string, number int, err error) {
	number, err = c.intParam("partNumber", 1, maxPartNumber, 0)
	if err != nil {
		return "", 0, err
	}
	if c.r.Header.Get("x-oss-server-side-encryption") != "" {
		return "", 0, invalidArgument("x-oss-server-side-encryption", "", "", "Encryption is chosen when the upload is initiated.")
	}
	id = c.query.get("uploadId")
	u, err := c.s.store.lockUpload(c.target.bucket, c.target.key, id)
	if err != nil {
		return "", 0, uploadError(err, id, ec)
	}
	u.mu.Unlock()
	return id, number, nil
}

func (c *call) abortMultipartUpload() error {
	id := c.query.get("uploadId")
	if err := c.s.store.abort(c.target.bucket, c.target.key, id); err != nil {
		return uploadError(err, id, ecNoSuchUpload)
	}
	return c.writeEmpty(http.StatusNoContent)
}

func uploadError(err error, id, ec string) error {
	if errors.Is(err, errNotStored) {
		return errNoSuchUpload(id, ec)
	}
	return err
}

// wantedPart is one part that Complete names.
type wantedPart struct {
	PartNumber int
	ETag       string
}

type completeMultipartUpload struct {
	XMLName xml.Name     `xml:"CompleteMultipartUpload"`
	Parts   []wantedPart `xml:"Part"`
}

// completeMultipartUpload joins parts into an object. OSS finishes this even
// when the client has gone, and so does the stand-in.
func (c *call) completeMultipartUpload() error {
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	wanted, err := c.readWantedParts()
	if err != nil {
		return err
	}
	guard, err := c.readGuard(c.r.Header)
	if err != nil {
		return err
	}
	acl, err := c.readACL(c.r.Header)
	if err != nil {
		return err
	}
	callback, err := c.readCallback()
	if err != nil {
		return err
	}
	o, err := c.joinParts(wanted, acl, guard)
	if err != nil {
		return err
	}
	c.tell(o, callback)
	c.w.Header().Set("ETag", quote(o.ETag))
	c.w.Header().Set("x-oss-hash-crc64ecma", strconv.FormatUint(o.CRC, 10))
	c.writeVersion(o)
	if callback != nil {
		return c.sendCallback(callback, o)
	}
	path, _ := rawTarget(c.r)
	return c.writeXML(struct {
		XMLName      xml.Name `xml:"CompleteMultipartUploadResult"`
		EncodingType string   `xml:",omitempty"`
		Location     string
		Bucket       string
		Key          string
		ETag         string
	}{
		EncodingType: encodingType, Location: "http://" + c.r.Host + path,
		Bucket: c.target.bucket, Key: encode(c.target.key), ETag: quote(o.ETag),
	})
}

// readWantedParts reads the list of parts from the body. Nil means all of
// them, which x-oss-complete-all asks for.
func (c *call) readWantedParts() ([]wantedPart, error) {
	body, err := c.readDocument()
	if err != nil {
		return nil, err
	}
	switch value := c.r.Header.Get("x-oss-complete-all"); {
	case value == "":
	case value != "yes":
		return nil, invalidArgument("x-oss-complete-all", value, "", "The value must be yes.")
	case len(body) > 0:
		return nil, invalidArgument("x-oss-complete-all", value, "0042-00000216", "Should not speficy both complete all header and http body.")
	default:
		return nil, nil
	}
	var document completeMultipartUpload
	if err := xml.Unmarshal(body, &document); err != nil || len(document.Parts) == 0 {
		return nil, errMalformedXML("0042-00000205")
	}
	last := 0
	for _, part := range document.Parts {
		if part.PartNumber < 1 || part.PartNumber > maxPartNumber {
			return nil, invalidArgument("PartNumber", strconv.Itoa(part.PartNumber), "", fmt.Sprintf("Part number must be an integer between 1 and %d, inclusive.", maxPartNumber))
		}
		if part.PartNumber <= last {
			return nil, errorf(http.StatusBadRequest, codeInvalidPartOrder, "0042-00000209", "The list of parts was not in ascending order.")
		}
		last = part.PartNumber
	}
	return document.Parts, nil
}

// joinParts makes the object. The upload stays locked meanwhile: a second
// Complete waits, and then finds no upload.
func (c *call) joinParts(wanted []wantedPart, acl string, g guard) (*object, error) {
	id := c.query.get("uploadId")
	u, err := c.s.store.lockUpload(c.target.bucket, c.target.key, id)
	if err != nil {
		return nil, c.completeError(err, id)
	}
	defer u.mu.Unlock()
	parts, err := c.choose(u, wanted)
	if err != nil {
		return nil, err
	}
	// unconfirmed (multipart.forbid-overwrite-at-initiate): does x-oss-forbid-overwrite
	// hold here if it was given when the upload was initiated? It was judged then.
	g.forbid = g.forbid || u.Forbid && c.assumes("multipart.forbid-overwrite-at-initiate", "kept")
	// An early look saves joining gigabytes for nothing; complete decides.
	if c.s.store.protects(c.target.bucket, c.target.key, g) {
		return nil, errFileAlreadyExists()
	}
	body, err := c.s.store.join(u, parts)
	if err != nil {
		return nil, fmt.Errorf("joining the parts of upload %q: %w", id, err)
	}
	defer body.discard()
	o := &object{Key: u.Key, Type: typeMultipart, content: body.content, attributes: u.attributes}
	o.ETag, o.MD5 = c.completedETag(parts), ""
	if c.r.Header.Get("x-oss-object-acl") != "" {
		o.ACL = acl
	}
	return o, c.storeError(c.s.store.complete(c.target.bucket, u, o, body, g))
}

// completeError is the refusal of a completion that finds no upload.
//
// unconfirmed (multipart.no-such-upload-ec): the EC of NoSuchUpload from Complete.
func (c *call) completeError(err error, id string) error {
	ec := ""
	if c.assumes("multipart.no-such-upload-ec", ecNoSuchUploadPart) {
		ec = ecNoSuchUploadPart
	}
	return uploadError(err, id, ec)
}

// choose matches what is wanted with what is stored. Gaps are fine.
func (c *call) choose(u *upload, wanted []wantedPart) ([]*part, error) {
	parts := u.sortedParts()
	if wanted != nil {
		parts = nil
		for _, w := range wanted {
			p := u.parts[w.PartNumber]
			if p == nil || strings.Trim(w.ETag, `"`) != p.ETag {
				return nil, errInvalidPart(w.PartNumber, u.ID)
			}
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		// unconfirmed (multipart.complete-all-empty): what complete-all answers when there is no part.
		return nil, refusal(c.s.cfg.Assume, "multipart.complete-all-empty", errInvalidPart(0, u.ID))
	}
	for _, p := range parts[:len(parts)-1] {
		if p.Size < minPartSize {
			e := errorf(http.StatusBadRequest, codeEntityTooSmall, "", "Your proposed upload smaller than the minimum allowed size.")
			e.PartNumber = strconv.Itoa(p.Number)
			return nil, e
		}
	}
	return parts, nil
}

func errInvalidPart(number int, uploadID string) *apiError {
	e := errorf(http.StatusBadRequest, codeInvalidPart, "",
		"One or more of the specified parts could not be found or the specified entity tag might not have matched the part's entity tag.")
	e.UploadID = uploadID
	if number > 0 {
		e.PartNumber = strconv.Itoa(number)
	}
	return e
}

// completedETag is the ETag of an object of parts.
//
// unconfirmed (multipart.etag-suffix): does it end in their number?
func (c *call) completedETag(parts []*part) string {
	etag := multipartETag(parts)
	if c.assumes("multipart.etag-suffix", "none") {
		etag, _, _ = strings.Cut(etag, "-")
	}
	return etag
}

// multipartETag is the MD5 of the parts' ETags as upper-case text, one after
// the other, and their number: "1C787C506EABFB9B45EAAA8DB039F4B2-2". OSS does
// not document it; two published ETags agree.
func multipartETag(parts []*part) string {
	var text bytes.Buffer
	for _, p := range parts {
		text.WriteString(p.ETag)
	}
	sum := md5.Sum(text.Bytes())
	return strings.ToUpper(hex.EncodeToString(sum[:])) + "-" + strconv.Itoa(len(parts))
}
