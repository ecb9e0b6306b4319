package signing_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/signing"
)

var (
	now  = time.Date(2026, 11, 20, 10, 12, 40, 999, time.UTC)
	cred = signing.Credentials{AccessKeyID: "LTAIexample", AccessKeySecret: "example-secret", SecurityToken: "example-token"}
)

func newSigner(t testing.TB) *signing.Signer {
	t.Helper()
	e, err := signing.ParseEndpoint("oss-cn-hangzhou.aliyuncs.com", signing.VirtualHosted)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.New("cn-hangzhou", e)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put() signing.Request {
	return signing.Request{
		Method: "PUT", Bucket: "examplebucket", Key: "a/b.png", Expires: 15 * time.Minute,
		Header: []signing.Param{{"content-length", "5"}, {"Content-Type", "image/png"}}, AdditionalHeaders: []string{"content-length"},
		Query: []signing.Param{{"callback", "e30="}},
	}
}

func setQuery(r *signing.Request, name, value string) {
	r.Query = set(r.Query, name, value, strings.Compare)
}

func setHeader(r *signing.Request, name, value string) {
	r.Header = setFolded(r.Header, name, value)
}

func setFolded(params []signing.Param, name, value string) []signing.Param {
	return set(params, name, value, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
}

// set replaces the value of name, or adds one in its place.
func set(params []signing.Param, name, value string, compare func(a, b string) int) []signing.Param {
	params = slices.DeleteFunc(slices.Clone(params), func(p signing.Param) bool { return p.Name == name })
	params = append(params, signing.Param{Name: name, Value: value})
	slices.SortStableFunc(params, func(a, b signing.Param) int { return compare(a.Name, b.Name) })
	return params
}

func dropHeader(r *signing.Request, name string) {
	r.Header = slices.DeleteFunc(slices.Clone(r.Header), func(p signing.Param) bool { return p.Name == name })
}

func TestRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*signing.Credentials, *signing.Request)
		want   error
	}{
		{"nothing wrong", func(*signing.Credentials, *signing.Request) {}, nil},
		{"no access key id", func(c *signing.Credentials, _ *signing.Request) { c.AccessKeyID = "" }, signing.ErrCredentials},
		{"no secret", func(c *signing.Credentials, _ *signing.Request) { c.AccessKeySecret = "" }, signing.ErrCredentials},
		{"an access key id with a slash", func(c *signing.Credentials, _ *signing.Request) { c.AccessKeyID = "a/b" }, signing.ErrCredentials},
		{"no token", func(c *signing.Credentials, _ *signing.Request) { c.SecurityToken = "" }, nil},
		{"no method", func(_ *signing.Credentials, r *signing.Request) { r.Method = "" }, signing.ErrMethod},
		{"a method in lower case", func(_ *signing.Credentials, r *signing.Request) { r.Method = "put" }, signing.ErrMethod},
		{"no bucket", func(_ *signing.Credentials, r *signing.Request) { r.Bucket = "" }, signing.ErrBucket},
		{"a bucket with a slash", func(_ *signing.Credentials, r *signing.Request) { r.Bucket = "a/b" }, signing.ErrBucket},
		{"a bucket with a dot", func(_ *signing.Credentials, r *signing.Request) { r.Bucket = "evil.example" }, signing.ErrBucket},
		{"no key", func(_ *signing.Credentials, r *signing.Request) { r.Key = "" }, signing.ErrKey},
		{"a key of 1023 bytes", func(_ *signing.Credentials, r *signing.Request) { r.Key = strings.Repeat("x", 1023) }, nil},
		{"a key of 1024 bytes", func(_ *signing.Credentials, r *signing.Request) { r.Key = strings.Repeat("x", 1024) }, signing.ErrKey},
		{"a key that is not UTF-8", func(_ *signing.Credentials, r *signing.Request) { r.Key = "a\xff" }, signing.ErrKey},
		{"a key that begins with a slash", func(_ *signing.Credentials, r *signing.Request) { r.Key = "/a" }, signing.ErrKey},
		{"a key that begins with a backslash", func(_ *signing.Credentials, r *signing.Request) { r.Key = `\a` }, signing.ErrKey},
		{"no life", func(_ *signing.Credentials, r *signing.Request) { r.Expires = 0 }, signing.ErrExpires},
		{"a negative life", func(_ *signing.Credentials, r *signing.Request) { r.Expires = -time.Second }, signing.ErrExpires},
		{"half a second", func(_ *signing.Credentials, r *signing.Request) { r.Expires = 1500 * time.Millisecond }, signing.ErrExpires},
		{"a second", func(_ *signing.Credentials, r *signing.Request) { r.Expires = time.Second }, nil},
		{"seven days", func(_ *signing.Credentials, r *signing.Request) { r.Expires = 604800 * time.Second }, nil},
		{"a second over seven days", func(_ *signing.Credentials, r *signing.Request) { r.Expires = 604801 * time.Second }, signing.ErrExpires},
		{"a parameter of the signature's own", func(_ *signing.Credentials, r *signing.Request) { setQuery(r, "x-oss-expires", "9") }, signing.ErrQuery},
		{"a parameter without a name", func(_ *signing.Credentials, r *signing.Request) { setQuery(r, "", "9") }, signing.ErrQuery},
		{"a header that nothing signs", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "Cache-Control", "no-store") }, signing.ErrHeader},
		{"a header twice in two cases", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "content-type", "text/html") }, signing.ErrHeader},
		{"a line break in a value", func(_ *signing.Credentials, r *signing.Request) {
			setHeader(r, "x-oss-meta-a", "b\r\nx-oss-object-acl:public-read")
		}, signing.ErrHeader},
		{"a NUL in a value", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-meta-a", "b\x00") }, signing.ErrHeader},
		{"a value that is not UTF-8", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-meta-a", "b\xff") }, signing.ErrHeader},
		{"an odd space at the end of a value", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-meta-a", "b\u2003") }, signing.ErrHeader},
		{"a line break in a name", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-meta-a\nb", "c") }, signing.ErrHeader},
		{"a colon in a name", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-meta-a:b", "c") }, signing.ErrHeader},
		{"an additional header without a value", func(_ *signing.Credentials, r *signing.Request) { dropHeader(r, "content-length") }, signing.ErrHeader},
		{"an additional header with an empty value", func(_ *signing.Credentials, r *signing.Request) { setHeader(r, "content-length", "") }, signing.ErrHeader},
		{"an additional header twice", func(_ *signing.Credentials, r *signing.Request) {
			r.AdditionalHeaders = []string{"content-length", "Content-Length"}
		}, signing.ErrHeader},
		{"an additional header that is signed by itself", func(_ *signing.Credentials, r *signing.Request) {
			r.AdditionalHeaders = append(r.AdditionalHeaders, "content-type")
		}, signing.ErrHeader},
		{"an additional header with an underscore", func(_ *signing.Credentials, r *signing.Request) {
			setHeader(r, "a_b", "c")
			r.AdditionalHeaders = append(r.AdditionalHeaders, "a_b")
		}, signing.ErrHeader},
		{"a secret with a line break", func(c *signing.Credentials, r *signing.Request) { c.AccessKeySecret += "\n" }, signing.ErrCredentials},
		{"a token with a line break", func(c *signing.Credentials, r *signing.Request) { c.SecurityToken += "\n" }, signing.ErrCredentials},
		{"a bucket that begins with a hyphen", func(c *signing.Credentials, r *signing.Request) { r.Bucket = "-bucket" }, signing.ErrBucket},
		{"a bucket of 63 bytes", func(_ *signing.Credentials, r *signing.Request) { r.Bucket = strings.Repeat("b", 63) }, nil},
		{"a bucket of three bytes", func(_ *signing.Credentials, r *signing.Request) { r.Bucket = "b-1" }, nil},
		{"a bucket of two bytes", func(_ *signing.Credentials, r *signing.Request) { r.Bucket = "b1" }, signing.ErrBucket},
		{"a bucket of 64 bytes", func(c *signing.Credentials, r *signing.Request) { r.Bucket = strings.Repeat("b", 64) }, signing.ErrBucket},
		{"a parameter of the signature in other case", func(c *signing.Credentials, r *signing.Request) { setQuery(r, "X-Oss-Expires", "9") }, signing.ErrQuery},
		{"a parameter of signature version 1", func(c *signing.Credentials, r *signing.Request) { setQuery(r, "Signature", "9") }, signing.ErrQuery},
		{"a token of signature version 1", func(c *signing.Credentials, r *signing.Request) { setQuery(r, "security-token", "9") }, signing.ErrQuery},
		{"a query value that is not UTF-8", func(c *signing.Credentials, r *signing.Request) { setQuery(r, "callback-var", "\xff") }, signing.ErrQuery},
		{"a payload hash", func(c *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-content-sha256", "abc") }, signing.ErrHeader},
		{"a token as header", func(c *signing.Credentials, r *signing.Request) { setHeader(r, "X-Oss-Security-Token", "abc") }, signing.ErrHeader},
		{"a second signature as header", func(c *signing.Credentials, r *signing.Request) {
			setHeader(r, "authorization", "abc")
			r.AdditionalHeaders = append(r.AdditionalHeaders, "authorization")
		}, signing.ErrHeader},
		{"an empty header that nothing signs", func(c *signing.Credentials, r *signing.Request) { setHeader(r, "cache-control", "") }, signing.ErrHeader},
		{"an empty header twice in two cases", func(c *signing.Credentials, r *signing.Request) { setHeader(r, "content-type", "") }, signing.ErrHeader},
		{"an empty header", func(c *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-meta-a", "") }, nil},
		{"a byte order mark at the end of a value", func(c *signing.Credentials, r *signing.Request) { setHeader(r, "x-oss-meta-a", "b\uFEFF") }, signing.ErrHeader},
		{"a query that is not sorted", func(_ *signing.Credentials, r *signing.Request) {
			r.Query = []signing.Param{{"versionId", "1"}, {"callback", "e30="}}
		}, signing.ErrQuery},
		{"a parameter twice", func(_ *signing.Credentials, r *signing.Request) { r.Query = append(r.Query, r.Query[0]) }, signing.ErrQuery},
		{"headers that are not sorted", func(_ *signing.Credentials, r *signing.Request) { slices.Reverse(r.Header) }, signing.ErrHeader},
		{"a header twice", func(_ *signing.Credentials, r *signing.Request) { r.Header = append(r.Header, r.Header[1]) }, signing.ErrHeader},
		{"an empty additional header", func(_ *signing.Credentials, r *signing.Request) { r.AdditionalHeaders = []string{""} }, signing.ErrHeader},
	}
	s := newSigner(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, r := cred, put()
			tt.change(&c, &r)
			got, err := s.Presign(c, r, now)
			if !errors.Is(err, tt.want) {
				t.Errorf("Presign = %v, want %v", err, tt.want)
			}
			if err != nil && (got.URL != "" || strings.Contains(err.Error(), "example-secret") || strings.Contains(err.Error(), "example-token")) {
				t.Errorf("Presign = %q, %v: a URL or a secret came with the error", got.URL, err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	good := signing.Endpoint{Scheme: "https", Host: "oss-cn-hangzhou.aliyuncs.com"}
	for _, region := range []string{"", "oss-cn-hangzhou", "cn hangzhou", "cn/hangzhou", "CN-HANGZHOU"} {
		if _, err := signing.New(region, good); !errors.Is(err, signing.ErrRegion) {
			t.Errorf("New(%q) = %v, want ErrRegion", region, err)
		}
	}
	for _, e := range []signing.Endpoint{{}, {Scheme: "ftp", Host: "h"}, {Scheme: "https"}, {Scheme: "https", Host: "h/p"}, {Scheme: "https", Host: "h", Style: 3}} {
		if _, err := signing.New("cn-hangzhou", e); !errors.Is(err, signing.ErrEndpoint) {
			t.Errorf("New(%+v) = %v, want ErrEndpoint", e, err)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	tests := []struct {
		raw   string
		style signing.Style
		want  signing.Endpoint
		url   string
	}{
		{"oss-cn-hangzhou.aliyuncs.com", signing.VirtualHosted, signing.Endpoint{Scheme: "https", Host: "oss-cn-hangzhou.aliyuncs.com"}, "https://b.oss-cn-hangzhou.aliyuncs.com/a%20b/%E5%A4%8F"},
		{"http://host:8080/", signing.PathStyle, signing.Endpoint{Scheme: "http", Host: "host:8080", Style: signing.PathStyle}, "http://host:8080/b/a%20b/%E5%A4%8F"},
		{"cdn.example.com", signing.CNAME, signing.Endpoint{Scheme: "https", Host: "cdn.example.com", Style: signing.CNAME}, "https://cdn.example.com/a%20b/%E5%A4%8F"},
		{"http://127.0.0.1:8581", signing.VirtualHosted, signing.Endpoint{Scheme: "http", Host: "127.0.0.1:8581", Style: signing.PathStyle}, "http://127.0.0.1:8581/b/a%20b/%E5%A4%8F"},
		{"http://[::1]:8581", signing.VirtualHosted, signing.Endpoint{Scheme: "http", Host: "[::1]:8581", Style: signing.PathStyle}, "http://[::1]:8581/b/a%20b/%E5%A4%8F"},
	}
	for _, tt := range tests {
		got, err := signing.ParseEndpoint(tt.raw, tt.style)
		if err != nil || got != tt.want {
			t.Errorf("ParseEndpoint(%q) = %+v, %v, want %+v", tt.raw, got, err, tt.want)
		}
		if u := got.URL("b", "a b/夏"); u != tt.url {
			t.Errorf("URL at %q = %s, want %s", tt.raw, u, tt.url)
		}
	}
	for _, bad := range []string{"", "https://", "ftp://h", "https://u@h", "https://h/p", "https://h?q", "https://h?", "https://h#f", "h h", "https://h:",
		"https://h//", "https://h#", "https://h:0", "https://h:65536", "https://h<x>", "https://a..b", "https://%E4%B8%AD.com", "http://[fe80::1%25eth0]"} {
		if got, err := signing.ParseEndpoint(bad, signing.VirtualHosted); !errors.Is(err, signing.ErrEndpoint) {
			t.Errorf("ParseEndpoint(%q) = %+v, %v, want ErrEndpoint", bad, got, err)
		}
	}
}

func TestNewKnowsIPAddresses(t *testing.T) {
	s, err := signing.New("cn-hangzhou", signing.Endpoint{Scheme: "http", Host: "127.0.0.1:8581"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Presign(cred, put(), now)
	if err != nil || !strings.HasPrefix(got.URL, "http://127.0.0.1:8581/examplebucket/a/b.png?") {
		t.Errorf("Presign = %.60q, %v, want path style", got.URL, err)
	}
}

func TestExpiresAtIsTrue(t *testing.T) {
	got, err := newSigner(t).Presign(cred, put(), now)
	if err != nil {
		t.Fatal(err)
	}
	// A signature's date has whole seconds, so life counts from 10:12:40 sharp.
	if want := time.Date(2026, 11, 20, 10, 27, 40, 0, time.UTC); !got.ExpiresAt.Equal(want) {
		t.Errorf("ExpiresAt = %v, want %v", got.ExpiresAt, want)
	}
}

func TestPresignLeavesItsArgumentsAlone(t *testing.T) {
	req := put()
	if _, err := newSigner(t).Presign(cred, req, now); err != nil {
		t.Fatal(err)
	}
	want := put()
	if !slices.Equal(req.Query, want.Query) || !slices.Equal(req.Header, want.Header) {
		t.Errorf("the request became %+v", req)
	}
	got := req.Sent()
	got[0].Value = "y"
	if !slices.Equal(req.Header, want.Header) {
		t.Error("what is sent shares its memory with the request")
	}
}

// Keys are derived per day, region and secret; many goroutines may ask across
// midnight.
func TestKeysOfManyDaysAndSecrets(t *testing.T) {
	shared := newSigner(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for day := range 40 {
				c := cred
				c.AccessKeySecret = fmt.Sprint("secret", (g+day)%5)
				at := now.AddDate(0, 0, day)
				got, err := shared.Presign(c, put(), at)
				if err != nil {
					t.Errorf("Presign: %v", err)
					return
				}
				fresh, err := newSigner(t).Presign(c, put(), at)
				if err != nil || fresh.URL != got.URL {
					t.Errorf("a cached key signs differently on day %d", day)
					return
				}
			}
		})
	}
	wg.Wait()
	before, err := shared.Presign(cred, put(), time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	after, err := shared.Presign(cred, put(), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for _, second := range []int64{-1, 0, -86400, -86401} {
		at := time.Unix(second, 0).In(time.FixedZone("UTC+9", 9*60*60))
		got, err := shared.Presign(cred, put(), at)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := newSigner(t).Presign(cred, put(), at.UTC())
		if err != nil || fresh.URL != got.URL || !strings.Contains(got.URL, at.UTC().Format("20060102T150405Z")) {
			t.Errorf("at %v it is signed as %s, %v, want %s", at, got.URL, err, fresh.URL)
		}
	}
	if !strings.Contains(before.URL, "20261120%2Fcn") || !strings.Contains(after.URL, "20261121%2Fcn") {
		t.Errorf("scopes around midnight: %s and %s", before.URL, after.URL)
	}
}

// What OSS would read as part of a signature, of any version, is the signer's
// alone, in any case.
func TestRefusesWhatIsOfASignature(t *testing.T) {
	s := newSigner(t)
	for _, name := range []string{
		"x-oss-signature", "x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-security-token", "x-oss-additional-headers",
		"OSSAccessKeyId", "Signature", "Expires", "security-token", "x-oss-access-key-id",
	} {
		for _, name := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			r := put()
			setQuery(&r, name, "9")
			if _, err := s.Presign(cred, r, now); !errors.Is(err, signing.ErrQuery) {
				t.Errorf("Presign with the parameter %s = %v, want ErrQuery", name, err)
			}
		}
	}
	for _, name := range []string{"authorization", "x-oss-date", "x-oss-content-sha256", "x-oss-security-token"} {
		r := put()
		setHeader(&r, name, "9")
		if name == "authorization" { // the others are signed by themselves
			r.AdditionalHeaders = append(r.AdditionalHeaders, name)
		}
		if _, err := s.Presign(cred, r, now); !errors.Is(err, signing.ErrHeader) {
			t.Errorf("Presign with the header %s = %v, want ErrHeader", name, err)
		}
	}
}

// A key is derived once for a day and a secret, and an instance that lives for
// long does not keep them all.
func TestKeysAreRemembered(t *testing.T) {
	s := newSigner(t)
	sign := func(secret string, day int) {
		t.Helper()
		c := cred
		c.AccessKeySecret = secret
		if _, err := s.Presign(c, put(), now.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
	}
	held := func(want int) {
		t.Helper()
		if got := s.KeysHeld(); got != want {
			t.Errorf("%d keys are held, want %d", got, want)
		}
	}
	held(0)
	for i := range 8 { // a renewed secret each day
		for range 2 {
			sign(fmt.Sprint(i), i)
			sign(fmt.Sprint(i+1), i)
		}
		held(2 * (i + 1))
	}
	sign("0", 0)
	held(16)
	for day := range 100 {
		sign("another", day)
		if got := s.KeysHeld(); got < 1 || got > 16 {
			t.Fatalf("%d keys are held after day %d, want 1 to 16", got, day)
		}
	}
}

func TestCredentialsPrintNoSecret(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		if got := fmt.Sprintf(format, cred); strings.Contains(got, "secret") || strings.Contains(got, "token") {
			t.Errorf("Sprintf(%q) = %s", format, got)
		}
	}
	got, err := json.Marshal(map[string]any{"cred": cred})
	if err != nil || strings.Contains(string(got), "secret") || strings.Contains(string(got), "token") {
		t.Errorf("Marshal = %s, %v", got, err)
	}
}
