package e2e

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fault"
)

// unsettable are the request headers that a web page may not set ("forbidden
// request-header", Fetch standard), beside those that begin with sec- or proxy-.
var unsettable = []string{
	"accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
	"access-control-request-private-network", "connection", "content-length", "cookie", "cookie2", "date", "dnt",
	"expect", "host", "keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via",
}

func checkSettable(t *testing.T, headers map[string]string) {
	t.Helper()
	for name, value := range headers {
		low := strings.ToLower(name)
		if slices.Contains(unsettable, low) || strings.HasPrefix(low, "sec-") || strings.HasPrefix(low, "proxy-") {
			t.Errorf("headers has %s, which no browser sets", name)
		}
		if value == "" || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("the value of %s is %q, want visible ASCII", name, value)
		}
	}
}

func memberNames(t *testing.T, object []byte) []string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		t.Fatalf("%s is no JSON object: %v", object, err)
	}
	return slices.Sorted(maps.Keys(members))
}

func md5Base64(content []byte) string {
	sum := md5.Sum(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// fullWish asks for everything that a PUT can have.
func fullWish(content []byte) wish {
	return wish{
		"filename":     "Grüße & mehr.PNG",
		"size":         len(content),
		"contentType":  "image/png",
		"checksum":     map[string]string{"md5": md5Base64(content), "crc64": crcOf(content)},
		"metadata":     map[string]string{"camera": "Übersee ☀ 100%+ä%41", "roll-2": "x y"},
		"storageClass": "IA",
		"tags":         map[string]string{"project": "a b/c=d+e"},
		"vars":         map[string]string{"order": "7", "note": "<ä> & \"b\""},
		"expiresIn":    300,
	}
}

var putKey = regexp.MustCompile(`^uploads/user-7/(\d{4}/\d{2})/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.png$`)

func TestPutIsStoredAndAnnounced(t *testing.T) {
	onBothSites(t, func(t *testing.T, s *site) {
		content := randomBytes(70_000)
		appContext := `{"order":7,"note":"<ü> & more","deep":[1,{"a":null}]}`
		caller := s.tokenFor(t, "user-7", jwt.MapClaims{"upload": map[string]any{"context": json.RawMessage(appContext)}})

		asked := time.Now()
		a := s.tryPresign(t, caller, fullWish(content))
		if a.Status != http.StatusOK {
			t.Fatalf("POST /presign = %v, want 200", a)
		}
		want := []string{"expires", "expiresAt", "headers", "key", "method", "uploadToken", "url"}
		if got := memberNames(t, a.Body); !slices.Equal(got, want) {
			t.Errorf("the answer has %q, want %q", got, want)
		}
		p := s.readPresigned(t, a)
		want = []string{"Content-MD5", "Content-Type", "x-oss-forbid-overwrite", "x-oss-meta-camera", "x-oss-meta-ossupload-filename",
			"x-oss-meta-ossupload-grant", "x-oss-meta-roll-2", "x-oss-storage-class", "x-oss-tagging"}
		if got := slices.Sorted(maps.Keys(p.Headers)); !slices.Equal(got, want) {
			t.Errorf("headers are %q, want %q", got, want)
		}
		checkSettable(t, p.Headers)
		month := putKey.FindStringSubmatch(p.Key)
		if month == nil || month[1] != asked.UTC().Format("2006/01") && month[1] != time.Now().UTC().Format("2006/01") {
			t.Errorf("key = %q, want %s of this month", p.Key, putKey)
		}
		if p.Method != http.MethodPut || p.Expires != 300 || p.UploadToken == "" {
			t.Errorf("method, expires = %s, %d, want PUT, 300 and an upload token", p.Method, p.Expires)
		}
		checkURL(t, s, p, "content-length")
		s.checkNothingHappened(t, p.Key)

		put := s.send(t, p.with(content))
		r := s.checkAnnounced(t, put, p.Key, content)
		if got := put.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type of the receipt = %q, want application/json", got)
		}
		want = []string{"bucket", "contentType", "context", "crc64", "delivered", "etag", "eventId", "filename", "key", "location", "metadata", "receiptToken", "size", "uploadedAt", "vars"}
		if got := memberNames(t, put.Body); !slices.Equal(got, want) {
			t.Errorf("the receipt has %q, want %q", got, want)
		}
		if age := time.Since(r.UploadedAt); age < -time.Second || age > time.Minute {
			t.Errorf("uploadedAt is %v ago", age)
		}
		full := fullWish(content)
		wanted := client.Receipt{
			Location: s.Ready.OSS + "/" + s.Ready.Bucket + "/" + p.Key,
			Bucket:   s.Ready.Bucket, Key: p.Key, Size: int64(len(content)),
			ETag: fmt.Sprintf("%X", md5.Sum(content)), CRC64: crcOf(content), ContentType: "image/png",
			Filename: "Grüße & mehr.PNG",
			Metadata: full["metadata"].(map[string]string), Vars: full["vars"].(map[string]string), Context: r.Context,
			UploadedAt: r.UploadedAt, EventID: r.EventID, Delivered: true, ReceiptToken: r.ReceiptToken,
		}
		if !reflect.DeepEqual(r, wanted) {
			t.Errorf("receipt = %+v, want %+v", r, wanted)
		}
		if !sameJSON(t, r.Context, []byte(appContext)) {
			t.Errorf("context = %s, want %s", r.Context, appContext)
		}
		checkStoredAttributes(t, s, p)
		checkEventTellsReceipt(t, s, put.Body, "user-7")
		checkReceiptToken(t, s, put.Body, r.ReceiptToken, "user-7")
	})
}

// checkURL holds the URL against the rest of the answer.
func checkURL(t *testing.T, s *site, p presigned, additional string) {
	t.Helper()
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal("the URL is not valid")
	}
	query := u.Query()
	if got, want := u.Scheme+"://"+u.Host+u.Path, s.Ready.OSS+"/"+s.Ready.Bucket+"/"+p.Key; got != want {
		t.Errorf("the URL is for %q, want %q", got, want)
	}
	if query.Get("callback") == "" || query.Get("callback-var") == "" || query.Get("x-oss-security-token") == "" || query.Get("x-oss-additional-headers") != additional {
		t.Errorf("the URL lacks the callback, its variable or the security token, or signs the additional headers %q instead of %q", query.Get("x-oss-additional-headers"), additional)
	}
	checkExpires(t, s, p)
}

// checkExpires holds that an answer tells the truth about its end: that of the
// URL, which is no later than that of the credentials.
func checkExpires(t *testing.T, s *site, p presigned) {
	t.Helper()
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal("the URL is not valid")
	}
	query := u.Query()
	signed, err := time.Parse("20060102T150405Z", query.Get("x-oss-date"))
	if err != nil {
		t.Fatalf("x-oss-date = %q", query.Get("x-oss-date"))
	}
	if got := query.Get("x-oss-expires"); got != strconv.FormatInt(p.Expires, 10) {
		t.Errorf("x-oss-expires = %s, expires = %d, want the same", got, p.Expires)
	}
	if end := signed.Add(time.Duration(p.Expires) * time.Second); !p.ExpiresAt.Equal(end) || p.ExpiresAt.Location() != time.UTC {
		t.Errorf("expiresAt = %v, want %v", p.ExpiresAt, end)
	}
	id, _, _ := strings.Cut(query.Get("x-oss-credential"), "/")
	c, ok := s.Accounts.Lookup(id)
	if !ok || c.Expires.Before(p.ExpiresAt) {
		t.Errorf("expiresAt = %v, later than the end of the credentials at %v", p.ExpiresAt, c.Expires)
	}
}

// checkStoredAttributes reads back what only the bucket's owner sees.
func checkStoredAttributes(t *testing.T, s *site, p presigned) {
	t.Helper()
	header, _, ok := s.stored(t, p.Key)
	if !ok {
		t.Fatalf("nothing is stored under %q", p.Key)
	}
	for name, value := range p.Headers {
		switch name {
		case "x-oss-forbid-overwrite", "x-oss-tagging", "Content-MD5":
		default:
			if got := header.Get(name); got != value {
				t.Errorf("%s of the object = %q, want %q", name, got, value)
			}
		}
	}
	tags, err := s.developer.GetObjectTagging(t.Context(), &oss.GetObjectTaggingRequest{Bucket: oss.Ptr(s.Ready.Bucket), Key: oss.Ptr(p.Key)})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "project" || *tags.Tags[0].Value != "a b/c=d+e" {
		t.Errorf("GetObjectTagging() = %+v, %v, want project: a b/c=d+e", tags, err)
	}
}

// checkEventTellsReceipt holds that the event of a receipt has the receipt, less
// its token and what became of the event, and the subject.
func checkEventTellsReceipt(t *testing.T, s *site, receipt []byte, subject string) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(receipt, &want); err != nil {
		t.Fatal(err)
	}
	delete(want, "receiptToken")
	delete(want, "delivered")
	want["subject"] = subject
	// As it was sent: an event has no other members either.
	var events []struct {
		Body struct {
			Type      string
			Timestamp time.Time
			Data      map[string]any
		}
	}
	if err := s.client.Call(t.Context(), "reading the events", http.MethodGet, "/_local/events", nil, &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		got := e.Body.Data
		if got["key"] != want["key"] {
			continue
		}
		if e.Body.Type != "upload.completed" || e.Body.Timestamp.Format(time.RFC3339) != want["uploadedAt"] || !reflect.DeepEqual(got, want) {
			t.Errorf("the event is %q at %v with %v, want upload.completed with %v", e.Body.Type, e.Body.Timestamp, got, want)
		}
	}
}

// checkReceiptToken verifies a receipt token as a backend would.
func checkReceiptToken(t *testing.T, s *site, receipt []byte, token, subject string) {
	t.Helper()
	key := func(*jwt.Token) (any, error) { return s.secret(t, "RECEIPT_SECRET"), nil }
	var got jwt.MapClaims
	if _, err := jwt.ParseWithClaims(token, &got, key, jwt.WithValidMethods([]string{"HS256"})); err != nil {
		t.Fatalf("verifying the receipt token: %v", err)
	}
	var want map[string]any
	if err := json.Unmarshal(receipt, &want); err != nil {
		t.Fatal(err)
	}
	delete(want, "receiptToken")
	delete(want, "delivered")
	if got["sub"] != subject || got["jti"] != want["eventId"] {
		t.Errorf("the receipt token has sub %v and jti %v, want %s and %v", got["sub"], got["jti"], subject, want["eventId"])
	}
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			t.Errorf("%s of the receipt token = %v, want %v", name, got[name], value)
		}
	}
	header, payload, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(payload, ".")
	forged := strings.Replace(string(mustDecode(t, payload)), subject, "another", 1)
	if _, err := jwt.Parse(header+"."+base64.RawURLEncoding.EncodeToString([]byte(forged))+"."+signature, key); err == nil {
		t.Error("a receipt token with another subject verifies")
	}
}

func mustDecode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		return false
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

func TestPutOfAnySizeAndName(t *testing.T) {
	onBothSites(t, func(t *testing.T, s *site) {
		tests := []struct {
			name, contentType string
			size              int
			wantType, wantExt string
		}{
			{"empty.txt", "", 0, "text/plain", ".txt"},
			{"one.bin", "", 1, "application/octet-stream", ".bin"},
			{"film.MP4", "VIDEO/MP4", 1<<20 + 3, "video/mp4", ".mp4"},
			{"page.html", "", 5, "application/octet-stream", ""}, // no wildcard covers html, and so the name must not end in it
			{"../../etc/passwd", "", 5, "application/octet-stream", ""},
			{"a.b/c?d=e&f#g%00.tar.gz", "", 5, "application/gzip", ".gz"},
			{strings.Repeat("界", 255), "image/webp", 5, "image/webp", ""},
		}
		for _, tt := range tests {
			t.Run(tt.wantType+" named "+tt.name[:min(len(tt.name), 20)], func(t *testing.T) {
				content := randomBytes(tt.size)
				w := wish{"filename": tt.name, "size": tt.size}
				if tt.contentType != "" {
					w["contentType"] = tt.contentType
				}
				p := s.presign(t, s.Ready.CallerToken, w)
				checkSettable(t, p.Headers)
				if !strings.HasPrefix(p.Key, "uploads/demo/") || filepath.Ext(p.Key) != tt.wantExt {
					t.Errorf("key = %q, want one that ends in %q", p.Key, tt.wantExt)
				}
				put := s.send(t, p.with(content))
				r := s.checkAnnounced(t, put, p.Key, content)
				if r.Filename != tt.name || r.ContentType != tt.wantType || len(r.Metadata)+len(r.Vars) != 0 || r.Context != nil {
					t.Errorf("the receipt of %q has name %q, type %q, metadata %v, vars %v, context %s; want %q, %q and nothing else",
						tt.name, r.Filename, r.ContentType, r.Metadata, r.Vars, r.Context, tt.name, tt.wantType)
				}
				checkEventTellsReceipt(t, s, put.Body, "demo")
			})
		}
	})
}

// OSS knows nothing of the CRC-64 that was declared: it stores other bytes of the
// same length, and only the callback tells them apart.
func TestOtherBytesThanTheCRC64AreNotAnnounced(t *testing.T) {
	onBothSites(t, func(t *testing.T, s *site) {
		declared, sent := []byte("declared"), []byte("sent i/o")
		for _, as := range []string{"put", "url"} {
			w := wish{"as": as, "filename": "a.txt", "size": len(declared), "checksum": wish{"crc64": crcOf(declared)}}
			p := s.presign(t, s.Ready.CallerToken, w)
			s.checkNotAnnounced(t, s.send(t, p.with(sent)), p.Key, sent)
			p = s.presign(t, s.Ready.CallerToken, w)
			s.checkAnnounced(t, s.send(t, p.with(declared)), p.Key, declared)
		}
	})
}

func TestURLWorksWithCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skipf("this needs curl: %v", err)
	}
	onOwnSites(t, unsized, func(t *testing.T, s *site) {
		content := randomBytes(1<<20 + 17) // enough for curl to expect 100 Continue
		file := filepath.Join(t.TempDir(), "report.pdf")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name   string
			wish   wish
			args   []string
			status string
		}{
			{"a file without a size", wish{}, []string{"-T", file}, "200"},
			{"a file with its size", wish{"size": len(content)}, []string{"-T", file}, "200"},
			{"a stream without a size", wish{}, []string{"-T", "-"}, "200"},
			{"a stream where the size is signed", wish{"size": len(content)}, []string{"-T", "-"}, "400"},
			{"a file of another size", wish{"size": len(content) - 1}, []string{"-T", file}, "403"},
			{"a file with the type that was asked", wish{"contentType": "application/pdf"}, []string{"-T", file, "-H", "Content-Type: application/pdf"}, "200"},
			{"a file without the type that was asked", wish{"contentType": "application/pdf"}, []string{"-T", file}, "403"},
			{"a file with a type that was not asked", wish{}, []string{"-T", file, "-H", "Content-Type: text/html"}, "403"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := s.presign(t, s.Ready.CallerToken, tt.wish.and(wish{"as": "url", "filename": "report.pdf", "vars": map[string]string{"a": "b"}}))
				if contentType, ok := p.Headers["Content-Type"]; len(p.Headers) > 1 || len(p.Headers) == 1 && (!ok || contentType != tt.wish["contentType"]) {
					t.Errorf("headers = %v, want none but a type that was asked for", p.Headers)
				}
				var stdout, stderr bytes.Buffer
				cmd := exec.CommandContext(t.Context(), curl, append(tt.args, "-q", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", p.URL)...)
				cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(content), &stdout, &stderr
				if err := cmd.Run(); err != nil {
					t.Fatalf("curl: %v: %s", err, stderr.String())
				}
				end := strings.LastIndexByte(stdout.String(), '\n')
				body, status := stdout.String()[:end], stdout.String()[end+1:]
				if status != tt.status {
					t.Fatalf("curl %s: %s, want %s", tt.args[0], status, tt.status)
				}
				if status != "200" {
					s.checkNothingHappened(t, p.Key)
					return
				}
				r := s.checkAnnounced(t, reply{client.Answer{Status: 200, Body: []byte(body)}}, p.Key, content)
				if r.Filename != "report.pdf" || r.Vars["a"] != "b" {
					t.Errorf("the receipt has name %q and vars %v, want those of the request", r.Filename, r.Vars)
				}
			})
		}
	})
}

func TestExpiresIsTrue(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		overrides map[string]string
		asked     any // nil: not at all
		low, high int64
	}{
		{"as long as was asked", nil, 10, 10, 10},
		{"a quarter of an hour when nothing was asked", nil, nil, 900, 900},
		{"no longer than a role of an hour, less a minute", nil, 3600, 3480, 3540},
		{"no longer than a role of a quarter", map[string]string{"UPLOAD_ROLE_DURATION": "900"}, 3600, 780, 840},
		{"no longer than the policy says", map[string]string{"UPLOAD_MAX_EXPIRES": "120"}, 1 << 40, 120, 120},
		{"a quarter of an hour without a role", map[string]string{"UPLOAD_ROLE_ARN": ""}, 3600, 898, 900},
		{"shorter without a role", map[string]string{"UPLOAD_ROLE_ARN": ""}, 61, 61, 61},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, settingsOf(tt.overrides))
			w := wish{"filename": "a.txt", "size": 3}
			if tt.asked != nil {
				w["expiresIn"] = tt.asked
			}
			p := s.presign(t, s.Ready.CallerToken, w)
			if p.Expires < tt.low || p.Expires > tt.high {
				t.Errorf("expires = %d, want %d to %d", p.Expires, tt.low, tt.high)
			}
			checkExpires(t, s, p)
			s.checkAnnounced(t, s.send(t, p.with([]byte("abc"))), p.Key, []byte("abc"))
		})
	}
}

// Without the role's credentials nothing is issued, and clients learn when to
// ask again.
func TestPresignWhileSTSFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, mode := range []string{fault.InternalError, fault.Unavailable, fault.ConnectionReset} {
		if err := s.Faults.Set(fault.Fault{Target: "sts", Operation: "AssumeRole", Mode: mode, Count: 2}); err != nil {
			t.Fatal(err)
		}
		a := s.tryPresign(t, s.Ready.CallerToken, callerWish)
		if r := a.problem(t); a.Status != http.StatusServiceUnavailable || r.Code != "throttled" {
			t.Errorf("POST /presign while STS fails with %s = %v, want 503 throttled", mode, a)
		}
		if after, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || after < 1 {
			t.Errorf("Retry-After = %q, want seconds", a.Header.Get("Retry-After"))
		}
		checkNothingGranted(t, a)
	}
	p := s.presign(t, s.Ready.CallerToken, callerWish)
	s.checkAnnounced(t, s.send(t, p.with([]byte("hello"))), p.Key, []byte("hello"))

	// What is had is used for as long as it lives.
	if err := s.Faults.Set(fault.Fault{Target: "sts", Operation: "AssumeRole", Mode: fault.Unavailable}); err != nil {
		t.Fatal(err)
	}
	s.presign(t, s.Ready.CallerToken, callerWish)
}
