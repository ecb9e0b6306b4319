// Package issuer turns a grant into what an uploader gets: a presigned PUT, a
// POST form or part URLs, with the upload token and the callback inside. It signs
// with a role's credentials and tells how long the result really lives: never
// longer than asked, than policy allows, or than the credentials themselves,
// whichever ends first.
//
// It imports signing, rolecreds, grant, uploadtoken and osscallback, which it
// brings together.
package issuer

import (
	"context"
	"fmt"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// least is how long credentials must last for a URL to be worth issuing.
const least = 60 * time.Second

// ErrExpiring means that the credentials have under a minute left.
var ErrExpiring = &api.Error{
	Code:       api.CredentialsExpiring,
	Message:    "The credentials are being renewed. Try again.",
	RetryAfter: 5 * time.Second,
	Log:        "credentials are about to expire",
}

// Issuer issues presigned requests. It is safe for concurrent use.
type Issuer struct {
	Signer      *signing.Signer
	Credentials rolecreds.Source
	Keyring     *uploadtoken.Keyring // seals tokens and grants
	CallbackURL string               // where OSS announces PUTs and forms
	Now         func() time.Time
}

// Issued is a signed URL. Expires is its life in whole seconds, ExpiresAt the
// instant from which OSS refuses it.
type Issued struct {
	signing.Presigned
	Expires int64
}

// Presign signs req to live for life, or for what the credentials have left.
// req.Expires is ignored.
func (i Issuer) Presign(ctx context.Context, req signing.Request, life time.Duration) (Issued, error) {
	credentials, now, life, err := i.lease(ctx, life)
	if err != nil {
		return Issued{}, err
	}
	req.Expires = life
	signed, err := i.Signer.Presign(credentials, req, now)
	if err != nil {
		return Issued{}, fmt.Errorf("signing URL: %w", err)
	}
	return Issued{Presigned: signed, Expires: int64(life / time.Second)}, nil
}

// lease returns credentials and the time for which something that they sign
// now is good: whole seconds, counted from now's whole second, which is what a
// signature's date can express.
func (i Issuer) lease(ctx context.Context, life time.Duration) (signing.Credentials, time.Time, time.Duration, error) {
	c, err := i.Credentials.Credentials(ctx)
	if err != nil {
		return signing.Credentials{}, time.Time{}, 0, err
	}
	clock := i.Now()
	now := clock.Truncate(time.Second)
	if left, bounded := c.Remaining(clock); bounded {
		if left < least {
			return signing.Credentials{}, time.Time{}, 0, ErrExpiring
		}
		left, _ = c.Remaining(now)
		life = min(life, left.Truncate(time.Second))
	}
	return signing.Credentials{
		AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken,
	}, now, life, nil
}
