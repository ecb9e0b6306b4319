package oss

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// receiver is a callback server that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []*http.Request
	bodies []string
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		r.got, r.bodies = append(r.got, request), append(r.bodies, string(body))
		r.mu.Unlock()
		answer(w, request)
	}))
	t.Cleanup(r.Close)
	return r
}

// received returns the callbacks so far and their bodies.
func (r *receiver) received() ([]*http.Request, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got, r.bodies
}

func (r *receiver) count() int {
	got, _ := r.received()
	return len(got)
}

// answering is a callback server that says the same to everybody.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

// putWithCallback uploads with a URL that has the callback in its query.
func (f *fixture) putWithCallback(key, body, callback, vars string) reply {
	f.t.Helper()
	parameters := map[string]string{"callback": callback}
	if vars != "" {
		parameters["callback-var"] = vars
	}
	signed := f.presign(permanent, &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), RequestCommon: oss.RequestCommon{Parameters: parameters},
	})
	return f.send(signed.Method, signed.URL, nil, body)
}

// publishedKey fetches the key that a callback names.
func (f *fixture) publishedKey(header http.Header) *rsa.PublicKey {
	f.t.Helper()
	keyURL, err := base64.StdEncoding.DecodeString(header.Get("x-oss-pub-key-url"))
	if err != nil || string(keyURL) != f.s.cfg.CallbackKeyURL {
		f.t.Fatalf("key URL = %q, %v", keyURL, err)
	}
	block, _ := pem.Decode([]byte(f.send("GET", string(keyURL), nil, "").body))
	if block == nil || block.Type != "PUBLIC KEY" {
		f.t.Fatal("the key is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		f.t.Fatal(err)
	}
	return key.(*rsa.PublicKey)
}

func (f *fixture) wantSigned(r *http.Request, path, body string) {
	f.t.Helper()
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get("Authorization"))
	if err != nil {
		f.t.Fatal(err)
	}
	digest := md5.Sum([]byte(path + "\n" + body))
	if err := rsa.VerifyPKCS1v15(f.publishedKey(r.Header), crypto.MD5, digest[:], signature); err != nil {
		f.t.Errorf("the callback's signature over %q: %v", path, err)
	}
	digest[0]++
	if rsa.VerifyPKCS1v15(f.publishedKey(r.Header), crypto.MD5, digest[:], signature) == nil {
		f.t.Error("the signature covers anything")
	}
}

func TestCallback(t *testing.T) {
	f := newFixture(t)
	app := newReceiver(t, answering(200, "application/json; charset=utf-8", `{"Status":"OK"}`))
	got := f.putWithCallback("a b/é.txt", "hello", encode(t, map[string]any{
		"callbackUrl":       app.URL + "/call%20back/%2Bx?id=1&b=%20",
		"callbackHost":      "app.example",
		"callbackBody":      "bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&type=${mimeType}&crc=${crc64}&md5=${contentMd5}&op=${operation}&ip=${clientIp}&req=${reqId}&vpc=${vpcId}&w=${imageInfo.width}&token=${x:token}&const",
		"callbackBodyType":  "application/x-www-form-urlencoded",
		"additionalHeaders": map[string]string{"x-app": "1"},
	}), encode(t, map[string]string{"x:token": "a/b+c=", "x:unused": "1"}))
	f.wantStatus(got, 200)
	if got.body != `{"Status":"OK"}` || got.header.Get("Content-Type") != "application/json; charset=utf-8" || got.header.Get("ETag") != `"5D41402ABC4B2A76B9719D911017C592"` {
		t.Errorf("answer = %q %v", got.body, got.header)
	}
	if n := app.count(); n != 1 {
		t.Fatalf("%d callbacks, want 1", n)
	}
	requests, bodies := app.received()
	r, body := requests[0], bodies[0]
	want := "bucket=bucket&object=a%20b%2F%C3%A9.txt&etag=5D41402ABC4B2A76B9719D911017C592&size=5&type=application%2Foctet-stream" +
		"&crc=" + got.header.Get("x-oss-hash-crc64ecma") + "&md5=" + url.QueryEscape(md5Of([]byte("hello"))) +
		"&op=PutObject&ip=127.0.0.1&req=" + got.header.Get("x-oss-request-id") + "&vpc=&w=&token=a%2Fb%2Bc%3D&const"
	if body != want {
		t.Errorf("body = %s, want %s", body, want)
	}
	if r.RequestURI != "/call%20back/%2Bx?id=1&b=%20" {
		t.Errorf("request target = %s", r.RequestURI)
	}
	f.wantSigned(r, "/call back/+x?id=1&b=%20", body)
	for name, value := range map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Content-MD5": md5Of([]byte(body)), "Content-Length": fmt.Sprint(len(body)),
		"User-Agent": "aliyun-oss-callback", "Connection": "close", "x-oss-signature-version": "1.0", "x-oss-tag": "CALLBACK",
		"x-oss-bucket": testBucket, "x-oss-request-id": got.header.Get("x-oss-request-id"), "x-oss-requester": accountID,
		"x-oss-additional-headers": "x-app", "X-App": "1", "eagleeye-rpcid": "0.1", "Accept-Encoding": "",
	} {
		if r.Header.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, r.Header.Get(name), value)
		}
	}
	if r.Host != "app.example" || r.Header.Get("Date") == "" {
		t.Errorf("Host = %q, Date = %q", r.Host, r.Header.Get("Date"))
	}
}

func TestCallbackFromHeader(t *testing.T) {
	f := newFixture(t)
	app := newReceiver(t, answering(200, "application/json", `{"ok":true}`))
	config := encode(t, map[string]any{"callbackUrl": strings.TrimPrefix(app.URL, "http://"), "callbackBodyType": "application/json",
		"callbackBody": `{"object":${object},"size":${size},"op":${operation},"token":${x:t}}`})
	vars := encode(t, map[string]string{"x:t": "v"})
	put := must[*oss.PutObjectResult](t)(f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("a/b"), Body: strings.NewReader("hello"), Callback: &config, CallbackVar: &vars,
	}))
	if put.CallbackResult["ok"] != true {
		t.Errorf("callback result = %v", put.CallbackResult)
	}
	id := f.initiate("a/c")
	part := f.part("a/c", id, 1, "hello")
	done := must[*oss.CompleteMultipartUploadResult](t)(f.client(permanent).CompleteMultipartUpload(t.Context(), &oss.CompleteMultipartUploadRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("a/c"), UploadId: id, Callback: &config, CallbackVar: &vars,
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: []oss.UploadPart{part}},
	}))
	if done.CallbackResult["ok"] != true || done.Headers.Get("ETag") == "" {
		t.Errorf("callback result = %v", done.CallbackResult)
	}
	want := []string{
		`{"object":"a/b","size":5,"op":"PutObject","token":"v"}`,
		`{"object":"a/c","size":5,"op":"CompleteMultipartUpload","token":"v"}`,
	}
	requests, bodies := app.received()
	if fmt.Sprint(bodies) != fmt.Sprint(want) {
		t.Fatalf("bodies = %q, want %q", bodies, want)
	}
	f.wantSigned(requests[0], "/", bodies[0])
}

func TestCallbackImage(t *testing.T) {
	f := newFixture(t)
	app := newReceiver(t, answering(200, "application/json", `{}`))
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 5))); err != nil {
		t.Fatal(err)
	}
	config := encode(t, map[string]any{"callbackUrl": app.URL, "callbackBodyType": "application/json",
		"callbackBody": `{"size":"${imageInfo.width},${imageInfo.height}","format":${imageInfo.format}}`})
	f.wantStatus(f.putWithCallback("k", picture.String(), config, ""), 200)
	if _, bodies := app.received(); fmt.Sprint(bodies) != `[{"size":"8,5","format":"png"}]` {
		t.Errorf("bodies = %s", bodies)
	}
}

// TestCallbackFailed covers what an application does wrong: the object is
// stored, the uploader gets 203.
func TestCallbackFailed(t *testing.T) {
	big := `{"a":"` + strings.Repeat("x", maxCallbackAnswer) + `"}`
	for _, test := range []struct {
		name    string
		answer  http.HandlerFunc
		message string
		ec      string
	}{
		{"status 404", answering(404, "application/json", `{}`), "Error status : 404.", "0007-00000203"},
		{"status 201", answering(201, "application/json", `{}`), "Error status : 201.", "0007-00000203"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}, "Error status : 301.", "0007-00000203"},
		{"HTML", answering(200, "text/html", `<html>`), "Response body is not valid json format.", "0007-00000205"},
		{"JSON with a byte order mark", answering(200, "application/json", "\ufeff{}"), "Response body is not valid json format.", "0007-00000205"},
		{"nothing", answering(200, "application/json", ""), "Response body is not valid json format.", "0007-00000205"},
		{"broken XML", answering(200, "application/xml", "<a>"), "Response body is not valid json format.", "0007-00000205"},
		{"too much", answering(200, "application/json", big), "Error Status : 400.User server return too long content-length value", ""},
		{"no length", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{}`)
			w.(http.Flusher).Flush()
		}, "Response body is not valid json format.", "0007-00000205"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "Error status : -1.OSS can not connect to your callbackUrl, please check it.", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			app := newReceiver(t, test.answer)
			got := f.putWithCallback("k", "hello", encode(t, map[string]any{"callbackUrl": app.URL, "callbackBody": "a=${bucket}"}), "")
			f.wantError(got, 203, codeCallbackFailed, test.ec)
			if got.Message != test.message || got.header.Get("ETag") == "" || got.header.Get("x-oss-hash-crc64ecma") == "" {
				t.Errorf("message = %q, want %q; header %v", got.Message, test.message, got.header)
			}
			if _, ok := f.stored("k"); !ok {
				t.Error("the object is not stored")
			}
			if app.count() != 1 {
				t.Errorf("%d callbacks, want 1", app.count())
			}
		})
	}
	t.Run("the SDK sees an error", func(t *testing.T) {
		f := newFixture(t)
		app := newReceiver(t, answering(301, "text/plain", ""))
		_, err := f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Callback: oss.Ptr(encode(t, map[string]any{"callbackUrl": app.URL, "callbackBody": "a"})),
		})
		wantServiceError(t, err, 203, codeCallbackFailed, "0007-00000203")
	})
}

func TestCallbackXML(t *testing.T) {
	f := newFixture(t)
	app := newReceiver(t, answering(200, "application/xml", "<ok/>"))
	got := f.putWithCallback("k", "hello", encode(t, map[string]any{"callbackUrl": app.URL, "callbackBody": "a"}), "")
	if got.status != 200 || got.body != "<ok/>" {
		t.Errorf("answer = %d %q", got.status, got.body)
	}
}

// TestCallbackURLs tries URLs in order until one succeeds.
func TestCallbackURLs(t *testing.T) {
	f := newFixture(t)
	// A port that was free a moment ago may be another test's by now.
	const closed = "http://127.0.0.1:1"
	first, second := newReceiver(t, answering(500, "text/plain", "")), newReceiver(t, answering(200, "application/json", `{"n":2}`))
	third := newReceiver(t, answering(200, "application/json", `{"n":3}`))
	got := f.putWithCallback("k", "hello", encode(t, map[string]any{
		"callbackUrl": strings.Join([]string{closed, first.URL, second.URL, third.URL}, ";"), "callbackBody": "a",
	}), "")
	if got.status != 200 || got.body != `{"n":2}` || first.count() != 1 || second.count() != 1 || third.count() != 0 {
		t.Errorf("answer = %d %q after %d, %d, %d callbacks", got.status, got.body, first.count(), second.count(), third.count())
	}
}

func TestCallbackFaults(t *testing.T) {
	for _, test := range []struct {
		mode, message, ec string
		delivered         int
	}{
		{"500", "Error status : 500.", "0007-00000203", 0},
		{"503", "Error status : 503.", "0007-00000203", 0},
		{"timeout", "reply timeout", "0007-00000202", 0},
		{"reset", "can not connect", "", 0},
		{"stored-then-reset", "can not connect", "", 1},
	} {
		t.Run(test.mode, func(t *testing.T) {
			f := newFixture(t)
			app := newReceiver(t, answering(200, "application/json", `{}`))
			f.setFault(faultOf("callback", "Callback", test.mode))
			got := f.putWithCallback("k", "hello", encode(t, map[string]any{"callbackUrl": app.URL, "callbackBody": "a"}), "")
			f.wantError(got, 203, codeCallbackFailed, test.ec)
			if !strings.Contains(got.Message, test.message) || app.count() != test.delivered {
				t.Errorf("message %q after %d callbacks, want %q after %d", got.Message, app.count(), test.message, test.delivered)
			}
			if _, ok := f.stored("k"); !ok {
				t.Error("the object is not stored")
			}
		})
	}
}

// TestCallbackRefused covers configurations that OSS refuses before it stores
// anything.
func TestCallbackRefused(t *testing.T) {
	f := newFixture(t)
	config := func(change map[string]any) string {
		c := map[string]any{"callbackUrl": "http://127.0.0.1:1/", "callbackBody": "a=${bucket}"}
		for name, value := range change {
			c[name] = value
		}
		return encode(t, c)
	}
	raw := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, test := range []struct {
		name, callback, vars, ec string
	}{
		{"not base64", "e30", "", "0007-00000002"},
		{"not JSON", raw(`{"callbackBody":"{"a"}"}`), "", "0007-00000003"},
		{"no JSON object", raw(`null`), "", "0007-00000003"},
		{"too long", config(map[string]any{"callbackBody": strings.Repeat("x", 5000)}), "", ""},
		{"variables too long", config(nil), encode(t, map[string]string{"x:a": strings.Repeat("x", 5000)}), ""},
		{"a URL that is a number", config(map[string]any{"callbackUrl": 1}), "", "0007-00000004"},
		{"a port that is no number", config(map[string]any{"callbackUrl": "host:notanumber"}), "", "0007-00000004"},
		{"another scheme", config(map[string]any{"callbackUrl": "ftp://host/"}), "", "0007-00000004"},
		{"an IPv6 address", config(map[string]any{"callbackUrl": "http://[::1]:80/"}), "", "0007-00000004"},
		{"six URLs", config(map[string]any{"callbackUrl": "a;b;c;d;e;f"}), "", "0007-00000004"},
		{"an empty URL among others", config(map[string]any{"callbackUrl": "a;;b"}), "", "0007-00000004"},
		{"a URL that is not ASCII", config(map[string]any{"callbackUrl": "http://host/é"}), "", "0007-00000004"},
		{"no body", config(map[string]any{"callbackBody": ""}), "", ""},
		{"a body that is no string", config(map[string]any{"callbackBody": map[string]string{}}), "", ""},
		{"a dollar without a brace", config(map[string]any{"callbackBody": "a=$(bucket)"}), "", "0007-00000105"},
		{"a brace that is open", config(map[string]any{"callbackBody": "a=${bucket"}), "", ""},
		{"a variable that does not exist", config(map[string]any{"callbackBody": "a=${buckets}"}), "", ""},
		{"a body type that is no string", config(map[string]any{"callbackBodyType": 1}), "", "0007-00000012"},
		{"another body type", config(map[string]any{"callbackBodyType": "text/plain"}), "", "0007-00000012"},
		{"SNI as text", config(map[string]any{"callbackSNI": "true"}), "", ""},
		{"signature version 2.0", config(map[string]any{"signatureVersion": "2.0"}), "", ""},
		{"a signature version that is a number", config(map[string]any{"signatureVersion": 1}), "", ""},
		{"headers that are no map", config(map[string]any{"additionalHeaders": "a"}), "", "0007-00000021"},
		{"a header without a name", config(map[string]any{"additionalHeaders": map[string]string{"": "a"}}), "", "0007-00000023"},
		{"a header with a line break", config(map[string]any{"additionalHeaders": map[string]string{"a": "b\r\nc: d"}}), "", "0007-00000025"},
		{"an x-oss header", config(map[string]any{"additionalHeaders": map[string]string{"x-oss-a": "b"}}), "", "0007-00000026"},
		{"a reserved header", config(map[string]any{"additionalHeaders": map[string]string{"host": "b"}}), "", ""},
		{"variables that are not base64", config(nil), "e30", "0007-00000102"},
		{"variables that are not JSON", config(nil), raw("{"), "0007-00000103"},
		{"a nested variable", config(nil), raw(`{"x:a":{}}`), "0007-00000103"},
		{"a variable without its prefix", config(nil), raw(`{"a":"b"}`), "0007-00000103"},
		{"a variable in upper case", config(nil), raw(`{"x:A":"b"}`), "0007-00000103"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := f.putWithCallback("k", "hello", test.callback, test.vars)
			f.wantError(got, 400, codeInvalidArgument, test.ec)
			if got.ArgumentName == "" {
				t.Error("the argument is not named")
			}
			if _, ok := f.stored("k"); ok {
				t.Error("the object is stored")
			}
		})
	}
	t.Run("in header and query", func(t *testing.T) {
		signed := f.presign(permanent, &oss.PutObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Callback: oss.Ptr(config(nil)),
			RequestCommon: oss.RequestCommon{Parameters: map[string]string{"callback": config(nil)}},
		})
		f.wantError(f.send(signed.Method, signed.URL, signed.SignedHeaders, "hello"), 400, codeInvalidArgument, "")
	})
	t.Run("an empty URL means no callback", func(t *testing.T) {
		got := f.putWithCallback("none", "hello", config(map[string]any{"callbackUrl": ""}), "")
		if got.status != 200 || got.body != "" {
			t.Errorf("answer = %d %q", got.status, got.body)
		}
	})
	t.Run("complete keeps the upload", func(t *testing.T) {
		id := f.initiate("big")
		part := f.part("big", id, 1, "hello")
		_, err := f.client(permanent).CompleteMultipartUpload(t.Context(), &oss.CompleteMultipartUploadRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("big"), UploadId: id, Callback: oss.Ptr("e30"),
			CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: []oss.UploadPart{part}},
		})
		wantServiceError(t, err, 400, codeInvalidArgument, "0007-00000002")
		must[*oss.CompleteMultipartUploadResult](t)(f.complete("big", id, part))
	})
}

// TestCallbackTimeout classifies errors: waiting 5 s for each would be slow.
func TestCallbackTimeout(t *testing.T) {
	var failure *callbackFailure
	if err := answerFailure(&net.OpError{Op: "read", Err: timeoutError{}}, "8.8.8.8:9090"); !errors.As(err, &failure) ||
		failure.message != "Error status : -1 8.8.8.8:9090 reply timeout, cost:5000ms, timeout:5000ms (err -4, errno115)" {
		t.Errorf("failure = %v", failure)
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// TestCallbackWire checks how header names are spelt, which net/http hides
// from a handler.
func TestCallbackWire(t *testing.T) {
	f := newFixture(t)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	lines := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		reader := bufio.NewReader(conn)
		var head strings.Builder
		for {
			line, err := reader.ReadString('\n')
			head.WriteString(line)
			if err != nil || line == "\r\n" {
				break
			}
		}
		lines <- head.String()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}")
	}()
	got := f.putWithCallback("k", "hello", encode(t, map[string]any{"callbackUrl": listener.Addr().String(), "callbackBody": "a"}), "")
	f.wantStatus(got, 200)
	head := <-lines
	if !strings.HasPrefix(head, "POST / HTTP/1.1\r\n") {
		t.Errorf("request = %q", head)
	}
	for _, name := range []string{"Content-MD5", "x-oss-pub-key-url", "x-oss-tag", "x-oss-additional-headers", "eagleeye-rpcid", "Authorization", "Connection", "User-Agent"} {
		if !strings.Contains(head, "\r\n"+name+": ") {
			t.Errorf("no header %q in %q", name, head)
		}
	}
}
