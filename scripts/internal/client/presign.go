package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"time"
)

// PresignRequest is the body of POST /presign.
type PresignRequest struct {
	Filename     string            `json:"filename"`
	Size         *int64            `json:"size,omitempty"`
	ContentType  string            `json:"contentType,omitempty"`
	As           string            `json:"as,omitempty"` // put, form or url
	Checksum     *Checksum         `json:"checksum,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	StorageClass string            `json:"storageClass,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
	Vars         map[string]string `json:"vars,omitempty"`
	ExpiresIn    *int64            `json:"expiresIn,omitempty"` // seconds
}

// Checksum declares what will be sent.
type Checksum struct {
	MD5   string `json:"md5,omitempty"`   // base64
	CRC64 string `json:"crc64,omitempty"` // decimal
}

// Grant is a signed URL or form for one object, and the token by which the
// functions know the upload.
type Grant struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers,omitempty"` // of a PUT, to be sent unchanged
	Fields      map[string]string `json:"fields,omitempty"`  // of a form, likewise
	Key         string            `json:"key"`
	Expires     int64             `json:"expires"` // seconds
	ExpiresAt   time.Time         `json:"expiresAt"`
	UploadToken string            `json:"uploadToken"`
}

// Presign asks for a grant.
func (c *Client) Presign(ctx context.Context, in PresignRequest) (Grant, error) {
	const what = "asking for a URL"
	var g Grant
	err := c.Call(ctx, what, http.MethodPost, "/presign", in, &g)
	if err == nil && (g.Method == "" || g.URL == "" || g.Key == "" || g.UploadToken == "") {
		err = errors.New(what + ": the answer lacks a part of the grant")
	}
	return g, err
}

// ErrUnconfirmed means that an upload is stored, and that its receipt could not
// be had. Confirm with its token asks again; nothing need be sent.
var ErrUnconfirmed = errors.New("it is stored, but not confirmed")

// Put uploads with one PUT: it asks for a grant, for another one when the URL
// has expired meanwhile, sends the source and returns the receipt, which it has
// held against the source and the CRC-64 that in declares, if any.
func (c *Client) Put(ctx context.Context, in PresignRequest, source Source) (Receipt, error) {
	return c.PutNoted(ctx, in, source, func(Grant) {})
}

// PutNoted is Put, and tells of each grant before a byte is sent with it: who
// notes its token can confirm the upload later, whatever happens meanwhile.
func (c *Client) PutNoted(ctx context.Context, in PresignRequest, source Source, note func(Grant)) (Receipt, error) {
	in.Size = &source.Size
	presign := func() (Grant, error) {
		g, err := c.Presign(ctx, in)
		if err == nil {
			note(g)
		}
		return g, err
	}
	g, err := presign()
	if err != nil {
		return Receipt{}, err
	}
	u := &upload{client: c, grant: g, source: source, headers: g.Headers, presign: presign}
	if err := u.send(ctx); err != nil {
		return Receipt{}, err
	}
	crc := ""
	if in.Checksum != nil {
		crc = in.Checksum.CRC64
	}
	r, err := ParseReceipt(u.stored)
	if err == nil && r.Check(u.grant.Key, source.Size, crc) == nil {
		return r, nil
	}
	if r, err = c.Confirm(ctx, u.grant.UploadToken); err != nil {
		if !IsStatus(err, http.StatusNotFound) {
			err = fmt.Errorf("%w: %w", ErrUnconfirmed, err)
		}
		return Receipt{}, err
	}
	return r, r.Check(u.grant.Key, source.Size, crc)
}

// SendPut sends a source as a grant of a PUT allows and returns the receipt as
// the answer has it. An upload that is stored without a receipt is confirmed.
func (c *Client) SendPut(ctx context.Context, g Grant, source Source) (Receipt, error) {
	return c.sendGrant(ctx, g, g.Headers, source)
}

// SendForm is SendPut for a grant of a form.
func (c *Client) SendForm(ctx context.Context, g Grant, filename string, source Source) (Receipt, error) {
	headers, form, err := g.Form(filename, source)
	if err != nil {
		return Receipt{}, err
	}
	return c.sendGrant(ctx, g, headers, form)
}

func (c *Client) sendGrant(ctx context.Context, g Grant, headers map[string]string, source Source) (Receipt, error) {
	u := &upload{client: c, grant: g, source: source, headers: headers}
	if err := u.send(ctx); err != nil {
		return Receipt{}, err
	}
	if u.stored == nil {
		return c.Confirm(ctx, g.UploadToken)
	}
	return ParseReceipt(u.stored)
}

// Form is the body of a form as multipart/form-data, with its header: every
// field, and the file last, since storage ignores what comes after it. Count is
// told of all bytes, and Last is not asked.
func (g Grant) Form(filename string, file Source) (headers map[string]string, form Source, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(g.Fields)) {
		err = errors.Join(err, w.WriteField(name, g.Fields[name]))
	}
	_, fileErr := w.CreateFormFile("file", filename)
	before := b.Len()
	if err = errors.Join(err, fileErr, w.Close()); err != nil {
		return nil, Source{}, fmt.Errorf("writing a form: %w", err)
	}
	form = file
	form.Size += int64(b.Len())
	form.Last = nil // is about the CRC of the file
	form.Open = func() (io.Reader, error) {
		content, err := file.Open()
		if err != nil {
			return nil, err
		}
		return io.MultiReader(bytes.NewReader(b.Bytes()[:before]), content, bytes.NewReader(b.Bytes()[before:])), nil
	}
	return map[string]string{"Content-Type": w.FormDataContentType()}, form, nil
}

const sendingFile = "sending the file"

// upload is one upload by a grant under way.
type upload struct {
	client  *Client
	grant   Grant
	source  Source
	headers map[string]string
	presign func() (Grant, error) // asks for another grant; nil: there is only one

	stored   []byte // the answer to the bytes; nil if the receipt must be asked for
	unsure   bool   // a try had no clear answer: the object may be there
	replaced bool   // this is the second grant
}

// send sends the source until it is stored.
func (u *upload) send(ctx context.Context) error {
	return u.client.Retry.Do(ctx, sendingFile, func(number int) error {
		for {
			again, err := u.try(ctx, number)
			if !again {
				return err
			}
		}
	})
}

// try sends the source once. again means that the grant was replaced, and that
// this deserves another try at once.
func (u *upload) try(ctx context.Context, number int) (again bool, err error) {
	a, err := u.client.send(ctx, number, u.grant.Method, u.grant.URL, u.headers, u.source)
	if err != nil {
		_, lost := errors.AsType[*LostAnswer](err)
		u.unsure = u.unsure || lost
		return false, err
	}
	if a.Status == http.StatusOK {
		u.stored = a.Body
		return false, nil
	}
	refused := a.Refusal()
	switch {
	case a.Status == http.StatusNonAuthoritativeInfo, a.Status == http.StatusConflict && refused.Code == "FileAlreadyExists":
		// It is stored, by this try or by one whose answer was lost: the key was
		// made for this upload alone. But the application has not been told for all
		// we know.
		u.client.Retry.report(Failure{What: sendingFile, Err: refused})
		return false, nil
	case a.Status == http.StatusForbidden && !u.replaced && u.presign != nil:
		// The URL has expired, or the credentials behind it.
		return u.replace(ctx)
	}
	u.unsure = u.unsure || a.Status >= 500
	return false, refused
}

// replace asks for another grant. That is for another object, so there must be
// none of the first.
func (u *upload) replace(ctx context.Context) (again bool, err error) {
	if u.unsure {
		r, err := u.client.Confirm(ctx, u.grant.UploadToken)
		if !IsStatus(err, http.StatusNotFound) {
			u.stored = r.Line
			return false, err
		}
	}
	g, err := u.presign()
	if err != nil {
		return false, err
	}
	u.grant, u.headers = g, g.Headers
	u.replaced, u.unsure = true, false
	return true, nil
}

// Confirm asks for the receipt of an upload that is stored, and has the
// application told.
func (c *Client) Confirm(ctx context.Context, uploadToken string) (Receipt, error) {
	return c.confirm(ctx, map[string]string{"uploadToken": uploadToken})
}

// ConfirmKey is Confirm by the object's key.
func (c *Client) ConfirmKey(ctx context.Context, key string) (Receipt, error) {
	return c.confirm(ctx, map[string]string{"key": key})
}

func (c *Client) confirm(ctx context.Context, in map[string]string) (Receipt, error) {
	return c.callForReceipt(ctx, "confirming the upload", "/confirm", in)
}

func (c *Client) callForReceipt(ctx context.Context, what, path string, in any) (Receipt, error) {
	var text json.RawMessage
	if err := c.Call(ctx, what, http.MethodPost, path, in, &text); err != nil {
		return Receipt{}, err
	}
	r, err := ParseReceipt(text)
	if err != nil {
		return Receipt{}, fmt.Errorf("%s: %w", what, err)
	}
	return r, nil
}

// DownloadRequest is the body of POST /download.
type DownloadRequest struct {
	Key       string `json:"key"`
	VersionID string `json:"versionId,omitempty"`
	Process   string `json:"process,omitempty"`
	Filename  string `json:"filename,omitempty"`
	Inline    bool   `json:"inline,omitempty"`
	ExpiresIn *int64 `json:"expiresIn,omitempty"` // seconds
}

// SignedURL is a URL for one request without headers. Of a part it has no
// ExpiresAt.
type SignedURL struct {
	Method    string    `json:"method"`
	URL       string    `json:"url"`
	Expires   int64     `json:"expires"` // seconds
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// Download asks for a URL from which an object can be read.
func (c *Client) Download(ctx context.Context, in DownloadRequest) (SignedURL, error) {
	var u SignedURL
	err := c.Call(ctx, "asking for a download", http.MethodPost, "/download", in, &u)
	return u, err
}

// Fetch reads an object with a URL of Download.
func (c *Client) Fetch(ctx context.Context, u SignedURL) ([]byte, error) {
	const what = "downloading"
	var content []byte
	err := c.Retry.Do(ctx, what, func(number int) error {
		a, err := c.send(ctx, number, u.Method, u.URL, nil, Source{})
		if err == nil && a.Status != http.StatusOK {
			err = a.Refusal()
		}
		content = a.Body
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return content, nil
}

// STSCredentials is the answer of POST /sts.
type STSCredentials struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	AccessKeySecret string    `json:"AccessKeySecret"`
	SecurityToken   string    `json:"SecurityToken"`
	Expiration      time.Time `json:"Expiration"`
	Bucket          string    `json:"bucket"`
	Region          string    `json:"region"`
	Endpoint        string    `json:"endpoint"`
	Prefix          string    `json:"prefix"`
}

// STS asks for credentials for uploads below the caller's own prefix, and below
// prefix there unless that is empty.
func (c *Client) STS(ctx context.Context, prefix string) (STSCredentials, error) {
	in := struct {
		Prefix string `json:"prefix,omitempty"`
	}{prefix}
	var out STSCredentials
	err := c.Call(ctx, "asking for credentials", http.MethodPost, "/sts", in, &out)
	return out, err
}

// Session is the answer of POST /session: an endpoint under which the routes
// below /s3/ work without a token.
type Session struct {
	Endpoint  string    `json:"endpoint"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Session asks for a session of at most so many seconds; 0 leaves that to the
// function.
func (c *Client) Session(ctx context.Context, seconds int64) (Session, error) {
	in := struct {
		ExpiresIn int64 `json:"expiresIn,omitempty"`
	}{seconds}
	var out Session
	err := c.Call(ctx, "asking for a session", http.MethodPost, "/session", in, &out)
	return out, err
}
