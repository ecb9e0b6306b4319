package oss

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// These tests hold the stand-in against the official SDK, which was tested
// against the service: what it asks must be understood, what it expects must
// be answered.

// must returns the result of an SDK call that has to succeed.
func must[R any](t *testing.T) func(R, error) R {
	return func(result R, err error) R {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
}

func wantServiceError(t *testing.T, err error, status int, c code, ec string) {
	t.Helper()
	var e *oss.ServiceError
	if !errors.As(err, &e) {
		t.Errorf("error = %v, want a ServiceError %s", err, c)
		return
	}
	if e.StatusCode != status || e.Code != string(c) || e.EC != ec || e.Message == "" || e.RequestID == "" {
		t.Errorf("error = %d %s EC %q id %q message %q, want %d %s %q", e.StatusCode, e.Code, e.EC, e.RequestID, e.Message, status, c, ec)
	}
}

func TestSDKObject(t *testing.T) {
	f := newFixture(t)
	for _, account := range []Account{permanent, temporary} {
		client, ctx := f.client(account), t.Context()
		bucket := oss.Ptr("made-" + strconv.Itoa(len(account.AccessKeyID)))
		must[*oss.PutBucketResult](t)(client.PutBucket(ctx, &oss.PutBucketRequest{Bucket: bucket}))
		info := must[*oss.GetBucketInfoResult](t)(client.GetBucketInfo(ctx, &oss.GetBucketInfoRequest{Bucket: bucket}))
		if got := oss.ToString(info.BucketInfo.Name); got != *bucket {
			t.Errorf("bucket = %q, want %q", got, *bucket)
		}
		for _, name := range []string{"a.txt", "dir/é +&=%~!'()*.png", strings.Repeat("k", 1023)} {
			key := oss.Ptr(name)
			put := must[*oss.PutObjectResult](t)(client.PutObject(ctx, &oss.PutObjectRequest{
				Bucket: bucket, Key: key, Body: strings.NewReader("123456789"),
				ContentType: oss.Ptr("text/plain"), ContentDisposition: oss.Ptr("attachment"), CacheControl: oss.Ptr("no-cache"),
				ContentEncoding: oss.Ptr("identity"), Expires: oss.Ptr("Thu, 01 Dec 2044 16:00:00 GMT"),
				ContentMD5: oss.Ptr(md5Of([]byte("123456789"))), StorageClass: oss.StorageClassIA,
				Metadata: map[string]string{"Grant": "v1"}, Tagging: oss.Ptr("a=1&b=x%20y"),
			}))
			if oss.ToString(put.HashCRC64) != "11051210869376104954" || oss.ToString(put.ETag) != `"25F9E794323B453885F5181F1B624D0B"` {
				t.Errorf("put: ETag %s CRC %s", oss.ToString(put.ETag), oss.ToString(put.HashCRC64))
			}
			head := must[*oss.HeadObjectResult](t)(client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: bucket, Key: key}))
			got := fmt.Sprint(head.ContentLength, *head.ContentType, *head.ContentDisposition, *head.CacheControl, *head.ContentEncoding,
				*head.Expires, *head.ObjectType, *head.StorageClass, head.Metadata, *head.ContentMD5, *head.HashCRC64, *head.ETag, head.TaggingCount)
			want := fmt.Sprint(int64(9), "text/plain", "attachment", "no-cache", "identity", "Thu, 01 Dec 2044 16:00:00 GMT", "Normal", "IA",
				map[string]string{"grant": "v1"}, md5Of([]byte("123456789")), "11051210869376104954", `"25F9E794323B453885F5181F1B624D0B"`, int32(2))
			if got != want {
				t.Errorf("head = %s, want %s", got, want)
			}
			if since := time.Since(*head.LastModified); since < -2*time.Second || since > time.Minute {
				t.Errorf("LastModified = %v", head.LastModified)
			}
			get := must[*oss.GetObjectResult](t)(client.GetObject(ctx, &oss.GetObjectRequest{
				Bucket: bucket, Key: key, Range: oss.Ptr("bytes=2-4"), ResponseContentType: oss.Ptr("text/css"),
			}))
			body := string(must[[]byte](t)(io.ReadAll(get.Body)))
			if body != "345" || get.StatusCode != 206 || *get.ContentRange != "bytes 2-4/9" || *get.ContentType != "text/css" {
				t.Errorf("get = %d %q %q %q", get.StatusCode, body, *get.ContentRange, *get.ContentType)
			}
			must[*oss.DeleteObjectResult](t)(client.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: bucket, Key: key}))
			_, err := client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: bucket, Key: key})
			wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
			_, err = client.GetObject(ctx, &oss.GetObjectRequest{Bucket: bucket, Key: key})
			wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
			again := must[*oss.DeleteObjectResult](t)(client.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: bucket, Key: key}))
			if again.StatusCode != 204 {
				t.Errorf("deleting again = %d, want 204", again.StatusCode)
			}
		}
	}
}

func TestSDKErrors(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	client := f.client(permanent)
	put := func(client *oss.Client, change func(*oss.PutObjectRequest)) error {
		request := &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Body: strings.NewReader("hello")}
		change(request)
		_, err := client.PutObject(ctx, request)
		return err
	}
	for _, test := range []struct {
		name   string
		err    error
		status int
		code   code
		ec     string
	}{
		{"no bucket", put(client, func(r *oss.PutObjectRequest) { r.Bucket = oss.Ptr("absent") }), 404, codeNoSuchBucket, "0015-00000101"},
		{"unknown access key", put(f.client(Account{AccessKeyID: "no", AccessKeySecret: "no"}), func(*oss.PutObjectRequest) {}), 403, codeInvalidAccessKeyID, "0002-00000902"},
		{"wrong secret", put(f.client(Account{AccessKeyID: "ak", AccessKeySecret: "no"}), func(*oss.PutObjectRequest) {}), 403, codeSignatureDoesNotMatch, "0002-00000040"},
		{"wrong region", put(f.client(permanent, func(c *oss.Config) { c.WithRegion("cn-shanghai") }), func(*oss.PutObjectRequest) {}), 400, codeInvalidArgument, "0002-00000228"},
		{"wrong digest", put(client, func(r *oss.PutObjectRequest) { r.ContentMD5 = oss.Ptr(md5Of(nil)) }), 400, codeInvalidDigest, ""},
		{"key with a leading slash", put(client, func(r *oss.PutObjectRequest) { r.Key = oss.Ptr("/k") }), 400, codeInvalidObjectName, ""},
		{"key with a leading backslash", put(client, func(r *oss.PutObjectRequest) { r.Key = oss.Ptr(`\k`) }), 400, codeInvalidObjectName, ""},
		{"key of 1,024 bytes", put(client, func(r *oss.PutObjectRequest) { r.Key = oss.Ptr(strings.Repeat("k", 1024)) }), 400, codeInvalidObjectName, ""},
		{"metadata over 8 KB", put(client, func(r *oss.PutObjectRequest) { r.Metadata = map[string]string{"a": strings.Repeat("x", 8192)} }), 400, codeInvalidArgument, ""},
		{"unknown storage class", put(client, func(r *oss.PutObjectRequest) { r.StorageClass = "Cold" }), 400, codeInvalidArgument, ""},
		{"unknown ACL", put(client, func(r *oss.PutObjectRequest) { r.Acl = "open" }), 400, codeInvalidArgument, ""},
		{"eleven tags", put(client, func(r *oss.PutObjectRequest) { r.Tagging = oss.Ptr("a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=") }), 400, codeInvalidTag, ""},
	} {
		t.Run(test.name, func(t *testing.T) { wantServiceError(t, test.err, test.status, test.code, test.ec) })
	}
	if _, ok := f.stored("k"); ok {
		t.Error("a refused request stored an object")
	}
	_, err := client.GetObjectAcl(ctx, &oss.GetObjectAclRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	wantServiceError(t, err, 501, codeNotImplemented, "")
	_, err = client.DescribeRegions(ctx, &oss.DescribeRegionsRequest{})
	wantServiceError(t, err, 501, codeNotImplemented, "")
}

func TestSDKTagging(t *testing.T) {
	f := newFixture(t)
	f.put("k", "hello")
	client, ctx, bucket, key := f.client(permanent), t.Context(), oss.Ptr(testBucket), oss.Ptr("k")
	must[*oss.PutObjectTaggingResult](t)(client.PutObjectTagging(ctx, &oss.PutObjectTaggingRequest{
		Bucket: bucket, Key: key, Tagging: &oss.Tagging{TagSet: &oss.TagSet{Tags: []oss.Tag{{Key: oss.Ptr("state"), Value: oss.Ptr("done")}}}},
	}))
	got := must[*oss.GetObjectTaggingResult](t)(client.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: bucket, Key: key}))
	if len(got.Tags) != 1 || *got.Tags[0].Key != "state" || *got.Tags[0].Value != "done" {
		t.Errorf("tags = %v", got.Tags)
	}
	must[*oss.DeleteObjectTaggingResult](t)(client.DeleteObjectTagging(ctx, &oss.DeleteObjectTaggingRequest{Bucket: bucket, Key: key}))
	got = must[*oss.GetObjectTaggingResult](t)(client.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: bucket, Key: key}))
	if len(got.Tags) != 0 {
		t.Errorf("tags after deleting = %v", got.Tags)
	}
	_, err := client.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: bucket, Key: oss.Ptr("absent")})
	wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
}

func TestSDKSymlink(t *testing.T) {
	f := newFixture(t)
	f.put("target", "hello")
	client, ctx, bucket := f.client(permanent), t.Context(), oss.Ptr(testBucket)
	link := func(key, target string) {
		must[*oss.PutSymlinkResult](t)(client.PutSymlink(ctx, &oss.PutSymlinkRequest{Bucket: bucket, Key: oss.Ptr(key), Target: oss.Ptr(target), Metadata: map[string]string{"a": "b"}}))
	}
	link("link", "target")
	link("dangling", "absent")
	link("double", "link")
	head := must[*oss.HeadObjectResult](t)(client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: bucket, Key: oss.Ptr("link")}))
	if *head.ObjectType != "Symlink" || head.ContentLength != 5 || head.Metadata["a"] != "b" {
		t.Errorf("head = %s %d %v", *head.ObjectType, head.ContentLength, head.Metadata)
	}
	got := must[*oss.GetSymlinkResult](t)(client.GetSymlink(ctx, &oss.GetSymlinkRequest{Bucket: bucket, Key: oss.Ptr("link")}))
	if *got.Target != "target" {
		t.Errorf("target = %q", *got.Target)
	}
	_, err := client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: bucket, Key: oss.Ptr("dangling")})
	wantServiceError(t, err, 404, codeSymlinkTargetNotExist, "")
	_, err = client.GetObject(ctx, &oss.GetObjectRequest{Bucket: bucket, Key: oss.Ptr("double")})
	wantServiceError(t, err, 400, codeInvalidTargetType, "")
	_, err = client.GetSymlink(ctx, &oss.GetSymlinkRequest{Bucket: bucket, Key: oss.Ptr("target")})
	wantServiceError(t, err, 400, codeNotSymlink, "")
}

func TestSDKList(t *testing.T) {
	f := newFixture(t)
	for _, key := range []string{"a b", "d/1", "d/2", "d/3", "e", "z/&"} {
		f.put(key, key)
	}
	list := func(change func(*oss.ListObjectsV2Request)) string {
		t.Helper()
		request := &oss.ListObjectsV2Request{Bucket: oss.Ptr(testBucket), MaxKeys: 2}
		change(request)
		var pages []string
		for p := f.client(permanent).NewListObjectsV2Paginator(request); p.HasNext(); {
			page := must[*oss.ListObjectsV2Result](t)(p.NextPage(t.Context()))
			var names []string
			for _, o := range page.Contents {
				names = append(names, *o.Key)
			}
			for _, prefix := range page.CommonPrefixes {
				names = append(names, *prefix.Prefix+"*")
			}
			pages = append(pages, strings.Join(names, ","))
		}
		return strings.Join(pages, "|")
	}
	for _, test := range []struct {
		name   string
		change func(*oss.ListObjectsV2Request)
		want   string
	}{
		{"everything", func(*oss.ListObjectsV2Request) {}, "a b,d/1|d/2,d/3|e,z/&"},
		{"a prefix", func(r *oss.ListObjectsV2Request) { r.Prefix = oss.Ptr("d/") }, "d/1,d/2|d/3"},
		{"a delimiter", func(r *oss.ListObjectsV2Request) { r.Delimiter = oss.Ptr("/") }, "a b,d/*|e,z/*"},
		{"a start", func(r *oss.ListObjectsV2Request) { r.StartAfter = oss.Ptr("d/2") }, "d/3,e|z/&"},
		{"nothing", func(r *oss.ListObjectsV2Request) { r.Prefix = oss.Ptr("none") }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := list(test.change); got != test.want {
				t.Errorf("pages = %q, want %q", got, test.want)
			}
		})
	}
}

func TestSDKListOwner(t *testing.T) {
	f := newFixture(t)
	f.put("k", "hello")
	for _, fetch := range []bool{false, true} {
		list := must[*oss.ListObjectsV2Result](t)(f.client(permanent).ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: oss.Ptr(testBucket), FetchOwner: fetch}))
		if got := list.Contents[0].Owner != nil; got != fetch {
			t.Errorf("with FetchOwner %v, there is an owner: %v", fetch, got)
		}
	}
}

func TestSDKPresign(t *testing.T) {
	f := newFixture(t)
	bucket, key := oss.Ptr(testBucket), oss.Ptr("a b/é.txt")
	for _, account := range []Account{permanent, temporary} {
		put := f.presign(account, &oss.PutObjectRequest{Bucket: bucket, Key: key, ContentType: oss.Ptr("text/plain")})
		stored := f.send(put.Method, put.URL, put.SignedHeaders, "hello")
		f.wantStatus(stored, 200)
		if stored.body != "" || stored.header.Get("ETag") != `"5D41402ABC4B2A76B9719D911017C592"` {
			t.Errorf("put = %q %s", stored.body, stored.header.Get("ETag"))
		}
		get := f.presign(account, &oss.GetObjectRequest{Bucket: bucket, Key: key, ResponseContentDisposition: oss.Ptr("attachment")})
		got := f.send(get.Method, get.URL, nil, "")
		f.wantStatus(got, 200)
		if got.body != "hello" || got.header.Get("Content-Disposition") != "attachment" || got.header.Get("Content-Type") != "text/plain" {
			t.Errorf("get = %q %v", got.body, got.header)
		}
		head := f.presign(account, &oss.HeadObjectRequest{Bucket: bucket, Key: oss.Ptr("absent")})
		absent := f.send(head.Method, head.URL, nil, "")
		f.wantStatus(absent, 404)
		if absent.header.Get("x-oss-err") == "" || absent.header.Get("x-oss-ec") != "0026-00000001" {
			t.Errorf("head of nothing = %v", absent.header)
		}
	}
}

// TestSDKTransfer runs the SDK's own managers for large files.
func TestSDKTransfer(t *testing.T) {
	f := newFixture(t)
	client := f.client(temporary)
	body := strings.Repeat("0123456789", 35<<10)
	up := must[*oss.UploadResult](t)(client.NewUploader(func(o *oss.UploaderOptions) { o.PartSize = minPartSize }).
		UploadFrom(t.Context(), &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("big")}, strings.NewReader(body)))
	if up.UploadId == nil {
		t.Error("the upload was not a multipart upload")
	}
	path := filepath.Join(t.TempDir(), "big")
	must[*oss.DownloadResult](t)(client.NewDownloader(func(o *oss.DownloaderOptions) { o.PartSize = minPartSize }).
		DownloadFile(t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("big")}, path))
	if got := must[[]byte](t)(os.ReadFile(path)); string(got) != body {
		t.Errorf("downloaded %d bytes, want %d", len(got), len(body))
	}
}

func TestVirtualHosted(t *testing.T) {
	f := newFixture(t)
	// Every *.oss.localhost is the listener, as a resolver would have it.
	client := f.client(permanent, func(c *oss.Config) {
		c.WithEndpoint("http://oss.localhost").WithHttpClient(&http.Client{Transport: hostTransport(strings.TrimPrefix(f.web.URL, "http://"))})
	})
	ctx, bucket := t.Context(), oss.Ptr(testBucket)
	must[*oss.PutObjectResult](t)(client.PutObject(ctx, &oss.PutObjectRequest{Bucket: bucket, Key: oss.Ptr("_local/x"), Body: strings.NewReader("hello")}))
	list := must[*oss.ListObjectsV2Result](t)(client.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: bucket}))
	if len(list.Contents) != 1 || *list.Contents[0].Key != "_local/x" {
		t.Errorf("list = %v", list.Contents)
	}
	if got, ok := f.stored("_local/x"); got != "hello" || !ok {
		t.Errorf("stored = %q %v", got, ok)
	}
}

// hostTransport sends every request to one address, whatever its host.
func hostTransport(address string) http.RoundTripper { return roundTripper(address) }

type roundTripper string

func (address roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	clone := r.Clone(r.Context())
	clone.Host = r.URL.Host
	clone.URL.Host = string(address)
	return http.DefaultTransport.RoundTrip(clone)
}
