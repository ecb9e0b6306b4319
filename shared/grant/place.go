package grant

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/callerauth"
)

// A deployment's objects lie in three places of the bucket:
//
//	<prefix><subject>/…      uploads, each subject's below a segment of its own
//	<prefix>_sts/<subject>/… what subjects upload with STS credentials
//	_ossupload/<prefix>…     what is ours alone: markers, queue, the sweep's cursor
//
// No segment of a prefix or of an upload's key begins with "_" but for a
// subject's, where "_" stands before two hex digits or, doubled, before a hash:
// so no key is in two places.
const (
	ownRoot       = "_ossupload/"
	stsRoot       = "_sts/"
	announcedRoot = "_announced/"
	sweepRoot     = "_sweep/"
)

// OwnRoot is what all of our own objects begin with, for uploads under prefix.
func OwnRoot(prefix string) string { return ownRoot + prefix }

// AnnouncedPrefix is where the markers lie of uploads under prefix.
func AnnouncedPrefix(prefix string) string { return OwnRoot(prefix) + announcedRoot }

// SweepPrefix is where the sweep keeps its own state.
func SweepPrefix(prefix string) string { return OwnRoot(prefix) + sweepRoot }

// STSRoot is what everything begins with that was uploaded with STS credentials.
func STSRoot(prefix string) string { return prefix + stsRoot }

// OwnPrefix is the prefix under which every key of subject lies, and no key of
// anybody else.
func (p Policy) OwnPrefix(subject string) string {
	return p.Prefix + SubjectSegment(subject) + "/"
}

// STSPrefix is the prefix for what subject uploads with credentials of its own.
func (p Policy) STSPrefix(subject string) string {
	return STSRoot(p.Prefix) + SubjectSegment(subject) + "/"
}

// Mine reports whether this policy could have made key for this very subject. It
// is the one place that decides whose a key is, by its form; whether it was
// granted, the sealed grant of the object says.
func (p Policy) Mine(subject, key string) bool {
	name, ok := strings.CutPrefix(key, p.OwnPrefix(subject))
	return ok && callerauth.CheckName(name) == nil
}

// Anybodys reports whether this policy could have made key for some subject.
func (p Policy) Anybodys(key string) bool {
	below, ok := strings.CutPrefix(key, p.Prefix)
	segment, name, _ := strings.Cut(below, "/")
	return ok && isSegment(segment) && callerauth.CheckName(name) == nil
}

// isSegment reports whether SubjectSegment can have made s.
func isSegment(s string) bool {
	if hash, ok := strings.CutPrefix(s, "__"); ok {
		return len(hash) == 2*sha256.Size && strings.Trim(hash, "0123456789abcdef") == ""
	}
	if s == "" || len(s) > maxSegment {
		return false
	}
	for rest := s; rest != ""; {
		escaped, ok := strings.CutPrefix(rest, "_")
		if !ok {
			if strings.Trim(rest[:1], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				return false
			}
			rest = rest[1:]
			continue
		}
		if len(escaped) < 2 {
			return false
		}
		if c, err := strconv.ParseUint(escaped[:2], 16, 8); err != nil || SubjectSegment(string([]byte{byte(c)})) != rest[:3] {
			return false // not hex in lower case, or of a byte that stays as it is
		}
		rest = escaped[2:]
	}
	return true
}

// Marker is the name of the object which says how far the announcement is of what
// is stored under key:
//
//	uploads/alice/2026/11/<id>.png
//	_ossupload/uploads/_announced/alice/2026/11/<id>.png-<first 16 hex digits of SHA-256(ETag LF size LF Last-Modified)>
//
// with size in bytes and Last-Modified in Unix seconds. All of these are in a
// listing, so that a page of objects and a page of markers are compared without
// asking for any object; and a second version, also one of the same bytes, has a
// marker of its own.
func Marker(prefix, key, etag string, size int64, modified time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", etag, size, modified.Unix()))
	return MarkerStem(prefix, key) + "-" + hex.EncodeToString(sum[:8])
}

// MarkerStem is what the markers of key begin with, before "-". It sorts before
// them, and stems sort as their keys do. Between a stem and its markers lie those
// of other keys that are this one and a byte below "-", as "x+y" is for "x".
func MarkerStem(prefix, key string) string {
	return AnnouncedPrefix(prefix) + strings.TrimPrefix(key, prefix)
}
