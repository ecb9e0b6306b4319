package oss

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func TestSDKCopy(t *testing.T) {
	f := newFixture(t)
	client, ctx, bucket := f.client(permanent), t.Context(), oss.Ptr(testBucket)
	if err := f.s.CreateBucket("other"); err != nil {
		t.Fatal(err)
	}
	const source = "dir/a b?é+%.txt"
	must[*oss.PutObjectResult](t)(client.PutObject(ctx, &oss.PutObjectRequest{
		Bucket: bucket, Key: oss.Ptr(source), Body: strings.NewReader("hello"), ContentType: oss.Ptr("text/plain"),
		CacheControl: oss.Ptr("no-cache"), Metadata: map[string]string{"a": "b"}, Tagging: oss.Ptr("x=1"), Acl: oss.ObjectACLPublicRead,
	}))
	for _, test := range []struct {
		name   string
		change func(*oss.CopyObjectRequest)
		want   string // type, cache control, metadata, tags, class
	}{
		{"everything", func(*oss.CopyObjectRequest) {}, "text/plain no-cache b 1 Standard"},
		{"into another bucket", func(r *oss.CopyObjectRequest) { r.Bucket, r.SourceBucket = oss.Ptr("other"), bucket }, "text/plain no-cache b 1 Standard"},
		{"metadata replaced", func(r *oss.CopyObjectRequest) {
			r.MetadataDirective, r.ContentType, r.Metadata = oss.Ptr("REPLACE"), oss.Ptr("text/css"), map[string]string{"a": "c"}
		}, "text/css  c 1 Standard"},
		{"metadata given but not replaced", func(r *oss.CopyObjectRequest) { r.ContentType = oss.Ptr("text/css") }, "text/plain no-cache b 1 Standard"},
		{"tags replaced", func(r *oss.CopyObjectRequest) { r.TaggingDirective, r.Tagging = oss.Ptr("Replace"), oss.Ptr("x=1&y=2") }, "text/plain no-cache b 2 Standard"},
		{"another storage class", func(r *oss.CopyObjectRequest) { r.StorageClass = oss.StorageClassIA }, "text/plain no-cache b 1 IA"},
		{"onto itself", func(r *oss.CopyObjectRequest) {
			r.Key, r.Metadata = oss.Ptr(source), map[string]string{"a": "itself"}
		}, "application/octet-stream  itself 1 Standard"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := &oss.CopyObjectRequest{Bucket: bucket, Key: oss.Ptr("copy of " + test.name), SourceKey: oss.Ptr(source)}
			test.change(request)
			got := must[*oss.CopyObjectResult](t)(client.CopyObject(ctx, request))
			if *got.ETag != `"5D41402ABC4B2A76B9719D911017C592"` || oss.ToString(got.HashCRC64) == "" || time.Since(*got.LastModified).Abs() > time.Minute {
				t.Errorf("copy = %s %s %v", *got.ETag, oss.ToString(got.HashCRC64), got.LastModified)
			}
			head := must[*oss.HeadObjectResult](t)(client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: request.Bucket, Key: request.Key}))
			have := fmt.Sprint(*head.ContentType, " ", oss.ToString(head.CacheControl), " ", head.Metadata["a"], " ", head.TaggingCount, " ", *head.StorageClass)
			if have != test.want || head.ContentLength != 5 {
				t.Errorf("head = %q, want %q", have, test.want)
			}
		})
	}
	f.wantStatus(f.send("GET", f.web.URL+"/bucket/copy%20of%20everything", nil, ""), 403) // the ACL is not copied
}

func TestSDKCopyRefusals(t *testing.T) {
	f := newFixture(t)
	f.put("a", "hello")
	f.put("b", "there")
	limited := temporary
	limited.Allows = func(action, resource string, _ map[string]string) bool {
		return action != "oss:GetObject" || !strings.HasSuffix(resource, "/b")
	}
	f.setAccount(limited)
	for _, test := range []struct {
		name   string
		change func(*oss.CopyObjectRequest)
		status int
		code   code
		ec     string
	}{
		{"no source", func(r *oss.CopyObjectRequest) { r.SourceKey = oss.Ptr("absent") }, 404, codeNoSuchKey, "0026-00000001"},
		{"no source bucket", func(r *oss.CopyObjectRequest) { r.SourceBucket = oss.Ptr("absent") }, 404, codeNoSuchBucket, "0015-00000101"},
		{"no such version", func(r *oss.CopyObjectRequest) { r.SourceVersionId = oss.Ptr("CAEQ0") }, 404, codeNoSuchVersion, ""},
		{"an existing target", func(r *oss.CopyObjectRequest) { r.Key, r.ForbidOverwrite = oss.Ptr("b"), oss.Ptr("true") }, 409, codeFileAlreadyExists, ""},
		{"a source that the policy hides", func(r *oss.CopyObjectRequest) { r.SourceKey = oss.Ptr("b") }, 403, codeAccessDenied, "0003-00000801"},
		{"another ETag", func(r *oss.CopyObjectRequest) { r.IfMatch = oss.Ptr("0") }, 412, codePreconditionFailed, ""},
		{"an unknown directive", func(r *oss.CopyObjectRequest) { r.MetadataDirective = oss.Ptr("MOVE") }, 400, codeInvalidArgument, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := &oss.CopyObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("target"), SourceKey: oss.Ptr("a")}
			test.change(request)
			_, err := f.client(limited).CopyObject(t.Context(), request)
			wantServiceError(t, err, test.status, test.code, test.ec)
			if _, ok := f.stored("target"); ok {
				t.Error("a refused copy stored an object")
			}
		})
	}
	for _, source := range []string{"a", "/", "/bucket", "/bucket/", "/bucket/%zz", "/Bucket/a", "/bucket/a?versionId=%zz", "bucket/a"} {
		if got, err := readCopySource(source, ""); err == nil {
			t.Errorf("readCopySource(%q) = %v", source, got)
		}
	}
}

// TestCopySymlink copies the link and not what it points to.
func TestCopySymlink(t *testing.T) {
	f := newFixture(t)
	client, ctx, bucket := f.client(permanent), t.Context(), oss.Ptr(testBucket)
	must[*oss.PutSymlinkResult](t)(client.PutSymlink(ctx, &oss.PutSymlinkRequest{Bucket: bucket, Key: oss.Ptr("link"), Target: oss.Ptr("absent")}))
	must[*oss.CopyObjectResult](t)(client.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: bucket, Key: oss.Ptr("copy"), SourceKey: oss.Ptr("link")}))
	got := must[*oss.GetSymlinkResult](t)(client.GetSymlink(ctx, &oss.GetSymlinkRequest{Bucket: bucket, Key: oss.Ptr("copy")}))
	if *got.Target != "absent" {
		t.Errorf("target = %q", *got.Target)
	}
}
