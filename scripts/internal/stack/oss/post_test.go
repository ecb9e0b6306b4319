package oss

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func (f *fixture) head(key string) *oss.HeadObjectResult {
	f.t.Helper()
	head, err := f.client(permanent).HeadObject(f.t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key)})
	if err != nil {
		f.t.Fatal(err)
	}
	return head
}

func TestPostObject(t *testing.T) {
	f := newFixture(t)
	for _, account := range []Account{permanent, temporary} {
		form := f.newForm(account, "user/"+account.AccessKeyID+"/${filename}")
		form.condition(map[string]string{"bucket": testBucket}, []any{"starts-with", "$key", "user/"}, []any{"content-length-range", 5, 5})
		form.filename = `C:\photos\a b.txt`
		form.sign(nil)
		got := f.post(form)
		f.wantStatus(got, 204)
		if got.header.Get("ETag") != `"5D41402ABC4B2A76B9719D911017C592"` || got.header.Get("x-oss-hash-crc64ecma") == "" || got.header.Get("Content-MD5") == "" || got.header.Get("x-oss-version-id") != "" {
			t.Errorf("headers = %v", got.header)
		}
		if body, _ := f.stored("user/" + account.AccessKeyID + "/a b.txt"); body != "hello" {
			t.Errorf("stored = %q", body)
		}
	}
}

// TestPostUnlistedFields shows what a policy has to pin: a field that no
// condition names is applied as the sender of the form likes.
func TestPostUnlistedFields(t *testing.T) {
	f := newFixture(t)
	form := f.newForm(permanent, "k")
	form.condition([]any{"eq", "$Content-Type", "image/png"})
	form.fields["content-type"] = "image/png"
	form.sign(nil)
	for name, value := range map[string]string{
		"Cache-Control": "no-store", "CONTENT-DISPOSITION": "inline", "Content-Encoding": "br", "Expires": "Thu, 01 Dec 2044 16:00:00 GMT",
		"x-oss-content-type": "text/html", "x-oss-object-acl": "public-read", "X-Oss-Meta-Grant": "stolen", "x-oss-storage-class": "IA", "x-oss-tagging": "a=1",
	} {
		form.fields[name] = value
	}
	f.wantStatus(f.post(form), 204)
	head := f.head("k")
	for _, pair := range [][2]string{
		{*head.ContentType, "text/html"}, {*head.CacheControl, "no-store"}, {*head.ContentDisposition, "inline"}, {*head.ContentEncoding, "br"},
		{*head.StorageClass, "IA"}, {head.Metadata["grant"], "stolen"}, {*head.Expires, "Thu, 01 Dec 2044 16:00:00 GMT"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("head has %q, want %q", pair[0], pair[1])
		}
	}
	if head.TaggingCount != 1 {
		t.Errorf("%d tags", head.TaggingCount)
	}
	f.wantStatus(f.send("GET", f.web.URL+"/bucket/k", nil, ""), 200)
}

func TestPostContentType(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct{ name, oss, part, field, want string }{
		{"none", "", "", "", "application/octet-stream"},
		{"the field", "", "", "image/gif", "image/gif"},
		{"the part over the field", "", "text/html", "image/gif", "text/html"},
		{"x-oss-content-type over all", "image/png", "text/html", "image/gif", "image/png"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := f.newForm(permanent, "k")
			form.fields["x-oss-content-type"], form.fields["Content-Type"], form.fileType = test.oss, test.field, test.part
			form.sign(nil)
			f.wantStatus(f.post(form), 204)
			if got := *f.head("k").ContentType; got != test.want {
				t.Errorf("Content-Type = %q, want %q", got, test.want)
			}
		})
	}
}

func TestPostAnswers(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		name, redirect, status string
		wantStatus             int
		wantLocation, wantBody string
	}{
		{"nothing asked", "", "", 204, "", ""},
		{"200", "", "200", 200, "", ""},
		{"204", "", "204", 204, "", ""},
		{"an unknown status", "", "302", 204, "", ""},
		{"201", "", "201", 201, f.web.URL + "/bucket/d/a%20b", "<PostResponse>\n  <Bucket>bucket</Bucket>\n  <ETag>&#34;5D41402ABC4B2A76B9719D911017C592&#34;</ETag>\n  <Key>d/a b</Key>\n  <Location>" + f.web.URL + "/bucket/d/a%20b</Location>\n</PostResponse>"},
		{"a redirect over a status", "https://app.example/done?x=1#top", "200", 303, "https://app.example/done?x=1&bucket=bucket&key=d%2Fa%20b&etag=%225D41402ABC4B2A76B9719D911017C592%22#top", ""},
		{"a redirect to nowhere", "/done", "200", 200, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := f.newForm(permanent, "d/a b")
			form.fields["success_action_redirect"], form.fields["success_action_status"] = test.redirect, test.status
			form.header = map[string]string{"Origin": "http://localhost:3000"}
			form.sign(nil)
			got := f.post(form)
			f.wantStatus(got, test.wantStatus)
			if got.header.Get("Location") != test.wantLocation || test.wantBody != "" && !strings.Contains(got.body, test.wantBody) || test.wantBody == "" && got.body != "" {
				t.Errorf("answer = %q %q, want %q %q", got.header.Get("Location"), got.body, test.wantLocation, test.wantBody)
			}
			if got.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Error("the answer has no CORS headers")
			}
		})
	}
	preflight := map[string]string{"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
	f.wantStatus(f.send("OPTIONS", f.web.URL+"/bucket/", preflight, ""), 200)
}

// TestPostIgnoresOtherSignatures posts with the ruins of a signed request
// around the form.
func TestPostIgnoresOtherSignatures(t *testing.T) {
	f := newFixture(t)
	form := f.newForm(permanent, "k")
	form.url += "?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature=bad&callback=bad&OSSAccessKeyId=no&Signature=no"
	form.header = map[string]string{"Authorization": "OSS4-HMAC-SHA256 bad", "x-oss-object-acl": "public-read", "x-oss-forbid-overwrite": "maybe"}
	form.sign(nil)
	f.wantStatus(f.post(form), 204)
	f.wantStatus(f.send("GET", f.web.URL+"/bucket/k", nil, ""), 403)

	unsigned := f.newForm(permanent, "unsigned")
	unsigned.fields = map[string]string{"key": "unsigned"}
	signed := f.presign(permanent, &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("unsigned")})
	_, query, _ := strings.Cut(signed.URL, "?")
	unsigned.url += "?" + query
	f.wantError(f.post(unsigned), 403, codeAccessDenied, "0003-00001201")
}

func TestPostVirtualHosted(t *testing.T) {
	f := newFixture(t)
	form := f.newForm(permanent, "k")
	form.condition(map[string]string{"bucket": testBucket})
	form.fields["success_action_status"] = "201"
	form.sign(nil)
	contentType, body := form.body()
	request, err := http.NewRequestWithContext(t.Context(), "POST", f.web.URL+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "bucket.oss.localhost"
	request.Header.Set("Content-Type", contentType)
	got := f.do(request)
	f.wantStatus(got, 201)
	if want := "http://bucket.oss.localhost/k"; got.header.Get("Location") != want {
		t.Errorf("Location = %q, want %q", got.header.Get("Location"), want)
	}
}

func TestPostForbidOverwrite(t *testing.T) {
	f := newFixture(t)
	form := f.newForm(permanent, "k")
	form.fields["x-oss-forbid-overwrite"] = "true"
	form.sign(nil)
	f.wantStatus(f.post(form), 204)
	form.file = "again"
	f.wantError(f.post(form), 409, codeFileAlreadyExists, "")
	if body, _ := f.stored("k"); body != "hello" {
		t.Errorf("stored = %q", body)
	}
}

func TestPostCallback(t *testing.T) {
	f := newFixture(t)
	ok := newReceiver(t, answering(200, "application/json", `{"receipt":1}`))
	config := func(url string) string {
		return encode(t, map[string]string{"callbackUrl": url, "callbackBody": "key=${object}&op=${operation}&token=${x:token}"})
	}
	form := f.newForm(permanent, "k")
	form.fields["callback"], form.fields["x:Token"], form.fields["success_action_status"] = config(ok.URL), "a/b", "201"
	form.condition(map[string]string{"callback": form.fields["callback"]}, map[string]string{"x:token": "a/b"})
	form.sign(nil)
	got := f.post(form)
	f.wantStatus(got, 200)
	if got.body != `{"receipt":1}` || got.header.Get("Content-Type") != "application/json" || got.header.Get("ETag") == "" {
		t.Errorf("answer = %q %v", got.body, got.header)
	}
	requests, bodies := ok.received()
	if len(requests) != 1 || bodies[0] != "key=k&op=PostObject&token=a%2Fb" {
		t.Errorf("callbacks = %q", bodies)
	}

	t.Run("another callback than the policy has", func(t *testing.T) {
		form.fields["callback"] = config("http://127.0.0.1:1/")
		f.wantError(f.post(form), 403, codeAccessDenied, "")
	})
	t.Run("a callback in the query as well", func(t *testing.T) {
		form.fields["callback"] = config(ok.URL)
		form.url += "?callback=" + percentEncode(form.fields["callback"])
		f.wantError(f.post(form), 400, codeInvalidArgument, "")
	})
	t.Run("a failing callback", func(t *testing.T) {
		failing := newReceiver(t, answering(500, "text/plain", "no"))
		form := f.newForm(permanent, "failed")
		form.fields["callback"], form.fields["x:token"] = config(failing.URL), "t"
		form.sign(nil)
		f.wantError(f.post(form), 203, codeCallbackFailed, "0007-00000203")
		if _, ok := f.stored("failed"); !ok {
			t.Error("the object is not stored")
		}
	})
	t.Run("no base64", func(t *testing.T) {
		form := f.newForm(permanent, "bad")
		form.fields["callback"] = "{}"
		form.sign(nil)
		f.wantError(f.post(form), 400, codeInvalidArgument, "0007-00000002")
		if _, ok := f.stored("bad"); ok {
			t.Error("a refused form stored an object")
		}
	})
}

// TestPostBodies sends what is no proper form.
func TestPostBodies(t *testing.T) {
	f := newFixture(t)
	signed := func(change func(*testForm)) *testForm {
		form := f.newForm(permanent, "k")
		change(form)
		form.sign(nil)
		return form
	}
	unchanged := func(*testForm) {}
	field := func(name, value string) func(*multipart.Writer) {
		return func(w *multipart.Writer) { w.WriteField(name, value) }
	}
	fileFirst := func(w *multipart.Writer, form *testForm) {
		form.writeFile(w)
		w.WriteField("key", "k")
	}
	build := func(write func(*multipart.Writer, *testForm)) reply {
		form := signed(unchanged)
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		write(w, form)
		w.Close()
		return f.postBody(form, w.FormDataContentType(), b.String())
	}
	contentType, body := signed(unchanged).body()
	for _, test := range []struct {
		name   string
		got    reply
		status int
		code   code
		ec     string
	}{
		{"a button after the file", f.post(signed(unchanged), field("submit", "Upload")), 204, "", ""},
		{"a field after the file", f.post(signed(unchanged), field("x-oss-meta-a", "b")), 400, codeMalformedPOSTRequest, ""},
		{"two files", f.post(signed(unchanged), signed(unchanged).writeFile), 400, codeIncorrectNumberOfFiles, ""},
		{"a file under another name", build(func(w *multipart.Writer, form *testForm) { w.CreateFormFile("other", "b.txt") }), 400, codeIncorrectNumberOfFiles, ""},
		{"no file", build(func(w *multipart.Writer, form *testForm) { w.WriteField("key", "k") }), 400, codeIncorrectNumberOfFiles, ""},
		{"the file before the key", build(fileFirst), 400, codeInvalidArgument, ""},
		{"a repeated field", build(func(w *multipart.Writer, form *testForm) { w.WriteField("key", "k"); w.WriteField("Key", "l") }), 400, codeInvalidArgument, ""},
		{"a field without a name", build(func(w *multipart.Writer, form *testForm) { w.CreatePart(nil) }), 400, codeMalformedPOSTRequest, "0006-00000109"},
		{"a long name", build(func(w *multipart.Writer, form *testForm) { w.WriteField(strings.Repeat("n", maxFieldName+1), "") }), 400, codeFieldItemTooLong, ""},
		{"a long value", build(func(w *multipart.Writer, form *testForm) { w.WriteField("n", strings.Repeat("v", maxFieldValue+1)) }), 400, codeFieldItemTooLong, ""},
		{"cut off", f.postBody(signed(unchanged), contentType, body[:len(body)-20]), 400, codeMalformedPOSTRequest, ""},
		{"no parts", f.postBody(signed(unchanged), contentType, "hello"), 400, codeMalformedPOSTRequest, ""},
		{"no boundary", f.postBody(signed(unchanged), "multipart/form-data", body), 400, codeRequestIsNotMultipart, ""},
		{"a boundary in quotes", f.postBody(signed(unchanged), strings.Replace(contentType, "boundary=", `boundary="`, 1)+`"`, body), 400, codeRequestIsNotMultipart, ""},
		{"no form", f.postBody(signed(unchanged), "application/x-www-form-urlencoded", "key=k"), 400, codeRequestIsNotMultipart, ""},
		{"an empty key", f.post(signed(func(form *testForm) { form.fields["key"] = "" })), 400, codeInvalidObjectName, ""},
		{"a key with a leading slash", f.post(signed(func(form *testForm) { form.fields["key"] = "/k" })), 400, codeInvalidObjectName, ""},
		{"a line break in a value", f.post(signed(func(form *testForm) { form.fields["x-oss-meta-a"] = "b\r\nc" })), 400, codeInvalidArgument, ""},
		{"a name that no header has", f.post(signed(func(form *testForm) { form.fields["x-oss-meta-a b"] = "c" })), 400, codeInvalidArgument, ""},
		{"an unknown ACL", f.post(signed(func(form *testForm) { form.fields["x-oss-object-acl"] = "open" })), 400, codeInvalidArgument, ""},
		{"a wrong Content-MD5", f.post(signed(func(form *testForm) { form.header = map[string]string{"Content-MD5": md5Of(nil)} })), 400, codeInvalidDigest, ""},
		{"no such bucket", f.post(signed(func(form *testForm) { form.url = f.web.URL + "/absent/" })), 404, codeNoSuchBucket, "0015-00000101"},
		{"an object's URL", f.post(signed(func(form *testForm) { form.url += "k" })), 405, codeMethodNotAllowed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.code == "" {
				f.wantStatus(test.got, test.status)
				return
			}
			f.wantError(test.got, test.status, test.code, test.ec)
		})
	}
	if body, _ := f.stored("k"); body != "hello" {
		t.Errorf("stored = %q, want what the one good form sent", body)
	}
	form := f.newForm(permanent, "whole")
	form.sign(nil)
	contentType, body = form.body()
	form.header = map[string]string{"Content-MD5": md5Of([]byte(body))}
	f.wantStatus(f.postBody(form, contentType, body), 204)
}

func TestPostSize(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		name      string
		low, high int
		size      int
		code      code
	}{
		{"the least", 2, 4, 2, ""},
		{"the most", 2, 4, 4, ""},
		{"one less", 2, 4, 1, codeEntityTooSmall},
		{"one more", 2, 4, 5, codeEntityTooLarge},
		{"much more", 0, 4, 3 << 20, codeEntityTooLarge},
		{"nothing", 0, 0, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := f.newForm(permanent, test.name)
			form.condition([]any{"content-length-range", test.low, test.high}, []any{"content-length-range", 0, 1000})
			form.file = strings.Repeat("x", test.size)
			form.sign(nil)
			got := f.post(form)
			body, stored := f.stored(test.name)
			if test.code == "" {
				f.wantStatus(got, 204)
				if len(body) != test.size {
					t.Errorf("stored %d bytes, want %d", len(body), test.size)
				}
				return
			}
			f.wantError(got, 400, test.code, "")
			if stored {
				t.Error("a refused form stored an object")
			}
		})
	}
}

func TestPostAuthorization(t *testing.T) {
	f := newFixture(t)
	var asked []string
	limited := permanent
	limited.Allows = func(action, resource string, _ map[string]string) bool {
		asked = append(asked, action+" "+resource)
		return action != "oss:PutObjectAcl"
	}
	f.setAccount(limited)
	form := f.newForm(limited, "d/${filename}")
	form.fields["x-oss-tagging"], form.fields["x-oss-object-acl"] = "a=1", "default"
	form.sign(nil)
	f.wantStatus(f.post(form), 204)
	want := "oss:PutObject acs:oss:*:*:bucket/d/a.txt,oss:PutObjectTagging acs:oss:*:*:bucket/d/a.txt"
	if got := strings.Join(asked, ","); got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	form.fields["x-oss-object-acl"] = "public-read"
	got := f.post(form)
	f.wantError(got, 403, codeAccessDenied, "0003-00000801")
	if got.AuthAction != "oss:PutObjectAcl" {
		t.Errorf("AuthAction = %q", got.AuthAction)
	}
}

func TestPostFaults(t *testing.T) {
	for _, test := range []struct {
		mode   string
		status int
		stored bool
	}{{"500", 500, false}, {"503", 503, false}, {"reset", 0, false}, {"stored-then-reset", 0, true}} {
		t.Run(test.mode, func(t *testing.T) {
			f := newFixture(t, func(c *Config) { c.Timeout = 10 * time.Millisecond })
			f.setFault(faultOf("oss", "PostObject", test.mode))
			form := f.newForm(permanent, "k")
			form.sign(nil)
			contentType, body := form.body()
			response, err := http.Post(form.url, contentType, strings.NewReader(body))
			switch {
			case test.status == 0 && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF):
				t.Errorf("error = %v, want a reset connection", err)
			case test.status != 0 && err != nil:
				t.Fatal(err)
			case test.status != 0:
				f.wantStatus(f.read(response), test.status)
			}
			if _, ok := f.stored("k"); ok != test.stored {
				t.Errorf("stored = %v, want %v", ok, test.stored)
			}
		})
	}
}
