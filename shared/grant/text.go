package grant

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Escape makes any text fit an HTTP header: percent-encoded UTF-8, the form in
// which metadata travels.
func Escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// Unescape is the inverse of Escape. Text that was not encoded so comes back as
// it is.
func Unescape(s string) string {
	if t, err := url.PathUnescape(s); err == nil && utf8.ValidString(t) {
		return t
	}
	return s
}

// IsOwnMetadata reports whether a metadata name, without x-oss-meta-, is kept
// for this project.
func IsOwnMetadata(name string) bool {
	return name == ownPrefix || strings.HasPrefix(name, ownPrefix+"-")
}

// MetadataSum is a digest of the user metadata of an object, names without
// x-oss-meta- and values as they are stored; the sealed grant is left out, of
// which the digest is a part. It is "" for none.
func MetadataSum(metadata map[string]string) string { return sumBelow("", metadata) }

// sumBelow is the MetadataSum of the headers that begin with prefix, which is not a
// part of their names.
func sumBelow(prefix string, header map[string]string) string {
	text := make([]byte, 0, 256) // <length>:<name>=<length>:<value> LF …
	for _, full := range sortedNames(header) {
		if name, ok := strings.CutPrefix(full, prefix); ok && name != MetaGrant {
			text = append(appendCounted(text, name), '=')
			text = append(appendCounted(text, header[full]), '\n')
		}
	}
	if len(text) == 0 {
		return ""
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// sortedNames is slices.Sorted(maps.Keys(m)) with one allocation instead of five.
func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func appendCounted(dst []byte, s string) []byte {
	return append(append(strconv.AppendInt(dst, int64(len(s)), 10), ':'), s...)
}
