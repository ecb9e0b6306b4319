// Package clienttest is a deployment and its storage, as little of them as a
// client can see, which holds the client to the contract. Tests use it where
// they want a certain fault at a certain request; the local stack is nearer to
// the truth.
package clienttest

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Secrets of a deployment, of which nothing may be printed.
const (
	Token     = "caller-token-that-nobody-may-see"
	Upload    = "upload-token-that-nobody-may-see" // begins every upload token
	Signature = "signature-that-nobody-may-see"    // is in every signed URL
)

// PartSize is that of every multipart upload.
const PartSize = 100 << 10

// Bodies of OSS's errors.
const (
	OSS500 = `<Error><Code>InternalError</Code><Message>We are sorry.</Message><RequestId>R1</RequestId></Error>`
	OSS403 = `<Error><Code>AccessDenied</Code><Message>Request has expired.</Message><RequestId>R2</RequestId><StringToSign>` + Signature + `</StringToSign></Error>`
	OSS404 = `<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>`
	oss409 = `<Error><Code>FileAlreadyExists</Code><Message>The object you specified already exists and can not be overwritten.</Message></Error>`
)

// Deployment is safe for concurrent use.
type Deployment struct {
	URL string

	t *testing.T

	mu      sync.Mutex
	steps   map[string][]Step
	log     []string          // operations in the order of their requests
	objects map[string][]byte // by key
	parts   map[int][]byte
	size    int64  // agreed for the multipart upload; -1: none
	begun   int    // multipart uploads
	signed  int    // URLs
	granted int    // presigned PUTs
	crc     string // declared by the last presign
}

// Step is what happens to a request instead of what it asks for.
type Step struct {
	Status int
	Body   string
	Header map[string]string
	Before func() // is called first, whatever follows
	Carry  bool   // do what was asked, and answer it unless Status is set
	Drop   bool   // close the connection instead of answering
}

// Code is a function's refusal. rest is appended to its members.
func Code(status int, code, rest string) Step {
	return Step{Status: status, Body: fmt.Sprintf(`{"code":%q,"message":"No.","requestId":"Q1"%s}`, code, rest)}
}

// New starts a deployment for the length of a test. Steps go before what
// requests ask for: one for each request of an operation, until there are no
// more. Operations are named by the last segment of a route, and otherwise
// create, list, abort and url for multipart uploads, put, form, get and
// "part <number>" for storage.
func New(t *testing.T, steps map[string][]Step) *Deployment {
	t.Helper()
	d := &Deployment{t: t, objects: map[string][]byte{}, parts: map[int][]byte{}}
	d.SetSteps(steps)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.URL = server.URL
	return d
}

// SetSteps replaces the steps that are left.
func (d *Deployment) SetSteps(steps map[string][]Step) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps = maps.Clone(steps)
	if d.steps == nil {
		d.steps = map[string][]Step{}
	}
}

// operation names a request.
func operation(r *http.Request) string {
	path := r.URL.Path
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case strings.HasPrefix(path, "/bucket/") && r.URL.Query().Has("partNumber"):
		return "part " + r.URL.Query().Get("partNumber")
	case strings.HasPrefix(path, "/bucket/"):
		return strings.ToLower(r.Method)
	case path == "/bucket":
		return "form"
	case path == "/s3/multipart":
		return "create"
	case !strings.HasPrefix(path, "/s3/multipart/"), last == "complete", last == "batch":
		return last
	case r.Method == http.MethodDelete:
		return "abort"
	case strings.Trim(last, "0123456789") == "":
		return "url"
	}
	return "list"
}

// ServeHTTP implements http.Handler.
func (d *Deployment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := operation(r)
	d.mu.Lock()
	d.log = append(d.log, op)
	var s Step
	given := len(d.steps[op]) > 0
	if given {
		s, d.steps[op] = d.steps[op][0], d.steps[op][1:]
	}
	d.mu.Unlock()
	if s.Before != nil {
		s.Before()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has broken off, and nothing happens
	}
	if strings.HasPrefix(r.URL.Path, "/bucket") {
		if r.Header.Get("Authorization") != "" {
			d.t.Errorf("%s: the caller's token goes to storage", op)
		}
	} else if got := r.Header.Get("Authorization"); got != "Bearer "+Token {
		d.t.Errorf("%s: Authorization = %q", op, got)
	}
	a := Step{Status: s.Status, Body: s.Body, Header: s.Header}
	if !given || s.Carry {
		d.mu.Lock()
		a = d.act(op, r, body)
		d.mu.Unlock()
		maps.Copy(a.Header, s.Header)
		if s.Status != 0 {
			a.Status, a.Body = s.Status, s.Body
		}
	}
	if s.Drop {
		panic(http.ErrAbortHandler) // closes the connection
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.Status)
	io.WriteString(w, a.Body)
}

// CRC is the CRC-64 of content as it travels.
func CRC(content []byte) string {
	return strconv.FormatUint(crc64.Checksum(content, crc64.MakeTable(crc64.ECMA)), 10)
}

// asked is what the bodies of requests may have.
type asked struct {
	Filename    string
	Size        *int64
	Checksum    struct{ CRC64 string }
	As          string
	Key         string
	Prefix      string
	UploadToken string
	ExpiresIn   int64
	Parts       []struct {
		PartNumber int
		ETag       string
	}
}

// act does what a request asks for.
func (d *Deployment) act(op string, r *http.Request, body []byte) Step {
	var in asked
	_ = json.Unmarshal(body, &in)
	if !strings.HasPrefix(r.URL.Path, "/bucket") {
		return d.answer(op, r, in)
	}
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	switch op {
	case "put":
		return d.put(key, r, body)
	case "form":
		return d.form(r, body)
	case "get":
		return Step{Status: 200, Body: string(d.objects[key]), Header: map[string]string{}}
	}
	number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if r.Header.Get("Content-Type") != "" {
		d.t.Errorf("part %d has the Content-Type %q, want none", number, r.Header.Get("Content-Type"))
	}
	if want := min(PartSize, d.size-int64(number-1)*PartSize); d.size >= 0 && int64(len(body)) != want {
		d.t.Errorf("part %d has %d bytes, want %d", number, len(body), want)
	}
	d.parts[number] = body
	return stored(body)
}

// answer is that of a function.
func (d *Deployment) answer(op string, r *http.Request, in asked) Step {
	switch op {
	case "presign":
		return d.presign(in)
	case "confirm":
		return d.receipt(in.Key + strings.TrimPrefix(in.UploadToken, Upload))
	case "download":
		return d.ok(map[string]any{"method": "GET", "url": d.sign(in.Key, ""), "expires": 900, "expiresAt": inAnHour()})
	case "sts":
		return d.ok(map[string]any{"AccessKeyId": "STS.1", "SecurityToken": "s", "prefix": "uploads/_sts/demo/" + in.Prefix, "Expiration": inAnHour()})
	case "session":
		return d.ok(map[string]any{"endpoint": fmt.Sprintf("%s/c/%d", d.URL, in.ExpiresIn), "expiresAt": inAnHour()})
	case "params":
		q := r.URL.Query()
		return d.ok(map[string]any{"method": "POST", "url": d.URL + "/bucket", "fields": map[string]string{
			"name": q.Get("filename"), "type": q.Get("type"), "camera": q.Get("metadata[camera]")}})
	}
	return d.answerMultipart(op, r, in)
}

func (d *Deployment) answerMultipart(op string, r *http.Request, in asked) Step {
	switch op {
	case "create":
		d.begun++
		clear(d.parts)
		out := map[string]any{"key": fmt.Sprintf("multi%d", d.begun), "uploadId": fmt.Sprintf("%s.%d", Upload, d.begun), "partSize": PartSize}
		if d.size = -1; in.Size != nil {
			d.size = *in.Size
			out["partCount"] = (d.size + PartSize - 1) / PartSize
		}
		return d.ok(out)
	case "url":
		n, _ := strconv.Atoi(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
		return d.ok(map[string]any{"method": "PUT", "url": d.signPart(n), "expires": 900})
	case "batch":
		return d.batch(r)
	case "list":
		list := []map[string]any{}
		for _, n := range slices.Sorted(maps.Keys(d.parts)) {
			list = append(list, map[string]any{"PartNumber": n, "Size": len(d.parts[n]), "ETag": stored(d.parts[n]).Header["ETag"]})
		}
		return d.ok(list)
	case "complete":
		return d.complete(in)
	case "abort":
		clear(d.parts)
		return d.ok(struct{}{})
	}
	d.t.Errorf("%s %s is not a route", r.Method, r.URL.Path)
	return Code(404, "not_found", "")
}

func inAnHour() time.Time { return time.Now().Add(time.Hour).Truncate(time.Second) }

func (d *Deployment) ok(value any) Step {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		d.t.Error(err)
	}
	return Step{Status: 200, Body: string(text), Header: map[string]string{}}
}

// sign makes a URL, another one each time.
func (d *Deployment) sign(key, query string) string {
	d.signed++
	return fmt.Sprintf("%s/bucket/%s?%sx-oss-signature=%s%d", d.URL, key, query, Signature, d.signed)
}

func (d *Deployment) signPart(number int) string {
	return d.sign(fmt.Sprintf("multi%d", d.begun), fmt.Sprintf("partNumber=%d&", number))
}

func (d *Deployment) receipt(key string) Step {
	content, there := d.objects[key]
	if !there {
		s := Code(404, "not_found", "")
		s.Header = map[string]string{}
		return s
	}
	return d.ok(map[string]any{"key": key, "size": len(content), "crc64": CRC(content), "eventId": "evt_1"})
}

func (d *Deployment) presign(in asked) Step {
	d.granted++
	d.crc, d.size = in.Checksum.CRC64, -1
	if in.Size != nil {
		d.size = *in.Size
	}
	key := fmt.Sprintf("put%d", d.granted)
	if in.As == "form" {
		return d.ok(map[string]any{"method": "POST", "url": d.URL + "/bucket", "key": key, "uploadToken": Upload + key,
			"fields": map[string]string{"key": key, "x-oss-signature": Signature}})
	}
	return d.ok(map[string]any{"method": "PUT", "url": d.sign(key, ""), "key": key, "uploadToken": Upload + key,
		"headers": map[string]string{"Content-Type": "text/x-test", "x-oss-forbid-overwrite": "true"}})
}

func (d *Deployment) put(key string, r *http.Request, body []byte) Step {
	if r.Header.Get("Content-Type") != "text/x-test" || r.Header.Get("X-Oss-Forbid-Overwrite") != "true" || r.ContentLength != d.size {
		d.t.Errorf("PUT of %d bytes with %v, want %d with the headers of the grant", r.ContentLength, r.Header, d.size)
	}
	if d.crc != "" && CRC(body) != d.crc {
		d.t.Errorf("PUT of other bytes than were declared")
	}
	return d.store(key, body)
}

func (d *Deployment) store(key string, content []byte) Step {
	if _, there := d.objects[key]; there {
		return Step{Status: 409, Body: oss409, Header: map[string]string{}}
	}
	d.objects[key] = content
	return d.receipt(key)
}

// form reads a form whose last field is the file.
func (d *Deployment) form(r *http.Request, body []byte) Step {
	_, boundary, _ := strings.Cut(r.Header.Get("Content-Type"), "boundary=")
	fields := strings.Split(string(body), "--"+boundary)
	file := fields[max(0, len(fields)-2)] // after it comes the end
	head, content, _ := strings.Cut(strings.TrimSuffix(file, "\r\n"), "\r\n\r\n")
	if !strings.Contains(head, `name="file"`) || !strings.Contains(string(body), `name="x-oss-signature"`+"\r\n\r\n"+Signature) {
		d.t.Errorf("the form is %q, want every field, and the file last", body)
	}
	_, key, _ := strings.Cut(string(body), `name="key"`+"\r\n\r\n")
	key, _, _ = strings.Cut(key, "\r\n")
	return d.store(key, []byte(content))
}

// stored is storage's answer to a part.
func stored(content []byte) Step {
	return Step{Status: 200, Header: map[string]string{"ETag": fmt.Sprintf(`"%X"`, md5.Sum(content)), "x-oss-hash-crc64ecma": CRC(content)}}
}

func (d *Deployment) batch(r *http.Request) Step {
	urls, signatures := map[string]string{}, map[string]string{}
	for item := range strings.SplitSeq(r.URL.Query().Get("partNumbers"), ",") {
		from, to, isRange := strings.Cut(item, "-")
		first, _ := strconv.Atoi(from)
		last := first
		if isRange {
			last, _ = strconv.Atoi(to)
		}
		for n := first; n <= last; n++ {
			urls[strconv.Itoa(n)] = d.signPart(n)
			signatures[strconv.Itoa(n)] = fmt.Sprintf("%s%d", Signature, n)
		}
	}
	expiresAt := time.Now().Add(15 * time.Minute)
	if r.URL.Query().Get("as") == "template" {
		return d.ok(map[string]any{"template": fmt.Sprintf("%s/bucket/multi%d?partNumber={partNumber}&x-oss-signature={signature}", d.URL, d.begun),
			"signatures": signatures, "expiresAt": expiresAt})
	}
	return d.ok(map[string]any{"presignedUrls": urls, "expiresAt": expiresAt})
}

func (d *Deployment) complete(in asked) Step {
	refuse := func(code, rest string) Step {
		s := Code(422, code, rest)
		s.Header = map[string]string{}
		return s
	}
	var whole []byte
	count := int((d.size + PartSize - 1) / PartSize)
	if d.size < 0 {
		count = len(d.parts)
	}
	for i := range count {
		part, there := d.parts[i+1]
		if !there || len(in.Parts) > 0 && (in.Parts[i].PartNumber != i+1 || in.Parts[i].ETag != stored(part).Header["ETag"]) {
			return refuse("parts_mismatch", fmt.Sprintf(`,"details":[{"partNumber":%d,"reason":"missing"}]`, i+1))
		}
		whole = append(whole, part...)
	}
	if in.Checksum.CRC64 != "" && in.Checksum.CRC64 != CRC(whole) {
		return refuse("checksum_mismatch", `,"details":{"expected":"1","actual":"2"}`)
	}
	key := fmt.Sprintf("multi%d", d.begun)
	d.objects[key] = whole
	return d.receipt(key)
}

// Log is the operations that were asked for, in the order of their requests.
func (d *Deployment) Log() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.log)
}

// ForgetLog begins the log anew.
func (d *Deployment) ForgetLog() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = nil
}

// Count is how many requests of an operation there were; "part" counts those of
// all parts.
func (d *Deployment) Count(op string) int {
	n := 0
	for _, o := range d.Log() {
		if o == op || op == "part" && strings.HasPrefix(o, "part ") {
			n++
		}
	}
	return n
}

// Begun is how many multipart uploads were started.
func (d *Deployment) Begun() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun
}

// EditParts changes the parts of the multipart upload.
func (d *Deployment) EditParts(edit func(parts map[int][]byte)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	edit(d.parts)
}

// Object is the only object that is stored, or nil.
func (d *Deployment) Object() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.objects) > 1 {
		d.t.Errorf("there are %d objects, want one", len(d.objects))
	}
	for _, content := range d.objects {
		return content
	}
	return nil
}
