package issuer_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// role is what everything in these tests is signed with, and signedBy the same
// as signing knows it.
var (
	role     = until(noon.Add(time.Hour))
	signedBy = signing.Credentials{AccessKeyID: "STS.id", AccessKeySecret: "secret", SecurityToken: "token"}
)

// signerFor signs by itself what a URL on host is compared with.
func signerFor(t *testing.T, host string) *signing.Signer {
	t.Helper()
	endpoint, err := signing.ParseEndpoint(host, signing.VirtualHosted)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.New("cn-hangzhou", endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// presigned is the URL of r on host, signed at noon for 900 seconds.
func presigned(t *testing.T, host string, r signing.Request) string {
	t.Helper()
	r.Expires = 900 * time.Second
	p, err := signerFor(t, host).Presign(signedBy, r, noon)
	if err != nil {
		t.Fatal(err)
	}
	return p.URL
}

const uploadHost = "oss-cn-hangzhou.aliyuncs.com"

// checkToken holds that token opens for p and says want.
func checkToken(t *testing.T, p uploadtoken.Purpose, token string, want uploadtoken.Claims) {
	t.Helper()
	got, err := keyring(t, rand.Reader).Open(p, token, noon)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the %s token says %+v, %v, want %+v", p, got, err, want)
	}
}

// checkCallback holds that parameter has OSS send the variable of the token to our
// callback.
func checkCallback(t *testing.T, parameter string) {
	t.Helper()
	var got struct{ CallbackURL, CallbackBody string }
	decode(t, parameter, &got)
	if got.CallbackURL != "https://api.example.com/callback" || !strings.HasSuffix(got.CallbackBody, "&token=${x:u}") {
		t.Errorf("the callback parameter is %+v, want one that takes the token to the callback URL", got)
	}
}

// checkVars holds that parameter has the token and nothing else.
func checkVars(t *testing.T, parameter, token string) {
	t.Helper()
	var got map[string]string
	decode(t, parameter, &got)
	if want := map[string]string{"x:u": token}; !maps.Equal(got, want) {
		t.Errorf("callback-var is %v, want %v", got, want)
	}
}

func decode(t *testing.T, parameter string, v any) {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(parameter)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("the parameter %q: %v", parameter, err)
	}
}

func size(n int64) *int64 { return &n }

const metaGrant = "x-oss-meta-ossupload-grant"

func TestPut(t *testing.T) {
	tests := []struct {
		name    string
		method  uploadtoken.Method
		size    *int64
		length  string            // that is signed; empty: none
		header  map[string]string // of the grant, and to be sent
		granted bool              // the grant is stored with the object
	}{
		{"a put", uploadtoken.Put, size(12345), "12345", map[string]string{"Content-Type": "image/png", "x-oss-forbid-overwrite": "true"}, true},
		{"an empty put", uploadtoken.Put, size(0), "0", map[string]string{"Content-Type": "image/png"}, true},
		{"a put of any size", uploadtoken.Put, nil, "", map[string]string{"Content-Type": "image/png"}, true},
		{"a url", uploadtoken.URL, size(12345), "12345", map[string]string{}, false},
		{"a url of any size", uploadtoken.URL, nil, "", map[string]string{}, false},
		{"a url with a type", uploadtoken.URL, nil, "", map[string]string{"Content-Type": "image/png"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := granted(tt.method)
			g.Claims.Size, g.Header = tt.size, maps.Clone(tt.header)
			got, err := newIssuer(t, source{credentials: role}, noon).Put(t.Context(), g, issuer.Term{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Method != "PUT" || got.Key != "key" || got.Fields != nil {
				t.Errorf("Put = %s of %q with fields %v, want a PUT of the key and no fields", got.Method, got.Key, got.Fields)
			}
			checkToken(t, uploadtoken.Upload, got.UploadToken, g.Claims)

			headers, wantHeaders := signing.Map(got.Headers), maps.Clone(tt.header)
			if tt.granted {
				wantHeaders[metaGrant] = headers[metaGrant]
				checkToken(t, uploadtoken.Grant, headers[metaGrant], g.Claims)
			}
			if got.Headers == nil || len(headers) != len(got.Headers) || !maps.Equal(headers, wantHeaders) {
				t.Errorf("Headers = %v, want %v", got.Headers, wantHeaders)
			}
			if !maps.Equal(g.Header, tt.header) {
				t.Errorf("the grant's own headers became %v", g.Header)
			}

			// What is signed is what is sent: the headers of the answer, and a length
			// that clients send by themselves.
			u, err := url.Parse(got.URL)
			if err != nil {
				t.Fatal(err)
			}
			callback, vars := u.Query().Get("callback"), u.Query().Get("callback-var")
			checkCallback(t, callback)
			checkVars(t, vars, got.UploadToken)
			r := signing.Request{Method: "PUT", Bucket: "bucket", Key: "key", Query: signing.Query(map[string]string{"callback": callback, "callback-var": vars})}
			if tt.length != "" {
				wantHeaders["content-length"] = tt.length
				r.AdditionalHeaders = []string{"content-length"}
			}
			r.Header = signing.Header(wantHeaders)
			if want := presigned(t, uploadHost, r); got.URL != want {
				t.Errorf("URL = %s\nwant  %s", got.URL, want)
			}
		})
	}
}

func TestForm(t *testing.T) {
	// What a form has unless the grant says otherwise, since OSS applies every
	// field that no condition names.
	usual := map[string]string{
		"Content-Disposition": "", "Content-Encoding": "", "Content-Language": "", "Cache-Control": "", "Expires": "",
		"x-oss-object-acl": "default", "x-oss-storage-class": "Standard", "success_action_status": "200",
		"Content-Type": "image/png", "x-oss-content-type": "image/png", "key": "key",
		"x-oss-signature-version": "OSS4-HMAC-SHA256", "x-oss-credential": "STS.id/20261120/cn-hangzhou/oss/aliyun_v4_request",
		"x-oss-date": "20261120T120000Z", "x-oss-security-token": "token",
	}
	tests := []struct {
		name     string
		header   map[string]string // of the grant, beside its Content-Type
		size     *int64
		min, max float64 // bytes that the policy allows
	}{
		{"exactly the granted size", nil, size(5), 5, 5},
		{"exactly nothing", nil, size(0), 0, 0},
		{"up to the greatest size", nil, nil, 0, 9},
		{"headers of the grant", map[string]string{"x-oss-storage-class": "IA", "x-oss-meta-album": "a", "x-oss-forbid-overwrite": "true"}, nil, 0, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := granted(uploadtoken.Form)
			g.Claims.Size = tt.size
			maps.Copy(g.Header, tt.header)
			before := maps.Clone(g.Header)
			got, err := newIssuer(t, source{credentials: role}, noon).Form(t.Context(), g, issuer.Term{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Method != "POST" || got.URL != "https://bucket."+uploadHost+"/" || got.Key != "key" || got.Headers != nil {
				t.Errorf("Form = %s of %q to %s with headers %v, want a POST of the key to the bucket and no headers", got.Method, got.Key, got.URL, got.Headers)
			}
			if !maps.Equal(g.Header, before) {
				t.Errorf("the grant's own headers became %v", g.Header)
			}
			checkToken(t, uploadtoken.Upload, got.UploadToken, g.Claims)
			fields := signing.Map(got.Fields)
			if len(fields) != len(got.Fields) {
				t.Errorf("a field stands twice: %v", got.Fields)
			}
			checkToken(t, uploadtoken.Grant, fields[metaGrant], g.Claims)
			checkCallback(t, fields["callback"])

			want := maps.Clone(usual)
			maps.Copy(want, tt.header)
			for _, name := range []string{metaGrant, "callback"} { // checked above
				want[name] = fields[name]
			}
			want["x:u"] = got.UploadToken
			conditions := []any{map[string]any{"bucket": "bucket"}, []any{"content-length-range", tt.min, tt.max}}
			for _, name := range slices.SortedFunc(maps.Keys(want), func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
				conditions = append(conditions, []any{"eq", "$" + name, want[name]})
			}
			conditions = append(conditions,
				[]any{"not-in", "$x-oss-server-side-data-encryption", []any{"SM4"}},
				[]any{"not-in", "$x-oss-server-side-encryption", []any{"AES256", "KMS", "SM4"}},
			)
			checkPolicy(t, fields["policy"], conditions)
			for _, name := range []string{"policy", "x-oss-signature"} {
				want[name] = fields[name]
			}
			if !maps.Equal(fields, want) {
				t.Errorf("Fields = %v\nwant     %v", fields, want)
			}
		})
	}
}

func checkPolicy(t *testing.T, policy string, want []any) {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(policy)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Conditions []any }
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Conditions, want) {
		t.Errorf("conditions = %v\nwant         %v", got.Conditions, want)
	}
}

// sealings is randomness for so many tokens.
func sealings(n int) *bytes.Reader { return bytes.NewReader(make([]byte, 24*n)) }

// Without its token, its grant or a request that OSS would take,
// nothing is signed.
func TestUploadsThatCannotBeIssued(t *testing.T) {
	kinds := map[string]func(*issuer.Issuer, grant.Grant) (issuer.Issued, error){
		"Put": func(i *issuer.Issuer, g grant.Grant) (issuer.Issued, error) {
			return i.Put(t.Context(), g, issuer.Term{})
		},
		"Form": func(i *issuer.Issuer, g grant.Grant) (issuer.Issued, error) {
			return i.Form(t.Context(), g, issuer.Term{})
		},
	}
	tests := []struct {
		name   string
		change func(*issuer.Config, *grant.Grant)
	}{
		{"no randomness for the token", func(c *issuer.Config, _ *grant.Grant) { c.Keyring = keyring(t, sealings(0)) }},
		{"no randomness for the grant", func(c *issuer.Config, _ *grant.Grant) { c.Keyring = keyring(t, sealings(1)) }},
		{"a key that cannot be signed", func(_ *issuer.Config, g *grant.Grant) { g.Claims.Key = "" }},
	}
	for name, issue := range kinds {
		for _, tt := range tests {
			c, g := config(t, source{credentials: role}, noon), granted(uploadtoken.Put)
			tt.change(&c, &g)
			if got, err := issue(made(t, c), g); err == nil || !reflect.ValueOf(got).IsZero() {
				t.Errorf("%s with %s = %+v, %v, want an error alone", name, tt.name, got, err)
			}
		}
	}
}
