package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/deployment"
	"ossupload/shared/assumerole"
	"ossupload/shared/outbox"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

const (
	callTime  = 10 * time.Second // of one call
	maxAnswer = 1 << 20          // bytes of one answer
)

// patient is a deployment that is looked at, and what the checks have learnt of it
// that later ones need.
type patient struct {
	*deployment.Deployment
	lookup   settings.Lookup
	warnings []string // of the settings

	base     string   // of the functions, without a slash at its end; "" if unknown
	token    string   // of a caller, or ""
	origins  []string // of pages
	mayWrite bool
	secrets  []string // that are never printed

	source    rolecreds.Source // of the operator's credentials
	bucket    *oss.Client      // as the operator
	http      *http.Client
	transport http.RoundTripper
	keyring   *uploadtoken.Keyring
	now       func() time.Time
	random    io.Reader

	signed    *signedCall
	role      *oss.Client   // as the upload role
	grant     *client.Grant // that the functions gave out
	uploads   []stored
	lifecycle []oss.LifecycleRule
	versions  string // state of versioning: "", Enabled, Suspended
	requestID string // of a call of a function
	waiting   []outbox.Listed
	sts       bool // STS_ENABLED
}

// outside is what the doctor meets outside of itself.
type outside struct {
	lookup  settings.Lookup
	now     func() time.Time
	random  io.Reader
	network http.RoundTripper // nil: this machine's
}

// newPatient opens the deployment of the settings. It calls nothing.
func newPatient(c command, out outside) (*patient, error) {
	// The endpoint of the functions' own calls is of a network that is theirs.
	lookup := func(name string) (string, bool) {
		if name == "OSS_INTERNAL_ENDPOINT" {
			return "", false
		}
		return out.lookup(name)
	}
	source := operator(lookup, out.now)
	d, err := deployment.OpenAs(source, lookup, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	presign, err := settings.LoadPresign(lookup)
	if err != nil {
		return nil, err
	}
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: d.Settings.TokenKeys, Place: d.Settings.Place, Former: d.Settings.Former, Random: out.random})
	if err != nil {
		return nil, err
	}
	transport := out.network
	if transport == nil {
		transport = newTransport()
	}
	transport = limited{transport}
	base := strings.TrimSuffix(cmp.Or(c.url, presign.PublicURL), "/")
	if c.complete != "" {
		transport = routed{transport, base, strings.TrimSuffix(c.complete, "/")}
	}
	p := &patient{
		Deployment: d, lookup: lookup, warnings: slices.Compact(slices.Sorted(slices.Values(append(presign.Warnings, d.Settings.Warnings...)))),
		base: base, sts: presign.STSEnabled, token: c.token, origins: pages(c.origin, d.Settings.CORSOrigins), mayWrite: c.upload, secrets: secretsOf(lookup, c.token),
		source: source, transport: transport, keyring: keyring, now: out.now, random: out.random,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	p.bucket = p.storageAs(source)
	return p, nil
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = 5*time.Second, callTime
	t.DisableCompression = true
	return t
}

// pages are the origins that are tried: the one that was asked for, or those that
// the settings name. Where anybody may come, a page of nobody's does.
func pages(asked string, allowed []string) []string {
	if asked != "" {
		return []string{asked}
	}
	var origins []string
	for _, o := range allowed {
		if o == "*" {
			o = "https://www.example.com"
		}
		origins = append(origins, o)
	}
	return origins
}

// operator is where the doctor's own credentials come from: the settings, or where
// Alibaba Cloud's tools look.
func operator(lookup settings.Lookup, now func() time.Time) rolecreds.Source {
	value := func(name string) string { v, _ := lookup(name); return strings.TrimSpace(v) }
	given := rolecreds.Credentials{
		AccessKeyID: value(keyID), AccessKeySecret: value(keySecret), SecurityToken: value(keyToken), Expires: now().Add(rolecreds.ContextLife),
	}
	if given.AccessKeyID == "" || given.AccessKeySecret == "" {
		return assumerole.DefaultChain(now)
	}
	return fixed(given)
}

const (
	keyID     = "ALIBABA_CLOUD_ACCESS_KEY_ID"
	keySecret = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
	keyToken  = "ALIBABA_CLOUD_SECURITY_TOKEN"
)

type fixed rolecreds.Credentials

// Credentials implements rolecreds.Source.
func (f fixed) Credentials(context.Context) (rolecreds.Credentials, error) {
	return rolecreds.Credentials(f), nil
}

// secretsOf are the values that may not be printed, whole and item by item.
func secretsOf(lookup settings.Lookup, token string) []string {
	all := []string{token}
	for _, name := range []string{
		"UPLOAD_TOKEN_SECRETS", "RECEIPT_SECRET", "AUTH_JWT_SECRET", "AUTH_HEADER_SECRET", "WEBHOOK_SECRETS", keySecret, keyToken,
	} {
		value, _ := lookup(name)
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			_, behind, _ := strings.Cut(item, ":") // an id, or base64
			all = append(all, item, behind, strings.TrimPrefix(item, "whsec_"))
		}
	}
	// Of the webhook's URL all but the host may be.
	if hook, _ := lookup("WEBHOOK_URL"); hook != "" {
		if u, err := url.Parse(strings.TrimSpace(hook)); err == nil {
			all = append(all, u.User.String(), u.RequestURI(), u.RawQuery)
		}
	}
	const least = 8 // bytes: less is in every text
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < least })
}

// storageAs is a client of OSS with credentials, which tries everything once.
func (p *patient) storageAs(source rolecreds.Source) *oss.Client {
	at := p.Settings.Storage
	return oss.NewClient(oss.NewConfig().
		WithRegion(at.Region).
		WithEndpoint(at.Public.Scheme + "://" + at.Public.Host).
		WithUsePathStyle(at.Public.Style == signing.PathStyle).
		WithUseCName(at.Public.Style == signing.CNAME).
		WithRetryMaxAttempts(1).
		WithHttpClient(p.http).
		WithCredentialsProvider(credentials.CredentialsProviderFunc(func(ctx context.Context) (credentials.Credentials, error) {
			c, err := source.Credentials(ctx)
			return credentials.Credentials{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken}, err
		})))
}

// answer is what a call was answered.
type answer struct {
	client.Answer
	took time.Duration
}

// ask makes one call.
func (p *patient) ask(ctx context.Context, method, target string, header http.Header, body string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the address is not a URL")
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("User-Agent", "ossupload-doctor")
	began := time.Now()
	res, err := p.http.Do(r)
	if err != nil {
		return answer{}, plain(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, plain(err)
	}
	return answer{client.Answer{Status: res.StatusCode, Header: res.Header, Body: text}, time.Since(began)}, nil
}

// caller is the client that a caller has.
func (p *patient) caller() *client.Client {
	h := *p.http
	if name := p.tokenHeader(); name != authorization {
		h.Transport = renamed{p.transport, name}
	}
	return &client.Client{Endpoint: p.base, Token: p.token, HTTP: &h, Timeout: callTime}
}

// renamed sends the token in another header, for gateways that take Authorization
// for themselves. OSS gets no token: its URLs are signed.
type renamed struct {
	next http.RoundTripper
	name string
}

// RoundTrip implements http.RoundTripper.
func (t renamed) RoundTrip(r *http.Request) (*http.Response, error) {
	if token := r.Header.Get(authorization); token != "" {
		r = r.Clone(r.Context())
		r.Header.Del(authorization)
		r.Header.Set(t.name, token)
	}
	return t.next.RoundTrip(r)
}

// plain is an error without the URL that net/http puts before it, and without the
// text of OSS's answers, which repeats what was signed.
func plain(err error) error {
	var (
		at      *url.Error
		service *oss.ServiceError
	)
	switch {
	case errors.As(err, &service):
		return fmt.Errorf("%d %s (EC %s, request id %s)", service.StatusCode, service.Code, service.EC, service.RequestID)
	case errors.As(err, &at):
		return at.Err
	}
	return err
}

// routed sends to complete what is complete's, where it has an address of its own.
type routed struct {
	next           http.RoundTripper
	base, complete string
}

// RoundTrip implements http.RoundTripper.
func (t routed) RoundTrip(r *http.Request) (*http.Response, error) {
	path, ok := strings.CutPrefix(r.URL.String(), t.base)
	if ok && slices.ContainsFunc([]string{"/s3/", "/c/", "/confirm"}, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
		u, err := url.Parse(t.complete + path)
		if err != nil {
			return nil, errors.New("the address of complete is not a URL")
		}
		r = r.Clone(r.Context())
		r.URL, r.Host = u, ""
	}
	return t.next.RoundTrip(r)
}

// limited bounds what is read of an answer.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}
