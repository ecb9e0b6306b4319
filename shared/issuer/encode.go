package issuer

import (
	"slices"
	"strconv"

	"ossupload/shared/rawjson"
	"ossupload/shared/signing"
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
	return rawjson.AppendTime(append(dst, `,"expiresAt":`...), s.ExpiresAt)
}

// AppendJSON is fchttp.JSONAppender.
func (i Issued) AppendJSON(dst []byte) []byte {
	size := len(i.URL) + len(i.Key) + len(i.UploadToken) + 256
	for _, list := range [...][]signing.Param{i.Headers, i.Fields} {
		for _, m := range list {
			size += len(m.Name) + len(m.Value) + len(`"":"",`) // if nothing is escaped
		}
	}
	dst = slices.Grow(dst, size)
	dst = i.Signed.appendMembers(dst)
	if i.Headers != nil {
		dst = appendObject(append(dst, `,"headers":`...), i.Headers)
	}
	if len(i.Fields) > 0 {
		dst = appendObject(append(dst, `,"fields":`...), i.Fields)
	}
	dst = rawjson.AppendQuote(append(dst, `,"key":`...), i.Key)
	dst = rawjson.AppendQuote(append(dst, `,"uploadToken":`...), i.UploadToken)
	return append(dst, '}')
}

// appendObject appends a JSON object with these members, whose names differ.
func appendObject(dst []byte, members []signing.Param) []byte {
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendQuote(dst, m.Name), ':')
		dst = rawjson.AppendQuote(dst, m.Value)
	}
	return append(dst, '}')
}
