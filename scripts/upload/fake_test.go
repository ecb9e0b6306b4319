package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testToken     = "caller-token-that-nobody-may-see"
	testUpload    = "upload-token-that-nobody-may-see"
	testSignature = "signature-that-nobody-may-see"
)

// fake is a deployment and its storage, as little of them as the client can
// see, which holds the client to the contract. What it is told to do goes
// before: one step for each request of an operation, until there are no more.
type fake struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	steps   map[string][]step
	log     []string          // operations in the order of their requests
	objects map[string][]byte // by key
	parts   map[int][]byte
	size    int64  // agreed for the multipart upload
	begun   int    // multipart uploads
	signed  int    // URLs
	granted int    // presigned PUTs
	crc     string // declared by the last presign
}

// step is what happens to a request instead of what it asks for.
type step struct {
	status int
	body   string
	header map[string]string
	before func() // is called first, whatever follows
	carry  bool   // do what was asked, and answer it unless drop
	drop   bool   // close the connection instead of answering
}

const (
	fakePartSize = 100 << 10
	oss500       = `<Error><Code>InternalError</Code><Message>We are sorry.</Message><RequestId>R1</RequestId></Error>`
	oss403       = `<Error><Code>AccessDenied</Code><Message>Request has expired.</Message><RequestId>R2</RequestId><StringToSign>` + testSignature + `</StringToSign></Error>`
	oss409       = `<Error><Code>FileAlreadyExists</Code><Message>The object you specified already exists and can not be overwritten.</Message></Error>`
	oss404       = `<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>`
)

func code(status int, code, rest string) step {
	return step{status: status, body: fmt.Sprintf(`{"code":%q,"message":"No.","requestId":"Q1"%s}`, code, rest)}
}

func newFake(t *testing.T, steps map[string][]step) *fake {
	f := &fake{t: t, steps: maps.Clone(steps), objects: map[string][]byte{}, parts: map[int][]byte{}}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

// operation names a request.
func operation(r *http.Request) string {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/bucket/") && r.URL.Query().Has("partNumber"):
		return "part " + r.URL.Query().Get("partNumber")
	case strings.HasPrefix(path, "/bucket/"):
		return "put"
	case path == "/presign", path == "/confirm":
		return path[1:]
	case path == "/s3/multipart":
		return "create"
	case strings.HasSuffix(path, "/complete"):
		return "complete"
	case strings.HasSuffix(path, "/batch"):
		return "batch"
	case r.Method == http.MethodDelete:
		return "abort"
	}
	return "list"
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := operation(r)
	f.mu.Lock()
	f.log = append(f.log, op)
	var s step
	given := len(f.steps[op]) > 0
	if given {
		s, f.steps[op] = f.steps[op][0], f.steps[op][1:]
	}
	f.mu.Unlock()
	if s.before != nil {
		s.before()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has broken off, and nothing happens
	}
	if strings.HasPrefix(r.URL.Path, "/bucket/") {
		if r.Header.Get("Authorization") != "" {
			f.t.Errorf("%s: the caller's token goes to storage", op)
		}
	} else if got := r.Header.Get("Authorization"); got != "Bearer "+testToken {
		f.t.Errorf("%s: Authorization = %q", op, got)
	}
	a := step{status: s.status, body: s.body, header: s.header}
	if !given || s.carry {
		f.mu.Lock()
		a = f.act(op, r, body)
		f.mu.Unlock()
		for name, value := range s.header {
			a.header[name] = value
		}
		if s.status != 0 {
			a.status, a.body = s.status, s.body
		}
	}
	if s.drop {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
		return
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	io.WriteString(w, a.body)
}

func crcOf(content []byte) string {
	return strconv.FormatUint(crc64.Checksum(content, crc64.MakeTable(crc64.ECMA)), 10)
}

func (f *fake) act(op string, r *http.Request, body []byte) step {
	var in struct {
		Filename    string
		Size        int64
		Checksum    struct{ CRC64 string }
		UploadToken string
		Parts       []struct {
			PartNumber int
			ETag       string
		}
	}
	_ = json.Unmarshal(body, &in)
	ok := func(value any) step {
		text, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			f.t.Error(err)
		}
		return step{status: 200, body: string(text), header: map[string]string{}}
	}
	f.signed++
	sign := func(key, query string) string {
		return fmt.Sprintf("%s/bucket/%s?%sx-oss-signature=%s%d", f.server.URL, key, query, testSignature, f.signed)
	}
	receipt := func(key string) step {
		content, there := f.objects[key]
		if !there {
			return code(404, "not_found", "")
		}
		return ok(map[string]any{"key": key, "size": len(content), "crc64": crcOf(content), "eventId": "evt_1"})
	}
	stored := func(content []byte) step {
		return step{status: 200, header: map[string]string{"ETag": fmt.Sprintf(`"%X"`, md5.Sum(content)), "x-oss-hash-crc64ecma": crcOf(content)}}
	}
	number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
	switch op {
	case "presign":
		f.granted++
		f.crc, f.size = in.Checksum.CRC64, in.Size
		key := fmt.Sprintf("put%d", f.granted)
		return ok(map[string]any{"method": "PUT", "url": sign(key, ""), "key": key, "uploadToken": testUpload + key,
			"headers": map[string]string{"Content-Type": "text/x-test", "x-oss-forbid-overwrite": "true"}})
	case "put":
		key := strings.TrimPrefix(r.URL.Path, "/bucket/")
		if r.Header.Get("Content-Type") != "text/x-test" || r.Header.Get("X-Oss-Forbid-Overwrite") != "true" || r.ContentLength != f.size {
			f.t.Errorf("PUT of %d bytes with %v, want %d with the headers of the grant", r.ContentLength, r.Header, f.size)
		}
		if _, there := f.objects[key]; there {
			return step{status: 409, body: oss409, header: map[string]string{}}
		}
		if crcOf(body) != f.crc {
			f.t.Errorf("PUT of other bytes than were declared")
		}
		f.objects[key] = body
		return receipt(key)
	case "confirm":
		return receipt(strings.TrimPrefix(in.UploadToken, testUpload))
	case "create":
		f.begun++
		f.size = in.Size
		clear(f.parts)
		return ok(map[string]any{"key": fmt.Sprintf("multi%d", f.begun), "uploadId": fmt.Sprintf("%s.%d", testUpload, f.begun),
			"partSize": fakePartSize, "partCount": (in.Size + fakePartSize - 1) / fakePartSize})
	case "batch":
		urls := map[string]string{}
		for item := range strings.SplitSeq(r.URL.Query().Get("partNumbers"), ",") {
			from, to, isRange := strings.Cut(item, "-")
			first, _ := strconv.Atoi(from)
			last := first
			if isRange {
				last, _ = strconv.Atoi(to)
			}
			for n := first; n <= last; n++ {
				urls[strconv.Itoa(n)] = sign(fmt.Sprintf("multi%d", f.begun), fmt.Sprintf("partNumber=%d&", n))
			}
		}
		return ok(map[string]any{"presignedUrls": urls, "expiresAt": time.Now().Add(15 * time.Minute)})
	case "list":
		list := []map[string]any{}
		for _, n := range slices.Sorted(maps.Keys(f.parts)) {
			list = append(list, map[string]any{"PartNumber": n, "Size": len(f.parts[n]), "ETag": stored(f.parts[n]).header["ETag"]})
		}
		return ok(list)
	case "complete":
		var whole []byte
		for i := range int((f.size + fakePartSize - 1) / fakePartSize) {
			part, there := f.parts[i+1]
			if !there || len(in.Parts) > 0 && (in.Parts[i].PartNumber != i+1 || in.Parts[i].ETag != stored(part).header["ETag"]) {
				return code(422, "parts_mismatch", fmt.Sprintf(`,"details":[{"partNumber":%d,"reason":"missing"}]`, i+1))
			}
			whole = append(whole, part...)
		}
		if in.Checksum.CRC64 != crcOf(whole) {
			return code(422, "checksum_mismatch", `,"details":{"expected":"1","actual":"2"}`)
		}
		key := fmt.Sprintf("multi%d", f.begun)
		f.objects[key] = whole
		return receipt(key)
	case "abort":
		clear(f.parts)
		return ok(struct{}{})
	}
	// a part
	if r.Header.Get("Content-Type") != "" {
		f.t.Errorf("part %d has the Content-Type %q, want none", number, r.Header.Get("Content-Type"))
	}
	if want := min(fakePartSize, f.size-int64(number-1)*fakePartSize); int64(len(body)) != want {
		f.t.Errorf("part %d has %d bytes, want %d", number, len(body), want)
	}
	f.parts[number] = body
	return stored(body)
}

// count is how many requests of an operation there were.
func (f *fake) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, o := range f.log {
		if o == op || op == "part" && strings.HasPrefix(o, "part ") {
			n++
		}
	}
	return n
}

// object is the only object that is stored, or nil.
func (f *fake) object() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.objects) > 1 {
		f.t.Errorf("there are %d objects, want one", len(f.objects))
	}
	for _, content := range f.objects {
		return content
	}
	return nil
}

// run is one run of the program against a fake.
type outcome struct {
	receipts, said string
	err            error
	pauses         []time.Duration
}

// testFile writes a file of size bytes that are not all the same.
func testFile(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	for i := range content {
		content[i] = byte(i*7 + i>>8 + i>>16)
	}
	path = filepath.Join(t.TempDir(), "file.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// upload uploads a file as one run of the program does, but never waits.
func (f *fake) upload(ctx context.Context, path, stateDir string, change func(*uploader)) outcome {
	f.t.Helper()
	var o outcome
	var mu sync.Mutex
	var said bytes.Buffer
	transport := newTransport(4)
	defer transport.CloseIdleConnections()
	u := &uploader{
		client: &client{
			endpoint: f.server.URL, token: testToken, http: newHTTPClient(transport), timeout: 20 * time.Second, parallel: 4, now: time.Now,
			retry: retry{tries: 4, first: time.Second, most: 20 * time.Second, jitter: func() float64 { return 0 },
				pause: func(ctx context.Context, d time.Duration) error {
					mu.Lock()
					defer mu.Unlock()
					o.pauses = append(o.pauses, d)
					return ctx.Err()
				}},
		},
		states:        states{stateDir},
		multipartFrom: 150 << 10,
		progress: func(name string, size int64) *progress {
			return newProgress(&said, lines, filepath.Base(name), size, time.Now)
		},
	}
	if change != nil {
		change(u)
	}
	receipt, err := u.upload(ctx, path)
	o.receipts, o.said, o.err = string(receipt), said.String(), err
	for _, secret := range []string{testToken, testUpload, testSignature} {
		if strings.Contains(o.said, secret) || err != nil && strings.Contains(err.Error(), secret) {
			f.t.Errorf("the output has a secret: %s%v", o.said, err)
		}
	}
	if err == nil && (strings.Contains(o.receipts, "\n") || !json.Valid(receipt)) {
		f.t.Errorf("the receipt is %q, want one line of JSON", o.receipts)
	}
	return o
}

// wantStored fails the test unless the upload has a receipt and the object is
// the file.
func (f *fake) wantStored(o outcome, content []byte) {
	f.t.Helper()
	if o.err != nil {
		f.t.Fatalf("upload() = %v, want a receipt\n%s", o.err, o.said)
	}
	if !bytes.Equal(f.object(), content) {
		f.t.Error("other bytes are stored than the file has")
	}
}

// wantNothing fails the test unless the upload failed with an error, and said
// so, and there is no object.
func (f *fake) wantNothing(o outcome, say string, is error) {
	f.t.Helper()
	if o.err == nil || !strings.Contains(o.err.Error(), say) || is != nil && !errors.Is(o.err, is) {
		f.t.Errorf("upload() = %v, want an error with %q", o.err, say)
	}
	if f.object() != nil {
		f.t.Error("an object is stored, want none")
	}
}

// stateFiles are what is kept in a folder.
func stateFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}
