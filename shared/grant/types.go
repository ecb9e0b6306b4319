package grant

import (
	"fmt"
	"slices"
	"strings"
)

// Types is a list of allowed content types: type/subtype, type/* or */*, in
// lower case.
type Types []string

// ParseTypes reads a comma separated list. It refuses an empty one.
func ParseTypes(list string) (Types, error) {
	var types Types
	for item := range strings.SplitSeq(list, ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		if item == "" {
			continue
		}
		major, isWild := strings.CutSuffix(item, "/*")
		if !(item == "*/*" || validType(item) || isWild && validToken(major)) {
			return nil, fmt.Errorf("%q is not type/subtype, type/* or */*", item)
		}
		types = append(types, item)
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("names no content type")
	}
	return types, nil
}

// Allow reports whether contentType, one valid type/subtype in lower case, is
// covered. What a browser would run or render as a document of the bucket's
// origin, alone or as a part, is covered by its own name only, never by a
// wildcard.
func (t Types) Allow(contentType string) bool {
	major, minor, _ := strings.Cut(contentType, "/")
	if major == "multipart" || major == "message" {
		return slices.ContainsFunc(t, func(pattern string) bool { return strings.EqualFold(pattern, contentType) })
	}
	for _, pattern := range t {
		pattern = strings.ToLower(pattern)
		if pattern == contentType {
			return true
		}
		if (pattern == "*/*" || pattern == major+"/*") && !active(minor) {
			return true
		}
	}
	return false
}

// instead tells whoever asked for another type what is allowed, as far as that
// fits a line.
func (t Types) instead() string {
	const most = 12
	told, more, byName := t, "", ""
	if len(t) > most {
		told, more = t[:most], fmt.Sprintf(" and %d more", len(t)-most)
	}
	if slices.ContainsFunc(t, func(pattern string) bool { return strings.HasSuffix(pattern, "/*") }) {
		byName = " (a wildcard covers no html, xml, svg or script)"
	}
	return "; allowed are " + strings.Join(told, ", ") + more + byName
}

// active reports whether a subtype is of the html, xml, svg or script families.
func active(subtype string) bool {
	switch subtype {
	case "xml", "xsl", "hta":
		return true
	}
	return strings.HasSuffix(subtype, "+xml") || strings.Contains(subtype, "html") ||
		strings.Contains(subtype, "svg") || strings.Contains(subtype, "script")
}

// judged is what a list of types judges of a content type: what stands before
// the semicolon, in lower case. ok is false for anything but a type/subtype with
// one charset at most, as text/plain;charset=utf8.
func judged(contentType string) (bare string, ok bool) {
	const longest = 1 << 10 // bytes; what is longer holds a longer name than any type
	if len(contentType) > longest {
		return "", false
	}
	bare, parameter, has := strings.Cut(contentType, ";")
	bare = strings.ToLower(bare)
	if has {
		name, value, _ := strings.Cut(strings.TrimPrefix(parameter, " "), "=")
		if !strings.EqualFold(name, "charset") || len(value) > 40 || !validToken(strings.ToLower(value)) {
			return bare, false
		}
	}
	return bare, validType(bare)
}

func validType(s string) bool {
	major, minor, ok := strings.Cut(s, "/")
	return ok && validToken(major) && validToken(minor)
}

// validToken is restricted-name of RFC 6838, 4.2, in lower case and without "$",
// which no registered type has and a form cannot carry.
func validToken(s string) bool {
	if s == "" || len(s) > 127 {
		return false
	}
	for i, c := range []byte(s) {
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || strings.IndexByte("!#&-^_.+", c) < 0) {
			return false
		}
	}
	return true
}

// typeOf guesses by extension, for the file kinds that people upload most.
// The table is small and fixed on purpose: the same name has the same type on
// every machine.
func typeOf(filename string) string {
	if t, ok := extensionTypes[extensionOf(filename)]; ok {
		return t
	}
	return "application/octet-stream"
}

// InlineType is the type as which a browser may show an object with this key,
// by its extension. harmless is false for what could run as a document of the
// bucket's origin, and for what is not known.
func InlineType(key string) (contentType string, harmless bool) {
	contentType = typeOf(key)
	major, minor, _ := strings.Cut(contentType, "/")
	switch {
	case active(minor):
		return contentType, false
	case major == "image" || major == "audio" || major == "video":
		return contentType, true
	}
	return contentType, contentType == "text/plain" || contentType == "application/pdf"
}

var extensionTypes = map[string]string{
	".avif": "image/avif", ".bmp": "image/bmp", ".gif": "image/gif", ".heic": "image/heic",
	".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml",
	".tif": "image/tiff", ".tiff": "image/tiff", ".webp": "image/webp",
	".aac": "audio/aac", ".flac": "audio/flac", ".m4a": "audio/mp4", ".mp3": "audio/mpeg",
	".ogg": "audio/ogg", ".wav": "audio/wav",
	".avi": "video/x-msvideo", ".m4v": "video/mp4", ".mkv": "video/x-matroska", ".mov": "video/quicktime",
	".mp4": "video/mp4", ".webm": "video/webm",
	".csv": "text/csv", ".htm": "text/html", ".html": "text/html", ".xhtml": "application/xhtml+xml", ".ics": "text/calendar",
	".js": "text/javascript", ".md": "text/markdown", ".txt": "text/plain", ".xml": "application/xml",
	".mjs": "text/javascript", ".shtml": "text/html", ".svgz": "image/svg+xml", ".xht": "application/xhtml+xml",
	".xsl": "application/xml", ".xslt": "application/xml",
	".doc":  "application/msword",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".gz":   "application/gzip", ".json": "application/json", ".pdf": "application/pdf",
	".ppt":  "application/vnd.ms-powerpoint",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".tar":  "application/x-tar",
	".xls":  "application/vnd.ms-excel",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".zip":  "application/zip",
}
