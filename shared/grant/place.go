package grant

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Under the prefix lie, beside the uploads of each subject,
//
//	_announced/   markers of what was announced, see Place.Marker
//	_sts/         what subjects upload with credentials of their own
//	_sweep/       where the sweep stopped
//
// No subject's segment is one of them: in a segment "_" stands before two hex
// digits or, doubled, before a hash.
const (
	announcedRoot = "_announced/"
	stsRoot       = "_sts/"
	sweepRoot     = "_sweep/"
)

// AnnouncedPrefix is where the markers lie of uploads under prefix. A lifecycle
// rule may delete them when no sweep looks back so far.
func AnnouncedPrefix(prefix string) string { return prefix + announcedRoot }

// SweepPrefix is where the sweep keeps its own state.
func SweepPrefix(prefix string) string { return prefix + sweepRoot }

// Reserved returns the root, one of the three above, below which key lies.
func Reserved(prefix, key string) (root string, ok bool) {
	for _, root := range []string{announcedRoot, stsRoot, sweepRoot} {
		if strings.HasPrefix(key, prefix+root) {
			return prefix + root, true
		}
	}
	return "", false
}

// Place is a key of ours, taken apart. A key orders by its fields from top to
// bottom, and so do the markers.
type Place struct {
	Prefix  string    // of the policy that made it
	Subject string    // the segment, not the subject itself
	Granted time.Time // UTC, to the millisecond, from the id
	ID      string    // of the upload
}

var (
	placeForm = regexp.MustCompile(`^((?:[^/]+/)*)([a-z0-9_-]+)/(\d{4}/\d{2}/)([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})(?:\.[a-z0-9]{1,8})?$`)
	monthForm = "2006/01/"
)

// ParseKey takes a key apart; ok is false for a key that no policy makes. It
// tells the form alone: that a key was granted, only a sealed grant does.
func ParseKey(key string) (p Place, ok bool) {
	m := placeForm.FindStringSubmatch(key)
	if m == nil {
		return Place{}, false
	}
	p = Place{Prefix: m[1], Subject: m[2], ID: m[4]}
	ms, err := strconv.ParseInt(p.ID[:8]+p.ID[9:13], 16, 64)
	if err != nil {
		return Place{}, false
	}
	p.Granted = time.UnixMilli(ms).UTC()
	return p, p.Granted.Format(monthForm) == m[3]
}

// Since is below every key that this subject was granted at t or later, and
// above every earlier one: where a listing in key order goes on.
func (p Place) Since(t time.Time) string {
	ms := uint64(t.UnixMilli())
	return p.Prefix + p.Subject + "/" + t.UTC().Format(monthForm) + fmt.Sprintf("%08x-%04x", ms>>16&0xffffffff, ms&0xffff)
}

// Marker is the key of the empty object which says that the bytes with this
// ETag were announced:
//
//	uploads/alice/2026/11/<id>.png
//	uploads/_announced/alice/2026/11/<id>-<first 16 hex digits of SHA-256(ETag)>
//
// It is a function of what a listing shows, so that a page of objects and a
// page of markers are compared without asking for any object. The version is
// no part of it, since listings lack it: a second version of the same bytes
// counts as announced.
func (p Place) Marker(etag string) string {
	sum := sha256.Sum256([]byte(etag))
	return p.MarkerStem() + "-" + hex.EncodeToString(sum[:8])
}

// MarkerStem is what the markers of this upload begin with, before "-". It
// sorts directly before them.
func (p Place) MarkerStem() string {
	return p.Prefix + announcedRoot + p.Subject + "/" + p.Granted.Format(monthForm) + p.ID
}
