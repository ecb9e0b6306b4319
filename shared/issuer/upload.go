package issuer

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// Issued is what an uploader gets for one object. In JSON the lists are objects.
type Issued struct {
	Signed
	Headers     []signing.Param // of a PUT, to be sent as they are
	Fields      []signing.Param // of a form, to be sent as they are, the file last
	Key         string
	UploadToken string
}

// Put signs the PUT that was granted. A PUT with headers stores the sealed
// grant with the object; the url kind has no headers to store it in.
func (i *Issuer) Put(ctx context.Context, g grant.Grant, term Term) (Issued, error) {
	token, stored, err := i.seal(g)
	if err != nil {
		return Issued{}, err
	}
	vars, err := osscallback.Vars(token)
	if err != nil {
		return Issued{}, err
	}
	lease, err := i.lease(ctx, term)
	if err != nil {
		return Issued{}, err
	}
	req := signing.Request{
		Method:  http.MethodPut,
		Bucket:  g.Claims.Bucket,
		Key:     g.Claims.Key,
		Query:   []signing.Param{{Name: "callback", Value: i.callback}, {Name: "callback-var", Value: vars}},
		Header:  signing.Header(g.Header, stored...),
		Expires: lease.life,
	}
	headers := req.Header
	if g.Claims.Size != nil {
		// Signed, and not among the answer's headers: HTTP clients send it
		// themselves, and browsers do not let a script set it. No header of a grant
		// sorts before it.
		length := signing.Param{Name: "content-length", Value: strconv.FormatInt(*g.Claims.Size, 10)}
		req.Header = slices.Insert(req.Header, 0, length)
		headers = req.Header[1:]
		req.AdditionalHeaders = []string{length.Name}
	}
	signed, err := i.uploads.Presign(lease.credentials, req, lease.now)
	if err != nil {
		return Issued{}, fmt.Errorf("signing a PUT: %w", err)
	}
	return Issued{
		Signed:  lease.signed(signed.Method, signed.URL, signed.ExpiresAt),
		Headers: headers, Key: g.Claims.Key, UploadToken: token,
	}, nil
}

// Form signs the POST form that was granted: the file is of exactly the granted
// size, or of anything up to the greatest.
func (i *Issuer) Form(ctx context.Context, g grant.Grant, term Term) (Issued, error) {
	token, stored, err := i.seal(g)
	if err != nil {
		return Issued{}, err
	}
	fields := append(stored, signing.Param{Name: "callback", Value: i.callback}, signing.Param{Name: osscallback.Variable, Value: token})
	lease, err := i.lease(ctx, term)
	if err != nil {
		return Issued{}, err
	}
	form := signing.Form{
		Bucket: g.Claims.Bucket, Key: g.Claims.Key, Fields: signing.Header(pinnedFields(g), fields...), MaxSize: g.Claims.MaxSize, Expires: lease.life,
		// An uploader's choice of encryption could make the object unreadable to
		// the application; the bucket's own is not touched.
		NotIn: []signing.NotIn{
			{Name: "x-oss-server-side-data-encryption", Values: []string{"SM4"}},
			{Name: "x-oss-server-side-encryption", Values: []string{"AES256", "KMS", "SM4"}},
		},
	}
	if g.Claims.Size != nil {
		form.MinSize, form.MaxSize = *g.Claims.Size, *g.Claims.Size
	}
	signed, err := i.uploads.PresignForm(lease.credentials, form, lease.now)
	if err != nil {
		return Issued{}, fmt.Errorf("signing a form: %w", err)
	}
	return Issued{
		Signed: lease.signed(http.MethodPost, signed.URL, signed.ExpiresAt),
		Fields: signed.Fields, Key: g.Claims.Key, UploadToken: token,
	}, nil
}

// pinnedFields are the fields of a form, each with the one value that it may
// have. OSS applies a field that no condition names, so each field that could
// change what is stored is among them; the empty ones say that the object has no
// such header.
func pinnedFields(g grant.Grant) map[string]string {
	fields := map[string]string{
		"Content-Disposition":   "",
		"Content-Encoding":      "",
		"Content-Language":      "",
		"Cache-Control":         "",
		"Expires":               "",
		"x-oss-object-acl":      "default",
		"x-oss-storage-class":   "Standard",
		"success_action_status": strconv.Itoa(http.StatusOK),
	}
	maps.Copy(fields, g.Header)
	// It would override Content-Type.
	fields["x-oss-content-type"] = g.Claims.ContentType
	return fields
}

// seal returns the upload token, and the header that stores the sealed grant with
// the object: none if it is uploaded without headers.
func (i *Issuer) seal(g grant.Grant) (token string, stored []signing.Param, err error) {
	if g.Claims.Method == uploadtoken.URL {
		token, err = i.config.Keyring.Seal(uploadtoken.Upload, g.Claims)
		return token, nil, err
	}
	token, sealed, err := i.config.Keyring.SealBoth(uploadtoken.Upload, uploadtoken.Grant, g.Claims)
	if err != nil {
		return "", nil, err
	}
	return token, []signing.Param{{Name: grant.MetaPrefix + grant.MetaGrant, Value: sealed}}, nil
}

// storeGrant adds the sealed grant to the metadata of the object.
func (i *Issuer) storeGrant(g grant.Grant, header map[string]string) error {
	stored, err := i.config.Keyring.Seal(uploadtoken.Grant, g.Claims)
	if err != nil {
		return err
	}
	header[grant.MetaPrefix+grant.MetaGrant] = stored
	return nil
}
