// Package grant decides: from a caller and a wish to what may be signed.
//
// A Policy is the operator's, a Wish the client's, and the caller's token may
// narrow the policy but never widen it. The answer is a Grant (the claims that
// bind every later step, and the headers that the upload must carry) or a
// refusal that names every field at fault at once.
//
// Keys are made here and nowhere else. A client chooses no byte of them but a
// short file extension; the application may choose the name of one object in the
// caller's token. Whose a key is, is decided here as well (Policy.Mine).
//
// The package imports uploadtoken because claims are what it grants, and
// callerauth because a caller's token carries limits of its own.
package grant

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/uploadtoken"
)

// Limits of OSS ("Limits", help centre) and of this project.
const (
	MaxSingle   = 5 << 30                  // bytes of a PUT or a form upload, and of one part
	MaxObject   = 48_800_000_000_000       // bytes of a multipart upload: 48.8 TB
	MinPart     = 100 << 10                // bytes of every part but the last
	MaxParts    = 10_000                   // parts of one upload
	defaultPart = 5 << 20                  // bytes, for objects that fit MaxParts of them
	maxMetadata = 2 << 10                  // bytes of names and encoded values
	MetaPrefix  = "x-oss-meta-"            // user metadata, as OSS spells it
	MetaGrant   = "ossupload-grant"        // metadata that holds the sealed grant
	MetaName    = "ossupload-filename"     // metadata that holds the original name
	ownPrefix   = "ossupload"              // metadata and tag names that are ours
	overwrite   = "x-oss-forbid-overwrite" // keeps a second PUT of the same URL out
)

// ErrMethod is returned for a way to upload that the operator has not enabled.
var ErrMethod = &api.Error{Code: api.Forbidden, Message: "This way to upload is not enabled.", Log: "upload method is not enabled"}

// Policy is what the operator allows. Sizes are bytes.
type Policy struct {
	Bucket         string
	Prefix         string // of every key, see CheckPrefix
	MaxSize        int64
	ContentTypes   Types
	Methods        []uploadtoken.Method
	TokenTTL       time.Duration // of an upload token
	StorageClasses []string      // that a client may ask for
	TagKeys        []string      // that a client may set
	URLUnsized     bool          // a url upload need not tell its size
	MaxOpen        int           // multipart uploads that one subject may have open; 0: any
}

// Wish is what a client asks for. It is of sound shape: texts hold no control
// characters, metadata names are of a-z 0-9 -, numbers are not negative (see
// the validate tags of the requests).
type Wish struct {
	Method       uploadtoken.Method
	Filename     string
	Size         *int64 // exact size in bytes, nil when unknown
	PartSize     int64  // multipart only: 0 lets the policy choose
	ContentType  string
	MD5          string // base64 of 16 bytes
	CRC64        string // decimal
	Metadata     map[string]string
	StorageClass string
	Tags         map[string]string
	Vars         map[string]string
}

// Grant is what may be signed.
type Grant struct {
	// Claims lack only what the granting request cannot know: OSS's upload id.
	Claims uploadtoken.Claims
	// Header must be sent, and nothing of it changed, by the request that
	// creates the object. The sealed grant is not yet among it.
	Header map[string]string
}

// Check names what the policy refuses of w. It is for a wish that will not be
// granted anyway, whose shape need not be sound.
func (p Policy) Check(caller callerauth.Caller, w Wish) []api.Fault {
	_, faults := p.decide(caller, w)
	return faults
}

// decision is what a policy makes of a wish.
type decision struct {
	contentType string
	maxSize     int64
	partSize    int64
	header      map[string]string
}

func (p Policy) decide(caller callerauth.Caller, w Wish) (decision, []api.Fault) {
	var f faults
	d := decision{contentType: p.contentType(caller, w, &f), maxSize: p.checkSize(caller, w, &f), partSize: p.partSize(w, &f)}
	d.header = p.header(w, d.contentType, &f)
	if caller.Limits.Key != "" && w.Method == uploadtoken.URL {
		// It sends no header that forbids overwriting, and without a type of its own
		// it would be stored as what the key names.
		f.add("as", `cannot be "url", which could overwrite the one object that your token names`)
	}
	return d, f
}

// Grant decides about w. It fails with api.Invalid, which names every field that
// the policy refuses, ErrMethod, or with random's error.
func (p Policy) Grant(caller callerauth.Caller, w Wish, now time.Time, random io.Reader) (Grant, error) {
	if !slices.Contains(p.Methods, w.Method) {
		return Grant{}, fmt.Errorf("%w: %s", ErrMethod, w.Method)
	}
	d, refused := p.decide(caller, w)
	if len(refused) > 0 {
		return Grant{}, api.Invalid(refused...)
	}
	extension := w.Filename
	if guess, known := extensionTypes[extensionOf(extension)]; d.contentType == "" || known && guess != bareType(d.contentType) {
		// OSS may guess a type that nobody granted from the key, and people do.
		extension = ""
	}
	id, err := newUUIDv7(now, random)
	if err != nil {
		return Grant{}, fmt.Errorf("reading randomness for a key: %w", err)
	}
	name := now.UTC().Format("2006/01/") + id + extensionOf(extension)
	if caller.Limits.Key != "" {
		name = caller.Limits.Key
	}

	claims := uploadtoken.Claims{
		ID:          id,
		Method:      w.Method,
		Place:       uploadtoken.Place{Bucket: p.Bucket, Prefix: p.Prefix},
		Key:         p.OwnPrefix(caller.Subject) + name,
		Session:     caller.Session,
		Subject:     caller.Subject,
		Size:        w.Size,
		MaxSize:     d.maxSize,
		ContentType: d.contentType,
		CRC64:       w.CRC64,
		Tags:        len(w.Tags),
		PartSize:    d.partSize,
		Vars:        w.Vars,
		Context:     caller.Limits.Context,
		IssuedAt:    now.Unix(),
		ExpiresAt:   now.Add(p.TokenTTL).Unix(),
	}
	if w.Method == uploadtoken.URL {
		claims.Filename = w.Filename
	} else {
		d.header[MetaPrefix+MetaName] = Escape(w.Filename)
		d.header[overwrite] = "true"
	}
	claims.Metadata = sumBelow(MetaPrefix, d.header)
	return Grant{Claims: claims, Header: d.header}, nil
}

// AllowsUngranted reports whether an object of this type may be a url upload, which
// carries no grant.
func (p Policy) AllowsUngranted(contentType string) bool {
	bare, sound := judged(contentType)
	return slices.Contains(p.Methods, uploadtoken.URL) && sound && p.ContentTypes.Allow(bare)
}

// Ungranted is what today's policy would grant at most to a url upload of subject.
func (p Policy) Ungranted(subject, contentType string) uploadtoken.Claims {
	return uploadtoken.Claims{Method: uploadtoken.URL, Subject: subject, MaxSize: min(p.MaxSize, MaxSingle), ContentType: contentType}
}

// faults collects what is wrong with a wish.
type faults []api.Fault

func (f *faults) add(field, reason string) {
	if reason != "" {
		*f = append(*f, api.Fault{Field: field, Reason: reason})
	}
}

// contentType is the type that the upload will carry: the asked one, one that
// fits the file name, or application/octet-stream. A URL upload that asks for no
// type has none.
func (p Policy) contentType(caller callerauth.Caller, w Wish, f *faults) string {
	const fallback = "application/octet-stream"
	signed := w.ContentType
	bare, sound := judged(signed)
	if signed == "" {
		bare, sound = typeOf(w.Filename), true
		if w.Method == uploadtoken.URL || !p.ContentTypes.Allow(bare) {
			bare = fallback
		}
	}
	switch {
	case !sound:
		f.add("contentType", "must be one type/subtype, with one charset at most")
	case !p.ContentTypes.Allow(bare):
		f.add("contentType", fmt.Sprintf("%q is not an allowed type%s", bare, p.ContentTypes.instead()))
	case caller.Limits.ContentTypes != nil && !Types(caller.Limits.ContentTypes).Allow(bare):
		f.add("contentType", fmt.Sprintf("%q is not a type that your token allows%s", bare, Types(caller.Limits.ContentTypes).instead()))
	}
	switch {
	case signed == "" && w.Method == uploadtoken.URL:
		return ""
	case strings.Contains(signed, ";"):
		return signed // as it was asked, to the letter
	}
	return bare
}

// bareType is a content type without its charset.
func bareType(contentType string) string {
	bare, _ := judged(contentType)
	return bare
}

// checkSize returns the greatest size that this upload may have.
func (p Policy) checkSize(caller callerauth.Caller, w Wish, f *faults) int64 {
	limit := p.MaxSize
	if caller.Limits.MaxSize != nil {
		limit = min(limit, *caller.Limits.MaxSize)
	}
	if w.Method == uploadtoken.MultipartPart {
		limit = min(limit, MaxObject)
	} else {
		limit = min(limit, MaxSingle)
	}
	switch {
	case w.Size == nil && w.Method == uploadtoken.Put:
		f.add("size", "is required")
	case w.Size == nil && w.Method == uploadtoken.URL && !p.URLUnsized:
		f.add("size", "is required with \"url\": nothing else would bound what is stored")
	case w.Size == nil:
	case *w.Size > limit:
		f.add("size", fmt.Sprintf("must be at most %d bytes", limit))
	}
	return limit
}

// partSize returns the agreed size of every part but the last, or 0 when the
// client chooses part by part.
func (p Policy) partSize(w Wish, f *faults) int64 {
	if w.Method != uploadtoken.MultipartPart || (w.PartSize == 0 && w.Size == nil) {
		return 0
	}
	size := w.PartSize
	if size == 0 {
		// Whole MiB, so that MaxParts of them always hold the object.
		const mib = 1 << 20
		perPart := (*w.Size + MaxParts - 1) / MaxParts
		size = max(defaultPart, (perPart+mib-1)/mib*mib)
	}
	switch {
	case size < MinPart || size > MaxSingle:
		f.add("partSize", fmt.Sprintf("must be %d to %d bytes", MinPart, int64(MaxSingle)))
	case w.Size != nil && *w.Size > size*MaxParts:
		f.add("partSize", fmt.Sprintf("%d bytes need more than %d parts of this size", *w.Size, MaxParts))
	}
	return size
}

// header is what the creating request must carry, and the checks of it.
func (p Policy) header(w Wish, contentType string, f *faults) map[string]string {
	h := make(map[string]string)
	if contentType != "" {
		h["Content-Type"] = contentType
	}
	if w.Method == uploadtoken.URL {
		refuseHeaders(w, f)
		return h
	}
	switch {
	case w.MD5 == "":
	case w.Method != uploadtoken.Put:
		f.add("checksum.md5", `can be used with "put" only`)
	default:
		h["Content-MD5"] = w.MD5
	}
	if w.StorageClass != "" {
		if !slices.Contains(p.StorageClasses, w.StorageClass) {
			f.add("storageClass", "is not an allowed storage class")
		}
		h["x-oss-storage-class"] = w.StorageClass
	}
	if len(w.Tags) > 0 {
		h["x-oss-tagging"] = p.tagging(w.Tags, f)
	}
	addMetadata(h, w.Metadata, f)
	return h
}

// refuseHeaders refuses what only headers could carry.
func refuseHeaders(w Wish, f *faults) {
	for _, asked := range []struct {
		field string
		is    bool
	}{
		{"metadata", len(w.Metadata) > 0},
		{"tags", len(w.Tags) > 0},
		{"storageClass", w.StorageClass != ""},
		{"checksum.md5", w.MD5 != ""},
	} {
		if asked.is {
			f.add(asked.field, `cannot be used with "url", which sends no headers`)
		}
	}
}

// addMetadata adds user metadata to headers, as it travels.
func addMetadata(h, metadata map[string]string, f *faults) {
	total := 0
	for _, name := range sortedNames(metadata) {
		if IsOwnMetadata(name) {
			f.add("metadata."+name, "is a reserved name")
		}
		value := metadata[name]
		if len(value) <= maxMetadata { // what is longer will not be granted
			value = Escape(value)
		}
		total += len(name) + len(value)
		h[MetaPrefix+name] = value
	}
	if total > maxMetadata {
		f.add("metadata", fmt.Sprintf("must be at most %d bytes, names and percent-encoded values together", maxMetadata))
	}
}

// tagging is the value of x-oss-tagging: a=b&c=d with both sides encoded.
func (p Policy) tagging(tags map[string]string, f *faults) string {
	values := make(url.Values, len(tags))
	for _, key := range sortedNames(tags) {
		if strings.HasPrefix(strings.ToLower(key), ownPrefix) || !slices.Contains(p.TagKeys, key) {
			f.add("tags."+key, "is not an allowed tag")
			continue // it may be as large as a body
		}
		values.Set(key, tags[key])
	}
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}
