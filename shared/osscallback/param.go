package osscallback

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"ossupload/shared/rawjson"
)

const (
	formType = "application/x-www-form-urlencoded"

	// bodyTemplate names what OSS puts in, form encoded because of formType.
	// ParseNotice reads exactly these fields. The token is a variable of ours,
	// because OSS hands those to the bucket's triggers as well.
	bodyTemplate = "bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&reqId=${reqId}&token=${" + Variable + "}"

	// maxParam is OSS's limit for each encoded parameter.
	maxParam = 5 << 10
)

// Variable is the custom variable that holds the upload token: in the parameter
// callback-var of a URL, and as a form field of that name.
const Variable = "x:u"

// Param returns the value of the callback parameter of an upload: base64 of the
// JSON that tells OSS where to send the notice and what to put into it. It goes
// into the query of a presigned URL (percent-encoded there, as any value) or
// into the form field "callback". In JSON it reads:
//
//	{"callbackUrl":"https://api.example.com/callback",
//	 "callbackBody":"bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&reqId=${reqId}&token=${x:u}",
//	 "callbackBodyType":"application/x-www-form-urlencoded",
//	 "callbackSNI":true}
//
// The callback URL must satisfy URI, and the result be at most 5 KiB. It is the
// same for all uploads.
func Param(callbackURL string) (string, error) {
	u, err := parseCallbackURL(callbackURL)
	if err != nil {
		return "", err
	}
	// By hand, since each start does it: encoding/json takes 0.1 ms for the first
	// value of a type.
	doc := rawjson.AppendQuote([]byte(`{"callbackUrl":`), callbackURL)
	doc = rawjson.AppendQuote(append(doc, `,"callbackBody":`...), bodyTemplate)
	doc = rawjson.AppendQuote(append(doc, `,"callbackBodyType":`...), formType)
	if u.Scheme == "https" {
		// Without SNI a TLS endpoint shared by many hosts presents the wrong
		// certificate, and OSS reports 502.
		doc = append(doc, `,"callbackSNI":true`...)
	}
	return encode(append(doc, '}'))
}

// Vars returns the value of the parameter callback-var of a URL: base64 of
// {"x:u":"<token>"}. The token must be of the alphabet A-Z a-z 0-9 . - _ and not
// empty.
func Vars(token string) (string, error) {
	if token == "" || !isToken(token) {
		return "", errors.New("building callback variables: token is empty or holds a character outside A-Z a-z 0-9 . - _")
	}
	// In such a token nothing has to be escaped.
	return encode([]byte(`{"` + Variable + `":"` + token + `"}`))
}

func encode(doc []byte) (string, error) {
	param := base64.StdEncoding.EncodeToString(doc)
	if len(param) > maxParam {
		return "", fmt.Errorf("building callback parameter: %d bytes are more than the %d that OSS accepts", len(param), maxParam)
	}
	return param, nil
}

// URI returns the escaped path and raw query that OSS requests, and therefore
// signs, for a configured callback URL; "/" stands for an empty path.
//
// It is also the check of such a URL: absolute, http or https, with a host that
// is not an IPv6 address (OSS calls none), printable ASCII, without user
// information or fragment, and without ";", which separates several URLs in
// the parameter.
func URI(callbackURL string) (string, error) {
	u, err := parseCallbackURL(callbackURL)
	if err != nil {
		return "", err
	}
	uri := u.EscapedPath()
	if uri == "" {
		uri = "/"
	}
	if u.RawQuery != "" {
		uri += "?" + u.RawQuery
	}
	return uri, nil
}

func parseCallbackURL(callbackURL string) (*url.URL, error) {
	// The parser's own error would repeat the URL, which may hold a password.
	refuse := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf("checking callback url: it %s", why)
	}
	if strings.ContainsFunc(callbackURL, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse("holds a character that must be percent-encoded")
	}
	if strings.ContainsAny(callbackURL, ";#") {
		return refuse("holds a semicolon or a fragment")
	}
	u, err := url.Parse(callbackURL)
	if err != nil {
		return refuse("is malformed")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return refuse("is neither http nor https")
	}
	if u.Hostname() == "" || u.User != nil {
		return refuse("has no host, or has user information")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && addr.Is6() {
		return refuse("has an IPv6 address, which OSS does not call")
	}
	return u, nil
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
