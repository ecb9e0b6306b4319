package probe

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
	"ossupload/shared/signing"
)

const (
	testRegion      = "cn-hangzhou"
	testBucket      = "probed"
	callbackKeyPath = "/_local/callback_pub_key.pem"
	testRole        = "acs:ram::1234567890123456:role/probes"
)

// callbackKey is made once: it is the slowest thing in these tests.
var callbackKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// standIn says what cloud is stood in for. The zero value is one with default
// assumptions and a bucket without versions.
type standIn struct {
	assume     []string
	versioning oss.Versioning
	region     string         // testRegion if empty
	host       string         // the domain of its buckets; path style if empty
	cors       []oss.CORSRule // those that are there by default if nil
	// lie wraps OSS in a handler that does otherwise.
	lie func(http.Handler) http.Handler
	// lieSTS and lieCallback do so with STS and with what receives callbacks.
	lieSTS, lieCallback func(http.Handler) http.Handler
}

// target starts the stand-ins and returns how they are probed.
func (s standIn) target(t *testing.T) Target {
	t.Helper()
	assumptions, err := facts.Assume(s.assume...)
	if err != nil {
		t.Fatal(err)
	}
	if s.region == "" {
		s.region = testRegion
	}
	accounts := ram.NewStore()
	owner := ram.Credential{AccessKeyID: "LTAI5tProbeOwner", AccessKeySecret: "secret-of-the-owner"}
	expired := ram.Credential{AccessKeyID: "STS.ended", AccessKeySecret: "secret-of-the-ended",
		SecurityToken: "CAISended+/==", Expires: time.Now().Add(-time.Minute)}
	for _, c := range []ram.Credential{owner, expired} {
		accounts.Add(c)
	}

	var handler http.Handler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(web.Close)
	server, err := oss.New(oss.Config{
		Region: s.region, Dir: t.TempDir(), Host: s.host, CORS: s.cors, Now: time.Now, Assume: assumptions,
		CallbackKey: callbackKey(), CallbackKeyURL: web.URL + callbackKeyPath,
		Lookup: func(id string) (oss.Account, bool) {
			c, ok := accounts.Lookup(id)
			return oss.Account{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken,
				Expires: c.Expires, Allows: c.AllowsWhen}, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.CreateBucket(testBucket); err != nil {
		t.Fatal(err)
	}
	if s.versioning != "" {
		if err := server.SetVersioning(testBucket, s.versioning); err != nil {
			t.Fatal(err)
		}
	}
	handler = wrapped(server, s.lie)
	endpoint, client := s.endpoint(t, web)
	stsURL, caFile := startSTS(t, accounts, assumptions, s.lieSTS)
	receiver := &Receiver{}
	callbacks := httptest.NewServer(wrapped(receiver, s.lieCallback))
	t.Cleanup(callbacks.Close)
	return Target{
		Region: s.region, Endpoint: endpoint, Bucket: testBucket, Prefix: "probes/",
		Credentials: keys(owner), Expired: keys(expired),
		RoleARN: testRole, STSEndpoint: stsURL, STSCAFile: caFile,
		CallbackURL: callbacks.URL, Receiver: receiver, CallbackKeyURLs: []string{web.URL + callbackKeyPath},
		Now: time.Now, HTTP: client, Sleep: func(context.Context, time.Duration) {},
	}
}

// endpoint is where OSS is found, and by what client. A host of its own is reached
// without a name server.
func (s standIn) endpoint(t *testing.T, web *httptest.Server) (signing.Endpoint, *http.Client) {
	t.Helper()
	address, style, client := web.URL, signing.PathStyle, web.Client()
	if s.host != "" {
		address, style = "http://"+s.host, signing.VirtualHosted
		transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, web.Listener.Addr().String())
		}}
		t.Cleanup(transport.CloseIdleConnections)
		client = &http.Client{Transport: transport}
	}
	endpoint, err := signing.ParseEndpoint(address, style)
	if err != nil {
		t.Fatal(err)
	}
	return endpoint, client
}

func keys(c ram.Credential) signing.Credentials {
	return signing.Credentials{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken}
}

// certificate is made once.
var certificate = sync.OnceValues(func() (tls.Certificate, []byte) {
	c, ca, err := sts.Certificate(time.Now(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return c, ca
})

func wrapped(h http.Handler, lie func(http.Handler) http.Handler) http.Handler {
	if lie == nil {
		return h
	}
	return lie(h)
}

func startSTS(t *testing.T, accounts *ram.Store, assume facts.Assumptions, lie func(http.Handler) http.Handler) (url, caFile string) {
	t.Helper()
	policy, err := ram.ParsePolicy([]byte(`{"Version":"1","Statement":[
		{"Effect":"Allow","Action":"oss:*","Resource":"*"},
		{"Effect":"Deny","Action":"oss:GetBucketInfo","Resource":"*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(wrapped(sts.New(sts.Config{Store: accounts, Assume: assume, Roles: []ram.Role{{
		ARN: testRole, Policy: policy, TrustedBy: func(ram.Credential) bool { return true },
	}}}), lie))
	c, ca := certificate()
	server.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, caFile
}
