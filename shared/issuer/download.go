package issuer

import (
	"context"
	"fmt"
	"net/http"

	"ossupload/shared/signing"
)

// Download signs the GET of an object with these parameters.
func (i *Issuer) Download(ctx context.Context, bucket, key string, query map[string]string, term Term) (Signed, error) {
	lease, err := i.lease(ctx, term)
	if err != nil {
		return Signed{}, err
	}
	signed, err := i.downloads.Presign(lease.credentials, signing.Request{
		Method: http.MethodGet, Bucket: bucket, Key: key, Query: signing.Query(query), Expires: lease.life,
	}, lease.now)
	if err != nil {
		return Signed{}, fmt.Errorf("signing a download: %w", err)
	}
	return lease.signed(signed.Method, signed.URL, signed.ExpiresAt), nil
}
