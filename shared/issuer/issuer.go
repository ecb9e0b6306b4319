// Package issuer turns a grant into what an uploader gets: a presigned PUT, a
// POST form, a multipart upload and its part URLs, with the upload token and the
// callback inside; and it signs downloads.
//
// All of it is signed under a lease (lease.go): a role's credentials, and a life
// that is never longer than was asked, than policy allows, or than the
// credentials last, whichever ends first. Nothing is issued in another way.
//
// It imports signing, rolecreds, grant, uploadtoken and osscallback, which it
// brings together, and rawjson to write the answer.
package issuer

import (
	"errors"
	"fmt"
	"time"

	"ossupload/shared/osscallback"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// Config is what an Issuer needs.
type Config struct {
	Region      string
	Uploads     signing.Endpoint // in URLs of uploads
	Downloads   signing.Endpoint // in URLs of downloads; zero: that of uploads
	Credentials rolecreds.Source
	Keyring     *uploadtoken.Keyring // seals tokens and grants
	CallbackURL string               // where OSS announces PUTs and forms
	MaxExpires  time.Duration        // of whatever is signed
	Now         func() time.Time
}

// Issuer issues presigned requests. It is safe for concurrent use.
type Issuer struct {
	config             Config
	callback           string // the parameter, which is the same for all
	uploads, downloads *signing.Signer
}

// New returns an Issuer. It makes no calls.
func New(c Config) (*Issuer, error) {
	if c.Credentials == nil || c.Keyring == nil || c.Now == nil || c.MaxExpires < time.Second {
		return nil, errors.New("an issuer needs credentials, a keyring, a clock and a longest life")
	}
	if c.Downloads == (signing.Endpoint{}) {
		c.Downloads = c.Uploads
	}
	i := &Issuer{config: c}
	var err error
	if i.callback, err = osscallback.Param(c.CallbackURL); err != nil {
		return nil, err
	}
	if i.uploads, err = signing.New(c.Region, c.Uploads); err != nil {
		return nil, fmt.Errorf("making the signer of uploads: %w", err)
	}
	if i.downloads, err = signing.New(c.Region, c.Downloads); err != nil {
		return nil, fmt.Errorf("making the signer of downloads: %w", err)
	}
	return i, nil
}

// Signed is a signed URL, as clients get it.
type Signed struct {
	Method    string    `json:"method"`
	URL       string    `json:"url"`
	Expires   int64     `json:"expires"`   // seconds
	ExpiresAt time.Time `json:"expiresAt"` // from here on OSS refuses it
}

func (l lease) signed(method, url string, expiresAt time.Time) Signed {
	return Signed{Method: method, URL: url, Expires: l.seconds(), ExpiresAt: expiresAt.UTC()}
}
