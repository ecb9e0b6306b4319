package oss

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func newVersioned(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := newFixture(t, change...)
	if err := f.s.SetVersioning(testBucket, VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	return f
}

// putVersion stores an object, which must not exist, and returns its version.
func (f *fixture) putVersion(key, body string) *string {
	f.t.Helper()
	put := must[*oss.PutObjectResult](f.t)(f.client(permanent).PutObject(f.t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), Body: strings.NewReader(body), ForbidOverwrite: oss.Ptr("true"),
	}))
	return put.VersionId
}

// read returns body and version of an object, or the status of the refusal.
func (f *fixture) readVersion(key string, version *string) string {
	f.t.Helper()
	got, err := f.client(permanent).GetObject(f.t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), VersionId: version})
	if err != nil {
		return err.Error()
	}
	defer got.Body.Close()
	body := must[[]byte](f.t)(io.ReadAll(got.Body))
	head := must[*oss.HeadObjectResult](f.t)(f.client(permanent).HeadObject(f.t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), VersionId: version}))
	if oss.ToString(head.VersionId) != oss.ToString(got.VersionId) || head.ContentLength != int64(len(body)) {
		f.t.Errorf("head of %q = version %s of %d bytes, get has %s and %d", key, oss.ToString(head.VersionId), head.ContentLength, oss.ToString(got.VersionId), len(body))
	}
	return string(body) + " " + oss.ToString(got.VersionId)
}

func (f *fixture) deleteVersion(key string, version *string) (marker bool, id string) {
	f.t.Helper()
	got := must[*oss.DeleteObjectResult](f.t)(f.client(permanent).DeleteObject(f.t.Context(), &oss.DeleteObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), VersionId: version}))
	return got.DeleteMarker, oss.ToString(got.VersionId)
}

func TestVersions(t *testing.T) {
	dir := t.TempDir()
	f := newFixture(t, func(c *Config) { c.Dir = dir })
	f.put("k", "null")
	if err := f.s.SetVersioning(testBucket, VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	one, two := f.putVersion("k", "one"), f.putVersion("k", "two")
	if one == nil || two == nil || *one == *two {
		t.Fatalf("versions = %v, %v", one, two)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s = %q, want %q", what, got, want)
		}
	}
	check := func() {
		t.Helper()
		want("current", f.readVersion("k", nil), "two "+*two)
		want("first", f.readVersion("k", one), "one "+*one)
		want("null", f.readVersion("k", oss.Ptr("null")), "null null")
	}
	check()
	f = newFixture(t, func(c *Config) { c.Dir = dir }) // a restart keeps order and bytes
	check()

	marker, markerID := f.deleteVersion("k", nil)
	if !marker || markerID == "" {
		t.Errorf("deleting = marker %v %q", marker, markerID)
	}
	get := f.presign(permanent, &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	absent := f.send(get.Method, get.URL, nil, "")
	f.wantError(absent, 404, codeNoSuchKey, "0026-00000001")
	if absent.header.Get("x-oss-delete-marker") != "true" || absent.header.Get("x-oss-version-id") != markerID {
		t.Errorf("headers = %v", absent.header)
	}
	get = f.presign(permanent, &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: oss.Ptr(markerID)})
	refused := f.send(get.Method, get.URL, nil, "")
	f.wantError(refused, 405, codeMethodNotAllowed, "")
	if refused.header.Get("Allow") != "DELETE" || refused.ResourceType != "DeleteMarker" {
		t.Errorf("Allow = %q, ResourceType = %q", refused.header.Get("Allow"), refused.ResourceType)
	}
	if list := f.s.store.list(testBucket, ""); len(list) != 0 {
		t.Errorf("%d objects are listed", len(list))
	}
	want("under the marker", f.readVersion("k", two), "two "+*two)

	f = newFixture(t, func(c *Config) { c.Dir = dir })
	if marker, id := f.deleteVersion("k", oss.Ptr(markerID)); !marker || id != markerID {
		t.Errorf("deleting the marker = %v %q", marker, id)
	}
	check()
	if marker, id := f.deleteVersion("k", two); marker || id != *two {
		t.Errorf("deleting a version = %v %q", marker, id)
	}
	want("after deleting the last", f.readVersion("k", nil), "one "+*one)
	f.deleteVersion("k", one)
	f.deleteVersion("k", oss.Ptr("null"))
	_, err := f.client(permanent).GetObject(t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	wantServiceError(t, err, 404, codeNoSuchKey, "0026-00000001")
	_, err = f.client(permanent).GetObject(t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: one})
	wantServiceError(t, err, 404, codeNoSuchVersion, "")
}

func TestVersionsOfEveryUpload(t *testing.T) {
	f := newVersioned(t)
	form := f.newForm(permanent, "k")
	form.sign(nil)
	posted := f.post(form)
	f.wantStatus(posted, 204)
	id := f.initiate("k")
	completed := must[*oss.CompleteMultipartUploadResult](t)(f.complete("k", id, f.part("k", id, 1, "part")))
	copied := must[*oss.CopyObjectResult](t)(f.client(permanent).CopyObject(t.Context(), &oss.CopyObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), SourceKey: oss.Ptr("k"), SourceVersionId: oss.Ptr(posted.header.Get("x-oss-version-id")),
	}))
	for body, version := range map[string]string{
		"hello": posted.header.Get("x-oss-version-id"), "part": oss.ToString(completed.VersionId),
	} {
		if got := f.readVersion("k", &version); version == "" || got != body+" "+version {
			t.Errorf("version %q = %q, want %q", version, got, body)
		}
	}
	if got := f.readVersion("k", nil); got != "hello "+oss.ToString(copied.VersionId) || oss.ToString(copied.SourceVersionId) != posted.header.Get("x-oss-version-id") {
		t.Errorf("copied version = %q, of %q", got, oss.ToString(copied.SourceVersionId))
	}
}

// tagVersion puts one tag on a version.
func (f *fixture) tagVersion(a Account, version *string, value string) (*oss.PutObjectTaggingResult, error) {
	return f.client(a).PutObjectTagging(f.t.Context(), &oss.PutObjectTaggingRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: version,
		Tagging: &oss.Tagging{TagSet: &oss.TagSet{Tags: []oss.Tag{{Key: oss.Ptr("a"), Value: oss.Ptr(value)}}}},
	})
}

func (f *fixture) versionTags(a Account, version *string) (*oss.GetObjectTaggingResult, error) {
	return f.client(a).GetObjectTagging(f.t.Context(), &oss.GetObjectTaggingRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: version})
}

func (f *fixture) untagVersion(a Account, version *string) (*oss.DeleteObjectTaggingResult, error) {
	return f.client(a).DeleteObjectTagging(f.t.Context(), &oss.DeleteObjectTaggingRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: version})
}

func TestVersionTags(t *testing.T) {
	dir := t.TempDir()
	f := newFixture(t, func(c *Config) { c.Dir = dir })
	f.put("k", "null")
	if err := f.s.SetVersioning(testBucket, VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	one, two, null := f.putVersion("k", "one"), f.putVersion("k", "two"), oss.Ptr("null")
	check := func(want string) {
		t.Helper()
		var have []string
		for _, version := range []*string{null, one, two, nil} {
			got := must[*oss.GetObjectTaggingResult](t)(f.versionTags(permanent, version))
			shown := version
			if version == nil {
				shown = two
			}
			if oss.ToString(got.VersionId) != *shown {
				t.Errorf("tags of version %q are of %q", *shown, oss.ToString(got.VersionId))
			}
			text := "-"
			if len(got.Tags) == 1 {
				text = *got.Tags[0].Value
			}
			head := must[*oss.HeadObjectResult](t)(f.client(permanent).HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: version}))
			if int(head.TaggingCount) != len(got.Tags) {
				t.Errorf("HEAD of version %q counts %d tags, want %d", *shown, head.TaggingCount, len(got.Tags))
			}
			have = append(have, text)
		}
		if got := strings.Join(have, " "); got != want {
			t.Errorf("tags = %s, want %s", got, want)
		}
	}
	check("- - - -")
	for _, step := range []struct {
		version *string
		value   string
		shown   string
		want    string
	}{
		{nil, "current", *two, "- - current current"},
		{one, "first", *one, "- first current current"},
		{null, "null", "null", "null first current current"},
		{two, "second", *two, "null first second second"},
	} {
		if put := must[*oss.PutObjectTaggingResult](t)(f.tagVersion(permanent, step.version, step.value)); oss.ToString(put.VersionId) != step.shown {
			t.Errorf("tagged version %q, want %q", oss.ToString(put.VersionId), step.shown)
		}
		check(step.want)
	}
	f = newFixture(t, func(c *Config) { c.Dir = dir }) // a restart keeps them
	check("null first second second")
	if got := must[*oss.DeleteObjectTaggingResult](t)(f.untagVersion(permanent, one)); oss.ToString(got.VersionId) != *one {
		t.Errorf("untagged version %q, want %q", oss.ToString(got.VersionId), *one)
	}
	check("null - second second")
	must[*oss.DeleteObjectTaggingResult](t)(f.untagVersion(permanent, nil))
	check("null - - -")
	if got := f.readVersion("k", nil) + " " + f.readVersion("k", one); got != "two "+*two+" one "+*one {
		t.Errorf("versions = %s", got)
	}

	_, marker := f.deleteVersion("k", nil)
	for _, test := range []struct {
		version *string
		status  int
		code    code
		ec      string
	}{
		{nil, 404, codeNoSuchKey, "0026-00000001"},
		{&marker, 405, codeMethodNotAllowed, ""},
		{oss.Ptr("CAEQ0"), 404, codeNoSuchVersion, ""},
	} {
		_, err := f.tagVersion(permanent, test.version, "x")
		wantServiceError(t, err, test.status, test.code, test.ec)
		_, err = f.versionTags(permanent, test.version)
		wantServiceError(t, err, test.status, test.code, test.ec)
		_, err = f.untagVersion(permanent, test.version)
		wantServiceError(t, err, test.status, test.code, test.ec)
	}
	// A version under a delete marker is tagged, and the key stays deleted.
	must[*oss.PutObjectTaggingResult](t)(f.tagVersion(permanent, two, "under"))
	if list := f.s.store.list(testBucket, ""); len(list) != 0 {
		t.Errorf("%d objects are listed", len(list))
	}
}

func TestVersionTagsAuthorization(t *testing.T) {
	f := newVersioned(t)
	version := f.putVersion("k", "one")
	for _, verb := range []string{"Put", "Get", "Delete"} {
		limited := permanent
		limited.Allows = func(action, _ string, _ map[string]string) bool { return action != "oss:"+verb+"ObjectVersionTagging" }
		f.setAccount(limited)
		for name, call := range map[string]func(*string) error{
			"Put":    func(version *string) error { _, err := f.tagVersion(limited, version, "x"); return err },
			"Get":    func(version *string) error { _, err := f.versionTags(limited, version); return err },
			"Delete": func(version *string) error { _, err := f.untagVersion(limited, version); return err },
		} {
			if err := call(nil); err != nil {
				t.Errorf("%s of the current version without the right to %s those of a version: %v", name, verb, err)
			}
			if err := call(version); name == verb {
				wantServiceError(t, err, 403, codeAccessDenied, "0003-00000801")
			} else if err != nil {
				t.Errorf("%s of a version without the right to %s them: %v", name, verb, err)
			}
		}
	}
}

func TestVersionAuthorization(t *testing.T) {
	f := newVersioned(t)
	limited := permanent
	limited.Allows = func(action, _ string, _ map[string]string) bool { return !strings.HasSuffix(action, "Version") }
	version := f.putVersion("k", "one")
	f.setAccount(limited)
	for _, request := range []any{
		&oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: version},
		&oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: version},
	} {
		signed := f.presign(limited, request)
		f.wantStatus(f.send(signed.Method, signed.URL, nil, ""), 403)
	}
	_, err := f.client(limited).DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: version})
	wantServiceError(t, err, 403, codeAccessDenied, "0003-00000801")
	if got := fmt.Sprint(f.deleteVersion("k", nil)); !strings.HasPrefix(got, "true") {
		t.Errorf("deleting without a version = %s", got)
	}
}

func TestWithoutVersions(t *testing.T) {
	f := newFixture(t)
	f.put("k", "hello")
	if got := f.readVersion("k", oss.Ptr("null")); got != "hello " {
		t.Errorf("null = %q", got)
	}
	_, err := f.client(permanent).GetObject(t.Context(), &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: oss.Ptr("CAEQ0")})
	wantServiceError(t, err, 404, codeNoSuchVersion, "")
	if marker, id := f.deleteVersion("k", nil); marker || id != "" {
		t.Errorf("deleting = %v %q", marker, id)
	}
	if err := f.s.SetVersioning("absent", VersioningEnabled); err == nil {
		t.Error("SetVersioning of no bucket succeeds")
	}
}
