package oss

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// setState switches versioning as the SDK does, and reads it back.
func (f *fixture) setState(state oss.VersioningStatusType) {
	f.t.Helper()
	client := f.client(permanent)
	must[*oss.PutBucketVersioningResult](f.t)(client.PutBucketVersioning(f.t.Context(), &oss.PutBucketVersioningRequest{
		Bucket: oss.Ptr(testBucket), VersioningConfiguration: &oss.VersioningConfiguration{Status: state},
	}))
	if got := f.state(); got != string(state) {
		f.t.Errorf("the state is %q, want %q", got, state)
	}
}

func (f *fixture) state() string {
	f.t.Helper()
	client := f.client(permanent)
	got := must[*oss.GetBucketVersioningResult](f.t)(client.GetBucketVersioning(f.t.Context(), &oss.GetBucketVersioningRequest{Bucket: oss.Ptr(testBucket)}))
	info := must[*oss.GetBucketInfoResult](f.t)(client.GetBucketInfo(f.t.Context(), &oss.GetBucketInfoRequest{Bucket: oss.Ptr(testBucket)}))
	if oss.ToString(info.BucketInfo.Versioning) != oss.ToString(got.VersionStatus) {
		f.t.Errorf("the bucket's information says %q", oss.ToString(info.BucketInfo.Versioning))
	}
	return oss.ToString(got.VersionStatus)
}

// listed are the versions of all keys as a listing has them, in pages of n:
// "k one*" is a current version, "k -marker" a delete marker.
func (f *fixture) listed(n int32, change ...func(*oss.ListObjectVersionsRequest)) string {
	f.t.Helper()
	request := &oss.ListObjectVersionsRequest{Bucket: oss.Ptr(testBucket), MaxKeys: n, IsMix: true}
	for _, c := range change {
		c(request)
	}
	var list []string
	for {
		page := must[*oss.ListObjectVersionsResult](f.t)(f.client(permanent).ListObjectVersions(f.t.Context(), request))
		if got := len(page.ObjectVersionsDeleteMarkers) + len(page.CommonPrefixes); got > int(n) {
			f.t.Fatalf("a page of %d has %d entries", n, got)
		}
		for _, v := range page.ObjectVersionsDeleteMarkers {
			text := oss.ToString(v.Key) + " " + oss.ToString(v.VersionId)
			switch {
			case v.IsDeleteMarker():
				text += " marker"
			default:
				text += fmt.Sprintf(" %d %s", v.Size, oss.ToString(v.Type))
			}
			if v.IsLatest {
				text += "*"
			}
			list = append(list, text)
		}
		for _, p := range page.CommonPrefixes {
			list = append(list, oss.ToString(p.Prefix))
		}
		if !page.IsTruncated {
			return strings.Join(list, "\n")
		}
		request.KeyMarker, request.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
}

func TestSuspendedVersions(t *testing.T) {
	dir := t.TempDir()
	f := newFixture(t, func(c *Config) { c.Dir = dir })
	if got := f.state(); got != "" {
		t.Errorf("a new bucket is %q", got)
	}
	f.setState(oss.VersionEnabled)
	one := f.putVersion("k", "one")
	f.setState(oss.VersionSuspended)
	// No upload is refused for an object that is there, and each is the version
	// null, which replaces the last.
	for _, body := range []string{"two", "three"} {
		if got := f.putVersion("k", body); oss.ToString(got) != "null" {
			t.Errorf("version = %q, want null", oss.ToString(got))
		}
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s = %q, want %q", what, got, want)
		}
	}
	check := func() {
		t.Helper()
		want("current", f.readVersion("k", nil), "three null")
		want("null", f.readVersion("k", oss.Ptr("null")), "three null")
		want("the version of before", f.readVersion("k", one), "one "+*one)
		want("listed", f.listed(10), "k null 5 Normal*\nk "+*one+" 3 Normal")
	}
	check()
	f = newFixture(t, func(c *Config) { c.Dir = dir }) // a restart keeps state, order and bytes
	check()
	if got := f.state(); got != "Suspended" {
		t.Errorf("after a restart the bucket is %q", got)
	}

	// Two delete markers are one, in place of the version null.
	for range 2 {
		if marker, id := f.deleteVersion("k", nil); !marker || id != "null" {
			t.Errorf("deleting = marker %v %q", marker, id)
		}
		want("listed", f.listed(10), "k null marker*\nk "+*one+" 3 Normal")
	}
	_, err := f.client(permanent).GetObject(t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
	want("under the marker", f.readVersion("k", one), "one "+*one)
	if got := f.putVersion("k", "four"); oss.ToString(got) != "null" {
		t.Errorf("version = %q, want null", oss.ToString(got))
	}
	want("over the marker", f.readVersion("k", nil), "four null")

	f.setState(oss.VersionEnabled)
	five := f.putVersion("k", "five!")
	for range 2 {
		want("listed", f.listed(10), "k "+*five+" 5 Normal*\nk null 4 Normal\nk "+*one+" 3 Normal")
		if files, err := os.ReadDir(filepath.Join(dir, "buckets", testBucket, "data")); err != nil || len(files) != 3 {
			t.Errorf("%d files hold the bytes of three versions: %v", len(files), err)
		}
		f = newFixture(t, func(c *Config) { c.Dir = dir })
	}
	f.setState(oss.VersionSuspended)
	f.putVersion("k", "sixth")
	want("the null version, made current", f.listed(10), "k null 5 Normal*\nk "+*five+" 5 Normal\nk "+*one+" 3 Normal")
	if marker, id := f.deleteVersion("k", oss.Ptr("null")); marker || id != "null" {
		t.Errorf("deleting the version null = marker %v %q", marker, id)
	}
	want("after that", f.readVersion("k", nil), "five! "+*five)
}

// Forms, multipart uploads and copies replace the version null as well, and all
// of them say so; one that was begun while there were versions, too.
func TestSuspendedVersionsOfEveryUpload(t *testing.T) {
	f := newVersioned(t)
	f.putVersion("k", "one")
	id := f.initiate("k")
	f.setState(oss.VersionSuspended)
	form := f.newForm(permanent, "k")
	form.sign(nil)
	posted := f.post(form)
	f.wantStatus(posted, 204)
	if got := posted.header.Get("x-oss-version-id"); got != "null" {
		t.Errorf("the version of a form = %q, want null", got)
	}
	completed := must[*oss.CompleteMultipartUploadResult](t)(f.complete("k", id, f.part("k", id, 1, "part")))
	if got := oss.ToString(completed.VersionId) + f.readVersion("k", nil); got != "nullpart null" {
		t.Errorf("the completed version = %q", got)
	}
	copied := must[*oss.CopyObjectResult](t)(f.client(permanent).CopyObject(t.Context(), &oss.CopyObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), SourceKey: oss.Ptr("k"),
	}))
	if got := oss.ToString(copied.VersionId) + f.readVersion("k", nil); got != "nullpart null" {
		t.Errorf("the copied version = %q", got)
	}
	many := must[*oss.DeleteMultipleObjectsResult](t)(f.client(permanent).DeleteMultipleObjects(t.Context(), &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr(testBucket), Objects: []oss.DeleteObject{{Key: oss.Ptr("k")}},
	}))
	if d := many.DeletedObjects; len(d) != 1 || !d[0].DeleteMarker || oss.ToString(d[0].DeleteMarkerVersionId) != "null" {
		t.Errorf("deleted = %+v, want a marker that is the version null", d)
	}
}

func TestListVersions(t *testing.T) {
	f := newFixture(t)
	f.put("odd \v+é", "x")
	f.setState(oss.VersionEnabled)
	versions := map[string]string{}
	for _, body := range []string{"a", "b", "c"} {
		versions[body] = *f.putVersion("dir/k", body)
	}
	_, marker := f.deleteVersion("dir/k", nil)
	top := *f.putVersion("dir", "top")
	const key = "dir/k "
	all := strings.Join([]string{
		"dir " + top + " 3 Normal*", key + marker + " marker*", key + versions["c"] + " 1 Normal", key + versions["b"] + " 1 Normal", key + versions["a"] + " 1 Normal",
		"odd \v+é null 1 Normal*",
	}, "\n")
	for n := range int32(7) {
		if got := f.listed(n + 1); got != all {
			t.Errorf("in pages of %d: %q, want %q", n+1, got, all)
		}
	}
	for _, tt := range []struct {
		name, want string
		change     func(*oss.ListObjectVersionsRequest)
	}{
		{"under a prefix", "odd \v+é null 1 Normal*", func(r *oss.ListObjectVersionsRequest) { r.Prefix = oss.Ptr("odd ") }},
		{"with a delimiter", "dir " + top + " 3 Normal*\ndir/\nodd \v+é null 1 Normal*", func(r *oss.ListObjectVersionsRequest) { r.Delimiter = oss.Ptr("/") }},
		{"behind a key", "odd \v+é null 1 Normal*", func(r *oss.ListObjectVersionsRequest) { r.KeyMarker = oss.Ptr("dir/k") }},
		{"behind a version", key + versions["a"] + " 1 Normal\nodd \v+é null 1 Normal*", func(r *oss.ListObjectVersionsRequest) {
			r.KeyMarker, r.VersionIdMarker = oss.Ptr("dir/k"), oss.Ptr(versions["b"])
		}},
		{"behind a version that is gone", "odd \v+é null 1 Normal*", func(r *oss.ListObjectVersionsRequest) {
			r.KeyMarker, r.VersionIdMarker = oss.Ptr("dir/k"), oss.Ptr("CAEQ")
		}},
	} {
		if got := f.listed(1, tt.change); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	// The listing of objects shows current versions alone.
	page := must[*oss.ListObjectsV2Result](t)(f.client(permanent).ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: oss.Ptr(testBucket)}))
	if len(page.Contents) != 2 {
		t.Errorf("%d objects are listed, want 2", len(page.Contents))
	}
	_, err := f.client(permanent).ListObjectVersions(t.Context(), &oss.ListObjectVersionsRequest{Bucket: oss.Ptr(testBucket), VersionIdMarker: oss.Ptr("null")})
	wantServiceError(t, err, 400, codeInvalidArgument, "")
}

func TestVersioningRefuses(t *testing.T) {
	f := newFixture(t)
	for _, state := range []oss.VersioningStatusType{"Disabled", "", "enabled"} {
		_, err := f.client(permanent).PutBucketVersioning(t.Context(), &oss.PutBucketVersioningRequest{
			Bucket: oss.Ptr(testBucket), VersioningConfiguration: &oss.VersioningConfiguration{Status: state},
		})
		wantServiceError(t, err, 400, codeMalformedXML, "")
		if err := f.s.SetVersioning(testBucket, Versioning(state)); err == nil {
			t.Errorf("SetVersioning(%q) succeeds", state)
		}
	}
	if got := f.state(); got != "" {
		t.Errorf("the state is %q, want none", got)
	}
	_, err := f.client(permanent).GetBucketVersioning(t.Context(), &oss.GetBucketVersioningRequest{Bucket: oss.Ptr("absent")})
	wantServiceError(t, err, 404, codeNoSuchBucket, "0015-00000101")
	limited := permanent
	limited.Allows = func(action, resource string, _ map[string]string) bool {
		return !strings.HasSuffix(action, "BucketVersioning") && action != "oss:ListObjectVersions"
	}
	f.setAccount(limited)
	_, err = f.client(limited).PutBucketVersioning(t.Context(), &oss.PutBucketVersioningRequest{
		Bucket: oss.Ptr(testBucket), VersioningConfiguration: &oss.VersioningConfiguration{Status: oss.VersionEnabled},
	})
	wantServiceError(t, err, 403, codeAccessDenied, "0003-00000801")
	_, err = f.client(limited).ListObjectVersions(t.Context(), &oss.ListObjectVersionsRequest{Bucket: oss.Ptr(testBucket)})
	wantServiceError(t, err, 403, codeAccessDenied, "0003-00000801")
}
