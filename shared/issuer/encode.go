package issuer

import (
	"slices"
	"strconv"
	"time"

	"ossupload/shared/rawjson"
)

// AppendJSON is fchttp.JSONAppender.
func (s Signed) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, len(s.URL)+128)
	return append(s.appendMembers(dst), '}')
}

// appendMembers appends the opening brace and the members.
func (s Signed) appendMembers(dst []byte) []byte {
	dst = rawjson.AppendQuote(append(dst, `{"method":`...), s.Method)
	dst = rawjson.AppendQuote(append(dst, `,"url":`...), s.URL)
	dst = strconv.AppendInt(append(dst, `,"expires":`...), s.Expires, 10)
	dst = s.ExpiresAt.AppendFormat(append(dst, `,"expiresAt":"`...), time.RFC3339Nano)
	return append(dst, '"')
}

// AppendJSON is fchttp.JSONAppender.
func (i Issued) AppendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, len(i.URL)+len(i.Key)+len(i.UploadToken)+sizeOf(i.Headers)+sizeOf(i.Fields)+256)
	dst = i.Signed.appendMembers(dst)
	if i.Headers != nil {
		dst = rawjson.AppendMap(append(dst, `,"headers":`...), i.Headers)
	}
	if len(i.Fields) > 0 {
		dst = rawjson.AppendMap(append(dst, `,"fields":`...), i.Fields)
	}
	dst = rawjson.AppendQuote(append(dst, `,"key":`...), i.Key)
	dst = rawjson.AppendQuote(append(dst, `,"uploadToken":`...), i.UploadToken)
	return append(dst, '}')
}

// sizeOf is what a map takes as JSON if nothing is escaped.
func sizeOf(m map[string]string) int {
	size := len("{}")
	for name, value := range m {
		size += len(name) + len(value) + len(`"":"",`)
	}
	return size
}
