package oss

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// uploads are the ways to write a key. Each returns the code of a refusal, or "". The
// copy is of the object "source".
func (f *fixture) uploads(a Account) map[string]func(key string) string {
	client, ctx, bucket := f.client(a), f.t.Context(), oss.Ptr(testBucket)
	f.put("source", "hello")
	codeOf := func(err error) string {
		var e *oss.ServiceError
		if err != nil && !errors.As(err, &e) {
			f.t.Error(err)
		}
		if e == nil {
			return ""
		}
		return e.Code
	}
	return map[string]func(string) string{
		"put": func(key string) string {
			_, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: bucket, Key: oss.Ptr(key), Body: strings.NewReader("hello")})
			return codeOf(err)
		},
		"form": func(key string) string {
			form := f.newForm(a, key)
			form.sign(nil)
			return string(f.post(form).Code)
		},
		"multipart": func(key string) string {
			id := f.initiate(key)
			_, err := client.CompleteMultipartUpload(ctx, &oss.CompleteMultipartUploadRequest{
				Bucket: bucket, Key: oss.Ptr(key), UploadId: id,
				CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: []oss.UploadPart{f.part(key, id, 1, "hello")}},
			})
			return codeOf(err)
		},
		"copy": func(key string) string {
			_, err := client.CopyObject(ctx, &oss.CopyObjectRequest{Bucket: bucket, Key: oss.Ptr(key), SourceKey: oss.Ptr("source")})
			return codeOf(err)
		},
		"symlink": func(key string) string {
			_, err := client.PutSymlink(ctx, &oss.PutSymlinkRequest{Bucket: bucket, Key: oss.Ptr(key), Target: oss.Ptr("source")})
			return codeOf(err)
		},
	}
}

// reopen starts another server on what the fixture's has stored.
func (f *fixture) reopen() {
	f.t.Helper()
	s, err := New(f.s.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.s = s
}

func TestStorageClass(t *testing.T) {
	f := newFixture(t)
	if err := f.s.SetStorageClass(testBucket, "IA"); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	for name, upload := range f.uploads(permanent) {
		if code := upload(name); code != "" {
			t.Errorf("%s is refused with %s", name, code)
		}
		if got := *f.head(name).StorageClass; got != "IA" {
			t.Errorf("the class of a %s = %s, want that of the bucket", name, got)
		}
	}
	must[*oss.PutObjectResult](t)(f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("own"), StorageClass: oss.StorageClassStandard,
	}))
	if got := *f.head("own").StorageClass; got != standard {
		t.Errorf("the class of an upload that names one = %s", got)
	}
	if err := f.s.SetStorageClass(testBucket, "Cold"); err == nil {
		t.Error("a class that there is not is set")
	}
}

func TestSDKBuckets(t *testing.T) {
	f := newFixture(t)
	client, ctx := f.client(permanent), t.Context()
	put := func(name string, class oss.StorageClassType) error {
		_, err := client.PutBucket(ctx, &oss.PutBucketRequest{
			Bucket: oss.Ptr(name), CreateBucketConfiguration: &oss.CreateBucketConfiguration{StorageClass: class},
		})
		return err
	}
	for _, name := range []string{"b-1", "b-2", "b-3"} {
		if err := put(name, oss.StorageClassIA); err != nil {
			t.Fatal(err)
		}
	}
	wantServiceError(t, put("b-4", "Cold"), 400, codeMalformedXML, "")
	var names []string
	for p := client.NewListBucketsPaginator(&oss.ListBucketsRequest{Prefix: oss.Ptr("b-"), MaxKeys: 2}); p.HasNext(); {
		page := must[*oss.ListBucketsResult](t)(p.NextPage(ctx))
		for _, b := range page.Buckets {
			names = append(names, *b.Name+" "+*b.StorageClass+" "+*b.Region)
		}
		names = append(names, "|")
	}
	if got, want := strings.Join(names, ","), "b-1 IA cn-hangzhou,b-2 IA cn-hangzhou,|,b-3 IA cn-hangzhou,|"; got != want {
		t.Errorf("buckets = %s, want %s", got, want)
	}
	remove := func(name string) error {
		_, err := client.DeleteBucket(ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr(name)})
		return err
	}
	f.put("k", "hello")
	wantServiceError(t, remove(testBucket), 409, codeBucketNotEmpty, "")
	f.s.store.remove(testBucket, "k", "")
	id := f.initiate("k")
	wantServiceError(t, remove(testBucket), 409, codeBucketNotEmpty, "")
	if err := f.s.store.abort(testBucket, "k", *id); err != nil {
		t.Fatal(err)
	}
	if err := remove(testBucket); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	wantServiceError(t, remove(testBucket), 404, codeNoSuchBucket, "0015-00000101")
	if _, err := f.s.store.initiate(testBucket, "k", attributes{}, false); !errors.Is(err, errNotStored) {
		t.Errorf("initiating an upload into a bucket that is gone = %v", err)
	}
}

// ListObjects pages as ListObjectsV2 does.
func TestSDKListObjects(t *testing.T) {
	f := newFixture(t)
	for _, key := range []string{"a b", "d/1", "d/2", "e", "f/\x01"} {
		f.put(key, key)
	}
	var pages []string
	for p := f.client(permanent).NewListObjectsPaginator(&oss.ListObjectsRequest{Bucket: oss.Ptr(testBucket), Delimiter: oss.Ptr("/"), MaxKeys: 2}); p.HasNext(); {
		page := must[*oss.ListObjectsResult](t)(p.NextPage(t.Context()))
		for _, o := range page.Contents {
			pages = append(pages, *o.Key)
			if o.Owner == nil {
				t.Errorf("%q has no owner", *o.Key)
			}
		}
		for _, prefix := range page.CommonPrefixes {
			pages = append(pages, *prefix.Prefix+"*")
		}
		pages = append(pages, "|")
	}
	if got, want := strings.Join(pages, ","), "a b,d/*,|,e,f/*,|"; got != want {
		t.Errorf("pages = %s, want %s", got, want)
	}
}

// putOverwriteConfig sets the rules of the bucket with the SDK.
func (f *fixture) putOverwriteConfig(bucket string, rules ...oss.OverwriteRule) error {
	_, err := f.client(permanent).PutBucketOverwriteConfig(f.t.Context(), &oss.PutBucketOverwriteConfigRequest{
		Bucket: oss.Ptr(bucket), OverwriteConfiguration: &oss.OverwriteConfiguration{Rules: rules},
	})
	return err
}

func TestOverwriteConfig(t *testing.T) {
	f := newFixture(t)
	named := temporary
	named.Principal = "arn:sts::1000000000000000:assumed-role/upload/session"
	f.setAccount(named)
	for _, test := range []struct {
		name      string
		rule      oss.OverwriteRule
		by        Account
		forbidden bool
	}{
		{"everything", oss.OverwriteRule{}, permanent, true},
		{"its prefix and suffix", oss.OverwriteRule{Prefix: oss.Ptr("dir/"), Suffix: oss.Ptr(".txt")}, permanent, true},
		{"another suffix", oss.OverwriteRule{Prefix: oss.Ptr("dir/"), Suffix: oss.Ptr(".png")}, permanent, false},
		{"another prefix", oss.OverwriteRule{Prefix: oss.Ptr("di*/")}, permanent, false},
		{"the owner", oss.OverwriteRule{Principals: &oss.OverwritePrincipals{Principals: []string{"1", accountID}}}, permanent, true},
		{"the owner, by another", oss.OverwriteRule{Principals: &oss.OverwritePrincipals{Principals: []string{accountID}}}, named, false},
		{"a role", oss.OverwriteRule{Principals: &oss.OverwritePrincipals{Principals: []string{"arn:sts::*:assumed-role/upload/*"}}}, named, true},
		{"another role", oss.OverwriteRule{Principals: &oss.OverwritePrincipals{Principals: []string{"arn:sts::*:assumed-role/other/*"}}}, named, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			uploads := f.uploads(test.by)
			for _, name := range slices.Sorted(maps.Keys(uploads)) {
				upload, key := uploads[name], "dir/"+test.name+name+".txt"
				if err := f.putOverwriteConfig(testBucket, overwriteForbid(test.rule)); err != nil {
					t.Fatal(err)
				}
				f.reopen()
				if code := upload(key); code != "" {
					t.Errorf("the first %s is refused with %s", name, code)
				}
				want := ""
				if test.forbidden {
					want = string(codeFileAlreadyExists)
				}
				if code := upload(key); code != want {
					t.Errorf("the second %s: %q, want %q", name, code, want)
				}
				must[*oss.DeleteBucketOverwriteConfigResult](t)(f.client(permanent).DeleteBucketOverwriteConfig(t.Context(), &oss.DeleteBucketOverwriteConfigRequest{Bucket: oss.Ptr(testBucket)}))
				if code := upload(key); code != "" {
					t.Errorf("without rules the %s is refused with %s", name, code)
				}
			}
		})
	}
	if err := f.putOverwriteConfig(testBucket, overwriteForbid(oss.OverwriteRule{})); err != nil {
		t.Fatal(err)
	}
	for _, state := range []Versioning{VersioningEnabled, VersioningSuspended} {
		if err := f.s.SetVersioning(testBucket, state); err != nil {
			t.Fatal(err)
		}
		for name, upload := range f.uploads(permanent) {
			if first, second := upload(name), upload(name); first != "" || second != "" {
				t.Errorf("with versioning %s, %s is refused: %q, %q", state, name, first, second)
			}
		}
	}
}

// overwriteForbid is the rule with what every rule must have.
func overwriteForbid(r oss.OverwriteRule) oss.OverwriteRule {
	r.Action = oss.Ptr(actionForbid)
	return r
}

func TestOverwriteConfigRefusals(t *testing.T) {
	f := newFixture(t)
	get := func() (*oss.GetBucketOverwriteConfigResult, error) {
		return f.client(permanent).GetBucketOverwriteConfig(t.Context(), &oss.GetBucketOverwriteConfigRequest{Bucket: oss.Ptr(testBucket)})
	}
	_, err := get()
	wantServiceError(t, err, 404, codeNoSuchOverwriteConfig, "")
	one, two := overwriteForbid(oss.OverwriteRule{ID: oss.Ptr("1")}), overwriteForbid(oss.OverwriteRule{ID: oss.Ptr("2"), Prefix: oss.Ptr("a"), Suffix: oss.Ptr("b")})
	long := overwriteForbid(oss.OverwriteRule{Prefix: oss.Ptr(strings.Repeat("p", maxOverwriteAffix+1))})
	for name, rules := range map[string][]oss.OverwriteRule{
		"no rule":             {},
		"another action":      {{Action: oss.Ptr("allow")}},
		"one ID of two rules": {one, one},
		"a long prefix":       {long},
		"101 rules":           slices.Repeat([]oss.OverwriteRule{overwriteForbid(oss.OverwriteRule{})}, maxOverwriteRules+1),
	} {
		t.Run(name, func(t *testing.T) {
			wantServiceError(t, f.putOverwriteConfig(testBucket, rules...), 400, codeMalformedXML, ecBadOverwriteConfig)
		})
	}
	if err := f.putOverwriteConfig(testBucket, one, two, overwriteForbid(oss.OverwriteRule{})); err != nil {
		t.Fatal(err)
	}
	got := must[*oss.GetBucketOverwriteConfigResult](t)(get()).OverwriteConfiguration.Rules
	if len(got) != 3 || *got[1].ID != "2" || *got[1].Prefix != "a" || *got[1].Suffix != "b" || len(*got[2].ID) != 36 {
		t.Errorf("rules = %+v", got)
	}
}

func TestMatchStars(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "abc", true},
		{"a*a", "a", false}, {"a*b*c", "axbyc", true}, {"a*b*c", "axyc", false}, {"a**c", "ac", true}, {"*b*b*", "b", false},
	} {
		if got := matchStars(test.pattern, test.text); got != test.want {
			t.Errorf("matchStars(%q, %q) = %v", test.pattern, test.text, got)
		}
	}
}
