package grant

import (
	"net/url"
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
