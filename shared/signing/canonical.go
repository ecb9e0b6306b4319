package signing

import (
	"maps"
	"slices"
	"strings"
)

const (
	algorithm       = "OSS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// canonicalRequest is what both sides hash. query and header are already
// canonical.
func canonicalRequest(method, uri, query, header string, additional []string) string {
	return method + "\n" + uri + "\n" + query + "\n" + header + "\n" + strings.Join(additional, ";") + "\n" + unsignedPayload
}

func canonicalURI(bucket, key string) string {
	return "/" + escapePath(bucket+"/"+key)
}

// canonicalQuery sorts by encoded name, which differs from the order of the
// names for bytes that need encoding: "|" comes after "a", "%7C" before.
func canonicalQuery(params map[string]string) string {
	encoded := make(map[string]string, len(params))
	for name, value := range params {
		encoded[escape(name)] = escape(value)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(encoded)) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name)
		if value := encoded[name]; value != "" {
			b.WriteByte('=')
			b.WriteString(value)
		}
	}
	return b.String()
}

// canonicalHeader takes names in lower case and trimmed values.
func canonicalHeader(header map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(header[name])
		b.WriteByte('\n')
	}
	return b.String()
}

// signedByDefault reports whether OSS signs a header, in lower case, whenever
// it is sent.
func signedByDefault(name string) bool {
	return name == "content-type" || name == "content-md5" || strings.HasPrefix(name, "x-oss-")
}

// escape encodes every byte but RFC 3986's unreserved characters.
func escape(s string) string { return percentEncode(s, false) }

// escapePath is escape but for the slash.
func escapePath(s string) string { return percentEncode(s, true) }

func percentEncode(s string, keepSlash bool) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
