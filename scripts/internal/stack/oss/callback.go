package oss

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"ossupload/scripts/internal/facts"
)

const (
	maxCallback        = 5 << 10 // of each base64 value
	maxCallbackURLs    = 5
	maxCallbackHeaders = 10

	bodyTypeForm = "application/x-www-form-urlencoded"
	bodyTypeJSON = "application/json"
)

// callback is a checked callback configuration. On the wire it is the base64
// of
//
//	{"callbackUrl":"https://app.example/callback","callbackBody":"bucket=${bucket}&token=${x:token}",
//	 "callbackBodyType":"application/x-www-form-urlencoded"}
//
// beside it the variables, {"x:token":"…"}, in the same encoding ("Callback").
type callback struct {
	urls     []*url.URL
	host     string // "" means the host of the URL
	body     []segment
	bodyType string
	headers  map[string]string
	vars     map[string]string
}

// readCallback reads and checks the callback of an upload, before anything is
// stored. Nil means that none was asked for.
func (c *call) readCallback() (*callback, error) {
	inHeader := c.r.Header.Get("x-oss-callback") != "" || c.r.Header.Get("x-oss-callback-var") != ""
	inQuery := c.query.has("callback") || c.query.has("callback-var")
	name, value, vars := "x-oss-callback", c.r.Header.Get("x-oss-callback"), c.r.Header.Get("x-oss-callback-var")
	switch {
	case inHeader && inQuery:
		return nil, invalidArgument("callback", "", "", "The callback is given in a header and in the query.")
	case inQuery:
		name, value, vars = "callback", c.query.get("callback"), c.query.get("callback-var")
	}
	if value == "" {
		return nil, nil
	}
	if c.s.cfg.CallbackKey == nil {
		return nil, errNotImplemented("callbacks without a callback key")
	}
	variables, err := callbackVars(name+"-var", vars)
	if err != nil {
		return nil, err
	}
	return c.parseCallback(name, value, variables)
}

// parseCallback checks a configuration and its variables as the error pages
// of OSS describe it. name is where the value was found.
func (c *call) parseCallback(name, value string, vars map[string]string) (*callback, error) {
	bad := func(ec, message string) (*callback, error) { return nil, invalidArgument(name, value, ec, message) }
	config, ec, message := decodeCallback(value)
	if message != "" {
		return bad(ec, message)
	}
	cb := &callback{vars: vars}
	rawURL, ok := stringField(config, "callbackUrl", "")
	if !ok {
		return bad(ecBadCallbackURL, "The callbackUrl is invalid.")
	}
	if rawURL == "" {
		return nil, nil // documented: then there is no callback
	}
	if cb.urls, ec, message = c.callbackTargets(rawURL); message != "" {
		return bad(ec, message)
	}
	if cb.host, ok = stringField(config, "callbackHost", ""); !ok || strings.ContainsAny(cb.host, " /\r\n") {
		return bad("", "The callbackHost is invalid.")
	}
	if cb.bodyType, ec, message = callbackOptions(config); message != "" {
		return bad(ec, message)
	}
	if cb.headers, ec, ok = callbackHeaders(config["additionalHeaders"]); !ok {
		return bad(ec, "The additionalHeaders are invalid.")
	}
	template, ok := stringField(config, "callbackBody", "")
	switch {
	case !ok:
		return bad("", "The callback body is invalid.")
	case template == "":
		return bad("", "The callback body is empty.")
	}
	var err error
	if cb.body, err = c.parseTemplate(template, cb.vars); err != nil {
		return nil, err
	}
	return cb, nil
}

// decodeCallback returns the fields of a configuration, or what is wrong with it.
func decodeCallback(value string) (config map[string]json.RawMessage, ec, message string) {
	if len(value) > maxCallback {
		return nil, "", "The length of callback exceed max value."
	}
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, "0007-00000002", "The callback configuration is not base64 encoded."
	}
	if err := json.Unmarshal(text, &config); err != nil || config == nil {
		return nil, "0007-00000003", "The callback configuration is not json format."
	}
	return config, "", ""
}

// callbackOptions reads the fields that have few values, or returns what is wrong
// with them.
func callbackOptions(config map[string]json.RawMessage) (bodyType, ec, message string) {
	bodyType, ok := stringField(config, "callbackBodyType", bodyTypeForm)
	if !ok || bodyType != bodyTypeForm && bodyType != bodyTypeJSON {
		return "", "0007-00000012", "The callbackBodyType is invalid."
	}
	if raw, ok := config["callbackSNI"]; ok && string(raw) != "true" && string(raw) != "false" {
		return "", "", "The callbackSNI is not a boolean."
	}
	// Version 2.0 is by invitation and undocumented.
	if version, ok := stringField(config, "signatureVersion", "1.0"); !ok || version != "1.0" {
		return "", "", "The signatureVersion is invalid."
	}
	return bodyType, "", ""
}

// stringField returns a field that must be a string if it is there.
func stringField(config map[string]json.RawMessage, name, fallback string) (string, bool) {
	raw, ok := config[name]
	if !ok {
		return fallback, true
	}
	var value *string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return "", false
	}
	return *value, true
}

// callbackURLs parses up to five URLs joined by ";". The scheme may be left
// out.
func callbackURLs(list string) ([]*url.URL, bool) {
	items := strings.Split(list, ";")
	if len(items) > maxCallbackURLs {
		return nil, false
	}
	var urls []*url.URL
	for _, item := range items {
		if strings.ContainsFunc(item, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, false
		}
		if !strings.Contains(item, "://") {
			item = "http://" + item
		}
		u, err := url.Parse(item)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return nil, false
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.To4() == nil {
			return nil, false // IPv6 is not supported
		}
		if port := u.Port(); port != "" {
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				return nil, false
			}
		}
		urls = append(urls, u)
	}
	return urls, true
}

var reservedCallbackHeaders = []string{
	"content-type", "content-length", "host", "authorization", "user-agent", "content-md5", "expect", "upgrade", "keep-alive",
}

func callbackHeaders(raw json.RawMessage) (headers map[string]string, ec string, ok bool) {
	if raw == nil {
		return nil, "", true
	}
	if err := json.Unmarshal(raw, &headers); err != nil || headers == nil {
		return nil, "0007-00000021", false
	}
	if len(headers) > maxCallbackHeaders {
		return nil, "", false
	}
	for name, value := range headers {
		switch {
		case name == "":
			return nil, "0007-00000023", false
		case strings.ContainsAny(value, "\r\n"):
			return nil, "0007-00000025", false
		case strings.HasPrefix(name, "x-oss-"):
			return nil, "0007-00000026", false
		case slices.Contains(reservedCallbackHeaders, name) || strings.ContainsFunc(name, func(r rune) bool {
			return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-')
		}):
			return nil, "", false
		}
	}
	return headers, "", true
}

func callbackVars(name, value string) (map[string]string, error) {
	switch {
	case value == "":
		return nil, nil
	case len(value) > maxCallback:
		return nil, invalidArgument(name, value, "", "The length of callback var exceed max value.")
	}
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, invalidArgument(name, value, "0007-00000102", "The callback var is not base64 encoded.")
	}
	bad := invalidArgument(name, value, "0007-00000103", "The callback var is not expecten json.")
	var vars map[string]*string
	if err := json.Unmarshal(text, &vars); err != nil || vars == nil {
		return nil, bad
	}
	checked := map[string]string{}
	for key, value := range vars {
		if value == nil || !strings.HasPrefix(key, "x:") || key == "x:" || key != strings.ToLower(key) {
			return nil, bad
		}
		checked[key] = *value
	}
	return checked, nil
}

// segment is a piece of a callback body: constant text or one variable.
type segment struct {
	text     string
	variable string // "bucket", "x:token"; "" for text
}

// callbackVariables are the system variables; true for those that are numbers.
var callbackVariables = map[string]bool{
	"bucket": false, "object": false, "etag": false, "size": true, "mimeType": false,
	"imageInfo.height": true, "imageInfo.width": true, "imageInfo.format": false,
	"crc64": false, "contentMd5": false, "vpcId": false, "clientIp": false, "reqId": false, "operation": false,
}

// parseTemplate splits "bucket=${bucket}&token=${x:token}" into segments.
//
// unconfirmed (callback.unknown-variable): what OSS makes of a variable that does not exist. Refused,
// a mistake of ours shows.
func (c *call) parseTemplate(template string, vars map[string]string) ([]segment, error) {
	var segments []segment
	for rest := template; rest != ""; {
		text, after, found := strings.Cut(rest, "$")
		if text != "" {
			segments = append(segments, segment{text: text})
		}
		if !found {
			break
		}
		if !strings.HasPrefix(after, "{") {
			return nil, invalidArgument("ReplaceKeyPrefix", "$", "0007-00000105", "Left brace must be adjacent to dollar sign.")
		}
		name, tail, closed := strings.Cut(after[1:], "}")
		_, isSystem := callbackVariables[name]
		_, isCustom := vars[name]
		exists := isSystem || isCustom || c.assumes("callback.unknown-variable", "empty")
		if !closed || !exists {
			return nil, invalidArgument("callbackBody", fmt.Sprintf("${%s}", name), "", "The callback body is invalid.")
		}
		segments = append(segments, segment{variable: name})
		rest = tail
	}
	return segments, nil
}

// render fills the template in. The body type alone decides how a value is
// written: percent-encoded in a form; in JSON between double quotes, numbers
// bare. The result is not checked.
func (cb *callback) render(system map[string]string, assume facts.Assumptions) []byte {
	var b strings.Builder
	for _, s := range cb.body {
		value, isCustom := cb.vars[s.variable]
		if !isCustom {
			value = system[s.variable]
		}
		switch {
		case s.variable == "":
			b.WriteString(s.text)
		case cb.bodyType == bodyTypeForm:
			b.WriteString(formValue(value, assume))
		case !isCustom && value == "" && isImageVariable(s.variable) && assume.Is("callback.image-variables", "null"):
			b.WriteString("null")
		case !isCustom && callbackVariables[s.variable]:
			b.WriteString(value)
		default:
			b.WriteString(jsonString(value, assume))
		}
	}
	return []byte(b.String())
}

// isImageVariable reports whether a variable is one of those that say something of
// images alone.
//
// unconfirmed (callback.image-variables): what they give in JSON for anything else. Nothing, where a
// number should be, breaks the JSON.
func isImageVariable(name string) bool { return strings.HasPrefix(name, "imageInfo.") }

// formValue is a value in a form.
//
// unconfirmed (callback.space): whether a space in a form becomes %20 or "+".
func formValue(value string, assume facts.Assumptions) string {
	encoded := percentEncode(value)
	if assume.Is("callback.space", "+") {
		encoded = strings.ReplaceAll(encoded, "%20", "+")
	}
	return encoded
}

// jsonString is a value in JSON.
//
// unconfirmed (callback.json-escapes): whether it is escaped. If not, a name which breaks out of its
// string shows.
func jsonString(value string, assume facts.Assumptions) string {
	if assume.Is("callback.json-escapes", "bare") {
		return `"` + value + `"`
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(value) // of a string, which cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}
