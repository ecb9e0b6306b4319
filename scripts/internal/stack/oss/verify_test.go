package oss

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/facts"
)

// vector is a signature of the official SDKs' tests (published) or of the
// official Go SDK itself (generated).
type vector struct {
	ID              string
	Mode            string
	Method          string
	Bucket          string
	Object          string
	Region          string
	Product         string
	AccessKeyID     string `json:"access_key_id"`
	AccessKeySecret string `json:"access_key_secret"`
	SecurityToken   string `json:"security_token"`
	Timestamp       string
	Query           map[string]string
	Headers         map[string]string
	Expires         int
	Expected        struct {
		CanonicalRequest  string `json:"canonical_request"`
		StringToSign      string `json:"string_to_sign"`
		Signature         string
		Credential        string
		AdditionalHeaders string `json:"additional_headers"`
		Authorization     string
	}
}

type stepwiseVector struct {
	ID                     string
	CanonicalRequest       string `json:"canonical_request"`
	CanonicalRequestSHA256 string `json:"canonical_request_sha256"`
	StringToSign           string `json:"string_to_sign"`
	SigningKeyHex          string `json:"signing_key_hex"`
	Signature              string
}

func readVectors(t testing.TB) (vectors []vector, stepwise []stepwiseVector) {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/signing/testdata/sign_v4.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors  []vector
		Stepwise []stepwiseVector
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) == 0 || len(file.Stepwise) == 0 {
		t.Fatal("sign_v4.json holds no vectors")
	}
	return file.Vectors, file.Stepwise
}

// wire is the vector as bytes on a connection. Path and query are encoded by
// net/url, which leaves other characters bare than the canonical form does.
func (v vector) wire(pathStyle bool) string {
	headers := map[string]string{}
	for name, value := range v.Headers {
		headers[strings.ToLower(name)] = value
	}
	host := headers["host"]
	delete(headers, "host")
	query := url.Values{}
	for name, value := range v.Query {
		query.Set(name, value)
	}
	switch v.Mode {
	case "header":
		headers["x-oss-date"] = v.Timestamp
		headers["x-oss-content-sha256"] = "UNSIGNED-PAYLOAD"
		if v.SecurityToken != "" {
			headers["x-oss-security-token"] = v.SecurityToken
		}
		headers["authorization"] = v.Expected.Authorization
	case "query":
		query.Set("x-oss-signature-version", "OSS4-HMAC-SHA256")
		query.Set("x-oss-date", v.Timestamp)
		query.Set("x-oss-expires", fmt.Sprint(v.Expires))
		query.Set("x-oss-credential", v.Expected.Credential)
		query.Set("x-oss-signature", v.Expected.Signature)
		if v.SecurityToken != "" {
			query.Set("x-oss-security-token", v.SecurityToken)
		}
		if v.Expected.AdditionalHeaders != "" {
			query.Set("x-oss-additional-headers", v.Expected.AdditionalHeaders)
		}
	}
	segments := strings.Split(v.Object, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	path := "/" + strings.Join(segments, "/")
	if pathStyle {
		path = "/" + v.Bucket + path
		if host == "" {
			host = "127.0.0.1:8581"
		}
	} else if host == "" {
		host = v.Bucket + ".oss.localhost:8581"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s?%s HTTP/1.1\r\nHost: %s\r\n", v.Method, path, query.Encode(), host)
	for name, value := range headers {
		fmt.Fprintf(&b, "%s: \t%s \r\n", name, value)
	}
	body := strings.Repeat("x", 5)
	if headers["content-length"] == "" {
		body = ""
	}
	return b.String() + "\r\n" + body
}

func (v vector) baseHost() string {
	// The vectors that sign the host have it as bucket.endpoint.
	for name, host := range v.Headers {
		if strings.EqualFold(name, "host") {
			return strings.TrimPrefix(host, v.Bucket+".")
		}
	}
	return "oss.localhost:8581"
}

func TestVectors(t *testing.T) {
	vectors, stepwise := readVectors(t)
	for _, v := range vectors {
		for _, style := range []string{"path style", "virtual hosted"} {
			t.Run(v.ID+" "+style, func(t *testing.T) {
				baseHost := v.baseHost()
				if style == "path style" {
					baseHost = ""
				}
				r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(v.wire(style == "path style"))))
				if err != nil {
					t.Fatal(err)
				}
				at, err := readTarget(r, baseHost)
				if err != nil {
					t.Fatal(err)
				}
				if at.bucket != v.Bucket || at.key != v.Object {
					t.Errorf("readTarget = %q %q, want %q %q", at.bucket, at.key, v.Bucket, v.Object)
				}
				_, rawQuery := rawTarget(r)
				query, err := readParams(rawQuery)
				if err != nil {
					t.Fatal(err)
				}
				p, fault := readPresented(r, at, query, facts.Assumptions{})
				if fault != nil {
					t.Fatal(fault)
				}
				if got, want := p.canonicalRequest, v.Expected.CanonicalRequest; got != want {
					t.Errorf("canonical request = %q, want %q", got, want)
				}
				if got, want := p.stringToSign(), v.Expected.StringToSign; got != want {
					t.Errorf("string to sign = %q, want %q", got, want)
				}
				if got, want := p.expectedSignature(v.AccessKeySecret), v.Expected.Signature; got != want {
					t.Errorf("signature = %s, want %s", got, want)
				}
				if got, want := p.securityToken, v.SecurityToken; got != want {
					t.Errorf("security token = %q, want %q", got, want)
				}
				if fault := p.checkScope(v.Region, v.Product); fault != nil {
					t.Error(fault)
				}
				if fault := p.verify(v.AccessKeySecret); fault != nil {
					t.Error(fault)
				}
				if fault := p.verify(v.AccessKeySecret + "x"); fault == nil {
					t.Error("another secret verifies")
				}
			})
		}
	}
	for _, v := range stepwise {
		t.Run(v.ID, func(t *testing.T) {
			sum := sha256.Sum256([]byte(v.CanonicalRequest))
			if got := hex.EncodeToString(sum[:]); got != v.CanonicalRequestSHA256 {
				t.Errorf("hash = %s, want %s", got, v.CanonicalRequestSHA256)
			}
			p := presented{scopeDate: "20250411", region: "cn-hangzhou", product: "oss", timestamp: "20250411T064124Z", canonicalRequest: v.CanonicalRequest}
			if got := p.stringToSign(); got != v.StringToSign {
				t.Errorf("string to sign = %q, want %q", got, v.StringToSign)
			}
			key, err := hex.DecodeString(v.SigningKeyHex)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(hmacSHA256(key, v.StringToSign)); got != v.Signature {
				t.Errorf("signature = %s, want %s", got, v.Signature)
			}
		})
	}
}

func findVector(t *testing.T, id string) vector {
	t.Helper()
	vectors, _ := readVectors(t)
	i := slices.IndexFunc(vectors, func(v vector) bool { return v.ID == id })
	if i < 0 {
		t.Fatalf("no vector %q", id)
	}
	return vectors[i]
}

// sendWire sends a vector to a running stand-in.
func (f *fixture) sendVector(v vector) reply {
	f.t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(v.wire(true))))
	if err != nil {
		f.t.Fatal(err)
	}
	path, query := rawTarget(r)
	request, err := http.NewRequestWithContext(f.t.Context(), r.Method, f.web.URL+path+"?"+query, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header = r.Header
	return f.do(request)
}

func TestWindow(t *testing.T) {
	inURL, inHeader := findVector(t, "query-basic"), findVector(t, "header-basic")
	at := func(v vector, offset time.Duration) time.Time {
		signed, err := time.Parse(timeLayout, v.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		return signed.Add(offset)
	}
	life := time.Duration(inURL.Expires) * time.Second
	for _, test := range []struct {
		name   string
		v      vector
		now    time.Time
		status int
		code   code
		ec     string
	}{
		{"a URL one second before it expires", inURL, at(inURL, life-time.Second), 200, "", ""},
		{"a URL at the instant it expires", inURL, at(inURL, life), 403, codeAccessDenied, "0002-00000236"},
		{"a URL one second after it expired", inURL, at(inURL, life+time.Second), 403, codeAccessDenied, "0002-00000236"},
		{"a URL exactly 15 minutes early", inURL, at(inURL, -15*time.Minute), 200, "", ""},
		{"a URL 15 minutes and a second early", inURL, at(inURL, -15*time.Minute-time.Second), 403, codeAccessDenied, "0002-00000235"},
		{"a header exactly 15 minutes old", inHeader, at(inHeader, 15*time.Minute), 200, "", ""},
		{"a header 15 minutes and a second old", inHeader, at(inHeader, 15*time.Minute+time.Second), 403, codeRequestTimeTooSkewed, ""},
		{"a header 15 minutes and a second early", inHeader, at(inHeader, -15*time.Minute-time.Second), 403, codeRequestTimeTooSkewed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.setNow(test.now)
			got := f.sendVector(test.v)
			if test.code == "" {
				f.wantStatus(got, test.status)
				return
			}
			f.wantError(got, test.status, test.code, test.ec)
		})
	}
}

// TestOneChange starts from a URL that works and changes one thing.
func TestOneChange(t *testing.T) {
	type change struct {
		method string
		url    *url.URL
		query  url.Values
		header map[string]string
		body   string
	}
	const mismatch = "0002-00000040"
	for _, test := range []struct {
		name   string
		change func(*change)
		status int
		code   code
		ec     string
	}{
		{"nothing", func(*change) {}, 200, "", ""},
		{"a header of no concern", func(c *change) { c.header["X-Other"] = "1" }, 200, "", ""},
		{"an unsigned standard header", func(c *change) { c.header["Cache-Control"] = "no-cache" }, 200, "", ""},
		{"another content type", func(c *change) { c.header["Content-Type"] = "text/html" }, 403, codeSignatureDoesNotMatch, mismatch},
		{"no content type", func(c *change) { delete(c.header, "Content-Type") }, 403, codeSignatureDoesNotMatch, mismatch},
		{"another metadata value", func(c *change) { c.header["X-Oss-Meta-Grant"] = "other" }, 403, codeSignatureDoesNotMatch, mismatch},
		{"one metadata header less", func(c *change) { delete(c.header, "X-Oss-Meta-Grant") }, 403, codeSignatureDoesNotMatch, mismatch},
		{"an added x-oss header", func(c *change) { c.header["x-oss-object-acl"] = "public-read" }, 403, codeSignatureDoesNotMatch, mismatch},
		{"an added Content-MD5", func(c *change) { c.header["Content-MD5"] = md5Of([]byte("hello")) }, 403, codeSignatureDoesNotMatch, mismatch},
		{"one byte more", func(c *change) { c.body += "!" }, 403, codeSignatureDoesNotMatch, mismatch},
		{"one byte less", func(c *change) { c.body = "hell" }, 403, codeSignatureDoesNotMatch, mismatch},
		{"another key", func(c *change) { c.url.Path += "x" }, 403, codeSignatureDoesNotMatch, mismatch},
		{"another bucket", func(c *change) { c.url.Path = strings.Replace(c.url.Path, "/bucket/", "/bucket2/", 1) }, 403, codeSignatureDoesNotMatch, mismatch},
		{"another method", func(c *change) { c.method = "DELETE" }, 403, codeSignatureDoesNotMatch, mismatch},
		{"a slash moved into a segment", func(c *change) { c.url.RawPath = strings.Replace(c.url.EscapedPath(), "a/", "a%2F", 1) }, 403, codeSignatureDoesNotMatch, mismatch},
		{"another query value", func(c *change) { c.query.Set("callback-var", "e30=") }, 403, codeSignatureDoesNotMatch, mismatch},
		{"an added query parameter", func(c *change) { c.query.Set("response-content-type", "text/html") }, 403, codeSignatureDoesNotMatch, mismatch},
		{"a longer life", func(c *change) { c.query.Set("x-oss-expires", "604800") }, 403, codeSignatureDoesNotMatch, mismatch},
		{"another signature", func(c *change) { c.query.Set("x-oss-signature", strings.Repeat("0", 64)) }, 403, codeSignatureDoesNotMatch, mismatch},
		{"the signature in upper case", func(c *change) { c.query.Set("x-oss-signature", strings.ToUpper(c.query.Get("x-oss-signature"))) }, 403, codeSignatureDoesNotMatch, mismatch},
		{"no additional headers", func(c *change) { c.query.Del("x-oss-additional-headers") }, 403, codeSignatureDoesNotMatch, mismatch},
		{"an additional header that is missing", func(c *change) { c.query.Set("x-oss-additional-headers", "content-length;x-none") }, 400, codeInvalidArgument, ""},
		{"an additional header in upper case", func(c *change) { c.query.Set("x-oss-additional-headers", "Content-Length") }, 400, codeInvalidArgument, "0002-00000209"},
		{"an additional header that is signed anyway", func(c *change) { c.query.Set("x-oss-additional-headers", "content-length;content-type") }, 400, codeInvalidArgument, "0002-00000209"},
		{"an empty additional header", func(c *change) { c.query.Set("x-oss-additional-headers", "content-length;") }, 400, codeInvalidArgument, "0002-00000209"},
		{"the life missing", func(c *change) { c.query.Del("x-oss-expires") }, 400, codeInvalidArgument, "0002-00000215"},
		{"the life empty", func(c *change) { c.query.Set("x-oss-expires", "") }, 400, codeInvalidArgument, "0002-00000216"},
		{"a life of zero", func(c *change) { c.query.Set("x-oss-expires", "0") }, 400, codeInvalidArgument, "0002-00000232"},
		{"a life over seven days", func(c *change) { c.query.Set("x-oss-expires", "604801") }, 400, codeInvalidArgument, "0002-00000232"},
		{"a parameter twice", func(c *change) { c.query.Add("x-oss-expires", "600") }, 400, codeInvalidArgument, ""},
		{"another region", func(c *change) {
			c.query.Set("x-oss-credential", strings.Replace(c.query.Get("x-oss-credential"), testRegion, "cn-shanghai", 1))
		}, 400, codeInvalidArgument, "0002-00000226"},
		{"the region with its prefix", func(c *change) {
			c.query.Set("x-oss-credential", strings.Replace(c.query.Get("x-oss-credential"), testRegion, "oss-"+testRegion, 1))
		}, 400, codeInvalidArgument, "0002-00000226"},
		{"another product", func(c *change) {
			c.query.Set("x-oss-credential", strings.Replace(c.query.Get("x-oss-credential"), "/oss/", "/oss-cloudbox/", 1))
		}, 400, codeInvalidArgument, "0002-00000224"},
		{"a credential in four parts", func(c *change) { c.query.Set("x-oss-credential", "ak/20231217/cn-hangzhou/oss") }, 400, codeInvalidArgument, "0002-00000224"},
		{"an unknown access key", func(c *change) {
			c.query.Set("x-oss-credential", strings.Replace(c.query.Get("x-oss-credential"), "STS.ak", "STS.ak2", 1))
		}, 403, codeInvalidAccessKeyID, "0002-00000902"},
		{"a date that is not the credential's", func(c *change) { c.query.Set("x-oss-date", "20231217T025437Z") }, 400, codeInvalidArgument, ""},
		{"no security token", func(c *change) { c.query.Del("x-oss-security-token") }, 403, codeInvalidAccessKeyID, "0002-00000902"},
		{"another security token", func(c *change) { c.query.Set("x-oss-security-token", "other") }, 403, codeInvalidSecurityToken, ""},
		{"the security token in a header", func(c *change) { c.header["x-oss-security-token"] = temporary.SecurityToken }, 400, codeInvalidRequest, ""},
		{"an Authorization header beside it", func(c *change) { c.header["Authorization"] = "OSS4-HMAC-SHA256 x" }, 400, codeInvalidArgument, ""},
		{"no signature at all", func(c *change) { c.query = url.Values{} }, 403, codeAccessDenied, "0003-00001201"},
		{"signature version 1", func(c *change) { c.query = url.Values{"OSSAccessKeyId": {"ak"}, "Signature": {"x"}} }, 501, codeNotImplemented, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			signed := f.presign(temporary, &oss.PutObjectRequest{
				Bucket: oss.Ptr(testBucket), Key: oss.Ptr("a/b c+é~.txt"), ContentType: oss.Ptr("text/plain"),
				Metadata: map[string]string{"grant": "v1.k"},
				RequestCommon: oss.RequestCommon{
					Headers:    map[string]string{"content-length": "5"},
					Parameters: map[string]string{"callback-var": "eyJ4OmEiOiIxIn0="},
				},
			}, func(c *oss.Config) { c.WithAdditionalHeaders([]string{"content-length"}) })
			u, err := url.Parse(signed.URL)
			if err != nil {
				t.Fatal(err)
			}
			c := change{method: signed.Method, url: u, query: u.Query(), header: signed.SignedHeaders, body: "hello"}
			delete(c.header, "Content-Length")
			test.change(&c)
			c.url.RawQuery = c.query.Encode()
			got := f.send(c.method, c.url.String(), c.header, c.body)
			if test.code == "" {
				f.wantStatus(got, test.status)
				return
			}
			f.wantError(got, test.status, test.code, test.ec)
			if _, ok := f.stored("a/b c+é~.txt"); ok {
				t.Error("a refused request stored an object")
			}
			if test.code == codeSignatureDoesNotMatch && (!strings.HasPrefix(got.StringToSign, algorithm+"\n") ||
				!strings.HasPrefix(got.CanonicalRequest, c.method+"\n/") || got.SignatureProvided == "" || got.OSSAccessKeyID != temporary.AccessKeyID) {
				t.Errorf("the mismatch is not explained: %s", got.body)
			}
		})
	}
}

func TestHeaderSignature(t *testing.T) {
	v := findVector(t, "header-basic")
	signed, err := time.Parse(timeLayout, v.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*vector)
		status int
		code   code
		ec     string
	}{
		{"nothing changed", func(*vector) {}, 200, "", ""},
		{"spaces after the commas", func(v *vector) {
			v.Expected.Authorization = strings.ReplaceAll(v.Expected.Authorization, ",", ", ")
		}, 200, "", ""},
		{"another header value", func(v *vector) { v.Headers["x-oss-head1"] = "other" }, 403, codeSignatureDoesNotMatch, "0002-00000040"},
		{"another region", func(v *vector) {
			v.Expected.Authorization = strings.Replace(v.Expected.Authorization, testRegion, "cn-shanghai", 1)
		}, 400, codeInvalidArgument, "0002-00000228"},
		{"no credential", func(v *vector) { v.Expected.Authorization = "OSS4-HMAC-SHA256 Signature=00" }, 400, codeInvalidArgument, "0002-00000213"},
		{"an unknown field", func(v *vector) { v.Expected.Authorization += ",More=1" }, 400, codeInvalidArgument, "0002-00000213"},
		{"another day", func(v *vector) { v.Timestamp = "20231217T162057Z" }, 400, codeInvalidArgument, ""},
		{"signature version 1", func(v *vector) { v.Expected.Authorization = "OSS ak:c2ln" }, 501, codeNotImplemented, ""},
		{"a token with a permanent key", func(v *vector) { v.SecurityToken = "token" }, 403, codeTokenDoesNotMatchAccess, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.setNow(signed)
			changed := findVector(t, "header-basic")
			test.change(&changed)
			got := f.sendVector(changed)
			if test.code == "" {
				f.wantStatus(got, test.status)
				return
			}
			f.wantError(got, test.status, test.code, test.ec)
		})
	}
}

func TestTokenExpiry(t *testing.T) {
	expires := time.Now().Add(5 * time.Minute).Truncate(time.Second)
	account := temporary
	account.Expires = expires
	for _, test := range []struct {
		name   string
		now    time.Time
		status int
	}{
		{"one second before", expires.Add(-time.Second), 200},
		{"exactly", expires, 403},
		{"one second after", expires.Add(time.Second), 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.setAccount(account)
			signed := f.presign(account, &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
			f.setNow(test.now)
			got := f.send(signed.Method, signed.URL, nil, "hello")
			f.wantStatus(got, test.status)
			if test.status == 403 {
				f.wantError(got, 403, codeSecurityTokenExpired, "")
			}
		})
	}
}

func TestPermissions(t *testing.T) {
	f := newFixture(t)
	f.put("up/a", "hello")
	var asked []string
	account := temporary
	account.Allows = func(action, resource string, _ map[string]string) bool {
		asked = append(asked, action+" "+resource)
		return strings.HasPrefix(resource, "acs:oss:*:*:bucket/up/") && action != "oss:DeleteObject" && action != "oss:PutObjectTagging"
	}
	f.setAccount(account)
	client, ctx := f.client(account), t.Context()
	bucket, key := oss.Ptr(testBucket), oss.Ptr("up/a")
	for _, test := range []struct {
		name  string
		do    func() error
		want  []string
		allow bool
	}{
		{"putting below the prefix", func() error {
			_, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: bucket, Key: key})
			return err
		}, []string{"oss:PutObject acs:oss:*:*:bucket/up/a"}, true},
		{"putting elsewhere", func() error {
			_, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: bucket, Key: oss.Ptr("other/a")})
			return err
		}, []string{"oss:PutObject acs:oss:*:*:bucket/other/a"}, false},
		{"putting with tags", func() error {
			_, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: bucket, Key: key, Tagging: oss.Ptr("a=1")})
			return err
		}, []string{"oss:PutObject acs:oss:*:*:bucket/up/a", "oss:PutObjectTagging acs:oss:*:*:bucket/up/a"}, false},
		{"reading metadata", func() error {
			_, err := client.GetObjectTagging(ctx, &oss.GetObjectTaggingRequest{Bucket: bucket, Key: key})
			return err
		}, []string{"oss:GetObjectTagging acs:oss:*:*:bucket/up/a"}, true},
		{"deleting", func() error {
			_, err := client.DeleteObject(ctx, &oss.DeleteObjectRequest{Bucket: bucket, Key: key})
			return err
		}, []string{"oss:DeleteObject acs:oss:*:*:bucket/up/a"}, false},
		{"listing the bucket", func() error {
			_, err := client.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: bucket})
			return err
		}, []string{"oss:ListObjects acs:oss:*:*:bucket"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked = nil
			err := test.do()
			if (err == nil) != test.allow {
				t.Errorf("error = %v, want allowed %v", err, test.allow)
			}
			if err != nil && !strings.Contains(err.Error(), "0003-00000801") {
				t.Errorf("error = %v, want EC 0003-00000801", err)
			}
			if !slices.Equal(asked, test.want) {
				t.Errorf("asked %q, want %q", asked, test.want)
			}
		})
	}
}

// What the conditions of a policy may ask about a call.
func TestPermissionsKnowTheCall(t *testing.T) {
	for _, plain := range []bool{false, true} {
		f := newFixture(t, func(c *Config) { c.PlainHTTP = plain })
		var known []map[string]string
		account := temporary
		account.Allows = func(_, _ string, k map[string]string) bool {
			known = append(known, k)
			return true
		}
		f.setAccount(account)
		if _, err := f.client(account).ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: oss.Ptr(testBucket), Prefix: oss.Ptr("up/")}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"acs:SecureTransport": strconv.FormatBool(!plain), "oss:Prefix": "up/"}
		if len(known) != 1 || !maps.Equal(known[0], want) {
			t.Errorf("with PlainHTTP %v it is known %v, want %v", plain, known, want)
		}
	}
}
