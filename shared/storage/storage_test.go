package storage_test

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
)

const (
	secret = "the-access-key-secret"
	token  = "the-security-token"
)

type source struct{ err error }

func (s source) Credentials(context.Context) (rolecreds.Credentials, error) {
	return rolecreds.Credentials{AccessKeyID: "STS.example", AccessKeySecret: secret, SecurityToken: token}, s.err
}

// serve returns a client of a server that is no more than h, and the requests
// that it got.
func serve(t *testing.T, h http.HandlerFunc) (*storage.Client, *[]string) {
	t.Helper()
	var mu sync.Mutex // a try that hangs may not have ended when the next one begins
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = append(got, r.Method+" "+r.URL.RequestURI())
		mu.Unlock()
		if !strings.HasPrefix(r.Header.Get("Authorization"), "OSS4-HMAC-SHA256 ") || r.Header.Get("x-oss-security-token") != token {
			t.Errorf("%s %s is not signed with V4 and the token", r.Method, r.URL.Path)
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	endpoint, err := signing.ParseEndpoint(s.URL, signing.VirtualHosted)
	if err != nil {
		t.Fatal(err)
	}
	return storage.New(storage.Config{Region: "cn-hangzhou", Bucket: "examplebucket", Endpoint: endpoint, Credentials: source{}}), &got
}

// fail writes an error as OSS does: XML, and for a HEAD the same in a header.
func fail(w http.ResponseWriter, r *http.Request, status int, code string) {
	xml := fmt.Sprintf("<Error><Code>%s</Code><Message>your token is %s</Message><RequestId>REQ1</RequestId><EC>0000-1</EC></Error>", code, token)
	w.Header().Set("x-oss-request-id", "REQ1")
	w.Header().Set("Content-Type", "application/xml")
	if r.Method == http.MethodHead {
		w.Header().Set("x-oss-err", base64.StdEncoding.EncodeToString([]byte(xml)))
		w.WriteHeader(status)
		return
	}
	w.WriteHeader(status)
	io.WriteString(w, xml)
}

func TestHead(t *testing.T) {
	c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"ETag": `"ABC"`, "Content-Type": "image/png", "Content-Length": "5", "Last-Modified": "Fri, 20 Nov 2026 10:00:00 GMT",
			"x-oss-object-type": "Normal", "x-oss-hash-crc64ecma": "42", "x-oss-version-id": "V", "x-oss-meta-Album": "%E5%A4%8F",
			"x-oss-meta-ossupload-grant": "v1.k.x", "Content-Encoding": "gzip", "Cache-Control": "no-store", "Content-Disposition": "inline", "Expires": "0",
			"x-oss-tagging-count": "2",
		} {
			w.Header().Set(name, value)
		}
	})
	o, err := c.Head(t.Context(), "u/alice/a b.png")
	if err != nil {
		t.Fatalf("Head: %v", err)
	}
	want := storage.Object{
		Size: 5, ETag: "ABC", ContentType: "image/png", CRC64: "42", Type: "Normal", VersionID: "V",
		LastModified:    time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		Metadata:        map[string]string{"album": "%E5%A4%8F", "ossupload-grant": "v1.k.x"},
		ContentEncoding: "gzip", ContentDisposition: "inline", CacheControl: "no-store", Expires: "0", Tags: 2,
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("Head = %+v, want %+v", o, want)
	}
	if len(*got) != 1 || (*got)[0] != "HEAD /examplebucket/u/alice/a%20b.png" {
		t.Errorf("requests = %q", *got)
	}
}

func TestHeadVersion(t *testing.T) {
	var query url.Values
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.Query()
		w.Header().Set("x-oss-version-id", query.Get("versionId"))
	})
	for _, version := range []string{"V1", ""} {
		o, err := c.HeadVersion(t.Context(), "k", version)
		if err != nil || o.VersionID != version || query.Has("versionId") != (version != "") {
			t.Errorf("HeadVersion of %q = %q, %v, with the query %v", version, o.VersionID, err, query)
		}
	}
}

// OSS may call what was stored without versioning "null", or not name it at all,
// and the same object one way today and the other tomorrow.
func TestHeadOfTheNullVersion(t *testing.T) {
	answered := ""
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if answered != "" {
			w.Header().Set("x-oss-version-id", answered)
		}
	})
	for _, answered = range []string{"", "null"} {
		for _, asked := range []string{"", "null"} {
			if o, err := c.HeadVersion(t.Context(), "k", asked); err != nil || o.VersionID != "" {
				t.Errorf("HeadVersion of %q, answered %q = %q, %v, want no version", asked, answered, o.VersionID, err)
			}
		}
	}
}

func TestReasons(t *testing.T) {
	head := func(c *storage.Client) error { _, err := c.Head(context.Background(), "k"); return err }
	list := func(c *storage.Client) error { _, err := c.ListParts(context.Background(), "k", "U"); return err }
	initiate := func(c *storage.Client) error { _, err := c.Initiate(context.Background(), "k", nil); return err }
	complete := func(c *storage.Client) error {
		return c.Complete(context.Background(), "k", "U", []storage.Part{{Number: 1, ETag: "A"}})
	}
	abort := func(c *storage.Client) error { return c.Abort(context.Background(), "k", "U") }
	tests := []struct {
		name   string
		call   func(*storage.Client) error
		status int
		code   string
		want   error
		tries  int
	}{
		{"no such object", head, 404, "NoSuchKey", storage.ErrNotFound, 1},
		{"no such object, without a code", head, 404, "", storage.ErrNotFound, 1},
		{"no such bucket is not an absent object", head, 404, "NoSuchBucket", storage.ErrUnavailable, 1},
		{"a refused HEAD is not an absent object", head, 403, "AccessDenied", storage.ErrDenied, 2},
		{"HEAD fails twice", head, 500, "InternalError", storage.ErrUnavailable, 2},
		{"throttled", head, 503, "ServiceUnavailable", storage.ErrThrottled, 2},
		{"no such upload", list, 404, "NoSuchUpload", storage.ErrNoSuchUpload, 1},
		{"refused list", list, 403, "AccessDenied", storage.ErrDenied, 1},
		{"starting an upload is not repeated", initiate, 500, "InternalError", storage.ErrUnavailable, 1},
		{"completing is repeated", complete, 500, "InternalError", storage.ErrUnavailable, 2},
		{"completed before", complete, 404, "NoSuchUpload", storage.ErrNoSuchUpload, 1},
		{"never overwritten", complete, 409, "FileAlreadyExists", storage.ErrExists, 1},
		{"a part that changed", complete, 400, "InvalidPart", storage.ErrParts, 1},
		{"aborted before", abort, 404, "NoSuchUpload", storage.ErrNoSuchUpload, 1},
		{"aborting is repeated", abort, 502, "BadGateway", storage.ErrUnavailable, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, got := serve(t, func(w http.ResponseWriter, r *http.Request) { fail(w, r, tt.status, tt.code) })
			err := tt.call(c)
			if !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if len(*got) != tt.tries {
				t.Errorf("%d tries, want %d", len(*got), tt.tries)
			}
			if text := err.Error(); strings.Contains(text, token) || strings.Contains(text, secret) {
				t.Errorf("error %q holds a secret", text)
			}
			var e *storage.Error
			if !errors.As(err, &e) || e.Status != tt.status || tt.code != "" && e.Code != tt.code {
				t.Errorf("error = %+v, want status %d and code %s", e, tt.status, tt.code)
			}
		})
	}
}

// OSS may refuse to say that an object is not there. A list says it.
func TestRefusedOfWhatIsNotThere(t *testing.T) {
	calls := map[string]func(context.Context, *storage.Client) error{
		"Head": func(ctx context.Context, c *storage.Client) error { _, err := c.Head(ctx, "u/a b"); return err },
		"HeadVersion": func(ctx context.Context, c *storage.Client) error {
			_, err := c.HeadVersion(ctx, "u/a b", "V")
			return err
		},
		"Get": func(ctx context.Context, c *storage.Client) error { _, err := c.Get(ctx, "u/a b", 1); return err },
	}
	list := func(contents string) string {
		return "<ListBucketResult><Name>examplebucket</Name><Prefix>u/a b</Prefix>" + contents + "</ListBucketResult>"
	}
	tests := []struct {
		name, call string
		listed     string // "" where listing is refused as well
		want       error
	}{
		{"nothing is listed", "Head", list(""), storage.ErrNotFound},
		{"nothing is listed", "Get", list(""), storage.ErrNotFound},
		{"a longer key is listed", "Head", list("<Contents><Key>u/a b.png</Key></Contents>"), storage.ErrNotFound},
		{"the key is listed", "Head", list("<Contents><Key>u/a b</Key></Contents>"), storage.ErrDenied},
		{"the key is listed", "Get", list("<Contents><Key>u/a b</Key></Contents>"), storage.ErrDenied},
		{"nothing may be listed", "Head", "", storage.ErrDenied},
		{"a page of somebody else", "Head", "<html></html>", storage.ErrDenied},
		{"another list", "Head", strings.Replace(list(""), "u/a b", "u/", 1), storage.ErrDenied},
		{"a list of another bucket", "Get", strings.Replace(list(""), "<Name>", "<Name>another-", 1), storage.ErrDenied},
		{"a list that is cut off before it begins", "Head", list("<IsTruncated>true</IsTruncated>"), storage.ErrDenied},
		{"a list shows no versions", "HeadVersion", list(""), storage.ErrDenied},
	}
	for _, tt := range tests {
		t.Run(tt.call+", "+tt.name, func(t *testing.T) {
			c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("list-type") == "2" && tt.listed != "" {
					w.Header().Set("Content-Type", "application/xml")
					io.WriteString(w, tt.listed)
					return
				}
				fail(w, r, 403, "AccessDenied")
			})
			err := calls[tt.call](t.Context(), c)
			if failed, ok := errors.AsType[*storage.Error](err); !errors.Is(err, tt.want) || !ok || failed.Status != 403 {
				t.Errorf("error = %v, want %v with the answer of the first call", err, tt.want)
			}
			asked := *got
			if u, err := url.Parse(strings.TrimPrefix(asked[len(asked)-1], "GET ")); tt.call != "HeadVersion" && (err != nil || u.Query().Get("prefix") != "u/a b" || u.Query().Get("max-keys") != "1") {
				t.Errorf("requests = %q, want a list of one key below the object's", asked)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel() // it waits for the deadline
	release := make(chan struct{})
	c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	// Half of it is enough for a connection on a busy machine.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := c.Head(ctx, "k"); !errors.Is(err, storage.ErrTimeout) || !strings.HasSuffix(err.Error(), ": no answer in time") {
		t.Errorf("Head = %v, want ErrTimeout, after there was a connection", err)
	}
}

func TestNoConnection(t *testing.T) {
	// A port that was free a moment ago may be another test's by now.
	endpoint, err := signing.ParseEndpoint("http://127.0.0.1:1", signing.PathStyle)
	if err != nil {
		t.Fatal(err)
	}
	c := storage.New(storage.Config{Region: "cn-hangzhou", Bucket: "examplebucket", Endpoint: endpoint, Credentials: source{}})
	_, err = c.Head(t.Context(), "uploads/secret-name")
	if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), ": dial tcp "+endpoint.Host+": connect: connection refused") {
		t.Errorf("Head = %v, want ErrUnavailable and why there was no connection", err)
	}
	if text := fmt.Sprint(err); strings.Contains(text, "secret-name") || strings.Contains(text, token) || strings.Contains(text, "://") {
		t.Errorf("error %q holds what was asked", text)
	}
}

func TestNoCredentials(t *testing.T) {
	endpoint, err := signing.ParseEndpoint("http://127.0.0.1:1", signing.PathStyle)
	if err != nil {
		t.Fatal(err)
	}
	busy := &api.Error{Code: api.Throttled, Message: "Try again.", RetryAfter: 5 * time.Second}
	for _, tt := range []struct{ cause, want error }{
		{rolecreds.ErrNone, storage.ErrCredentials},
		{context.DeadlineExceeded, storage.ErrCredentials},
		{fmt.Errorf("assuming a role: %w", busy), busy},
	} {
		c := storage.New(storage.Config{Region: "cn-hangzhou", Bucket: "examplebucket", Endpoint: endpoint, Credentials: source{tt.cause}})
		_, err := c.Head(t.Context(), "k")
		if answer, ok := errors.AsType[*api.Error](err); !ok || answer != tt.want || !strings.Contains(err.Error(), tt.cause.Error()) {
			t.Errorf("Head = %v, want the answer of %v, and the cause in its text", err, tt.want)
		}
	}
}

func TestListPartsReadsEveryPage(t *testing.T) {
	const all = 2500
	c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var marker int
		fmt.Sscan(r.URL.Query().Get("part-number-marker"), &marker)
		last := min(marker+1000, all)
		fmt.Fprintf(w, "<ListPartsResult><NextPartNumberMarker>%d</NextPartNumberMarker><IsTruncated>%v</IsTruncated>", last, last < all)
		for n := marker + 1; n <= last; n++ {
			fmt.Fprintf(w, `<Part><PartNumber>%d</PartNumber><ETag>"E%d"</ETag><HashCrc64ecma>%d</HashCrc64ecma><Size>%d</Size></Part>`, n, n, n, n)
		}
		io.WriteString(w, "</ListPartsResult>")
	})
	parts, err := c.ListParts(t.Context(), "k", "U")
	if err != nil || len(parts) != all {
		t.Fatalf("ListParts = %d parts, %v, want %d", len(parts), err, all)
	}
	for i, p := range parts {
		n := int64(i + 1)
		if want := (storage.Part{Number: n, Size: n, ETag: fmt.Sprint("E", n), CRC64: fmt.Sprint(n)}); p != want {
			t.Fatalf("part %d = %+v, want %+v", i, p, want)
		}
	}
	if len(*got) != 3 {
		t.Errorf("%d requests, want 3", len(*got))
	}
}

func TestListPartsEnds(t *testing.T) {
	for name, next := range map[string]int{"the marker stands still": 0, "the pages never end": 1, "the marker is behind the last number": 10_001} {
		t.Run(name, func(t *testing.T) {
			marker := 0
			c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
				marker += next
				fmt.Fprintf(w, "<ListPartsResult><NextPartNumberMarker>%d</NextPartNumberMarker><IsTruncated>true</IsTruncated></ListPartsResult>", marker)
			})
			if _, err := c.ListParts(t.Context(), "k", "U"); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("ListParts = %v, want ErrUnavailable", err)
			}
			most := 11
			if next != 1 {
				most = 1
			}
			if len(*got) > most {
				t.Errorf("%d requests, want at most %d", len(*got), most)
			}
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<ListPartsResult>")
		for range 5 << 10 {
			io.WriteString(w, strings.Repeat(" ", 1<<10))
		}
		io.WriteString(w, "</ListPartsResult>")
	})
	if parts, err := c.ListParts(t.Context(), "k", "U"); err == nil {
		t.Errorf("ListParts of 5 MiB = %d parts, want an error", len(parts))
	}
}

func TestInitiateSendsItsHeadersAndNoGuess(t *testing.T) {
	var header http.Header
	c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>")
	})
	id, err := c.Initiate(t.Context(), "a.png", map[string]string{"Content-Type": "image/jpeg", "x-oss-meta-a": "b", "x-oss-forbid-overwrite": "true"})
	if err != nil || id != "U1" {
		t.Fatalf("Initiate = %q, %v", id, err)
	}
	if header.Get("Content-Type") != "image/jpeg" || header.Get("x-oss-meta-a") != "b" || header.Get("x-oss-forbid-overwrite") != "true" {
		t.Errorf("headers = %v", header)
	}
	if _, err := c.Initiate(t.Context(), "a.png", nil); err != nil || header.Get("Content-Type") == "image/png" {
		t.Errorf("a type was guessed: %q, %v", header.Get("Content-Type"), err)
	}
	if (*got)[0] != "POST /examplebucket/a.png?encoding-type=url&uploads" && !strings.Contains((*got)[0], "uploads") {
		t.Errorf("requests = %q", *got)
	}
	c, _ = serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<InitiateMultipartUploadResult/>") })
	if _, err := c.Initiate(t.Context(), "k", nil); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("Initiate without an id = %v, want ErrUnavailable", err)
	}
}

func TestCompleteNamesItsParts(t *testing.T) {
	var bodies []string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		if r.Header.Get("x-oss-forbid-overwrite") != "true" {
			t.Error("completion may overwrite")
		}
		if sum := md5.Sum(b); r.Header.Get("Content-MD5") != base64.StdEncoding.EncodeToString(sum[:]) || r.ContentLength != int64(len(b)) {
			t.Errorf("Content-MD5 is %q, and Content-Length %d, of %s", r.Header.Get("Content-MD5"), r.ContentLength, b)
		}
		if len(bodies) == 1 {
			fail(w, r, 500, "InternalError")
			return
		}
		io.WriteString(w, "<CompleteMultipartUploadResult><ETag>\"X-2\"</ETag></CompleteMultipartUploadResult>")
	})
	if err := c.Complete(t.Context(), "k", "U", []storage.Part{{Number: 1, ETag: "A"}, {Number: 2, ETag: "B"}}); err != nil {
		t.Fatal(err)
	}
	const want = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"A"</ETag></Part><Part><PartNumber>2</PartNumber><ETag>"B"</ETag></Part></CompleteMultipartUpload>`
	if len(bodies) != 2 {
		t.Errorf("%d tries, want 2", len(bodies))
	}
	for _, body := range bodies {
		unquoted := strings.NewReplacer("&#34;", `"`, "&quot;", `"`).Replace(body)
		if unquoted != want {
			t.Errorf("body = %s, want %s", unquoted, want)
		}
	}
}

// Completion relies on it.
func TestPartsAreInOrder(t *testing.T) {
	tests := []struct {
		name  string
		parts []int
		want  error
	}{
		{"ascending", []int{1, 2, 10_000}, nil},
		{"descending", []int{2, 1}, storage.ErrUnavailable},
		{"twice", []int{1, 1}, storage.ErrUnavailable},
		{"number 0", []int{0, 1}, storage.ErrUnavailable},
		{"number 10,001", []int{1, 10_001}, storage.ErrUnavailable},
	}
	for _, tt := range tests {
		// On one page, and each on a page of its own.
		for _, size := range []int{len(tt.parts), 1} {
			t.Run(fmt.Sprintf("%s, %d on a page", tt.name, size), func(t *testing.T) {
				page := 0
				c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
					at := page * size
					page++
					fmt.Fprintf(w, "<ListPartsResult><NextPartNumberMarker>%d</NextPartNumberMarker><IsTruncated>%v</IsTruncated>", page, at+size < len(tt.parts))
					for _, n := range tt.parts[at : at+size] {
						fmt.Fprintf(w, "<Part><PartNumber>%d</PartNumber></Part>", n)
					}
					io.WriteString(w, "</ListPartsResult>")
				})
				parts, err := c.ListParts(t.Context(), "k", "U")
				if !errors.Is(err, tt.want) || err == nil && len(parts) != len(tt.parts) {
					t.Errorf("ListParts = %v, %v, want %v", parts, err, tt.want)
				}
			})
		}
	}
}

// Nobody stored a negative number of bytes, and sums are made of them.
func TestPartsHaveASize(t *testing.T) {
	for size, want := range map[int]error{0: nil, -1: storage.ErrUnavailable} {
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "<ListPartsResult><Part><PartNumber>1</PartNumber><Size>%d</Size></Part></ListPartsResult>", size)
		})
		if parts, err := c.ListParts(t.Context(), "k", "U"); !errors.Is(err, want) {
			t.Errorf("ListParts of a part of %d bytes = %v, %v, want %v", size, parts, err, want)
		}
	}
}

// A page that breaks off is asked for again, and nothing of the first try is kept.
func TestListPartsReadsAPageAgain(t *testing.T) {
	var tries atomic.Int32
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		const text = `<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>"A"</ETag><Size>5</Size></Part></ListPartsResult>`
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		if tries.Add(1) == 1 {
			io.WriteString(w, text[:50])
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, text)
	})
	parts, err := c.ListParts(t.Context(), "k", "U")
	if want := (storage.Part{Number: 1, Size: 5, ETag: "A"}); err != nil || len(parts) != 1 || parts[0] != want || tries.Load() != 2 {
		t.Errorf("ListParts = %+v, %v after %d tries, want %+v after 2", parts, err, tries.Load(), want)
	}
}

// A page of somebody else's, answered with 200, is no list without parts.
func TestListPartsOfSomethingElse(t *testing.T) {
	for _, text := range []string{"", "<html></html>", "not found", "<ListBucketResult></ListBucketResult>"} {
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
		if parts, err := c.ListParts(t.Context(), "k", "U"); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("ListParts answered with %q = %v, %v, want ErrUnavailable", text, parts, err)
		}
	}
}

// What a client is told when its request cannot go on.
func TestReasonsCarryTheirAnswer(t *testing.T) {
	for reason, want := range map[*api.Error]api.Code{
		storage.ErrNotFound:     api.NotFound,
		storage.ErrNoSuchUpload: api.UploadGone,
		storage.ErrExists:       api.AlreadyCompleted,
		storage.ErrParts:        api.PartsMismatch,
		storage.ErrDenied:       api.StorageDenied,
		storage.ErrTimeout:      api.StorageTimeout,
		storage.ErrThrottled:    api.Throttled,
		storage.ErrCredentials:  api.Internal,
		storage.ErrUnavailable:  api.StorageError,
	} {
		var got *api.Error
		if err := fmt.Errorf("asking: %w", &storage.Error{Op: "HeadObject", Reason: reason}); !errors.As(err, &got) || got.Code != want || (got.Message == "") != (want == api.Internal) {
			t.Errorf("the answer to %v = %+v, want %s", err, got, want)
		}
		if again := want == api.StorageTimeout || want == api.Throttled || want == api.StorageError; again != (reason.RetryAfter > 0) {
			t.Errorf("%s is to be tried again after %v", want, reason.RetryAfter)
		}
	}
}
