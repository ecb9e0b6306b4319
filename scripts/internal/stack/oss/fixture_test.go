package oss

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/facts"
)

const (
	testBucket = "bucket"
	testRegion = "cn-hangzhou"
)

var (
	permanent = Account{AccessKeyID: "ak", AccessKeySecret: "sk"}
	temporary = Account{AccessKeyID: "STS.ak", AccessKeySecret: "sts-sk", SecurityToken: "token/+="}
)

// testKey is made once: key generation is the slowest thing in these tests.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// fixture is a stand-in behind a real listener.
type fixture struct {
	t   *testing.T
	s   *Server
	web *httptest.Server

	mu       sync.Mutex
	now      time.Time // zero: the real time
	accounts map[string]Account
	fault    func(target, operation string) string
}

// assume has the stand-in take unknown facts to be so.
func assume(t *testing.T, settings ...string) func(*Config) {
	t.Helper()
	a, err := facts.Assume(settings...)
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *Config) { cfg.Assume = a }
}

func newFixture(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, accounts: map[string]Account{permanent.AccessKeyID: permanent, temporary.AccessKeyID: temporary}}
	f.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.s.ServeHTTP(w, r) }))
	t.Cleanup(f.web.Close)
	cfg := Config{
		Region: testRegion,
		Dir:    t.TempDir(),
		Host:   "oss.localhost",
		Now: func() time.Time {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.now.IsZero() {
				return time.Now()
			}
			return f.now
		},
		Lookup: func(id string) (Account, bool) {
			f.mu.Lock()
			defer f.mu.Unlock()
			account, ok := f.accounts[id]
			return account, ok
		},
		CallbackKey:    testKey(),
		CallbackKeyURL: f.web.URL + "/_local/callback_pub_key.pem",
		Fault: func(target, operation string) string {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.fault == nil {
				return ""
			}
			return f.fault(target, operation)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if f.s, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := f.s.CreateBucket(testBucket); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) setNow(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = now
}

func (f *fixture) setAccount(a Account) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts[a.AccessKeyID] = a
}

func (f *fixture) setFault(fault func(target, operation string) string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// client is the official SDK, one attempt per call.
func (f *fixture) client(a Account, change ...func(*oss.Config)) *oss.Client {
	cfg := oss.LoadDefaultConfig().
		WithRegion(testRegion).
		WithEndpoint(f.web.URL).
		WithRetryMaxAttempts(1).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(a.AccessKeyID, a.AccessKeySecret, a.SecurityToken))
	for _, c := range change {
		c(cfg)
	}
	return oss.NewClient(cfg)
}

// presign asks the official SDK for a URL.
func (f *fixture) presign(a Account, request any, change ...func(*oss.Config)) *oss.PresignResult {
	f.t.Helper()
	result, err := f.client(a, change...).Presign(f.t.Context(), request, oss.PresignExpires(10*time.Minute))
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
	apiError
}

func (f *fixture) send(method, url string, header map[string]string, body string) reply {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	return f.do(request)
}

func (f *fixture) do(request *http.Request) reply {
	f.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.read(response)
}

func (f *fixture) read(response *http.Response) reply {
	f.t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	r := reply{status: response.StatusCode, header: response.Header, body: string(body)}
	if bytes.Contains(body, []byte("<Error>")) {
		if err := xml.Unmarshal(body, &r.apiError); err != nil {
			f.t.Fatalf("parsing %q: %v", body, err)
		}
	}
	return r
}

// wantError checks status, code and EC, in document and header.
func (f *fixture) wantError(r reply, status int, c code, ec string) {
	f.t.Helper()
	if r.status != status || r.Code != c || r.EC != ec || r.header.Get("x-oss-ec") != ec {
		f.t.Errorf("answer = %d %s %q (header %q) %q, want %d %s %q", r.status, r.Code, r.EC, r.header.Get("x-oss-ec"), r.Message, status, c, ec)
	}
	if r.RequestID == "" || r.RequestID != r.header.Get("x-oss-request-id") {
		f.t.Errorf("RequestId = %q, want the header's %q", r.RequestID, r.header.Get("x-oss-request-id"))
	}
}

func (f *fixture) wantStatus(r reply, status int) {
	f.t.Helper()
	if r.status != status {
		f.t.Errorf("answer = %d %s, want %d", r.status, r.body, status)
	}
}

// put stores an object with the SDK.
func (f *fixture) put(key, body string) {
	f.t.Helper()
	_, err := f.client(permanent).PutObject(f.t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), Body: strings.NewReader(body),
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// stored returns the body of an object, and whether there is one.
func (f *fixture) stored(key string) (string, bool) {
	f.t.Helper()
	_, file, err := f.s.store.open(testBucket, key, "")
	if err != nil {
		return "", false
	}
	defer file.Close()
	body, err := io.ReadAll(file)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(body), true
}
