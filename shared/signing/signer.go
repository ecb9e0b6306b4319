package signing

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
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

// Param is a query parameter or a header.
type Param struct{ Name, Value string }

// Request is what a URL will allow.
type Request struct {
	Method string // GET, PUT, POST, DELETE or HEAD
	Bucket string
	Key    string // 1 to 1023 bytes of UTF-8, not beginning with "/" or "\"

	// Query becomes part of the URL and is signed: partNumber, uploadId,
	// callback, versionId, x-oss-process, response-content-disposition. It is
	// sorted by name, as Query does.
	Query []Param

	// Header is what the client must send, to the letter, sorted by name in lower
	// case, as Header does. Content-Type, Content-MD5 and x-oss-* are signed by
	// themselves; any other header must be among AdditionalHeaders. A header with an
	// empty value is left out, as OSS's SDKs do: see Sent.
	Header []Param

	// AdditionalHeaders names further headers of Header to sign, such as
	// content-length.
	AdditionalHeaders []string

	// Expires is whole seconds, from one to seven days.
	Expires time.Duration
}

// Query returns parameters in the order of Request.Query.
func Query(params map[string]string) []Param { return sorted(params, strings.Compare) }

// Header returns headers, those of a map and more, in the order of Request.Header.
func Header(header map[string]string, more ...Param) []Param {
	return sorted(header, compareFold, more...)
}

func sorted(params map[string]string, compare func(a, b string) int, more ...Param) []Param {
	list := append(make([]Param, 0, len(params)+len(more)+1), more...) // a caller may add one
	for name, value := range params {
		list = append(list, Param{name, value})
	}
	slices.SortFunc(list, func(a, b Param) int { return compare(a.Name, b.Name) })
	return list
}

// Map returns a list as a map from name to value.
func Map(params []Param) map[string]string {
	m := make(map[string]string, len(params))
	for _, p := range params {
		m[p.Name] = p.Value
	}
	return m
}

// Sent is the header that a client must send with the URL: what is not signed
// because it is empty would break the signature.
func (r Request) Sent() []Param {
	return slices.DeleteFunc(slices.Clone(r.Header), func(h Param) bool { return h.Value == "" })
}

// Presigned is a URL. Request.Sent must be sent with it.
type Presigned struct {
	Method    string
	URL       string
	ExpiresAt time.Time // from here on OSS refuses it
}

// CheckRegion fails with ErrRegion unless region is a plain id, cn-hangzhou and
// not oss-cn-hangzhou.
func CheckRegion(region string) error {
	country, rest, _ := strings.Cut(region, "-")
	sound := len(country) >= 2 && strings.Trim(country, "abcdefghijklmnopqrstuvwxyz") == "" && country != "oss" && rest != ""
	for part := range strings.SplitSeq(rest, "-") {
		sound = sound && part != "" && all(part, inName)
	}
	if !sound {
		return fmt.Errorf("%w: %q is not an id such as cn-hangzhou", ErrRegion, region)
	}
	return nil
}

// CheckBucket fails with ErrBucket for what OSS allows no bucket to be called.
func CheckBucket(bucket string) error {
	if len(bucket) < 3 || len(bucket) > 63 || bucket[0] == '-' || bucket[len(bucket)-1] == '-' || !all(bucket, inName) {
		return fmt.Errorf("%w: %q", ErrBucket, bucket)
	}
	return nil
}

// Signer presigns for one region and endpoint. It is safe for concurrent use.
type Signer struct {
	region   string
	endpoint Endpoint

	mu    sync.Mutex // guards what follows, and what hangs on the keys
	keys  []*dayKey
	draft draft
}

// maxKeys bounds what is remembered. A function sees one credential at a time and
// two at its renewal, so a handful is enough, and starting over when it is full
// costs nothing.
const maxKeys = 16

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
	if err := check(req); err != nil {
		return Presigned{}, err
	}
	now = wholeSecond(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(cred, now)
	if err != nil {
		return Presigned{}, err
	}
	d := &s.draft
	if err := d.write(s.endpoint, req, k, now); err != nil {
		return Presigned{}, err
	}
	copy(d.url[d.signature:], k.signRequest(d.datetime, d.canonical))
	return Presigned{Method: req.Method, URL: string(d.url), ExpiresAt: now.Add(req.Expires)}, nil
}

// wholeSecond is what a signature's date can express. It does in a step what
// Truncate divides for.
func wholeSecond(now time.Time) time.Time { return time.Unix(now.Unix(), 0).UTC() }

// key is what cred signs with on the day of now. It fails with ErrCredentials. s is
// locked, and stays so while the key is used.
func (s *Signer) key(cred Credentials, now time.Time) (*dayKey, error) {
	for _, k := range slices.Backward(s.keys) {
		if k.hasDay(now) && k.cred == cred {
			return k, nil
		}
	}
	if err := cred.check(); err != nil {
		return nil, err
	}
	if len(s.keys) >= maxKeys {
		s.keys = nil
	}
	k := newDayKey(cred, s.region, now)
	s.keys = append(s.keys, k)
	return k, nil
}

// check refuses what does not depend on header and query.
func check(req Request) error {
	switch req.Method {
	case "GET", "PUT", "POST", "DELETE", "HEAD":
	default:
		return fmt.Errorf("%w: %q", ErrMethod, req.Method)
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
	return nil
}

func (c Credentials) check() error {
	switch {
	case c.AccessKeyID == "" || c.AccessKeySecret == "" || strings.Contains(c.AccessKeyID, "/"):
		return ErrCredentials
	case strings.ContainsFunc(c.AccessKeyID+c.AccessKeySecret+c.SecurityToken, unicode.IsControl):
		// A line break left by the file or variable that a secret was read from.
		return fmt.Errorf("%w: a control character is in them", ErrCredentials)
	case !utf8.ValidString(c.AccessKeyID + c.SecurityToken):
		return fmt.Errorf("%w: not UTF-8", ErrCredentials)
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
