// Package hold holds a stored object against what was granted: that it carries a
// grant of ours for its very key, and that it is what the grant says. Nothing that
// a client says about the bytes enters, only what a HEAD shows.
//
// It imports storage for what a HEAD shows, uploadtoken, which opens grants, and
// grant for the names of metadata.
package hold

import (
	"fmt"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

const mismatched = "The stored object is not what was granted."

var (
	// ErrMismatch means that the object is not what was granted.
	ErrMismatch = &api.Error{Code: api.ObjectMismatch, Message: mismatched, Reason: "object", Log: "object is not what was granted"}
	// ErrNoGrant means that the object carries no grant that we sealed for it.
	ErrNoGrant = &api.Error{Code: api.ObjectMismatch, Message: mismatched, Reason: "object", Log: "object carries no grant"}
)

var errChecksum = &api.Error{Code: api.ChecksumMismatch, Message: "The bytes that were stored are not those that were declared.", Log: "checksum is not the declared one"}

// ChecksumMismatch is an ErrMismatch whose cause is the declared CRC-64. It tells
// the client both.
func ChecksumMismatch(expected, actual string) error {
	answer := errChecksum.With(struct {
		Expected string `json:"expected"`
		Actual   string `json:"actual"`
	}{expected, actual})
	return fmt.Errorf("%w: %w: CRC-64 is %s, declared was %s", answer, ErrMismatch, actual, expected)
}

// Grant opens the grant that an object carries. It must name this very key:
// metadata can be copied from one object to another. It fails with ErrNoGrant.
func Grant(k *uploadtoken.Keyring, key string, object storage.Object) (uploadtoken.Claims, error) {
	token := object.Metadata[grant.MetaGrant]
	if token == "" {
		return uploadtoken.Claims{}, ErrNoGrant
	}
	// A grant opens at any age, so the time does not matter.
	claims, err := k.Open(uploadtoken.Grant, token, time.Time{})
	if err != nil {
		return uploadtoken.Claims{}, fmt.Errorf("%w: %w", ErrNoGrant, err)
	}
	if claims.Key != key {
		return uploadtoken.Claims{}, fmt.Errorf("%w of its own", ErrNoGrant)
	}
	return claims, nil
}

// CheckUpload fails with ErrMismatch for an object that carries the grant of
// another upload than claims are of. Two uploads may have one key, if the
// application chose it; and where OSS does not forbid to overwrite, the object is
// that of the second, and the first one's claims say nothing about it.
func CheckUpload(k *uploadtoken.Keyring, claims uploadtoken.Claims, object storage.Object) error {
	if stored, err := Grant(k, claims.Key, object); err == nil && stored.ID != claims.ID {
		return mismatch("it is that of another upload")
	}
	return nil
}

// Check holds an object against what was granted. It fails with ErrMismatch.
func Check(claims uploadtoken.Claims, object storage.Object) error {
	if err := checkBytes(claims, object); err != nil {
		return err
	}
	return checkHeaders(claims, object)
}

func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMismatch}, args...)...)
}

// checkBytes holds the content against its grant.
func checkBytes(claims uploadtoken.Claims, object storage.Object) error {
	switch {
	case object.Type != "Normal" && object.Type != "Multipart":
		// A symlink shows the bytes of another object, and may show others later.
		return mismatch("it is of type %q", object.Type)
	case claims.Size != nil && object.Size != *claims.Size:
		return mismatch("its size is %d, granted was %d", object.Size, *claims.Size)
	case object.Size > claims.MaxSize:
		return mismatch("its size is %d, granted were at most %d", object.Size, claims.MaxSize)
	case claims.CRC64 != "" && object.CRC64 != claims.CRC64:
		return ChecksumMismatch(claims.CRC64, object.CRC64)
	}
	return nil
}

// checkHeaders holds what describes the content against its grant: nothing may be
// added. V4 signs none of the standard headers, so any holder of the URL could;
// and OSS applies form fields that no condition names.
func checkHeaders(claims uploadtoken.Claims, object storage.Object) error {
	switch {
	case claims.ContentType != "" && object.ContentType != claims.ContentType:
		return mismatch("its content type is %q, granted was %q", object.ContentType, claims.ContentType)
	case object.ContentEncoding != "" || object.ContentDisposition != "":
		return mismatch("it has a Content-Encoding or Content-Disposition that nobody granted")
	case object.CacheControl != "" || object.Expires != "":
		return mismatch("it has a Cache-Control or Expires that nobody granted")
	case object.Tags > claims.Tags:
		return mismatch("it has %d tags, granted were %d", object.Tags, claims.Tags)
	case grant.MetadataSum(object.Metadata) != claims.Metadata:
		return mismatch("its metadata is not what was granted")
	}
	return nil
}
