package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/facts"
	standin "ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
	"ossupload/scripts/internal/stacktest"
)

// Of a stranger's cloud: nothing here is as the local stack has it, and nothing
// secret may be in a report.
const (
	theirRegion    = "eu-central-1"
	theirBucket    = "strangers-own-bucket"
	theirVersioned = "strangers-versions"
	theirSuspended = "strangers-suspended"
	theirToken     = "CAISthisIsATokenOfAStranger/+=="
	theirHost      = "oss-eu-central-1.example.com" // buckets are its subdomains
	theirKeyID     = "LTAI5tStrangersOwnKeyId1"
	theirSecret    = "StrangersOwnAccessKeySecret123"
	theirRole      = "acs:ram::1987654321098765:role/strangers-upload"
	theirID        = "1987654321098765"
)

// cloud is a stranger's OSS and STS: buckets are subdomains of a host of its own,
// which is reached as through a proxy, since no name server knows it.
type cloud struct {
	t        *testing.T
	web, sts *httptest.Server
	accounts *ram.Store
	caFile   string

	requests atomic.Int64
	// before is asked before every request, and answers it if it says so.
	before func(w http.ResponseWriter, r *http.Request) (answered bool)
}

// callbackKey is made once, because that takes long.
var callbackKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newCloud(t *testing.T, assume ...string) *cloud {
	t.Helper()
	stacktest.EndToEnd(t)
	key, err := callbackKey()
	if err != nil {
		t.Fatal(err)
	}
	assumed, err := facts.Assume(assume...)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, accounts: ram.NewStore(), caFile: filepath.Join(t.TempDir(), "ca.pem")}
	c.accounts.Add(ram.Credential{AccessKeyID: theirKeyID, AccessKeySecret: theirSecret})
	objects, err := standin.New(standin.Config{
		Region: theirRegion, Dir: t.TempDir(), Host: theirHost, Now: time.Now, Lookup: c.account,
		CallbackKey: key, CallbackKeyURL: "http://" + theirHost + "/_local/callback.pem", Assume: assumed,
	})
	if err != nil {
		t.Fatal(err)
	}
	for bucket, state := range map[string]standin.Versioning{theirBucket: "", theirVersioned: standin.VersioningEnabled, theirSuspended: standin.VersioningSuspended} {
		if err := objects.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
		if state == "" {
			continue
		}
		if err := objects.SetVersioning(bucket, state); err != nil {
			t.Fatal(err)
		}
	}
	c.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		if c.before == nil || !c.before(w, r) {
			objects.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(c.web.Close)
	c.startSTS()
	return c
}

func (c *cloud) account(id string) (standin.Account, bool) {
	found, ok := c.accounts.Lookup(id)
	return standin.Account{
		AccessKeyID: found.AccessKeyID, AccessKeySecret: found.AccessKeySecret, SecurityToken: found.SecurityToken,
		Expires: found.Expires, Allows: found.AllowsWhen,
	}, ok
}

func (c *cloud) startSTS() {
	c.t.Helper()
	certificate, ca, err := sts.Certificate(time.Now(), rand.Reader)
	if err == nil {
		err = os.WriteFile(c.caFile, ca, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	// As a role for uploads is: what the bucket itself is like is none of its business.
	uploads, err := ram.ParsePolicy(fmt.Appendf(nil, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:%s/*"}]}`, theirBucket))
	if err != nil {
		c.t.Fatal(err)
	}
	c.sts = httptest.NewUnstartedServer(sts.New(sts.Config{Store: c.accounts, Roles: []ram.Role{{
		ARN: theirRole, Policy: uploads, TrustedBy: func(by ram.Credential) bool { return by.AccessKeyID == theirKeyID },
	}}}))
	c.sts.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	c.sts.StartTLS()
	c.t.Cleanup(c.sts.Close)
}

// env is a file of settings, and what they are: those of the cloud with overrides.
func (c *cloud) env(overrides map[string]string) string {
	c.t.Helper()
	settings := map[string]string{
		"OSS_REGION": theirRegion, "OSS_BUCKET": theirBucket, "OSS_ENDPOINT": "http://" + theirHost,
		"ALIBABA_CLOUD_ACCESS_KEY_ID": theirKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": theirSecret,
		"CALLBACK_KEY_URLS": "http://" + theirHost + "/_local/callback.pem",
	}
	maps.Copy(settings, overrides)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s=%s\n", name, settings[name])
	}
	path := filepath.Join(c.t.TempDir(), "env")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// role are the settings that have a role assumed.
func (c *cloud) role() map[string]string {
	return map[string]string{
		"UPLOAD_ROLE_ARN": theirRole, "STS_ENDPOINT": strings.TrimPrefix(c.sts.URL, "https://"), "STS_CA_FILE": c.caFile,
	}
}

// moreKeys makes credentials that have ended, and returns the settings that name
// them.
func (c *cloud) moreKeys() map[string]string {
	expired := ram.Credential{AccessKeyID: "STS.StrangersEnded1", AccessKeySecret: "SecretThatHasEnded123", SecurityToken: theirToken, Expires: time.Now().Add(-time.Minute)}
	c.accounts.Add(expired)
	return map[string]string{
		"EXPIRED_ACCESS_KEY_ID": expired.AccessKeyID, "EXPIRED_ACCESS_KEY_SECRET": expired.AccessKeySecret, "EXPIRED_SECURITY_TOKEN": expired.SecurityToken,
	}
}

// owner is the stranger, who may do everything.
func (c *cloud) owner() *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().WithRegion(theirRegion).WithEndpoint(c.web.URL).WithUsePathStyle(true).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(theirKeyID, theirSecret)))
}

// put stores an object of the stranger's own.
func (c *cloud) put(key string) {
	c.t.Helper()
	if _, err := c.owner().PutObject(c.t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(theirBucket), Key: &key, Body: strings.NewReader("mine"),
	}); err != nil {
		c.t.Fatal(err)
	}
}

// left is what is in the buckets: keys of versions and delete markers, and those of
// uploads in parts.
func (c *cloud) left() []string {
	c.t.Helper()
	var left []string
	for _, bucket := range []string{theirBucket, theirVersioned, theirSuspended} {
		versions, err := c.owner().ListObjectVersions(c.t.Context(), &oss.ListObjectVersionsRequest{Bucket: &bucket, MaxKeys: 1000})
		if err != nil {
			c.t.Fatal(err)
		}
		for _, v := range versions.ObjectVersions {
			left = append(left, oss.ToString(v.Key))
		}
		for _, m := range versions.ObjectDeleteMarkers {
			left = append(left, "delete marker of "+oss.ToString(m.Key))
		}
		uploads, err := c.owner().ListMultipartUploads(c.t.Context(), &oss.ListMultipartUploadsRequest{Bucket: &bucket, MaxUploads: 1000})
		if err != nil {
			c.t.Fatal(err)
		}
		for _, u := range uploads.Uploads {
			left = append(left, "upload of "+oss.ToString(u.Key))
		}
	}
	return left
}
