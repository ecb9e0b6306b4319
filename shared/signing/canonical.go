package signing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	algorithm       = "OSS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// draft is a request on the way to its URL. The text that is signed and the URL
// grow side by side, so that each value is encoded once for both. One draft is
// used for many requests, one after the other: its buffers are what each of them
// would otherwise allocate. They grow as local variables, which the collector need
// not be told of.
type draft struct {
	canonical []byte
	url       []byte // with room for the signature
	signature int    // where in url it goes
	datetime  []byte

	header     []byte // canonical: names in lower case, values trimmed
	additional []byte // in lower case, sorted, joined by ";"
}

// room is as long as a signature.
const room = "0000000000000000000000000000000000000000000000000000000000000000"

// write drafts a request. It checks header and query, and nothing else.
func (d *draft) write(e Endpoint, req Request, k *dayKey, now time.Time) error {
	if err := d.writeHeader(req); err != nil {
		return err
	}
	d.datetime = k.appendTime(d.datetime[:0], now)
	if err := checkQuery(req.Query); err != nil {
		return err
	}
	canonical := append(append(d.canonical[:0], req.Method...), "\n/"...)
	canonical = append(append(canonical, req.Bucket...), '/')
	key := len(canonical)
	canonical = appendEscaped(canonical, req.Key, inPath)
	url := append(e.appendBucket(d.url[:0], req.Bucket), canonical[key:]...)
	canonical, url = d.appendQuery(append(canonical, '\n'), append(url, '?'), req, k)
	canonical = append(append(canonical, '\n'), d.header...)
	canonical = append(append(canonical, '\n'), d.additional...)
	d.canonical, d.url = append(canonical, "\n"+unsignedPayload...), url
	return nil
}

// appendQuery merges the parameters of the request and those of the signature, by
// name, as OSS's SDKs sort a URL.
func (d *draft) appendQuery(canonical, url []byte, req Request, k *dayKey) (_, _ []byte) {
	var buf [64]byte
	expires := strconv.AppendInt(buf[:0], int64(req.Expires/time.Second), 10)
	additional := appendEscaped(expires[len(expires):], string(d.additional), unreserved)
	query, rest := len(canonical), req.Query
	for _, own := range [...]struct {
		name  string
		value []byte // encoded
	}{
		{"x-oss-additional-headers", additional},
		{"x-oss-credential", k.inQuery.credential},
		{"x-oss-date", d.datetime},
		{"x-oss-expires", expires},
		{"x-oss-security-token", k.inQuery.token},
		{"x-oss-signature", nil},
		{"x-oss-signature-version", []byte(algorithm)},
	} {
		for len(rest) > 0 && rest[0].Name < own.name {
			canonical, url = appendParam(canonical, url, rest[0])
			rest = rest[1:]
		}
		switch {
		case own.name == "x-oss-signature":
			url = append(url, "x-oss-signature="...)
			d.signature = len(url)
			url = append(url, room+"&"...)
		case len(own.value) > 0:
			start := len(url)
			url = append(append(url, own.name...), '=')
			url = append(append(url, own.value...), '&')
			canonical = append(canonical, url[start:]...)
		}
	}
	for _, p := range rest {
		canonical, url = appendParam(canonical, url, p)
	}
	canonical, url = canonical[:len(canonical)-1], url[:len(url)-1]
	if slices.ContainsFunc(req.Query, func(p Param) bool { return !all(p.Name, unreserved) }) {
		canonical = append(canonical[:query], sortedQuery(string(canonical[query:]))...)
	}
	return canonical, url
}

// sortedQuery sorts a query by encoded name, as OSS does with what is signed. For
// names that need encoding, as none of OSS's own does, that differs from the order
// of the URL: "|" comes after "a", "%7C" before.
func sortedQuery(query string) string {
	params := strings.Split(query, "&")
	slices.SortFunc(params, func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	})
	return strings.Join(params, "&")
}

// appendParam appends a parameter and the "&" after it. An empty value is signed
// as a bare name.
func appendParam(canonical, url []byte, p Param) (_, _ []byte) {
	start := len(url)
	url = append(appendEscaped(url, p.Name, unreserved), '=')
	if p.Value == "" {
		canonical = append(canonical, url[start:len(url)-1]...)
	} else {
		url = appendEscaped(url, p.Value, unreserved)
		canonical = append(canonical, url[start:]...)
	}
	return append(canonical, '&'), append(url, '&')
}

// checkQuery refuses what would not be signed as it is sent, and what is of a
// signature itself.
func checkQuery(query []Param) error {
	for i, p := range query {
		var buf [longestOwn]byte
		switch {
		case p.Name == "" || ofSignature(appendLower(buf[:0], p.Name)) || !utf8.ValidString(p.Name) || !utf8.ValidString(p.Value):
			return fmt.Errorf("%w: %q", ErrQuery, p.Name)
		case i > 0 && p.Name <= query[i-1].Name:
			return fmt.Errorf("%w: %q stands twice or is not sorted", ErrQuery, p.Name)
		}
	}
	return nil
}

// writeHeader writes the headers to sign and which of them are additional ones.
// Every header of req is among them: one that is sent and not signed would
// protect nothing.
func (d *draft) writeHeader(req Request) error {
	if err := checkAdditional(req.AdditionalHeaders); err != nil {
		return err
	}
	header, additional := d.header[:0], d.additional[:0]
	missing := len(req.AdditionalHeaders)
	for i, h := range req.Header {
		start := len(header)
		header = appendLower(header, h.Name)
		low := header[start:]
		if err := checkName(req, i, low); err != nil {
			return err
		}
		if err := checkValue(h); err != nil {
			return err
		}
		if h.Value == "" {
			header = header[:start]
			continue
		}
		if !signedByDefault(low) {
			if len(additional) > 0 {
				additional = append(additional, ';')
			}
			additional = append(additional, low...)
			missing--
		}
		header = append(append(header, ':'), strings.Trim(h.Value, " ")...)
		header = append(header, '\n')
	}
	if missing > 0 {
		return fmt.Errorf("%w: additional headers %q without a value", ErrHeader, req.AdditionalHeaders)
	}
	d.header, d.additional = header, additional
	return nil
}

// checkName checks the name of a header, which is low in lower case.
func checkName(req Request, i int, low []byte) error {
	name := req.Header[i].Name
	switch {
	case !isToken(name):
		return fmt.Errorf("%w: name %q", ErrHeader, name)
	case authenticates(low):
		return fmt.Errorf("%w: %q belongs to a signature", ErrHeader, name)
	case i > 0 && compareFold(req.Header[i-1].Name, name) >= 0:
		return fmt.Errorf("%w: %q stands twice or is not sorted", ErrHeader, name)
	case !signedByDefault(low) && !containsFold(req.AdditionalHeaders, name):
		return fmt.Errorf("%w: nothing would sign %q", ErrHeader, name)
	}
	return nil
}

// checkAdditional checks the names that are to be signed beside those that always
// are.
func checkAdditional(names []string) error {
	var buf [32]byte // of most names, so that nothing is allocated
	for i, name := range names {
		switch {
		case !isToken(name) || strings.Contains(name, "_"):
			return fmt.Errorf("%w: additional header %q", ErrHeader, name)
		case signedByDefault(appendLower(buf[:0], name)):
			return fmt.Errorf("%w: additional header %q is signed by itself", ErrHeader, name)
		case containsFold(names[:i], name):
			return fmt.Errorf("%w: additional header %q is named twice", ErrHeader, name)
		}
	}
	return nil
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return compareFold(n, name) == 0 })
}

// checkValue refuses what could not be sent as it is signed.
func checkValue(h Param) error {
	switch {
	case all(h.Value, printable): // and if it has spaces, they are no odd ones
	case strings.ContainsFunc(h.Value, unicode.IsControl) || !utf8.ValidString(h.Value):
		return fmt.Errorf("%w: the value of %q has control characters", ErrHeader, h.Name)
	case strings.Trim(h.Value, " ") != strings.TrimFunc(h.Value, isTrimmedBySome):
		// Signers differ on which spaces they trim.
		return fmt.Errorf("%w: the value of %q begins or ends with an odd space", ErrHeader, h.Name)
	}
	return nil
}

// isTrimmedBySome reports whether the trim function of some language takes r for
// white space: JavaScript's takes the byte order mark, Go's does not.
func isTrimmedBySome(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' }

// signedByDefault reports whether OSS signs a header, in lower case, whenever
// it is sent.
func signedByDefault(low []byte) bool {
	const prefix = "x-oss-"
	switch string(low) {
	case "content-type", "content-md5":
		return true
	}
	return len(low) >= len(prefix) && string(low[:len(prefix)]) == prefix
}

// authenticates reports whether OSS reads a header, in lower case, as part of a
// signature in headers. It refuses some of them beside one in the URL, and
// x-oss-content-sha256 would take the place of UNSIGNED-PAYLOAD.
func authenticates(low []byte) bool {
	switch string(low) {
	case "authorization", "x-oss-date", "x-oss-content-sha256", "x-oss-security-token":
		return true
	}
	return false
}

// longestOwn is as long as the names that the signature has for itself, and most
// others: with so much room on the stack, lower case allocates nothing.
const longestOwn = 32

// ofSignature reports whether OSS reads a query parameter, in lower case, as part
// of a signature: one of this version, or of versions 1 and 2, which would give
// the URL two signatures that contradict each other.
func ofSignature(low []byte) bool {
	switch string(low) {
	case "x-oss-signature", "x-oss-signature-version", "x-oss-credential", "x-oss-date",
		"x-oss-expires", "x-oss-security-token", "x-oss-additional-headers",
		"ossaccesskeyid", "signature", "expires", "security-token", "x-oss-access-key-id":
		return true
	}
	return false
}
