package signing

import (
	"fmt"
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
	signer     *Signer
	key        *dayKey
	datetime   []byte
	canonical  [3]string // before the number, from there to the length, after it
	url        [3]string // before the number, from there to the signature, after it
	withLength bool
	expiresAt  time.Time
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
	hasID := slices.ContainsFunc(req.Query, func(p Param) bool { return p.Name == "uploadId" && p.Value != "" })
	if req.Method != "PUT" || !hasID {
		return nil, fmt.Errorf("%w: a part is a PUT with an uploadId", ErrPart)
	}
	// What stands in for number and length. The request is refused if it has one
	// of them already: a name that stands twice.
	number, length := Param{"partNumber", "0"}, Param{"content-length", "0"}
	req.Query = inserted(req.Query, number, strings.Compare)
	if withLength {
		req.Header = inserted(req.Header, length, compareFold)
		req.AdditionalHeaders = append(slices.Clone(req.AdditionalHeaders), length.Name)
	}
	if err := check(req); err != nil {
		return nil, err
	}
	now = wholeSecond(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(cred, now)
	if err != nil {
		return nil, err
	}
	d := &s.draft
	if err := d.write(s.endpoint, req, k, now); err != nil {
		return nil, err
	}
	p := &Parts{signer: s, key: k, datetime: slices.Clone(d.datetime), withLength: withLength, expiresAt: now.Add(req.Expires)}
	var rest string
	p.canonical[0], rest = cutParam(string(d.canonical), '\n', number)
	p.canonical[1] = rest
	if withLength {
		// No other line of the headers begins so, and no value has a line break.
		before, after, _ := strings.Cut(rest, "\n"+length.Name+":"+length.Value+"\n")
		p.canonical[1], p.canonical[2] = before+"\n"+length.Name+":", "\n"+after
	}
	p.url[0], rest = cutParam(string(d.url[:d.signature]), '?', number)
	p.url[1], p.url[2] = rest, string(d.url[d.signature+len(room):])
	return p, nil
}

// inserted is sorted params with one more.
func inserted(params []Param, p Param, compare func(a, b string) int) []Param {
	at, _ := slices.BinarySearchFunc(params, p, func(a, b Param) int { return compare(a.Name, b.Name) })
	return slices.Insert(slices.Clone(params), at, p)
}

// cutParam cuts text around the value of a parameter. The query begins after the
// byte first. The whole name is looked for, since that of another parameter may
// end in the same letters; what stands before the query and in its values has
// neither of the bytes that begin a name, since they are encoded there.
func cutParam(text string, first byte, p Param) (before, after string) {
	named := p.Name + "=" + p.Value
	at := strings.Index(text, string(first)+named)
	if at < 0 {
		at = strings.Index(text, "&"+named)
	}
	at += len("&" + named)
	return text[:at-len(p.Value)], text[at:]
}

// Template is the URL of every part, with PartNumberPlaceholder and
// SignaturePlaceholder where they differ.
func (p *Parts) Template() string {
	return p.url[0] + PartNumberPlaceholder + p.url[1] + SignaturePlaceholder + p.url[2]
}

// ExpiresAt is when OSS begins to refuse the parts' URLs.
func (p *Parts) ExpiresAt() time.Time { return p.expiresAt }

// AppendSignature appends to dst the signature of part number with exactly length
// bytes; length is ignored unless PresignParts was told to sign it. It fails with
// ErrPart.
func (p *Parts) AppendSignature(dst []byte, number, length int64) ([]byte, error) {
	if number < 1 || number > maxPartNumber {
		return dst, fmt.Errorf("%w: number %d, want 1 to %d", ErrPart, number, maxPartNumber)
	}
	if p.withLength && length < 0 {
		return dst, fmt.Errorf("%w: length %d", ErrPart, length)
	}
	p.signer.mu.Lock()
	defer p.signer.mu.Unlock()
	d := &p.signer.draft
	canonical := append(d.canonical[:0], p.canonical[0]...)
	canonical = append(strconv.AppendInt(canonical, number, 10), p.canonical[1]...)
	if p.withLength {
		canonical = strconv.AppendInt(canonical, length, 10)
	}
	canonical = append(canonical, p.canonical[2]...)
	d.canonical = canonical
	return append(dst, p.key.signRequest(p.datetime, canonical)...), nil
}

// AppendURL appends the presigned URL of one part, equal to Presign's. It fails as
// AppendSignature does.
func (p *Parts) AppendURL(dst []byte, number, length int64) ([]byte, error) {
	start := len(dst)
	dst = append(dst, p.url[0]...)
	dst = append(strconv.AppendInt(dst, number, 10), p.url[1]...)
	dst, err := p.AppendSignature(dst, number, length)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, p.url[2]...), nil
}
