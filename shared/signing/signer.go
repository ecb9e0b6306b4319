package signing

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	product    = "oss"
	maxExpires = 7 * 24 * time.Hour
	maxKey     = 1023 // bytes
)

// Credentials sign. SecurityToken is empty for a permanent key. However they are
// printed, logged or encoded, only the id shows. (Package fmt calls no method on
// an unexported field: a struct that keeps them in one must not be printed.)
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
}

// String tells the id alone, so that printing credentials leaks nothing.
func (c Credentials) String() string { return fmt.Sprintf("access key %q", c.AccessKeyID) }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// Format is String for every verb: a verb that is not for strings, %d for one,
// passes String by and shows the fields.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue is String.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String, for encoding/json and its like.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Request is what a URL will allow.
type Request struct {
	Method string // GET, PUT, POST, DELETE or HEAD
	Bucket string
	Key    string // 1 to 1023 bytes of UTF-8, not beginning with "/" or "\"

	// Query becomes part of the URL and is signed: partNumber, uploadId,
	// callback, versionId, x-oss-process, response-content-disposition.
	Query map[string]string

	// Header is what the client must send, to the letter. Content-Type,
	// Content-MD5 and x-oss-* are signed by themselves; any other header must be
	// among AdditionalHeaders. A header with an empty value is left out, as
	// OSS's SDKs do.
	Header map[string]string

	// AdditionalHeaders names further headers of Header to sign, such as
	// content-length.
	AdditionalHeaders []string

	// Expires is whole seconds, from one to seven days.
	Expires time.Duration
}

// Presigned is a URL and what must be sent with it.
type Presigned struct {
	Method    string
	URL       string
	Header    map[string]string // as in Request.Header, but for empty values; never nil
	ExpiresAt time.Time         // from here on OSS refuses it
}

const nameBytes = "abcdefghijklmnopqrstuvwxyz0123456789-"

// CheckRegion fails with ErrRegion unless region is a plain id, cn-hangzhou and
// not oss-cn-hangzhou.
func CheckRegion(region string) error {
	country, rest, _ := strings.Cut(region, "-")
	sound := len(country) >= 2 && strings.Trim(country, "abcdefghijklmnopqrstuvwxyz") == "" && country != "oss" && rest != ""
	for part := range strings.SplitSeq(rest, "-") {
		sound = sound && part != "" && strings.Trim(part, nameBytes) == ""
	}
	if !sound {
		return fmt.Errorf("%w: %q is not an id such as cn-hangzhou", ErrRegion, region)
	}
	return nil
}

// CheckBucket fails with ErrBucket for what OSS allows no bucket to be called.
func CheckBucket(bucket string) error {
	if len(bucket) < 3 || len(bucket) > 63 || strings.Trim(bucket, "-") != bucket || strings.Trim(bucket, nameBytes) != "" {
		return fmt.Errorf("%w: %q", ErrBucket, bucket)
	}
	return nil
}

// Signer presigns for one region and endpoint. It is safe for concurrent use.
type Signer struct {
	region   string
	endpoint Endpoint
	keys     keyCache
}

// New returns a Signer. region is a plain id, cn-hangzhou and not
// oss-cn-hangzhou. It fails with ErrRegion or ErrEndpoint.
func New(region string, endpoint Endpoint) (*Signer, error) {
	if err := CheckRegion(region); err != nil {
		return nil, err
	}
	if err := endpoint.check(); err != nil {
		return nil, err
	}
	if endpoint.isIP() {
		endpoint.Style = PathStyle
	}
	return &Signer{region: region, endpoint: endpoint}, nil
}

// Presign signs req with cred for a life that begins at now, cut to the second.
// It fails with one of the sentinels of this package.
func (s *Signer) Presign(cred Credentials, req Request, now time.Time) (Presigned, error) {
	p, err := s.prepare(cred, req, now)
	if err != nil {
		return Presigned{}, err
	}
	canonical := canonicalRequest(req.Method, p.uri, canonicalQuery(p.query), canonicalHeader(p.header), p.additional)
	p.query["x-oss-signature"] = p.key.sign(p.datetime, p.scope, canonical)
	return Presigned{
		Method:    req.Method,
		URL:       p.object + "?" + encodeQuery(p.query),
		Header:    withoutEmpty(req.Header),
		ExpiresAt: p.expiresAt,
	}, nil
}

// withoutEmpty leaves out what is not signed because it is empty: a client that
// sent it would break the signature.
func withoutEmpty(header map[string]string) map[string]string {
	kept := make(map[string]string, len(header))
	for name, value := range header {
		if value != "" {
			kept[name] = value
		}
	}
	return kept
}

// prepared is a checked request, with everything in the form that is signed.
type prepared struct {
	uri        string            // canonical
	object     string            // the object's unsigned URL
	query      map[string]string // all parameters but the signature
	header     map[string]string // signed headers: names in lower case, values trimmed
	additional []string          // in lower case, sorted
	datetime   string
	scope      string
	key        signingKey
	expiresAt  time.Time
}

func (s *Signer) prepare(cred Credentials, req Request, now time.Time) (prepared, error) {
	if err := check(cred, req); err != nil {
		return prepared{}, err
	}
	header, additional, err := signedHeaders(req)
	if err != nil {
		return prepared{}, err
	}
	now = now.UTC().Truncate(time.Second)
	date, datetime := now.Format("20060102"), now.Format("20060102T150405Z")
	scope := date + "/" + s.region + "/" + product + "/aliyun_v4_request"

	query := make(map[string]string, len(req.Query)+7)
	maps.Copy(query, req.Query)
	query["x-oss-signature-version"] = algorithm
	query["x-oss-credential"] = cred.AccessKeyID + "/" + scope
	query["x-oss-date"] = datetime
	query["x-oss-expires"] = strconv.FormatInt(int64(req.Expires/time.Second), 10)
	if cred.SecurityToken != "" {
		query["x-oss-security-token"] = cred.SecurityToken
	}
	if len(additional) > 0 {
		query["x-oss-additional-headers"] = strings.Join(additional, ";")
	}
	return prepared{
		uri:        canonicalURI(req.Bucket, req.Key),
		object:     s.endpoint.URL(req.Bucket, req.Key),
		query:      query,
		header:     header,
		additional: additional,
		datetime:   datetime,
		scope:      scope,
		key:        s.keys.get(cred.AccessKeySecret, date, s.region, product),
		expiresAt:  now.Add(req.Expires),
	}, nil
}

// check refuses what does not depend on headers.
func check(cred Credentials, req Request) error {
	switch req.Method {
	case "GET", "PUT", "POST", "DELETE", "HEAD":
	default:
		return fmt.Errorf("%w: %q", ErrMethod, req.Method)
	}
	if err := cred.check(); err != nil {
		return err
	}
	if err := CheckBucket(req.Bucket); err != nil {
		return err
	}
	if err := checkKey(req.Key); err != nil {
		return err
	}
	if req.Expires < time.Second || req.Expires > maxExpires || req.Expires%time.Second != 0 {
		return fmt.Errorf("%w: %v, want whole seconds up to %v", ErrExpires, req.Expires, maxExpires)
	}
	for name, value := range req.Query {
		if name == "" || ofSignature(strings.ToLower(name)) || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return fmt.Errorf("%w: %q", ErrQuery, name)
		}
	}
	return nil
}

func (c Credentials) check() error {
	switch {
	case c.AccessKeyID == "" || c.AccessKeySecret == "" || strings.Contains(c.AccessKeyID, "/"):
		return ErrCredentials
	case strings.ContainsFunc(c.AccessKeyID+c.AccessKeySecret+c.SecurityToken, unicode.IsControl):
		// A line break left by the file or variable that a secret was read from.
		return fmt.Errorf("%w: a control character is in them", ErrCredentials)
	}
	return nil
}

func checkKey(key string) error {
	switch {
	case key == "" || len(key) > maxKey:
		return fmt.Errorf("%w: %d bytes, want 1 to %d", ErrKey, len(key), maxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: not UTF-8", ErrKey)
	case key[0] == '/' || key[0] == '\\':
		return fmt.Errorf("%w: it begins with %q", ErrKey, key[:1])
	}
	return nil
}

// ofSignature reports whether OSS reads a query parameter, in lower case, as
// part of a signature: one of this version, or of versions 1 and 2, which would
// give the URL two signatures that contradict each other.
func ofSignature(name string) bool {
	switch name {
	case "x-oss-signature", "x-oss-signature-version", "x-oss-credential", "x-oss-date",
		"x-oss-expires", "x-oss-security-token", "x-oss-additional-headers",
		"ossaccesskeyid", "signature", "expires", "security-token", "x-oss-access-key-id":
		return true
	}
	return false
}

// authenticates reports whether OSS reads a header, in lower case, as part of a
// signature in headers. It refuses some of them beside one in the URL, and
// x-oss-content-sha256 would take the place of UNSIGNED-PAYLOAD.
func authenticates(name string) bool {
	switch name {
	case "authorization", "x-oss-date", "x-oss-content-sha256", "x-oss-security-token":
		return true
	}
	return false
}

// signedHeaders returns the headers to sign under names in lower case, and
// which of them are additional ones. Every header of req is among them: one
// that is sent and not signed would protect nothing.
func signedHeaders(req Request) (header map[string]string, additional []string, err error) {
	wanted, err := additionalHeaders(req.AdditionalHeaders)
	if err != nil {
		return nil, nil, err
	}
	header = make(map[string]string, len(req.Header))
	seen := make(map[string]bool, len(req.Header)) // empty ones too, unlike header
	for name, value := range req.Header {
		low := strings.ToLower(name)
		switch {
		case seen[low]:
			return nil, nil, fmt.Errorf("%w: %q stands twice", ErrHeader, low)
		case !signedByDefault(low) && !wanted[low]:
			return nil, nil, fmt.Errorf("%w: nothing would sign %q", ErrHeader, name)
		}
		if err := checkHeader(low, value); err != nil {
			return nil, nil, err
		}
		seen[low] = true
		if value != "" {
			header[low] = strings.Trim(value, " ")
		}
	}
	for _, low := range slices.Sorted(maps.Keys(wanted)) {
		if _, ok := header[low]; !ok {
			return nil, nil, fmt.Errorf("%w: additional header %q has no value", ErrHeader, low)
		}
		additional = append(additional, low)
	}
	return header, additional, nil
}

// additionalHeaders is the set of names, in lower case, that are to be signed
// beside those that always are.
func additionalHeaders(names []string) (map[string]bool, error) {
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		low := strings.ToLower(name)
		switch {
		case !isToken(low) || strings.Contains(low, "_"):
			return nil, fmt.Errorf("%w: additional header %q", ErrHeader, name)
		case signedByDefault(low):
			return nil, fmt.Errorf("%w: additional header %q is signed by itself", ErrHeader, name)
		case wanted[low]:
			return nil, fmt.Errorf("%w: additional header %q is named twice", ErrHeader, name)
		}
		wanted[low] = true
	}
	return wanted, nil
}

// checkHeader refuses what could not be sent as it is signed.
func checkHeader(low, value string) error {
	switch {
	case !isToken(low):
		return fmt.Errorf("%w: name %q", ErrHeader, low)
	case authenticates(low):
		return fmt.Errorf("%w: %q belongs to a signature", ErrHeader, low)
	case strings.ContainsFunc(value, unicode.IsControl) || !utf8.ValidString(value):
		return fmt.Errorf("%w: the value of %q has control characters", ErrHeader, low)
	case strings.Trim(value, " ") != strings.TrimFunc(value, isTrimmedBySome):
		// Signers differ on which spaces they trim.
		return fmt.Errorf("%w: the value of %q begins or ends with an odd space", ErrHeader, low)
	}
	return nil
}

// isTrimmedBySome reports whether the trim function of some language takes r for
// white space: JavaScript's takes the byte order mark, Go's does not.
func isTrimmedBySome(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' }

// isToken reports whether s can be a header's name (RFC 9110, 5.6.2), in lower
// case.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}

// encodeQuery is the query as it stands in the URL, in the order and encoding
// of the official SDK.
func encodeQuery(params map[string]string) string {
	values := make(url.Values, len(params))
	for name, value := range params {
		values.Set(name, value)
	}
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}
