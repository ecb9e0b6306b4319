package oss

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxMetadata = 8 << 10 // bytes of names and values of x-oss-meta-*
	maxTags     = 10
	maxTagKey   = 128 // characters
	maxTagValue = 256
)

// attributes is what an upload says about its object besides the bytes. A
// multipart upload says it when it is initiated.
type attributes struct {
	// Headers are the standard headers that come back on GET and HEAD,
	// under their canonical names. No signature covers any but the
	// Content-Type; they are stored nevertheless, as OSS does.
	Headers map[string]string
	// Metadata are the x-oss-meta-* headers without their prefix.
	Metadata     map[string]string
	StorageClass string
	ACL          string
	Encryption   string `json:",omitempty"`
	Tags         []tag  `json:",omitempty"`
}

type tag struct {
	Key   string
	Value string
}

// storedHeaders are the standard headers that OSS keeps with an object.
var storedHeaders = []string{"Content-Type", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control", "Expires"}

const defaultContentType = "application/octet-stream"

// readAttributes reads the attributes from the headers of an upload. The storage class
// is the bucket's unless they name one.
func (c *call) readAttributes(header http.Header) (attributes, error) {
	a := attributes{Headers: map[string]string{}, StorageClass: c.s.store.settings(c.target.bucket).storageClass()}
	for _, name := range storedHeaders {
		if value := header.Get(name); value != "" {
			a.Headers[name] = value
		}
	}
	if a.Headers["Content-Type"] == "" {
		a.Headers["Content-Type"] = defaultContentType
	}
	var err error
	if a.Metadata, err = c.readMetadata(header); err != nil {
		return attributes{}, err
	}
	if header.Get("x-oss-storage-class") != "" {
		if a.StorageClass, err = oneOf(header, "x-oss-storage-class", storageClasses...); err != nil {
			return attributes{}, err
		}
	}
	if a.ACL, err = c.readACL(header); err != nil {
		return attributes{}, err
	}
	if header.Get("x-oss-server-side-encryption") != "" {
		if a.Encryption, err = oneOf(header, "x-oss-server-side-encryption", "AES256", "KMS", "SM4"); err != nil {
			return attributes{}, err
		}
	}
	a.Tags, err = readTags(header.Get("x-oss-tagging"))
	return a, err
}

// readMetadata reads the x-oss-meta-* headers.
func (c *call) readMetadata(header http.Header) (map[string]string, error) {
	metadata := map[string]string{}
	size := 0
	for name, values := range header {
		meta, ok := strings.CutPrefix(strings.ToLower(name), "x-oss-meta-")
		if !ok {
			continue
		}
		// unconfirmed (meta.names): how is another name refused? The documents allow
		// letters, digits and hyphens.
		if !isMetadataName(meta) && c.assumes("meta.names", "refused") {
			return nil, invalidArgument(name, "", "", "The name of the metadata is invalid.")
		}
		metadata[meta] = strings.Join(values, ",")
		size += len(meta) + len(metadata[meta])
	}
	if size > maxMetadata {
		// unconfirmed (meta.too-large): the code of this refusal.
		return nil, refusal(c.s.cfg.Assume, "meta.too-large",
			invalidArgument("x-oss-meta-*", "", "", "The total size of the metadata must not be more than 8 KB."))
	}
	return metadata, nil
}

// isMetadataName reports whether name, without its prefix, is what the documents
// allow.
func isMetadataName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-')
	})
}

// oneOf reads a header that has a closed set of values; the first is the
// default.
func oneOf(header http.Header, name string, values ...string) (string, error) {
	value := header.Get(name)
	if value == "" {
		return values[0], nil
	}
	if !slices.Contains(values, value) {
		return "", invalidArgument(name, value, "", fmt.Sprintf("%s must be one of %s.", name, strings.Join(values, ", ")))
	}
	return value, nil
}

// readTags parses the x-oss-tagging header, "a=1&b=2", both sides URL-encoded.
func readTags(value string) ([]tag, error) {
	if value == "" {
		return nil, nil
	}
	var tags []tag
	for pair := range strings.SplitSeq(value, "&") {
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil {
			return nil, errInvalidTag()
		}
		text, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, errInvalidTag()
		}
		tags = append(tags, tag{key, text})
	}
	return tags, checkTags(tags)
}

func checkTags(tags []tag) error {
	if len(tags) > maxTags {
		return errInvalidTag()
	}
	for i, t := range tags {
		if t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey || utf8.RuneCountInString(t.Value) > maxTagValue ||
			!tagCharacters(t.Key) || !tagCharacters(t.Value) ||
			slices.ContainsFunc(tags[:i], func(o tag) bool { return o.Key == t.Key }) {
			return errInvalidTag()
		}
	}
	return nil
}

// tagCharacters reports whether s holds only what the documents allow in tags:
// letters, digits, spaces and + - = . _ : /
func tagCharacters(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(" +-=._:/", r))
	})
}

func errInvalidTag() error {
	return errorf(http.StatusBadRequest, codeInvalidTag, "", "The tag you have provided is invalid.")
}

// write puts the attributes on the answer to a GET or HEAD.
func (a attributes) write(header http.Header) {
	for name, value := range a.Headers {
		header.Set(name, value)
	}
	for name, value := range a.Metadata {
		header.Set("x-oss-meta-"+name, value)
	}
	header.Set("x-oss-storage-class", a.StorageClass)
	if a.Encryption != "" {
		header.Set("x-oss-server-side-encryption", a.Encryption)
	}
}
