package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"ossupload/scripts/internal/probe"
	"ossupload/shared/osscallback"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
)

// maxBytes bounds what is sent and received, without the cleanup.
const maxBytes = 16 << 20

// account is what a file of settings says about a cloud.
type account struct {
	target   probe.Target
	warnings []string
	secret   []string // what no report may hold
	caller   caller
}

// caller is who asks deployed functions.
type caller struct{ token, header, origin string }

// readAccount reads settings and credentials of one set of values. Credentials come
// from nowhere else, so that none of another account is used by mistake.
func readAccount(values map[string]string) (account, error) {
	get := func(name string) string { return strings.TrimSpace(values[name]) }
	a, err := settings.LoadAccount(func(name string) (string, bool) { value, ok := values[name]; return value, ok })
	if err != nil {
		return account{}, err
	}
	credentials := func(family string) signing.Credentials {
		return signing.Credentials{
			AccessKeyID:     get(family + "ACCESS_KEY_ID"),
			AccessKeySecret: get(family + "ACCESS_KEY_SECRET"),
			SecurityToken:   get(family + "SECURITY_TOKEN"),
		}
	}
	t := probe.Target{
		Region: a.Storage.Region, Endpoint: a.Storage.Public, Bucket: a.Storage.Bucket,
		Credentials: credentials("ALIBABA_CLOUD_"), Expired: credentials("EXPIRED_"),
		RoleARN: a.Role.ARN, STSEndpoint: a.Role.STSEndpoint, STSCAFile: a.Role.STSCAFile,
		Now: time.Now, HTTP: &http.Client{Transport: transport()}, MaxBytes: maxBytes,
	}
	if t.Credentials.AccessKeyID == "" || t.Credentials.AccessKeySecret == "" {
		return account{}, errors.New("the file needs ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")
	}
	if t.STSEndpoint != "" && !strings.Contains(t.STSEndpoint, "://") {
		t.STSEndpoint = "https://" + t.STSEndpoint
	}
	for item := range strings.SplitSeq(get("CALLBACK_KEY_URLS"), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if err := osscallback.CheckKeyURL(item); err != nil {
			return account{}, fmt.Errorf("CALLBACK_KEY_URLS: %w", err)
		}
		t.CallbackKeyURLs = append(t.CallbackKeyURLs, item)
	}
	var environ []string
	for name, value := range values {
		environ = append(environ, name+"="+value)
	}
	who := caller{token: get("CALLER_TOKEN"), header: get("AUTH_TOKEN_HEADER")}
	if origin, _, _ := strings.Cut(get("CORS_ORIGINS"), ","); origin != "*" {
		who.origin = strings.TrimSpace(origin)
	}
	return account{
		target: t, warnings: append(a.Warnings, settings.Unknown(environ)...), secret: append(secretsOf(t), who.token, who.origin), caller: who,
	}, nil
}

// transport keeps no connection to a host that a later probe may want anew, and
// takes the proxy of the environment.
func transport() *http.Transport {
	const connect = 10 * time.Second
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connect}).DialContext,
		TLSHandshakeTimeout: connect,
		// What an object is stored as is what a probe has to see.
		DisableCompression:    true,
		ExpectContinueTimeout: connect,
	}
}

// secretsOf are what must not stand in a report about a target.
func secretsOf(t probe.Target) []string {
	secrets := []string{t.Bucket, t.RoleARN, t.CallbackURL, t.STSCAFile, t.STSEndpoint}
	for _, c := range []signing.Credentials{t.Credentials, t.Expired} {
		secrets = append(secrets, c.AccessKeyID, c.AccessKeySecret, c.SecurityToken)
	}
	if parts := strings.Split(t.RoleARN, ":"); len(parts) > 4 {
		secrets = append(secrets, parts[3]) // the account
	}
	for _, at := range []string{"https://" + t.Endpoint.Host, t.STSEndpoint, t.CallbackURL} {
		secrets = append(secrets, hostOf(at)...)
	}
	return secrets
}

// hostOf is the host of a URL, with its port and without, if it is somebody's own
// and not one of OSS's.
func hostOf(at string) []string {
	u, err := url.Parse(at)
	if err != nil || strings.HasSuffix(u.Hostname(), ".aliyuncs.com") {
		return nil
	}
	return []string{u.Host, u.Hostname()}
}

// randomPrefix is where nothing can be.
func randomPrefix() string { return "ossupload-conformance/" + strings.ToLower(rand.Text()) + "/" }

// listen takes callbacks at an address of this machine until stop is called, and
// tells where OSS reaches it: at callbackURL, or at the address itself if that is of
// this machine alone, as in a stand-in.
func listen(ctx context.Context, address, callbackURL string) (_ *probe.Receiver, at string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, "", nil, errors.New("listening for callbacks: the address cannot be used")
	}
	if own, _ := netip.ParseAddrPort(l.Addr().String()); callbackURL == "" && !own.Addr().IsLoopback() {
		l.Close()
		return nil, "", nil, errors.New("-callback-url is needed: where OSS reaches what -callback-listen is")
	}
	receiver := &probe.Receiver{}
	server := &http.Server{Handler: receiver, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	return receiver, cmp.Or(callbackURL, "http://"+l.Addr().String()), func() { server.Close(); <-done }, nil
}
