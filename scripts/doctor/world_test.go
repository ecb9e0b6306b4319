package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/roles"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

const (
	app     = "https://app.example.com"
	account = "1234567890123456"
)

// world is a healthy stack, and what can be put in the place of its parts.
type world struct {
	*stacktest.Stack
	settings map[string]string                               // of a doctor who finds nothing
	gateway  atomic.Pointer[func(http.Handler) http.Handler] // stands before the functions
	now      func() time.Time
	network  http.RoundTripper
}

// newWorld starts a stack of which only the page app is let in, unless the options
// say otherwise.
func newWorld(t *testing.T, o stack.Options) *world {
	t.Helper()
	w := &world{now: time.Now}
	settings := map[string]string{"CORS_ORIGINS": app}
	maps.Copy(settings, o.Settings)
	o.NoTrigger, o.Settings, o.Around = true, settings, w.around
	w.Stack = stacktest.Start(t, o)
	w.settings = map[string]string{"OSSUPLOAD_TOKEN": w.Ready.CallerToken}
	for _, variable := range w.Settings.Variables() {
		name, value, _ := strings.Cut(variable, "=")
		w.settings[name] = value
	}
	operator := w.operator("operator", time.Time{})
	maps.Copy(w.settings, operator)
	w.configure(t, w.Ready.OSS, nil)
	return w
}

func (w *world) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if before := w.gateway.Load(); before != nil && !strings.HasPrefix(r.URL.Path, "/_local/") {
			(*before)(next).ServeHTTP(rw, r)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// operator has credentials that may do what policies allow, everything without
// any, and assume the upload role as a function may.
func (w *world) operator(id string, expires time.Time, policies ...ram.Policy) map[string]string {
	c := ram.Credential{
		AccessKeyID: id, AccessKeySecret: "planted-secret-of-" + id, SecurityToken: "planted-token-of-" + id,
		Expires: expires, Role: functionRoleARN, Policies: policies,
	}
	w.Accounts.Add(c)
	return map[string]string{keyID: c.AccessKeyID, keySecret: c.AccessKeySecret, keyToken: c.SecurityToken}
}

// bucketSettings are what a bucket is told.
type bucketSettings struct {
	lifecycle []sdk.LifecycleRule
	overwrite []sdk.OverwriteRule
	versions  bool
}

func healthyBucket() bucketSettings {
	return bucketSettings{
		lifecycle: []sdk.LifecycleRule{
			{ID: sdk.Ptr("parts"), Prefix: sdk.Ptr("uploads/"), Status: sdk.Ptr("Enabled"), AbortMultipartUpload: &sdk.LifecycleRuleAbortMultipartUpload{Days: sdk.Ptr(int32(8))}},
			expiring("announced", "_ossupload/uploads/_announced/", 30),
			expiring("aborted", "_ossupload/uploads/_aborted/", 30),
		},
		overwrite: []sdk.OverwriteRule{forbidding("uploads/")},
	}
}

func expiring(id, prefix string, days int32) sdk.LifecycleRule {
	return sdk.LifecycleRule{ID: &id, Prefix: &prefix, Status: sdk.Ptr("Enabled"), Expiration: &sdk.LifecycleRuleExpiration{Days: &days}}
}

func forbidding(prefix string) sdk.OverwriteRule {
	return sdk.OverwriteRule{ID: sdk.Ptr("once"), Action: sdk.Ptr("forbid"), Prefix: &prefix}
}

// developer may do everything at an OSS.
func (w *world) developer(at string) *sdk.Client {
	return sdk.NewClient(sdk.LoadDefaultConfig().WithRegion(w.Ready.Region).WithEndpoint(at).WithUsePathStyle(true).WithRetryMaxAttempts(1).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(w.Ready.AccessKeyID, w.Ready.AccessKeySecret)))
}

// configure gives a bucket healthy settings, but for what change does.
func (w *world) configure(t *testing.T, at string, change func(*bucketSettings)) {
	t.Helper()
	s := healthyBucket()
	if change != nil {
		change(&s)
	}
	c, ctx := w.developer(at), t.Context()
	var errs []error
	if s.versions {
		_, err := c.PutBucketVersioning(ctx, &sdk.PutBucketVersioningRequest{Bucket: &w.Ready.Bucket, VersioningConfiguration: &sdk.VersioningConfiguration{Status: sdk.VersionEnabled}})
		errs = append(errs, err)
	}
	if s.lifecycle != nil {
		_, err := c.PutBucketLifecycle(ctx, &sdk.PutBucketLifecycleRequest{Bucket: &w.Ready.Bucket, LifecycleConfiguration: &sdk.LifecycleConfiguration{Rules: s.lifecycle}})
		errs = append(errs, err)
	}
	if s.overwrite != nil {
		_, err := c.PutBucketOverwriteConfig(ctx, &sdk.PutBucketOverwriteConfigRequest{Bucket: &w.Ready.Bucket, OverwriteConfiguration: &sdk.OverwriteConfiguration{Rules: s.overwrite}})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// anotherOSS serves an OSS of its own, which knows the same credentials.
func (w *world) anotherOSS(t *testing.T, cors []oss.CORSRule, bucket string) string {
	t.Helper()
	server, err := oss.New(oss.Config{
		Region: w.Ready.Region, Dir: t.TempDir(), Now: time.Now, CORS: cors,
		Lookup: func(id string) (oss.Account, bool) {
			c, ok := w.Accounts.Lookup(id)
			return oss.Account{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken, Expires: c.Expires, Allows: c.AllowsWhen}, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	return serve(t, server)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// withBucket is a bucket whose settings change.
func (w *world) withBucket(t *testing.T, change func(*bucketSettings)) map[string]string {
	t.Helper()
	at := w.anotherOSS(t, nil, w.Ready.Bucket)
	w.configure(t, at, change)
	return map[string]string{"OSS_ENDPOINT": at}
}

// withCORS is a bucket with one CORS rule, healthy but for what change does.
func (w *world) withCORS(t *testing.T, change func(*oss.CORSRule)) map[string]string {
	t.Helper()
	rule := oss.CORSRule{AllowedOrigins: []string{app}, AllowedMethods: []string{"PUT", "POST", "GET"}, AllowedHeaders: []string{"*"}, ExposeHeaders: []string{"ETag"}}
	rules := []oss.CORSRule{}
	if change != nil {
		change(&rule)
		rules = append(rules, rule)
	}
	at := w.anotherOSS(t, rules, w.Ready.Bucket)
	w.configure(t, at, nil)
	return map[string]string{"OSS_ENDPOINT": at}
}

// functionRoleARN is of a role that the upload role trusts.
const functionRoleARN = "acs:ram::" + account + ":role/ossupload-complete"

func parsePolicy(t *testing.T, p roles.Policy) ram.Policy {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ram.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// store stores something that nobody has sealed.
func (w *world) store(t *testing.T, at, key string) {
	t.Helper()
	_, err := w.developer(at).PutObject(t.Context(), &sdk.PutObjectRequest{Bucket: &w.Ready.Bucket, Key: &key, Body: strings.NewReader("?")})
	if err != nil {
		t.Fatal(err)
	}
}

// withRole is another upload role, by an STS of its own.
func (w *world) withRole(t *testing.T, p roles.Policy) map[string]string {
	t.Helper()
	const arn = "acs:ram::" + account + ":role/another"
	certificate, ca, err := sts.Certificate(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sts.New(sts.Config{
		Store: w.Accounts, Roles: []ram.Role{{ARN: arn, Policy: parsePolicy(t, p), TrustedBy: func(ram.Credential) bool { return true }}},
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return map[string]string{"UPLOAD_ROLE_ARN": arn, "STS_ENDPOINT": server.Listener.Addr().String(), "STS_CA_FILE": file}
}

// permissions are the upload role's permissions, less an action and with others more.
func permissions(without string, more ...roles.Statement) roles.Policy {
	d := roles.Deployment{Account: account, Bucket: "ossupload-local", Prefix: "uploads/", Tags: true}
	var p roles.Policy
	for _, s := range d.Signing() {
		s.Action = slices.DeleteFunc(slices.Clone(s.Action), func(action string) bool { return action == without })
		if len(s.Action) > 0 {
			p = append(p, s)
		}
	}
	return append(p, more...)
}

func allowing(action, resource string) roles.Statement {
	return roles.Statement{Effect: "Allow", Action: []string{action}, Resource: []string{resource}}
}

// diagnosis runs the doctor with settings changed, and returns its lines by id.
func (w *world) diagnosis(t *testing.T, changed map[string]string, args ...string) map[string]result {
	t.Helper()
	settings := maps.Clone(w.settings)
	maps.Copy(settings, changed)
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c, err := parse(append([]string{"-env", none, "-json"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { v := settings[name]; return v, v != "" }
	err = examineDeployment(context.WithoutCancel(t.Context()), c, outside{lookup: lookup, now: w.now, random: rand.Reader, network: w.network}, &out)
	results := map[string]result{}
	for line := range strings.Lines(out.String()) {
		var r result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q is not a result: %v", line, err)
		}
		results[r.ID] = r
	}
	sick := slices.ContainsFunc(slices.Collect(maps.Values(results)), func(r result) bool { return r.Status == statusFail })
	if sick != errors.Is(err, errSick) || !sick && err != nil {
		t.Fatalf("the doctor ends with %v\n%s", err, &out)
	}
	w.checkSecrets(t, settings, out.String()+fmt.Sprint(err))
	return results
}

// checkSecrets looks for what no output may hold.
func (w *world) checkSecrets(t *testing.T, settings map[string]string, out string) {
	t.Helper()
	secrets := append(secretsOf(func(name string) (string, bool) { return settings[name], true }, settings["OSSUPLOAD_TOKEN"]), "planted")
	for _, c := range w.Accounts.OfRole(stack.UploadRole) {
		secrets = append(secrets, c.SecurityToken, c.AccessKeySecret)
	}
	for _, s := range secrets {
		if strings.Contains(out, s) {
			t.Errorf("the output holds the secret %q: %s", s, out)
		}
	}
	for _, word := range []string{"x-oss-signature", concealed} {
		if strings.Contains(out, word) {
			t.Errorf("the output holds %q: %s", word, out)
		}
	}
}
