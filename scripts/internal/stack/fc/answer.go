package fc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// answer is what a function returns for a request, alike in both shapes.
type answer struct {
	statusCode      int
	headers         map[string]string
	isBase64Encoded bool
	body            string
}

// fields are the members of a payload by their exact names, which decoding
// into a struct would match in any case of letters.
type fields map[string]json.RawMessage

// Whether every field of an answer has to be there.
const (
	optional = false
	required = true
)

func answerFields(payload []byte) (fields, error) {
	var f fields
	if err := json.Unmarshal(payload, &f); err != nil || f == nil {
		return nil, fmt.Errorf("%w: it is not a JSON object", ErrBadResponse)
	}
	return f, nil
}

func (f fields) decode(a *answer, all bool) error {
	for _, field := range []struct {
		name     string
		kind     string
		into     any
		required bool
	}{
		{"statusCode", "an integer", &a.statusCode, true},
		{"headers", "an object of strings", &a.headers, all},
		{"isBase64Encoded", "a boolean", &a.isBase64Encoded, all},
		{"body", "a string", &a.body, all},
	} {
		value, ok := f[field.name]
		// A null is the Go and Python way to leave a field out.
		if !ok || bytes.Equal(value, []byte("null")) {
			if field.required {
				return fmt.Errorf("%w: %s is missing", ErrBadResponse, field.name)
			}
			continue
		}
		if err := json.Unmarshal(value, field.into); err != nil {
			return fmt.Errorf("%w: %s is not %s", ErrBadResponse, field.name, field.kind)
		}
	}
	return nil
}

// response checks what the types do not say, and drops the headers that a
// gateway makes itself.
func (a answer) response() (Response, error) {
	if a.statusCode < 200 || a.statusCode > 599 {
		return Response{}, fmt.Errorf("%w: statusCode %d is not a final status", ErrBadResponse, a.statusCode)
	}
	response := Response{Status: a.statusCode, Header: http.Header{}, Body: []byte(a.body)}
	if a.isBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(a.body)
		if err != nil {
			return Response{}, fmt.Errorf("%w: body is not base64 although isBase64Encoded says so", ErrBadResponse)
		}
		response.Body = decoded
	}
	size := 0
	for name, value := range a.headers {
		if !isHeaderName(name) || !isHeaderValue(value) {
			return Response{}, fmt.Errorf("%w: %q is not a valid header", ErrBadResponse, name)
		}
		size += len(name) + len(value)
		if madeByGateway(name) {
			continue
		}
		if response.Header.Values(name) != nil {
			return Response{}, fmt.Errorf("%w: header %q is given in two spellings", ErrBadResponse, http.CanonicalHeaderKey(name))
		}
		response.Header.Set(name, value)
	}
	if size > maxHeaderBytes {
		return Response{}, fmt.Errorf("%w: the headers are %d bytes, over the limit of %d", ErrBadResponse, size, maxHeaderBytes)
	}
	return response, nil
}

// madeByGateway reports whether the header is one of those that "HTTP
// triggers overview" says are not passed on.
func madeByGateway(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "connection", "content-length", "date", "keep-alive", "server", "upgrade":
		return true
	}
	return strings.HasPrefix(name, "x-fc-")
}

// isHeaderName reports whether the name is a token of RFC 9110.
func isHeaderName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(c rune) bool {
		letterOrDigit := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		return !letterOrDigit && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	}) < 0
}

// isHeaderValue reports whether the value can go over the wire unaltered: a
// line break in it would be a second header.
func isHeaderValue(value string) bool {
	return strings.IndexFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) < 0
}
