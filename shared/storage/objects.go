package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// PageSize is the most that one listing asks for, and that OSS gives.
const PageSize = 1000

// Listed is an object as a listing shows it.
type Listed struct {
	Key          string
	ETag         string // without quotes
	Size         int64  // bytes
	LastModified time.Time
}

// Page is a part of a listing.
type Page struct {
	Objects []Listed // in the order of their keys
	More    bool     // behind the last of them; then there is one
}

// List returns at most n objects, n being at most PageSize, whose keys begin
// with prefix and sort behind after, which need not be a key.
func (c *Client) List(ctx context.Context, prefix, after string, n int) (Page, error) {
	ctx, cancel := twice(ctx, callTimeout)
	defer cancel()
	const op = "ListObjectsV2"
	request := &oss.ListObjectsV2Request{Bucket: &c.bucket, MaxKeys: int32(n)}
	if prefix != "" {
		request.Prefix = &prefix
	}
	if after != "" {
		request.StartAfter = &after
	}
	res, err := c.oss.ListObjectsV2(ctx, request, attempts(2))
	if err != nil {
		return Page{}, classify(op, err)
	}
	page := Page{Objects: make([]Listed, 0, len(res.Contents)), More: res.IsTruncated}
	for _, o := range res.Contents {
		listed := Listed{Key: oss.ToString(o.Key), ETag: unquote(oss.ToString(o.ETag)), Size: o.Size, LastModified: oss.ToTime(o.LastModified).UTC()}
		if listed.Key <= after || !strings.HasPrefix(listed.Key, prefix) {
			return Page{}, outOfOrder(op)
		}
		after = listed.Key
		page.Objects = append(page.Objects, listed)
	}
	if page.More && len(page.Objects) == 0 {
		return Page{}, outOfOrder(op)
	}
	return page, nil
}

// Unfinished is a multipart upload that was neither completed nor aborted.
type Unfinished struct {
	Key       string
	ID        string // OSS's own
	Initiated time.Time
}

// UnfinishedPage is a part of a listing.
type UnfinishedPage struct {
	Uploads []Unfinished // by key, then by id
	More    bool         // behind the last of them; then there is one
}

// ListUploads returns at most n multipart uploads, n being at most PageSize,
// whose keys begin with prefix and that are listed behind after.
func (c *Client) ListUploads(ctx context.Context, prefix string, after Unfinished, n int) (UnfinishedPage, error) {
	ctx, cancel := twice(ctx, callTimeout)
	defer cancel()
	const op = "ListMultipartUploads"
	request := &oss.ListMultipartUploadsRequest{Bucket: &c.bucket, MaxUploads: int32(n)}
	if prefix != "" {
		request.Prefix = &prefix
	}
	if after.Key != "" {
		request.KeyMarker, request.UploadIdMarker = &after.Key, &after.ID
	}
	res, err := c.oss.ListMultipartUploads(ctx, request, attempts(2))
	if err != nil {
		return UnfinishedPage{}, classify(op, err)
	}
	page := UnfinishedPage{Uploads: make([]Unfinished, 0, len(res.Uploads)), More: res.IsTruncated}
	previous := after.Key
	for _, u := range res.Uploads {
		listed := Unfinished{Key: oss.ToString(u.Key), ID: oss.ToString(u.UploadId), Initiated: oss.ToTime(u.Initiated).UTC()}
		// In which order OSS lists the ids of one key is not documented.
		if listed.Key < previous || listed.Key == after.Key && listed.ID == after.ID || !strings.HasPrefix(listed.Key, prefix) {
			return UnfinishedPage{}, outOfOrder(op)
		}
		previous = listed.Key
		page.Uploads = append(page.Uploads, listed)
	}
	if page.More && len(page.Uploads) == 0 {
		return UnfinishedPage{}, outOfOrder(op)
	}
	return page, nil
}

func outOfOrder(op string) error {
	return &Error{Op: op, Reason: ErrUnavailable, cause: errors.New("the pages do not go forward")}
}

// Get returns the content of an object of at most limit bytes.
func (c *Client) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	ctx, cancel := twice(ctx, callTimeout)
	defer cancel()
	const op = "GetObject"
	res, err := c.oss.GetObject(ctx, &oss.GetObjectRequest{Bucket: &c.bucket, Key: &key}, attempts(2))
	if err != nil {
		return nil, c.unlessAbsent(ctx, key, "", classify(op, err))
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, classify(op, err)
	}
	if int64(len(content)) > limit {
		return nil, &Error{Op: op, Reason: ErrTooLarge}
	}
	return content, nil
}

// Put stores a small object, in place of another if there is one.
func (c *Client) Put(ctx context.Context, key string, content []byte) error {
	ctx, cancel := twice(ctx, callTimeout)
	defer cancel()
	contentType := "application/octet-stream"
	_, err := c.oss.PutObject(ctx, &oss.PutObjectRequest{
		Bucket: &c.bucket, Key: &key, Body: bytes.NewReader(content), ContentType: &contentType,
		// The bucket's own class may be one that bills 64 KiB for an empty object,
		// or that cannot be read at once.
		StorageClass: oss.StorageClassStandard,
	}, attempts(2))
	return classify("PutObject", err)
}

// Delete deletes an object. That there is none is no error.
func (c *Client) Delete(ctx context.Context, key string) error {
	ctx, cancel := twice(ctx, callTimeout)
	defer cancel()
	_, err := c.oss.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: &c.bucket, Key: &key}, attempts(2))
	return classify("DeleteObject", err)
}
