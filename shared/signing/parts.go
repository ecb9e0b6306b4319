package signing

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPartNumber is OSS's: part numbers go from 1 to 10000.
const maxPartNumber = 10000

// Parts presigns the parts of one multipart upload. What they have in common is
// made once; a part then costs one hash and one HMAC. It is safe for concurrent
// use.
type Parts struct {
	// Around the part number in the canonical request, and from there around
	// the length, if one is signed.
	beforeNumber, afterNumber, afterLength string
	withLength                             bool

	template        string // URL with {partNumber} and {signature}
	datetime, scope string
	key             signingKey
	expiresAt       time.Time
}

// Placeholders of Template.
const (
	PartNumberPlaceholder = "{partNumber}"
	SignaturePlaceholder  = "{signature}"
)

// PresignParts prepares the parts of req, a PUT whose Query has the uploadId
// and no partNumber. With withLength, the exact length of each part is signed as
// content-length; req itself must not have that header. Errors are those of
// Presign.
func (s *Signer) PresignParts(cred Credentials, req Request, withLength bool, now time.Time) (*Parts, error) {
	const lengthHeader = "content-length"
	// Digits are put in their place. Neither stands anywhere around them:
	// percent-encoding leaves no control character in path and query, and
	// headers are refused with one.
	const number, length = "\x00", "\x01"
	if _, ok := req.Query["partNumber"]; ok {
		return nil, fmt.Errorf("%w: partNumber is set part by part", ErrQuery)
	}
	if req.Method != "PUT" || req.Query["uploadId"] == "" {
		return nil, fmt.Errorf("%w: a part is a PUT with an uploadId", ErrPart)
	}
	if withLength {
		req.Header = maps.Clone(req.Header)
		if req.Header == nil {
			req.Header = make(map[string]string)
		}
		for name := range req.Header {
			if strings.EqualFold(name, lengthHeader) {
				return nil, fmt.Errorf("%w: content-length is set part by part", ErrHeader)
			}
		}
		req.Header[lengthHeader] = "0"
		req.AdditionalHeaders = append([]string{lengthHeader}, req.AdditionalHeaders...)
	}
	p, err := s.prepare(cred, req, now)
	if err != nil {
		return nil, err
	}
	// Stands in for the number until the query is encoded. No other parameter
	// can be named partNumber, so "partNumber=0" is there once.
	p.query["partNumber"] = "0"
	if withLength {
		p.header[lengthHeader] = length
	}
	canonical := canonicalRequest(req.Method, p.uri, withNumber(canonicalQuery(p.query), number), canonicalHeader(p.header), p.additional)
	parts := &Parts{withLength: withLength, datetime: p.datetime, scope: p.scope, key: p.key, expiresAt: p.expiresAt}
	var rest string
	parts.beforeNumber, rest, _ = strings.Cut(canonical, number)
	parts.afterNumber, parts.afterLength, _ = strings.Cut(rest, length)

	const signature = "x-oss-signature="
	p.query["x-oss-signature"] = ""
	head, tail, _ := strings.Cut(withNumber(encodeQuery(p.query), PartNumberPlaceholder), "&"+signature)
	parts.template = p.object + "?" + head + "&" + signature + SignaturePlaceholder + tail
	return parts, nil
}

// withNumber replaces the value of partNumber in an encoded query. The name of
// another parameter may end in the same letters, so the whole name is matched.
func withNumber(query, number string) string {
	params := strings.Split(query, "&")
	params[slices.Index(params, "partNumber=0")] = "partNumber=" + number
	return strings.Join(params, "&")
}

// Template is the URL of every part, with PartNumberPlaceholder and
// SignaturePlaceholder where they differ.
func (p *Parts) Template() string { return p.template }

// ExpiresAt is when OSS begins to refuse the parts' URLs.
func (p *Parts) ExpiresAt() time.Time { return p.expiresAt }

// Signature signs part number with exactly length bytes; length is ignored
// unless PresignParts was told to sign it. It fails with ErrPart.
func (p *Parts) Signature(number, length int64) (string, error) {
	if number < 1 || number > maxPartNumber {
		return "", fmt.Errorf("%w: number %d, want 1 to %d", ErrPart, number, maxPartNumber)
	}
	if p.withLength && length < 0 {
		return "", fmt.Errorf("%w: length %d", ErrPart, length)
	}
	canonical := make([]byte, 0, len(p.beforeNumber)+len(p.afterNumber)+len(p.afterLength)+32)
	canonical = append(canonical, p.beforeNumber...)
	canonical = strconv.AppendInt(canonical, number, 10)
	canonical = append(canonical, p.afterNumber...)
	if p.withLength {
		canonical = strconv.AppendInt(canonical, length, 10)
	}
	canonical = append(canonical, p.afterLength...)
	return p.key.sign(p.datetime, p.scope, string(canonical)), nil
}

// URL is the presigned URL of one part, equal to Presign's.
func (p *Parts) URL(number, length int64) (string, error) {
	signature, err := p.Signature(number, length)
	if err != nil {
		return "", err
	}
	return strings.NewReplacer(
		PartNumberPlaceholder, strconv.FormatInt(number, 10), SignaturePlaceholder, signature,
	).Replace(p.template), nil
}
