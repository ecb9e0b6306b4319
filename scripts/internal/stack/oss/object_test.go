package oss

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// TestLaxWithAnAttacker shows what no signature covers: whoever holds the URL
// chooses these headers, and everybody who reads the object gets them.
func TestLaxWithAnAttacker(t *testing.T) {
	f := newFixture(t)
	signed := f.presign(permanent, &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	sent := map[string]string{
		"Content-Encoding": "br", "Content-Disposition": "inline", "Cache-Control": "max-age=31536000",
		"Expires": "Thu, 01 Dec 2044 16:00:00 GMT", "Content-Language": "en",
	}
	f.wantStatus(f.send(signed.Method, signed.URL, sent, "hello"), 200)
	for _, request := range []any{
		&oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")},
		&oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")},
	} {
		read := f.presign(permanent, request)
		got := f.send(read.Method, read.URL, nil, "")
		for name, value := range sent {
			if got.header.Get(name) != value {
				t.Errorf("%s: %s = %q, want %q", read.Method, name, got.header.Get(name), value)
			}
		}
		if got.header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: Content-Type = %q", read.Method, got.header.Get("Content-Type"))
		}
	}
}

func TestPublicRead(t *testing.T) {
	f := newFixture(t)
	for _, acl := range []oss.ObjectACLType{oss.ObjectACLPrivate, oss.ObjectACLPublicRead} {
		must[*oss.PutObjectResult](t)(f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr(string(acl)), Acl: acl,
		}))
	}
	f.wantStatus(f.send("GET", f.web.URL+"/bucket/public-read", nil, ""), 200)
	f.wantError(f.send("GET", f.web.URL+"/bucket/private", nil, ""), 403, codeAccessDenied, "0003-00001201")
	f.wantError(f.send("DELETE", f.web.URL+"/bucket/public-read", nil, ""), 403, codeAccessDenied, "0003-00001201")
}

func TestRange(t *testing.T) {
	f := newFixture(t)
	f.put("k", "0123456789")
	signed := f.presign(permanent, &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	standard := f.presign(permanent, &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), RangeBehavior: oss.Ptr("standard")})
	for _, test := range []struct {
		spec, body, contentRange string
		status                   int
	}{
		{"bytes=0-0", "0", "bytes 0-0/10", 206},
		{"bytes=8-", "89", "bytes 8-9/10", 206},
		{"bytes=8-9", "89", "bytes 8-9/10", 206},
		{"bytes=8-10", "0123456789", "", 200},
		{"bytes=8-100", "0123456789", "", 200},
		{"bytes=-3", "789", "bytes 7-9/10", 206},
		{"bytes=-30", "0123456789", "bytes 0-9/10", 206},
		{"bytes=10-", "0123456789", "", 200},
		{"bytes=5-4", "0123456789", "", 200},
		{"bytes=x", "0123456789", "", 200},
		{"items=1-2", "0123456789", "", 200},
	} {
		t.Run(test.spec, func(t *testing.T) {
			got := f.send("GET", signed.URL, map[string]string{"Range": test.spec}, "")
			if got.status != test.status || got.body != test.body || got.header.Get("Content-Range") != test.contentRange {
				t.Errorf("answer = %d %q %q, want %d %q %q", got.status, got.body, got.header.Get("Content-Range"), test.status, test.body, test.contentRange)
			}
		})
	}
	got := f.send("GET", standard.URL, map[string]string{"Range": "bytes=10-", "x-oss-range-behavior": "standard"}, "")
	f.wantError(got, 416, codeInvalidRange, "")
	got = f.send("GET", standard.URL, map[string]string{"Range": "bytes=8-100", "x-oss-range-behavior": "standard"}, "")
	if got.status != 206 || got.body != "89" || got.header.Get("Content-Range") != "bytes 8-9/10" {
		t.Errorf("answer to a range beyond the end, standard = %d %q %q", got.status, got.body, got.header.Get("Content-Range"))
	}
}

// TestProcess asks for a smaller picture and gets the whole one, with a header
// that says so.
func TestProcess(t *testing.T) {
	f := newFixture(t)
	f.put("k", "hello")
	const process = "image/resize,w_100/format,webp"
	signed := f.presign(permanent, &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Process: oss.Ptr(process)})
	got := f.send(signed.Method, signed.URL, nil, "")
	f.wantStatus(got, 200)
	if got.body != "hello" || got.header.Get("x-oss-local-process") != process {
		t.Errorf("answer = %q, x-oss-local-process = %q", got.body, got.header.Get("x-oss-local-process"))
	}
	f.wantError(f.send("GET", strings.Replace(signed.URL, "w_100", "w_101", 1), nil, ""), 403, codeSignatureDoesNotMatch, "0002-00000040")
	f.wantError(f.send("GET", f.web.URL+"/bucket/k?x-oss-process="+url.QueryEscape(process), nil, ""), 403, codeAccessDenied, "0003-00001201")
	plain := f.presign(permanent, &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	f.wantError(f.send("GET", plain.URL+"&x-oss-process=image/info", nil, ""), 403, codeSignatureDoesNotMatch, "0002-00000040")
}

func TestConditions(t *testing.T) {
	f := newFixture(t)
	f.put("k", "hello")
	signed := f.presign(permanent, &oss.GetObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	const etag, old, future = `"5D41402ABC4B2A76B9719D911017C592"`, "Mon, 02 Jan 2006 15:04:05 GMT", "Thu, 01 Dec 2044 16:00:00 GMT"
	for _, test := range []struct {
		name, value string
		status      int
	}{
		{"If-Match", etag, 200}, {"If-Match", `"0"`, 412},
		{"If-None-Match", etag, 304}, {"If-None-Match", `"0"`, 200},
		{"If-Modified-Since", old, 200}, {"If-Modified-Since", future, 304},
		{"If-Unmodified-Since", old, 412}, {"If-Unmodified-Since", future, 200},
	} {
		f.wantStatus(f.send("GET", signed.URL, map[string]string{test.name: test.value}, ""), test.status)
	}
}

// raw sends bytes and returns the answer, or an error if there is none.
func (f *fixture) raw(text string, closeWrite bool) (reply, error) {
	f.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.web.URL, "http://"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	if closeWrite {
		conn.(*net.TCPConn).CloseWrite()
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}, err
	}
	return f.read(response), nil
}

func TestBodyLength(t *testing.T) {
	f := newFixture(t)
	signed := f.presign(permanent, &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
	u, err := url.Parse(signed.URL)
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", u.RequestURI(), u.Host)
	for _, test := range []struct {
		name, rest string
		status     int
		code       code
	}{
		{"no length", "\r\n", 411, codeMissingContentLength},
		{"a body shorter than its length", "Content-Length: 5\r\n\r\nhell", 400, codeIncompleteBody},
		{"chunks without an end", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 400, codeIncompleteBody},
		{"a length over 5 GiB", "Content-Length: 5368709121\r\n\r\n", 400, codeEntityTooLarge},
		{"whole chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, ""},
		{"an empty body", "Content-Length: 0\r\n\r\n", 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.s.store.remove(testBucket, "k", "")
			got, err := f.raw(head+test.rest, true)
			if err != nil {
				t.Fatal(err)
			}
			if got.status != test.status || got.Code != test.code {
				t.Errorf("answer = %d %s, want %d %s", got.status, got.Code, test.status, test.code)
			}
			if _, ok := f.stored("k"); ok != (test.status == 200) {
				t.Errorf("stored = %v", ok)
			}
		})
	}
}

// TestForbidOverwriteRace lets many uploads of one key end at once.
func TestForbidOverwriteRace(t *testing.T) {
	f := newFixture(t)
	const n = 16
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			_, errs[i] = f.client(permanent).PutObject(t.Context(), &oss.PutObjectRequest{
				Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), ForbidOverwrite: oss.Ptr("true"), Body: strings.NewReader(fmt.Sprint(i)),
			})
		})
	}
	wg.Wait()
	winners := 0
	for i, err := range errs {
		if err == nil {
			winners++
			if body, _ := f.stored("k"); body != fmt.Sprint(i) {
				t.Errorf("stored %q, want the winner's %d", body, i)
			}
			continue
		}
		var e *oss.ServiceError
		if !errors.As(err, &e) || e.StatusCode != 409 || e.Code != string(codeFileAlreadyExists) {
			t.Errorf("error = %v, want 409 FileAlreadyExists", err)
		}
	}
	if winners != 1 {
		t.Errorf("%d uploads won, want 1", winners)
	}
}

func TestMethodNotAllowed(t *testing.T) {
	f := newFixture(t)
	got := f.send("POST", f.web.URL+"/bucket/key", map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, "--x--")
	f.wantError(got, 405, codeMethodNotAllowed, "")
	if got.header.Get("Allow") == "" || got.Method != "POST" {
		t.Errorf("Allow = %q, Method = %q", got.header.Get("Allow"), got.Method)
	}
	f.wantError(f.send("PATCH", f.web.URL+"/bucket/key", nil, ""), 405, codeMethodNotAllowed, "")
	f.wantError(f.send("POST", f.web.URL+"/bucket/?append", nil, ""), 501, codeNotImplemented, "")
	f.wantError(f.send("GET", f.web.URL+"/bucket/key?acl", nil, ""), 501, codeNotImplemented, "")
}

// TestRestart opens a second server on the directory of the first.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.Dir = dir }
	f := newFixture(t, inDir)
	f.put("a/b", "hello")
	id := f.initiate("big")
	part := f.part("big", id, 1, "part")
	aborted := f.initiate("aborted")
	if err := f.s.store.abort(testBucket, "aborted", *aborted); err != nil {
		t.Fatal(err)
	}
	before := must[*oss.HeadObjectResult](t)(f.client(permanent).HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("a/b")}))

	g := newFixture(t, inDir)
	after := must[*oss.HeadObjectResult](t)(g.client(permanent).HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("a/b")}))
	if !before.LastModified.Equal(*after.LastModified) || *before.HashCRC64 != *after.HashCRC64 || *before.ContentType != *after.ContentType {
		t.Errorf("head before = %v, after = %v", before.Headers, after.Headers)
	}
	if body, _ := g.stored("a/b"); body != "hello" {
		t.Errorf("stored = %q", body)
	}
	must[*oss.CompleteMultipartUploadResult](t)(g.complete("big", id, part))
	if body, _ := g.stored("big"); body != "part" {
		t.Errorf("completed = %q", body)
	}
	if uploads := g.s.store.listUploads(testBucket, ""); len(uploads) != 0 {
		t.Errorf("%d uploads are left", len(uploads))
	}
}

func TestNewRefusals(t *testing.T) {
	good := Config{Region: testRegion, Dir: t.TempDir(), Now: nil, Lookup: func(string) (Account, bool) { return Account{}, false }}
	if _, err := New(good); err == nil {
		t.Error("New without a clock succeeds")
	}
	f := newFixture(t)
	cfg := f.s.cfg
	cfg.Dir, cfg.CallbackKeyURL = t.TempDir(), "https://gosspublic.alicdn.com/callback_pub_key_v1.pem"
	if _, err := New(cfg); err == nil {
		t.Error("New with a key URL outside /_local/ succeeds")
	}
	for _, name := range []string{"", "ab", "_local", "Upper", "-a-", "a/b", ".."} {
		if err := f.s.CreateBucket(name); err == nil {
			t.Errorf("CreateBucket(%q) succeeds", name)
		}
	}
	if err := f.s.CreateBucket(testBucket); err != nil {
		t.Errorf("CreateBucket again: %v", err)
	}
}
