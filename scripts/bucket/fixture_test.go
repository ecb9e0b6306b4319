package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/bucket"
	"ossupload/scripts/internal/roles"
	standin "ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/shared/rolecreds"
)

const (
	name      = "photos"
	origin    = "https://app.example.com"
	secret    = "the secret that no output may hold"
	pending   = "_ossupload/uploads/_pending/1795168860-evt_1"
	announced = "_ossupload/uploads/_announced/a"
	aborted   = "_ossupload/uploads/_aborted/a"
)

var (
	owner    = standin.Account{AccessKeyID: "owner", AccessKeySecret: "of the bucket"}
	operator = standin.Account{AccessKeyID: "operator", AccessKeySecret: secret}
)

// fixture is a bucket of the stand-in, which the command calls with its own policy
// and the test as the owner.
type fixture struct {
	t      *testing.T
	server *standin.Server
	web    *httptest.Server
	env    map[string]string
	owner  *oss.Client

	mu     sync.Mutex
	now    time.Time                // zero: the real time
	fault  func(call string) string // of each call, before it is done
	calls  int                      // of the command, and the test
	writes int                      // of settings, among them
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, fault: func(string) string { return "" }}
	f.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.server.ServeHTTP(w, r) }))
	t.Cleanup(f.web.Close)
	f.env = map[string]string{
		"OSS_REGION": "cn-shanghai", "OSS_BUCKET": name, "OSS_ENDPOINT": f.web.URL, "OSS_PATH_STYLE": "true", "CORS_ORIGINS": origin,
	}
	f.restrict(roles.Deployment{Bucket: name, Prefix: "uploads/"}.LookingAfterBucket())
	f.owner = oss.NewClient(oss.NewConfig().WithRegion("cn-shanghai").WithEndpoint(f.web.URL).WithUsePathStyle(true).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(owner.AccessKeyID, owner.AccessKeySecret)))
	return f
}

// restrict starts the stand-in, in which the command may do what the policy says.
func (f *fixture) restrict(p roles.Policy) {
	f.t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		f.t.Fatal(err)
	}
	policy, err := ram.ParsePolicy(text)
	if err != nil {
		f.t.Fatal(err)
	}
	caller := operator
	caller.Allows = policy.AllowsWhen
	f.server, err = standin.New(standin.Config{
		Region: "cn-shanghai", Dir: f.t.TempDir(), CORS: []standin.CORSRule{},
		Now: func() time.Time {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.now.IsZero() {
				return time.Now()
			}
			return f.now
		},
		Lookup: func(id string) (standin.Account, bool) {
			account, ok := map[string]standin.Account{owner.AccessKeyID: owner, operator.AccessKeyID: caller}[id]
			return account, ok
		},
		Fault: func(_, call string) string {
			f.mu.Lock()
			f.calls++
			if strings.HasPrefix(call, "PutBucket") {
				f.writes++
			}
			f.mu.Unlock()
			return f.fault(call)
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.server.CreateBucket(name); err != nil {
		f.t.Fatal(err)
	}
}

type source struct{}

func (source) Credentials(context.Context) (rolecreds.Credentials, error) {
	return rolecreds.Credentials{AccessKeyID: operator.AccessKeyID, AccessKeySecret: operator.AccessKeySecret}, nil
}

// run is the command: its exit status and all that it says.
func (f *fixture) run(args ...string) (int, string) {
	f.t.Helper()
	return f.runUntil(f.t.Context(), args...)
}

// runUntil is run, until the context ends.
func (f *fixture) runUntil(ctx context.Context, args ...string) (int, string) {
	f.t.Helper()
	var out bytes.Buffer
	p := program{lookup: func(n string) (string, bool) { v, ok := f.env[n]; return v, ok }, credentials: source{}, out: &out, err: &out}
	got := status(&out, &out, p.run(ctx, args))
	if strings.Contains(out.String(), secret) {
		f.t.Errorf("the output holds the secret: %s", &out)
	}
	return got, out.String()
}

// want runs the command and wants its status, and what it says.
func (f *fixture) want(status int, says string, args ...string) string {
	f.t.Helper()
	got, out := f.run(args...)
	if got != status || !strings.Contains(out, says) {
		f.t.Errorf("bucket %q: status %d, want %d and %q in\n%s", args, got, status, says, out)
	}
	return out
}

// report runs the command with -json.
func (f *fixture) report(args ...string) bucket.Report {
	f.t.Helper()
	_, out := f.run(append(args, "-json")...)
	var r bucket.Report
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&r); err != nil {
		f.t.Fatalf("reading %s: %v", out, err)
	}
	return r
}

func (f *fixture) putLifecycle(rules ...oss.LifecycleRule) {
	f.t.Helper()
	for i := range rules {
		if rules[i].Status == nil {
			rules[i].Status = oss.Ptr("Enabled")
		}
	}
	_, err := f.owner.PutBucketLifecycle(f.t.Context(), &oss.PutBucketLifecycleRequest{
		Bucket: oss.Ptr(name), AllowSameActionOverlap: oss.Ptr("true"), LifecycleConfiguration: &oss.LifecycleConfiguration{Rules: rules},
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) lifecycle() []oss.LifecycleRule {
	f.t.Helper()
	got, err := f.owner.GetBucketLifecycle(f.t.Context(), &oss.GetBucketLifecycleRequest{Bucket: oss.Ptr(name)})
	if err != nil {
		f.t.Fatal(err)
	}
	return got.LifecycleConfiguration.Rules
}

func (f *fixture) putCORS(rules ...oss.CORSRule) {
	f.t.Helper()
	_, err := f.owner.PutBucketCors(f.t.Context(), &oss.PutBucketCorsRequest{
		Bucket: oss.Ptr(name), CORSConfiguration: &oss.CORSConfiguration{CORSRules: rules, ResponseVary: oss.Ptr(true)},
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) cors() *oss.CORSConfiguration {
	f.t.Helper()
	got, err := f.owner.GetBucketCors(f.t.Context(), &oss.GetBucketCorsRequest{Bucket: oss.Ptr(name)})
	if err != nil {
		f.t.Fatal(err)
	}
	return got.CORSConfiguration
}

func (f *fixture) version(v standin.Versioning) {
	f.t.Helper()
	if err := f.server.SetVersioning(name, v); err != nil {
		f.t.Fatal(err)
	}
}

// put stores an object as the owner, with an ACL or "".
func (f *fixture) put(key string, acl oss.ObjectACLType) error {
	_, err := f.owner.PutObject(f.t.Context(), &oss.PutObjectRequest{Bucket: oss.Ptr(name), Key: oss.Ptr(key), Acl: acl, Body: strings.NewReader("hello")})
	return err
}

// later applies the lifecycle as if so many days had gone by.
func (f *fixture) later(days int) {
	f.t.Helper()
	f.mu.Lock()
	f.now = time.Now().AddDate(0, 0, days)
	f.mu.Unlock()
	err := f.server.ApplyLifecycle()
	f.mu.Lock()
	f.now = time.Time{}
	f.mu.Unlock()
	if err != nil {
		f.t.Fatal(err)
	}
}

// keys are those of all objects, versions and delete markers.
func (f *fixture) keys() (objects, versions, markers []string) {
	f.t.Helper()
	list, err := f.owner.ListObjectVersions(f.t.Context(), &oss.ListObjectVersionsRequest{Bucket: oss.Ptr(name), MaxKeys: 1000})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, v := range list.ObjectVersions {
		if v.IsLatest {
			objects = append(objects, *v.Key)
		} else {
			versions = append(versions, *v.Key)
		}
	}
	for _, m := range list.ObjectDeleteMarkers {
		markers = append(markers, *m.Key)
	}
	return objects, versions, markers
}

// preflight is what a browser asks before a page of an origin uploads.
func (f *fixture) preflight(from string) int {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodOptions, f.web.URL+"/"+name+"/uploads/a", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Origin", from)
	r.Header.Set("Access-Control-Request-Method", http.MethodPut)
	r.Header.Set("Access-Control-Request-Headers", "content-type,x-oss-meta-grant")
	answer, err := f.web.Client().Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// uploads are the keys of unfinished multipart uploads.
func (f *fixture) uploads() (keys []string) {
	f.t.Helper()
	list, err := f.owner.ListMultipartUploads(f.t.Context(), &oss.ListMultipartUploadsRequest{Bucket: oss.Ptr(name)})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, u := range list.Uploads {
		keys = append(keys, *u.Key)
	}
	return keys
}
