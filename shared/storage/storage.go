// Package storage makes the functions' own calls to OSS, with the official SDK,
// and sorts what can go wrong into the few reasons that a handler tells apart.
//
// Every call has a deadline, and no answer over maxAnswer bytes is read. Calls
// that can be repeated without harm (all but one; the repetition of
// CompleteMultipartUpload answers NoSuchUpload) are tried twice;
// InitiateMultipartUpload once, since a repetition would leave an upload
// behind. The first of two tries has half of the time, so that a connection that
// died unnoticed, while an instance was frozen for one, does not spend all of
// it. Errors hold OSS's code, EC and request id, never its message: that
// repeats the signed request, the security token included. Where no answer came
// they say why: netcause knows which words of that are fit for a log.
//
// It imports rolecreds for the credentials of each invocation, signing for the
// endpoint that settings parsed, and trace to say how long OSS took.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/retry"

	"ossupload/shared/api"
	"ossupload/shared/netcause"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/trace"
)

const (
	headTimeout = 2 * time.Second
	callTimeout = 10 * time.Second
	// maxPause is between two tries; the SDK's own is too long for a HEAD.
	maxPause  = 200 * time.Millisecond
	maxAnswer = 4 << 20 // bytes: 1,000 listed parts are under 400 KB, as many long keys under 3.5 MB
)

// The reasons for which a call fails, matched with errors.Is. Each carries what
// a client is told whose request cannot go on. Where there are no credentials, it is
// what their source says, or ErrCredentials: asking again does not help then.
var (
	ErrNotFound     = &api.Error{Code: api.NotFound, Message: "The object does not exist.", Log: "object does not exist"}
	ErrNoSuchUpload = &api.Error{Code: api.UploadGone, Message: "The upload does not exist any more. Start another.", Log: "multipart upload does not exist"}
	ErrExists       = &api.Error{Code: api.AlreadyCompleted, Message: "There is an object under this key already.", Log: "object exists already"}
	ErrParts        = &api.Error{Code: api.PartsMismatch, Message: "The parts changed while they were being put together. List them, and complete again.", Log: "parts were refused"}
	ErrDenied       = &api.Error{Code: api.StorageDenied, Message: "The storage refused this function's access.", Log: "storage refused access"}
	ErrThrottled    = &api.Error{Code: api.Throttled, Message: "The storage is busy. Try again.", RetryAfter: time.Second, Log: "storage is throttling"}
	ErrTimeout      = &api.Error{Code: api.StorageTimeout, Message: "The storage did not answer in time. Try again.", RetryAfter: time.Second, Log: "storage did not answer in time"}
	ErrUnavailable  = &api.Error{Code: api.StorageError, Message: "The storage failed. Try again.", RetryAfter: time.Second, Log: "storage failed"}
	ErrTooLarge     = &api.Error{Code: api.Internal, Log: "object is larger than expected"}
	ErrCredentials  = &api.Error{Code: api.Internal, Log: "there are no credentials"}
)

// Error is a failed call. Reason is one of the sentinels above, or that of who
// has no credentials to give.
type Error struct {
	Op        string // OSS's name of the call
	Reason    *api.Error
	Status    int // 0 when there was no answer
	Code      string
	EC        string
	RequestID string
	cause     error // only where there was no answer, or none of OSS
}

func (e *Error) Error() string {
	text := "calling " + e.Op + ": " + e.Reason.Error()
	if e.Status != 0 {
		text += fmt.Sprintf(" (status %d, code %q, EC %q, request id %q)", e.Status, e.Code, e.EC, e.RequestID)
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns Reason.
func (e *Error) Unwrap() error { return e.Reason }

// Object is what a HEAD shows.
type Object struct {
	Size         int64
	ETag         string // without quotes
	ContentType  string
	CRC64        string // decimal, empty if OSS does not tell
	Type         string // Normal, Multipart, Appendable, Symlink
	VersionID    string // empty for what has none of its own, see versionID
	LastModified time.Time
	Metadata     map[string]string // names in lower case, without x-oss-meta-
	Tags         int               // how many, if OSS tells this role

	ContentEncoding, ContentDisposition, CacheControl, Expires string
}

// Config is what a Client needs.
type Config struct {
	Region      string
	Bucket      string
	Endpoint    signing.Endpoint
	Credentials rolecreds.Source
}

// Client calls OSS about one bucket. It is safe for concurrent use.
type Client struct {
	bucket string
	oss    *oss.Client
}

// New returns a client. It makes no call.
func New(c Config) *Client {
	endpoint := c.Endpoint.Scheme + "://" + c.Endpoint.Host
	config := oss.NewConfig().
		WithRegion(c.Region).
		WithEndpoint(endpoint).
		WithCredentialsProvider(Provider(c.Credentials)).
		WithUsePathStyle(c.Endpoint.Style == signing.PathStyle).
		WithUseCName(c.Endpoint.Style == signing.CNAME).
		WithRetryer(retry.NewStandard(func(o *retry.RetryOptions) { o.MaxBackoff = maxPause })).
		WithHttpClient(&http.Client{
			Transport: limit{netcause.Transport{Next: &http.Transport{
				DialContext:           (&net.Dialer{Timeout: headTimeout}).DialContext,
				TLSHandshakeTimeout:   headTimeout,
				ResponseHeaderTimeout: callTimeout,
				MaxIdleConnsPerHost:   8,
				IdleConnTimeout:       60 * time.Second,
				// A HEAD must show the size of the object as it is stored.
				DisableCompression: true,
			}}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		})
	return &Client{bucket: c.Bucket, oss: oss.NewClient(config)}
}

func attempts(n int) func(*oss.Options) {
	return func(o *oss.Options) { o.RetryMaxAttempts = &n }
}

// tryTime is the key under which a context holds how long one try may take.
type tryTime struct{}

// twice bounds a call that is tried twice.
func twice(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	deadline, _ := ctx.Deadline() // that of the caller, if it is sooner
	return context.WithValue(ctx, tryTime{}, time.Until(deadline)/2), cancel
}

// Head asks for the object's metadata. It fails with ErrNotFound only when OSS
// says that there is no such object, or refuses to say and does not list it.
func (c *Client) Head(ctx context.Context, key string) (Object, error) {
	return c.HeadVersion(ctx, key, "")
}

// HeadVersion is Head for one version of an object; "" is the current one.
func (c *Client) HeadVersion(ctx context.Context, key, version string) (Object, error) {
	ctx, cancel := twice(ctx, headTimeout)
	defer cancel()
	request := &oss.HeadObjectRequest{Bucket: &c.bucket, Key: &key}
	if version != "" {
		request.VersionId = &version
	}
	res, err := c.oss.HeadObject(ctx, request, attempts(2))
	if err != nil {
		return Object{}, c.unlessAbsent(ctx, key, version, classify("HeadObject", err))
	}
	o := Object{
		Size:               res.ContentLength,
		ETag:               unquote(oss.ToString(res.ETag)),
		ContentType:        oss.ToString(res.ContentType),
		CRC64:              oss.ToString(res.HashCRC64),
		Type:               oss.ToString(res.ObjectType),
		VersionID:          versionID(oss.ToString(res.VersionId)),
		LastModified:       oss.ToTime(res.LastModified).UTC(),
		Metadata:           make(map[string]string, len(res.Metadata)),
		Tags:               int(res.TaggingCount),
		ContentEncoding:    oss.ToString(res.ContentEncoding),
		ContentDisposition: oss.ToString(res.ContentDisposition),
		CacheControl:       oss.ToString(res.CacheControl),
		Expires:            oss.ToString(res.Expires),
	}
	for name, value := range res.Metadata {
		o.Metadata[strings.ToLower(name)] = value
	}
	return o, nil
}

// unlessAbsent is err, or ErrNotFound where OSS refused a call about an object that
// a list shows not to be there.
//
// unconfirmed (access.head-without-list): without permission to list the bucket, or with one that
// has a condition on the prefix, a HEAD of what is not there may be answered 403. So
// nobody knows from a 403 whether there is an object. A list of the prefix tells.
func (c *Client) unlessAbsent(ctx context.Context, key, version string, err error) error {
	if !errors.Is(err, ErrDenied) || version != "" {
		return err
	}
	res, listErr := c.oss.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: &c.bucket, Prefix: &key, MaxKeys: 1}, attempts(1))
	// It has to be the list that was asked for: a proxy's page of 200 has no
	// objects, either.
	whole := listErr == nil && oss.ToString(res.Name) == c.bucket && oss.ToString(res.Prefix) == key && !(res.IsTruncated && len(res.Contents) == 0)
	if !whole || len(res.Contents) > 0 && oss.ToString(res.Contents[0].Key) == key {
		return err // what was refused first says most
	}
	e, _ := errors.AsType[*Error](err)
	return &Error{Op: e.Op, Reason: ErrNotFound, Status: e.Status, Code: e.Code, EC: e.EC, RequestID: e.RequestID}
}

// versionID is the id of a version that stays what it is. "null" is none: it is
// that of whatever was stored while versioning was off or suspended, can be
// replaced, and shows only since versioning was first enabled.
func versionID(id string) string {
	if id == "null" {
		return ""
	}
	return id
}

// Initiate starts a multipart upload with the headers that the object will
// have, and returns OSS's upload id.
func (c *Client) Initiate(ctx context.Context, key string, header map[string]string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request := &oss.InitiateMultipartUploadRequest{
		Bucket: &c.bucket, Key: &key,
		// A type that nobody chose stays OSS's default; the SDK must not guess.
		DisableAutoDetectMimeType: true,
		RequestCommon:             oss.RequestCommon{Headers: header},
	}
	res, err := c.oss.InitiateMultipartUpload(ctx, request, attempts(1))
	if err != nil {
		return "", classify("InitiateMultipartUpload", err)
	}
	id := oss.ToString(res.UploadId)
	if id == "" {
		return "", &Error{Op: "InitiateMultipartUpload", Reason: ErrUnavailable, cause: errors.New("the answer has no upload id")}
	}
	return id, nil
}

// Abort ends a multipart upload and frees its parts.
func (c *Client) Abort(ctx context.Context, key, uploadID string) error {
	ctx, cancel := twice(ctx, callTimeout)
	defer cancel()
	_, err := c.oss.AbortMultipartUpload(ctx, &oss.AbortMultipartUploadRequest{
		Bucket: &c.bucket, Key: &key, UploadId: &uploadID,
	}, attempts(2))
	return classify("AbortMultipartUpload", err)
}

// classify turns the SDK's error into ours. The SDK's text is dropped on
// purpose: it can hold the whole signed request.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Reason: ErrUnavailable}
	var (
		service *oss.ServiceError
		creds   *credentialsError
		network net.Error
	)
	switch {
	case errors.As(err, &creds):
		e.Reason, e.cause = ErrCredentials, creds.err
		errors.As(creds.err, &e.Reason)
	case errors.As(err, &service):
		e.Status, e.Code, e.EC, e.RequestID = service.StatusCode, service.Code, service.EC, service.RequestID
		e.Reason = reason(op, service.StatusCode, service.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &network) && network.Timeout():
		e.Reason, e.cause = ErrTimeout, errors.New(netcause.Of(err))
	default:
		e.cause = errors.New(netcause.Of(err))
	}
	return e
}

func reason(op string, status int, code string) *api.Error {
	switch {
	case code == "NoSuchUpload":
		return ErrNoSuchUpload
	case code == "FileAlreadyExists":
		return ErrExists
	case code == "InvalidPart", code == "InvalidPartOrder", code == "EntityTooSmall":
		return ErrParts
	case code == "NoSuchKey", op == "HeadObject" && status == http.StatusNotFound && code != "NoSuchBucket":
		return ErrNotFound
	case status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return ErrThrottled
	default:
		return ErrUnavailable
	}
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }

// Provider has the SDK take its credentials from a source, as a program does that
// makes calls which Client has not.
func Provider(source rolecreds.Source) credentials.CredentialsProvider { return provider{source} }

// provider gives the SDK the credentials of the invocation that ctx belongs to.
type provider struct{ source rolecreds.Source }

type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "getting credentials: " + e.err.Error() }

func (p provider) GetCredentials(ctx context.Context) (credentials.Credentials, error) {
	c, err := p.source.Credentials(ctx)
	if err != nil {
		return credentials.Credentials{}, &credentialsError{err}
	}
	return credentials.Credentials{
		AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken,
	}, nil
}

// limit bounds what is read of any answer, and how long a try takes.
type limit struct{ next http.RoundTripper }

func (l limit) RoundTrip(r *http.Request) (*http.Response, error) {
	end := trace.From(r.Context()).Begin(trace.OSS)
	if within, ok := r.Context().Value(tryTime{}).(time.Duration); ok {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		r = r.WithContext(ctx)
		answered := end
		end = func() { cancel(); answered() }
	}
	res, err := l.next.RoundTrip(r)
	if err != nil {
		end()
		return nil, err
	}
	if r.Method == http.MethodHead {
		end() // there is nothing left to read
		return res, nil
	}
	res.Body = limitedBody{io.LimitReader(res.Body, maxAnswer), res.Body, end}
	return res, nil
}

// limitedBody ends its try when it is closed.
type limitedBody struct {
	io.Reader
	closer io.Closer
	end    func()
}

func (b limitedBody) Close() error {
	defer b.end()
	return b.closer.Close()
}
