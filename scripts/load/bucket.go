package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack"
)

// The names of what the functions keep beside the uploads.
const (
	uploadPrefix = "uploads/" // of the stack
	ownRoot      = "_ossupload/" + uploadPrefix
	markers      = ownRoot + "_announced/"
	pending      = ownRoot + "_pending/"
	dead         = ownRoot + "_dead/"
)

// What a marker says in the end.
const (
	taken   = "taken" // the event was delivered
	givenUp = "dead"  // the receiver refused it for good
)

// object is what a HEAD shows.
type object struct {
	size                              int
	etag, crc, contentType, versionID string
	modified                          time.Time
}

// errAbsent means that there is no such object.
var errAbsent = errors.New("there is no such object")

// storage is what OSS keeps, as the developer sees it: nothing of the product is
// asked, and none of its code.
type storage interface {
	head(ctx context.Context, key string) (object, error)
	get(ctx context.Context, key string) (string, error)
	list(ctx context.Context, prefix string) ([]string, error)
}

// bucket is the stack's own.
type bucket struct {
	sdk  *sdk.Client
	name string
}

func newBucket(ready stack.Ready, h *http.Client) bucket {
	return bucket{ready.Developer(h), ready.Bucket}
}

func (b bucket) head(ctx context.Context, key string) (object, error) {
	h, err := b.sdk.HeadObject(ctx, &sdk.HeadObjectRequest{Bucket: &b.name, Key: &key})
	if err != nil {
		return object{}, absent(err)
	}
	return object{
		size: int(h.ContentLength), etag: strings.Trim(sdk.ToString(h.ETag), `"`), crc: sdk.ToString(h.HashCRC64),
		contentType: sdk.ToString(h.ContentType), versionID: sdk.ToString(h.VersionId), modified: sdk.ToTime(h.LastModified).UTC(),
	}, nil
}

func (b bucket) get(ctx context.Context, key string) (string, error) {
	res, err := b.sdk.GetObject(ctx, &sdk.GetObjectRequest{Bucket: &b.name, Key: &key})
	if err != nil {
		return "", absent(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return string(text), err
}

func (b bucket) list(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	pages := b.sdk.NewListObjectsV2Paginator(&sdk.ListObjectsV2Request{Bucket: &b.name, Prefix: &prefix, MaxKeys: 1000})
	for pages.HasNext() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", prefix, err)
		}
		for _, o := range page.Contents {
			names = append(names, sdk.ToString(o.Key))
		}
	}
	return names, nil
}

func absent(err error) error {
	if s, ok := errors.AsType[*sdk.ServiceError](err); ok && s.StatusCode == http.StatusNotFound {
		return errAbsent
	}
	return err
}

// markerName is the name of the marker of an upload.
//
//	_ossupload/uploads/_announced/demo/2026/11/<id>.bin-<16 hex digits of SHA-256(ETag LF size LF Last-Modified)>
func markerName(key string, o object) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", o.etag, o.size, o.modified.Unix()))
	return markers + strings.TrimPrefix(key, uploadPrefix) + "-" + hex.EncodeToString(sum[:8])
}

// place is where the uploads of a stack lie.
type place struct{ oss, bucket string }

// due is the receipt that an upload must have, now that o is stored. Its event
// id cannot be foreseen: it depends on a number that the client does not know.
func (p place) due(u upload, o object) receipt {
	return receipt{
		Location: p.oss + "/" + p.bucket + "/" + u.receipt.Key, Bucket: p.bucket, Key: u.receipt.Key,
		Size: u.size, ETag: o.etag, CRC64: u.crc, ContentType: defaultType, VersionID: o.versionID,
		Filename: u.filename(), Metadata: "{}", Vars: words(vars(u.filename())),
		UploadedAt: o.modified.Format(time.RFC3339Nano), EventID: u.receipt.EventID,
	}
}

const defaultType = "application/octet-stream"

// inspect holds an upload against what OSS keeps of it. It returns the name of
// its marker, and what is wrong, which may only not yet be as it should.
func (p place) inspect(ctx context.Context, s storage, u upload, state string) (marker string, wrong []violation, err error) {
	about := u.kind + " " + u.receipt.Key
	o, err := s.head(ctx, u.receipt.Key)
	if errors.Is(err, errAbsent) {
		return "", []violation{{"object.missing", about + ": it is not stored"}}, nil
	}
	if err != nil {
		return "", nil, err
	}
	l := newLedger(false)
	l.compare("receipt", about, u.receipt, p.due(u, o))
	for _, c := range []struct {
		name      string
		said, due any
	}{{"size", o.size, u.size}, {"crc64", o.crc, u.crc}, {"contentType", o.contentType, defaultType}} {
		if c.said != c.due {
			l.violate("object."+c.name, "%s: %v is stored, and %v was sent", about, c.said, c.due)
		}
	}
	marker = markerName(u.receipt.Key, o)
	switch text, err := s.get(ctx, marker); {
	case errors.Is(err, errAbsent):
		l.violate("marker.missing", "%s: it has no marker", about)
	case err != nil:
		return "", nil, err
	case text != state:
		l.violate("marker.state", "%s: its marker says %q, and should say %q", about, text, state)
	}
	return marker, l.violations, nil
}
