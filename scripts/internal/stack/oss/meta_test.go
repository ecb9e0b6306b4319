package oss

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func (f *fixture) meta(a Account, key string, version *string) (*oss.GetObjectMetaResult, error) {
	return f.client(a).GetObjectMeta(f.t.Context(), &oss.GetObjectMetaRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), VersionId: version})
}

func TestSDKGetObjectMeta(t *testing.T) {
	f := newFixture(t)
	f.setNow(time.Now().UTC().Truncate(time.Second))
	must[*oss.PutObjectResult](t)(f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("dir/é b"), Body: strings.NewReader("123456789"), Tagging: oss.Ptr("a=1"), Metadata: map[string]string{"a": "b"},
	}))
	got := must[*oss.GetObjectMetaResult](t)(f.meta(permanent, "dir/é b", nil))
	if have, want := fmt.Sprint(got.ContentLength, " ", *got.ETag, " ", oss.ToString(got.HashCRC64), " ", got.LastModified.Equal(f.now), got.VersionId == nil, got.LastAccessTime == nil),
		`9 "25F9E794323B453885F5181F1B624D0B" 11051210869376104954 true true true`; have != want {
		t.Errorf("meta = %s, want %s", have, want)
	}
	for _, name := range []string{"x-oss-meta-a", "x-oss-tagging-count", "x-oss-object-type", "x-oss-storage-class"} {
		if value := got.Headers.Get(name); value != "" {
			t.Errorf("meta has %s: %s", name, value)
		}
	}
	_, err := f.meta(permanent, "absent", nil)
	wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
	_, err = f.client(permanent).GetObjectMeta(t.Context(), &oss.GetObjectMetaRequest{Bucket: oss.Ptr("absent"), Key: oss.Ptr("k")})
	wantServiceError(t, err, 404, codeNoSuchBucket, "0015-00000101")
	f.wantStatus(f.send("GET", f.web.URL+"/bucket/dir/b?objectMeta", nil, ""), 501)
}

// TestMetaOfSymlink asks about the link and not about what it points to, which
// need not be there.
func TestMetaOfSymlink(t *testing.T) {
	f := newFixture(t)
	must[*oss.PutSymlinkResult](t)(f.client(permanent).PutSymlink(t.Context(), &oss.PutSymlinkRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("link"), Target: oss.Ptr("absent")}))
	must[*oss.GetObjectMetaResult](t)(f.meta(permanent, "link", nil))
}

func TestMetaOfVersions(t *testing.T) {
	f := newFixture(t)
	f.put("k", "null")
	if err := f.s.SetVersioning(testBucket, VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	if got := must[*oss.GetObjectMetaResult](t)(f.meta(permanent, "k", nil)); oss.ToString(got.VersionId) != "null" {
		t.Errorf("version = %q, want null", oss.ToString(got.VersionId))
	}
	one, two := f.putVersion("k", "1"), f.putVersion("k", "two")
	for version, want := range map[*string]string{nil: "3 " + *two, one: "1 " + *one, two: "3 " + *two} {
		got := must[*oss.GetObjectMetaResult](t)(f.meta(permanent, "k", version))
		if have := fmt.Sprint(got.ContentLength, " ", oss.ToString(got.VersionId)); have != want {
			t.Errorf("meta of %q = %s, want %s", oss.ToString(version), have, want)
		}
	}
	_, err := f.meta(permanent, "k", oss.Ptr("CAEQ0"))
	wantServiceError(t, err, 404, codeNoSuchVersion, "")
	_, marker := f.deleteVersion("k", nil)
	_, err = f.meta(permanent, "k", nil)
	wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
	_, err = f.meta(permanent, "k", &marker)
	wantServiceError(t, err, 405, codeMethodNotAllowed, "")

	for action, allowed := range map[string]string{"oss:GetObject": "false false", "oss:GetObjectVersion": "false true"} {
		limited := temporary
		limited.Allows = func(asked, _ string, _ map[string]string) bool { return asked != action }
		f.setAccount(limited)
		_, named := f.meta(limited, "k", one)
		f.put("now", "there")
		_, unnamed := f.meta(limited, "now", nil)
		if got := fmt.Sprint(named == nil, unnamed == nil); got != allowed {
			t.Errorf("without %s: %s, want %s", action, got, allowed)
		}
	}
}

// How many tags an object has is told to those who may read them.
func TestTagCountIsForReadersOfTags(t *testing.T) {
	f := newFixture(t)
	must[*oss.PutObjectResult](t)(f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Body: strings.NewReader("1"), Tagging: oss.Ptr("a=1&b=2"),
	}))
	for allowed, want := range map[bool]string{true: "2", false: ""} {
		a := permanent
		a.AccessKeyID = fmt.Sprint("reader-", allowed)
		a.Allows = func(action, _ string, _ map[string]string) bool { return allowed || action == "oss:GetObject" }
		f.accounts[a.AccessKeyID] = a
		got := must[*oss.HeadObjectResult](t)(f.client(a).HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")}))
		if count := got.Headers.Get("x-oss-tagging-count"); count != want {
			t.Errorf("who may read tags is %v: x-oss-tagging-count = %q, want %q", allowed, count, want)
		}
	}
}
