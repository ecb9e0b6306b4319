package oss

import (
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func (f *fixture) blockPublicAccess(block bool) {
	f.t.Helper()
	must[*oss.PutBucketPublicAccessBlockResult](f.t)(f.client(permanent).PutBucketPublicAccessBlock(f.t.Context(), &oss.PutBucketPublicAccessBlockRequest{
		Bucket: oss.Ptr(testBucket), PublicAccessBlockConfiguration: &oss.PublicAccessBlockConfiguration{BlockPublicAccess: oss.Ptr(block)},
	}))
}

// Where public access is blocked no ACL can be made public, and what is public is
// not, until it is allowed again.
func TestBlockPublicAccess(t *testing.T) {
	f := newFixture(t)
	client, bucket := f.client(permanent), oss.Ptr(testBucket)
	put := func(key string, acl oss.ObjectACLType) error {
		_, err := client.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: bucket, Key: oss.Ptr(key), Acl: acl, Body: strings.NewReader("hello")})
		return err
	}
	setACL := func(key string, acl oss.ObjectACLType) error {
		_, err := client.PutObjectAcl(t.Context(), &oss.PutObjectAclRequest{Bucket: bucket, Key: oss.Ptr(key), Acl: acl})
		return err
	}
	stranger := func(key string) int { return f.send("GET", f.web.URL+"/bucket/"+key, nil, "").status }
	if err := put("early", oss.ObjectACLDefault); err != nil {
		t.Fatal(err)
	}
	if err := setACL("early", oss.ObjectACLPublicRead); err != nil || stranger("early") != 200 {
		t.Fatalf("a public object is answered %d, %v", stranger("early"), err)
	}
	f.blockPublicAccess(true)
	f.reopen()
	for _, acl := range []oss.ObjectACLType{oss.ObjectACLPublicRead, oss.ObjectACLPublicReadWrite} {
		wantServiceError(t, put("late", acl), 403, codeAccessDenied, "")
		wantServiceError(t, setACL("early", acl), 403, codeAccessDenied, "")
	}
	if err := put("private", oss.ObjectACLPrivate); err != nil {
		t.Errorf("a private object is refused: %v", err)
	}
	if got := stranger("early"); got != 403 {
		t.Errorf("a public object is answered %d although public access is blocked", got)
	}
	f.blockPublicAccess(false)
	if got := stranger("early"); got != 200 {
		t.Errorf("a public object is answered %d once public access is allowed again", got)
	}
	wantServiceError(t, setACL("none", oss.ObjectACLPrivate), 404, codeNoSuchKey, "0026-00000001")
}
