package e2e

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
)

// stsGrant is the answer to POST /sts.
type stsGrant struct{ client.STSCredentials }

// sts asks for credentials as the holder of token.
func (r *rig) sts(t *testing.T, token string, in any) stsGrant {
	t.Helper()
	a := r.call(t, http.MethodPost, "/sts", token, in)
	var g stsGrant
	a.into(t, "POST /sts", &g)
	want := []string{"AccessKeyId", "AccessKeySecret", "Expiration", "SecurityToken", "bucket", "endpoint", "prefix", "region"}
	if got := memberNames(t, a.Body); !slices.Equal(got, want) {
		t.Errorf("POST /sts answers %q, want %q", got, want)
	}
	if g.Bucket != r.Ready.Bucket || g.Region != r.Ready.Region || g.Endpoint != r.Ready.OSS {
		t.Errorf("POST /sts is for %s in %s at %s, want %s in %s at %s", g.Bucket, g.Region, g.Endpoint, r.Ready.Bucket, r.Ready.Region, r.Ready.OSS)
	}
	r.logged.secret(g.AccessKeySecret, g.SecurityToken)
	return g
}

// client is the official SDK with nothing but the answer of /sts.
func (g stsGrant) client(r *rig) *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().
		WithRegion(g.Region).
		WithEndpoint(g.Endpoint).
		WithUsePathStyle(true).
		WithRetryMaxAttempts(1).
		WithHttpClient(r.client.HTTP).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(g.AccessKeyID, g.AccessKeySecret, g.SecurityToken)))
}

// put stores an object with the credentials, and returns why not.
func (g stsGrant) put(t *testing.T, r *rig, key string, content []byte) error {
	t.Helper()
	_, err := g.client(r).PutObject(t.Context(), &oss.PutObjectRequest{Bucket: &g.Bucket, Key: &key, Body: bytes.NewReader(content)})
	return err
}

// wantDenied checks that RAM refused a call, naming the action.
func wantDenied(t *testing.T, what string, err error) {
	t.Helper()
	var e *oss.ServiceError
	if !errors.As(err, &e) || e.StatusCode != http.StatusForbidden || e.Code != "AccessDenied" {
		t.Errorf("%s = %v, want 403 AccessDenied", what, err)
	}
}

func TestSTSUploads(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(16)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		g := r.sts(t, r.Ready.CallerToken, nil)
		if g.Prefix != "uploads/_sts/demo/" {
			t.Fatalf("prefix = %q, want uploads/_sts/demo/", g.Prefix)
		}
		c := g.client(r)
		t.Run("in one request", func(t *testing.T) {
			key := g.Prefix + "a/假日 +1.png"
			if err := g.put(t, r, key, whole); err != nil {
				t.Fatalf("PutObject = %v, want nil", err)
			}
			r.wantStored(t, key, whole)
			r.wantNoEvent(t, key)
		})
		t.Run("in parts, step by step", func(t *testing.T) {
			key := g.Prefix + "film.mp4"
			begun, err := c.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: &g.Bucket, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			var parts []oss.UploadPart
			for i, content := range contents {
				part, err := c.UploadPart(t.Context(), &oss.UploadPartRequest{Bucket: &g.Bucket, Key: &key, UploadId: begun.UploadId, PartNumber: int32(i + 1), Body: bytes.NewReader(content)})
				if err != nil {
					t.Fatal(err)
				}
				parts = append(parts, oss.UploadPart{PartNumber: int32(i + 1), ETag: part.ETag})
			}
			listed, err := c.ListParts(t.Context(), &oss.ListPartsRequest{Bucket: &g.Bucket, Key: &key, UploadId: begun.UploadId})
			if err != nil || len(listed.Parts) != len(contents) {
				t.Errorf("ListParts = %v, %v, want %d parts", listed, err, len(contents))
			}
			if _, err := c.CompleteMultipartUpload(t.Context(), &oss.CompleteMultipartUploadRequest{
				Bucket: &g.Bucket, Key: &key, UploadId: begun.UploadId, CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts},
			}); err != nil {
				t.Fatal(err)
			}
			r.wantStored(t, key, whole)
			r.wantNoEvent(t, key)
		})
		t.Run("in parts, given up", func(t *testing.T) {
			key := g.Prefix + "given-up.mp4"
			begun, err := c.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: &g.Bucket, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.AbortMultipartUpload(t.Context(), &oss.AbortMultipartUploadRequest{Bucket: &g.Bucket, Key: &key, UploadId: begun.UploadId}); err != nil {
				t.Errorf("AbortMultipartUpload = %v, want nil", err)
			}
		})
		t.Run("as the SDK's uploader does it", func(t *testing.T) {
			key := g.Prefix + "uploader.bin"
			uploader := oss.NewUploader(c, func(o *oss.UploaderOptions) { o.PartSize, o.ParallelNum = minPart, 2 })
			if _, err := uploader.UploadFrom(t.Context(), &oss.PutObjectRequest{Bucket: &g.Bucket, Key: &key}, bytes.NewReader(whole)); err != nil {
				t.Fatalf("UploadFrom = %v, want nil", err)
			}
			r.wantStored(t, key, whole)
		})
	})
}

// The credentials store below their prefix, and do nothing else anywhere.
func TestSTSIsForUploadsBelowOnePrefix(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		g := r.sts(t, r.Ready.CallerToken, map[string]any{})
		c := g.client(r)
		content := []byte("stored with STS")
		own := g.Prefix + "own.txt"
		if err := g.put(t, r, own, content); err != nil {
			t.Fatalf("PutObject = %v, want nil", err)
		}
		u := r.uploaded(t, nil)
		for what, key := range map[string]string{
			"another user's prefix":               "uploads/_sts/somebody/a.txt",
			"that of a user whose name begins so": "uploads/_sts/demo2/a.txt",
			"the prefix without its slash":        "uploads/_sts/demo",
			"above all users":                     "uploads/_sts/a.txt",
			"where presigned uploads go":          "uploads/demo/a.txt",
			"over a presigned upload":             u.key,
			"where announcements are kept":        "_ossupload/uploads/_announced/demo/a.txt",
			"where events wait":                   "_ossupload/uploads/_pending/0000000000-evt_0",
			"where events are buried":             "_ossupload/uploads/_dead/evt_0",
			"where the sweep keeps its state":     "_ossupload/uploads/_sweep/cursor",
			"outside of the prefix of uploads":    "a.txt",
			"in another case":                     "Uploads/_sts/demo/a.txt",
		} {
			wantDenied(t, "PutObject to "+what, g.put(t, r, key, content))
			if key != u.key {
				r.wantStored(t, key, nil)
			}
			_, err := c.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: &g.Bucket, Key: &key})
			wantDenied(t, "InitiateMultipartUpload of "+what, err)
		}
		r.wantStored(t, u.key, u.content)

		other, copied := "ossupload-other", g.Prefix+"copied.txt"
		if _, err := r.developer.PutBucket(t.Context(), &oss.PutBucketRequest{Bucket: &other}); err != nil {
			t.Fatal(err)
		}
		others := map[string]func() error{
			"PutObject to another bucket": func() error {
				_, err := c.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: &other, Key: &own, Body: bytes.NewReader(content)})
				return err
			},
			"GetObject of what was just stored": func() error {
				_, err := c.GetObject(t.Context(), &oss.GetObjectRequest{Bucket: &g.Bucket, Key: &own})
				return err
			},
			"GetObject of a presigned upload": func() error {
				_, err := c.GetObject(t.Context(), &oss.GetObjectRequest{Bucket: &g.Bucket, Key: &u.key})
				return err
			},
			"DeleteObject": func() error {
				_, err := c.DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: &g.Bucket, Key: &own})
				return err
			},
			"ListObjectsV2": func() error {
				_, err := c.ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: &g.Bucket, Prefix: &g.Prefix})
				return err
			},
			"ListMultipartUploads": func() error {
				_, err := c.ListMultipartUploads(t.Context(), &oss.ListMultipartUploadsRequest{Bucket: &g.Bucket, Prefix: &g.Prefix})
				return err
			},
			"CopyObject of a presigned upload": func() error {
				_, err := c.CopyObject(t.Context(), &oss.CopyObjectRequest{Bucket: &g.Bucket, Key: &copied, SourceBucket: &g.Bucket, SourceKey: &u.key})
				return err
			},
			"PutObject with an ACL": func() error {
				_, err := c.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: &g.Bucket, Key: &copied, Acl: oss.ObjectACLPublicRead, Body: bytes.NewReader(content)})
				return err
			},
			"PutObject with tags": func() error {
				_, err := c.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: &g.Bucket, Key: &copied, Tagging: oss.Ptr("project=x"), Body: bytes.NewReader(content)})
				return err
			},
			"PutObjectTagging": func() error {
				_, err := c.PutObjectTagging(t.Context(), &oss.PutObjectTaggingRequest{Bucket: &g.Bucket, Key: &own, Tagging: &oss.Tagging{TagSet: &oss.TagSet{Tags: []oss.Tag{{Key: oss.Ptr("a"), Value: oss.Ptr("b")}}}}})
				return err
			},
		}
		if assumed.Is("access.acl-action", "not needed") {
			// Then nothing but the bucket itself can keep the holder from publishing what
			// lies below the prefix; elsewhere there is nothing to publish.
			const what = "PutObject with an ACL"
			if err := others[what](); err != nil {
				t.Errorf("%s = %v, want what is assumed", what, err)
			}
			r.erase(t, copied)
			delete(others, what)
		}
		for what, call := range others {
			wantDenied(t, what, call())
		}
		// A HEAD has no body to hold the code.
		var e *oss.ServiceError
		if _, err := c.HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: &g.Bucket, Key: &own}); !errors.As(err, &e) || e.StatusCode != http.StatusForbidden {
			t.Errorf("HeadObject = %v, want 403", err)
		}
		r.wantStored(t, own, content)
		r.wantStored(t, copied, nil)
		if err := g.put(t, r, own, []byte("again")); err != nil {
			t.Errorf("PutObject after all this = %v, want nil", err)
		}

		// Nor do the credentials open our own routes, or stay good in part.
		spoilt := g
		spoilt.SecurityToken = ""
		var unknown *oss.ServiceError
		if err := spoilt.put(t, r, own, content); !errors.As(err, &unknown) || unknown.Code != "InvalidAccessKeyId" {
			t.Errorf("PutObject without the security token = %v, want InvalidAccessKeyId", err)
		}
		r.call(t, http.MethodPost, "/sts", g.SecurityToken, nil).refused(t, "POST /sts with a security token", http.StatusUnauthorized, "unauthenticated")
		r.call(t, http.MethodPost, "/sts", "", nil).refused(t, "POST /sts of nobody", http.StatusUnauthorized, "unauthenticated")
	})
}

func TestSTSPrefixes(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		content := []byte("stored with STS")
		for asked, want := range map[string]string{
			"":                            "uploads/_sts/demo/",
			"photos/":                     "uploads/_sts/demo/photos/",
			"photos/2026-11/a_b.c/":       "uploads/_sts/demo/photos/2026-11/a_b.c/",
			"uploads/_sts/demo/":          "uploads/_sts/demo/",
			"uploads/_sts/demo/photos/":   "uploads/_sts/demo/photos/",
			"uploads/_sts/somebody/":      "",
			"uploads/_sts/demo2/":         "",
			"uploads/demo/":               "uploads/_sts/demo/uploads/demo/",
			"_sts/":                       "",
			strings.Repeat("a", 99) + "/": "uploads/_sts/demo/" + strings.Repeat("a", 99) + "/",
			"...":                         "", "photos": "", "/": "", "/photos/": "", "photos//": "", "./": "", "../": "", "../somebody/": "", "a/../": "", "a/./b/": "",
			"*": "", "*/": "", "a*/": "", "?/": "", "${acs:SourceIp}/": "", "a\"/": "", "a b/": "", "a\n/": "", "%2e%2e/": "", `..\/`: "", "假日/": "",
			"uploads/_sts/demo/../somebody/": "", "uploads/_sts/demo": "", strings.Repeat("a", 256) + "/": "",
		} {
			if want == "" {
				c := r.call(t, http.MethodPost, "/sts", r.Ready.CallerToken, map[string]any{"prefix": asked}).refused(t, "prefix "+asked, http.StatusBadRequest, "invalid_request")
				if got := c.fields(t); !slices.Equal(got, []string{"prefix"}) {
					t.Errorf("prefix %q: fields = %q, want prefix", asked, got)
				}
				continue
			}
			g := r.sts(t, r.Ready.CallerToken, map[string]any{"prefix": asked})
			if g.Prefix != want {
				t.Errorf("prefix %q becomes %q, want %q", asked, g.Prefix, want)
			}
			if err := g.put(t, r, g.Prefix+"a.txt", content); err != nil {
				t.Errorf("PutObject below %q = %v, want nil", g.Prefix, err)
			}
			if asked != "" && asked != "uploads/_sts/demo/" {
				wantDenied(t, "PutObject beside the narrower prefix "+asked, g.put(t, r, "uploads/_sts/demo/beside.txt", content))
			}
		}
		for name, in := range map[string]any{
			"a list as prefix": map[string]any{"prefix": []string{"a/"}}, "another bucket": map[string]any{"bucket": "b"}, "a life of its own": map[string]any{"expiresIn": 7200},
		} {
			r.call(t, http.MethodPost, "/sts", r.Ready.CallerToken, in).refused(t, name, http.StatusBadRequest, "invalid_request")
		}
		r.call(t, http.MethodPost, "/sts", r.Ready.CallerToken, `{"prefix":`).refused(t, "no JSON", http.StatusBadRequest, "invalid_json")
	})
}

// Whatever a subject is called, its credentials are for one prefix of its own,
// and the account's audit log shows who it was.
func TestSTSOfManySubjects(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	content := []byte("stored with STS")
	long := strings.Repeat("a", 100)
	for _, tt := range []struct{ subject, prefix, session string }{
		{"demo", "uploads/_sts/demo/", `"session":"ossupload-demo"`},
		{"user-7", "uploads/_sts/user-7/", `"session":"ossupload-user-7"`},
		{"Demo", "uploads/_sts/_44emo/", `"session":"ossupload-_44emo"`},
		{"*", "uploads/_sts/_2a/", `"session":"ossupload-_2a"`},
		{"?", "uploads/_sts/_3f/", `"session":"ossupload-_3f"`},
		{"../demo", "uploads/_sts/_2e_2e_2fdemo/", `"session":"ossupload-_2e_2e_2fdemo"`},
		{"a/b", "uploads/_sts/a_2fb/", `"session":"ossupload-a_2fb"`},
		{"夏", "uploads/_sts/_e5_a4_8f/", `"session":"ossupload-_e5_a4_8f"`},
		{long, "uploads/_sts/" + long + "/", `"session":"ossupload-`},
	} {
		since, began := r.logged.length(), time.Now()
		g := r.sts(t, r.caller(t, tt.subject, nil), nil)
		if g.Prefix != tt.prefix {
			t.Errorf("the prefix of %q is %q, want %q", tt.subject, g.Prefix, tt.prefix)
		}
		if g.Expiration.After(time.Now().Add(time.Hour)) || g.Expiration.Before(began.Add(58*time.Minute)) {
			t.Errorf("Expiration = %v, want an hour at most, and from %v on 58 minutes at least", g.Expiration, began)
		}
		if c, ok := r.Accounts.Lookup(g.AccessKeyID); !ok || g.Expiration.After(c.Expires) || c.Role != stack.UploadRole || len(c.Policies) != 2 {
			t.Errorf("the credentials of %q are none of %s with a session policy that last until %v", tt.subject, stack.UploadRole, g.Expiration)
		}
		r.logged.want(t, since, `"assuming a role"`, tt.session, `"accessKeyId":"`+g.AccessKeyID+`"`, `"sessionPolicy":true`)
		if err := g.put(t, r, g.Prefix+"a.txt", content); err != nil {
			t.Errorf("PutObject of %q = %v, want nil", tt.subject, err)
		}
		wantDenied(t, "PutObject of "+tt.subject+" to somebody's prefix", g.put(t, r, "uploads/_sts/somebody/a.txt", content))
	}
}

// What is stored with STS was granted by nobody, and no route of ours takes it
// for an upload.
func TestSTSObjectsAreNobodysUploads(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		g := r.sts(t, r.Ready.CallerToken, nil)
		u := r.grantPut(t, nil)
		// With the grant of an upload that was never made, and its very bytes.
		key := g.Prefix + u.key[strings.LastIndexByte(u.key, '/')+1:]
		if _, err := g.client(r).PutObject(t.Context(), &oss.PutObjectRequest{
			Bucket: &g.Bucket, Key: &key, Body: bytes.NewReader(u.content), ContentType: oss.Ptr("image/png"),
			Metadata: map[string]string{"ossupload-grant": u.header[metaGrant], "ossupload-filename": "holiday.png"},
		}); err != nil {
			t.Fatal(err)
		}
		r.wantStored(t, key, u.content)
		r.confirmKey(t, key).refused(t, "confirming by key", http.StatusNotFound, "not_found")
		r.confirmToken(t, u.token).refused(t, "confirming by the token of the other upload", http.StatusNotFound, "not_found")
		r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": key}).refused(t, "downloading", http.StatusNotFound, "not_found")
		r.wantNoEvent(t, key)
		r.wantNoEvent(t, u.key)
		r.wantEvents(t, u.put(t).receipt(t, "the honest PUT", u.key, u.content), 1)
		r.wantNoEvent(t, key)
	})
}

func TestSTSFails(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		for mode, want := range map[string]string{"503": "throttled", "reset": "throttled"} {
			r.fail(t, fault.Fault{Target: "sts", Operation: "*", Mode: mode, Count: 20})
			a := r.call(t, http.MethodPost, "/sts", r.Ready.CallerToken, nil)
			a.refused(t, "POST /sts with STS in mode "+mode, http.StatusServiceUnavailable, want)
			if a.Header.Get("Retry-After") == "" {
				t.Errorf("POST /sts with STS in mode %s has no Retry-After", mode)
			}
			r.Faults.Clear()
		}
		g := r.sts(t, r.Ready.CallerToken, nil)
		if err := g.put(t, r, g.Prefix+"a.txt", []byte("x")); err != nil {
			t.Errorf("PutObject afterwards = %v, want nil", err)
		}
	})
}
