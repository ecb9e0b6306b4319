package osscallback

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBody bounds the body of a callback, in bytes. A key has at most 1,023 bytes
// and the whole callback parameter 5 KiB, so a genuine one is far below.
const MaxBody = 64 << 10

// Notice is the body that Param configures: what OSS says about one upload, and
// the token that was put into the signed parameter.
type Notice struct {
	Bucket    string
	Object    string // the full key, decoded
	ETag      string // without quotes, in the case in which OSS sent it (upper)
	Size      int64  // of the whole object, in bytes
	RequestID string // of the upload, as x-oss-request-id
	Token     string
}

// ParseNotice reads the body of a callback. It accepts the six fields of the
// configured template, in any order, each exactly once, none empty and nothing
// beside them; anything else is ErrBody. Call it after Verify: only the raw
// bytes are signed.
func ParseNotice(body []byte) (Notice, error) {
	if len(body) > MaxBody {
		return Notice{}, fmt.Errorf("%w: more than %d bytes", ErrBody, MaxBody)
	}

	var n Notice
	var size string
	type field struct {
		name string
		to   *string // empty until it was read
	}
	fields := [...]field{
		{"bucket", &n.Bucket}, {"object", &n.Object}, {"etag", &n.ETag}, {"size", &size}, {"reqId", &n.RequestID}, {"token", &n.Token},
	}
	missing := len(fields)
	for pair := range strings.SplitSeq(string(body), "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		at := slices.IndexFunc(fields[:], func(f field) bool { return f.name == name })
		if at < 0 || *fields[at].to != "" {
			return Notice{}, fmt.Errorf("%w: a field is unknown or repeated", ErrBody)
		}

		value, err := url.QueryUnescape(escaped)
		if err != nil || value == "" || !utf8.ValidString(value) {
			// The cause is left out: it quotes the value, which may be the token.
			return Notice{}, fmt.Errorf("%w: field %s is empty or badly encoded", ErrBody, name)
		}
		*fields[at].to = value
		missing--
	}
	if missing > 0 {
		return Notice{}, fmt.Errorf("%w: %d fields are missing", ErrBody, missing)
	}

	var err error
	if n.Size, err = parseSize(size); err != nil {
		return Notice{}, err
	}
	if n.ETag, err = unquote(n.ETag); err != nil {
		return Notice{}, err
	}
	return n, nil
}

// parseSize accepts the one way in which a size is written: decimal digits with
// neither sign nor leading zero.
func parseSize(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("%w: size is not a decimal number", ErrBody)
	}
	return n, nil
}

// unquote removes the quotes of an ETag: OSS has sent it with and without.
func unquote(etag string) (string, error) {
	if len(etag) >= 2 && strings.HasPrefix(etag, `"`) && strings.HasSuffix(etag, `"`) {
		etag = etag[1 : len(etag)-1]
	}
	if etag == "" || strings.Contains(etag, `"`) {
		return "", fmt.Errorf("%w: etag is empty or holds a stray quote", ErrBody)
	}
	return etag, nil
}
