package confirm

import (
	"fmt"

	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// Check holds an object against its claims. It fails with ErrMismatch.
func Check(claims uploadtoken.Claims, object storage.Object) error {
	if err := checkHeaders(claims, object); err != nil {
		return err
	}
	return checkBytes(claims, object)
}

func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMismatch}, args...)...)
}

// checkBytes holds the content against its grant.
func checkBytes(claims uploadtoken.Claims, object storage.Object) error {
	switch {
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
// added.
func checkHeaders(claims uploadtoken.Claims, object storage.Object) error {
	switch {
	case object.Type != "Normal" && object.Type != "Multipart":
		// A symlink shows the bytes of another object, and may show others later.
		return mismatch("it is of type %q", object.Type)
	case claims.ContentType != "" && object.ContentType != claims.ContentType:
		return mismatch("its content type is %q, granted was %q", object.ContentType, claims.ContentType)
	case object.ContentEncoding != "" || object.ContentDisposition != "" || object.CacheControl != "" || object.Expires != "":
		// V4 signs none of these headers, so any holder of the URL could add them;
		// nothing grants them.
		return mismatch("it has a Content-Encoding, Content-Disposition, Cache-Control or Expires that nobody granted")
	case object.Tags > claims.Tags:
		// A form could have carried them: OSS applies fields that no condition names.
		return mismatch("it has %d tags, granted were %d", object.Tags, claims.Tags)
	}
	return nil
}
