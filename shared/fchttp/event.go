package fchttp

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"ossupload/shared/rawjson"
)

// kind tells the events apart. The fields decide, never configuration, so one
// deployed function can stand behind either trigger.
type kind int

const (
	unknownEvent kind = iota
	gatewayEvent
	triggerEvent
	timerEvent
	storedObjectEvent
)

// String is how a recorded event names its trigger.
func (k kind) String() string {
	return [...]string{"unknown", "apigateway", "http", "timer", "oss"}[k]
}

var (
	errUnknownEvent = errors.New(`unknown event: want an API gateway event (with httpMethod and path), ` +
		`an HTTP trigger event (with version "v1", rawPath and requestContext.http), ` +
		`a timer event (with triggerTime and triggerName) or that of an OSS trigger (with events)`)
	errNoTimer = errors.New("unexpected timer event: this function answers HTTP requests only")
)

func kindOf(event object) kind {
	version, _ := event.text("version")
	switch {
	case event.has("httpMethod"):
		return gatewayEvent
	case version == "v1" && (event.has("rawPath") || event.has("requestContext")):
		return triggerEvent
	case event.has("triggerTime") && event.has("triggerName"):
		return timerEvent
	case event.has("events"), event.has("specversion") && event.has("data"):
		return storedObjectEvent
	}
	return unknownEvent
}

// newRequest is a request of which the header is read, and nothing else: it has no URL.
func newRequest(ctx context.Context, header http.Header) *http.Request {
	r := http.Request{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header,
		Body:   http.NoBody,
	}
	return r.WithContext(ctx) // which copies it, so that this one stays on the stack
}

// readRequest reads the rest of the request that an HTTP event describes. With an
// error r holds what was read so far.
func readRequest(r *http.Request, k kind, event object, maxBody int64) error {
	if err := setHost(r); err != nil {
		return err
	}
	if err := readLine(r, k, event); err != nil {
		return err
	}
	query, err := readQuery(event)
	if err != nil {
		return err
	}
	// As Request.ParseForm leaves it, so that nobody parses again what is encoded here.
	r.Form = query
	r.URL.RawQuery = query.Encode()
	r.RequestURI = r.URL.RequestURI()

	text, err := readBody(event, maxBody)
	if err != nil {
		return err
	}
	if len(text) > 0 {
		r.Body = &body{*bytes.NewReader(text), text}
		r.ContentLength = int64(len(text))
	}
	return nil
}

// body is the body of a request that came with an event.
type body struct {
	bytes.Reader
	text []byte
}

func (*body) Close() error { return nil }

// ReadBody returns the body of a request, which must not be changed. One that came
// with an event is there already, and not copied.
func ReadBody(r *http.Request) ([]byte, error) {
	switch b := r.Body.(type) {
	case nil:
		return nil, nil
	case *body:
		return b.text, nil
	}
	return io.ReadAll(r.Body)
}

// readHeader reads the headers; with an error, those before the fault. Names are
// compared without regard to case, so "cookie" and "Cookie" are two values of one
// header, in order of appearance: a handler that refuses repeated headers must be able
// to see them.
func readHeader(event object) (http.Header, error) {
	headers, err := event.object("headers")
	header := make(http.Header, len(headers))
	all := make([]string, 0, len(headers)) // one list, cut into those of each header
	for _, h := range headers {
		from := len(all)
		var ok bool
		if all, ok = appendStrings(all, h.value); !ok {
			return header, badEvent("headers", "holds a value that is not a string")
		}
		name, _ := rawjson.String(h.name)
		if !isToken(name) {
			return header, badEvent("headers", "holds a name that is not a header name")
		}
		values := all[from:len(all):len(all)]
		for _, v := range values {
			if hasControl(v) {
				return header, badEvent("headers", "holds a control character")
			}
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if before := header[name]; before != nil {
			values = append(before, values...)
		}
		if len(values) > 0 {
			header[name] = values
		}
	}
	return header, err
}

// setHost moves Host out of the header, as net/http does.
func setHost(r *http.Request) error {
	hosts := r.Header["Host"]
	if len(hosts) > 1 {
		return badEvent("headers", "holds two hosts")
	}
	if len(hosts) == 1 {
		r.Host = hosts[0]
	}
	delete(r.Header, "Host")
	return nil
}

// readLine fills method and path.
func readLine(r *http.Request, k kind, event object) error {
	if k == triggerEvent {
		return readTriggerLine(r, event)
	}
	return readGatewayLine(r, event)
}

// readGatewayLine fills method and path from a classic API gateway's event.
func readGatewayLine(r *http.Request, event object) error {
	if event.has("rawPath") {
		return badEvent("rawPath", "contradicts httpMethod")
	}
	method, err := event.text("httpMethod")
	if err != nil {
		return err
	}
	path, err := event.text("path")
	if err != nil {
		return err
	}
	if err := setMethod(r, "httpMethod", method); err != nil {
		return err
	}
	if !strings.HasPrefix(path, "/") {
		return badEvent("path", "does not begin with a slash")
	}
	// Whether path arrives encoded is not documented. A question mark can only
	// be part of a decoded one, as the query is elsewhere. unconfirmed (gateway.path)
	if !strings.Contains(path, "?") {
		r.URL, _ = url.ParseRequestURI(path)
	}
	if r.URL == nil {
		r.URL = &url.URL{Path: path}
	}
	r.RemoteAddr = r.Header.Get("CaClientIp")
	return nil
}

// readTriggerLine fills method and path from an HTTP trigger's event. The path
// is rawPath, which is encoded; requestContext.http.path is the same decoded,
// where a slash inside of a segment could not be told from a separator.
func readTriggerLine(r *http.Request, event object) error {
	around, err := event.object("requestContext")
	if err != nil {
		return err
	}
	line, err := around.object("http")
	if err != nil {
		return err
	}
	method, err := line.text("method")
	if err != nil {
		return err
	}
	if err := setMethod(r, "requestContext.http.method", method); err != nil {
		return err
	}
	path, err := event.text("rawPath")
	if err != nil {
		return err
	}
	u, err := url.ParseRequestURI(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.Contains(path, "?") {
		return badEvent("rawPath", "is not an encoded path")
	}
	r.URL = u
	if r.RemoteAddr, err = line.text("sourceIp"); err != nil {
		return err
	}
	if r.Host == "" {
		r.Host, err = around.text("domainName")
	}
	return err
}

func setMethod(r *http.Request, field, method string) error {
	if !isToken(method) {
		return badEvent(field, "is not a method")
	}
	r.Method = method
	return nil
}

// readQuery reads the query parameters; see the package comment for what is
// lost and how it is decided whether they are still encoded.
func readQuery(event object) (url.Values, error) {
	params, err := event.object("queryParameters")
	if err != nil {
		return nil, err
	}
	if len(params) == 0 {
		return url.Values{}, nil
	}
	taken, decoded := make(url.Values, len(params)), make(url.Values, len(params))
	raw, escapes := true, 0
	for _, p := range params {
		values, ok := appendStrings(nil, p.value)
		if !ok {
			return nil, badEvent("queryParameters", "holds a value that is not a string")
		}
		if isNull(p.value) {
			values = []string{""}
		}
		full, _ := rawjson.String(p.name)
		for _, v := range values {
			name, nameOK := decodeQuery(full)
			value, valueOK := decodeQuery(v)
			raw = raw && nameOK && valueOK && !strings.Contains(full, "=")
			escapes += strings.Count(full, "%") + strings.Count(v, "%")
			taken.Add(full, v)
			decoded.Add(name, value)
		}
	}
	if raw && escapes > 0 {
		return decoded, nil
	}
	return taken, nil
}

// decodeQuery decodes a name or value of a raw query, and reports whether it
// could be one: RFC 3986, section 3.4, less the ampersand that would end it.
// Brackets are not allowed there, so a decoded "metadata[name]" is recognised.
func decodeQuery(s string) (string, bool) {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("-._~!$'()*+,;=:@/?%", c) < 0 {
			return "", false
		}
	}
	decoded, err := url.QueryUnescape(s)
	return decoded, err == nil
}

// readBody decodes the body. The limit is applied to the encoded text first,
// so that nothing larger is decoded, and then to the bytes.
func readBody(event object, maxBody int64) ([]byte, error) {
	encoded, err := readEncoded(event)
	if err != nil {
		return nil, err
	}
	value, err := event.field("body")
	if err != nil || value == nil {
		return nil, err
	}
	if value[0] != '"' {
		return nil, badEvent("body", "is not a string")
	}
	if !encoded {
		text := rawjson.AppendString(make([]byte, 0, len(value)), value)
		if int64(len(text)) > maxBody {
			return nil, errTooLarge
		}
		return text, nil
	}
	text := value[1 : len(value)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // of all base64, a slash may be written as an escape
		text = rawjson.AppendString(nil, value)
	}
	// Four characters stand for three bytes, of which up to two are padding.
	if int64(len(text))/4*3-2 > maxBody {
		return nil, errTooLarge
	}
	body, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return nil, badEvent("body", "is not valid base64")
	}
	if int64(len(body)) > maxBody {
		return nil, errTooLarge
	}
	return body, nil
}

// readEncoded reads isBase64Encoded, which the documentation of the API gateway
// prints as a string and captured events hold as a boolean.
// unconfirmed (gateway.base64-flag)
func readEncoded(event object) (bool, error) {
	value, err := event.field("isBase64Encoded")
	if err != nil {
		return false, err
	}
	switch strings.ToLower(string(value)) {
	case "", "false", `"false"`:
		return false, nil
	case "true", `"true"`:
		return true, nil
	}
	return false, badEvent("isBase64Encoded", "is neither true nor false")
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2, as methods
// and header names are.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// hasControl reports whether s holds a character that a header value may not.
func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}
