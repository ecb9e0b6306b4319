package oss

import (
	"crypto/md5"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func (f *fixture) copyPart(a Account, id *string, number int32, source string, change ...func(*oss.UploadPartCopyRequest)) (*oss.UploadPartCopyResult, error) {
	request := &oss.UploadPartCopyRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("big"), UploadId: id, PartNumber: number, SourceKey: oss.Ptr(source),
	}
	for _, c := range change {
		c(request)
	}
	return f.client(a).UploadPartCopy(f.t.Context(), request)
}

func etagOf(text string) string { return fmt.Sprintf("%X", md5.Sum([]byte(text))) }

func httpTime(fromNow time.Duration) string {
	return time.Now().Add(fromNow).UTC().Format(http.TimeFormat)
}

func TestSDKUploadPartCopy(t *testing.T) {
	f := newFixture(t)
	f.setNow(time.Now().UTC().Truncate(time.Second))
	if err := f.s.CreateBucket("other"); err != nil {
		t.Fatal(err)
	}
	const source = "dir/a b?é+%.txt"
	text := strings.Repeat("0123456789", minPartSize/10)
	must[*oss.PutObjectResult](t)(f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr("other"), Key: oss.Ptr(source), Body: strings.NewReader(text), Metadata: map[string]string{"a": "b"},
	}))
	f.put("short", "hello")
	id := f.initiate("big")
	first := must[*oss.UploadPartCopyResult](t)(f.copyPart(permanent, id, 1, source, func(r *oss.UploadPartCopyRequest) { r.SourceBucket = oss.Ptr("other") }))
	if !first.LastModified.Equal(f.now) || first.VersionId != nil || first.Headers.Get("Content-Range") != "" {
		t.Errorf("copied at %v, version %v, range %q", first.LastModified, first.VersionId, first.Headers.Get("Content-Range"))
	}
	second := must[*oss.UploadPartCopyResult](t)(f.copyPart(permanent, id, 2, "short", func(r *oss.UploadPartCopyRequest) { r.Range = oss.Ptr("bytes=1-3") }))
	if got := second.Headers.Get("Content-Range"); *second.ETag != `"`+etagOf("ell")+`"` || got != "bytes 1-3/5" {
		t.Errorf("part = %s, range %q", *second.ETag, got)
	}
	must[*oss.CompleteMultipartUploadResult](t)(f.complete("big", id, oss.UploadPart{PartNumber: 1, ETag: first.ETag}, oss.UploadPart{PartNumber: 2, ETag: second.ETag}))
	if got, _ := f.stored("big"); got != text+"ell" {
		t.Errorf("object = %d bytes, want %d", len(got), len(text)+3)
	}
	head := must[*oss.HeadObjectResult](t)(f.client(permanent).HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("big")}))
	if got := fmt.Sprint(head.Metadata); got != "map[grant:v1]" {
		t.Errorf("metadata = %s, want what the upload was initiated with", got)
	}
}

func TestCopyRange(t *testing.T) {
	f := newFixture(t)
	f.put("a", "hello")
	f.put("empty", "")
	id := f.initiate("big")
	for _, test := range []struct{ source, spec, want, contentRange string }{
		{"a", "bytes=0-0", "h", "bytes 0-0/5"},
		{"a", "bytes=0-4", "hello", "bytes 0-4/5"},
		{"a", "bytes=3-", "lo", "bytes 3-4/5"},
		{"a", "bytes=-2", "lo", "bytes 3-4/5"},
		{"a", "bytes=3-5", "hello", ""},
		{"a", "bytes=5-6", "hello", ""},
		{"a", "bytes=5-", "hello", ""},
		{"a", "bytes=3-2", "hello", ""},
		{"a", "bytes=0-9223372036854775807", "hello", ""},
		{"a", "bytes=+1-2", "hello", ""},
		{"a", "bytes=-", "hello", ""},
		{"a", "bytes=2", "hello", ""},
		{"a", "1-2", "hello", ""},
		{"empty", "", "", ""},
		{"empty", "bytes=0-", "", ""},
		{"empty", "bytes=-1", "", ""},
	} {
		got := must[*oss.UploadPartCopyResult](t)(f.copyPart(permanent, id, 1, test.source, func(r *oss.UploadPartCopyRequest) { r.Range = oss.Ptr(test.spec) }))
		if *got.ETag != `"`+etagOf(test.want)+`"` || got.Headers.Get("Content-Range") != test.contentRange {
			t.Errorf("%s of %s = %s, range %q, want %q, %q", test.spec, test.source, *got.ETag, got.Headers.Get("Content-Range"), test.want, test.contentRange)
		}
	}
}

func TestUploadPartCopyRefusals(t *testing.T) {
	f := newFixture(t)
	f.put("a", "hello")
	f.put("hidden", "there")
	must[*oss.PutSymlinkResult](t)(f.client(permanent).PutSymlink(t.Context(), &oss.PutSymlinkRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("link"), Target: oss.Ptr("a")}))
	limited := temporary
	limited.Allows = func(action, resource string, _ map[string]string) bool {
		return action == "oss:GetObject" && !strings.HasSuffix(resource, "/hidden") || action == "oss:PutObject" && strings.HasSuffix(resource, "/big")
	}
	f.setAccount(limited)
	large := *must[*object](t)(f.s.store.object(testBucket, "a"))
	large.Size = maxSinglePut + 1
	f.s.store.buckets[testBucket].setVersions("large", []*object{&large})
	id := f.initiate("big")
	hour := time.Hour
	for _, test := range []struct {
		name   string
		change func(*oss.UploadPartCopyRequest)
		status int
		code   code
		ec     string
	}{
		{"no upload", func(r *oss.UploadPartCopyRequest) { r.UploadId = oss.Ptr("0") }, 404, codeNoSuchUpload, "0042-00000311"},
		{"another target", func(r *oss.UploadPartCopyRequest) { r.Key = oss.Ptr("other") }, 403, codeAccessDenied, "0003-00000801"},
		{"part 10001", func(r *oss.UploadPartCopyRequest) { r.PartNumber = 10001 }, 400, codeInvalidArgument, ""},
		{"no source", func(r *oss.UploadPartCopyRequest) { r.SourceKey = oss.Ptr("absent") }, 404, codeNoSuchKey, "0026-00000001"},
		{"no source bucket", func(r *oss.UploadPartCopyRequest) { r.SourceBucket = oss.Ptr("absent") }, 404, codeNoSuchBucket, "0015-00000101"},
		{"a bad source", func(r *oss.UploadPartCopyRequest) { r.SourceBucket = oss.Ptr("A") }, 400, codeInvalidArgument, "0042-00000301"},
		{"a source that the policy hides", func(r *oss.UploadPartCopyRequest) { r.SourceKey = oss.Ptr("hidden") }, 403, codeAccessDenied, "0003-00000801"},
		{"a version that the policy hides", func(r *oss.UploadPartCopyRequest) { r.SourceVersionId = oss.Ptr("null") }, 403, codeAccessDenied, "0003-00000801"},
		{"over 5 GiB", func(r *oss.UploadPartCopyRequest) { r.SourceKey = oss.Ptr("large") }, 400, codeEntityTooLarge, ""},
		{"a symlink", func(r *oss.UploadPartCopyRequest) { r.SourceKey = oss.Ptr("link") }, 501, codeNotImplemented, ""},
		{"another ETag", func(r *oss.UploadPartCopyRequest) { r.IfMatch = oss.Ptr("0") }, 412, codePreconditionFailed, ""},
		{"the same ETag", func(r *oss.UploadPartCopyRequest) { r.IfNoneMatch = oss.Ptr(etagOf("hello")) }, 304, "", ""},
		{"modified since", func(r *oss.UploadPartCopyRequest) { r.IfUnmodifiedSince = oss.Ptr(httpTime(-hour)) }, 412, codePreconditionFailed, ""},
		{"not modified since", func(r *oss.UploadPartCopyRequest) { r.IfModifiedSince = oss.Ptr(httpTime(hour)) }, 304, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := f.copyPart(limited, id, 1, "a", test.change)
			if test.status != 304 {
				wantServiceError(t, err, test.status, test.code, test.ec)
			} else if e := (*oss.ServiceError)(nil); !errors.As(err, &e) || e.StatusCode != 304 {
				t.Errorf("error = %v, want 304", err)
			}
			if u := f.s.store.buckets[testBucket].uploads[*id]; len(u.parts) != 0 {
				t.Error("a refused copy stored a part")
			}
		})
	}
	for _, change := range []func(*oss.UploadPartCopyRequest){
		func(r *oss.UploadPartCopyRequest) { r.IfMatch = oss.Ptr(etagOf("hello")) },
		func(r *oss.UploadPartCopyRequest) { r.IfNoneMatch = oss.Ptr("0") },
		func(r *oss.UploadPartCopyRequest) { r.IfUnmodifiedSince = oss.Ptr(httpTime(hour)) },
		func(r *oss.UploadPartCopyRequest) { r.IfModifiedSince = oss.Ptr(httpTime(-hour)) },
		func(r *oss.UploadPartCopyRequest) {
			r.SourceKey, r.Range = oss.Ptr("large"), oss.Ptr("bytes=0-4")
		},
	} {
		must[*oss.UploadPartCopyResult](t)(f.copyPart(limited, id, 1, "a", change))
	}
}

func TestCopyVersions(t *testing.T) {
	f := newFixture(t)
	f.put("k", "null")
	if err := f.s.SetVersioning(testBucket, VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	one, two := f.putVersion("k", "one"), f.putVersion("k", "two")
	id := f.initiate("big")
	named := func(version *string) func(*oss.UploadPartCopyRequest) {
		return func(r *oss.UploadPartCopyRequest) { r.SourceVersionId = version }
	}
	for _, test := range []struct {
		version *string
		body    string
		shown   string
	}{{nil, "two", *two}, {one, "one", *one}, {two, "two", *two}, {oss.Ptr("null"), "null", "null"}} {
		part := must[*oss.UploadPartCopyResult](t)(f.copyPart(permanent, id, 1, "k", named(test.version)))
		whole := must[*oss.CopyObjectResult](t)(f.client(permanent).CopyObject(t.Context(), &oss.CopyObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("copy"), SourceKey: oss.Ptr("k"), SourceVersionId: test.version,
		}))
		got := fmt.Sprint(*part.ETag, oss.ToString(part.VersionId), *whole.ETag, oss.ToString(whole.SourceVersionId))
		if want := fmt.Sprintf(`"%s"%s"%[1]s"%[2]s`, etagOf(test.body), test.shown); got != want {
			t.Errorf("copies of version %q = %s, want %s", oss.ToString(test.version), got, want)
		}
	}
	_, marker := f.deleteVersion("k", nil)
	_, err := f.copyPart(permanent, id, 1, "k")
	wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
	_, err = f.copyPart(permanent, id, 1, "k", named(&marker))
	wantServiceError(t, err, 400, codeInvalidArgument, "")
	_, err = f.copyPart(permanent, id, 1, "k", named(oss.Ptr("CAEQ0")))
	wantServiceError(t, err, 404, codeNoSuchVersion, "")
}
