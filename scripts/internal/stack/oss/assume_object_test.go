package oss

import (
	"fmt"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

var multipartPositions = []position{
	{"multipart.forbid-overwrite-at-initiate", func(f *fixture) string {
		begun := must[*oss.InitiateMultipartUploadResult](f.t)(f.client(permanent).InitiateMultipartUpload(f.t.Context(), &oss.InitiateMultipartUploadRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), ForbidOverwrite: oss.Ptr("true"),
		}))
		part := f.part("k", begun.UploadId, 1, "new")
		f.put("k", "old")
		_, err := f.complete("k", begun.UploadId, part)
		stored, _ := f.stored("k")
		return failed(err) + ", " + stored
	}, map[string]string{"forgotten": "done, new", "kept": "409 FileAlreadyExists, old"}},
	{"multipart.no-such-upload-ec", func(f *fixture) string {
		_, err := f.complete("k", oss.Ptr("0"), oss.UploadPart{PartNumber: 1, ETag: oss.Ptr("x")})
		return failed(err)
	}, map[string]string{"none": "404 NoSuchUpload", "0042-00000104": "404 NoSuchUpload 0042-00000104"}},
	{"multipart.complete-all-empty", func(f *fixture) string {
		_, err := f.client(permanent).CompleteMultipartUpload(f.t.Context(), &oss.CompleteMultipartUploadRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), UploadId: f.initiate("k"), CompleteAll: oss.Ptr("yes"),
		})
		return failed(err)
	}, map[string]string{"InvalidPart": "400 InvalidPart", "InvalidArgument": "400 InvalidArgument"}},
	{"multipart.etag-suffix", func(f *fixture) string {
		id := f.initiate("k")
		done := must[*oss.CompleteMultipartUploadResult](f.t)(f.complete("k", id, f.part("k", id, 1, "hello")))
		if head := f.head("k"); *head.ETag != *done.ETag {
			return "HEAD says " + *head.ETag + " and the completion " + *done.ETag
		}
		return *done.ETag
	}, map[string]string{"count": `"F872A18EB88181EB00816510E762FEE6-1"`, "none": `"F872A18EB88181EB00816510E762FEE6"`}},
}

var copyPositions = []position{
	{"copy.marker-by-id", func(f *fixture) string {
		f.setState(oss.VersionEnabled)
		_, marker := f.deleteVersion("k", nil)
		_, copied := f.client(permanent).CopyObject(f.t.Context(), &oss.CopyObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("copy"), SourceKey: oss.Ptr("k"), SourceVersionId: &marker,
		})
		_, part := f.copyPart(permanent, f.initiate("big"), 1, "k", func(r *oss.UploadPartCopyRequest) { r.SourceVersionId = &marker })
		return failed(copied) + ", " + failed(part)
	}, map[string]string{"InvalidArgument": "400 InvalidArgument, 400 InvalidArgument", "InvalidRequest": "400 InvalidRequest, 400 InvalidRequest"}},
	{"copy.range-beyond", func(f *fixture) string {
		return f.copyRange("bytes=3-5") + "; " + f.copyRange("bytes=5-6")
	}, map[string]string{
		"whole":   "hello; hello",
		"refused": "400 InvalidArgument 0042-00000306; 400 InvalidArgument 0042-00000306",
		"clipped": "lo, bytes 3-4/5; hello",
	}},
	{"copy.content-range", func(f *fixture) string {
		return f.copyRange("bytes=1-3")
	}, map[string]string{"hyphen": "ell, bytes 1-3/5", "tilde": "ell, bytes 1~3/5"}},
}

// copyRange copies a range of "hello" as an upload of one part, and returns what
// became of it.
func (f *fixture) copyRange(spec string) string {
	f.t.Helper()
	f.put("source", "hello")
	id := f.initiate("big")
	copied, err := f.copyPart(permanent, id, 1, "source", func(r *oss.UploadPartCopyRequest) { r.Range = &spec })
	if err != nil {
		return failed(err)
	}
	must[*oss.CompleteMultipartUploadResult](f.t)(f.complete("big", id, oss.UploadPart{PartNumber: 1, ETag: copied.ETag}))
	stored, _ := f.stored("big")
	return strings.TrimSuffix(stored+", "+copied.Headers.Get("Content-Range"), ", ")
}

var deletePositions = []position{
	{"delete.version-missing", func(f *fixture) string {
		f.setState(oss.VersionEnabled)
		kept := f.putVersion("k", "kept")
		_, err := f.client(permanent).DeleteObject(f.t.Context(), &oss.DeleteObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), VersionId: oss.Ptr("CAEQ0"),
		})
		f.readVersion("k", kept)
		return failed(err)
	}, map[string]string{"404": "404 NoSuchVersion", "204": "done"}},
	{"delete.many-denied", func(f *fixture) string {
		f.put("a", "")
		f.put("b", "")
		a := temporary
		a.Allows = func(_, resource string, _ map[string]string) bool { return !strings.HasSuffix(resource, "/a") }
		f.setAccount(a)
		deleted, err := f.deleteMany(a, false, oss.ObjectIdentifier{Key: oss.Ptr("a")}, oss.ObjectIdentifier{Key: oss.Ptr("b")})
		said := failed(err)
		for _, d := range deleted {
			said += " " + *d.Key
		}
		_, isLeft := f.stored("a")
		_, isDenied := f.stored("b")
		return fmt.Sprint(said, ", a ", isLeft, ", b ", isDenied)
	}, map[string]string{"all": "403 AccessDenied 0003-00000801, a true, b true", "each": "done b, a true, b false"}},
	{"delete.many-md5", func(f *fixture) string {
		return said(f.sendSigned("POST", "/bucket/?delete", map[string]string{"x-oss-content-sha256": unsignedPayload}))
	}, map[string]string{"InvalidArgument": "400 InvalidArgument", "MissingArgument": "400 MissingArgument"}},
}

var versionPositions = []position{
	{"version.status-code", func(f *fixture) string {
		_, err := f.client(permanent).PutBucketVersioning(f.t.Context(), &oss.PutBucketVersioningRequest{
			Bucket: oss.Ptr(testBucket), VersioningConfiguration: &oss.VersioningConfiguration{Status: "On"},
		})
		return failed(err)
	}, map[string]string{"MalformedXML": "400 MalformedXML", "InvalidArgument": "400 InvalidArgument"}},
	{"version.null-shown", func(f *fixture) string {
		f.setState(oss.VersionSuspended)
		client, bucket, key := f.client(permanent), oss.Ptr(testBucket), oss.Ptr("k")
		put := must[*oss.PutObjectResult](f.t)(client.PutObject(f.t.Context(), &oss.PutObjectRequest{Bucket: bucket, Key: key}))
		form := f.newForm(permanent, "k")
		form.sign(nil)
		posted := f.post(form)
		copied := must[*oss.CopyObjectResult](f.t)(client.CopyObject(f.t.Context(), &oss.CopyObjectRequest{Bucket: bucket, Key: key, SourceKey: key}))
		link := must[*oss.PutSymlinkResult](f.t)(client.PutSymlink(f.t.Context(), &oss.PutSymlinkRequest{Bucket: bucket, Key: key, Target: key}))
		id := f.initiate("k")
		done := must[*oss.CompleteMultipartUploadResult](f.t)(f.complete("k", id, f.part("k", id, 1, "")))
		tagged := must[*oss.PutObjectTaggingResult](f.t)(f.tagVersion(permanent, nil, "a"))
		shown := []string{oss.ToString(put.VersionId), posted.header.Get("x-oss-version-id"), oss.ToString(copied.VersionId),
			oss.ToString(link.VersionId), oss.ToString(done.VersionId), tagged.Headers.Get("x-oss-version-id"), oss.ToString(f.head("k").VersionId)}
		return strings.Join(shown, ",")
	}, map[string]string{"everywhere": "null,null,null,null,null,null,null", "not by uploads": ",,,,,null,null"}},
	{"version.marker-by-id", func(f *fixture) string {
		f.setState(oss.VersionEnabled)
		_, marker := f.deleteVersion("k", nil)
		client, bucket, key := f.client(permanent), oss.Ptr(testBucket), oss.Ptr("k")
		_, head := client.HeadObject(f.t.Context(), &oss.HeadObjectRequest{Bucket: bucket, Key: key, VersionId: &marker})
		_, meta := client.GetObjectMeta(f.t.Context(), &oss.GetObjectMetaRequest{Bucket: bucket, Key: key, VersionId: &marker})
		_, tag := f.tagVersion(permanent, &marker, "a")
		_, tags := f.versionTags(permanent, &marker)
		_, untag := f.untagVersion(permanent, &marker)
		var said []string
		for _, err := range []error{head, meta, tag, tags, untag} {
			said = append(said, failed(err))
		}
		return strings.Join(said, ", ")
	}, map[string]string{
		"405": strings.Repeat("405 MethodNotAllowed, ", 4) + "405 MethodNotAllowed",
		"404": "405 MethodNotAllowed" + strings.Repeat(", 404 NoSuchKey 0026-00000001", 4),
	}},
}
