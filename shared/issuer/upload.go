package issuer

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// Upload is what an uploader gets for one object.
type Upload struct {
	Method    string
	URL       string
	Headers   map[string]string // of a PUT, to be sent as they are
	Fields    map[string]string // of a form, to be sent as they are, the file last
	Key       string
	Expires   int64 // seconds
	ExpiresAt time.Time
	Token     string // the upload token
}

// Put signs the PUT that was granted. A PUT with headers stores the sealed
// grant with the object; the url kind has no headers to store it in.
func (i Issuer) Put(ctx context.Context, g grant.Grant) (Upload, error) {
	token, callback, err := i.callback(g)
	if err != nil {
		return Upload{}, err
	}
	headers := maps.Clone(g.Header)
	if g.Claims.Method != uploadtoken.URL {
		if err := i.storeGrant(g, headers); err != nil {
			return Upload{}, err
		}
	}
	req := signing.Request{
		Method: http.MethodPut,
		Bucket: g.Claims.Bucket,
		Key:    g.Claims.Key,
		Query:  map[string]string{"callback": callback},
		Header: maps.Clone(headers),
	}
	if g.Claims.Size != nil {
		// Signed, and not among the answer's headers: every client sends it by
		// itself, and browsers let nobody set it.
		req.Header["content-length"] = strconv.FormatInt(*g.Claims.Size, 10)
		req.AdditionalHeaders = []string{"content-length"}
	}
	signed, err := i.Presign(ctx, req, g.Expires)
	if err != nil {
		return Upload{}, err
	}
	return Upload{
		Method: signed.Method, URL: signed.URL, Headers: headers, Key: g.Claims.Key,
		Expires: signed.Expires, ExpiresAt: signed.ExpiresAt, Token: token,
	}, nil
}

// Form signs the POST form that was granted: the file is of exactly the granted
// size, or of anything up to the greatest.
//
// OSS applies a field that no condition names, so each field that could change
// what is stored is part of the form, with the one value that it may have; the
// empty ones among them say that the object has no such header.
func (i Issuer) Form(ctx context.Context, g grant.Grant) (Upload, error) {
	token, callback, err := i.callback(g)
	if err != nil {
		return Upload{}, err
	}
	fields := map[string]string{
		"Content-Disposition":   "",
		"Content-Encoding":      "",
		"Content-Language":      "",
		"Cache-Control":         "",
		"Expires":               "",
		"x-oss-object-acl":      "default",
		"x-oss-storage-class":   "Standard",
		"success_action_status": strconv.Itoa(http.StatusOK),
		"callback":              callback,
	}
	maps.Copy(fields, g.Header)
	// It would override Content-Type.
	fields["x-oss-content-type"] = g.Claims.ContentType
	if err := i.storeGrant(g, fields); err != nil {
		return Upload{}, err
	}
	form := signing.Form{
		Bucket: g.Claims.Bucket, Key: g.Claims.Key, Fields: fields, MaxSize: g.Claims.MaxSize,
		// An uploader's choice of encryption could make the object unreadable to
		// the application; the bucket's own is not touched.
		NotIn: map[string][]string{
			"x-oss-server-side-encryption":      {"AES256", "KMS", "SM4"},
			"x-oss-server-side-data-encryption": {"SM4"},
		},
	}
	if g.Claims.Size != nil {
		form.MinSize, form.MaxSize = *g.Claims.Size, *g.Claims.Size
	}
	credentials, now, life, err := i.lease(ctx, g.Expires)
	if err != nil {
		return Upload{}, err
	}
	form.Expires = life
	signed, err := i.Signer.PresignForm(credentials, form, now)
	if err != nil {
		return Upload{}, err
	}
	return Upload{
		Method: http.MethodPost, URL: signed.URL, Fields: signed.Fields, Key: g.Claims.Key,
		Expires: int64(life / time.Second), ExpiresAt: signed.ExpiresAt, Token: token,
	}, nil
}

// Parts prepares the part URLs of one multipart upload. Where size and part
// size are agreed the exact length of each part is signed; a Content-Type never
// is, since browsers send none with a part.
func (i Issuer) Parts(ctx context.Context, c uploadtoken.Claims, life time.Duration) (*signing.Parts, int64, error) {
	credentials, now, life, err := i.lease(ctx, life)
	if err != nil {
		return nil, 0, err
	}
	parts, err := i.Signer.PresignParts(credentials, signing.Request{
		Method: http.MethodPut, Bucket: c.Bucket, Key: c.Key,
		Query: map[string]string{"uploadId": c.UploadID}, Expires: life,
	}, c.PartCount() > 0, now)
	return parts, int64(life / time.Second), err
}

// callback seals the upload token, for the uploader and for the callback that
// OSS will send.
func (i Issuer) callback(g grant.Grant) (token, parameter string, err error) {
	if token, err = i.Keyring.Seal(uploadtoken.Upload, g.Claims); err != nil {
		return "", "", err
	}
	parameter, err = osscallback.Param(i.CallbackURL, token)
	return token, parameter, err
}

// storeGrant adds the sealed grant to the metadata of the object.
func (i Issuer) storeGrant(g grant.Grant, header map[string]string) error {
	stored, err := i.Keyring.Seal(uploadtoken.Grant, g.Claims)
	if err != nil {
		return err
	}
	header[grant.MetaPrefix+grant.MetaGrant] = stored
	return nil
}
