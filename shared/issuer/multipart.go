package issuer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// Uploads starts and ends multipart uploads: storage.Client.
type Uploads interface {
	Initiate(ctx context.Context, key string, header map[string]string) (uploadID string, err error)
	Abort(ctx context.Context, key, uploadID string) error
}

// Multipart starts the upload that was granted, and returns its token, which
// clients know as the upload id. If anything fails, it leaves no upload behind
// that has no token.
func (i *Issuer) Multipart(ctx context.Context, g grant.Grant, at Uploads) (token string, err error) {
	// OSS's upload ids are 32 characters. Whether the token will fit is better
	// known before there is an upload.
	claims := g.Claims
	claims.UploadID = strings.Repeat("0", 32)
	if _, err := i.config.Keyring.Seal(uploadtoken.Multipart, claims); err != nil {
		return "", err
	}
	header := maps.Clone(g.Header)
	if err := i.storeGrant(g, header); err != nil {
		return "", err
	}
	if claims.UploadID, err = at.Initiate(ctx, claims.Key, header); err != nil {
		return "", err
	}
	token, err = i.config.Keyring.Seal(uploadtoken.Multipart, claims)
	if err != nil {
		return "", errors.Join(
			fmt.Errorf("sealing the id of an upload that was started: %w", err),
			at.Abort(ctx, claims.Key, claims.UploadID),
		)
	}
	return token, nil
}

// Parts signs the parts of one multipart upload.
type Parts struct {
	*signing.Parts
	Expires int64 // seconds
	claims  uploadtoken.Claims
}

// Parts prepares the part URLs of an upload. Where size and part size are agreed
// the exact length of each part is signed; a Content-Type never is, since
// browsers send none with a part.
func (i *Issuer) Parts(ctx context.Context, c uploadtoken.Claims, notAfter time.Time) (Parts, error) {
	lease, err := i.lease(ctx, Term{NotAfter: notAfter})
	if err != nil {
		return Parts{}, err
	}
	parts, err := i.uploads.PresignParts(lease.credentials, signing.Request{
		Method: http.MethodPut, Bucket: c.Bucket, Key: c.Key,
		Query: []signing.Param{{Name: "uploadId", Value: c.UploadID}}, Expires: lease.life,
	}, c.PartCount() > 0, lease.now)
	if err != nil {
		return Parts{}, fmt.Errorf("signing parts: %w", err)
	}
	return Parts{Parts: parts, Expires: lease.seconds(), claims: c}, nil
}

// AppendURL appends the presigned URL of one part.
func (p Parts) AppendURL(dst []byte, number int64) ([]byte, error) {
	length, _ := p.claims.PartLength(number)
	return p.Parts.AppendURL(dst, number, length)
}

// AppendSignature appends what the URL of this part has in place of the
// template's placeholder.
func (p Parts) AppendSignature(dst []byte, number int64) ([]byte, error) {
	length, _ := p.claims.PartLength(number)
	return p.Parts.AppendSignature(dst, number, length)
}
