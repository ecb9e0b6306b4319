package sts_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// TestCredentialsGo assumes a role with the client that the functions use. It
// trusts only http.DefaultTransport, so its roots are replaced for the
// length of this test, which therefore does not run in parallel.
func TestCredentialsGo(t *testing.T) {
	f := newFixture(t)
	f.now = time.Now() // credentials-go signs with its own clock
	srv, pool := listen(t, f, true)
	host := strings.TrimPrefix(srv.URL, "https://")

	transport := http.DefaultTransport.(*http.Transport)
	before := transport.TLSClientConfig
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	t.Cleanup(func() { transport.TLSClientConfig = before })

	assume := func(t *testing.T, b *providers.RAMRoleARNCredentialsProviderBuilder) (*providers.Credentials, error) {
		t.Helper()
		p, err := b.WithStsEndpoint(host).WithRoleArn(uploadRole).WithRoleSessionName("a.b@c-d_e").Build()
		if err != nil {
			t.Fatalf("building the provider: %v", err)
		}
		return p.GetCredentials()
	}
	builder := providers.NewRAMRoleARNCredentialsProviderBuilder

	t.Run("a session with a policy", func(t *testing.T) {
		got, err := assume(t, builder().WithAccessKeyId(callerID).WithAccessKeySecret(callerSecret).
			WithDurationSeconds(7200).WithExternalId("a b*c~d").
			WithPolicy(`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:PutObject"],"Resource":["acs:oss:*:*:bucket/ü ~+/*"]}]}`))
		if err != nil {
			t.Fatalf("GetCredentials = %v", err)
		}
		stored, ok := f.store.Lookup(got.AccessKeyId)
		if !ok || stored.AccessKeySecret != got.AccessKeySecret || stored.SecurityToken != got.SecurityToken {
			t.Fatal("the store does not know the credential as it was answered")
		}
		if !stored.Allows("oss:PutObject", "acs:oss:*:*:bucket/ü ~+/a") || stored.Allows("oss:PutObject", "acs:oss:*:*:bucket/a") {
			t.Error("the session policy did not arrive as it was sent")
		}
		if life := stored.Expires.Sub(f.now); life > 2*time.Hour || life < 2*time.Hour-time.Second {
			t.Errorf("the credential lives %v, want 2h", life)
		}

		// A role's credential with its token is a caller like any other;
		// this one has no right to assume roles.
		_, err = assume(t, builder().WithAccessKeyId(got.AccessKeyId).
			WithAccessKeySecret(got.AccessKeySecret).WithSecurityToken(got.SecurityToken))
		if err == nil || !strings.Contains(err.Error(), "NoPermission") {
			t.Errorf("GetCredentials with the session = %v, want NoPermission", err)
		}
	})
	t.Run("a wrong secret", func(t *testing.T) {
		_, err := assume(t, builder().WithAccessKeyId(callerID).WithAccessKeySecret("x"))
		if err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
			t.Errorf("GetCredentials = %v, want SignatureDoesNotMatch", err)
		}
	})
	t.Run("a longer session than the role allows", func(t *testing.T) {
		_, err := assume(t, builder().WithAccessKeyId(callerID).WithAccessKeySecret(callerSecret).WithDurationSeconds(7201))
		if err == nil || !strings.Contains(err.Error(), "InvalidParameter.DurationSeconds") {
			t.Errorf("GetCredentials = %v, want InvalidParameter.DurationSeconds", err)
		}
	})
}
