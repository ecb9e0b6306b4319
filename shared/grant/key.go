package grant

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"
)

// maxSegment bounds the part of a key that stands for the subject.
const maxSegment = 128

// CheckPrefix reports why prefix cannot stand before all keys of a deployment.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return errors.New("must not be empty")
	}
	return CheckBelow(prefix)
}

// CheckBelow reports why prefix cannot stand below another one, before keys. An
// empty one can.
func CheckBelow(prefix string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"
	switch {
	case prefix == "":
		return nil
	case !strings.HasSuffix(prefix, "/"):
		return errors.New(`must end in "/"`)
	case strings.HasPrefix(prefix, "/"):
		return errors.New(`must not begin with "/"`)
	case strings.Trim(prefix, allowed) != "":
		return errors.New("must be of letters, digits and - _ . /")
	case len(prefix) > 256:
		return errors.New("must be at most 256 bytes")
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || segment[0] == '_' {
			return errors.New(`must not have a segment that is empty, "." or "..", or begins with "_"`)
		}
	}
	return nil
}

// SubjectSegment maps subjects to path segments one to one: bytes outside
// [a-z0-9-] become _hh. A segment that would be too long is replaced by "__"
// and a hash; no other segment begins so, since "_" itself becomes "_5f".
func SubjectSegment(subject string) string {
	segment := make([]byte, 0, maxSegment)
	for i := range len(subject) {
		c := subject[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' {
			segment = append(segment, c)
		} else {
			segment = hex.AppendEncode(append(segment, '_'), []byte{c})
		}
	}
	if len(segment) > maxSegment {
		sum := sha256.Sum256([]byte(subject))
		return "__" + hex.EncodeToString(sum[:])
	}
	return string(segment)
}

// extensionOf is "." and the extension of a file name when it is 1 to 8 of
// a-z 0-9 in any case, else empty.
func extensionOf(filename string) string {
	dot := strings.LastIndexByte(filename, '.')
	if dot < 0 {
		return ""
	}
	ext := strings.ToLower(filename[dot+1:])
	if len(ext) < 1 || len(ext) > 8 || strings.Trim(ext, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return "." + ext
}

// newUUIDv7 makes a UUID of version 7 (RFC 9562, 5.7): 48 bits of Unix
// milliseconds, then 74 random bits. Its text is a key's last segment and the
// name of the upload.
func newUUIDv7(now time.Time, random io.Reader) (string, error) {
	var u [16]byte
	if _, err := io.ReadFull(random, u[6:]); err != nil {
		return "", err
	}
	binary.BigEndian.PutUint32(u[0:4], uint32(now.UnixMilli()>>16))
	binary.BigEndian.PutUint16(u[4:6], uint16(now.UnixMilli()))
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{u[0:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text), nil
}
