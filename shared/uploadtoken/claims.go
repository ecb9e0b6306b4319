package uploadtoken

import "encoding/json"

// Method is the way in which the bytes travel.
type Method string

const (
	Put           Method = "put"
	Form          Method = "form"
	URL           Method = "url"
	MultipartPart Method = "multipart"
)

// Claims is what was granted to one upload: everything that later routes must
// know to hold the object against it. Field names on the wire are one letter,
// because tokens travel in URLs and headers.
type Claims struct {
	// ID names the upload. All tokens of one upload have the same.
	ID     string `json:"j"`
	Method Method `json:"a"`
	Place
	Key     string `json:"k"`
	Subject string `json:"s"`
	// Session is the id of the session in which the upload began, if it did in
	// one.
	Session string `json:"z,omitempty"`

	// Size is the exact size in bytes, if one was agreed; else MaxSize bounds it.
	Size    *int64 `json:"n,omitempty"`
	MaxSize int64  `json:"m,omitempty"`

	// ContentType is empty only for a URL upload that signed none.
	ContentType string `json:"t,omitempty"`
	// CRC64 is the declared CRC-64/XZ of the object in decimal, or empty.
	CRC64 string `json:"c,omitempty"`
	// Tags is how many tags were granted; the object may have no more.
	Tags int `json:"g,omitempty"`
	// Metadata is a digest of the metadata that was granted, see
	// grant.MetadataSum.
	Metadata string `json:"d,omitempty"`
	// Filename is set only where the object cannot carry it as metadata.
	Filename string `json:"f,omitempty"`

	// UploadID is OSS's own; it is unknown to the Grant of a multipart upload,
	// which is stored by the request that obtains it. PartSize is 0 when the
	// client chooses.
	UploadID string `json:"u,omitempty"`
	PartSize int64  `json:"p,omitempty"`

	// Vars are the uploader's words, Context the application's.
	Vars    map[string]string `json:"v,omitempty"`
	Context json.RawMessage   `json:"x,omitempty"`

	// IssuedAt and ExpiresAt are Unix seconds; a token is refused from
	// ExpiresAt on.
	IssuedAt  int64 `json:"i"`
	ExpiresAt int64 `json:"e"`
}

// PartCount is the number of parts of an upload whose size and part size are
// both agreed, else 0. An empty object has one empty part.
func (c Claims) PartCount() int64 {
	if c.Size == nil || c.PartSize == 0 {
		return 0
	}
	return max(1, (*c.Size+c.PartSize-1)/c.PartSize)
}

// PartLength is the exact length of part number n, if size and part size are
// both agreed and n is one of the parts.
func (c Claims) PartLength(n int64) (length int64, ok bool) {
	count := c.PartCount()
	if n < 1 || n > count {
		return 0, false
	}
	if n < count {
		return c.PartSize, true
	}
	return *c.Size - (count-1)*c.PartSize, true
}

// LastPart is the greatest number that a part of the upload may have, given that
// every part but the last has the agreed part size, or at least minPart bytes,
// and that there are at most maxParts.
func (c Claims) LastPart(minPart, maxParts int64) int64 {
	if count := c.PartCount(); count > 0 {
		return count
	}
	size := c.MaxSize
	if c.Size != nil {
		size = *c.Size
	}
	if c.PartSize > 0 {
		minPart = c.PartSize
	}
	return min(maxParts, max(1, size/minPart+min(1, size%minPart)))
}
