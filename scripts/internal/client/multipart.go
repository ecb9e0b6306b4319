package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// CreateRequest is the body of POST /s3/multipart.
type CreateRequest struct {
	Filename string            `json:"filename"`
	Type     string            `json:"type,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Size     *int64            `json:"size,omitempty"`
	PartSize int64             `json:"partSize,omitempty"` // 0: the function decides
	Checksum *Checksum         `json:"checksum,omitempty"`
	Vars     map[string]string `json:"vars,omitempty"`
}

// Multipart is a multipart upload that was started. UploadID is a secret: who
// has it and the caller's token can write to the upload.
type Multipart struct {
	Key       string    `json:"key"`
	UploadID  string    `json:"uploadId"`
	Bucket    string    `json:"bucket"`
	PartSize  int64     `json:"partSize,omitempty"`
	PartCount int64     `json:"partCount,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Part is a part that storage has. Size is told by ListParts alone.
type Part struct {
	PartNumber int    `json:"PartNumber"`
	Size       int64  `json:"Size,omitempty"`
	ETag       string `json:"ETag"` // in quotes or not
}

// ErrGone means that the server does not know the upload any more: it was
// aborted or has expired, or belongs to another caller now.
var ErrGone = errors.New("the server no longer has the upload")

// gone adds ErrGone to what a function or storage says of such an upload.
func gone(err error) error {
	r, ok := errors.AsType[*Refusal](err)
	if !ok || errors.Is(err, ErrGone) {
		return err
	}
	if r.Code == "NoSuchUpload" || r.From == Functions && (r.Status == http.StatusForbidden || r.Status == http.StatusGone) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

// uploadPath is the path of an upload, and a secret as its id is.
func uploadPath(uploadID string) string { return "/s3/multipart/" + url.PathEscape(uploadID) }

// CreateMultipart starts a multipart upload.
func (c *Client) CreateMultipart(ctx context.Context, in CreateRequest) (Multipart, error) {
	const what = "starting the upload"
	var m Multipart
	err := c.Call(ctx, what, http.MethodPost, "/s3/multipart", in, &m)
	if err == nil && (m.Key == "" || m.UploadID == "") {
		err = errors.New(what + ": the answer has no key or no upload id")
	}
	return m, err
}

// PartURL asks for the URL of one part.
func (c *Client) PartURL(ctx context.Context, uploadID string, number int) (SignedURL, error) {
	var u SignedURL
	err := c.Call(ctx, "asking for the URL of a part", http.MethodGet, uploadPath(uploadID)+"/"+strconv.Itoa(number), nil, &u)
	return u, gone(err)
}

// PartURLs are the URLs of parts, by their numbers.
type PartURLs struct {
	URLs      map[int]string `json:"presignedUrls"`
	ExpiresAt time.Time      `json:"expiresAt"`
}

// PartURLs asks for the URLs of parts, whose numbers ascend.
func (c *Client) PartURLs(ctx context.Context, uploadID string, numbers []int) (PartURLs, error) {
	var out PartURLs
	err := c.Call(ctx, "asking for the URLs of parts", http.MethodGet, uploadPath(uploadID)+"/batch?partNumbers="+ranges(numbers), nil, &out)
	return out, gone(err)
}

// PartTemplate makes the URLs of many parts from one text, to save bytes.
type PartTemplate struct {
	Template   string         `json:"template"`
	Signatures map[int]string `json:"signatures"` // by part number
	ExpiresAt  time.Time      `json:"expiresAt"`
}

// URL is the URL of a part, or "" if the template has no signature for it.
func (t PartTemplate) URL(number int) string {
	signature := t.Signatures[number]
	if signature == "" {
		return ""
	}
	return strings.NewReplacer("{partNumber}", strconv.Itoa(number), "{signature}", signature).Replace(t.Template)
}

// PartTemplate asks for a template for parts, whose numbers ascend.
func (c *Client) PartTemplate(ctx context.Context, uploadID string, numbers []int) (PartTemplate, error) {
	var out PartTemplate
	err := c.Call(ctx, "asking for the URLs of parts", http.MethodGet, uploadPath(uploadID)+"/batch?as=template&partNumbers="+ranges(numbers), nil, &out)
	return out, gone(err)
}

// ranges writes ascending numbers as 1,2,5-900.
func ranges(numbers []int) string {
	var list []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		item := strconv.Itoa(numbers[i])
		if j > i {
			item += "-" + strconv.Itoa(numbers[j])
		}
		list = append(list, item)
		i = j + 1
	}
	return strings.Join(list, ",")
}

// PartSigner gives out the URL of a part; another one than before if the last
// was refused.
type PartSigner func(ctx context.Context, number int, another bool) (string, error)

// SendPart sends part number of so many, 0 if that is not known, until storage
// has it, and returns it with the CRC-64 of its bytes. A URL that is refused is replaced once each
// try. It returns ErrGone if storage does not know the upload.
func (c *Client) SendPart(ctx context.Context, number, of int, sign PartSigner, source Source) (part Part, crc uint64, err error) {
	what := partText(number, of)
	err = c.Retry.Do(ctx, what, func(try int) error {
		part, crc, err = c.sendPart(ctx, try, number, sign, false, source)
		if r, ok := errors.AsType[*Refusal](err); ok && r.From == Storage && r.Status == http.StatusForbidden {
			// The URL has expired, or the credentials behind it.
			part, crc, err = c.sendPart(ctx, try, number, sign, true, source)
		}
		return err
	})
	if err = gone(err); err != nil && !errors.Is(err, ErrGone) {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return part, crc, err
}

// partText says in errors which part it is.
func partText(number, of int) string {
	if of == 0 {
		return fmt.Sprintf("sending part %d", number)
	}
	return fmt.Sprintf("sending part %d of %d", number, of)
}

// sendPart is one try of SendPart with one URL.
func (c *Client) sendPart(ctx context.Context, try, number int, sign PartSigner, another bool, source Source) (Part, uint64, error) {
	signed, err := sign(ctx, number, another)
	if err != nil {
		return Part{}, 0, err
	}
	// No headers: a Content-Type would have to be signed.
	s, err := c.send(ctx, try, http.MethodPut, signed, nil, source)
	if err != nil {
		return Part{}, 0, err
	}
	if s.Status != http.StatusOK {
		return Part{}, 0, s.Refusal()
	}
	part, crc := Part{PartNumber: number, ETag: s.Header.Get("ETag")}, s.sum()
	if stored := s.Header.Get("x-oss-hash-crc64ecma"); !s.whole() || part.ETag == "" || stored != "" && stored != Decimal(crc) {
		s.takeBack()
		return Part{}, 0, ErrDamaged
	}
	return part, crc, nil
}

// ListParts lists the parts that storage has.
func (c *Client) ListParts(ctx context.Context, uploadID string) ([]Part, error) {
	var parts []Part
	err := c.Call(ctx, "listing the parts", http.MethodGet, uploadPath(uploadID), nil, &parts)
	return parts, gone(err)
}

// CompleteRequest is the body of POST /s3/multipart/{uploadId}/complete.
// Without parts it completes whatever storage has.
type CompleteRequest struct {
	Parts    []Part    `json:"parts,omitempty"`
	Checksum *Checksum `json:"checksum,omitempty"`
}

// Complete has the parts put together and returns the receipt as the answer has
// it.
func (c *Client) Complete(ctx context.Context, uploadID string, in CompleteRequest) (Receipt, error) {
	r, err := c.callForReceipt(ctx, "completing the upload", uploadPath(uploadID)+"/complete", in)
	return r, gone(err)
}

// Abort has the parts of an upload removed.
func (c *Client) Abort(ctx context.Context, uploadID string) error {
	return gone(c.Call(ctx, "aborting the upload", http.MethodDelete, uploadPath(uploadID), nil, nil))
}

// Params asks for a form as Uppy does: GET /s3/params.
func (c *Client) Params(ctx context.Context, filename, contentType string, metadata map[string]string) (Grant, error) {
	query := url.Values{"filename": {filename}, "type": {contentType}}
	for name, value := range metadata {
		query.Set("metadata["+name+"]", value)
	}
	var g Grant
	err := c.Call(ctx, "asking for a form", http.MethodGet, "/s3/params?"+query.Encode(), nil, &g)
	return g, err
}
