package grant

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"unicode"
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

// CheckFilename says what is wrong with a file name, or nothing.
func CheckFilename(name string) string {
	switch {
	case name == "":
		return "is required"
	case len(name) > maxFilename:
		return fmt.Sprintf("must be at most %d bytes", maxFilename)
	case !plainText(name):
		return "must be UTF-8 without control characters"
	}
	return ""
}

func checkMetadata(name, value string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
	switch {
	case name == "" || strings.Trim(name, allowed) != "":
		return "names must be of a-z 0-9 -"
	case IsOwnMetadata(name):
		return "is a reserved name"
	case value == "":
		return "must not be empty"
	case !plainText(value):
		return "must be UTF-8 without control characters"
	}
	return ""
}

func checkMD5(s string) string {
	if b, err := base64.StdEncoding.Strict().DecodeString(s); err != nil || len(b) != 16 {
		return "must be the base64 of 16 bytes"
	}
	return ""
}

func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// printable shortens a name that a client chose to what an answer should
// repeat.
func printable(name string) string {
	const most = 64
	name = strings.ToValidUTF8(name, "�")
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '�'
		}
		return r
	}, name)
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}
