package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/shared/grant"
	"ossupload/shared/uploadtoken"
)

// upload is what an uploader gets, by the names of the contract.
type upload struct {
	signed
	Headers     map[string]string
	Fields      map[string]string
	Key         string
	UploadToken string
}

func keyring(t testing.TB) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: testKeys, Place: testPlace, Random: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t *testing.T, p uploadtoken.Purpose, token string) uploadtoken.Claims {
	t.Helper()
	claims, err := keyring(t).Open(p, token, testNow)
	if err != nil {
		t.Fatalf("opening a token for %s: %v", p, err)
	}
	return claims
}

func query(t *testing.T, signed string) url.Values {
	t.Helper()
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// signature takes the parameters of a signature out of q, and returns what is
// left: what the URL asks OSS for.
func signature(t *testing.T, q url.Values, additional string) url.Values {
	t.Helper()
	want := map[string]string{
		"x-oss-signature-version": "OSS4-HMAC-SHA256",
		"x-oss-credential":        "STS.own/20261130/cn-hangzhou/oss/aliyun_v4_request",
		"x-oss-date":              testDate,
		"x-oss-expires":           "900",
		"x-oss-security-token":    "own-token/+=",
	}
	if additional != "" {
		want["x-oss-additional-headers"] = additional
	}
	for name, value := range want {
		if got := q.Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
		q.Del(name)
	}
	if got := q.Get("x-oss-signature"); !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(got) {
		t.Errorf("x-oss-signature = %q, want 64 hex digits", got)
	}
	q.Del("x-oss-signature")
	return q
}

// announcesInQuery holds the parameters of a PUT beside its signature against
// the upload token that they must bring to the configured URL.
func announcesInQuery(t *testing.T, q url.Values, token string) {
	t.Helper()
	announces(t, q.Get("callback"))
	vars, err := base64.StdEncoding.DecodeString(q.Get("callback-var"))
	if want := `{"x:u":"` + token + `"}`; err != nil || string(vars) != want {
		t.Errorf("callback-var = %s, %v, want %s", vars, err, want)
	}
	if len(q) != 2 {
		t.Errorf("parameters %v, want the callback and its variables alone", q)
	}
}

// announces holds a callback parameter against what it must bring to the
// configured URL.
func announces(t *testing.T, parameter string) {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(parameter)
	if err != nil {
		t.Fatalf("callback %q: %v", parameter, err)
	}
	want := `{"callbackUrl":"https://api.example.com/callback?tenant=1",` +
		`"callbackBody":"bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&reqId=${reqId}&token=${x:u}",` +
		`"callbackBodyType":"application/x-www-form-urlencoded","callbackSNI":true}`
	if string(text) != want {
		t.Errorf("callback = %s, want %s", text, want)
	}
}

// formPolicy is what a form was signed for.
type formPolicy struct {
	Expiration string
	Conditions []json.RawMessage
}

func policyOf(t *testing.T, fields map[string]string) (p formPolicy) {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(fields["policy"])
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		t.Fatalf("policy %q: %v", fields["policy"], err)
	}
	return p
}

// everything is a request that uses each field of the contract, but for "as".
const everything = `{"filename":"夏 photo.JPG","size":5,"contentType":"image/JPEG",` +
	`"checksum":{"crc64":"18446744073709551615"},"metadata":{"album":"été 2026"},"storageClass":"IA",` +
	`"tags":{"stage":"a b","project":"x+y/z"},"vars":{"k":"<&>"},"expiresIn":900}`

// everythingClaims are what everything binds later steps to.
func everythingClaims(method uploadtoken.Method) uploadtoken.Claims {
	size := int64(5)
	return uploadtoken.Claims{
		ID: testID, Method: method, Place: testPlace, Key: "u/alice/2026/11/" + testID + ".jpg", Subject: "alice",
		Size: &size, MaxSize: 5 << 30, ContentType: "image/jpeg", CRC64: "18446744073709551615", Tags: 2,
		Metadata: grant.MetadataSum(map[string]string{"album": "%C3%A9t%C3%A9%202026", "ossupload-filename": "%E5%A4%8F%20photo.JPG"}),
		Vars:     map[string]string{"k": "<&>"}, Context: []byte(`{"order":1}`), IssuedAt: testSecond, ExpiresAt: testSecond + 168*3600,
	}
}

// everythingHeader is what a PUT of everything must send, but for the grant.
func everythingHeader() map[string]string {
	return map[string]string{
		"Content-Type":                  "image/jpeg",
		"x-oss-forbid-overwrite":        "true",
		"x-oss-meta-album":              "%C3%A9t%C3%A9%202026",
		"x-oss-meta-ossupload-filename": "%E5%A4%8F%20photo.JPG",
		"x-oss-storage-class":           "IA",
		"x-oss-tagging":                 "project=x%2By%2Fz&stage=a%20b",
	}
}

var withContext = map[string]any{"upload": map[string]any{"context": map[string]any{"order": 1}}}

func TestPut(t *testing.T) {
	for _, as := range []string{``, `"as":"put",`} {
		var got upload
		body := strings.Replace(everything, "{", "{"+as, 1)
		body = strings.Replace(body, `"checksum":{`, `"checksum":{"md5":"ICy5YqxZB1uWSwcVLSNLcA==",`, 1)
		newSetup(t).function(t).postAs(t, token(t, "alice", withContext), "/presign", body).granted(t, &got)

		want := everythingClaims(uploadtoken.Put)
		if claims := open(t, uploadtoken.Upload, got.UploadToken); !reflect.DeepEqual(claims, want) {
			t.Errorf("upload token of %+v, want %+v", claims, want)
		}
		if claims := open(t, uploadtoken.Grant, got.Headers["x-oss-meta-ossupload-grant"]); !reflect.DeepEqual(claims, want) {
			t.Errorf("grant of %+v, want %+v", claims, want)
		}
		header := maps.Clone(got.Headers)
		delete(header, "x-oss-meta-ossupload-grant")
		wantHeader := everythingHeader()
		wantHeader["Content-MD5"] = "ICy5YqxZB1uWSwcVLSNLcA=="
		if !maps.Equal(header, wantHeader) {
			t.Errorf("headers %v, want %v", header, wantHeader)
		}
		address, _, _ := strings.Cut(got.URL, "?")
		if got.Method != "PUT" || got.Key != want.Key || address != "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/"+want.Key || got.Fields != nil {
			t.Errorf("%s %s of key %q with fields %v, want a PUT of %q", got.Method, address, got.Key, got.Fields, want.Key)
		}
		if got.Expires != 900 || got.ExpiresAt != "2026-11-30T16:45:00Z" {
			t.Errorf("lives %d s until %s", got.Expires, got.ExpiresAt)
		}
		announcesInQuery(t, signature(t, query(t, got.URL), "content-length"), got.UploadToken)
	}
}

// The SDK's clock is the machine's, so it stands still here at testNow.
func atTestNow(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(testNow))
		f(t)
	})
}

// official is the official SDK, with the credentials that sign here.
func official(endpoint string, cname bool) *oss.Client {
	return oss.NewClient(oss.NewConfig().WithRegion("cn-hangzhou").WithEndpoint(endpoint).WithUseCName(cname).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider("STS.own", "own-secret", "own-token/+=")).
		WithAdditionalHeaders([]string{"content-length"}))
}

// What the answer says has to be sent is what was signed, and all of it.
func TestPutIsSignedAsTheSDKSigns(t *testing.T) {
	atTestNow(t, func(t *testing.T) {
		var got upload
		newSetup(t).function(t).post(t, "/presign", everything).granted(t, &got)
		bucket, header := "examplebucket", maps.Clone(got.Headers)
		header["content-length"] = "5"
		want, err := official("oss-cn-hangzhou.aliyuncs.com", false).Presign(t.Context(), &oss.PutObjectRequest{
			Bucket: &bucket, Key: &got.Key,
			RequestCommon: oss.RequestCommon{Headers: header, Parameters: map[string]string{
				"callback": query(t, got.URL).Get("callback"), "callback-var": query(t, got.URL).Get("callback-var"),
			}},
		}, oss.PresignExpires(900*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if got.URL != want.URL {
			t.Errorf("URL =\n%s\nwant, as the SDK,\n%s", got.URL, want.URL)
		}
	})
}

func TestForm(t *testing.T) {
	var got upload
	body := strings.Replace(everything, "{", `{"as":"form",`, 1)
	newSetup(t).function(t).postAs(t, token(t, "alice", withContext), "/presign", body).granted(t, &got)

	want := everythingClaims(uploadtoken.Form)
	if claims := open(t, uploadtoken.Upload, got.UploadToken); !reflect.DeepEqual(claims, want) {
		t.Errorf("upload token of %+v, want %+v", claims, want)
	}
	if claims := open(t, uploadtoken.Grant, got.Fields["x-oss-meta-ossupload-grant"]); !reflect.DeepEqual(claims, want) {
		t.Errorf("grant of %+v, want %+v", claims, want)
	}
	if got.Method != "POST" || got.Key != want.Key || got.URL != "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/" || got.Headers != nil {
		t.Errorf("%s %s of key %q with headers %v, want a POST to the bucket", got.Method, got.URL, got.Key, got.Headers)
	}
	announces(t, got.Fields["callback"])
	if got.Fields["x:u"] != got.UploadToken {
		t.Errorf("field x:u = %q, want the upload token", got.Fields["x:u"])
	}

	fields := maps.Clone(got.Fields)
	for _, name := range []string{"callback", "x:u", "x-oss-meta-ossupload-grant", "policy", "x-oss-signature"} {
		if fields[name] == "" {
			t.Errorf("field %s is empty", name)
		}
		delete(fields, name)
	}
	wantFields := everythingHeader()
	maps.Copy(wantFields, map[string]string{
		"Content-Disposition": "", "Content-Encoding": "", "Content-Language": "", "Cache-Control": "", "Expires": "",
		"x-oss-object-acl": "default", "x-oss-content-type": "image/jpeg", "success_action_status": "200", "key": want.Key,
		"x-oss-signature-version": "OSS4-HMAC-SHA256", "x-oss-credential": "STS.own/20261130/cn-hangzhou/oss/aliyun_v4_request",
		"x-oss-date": testDate, "x-oss-security-token": "own-token/+=",
	})
	if !maps.Equal(fields, wantFields) {
		t.Errorf("fields %v, want %v", fields, wantFields)
	}

	p := policyOf(t, got.Fields)
	conditions := []string{
		`{"bucket":"examplebucket"}`, `["content-length-range",5,5]`,
		`["not-in","$x-oss-server-side-data-encryption",["SM4"]]`, `["not-in","$x-oss-server-side-encryption",["AES256","KMS","SM4"]]`,
	}
	for name, value := range got.Fields {
		if name != "policy" && name != "x-oss-signature" {
			text, err := json.Marshal([]string{"eq", "$" + name, value})
			if err != nil {
				t.Fatal(err)
			}
			conditions = append(conditions, string(text))
		}
	}
	var have []string
	for _, c := range p.Conditions {
		text, err := json.Marshal(c) // so that "&" is spelled as in those that are wanted
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, string(text))
	}
	slices.Sort(have)
	slices.Sort(conditions)
	if !slices.Equal(have, conditions) || p.Expiration != "2026-11-30T16:45:00.000Z" {
		t.Errorf("policy until %s of\n%s\nwant\n%s", p.Expiration, strings.Join(have, "\n"), strings.Join(conditions, "\n"))
	}
}

func TestFormOfAnySize(t *testing.T) {
	tests := []struct {
		name   string
		policy int64
		caller map[string]any
		want   string
	}{
		{"up to what a form may hold", 1 << 40, nil, `["content-length-range",0,5368709120]`},
		{"up to the policy's", 1000, nil, `["content-length-range",0,1000]`},
		{"up to the token's", 1000, map[string]any{"upload": map[string]any{"maxSize": 10}}, `["content-length-range",0,10]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			s.settings.Policy.MaxSize = tt.policy
			var got upload
			s.function(t).postAs(t, token(t, "alice", tt.caller), "/presign", `{"filename":"a.png","as":"form"}`).granted(t, &got)
			if p := policyOf(t, got.Fields); !slices.ContainsFunc(p.Conditions, func(c json.RawMessage) bool { return string(c) == tt.want }) {
				t.Errorf("conditions %s, want %s", p.Conditions, tt.want)
			}
			if got.Fields["x-oss-storage-class"] != "Standard" {
				t.Errorf("storage class %q, want Standard", got.Fields["x-oss-storage-class"])
			}
		})
	}
}

func TestURL(t *testing.T) {
	five := int64(5)
	tests := []struct {
		name, body string
		additional string
		header     map[string]string
		want       uploadtoken.Claims
	}{
		{
			"nothing but a name", `{"as":"url","filename":"page.html"}`, "", map[string]string{},
			uploadtoken.Claims{Key: "u/alice/2026/11/" + testID, Filename: "page.html"},
		},
		{
			"a size", `{"as":"url","filename":"a b.png","size":5}`, "content-length", map[string]string{},
			uploadtoken.Claims{Key: "u/alice/2026/11/" + testID, Filename: "a b.png", Size: &five},
		},
		{
			"a type, which is the one header", `{"as":"url","filename":"a.png","contentType":"image/png","checksum":{"crc64":"0"},"vars":{"k":"v"}}`,
			"", map[string]string{"Content-Type": "image/png"},
			uploadtoken.Claims{Key: "u/alice/2026/11/" + testID + ".png", Filename: "a.png", ContentType: "image/png", CRC64: "0", Vars: map[string]string{"k": "v"}},
		},
	}
	f := newSetup(t).function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got upload
			f.post(t, "/presign", tt.body).granted(t, &got)
			want := tt.want
			want.ID, want.Method, want.Place, want.Subject, want.MaxSize = testID, uploadtoken.URL, testPlace, "alice", 5<<30
			want.IssuedAt, want.ExpiresAt = testSecond, testSecond+168*3600
			if claims := open(t, uploadtoken.Upload, got.UploadToken); !reflect.DeepEqual(claims, want) {
				t.Errorf("upload token of %+v, want %+v", claims, want)
			}
			if got.Method != "PUT" || got.Key != want.Key || got.Headers == nil || !maps.Equal(got.Headers, tt.header) {
				t.Errorf("%s of %q with headers %v, want a PUT of %q with %v", got.Method, got.Key, got.Headers, want.Key, tt.header)
			}
			announcesInQuery(t, signature(t, query(t, got.URL), tt.additional), got.UploadToken)
		})
	}
	fields := `,"metadata":{"a":"b"},"tags":{"stage":"x"},"storageClass":"IA","checksum":{"md5":"ICy5YqxZB1uWSwcVLSNLcA=="}`
	f.post(t, "/presign", `{"as":"url","filename":"a.png"`+fields+`}`).
		refused(t, http.StatusBadRequest, "invalid_request", "metadata", "tags", "storageClass", "checksum.md5")
}

func TestMethodsThatAreOff(t *testing.T) {
	ways := []uploadtoken.Method{uploadtoken.Put, uploadtoken.Form, uploadtoken.URL}
	for _, on := range ways {
		s := newSetup(t)
		s.settings.Policy.Methods = []uploadtoken.Method{on, uploadtoken.MultipartPart}
		f := s.function(t)
		for _, as := range ways {
			a := f.post(t, "/presign", map[string]any{"filename": "a.png", "size": 1, "as": as})
			if as != on {
				a.refused(t, http.StatusForbidden, "forbidden")
			} else if a.Status != http.StatusOK {
				t.Errorf("as %s = %d %s, want 200", as, a.Status, a.Body)
			}
		}
	}
}

func TestCallersTokenNarrows(t *testing.T) {
	tests := []struct {
		name   string
		upload map[string]any
		size   int64
		kind   string
		field  string
	}{
		{"within both", map[string]any{"maxSize": 10, "contentTypes": []string{"image/*"}}, 10, "image/png", ""},
		{"over the token's size", map[string]any{"maxSize": 10}, 11, "image/png", "size"},
		{"a token's size of nothing", map[string]any{"maxSize": 0}, 1, "image/png", "size"},
		{"nothing, which it allows", map[string]any{"maxSize": 0}, 0, "image/png", ""},
		{"a token's size over the policy's", map[string]any{"maxSize": int64(1) << 50}, 5<<30 + 1, "image/png", "size"},
		{"a type that the token leaves out", map[string]any{"contentTypes": []string{"image/png"}}, 1, "image/gif", "contentType"},
		{"a type that only the token has", map[string]any{"contentTypes": []string{"text/html"}}, 1, "text/html", "contentType"},
		{"a token's wildcard does not cover svg", map[string]any{"contentTypes": []string{"*/*"}}, 1, "image/svg+xml", "contentType"},
	}
	f := newSetup(t).function(t)
	for _, tt := range tests {
		for _, as := range []string{"put", "form", "url"} {
			t.Run(tt.name+" by "+as, func(t *testing.T) {
				proof := token(t, "alice", map[string]any{"upload": tt.upload})
				a := f.postAs(t, proof, "/presign", map[string]any{"filename": "a", "size": tt.size, "contentType": tt.kind, "as": as})
				if tt.field != "" {
					a.refused(t, http.StatusBadRequest, "invalid_request", tt.field)
					return
				}
				var got upload
				a.granted(t, &got)
				most, _ := tt.upload["maxSize"].(int)
				if claims := open(t, uploadtoken.Upload, got.UploadToken); claims.MaxSize != int64(most) || *claims.Size != tt.size {
					t.Errorf("granted %d of at most %d bytes, want at most %d", *claims.Size, claims.MaxSize, most)
				}
			})
		}
	}
}

// The application may choose the name of the one object. It lies below the
// subject's own prefix, and nothing is overwritten.
func TestKeyOfTheApplication(t *testing.T) {
	s := newSetup(t)
	f := s.function(t)
	proof := token(t, "Alice", map[string]any{"upload": map[string]any{"key": "orders/7/invoice.pdf"}})
	const want = "u/_41lice/orders/7/invoice.pdf"
	for _, as := range []string{"put", "form"} {
		var got upload
		f.postAs(t, proof, "/presign", map[string]any{"filename": "a.png", "size": 1, "as": as}).granted(t, &got)
		carried := got.Headers
		if as == "form" {
			carried = got.Fields
			if p := policyOf(t, got.Fields); !slices.ContainsFunc(p.Conditions, func(c json.RawMessage) bool { return string(c) == `["eq","$key","`+want+`"]` }) {
				t.Errorf("conditions %s, want the key", p.Conditions)
			}
		} else if address, _, _ := strings.Cut(got.URL, "?"); address != "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/"+want {
			t.Errorf("a PUT to %s, want %s", address, want)
		}
		if claims := open(t, uploadtoken.Grant, carried["x-oss-meta-ossupload-grant"]); got.Key != want || claims.Key != want || claims.ID != testID {
			t.Errorf("%s of %q with a grant for %+v, want %q", as, got.Key, claims, want)
		}
		if carried["x-oss-forbid-overwrite"] != "true" {
			t.Errorf("%s may overwrite: %v", as, carried)
		}
	}
	// It sends no header that keeps it from overwriting.
	f.postAs(t, proof, "/presign", `{"filename":"a.png","size":1,"as":"url"}`).refused(t, http.StatusBadRequest, "invalid_request", "as")
	for _, key := range []string{"", "_sts/a", "a/_b", "../bob/a", "a/../b", "/a", "a/", "a b", "夏", strings.Repeat("x", 513)} {
		bad := token(t, "alice", map[string]any{"upload": map[string]any{"key": key}})
		f.postAs(t, bad, "/presign", somePresign).refused(t, http.StatusUnauthorized, "unauthenticated")
	}
}

func TestURLNeedsASize(t *testing.T) {
	s := newSetup(t)
	s.settings.Policy.URLUnsized = false
	f := s.function(t)
	f.post(t, "/presign", `{"as":"url","filename":"a.png"}`).refused(t, http.StatusBadRequest, "invalid_request", "size")
	var got upload
	f.post(t, "/presign", `{"as":"url","filename":"a.png","size":0}`).granted(t, &got)
	if q := query(t, got.URL); q.Get("x-oss-additional-headers") != "content-length" {
		t.Errorf("URL %s, want one that signs the length", got.URL)
	}
}

func TestCharsetsAndExtensions(t *testing.T) {
	tests := []struct {
		name, filename, asked string
		signed, extension     string
	}{
		{"a charset, as it was asked", "a.png", "Image/PNG;charset=UTF-8", "Image/PNG;charset=UTF-8", ".png"},
		{"a charset behind a space", "a.png", "image/png; charset=utf8", "image/png; charset=utf8", ".png"},
		{"a name that says nothing", "a", "image/png", "image/png", ""},
		{"a name that says the same", "a.JPEG", "image/jpeg", "image/jpeg", ".jpeg"},
		{"a name that says another", "evil.html", "image/png", "image/png", ""},
		{"a name that says another image", "a.gif", "image/png", "image/png", ""},
		{"a name that says another, with a charset", "a.gif", "image/png;charset=utf-8", "image/png;charset=utf-8", ""},
		{"a name whose kind nobody knows", "a.raw", "image/png", "image/png", ".raw"},
		{"a type from the name", "a.gif", "", "image/gif", ".gif"},
		{"a type that the policy does not allow, from the name", "a.html", "", "application/octet-stream", ""},
	}
	f := newSetup(t).function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, as := range []string{"put", "form"} {
				var got upload
				f.post(t, "/presign", map[string]any{"filename": tt.filename, "size": 1, "contentType": tt.asked, "as": as}).granted(t, &got)
				claims := open(t, uploadtoken.Upload, got.UploadToken)
				if sent := got.Headers["Content-Type"] + got.Fields["Content-Type"]; sent != tt.signed || claims.ContentType != tt.signed {
					t.Errorf("%s as %q, granted %q, want %q", as, sent, claims.ContentType, tt.signed)
				}
				if as == "form" && got.Fields["x-oss-content-type"] != tt.signed {
					t.Errorf("x-oss-content-type %q, want %q", got.Fields["x-oss-content-type"], tt.signed)
				}
				if want := "u/alice/2026/11/" + testID + tt.extension; got.Key != want {
					t.Errorf("key %q, want %q", got.Key, want)
				}
			}
		})
	}
	for _, asked := range []string{"image/png;", "image/png;q=1", "image/png;charset=", "image/png;charset=a;charset=b", "image/png;charset=a b", "text/html;charset=utf-8"} {
		f.post(t, "/presign", map[string]any{"filename": "a", "size": 1, "contentType": asked}).refused(t, http.StatusBadRequest, "invalid_request", "contentType")
	}
}

// What a client chose and what its application says must fit one token.
func TestVarsAndContextThatDoNotFit(t *testing.T) {
	f := newSetup(t).function(t)
	proof := token(t, strings.Repeat("夏", 40), map[string]any{"upload": map[string]any{"context": strings.Repeat("x", 510)}})
	body := map[string]any{"filename": "a.png", "size": 1, "vars": map[string]string{"k": strings.Repeat("x", 1016)}}
	f.postAs(t, proof, "/presign", body).refused(t, http.StatusBadRequest, "invalid_request", "vars")
}

// A key is the subject's own, whatever the subject is called.
func TestKeysOfSubjects(t *testing.T) {
	f := newSetup(t).function(t)
	for subject, want := range map[string]string{
		"alice": "u/alice/", "Alice": "u/_41lice/", "../bob": "u/_2e_2e_2fbob/", "*": "u/_2a/", "_sts": "u/_5fsts/", "夏": "u/_e5_a4_8f/",
	} {
		var got upload
		f.postAs(t, token(t, subject, nil), "/presign", somePresign).granted(t, &got)
		if got.Key != want+"2026/11/"+testID+".png" {
			t.Errorf("key %q for %q, want it below %q", got.Key, subject, want)
		}
	}
}
