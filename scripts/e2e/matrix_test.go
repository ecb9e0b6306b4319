package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fc"
)

// change is one thing done to a request that would have been allowed, and how
// OSS refuses it.
type change struct {
	name   string
	do     func(*storageRequest)
	status int
	code   string // "" where OSS has none to show
}

const (
	mismatch = "SignatureDoesNotMatch"
	invalid  = "InvalidArgument"
)

func setHeader(name, value string) func(*storageRequest) {
	return func(r *storageRequest) { r.header.Set(name, value) }
}

func setQuery(name, value string) func(*storageRequest) {
	return func(r *storageRequest) {
		r.editURL(func(_ *url.URL, query url.Values) {
			if query.Set(name, value); value == "" {
				query.Del(name)
			}
		})
	}
}

func setMethod(method string) func(*storageRequest) {
	return func(r *storageRequest) { r.method = method }
}

func otherKey(r *storageRequest) {
	r.editURL(func(u *url.URL, _ url.Values) { u.Path += "x" })
}

// changesOfAny are the changes that no signed PUT survives.
func changesOfAny(p presigned) []change {
	signature := p.URL[strings.Index(p.URL, "x-oss-signature=")+len("x-oss-signature="):][:64]
	flipped := "0" + signature[1:]
	if flipped == signature {
		flipped = "1" + signature[1:]
	}
	tooEarly := http.StatusForbidden
	if assumed.Is("sign.too-early", "400") {
		tooEarly = http.StatusBadRequest
	}
	return []change{
		{"an added x-oss-meta-x", setHeader("x-oss-meta-x", "y"), 403, mismatch},
		{"an added ACL", setHeader("x-oss-object-acl", "public-read"), 403, mismatch},
		{"an added encryption", setHeader("x-oss-server-side-encryption", "AES256"), 403, mismatch},
		{"an added redirect", setHeader("x-oss-website-redirect-location", "/"), 403, mismatch},
		{"an added callback", setHeader("x-oss-callback", "e30="), 403, mismatch},
		{"an added security token", setHeader("x-oss-security-token", "x"), 400, "InvalidRequest"},
		{"an added Authorization", setHeader("Authorization", "OSS4-HMAC-SHA256 Credential=x"), 400, invalid},

		{"a GET", setMethod("GET"), 403, mismatch},
		{"a HEAD", setMethod("HEAD"), 403, mismatch},
		{"a DELETE", setMethod("DELETE"), 403, mismatch},
		{"a POST", setMethod("POST"), 405, "MethodNotAllowed"},

		{"another key", otherKey, 403, mismatch},
		{"a key beside it", func(r *storageRequest) {
			r.editURL(func(u *url.URL, _ url.Values) { u.Path = "/ossupload-local/uploads/other/a.txt" })
		}, 403, mismatch},

		{"no callback", setQuery("callback", ""), 403, mismatch},
		{"another callback", setQuery("callback", "e30="), 403, mismatch},
		{"no variable for the callback", setQuery("callback-var", ""), 403, mismatch},
		{"another variable for the callback", setQuery("callback-var", "e30="), 403, mismatch},
		{"a later date", func(r *storageRequest) {
			r.editURL(func(_ *url.URL, query url.Values) {
				today, _, _ := strings.Cut(query.Get("x-oss-date"), "T")
				tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format("20060102")
				query.Set("x-oss-date", tomorrow+"T235959Z")
				query.Set("x-oss-credential", strings.Replace(query.Get("x-oss-credential"), "/"+today+"/", "/"+tomorrow+"/", 1))
			})
		}, tooEarly, ""},
		{"a longer life", setQuery("x-oss-expires", "604800"), 403, mismatch},
		{"no life", setQuery("x-oss-expires", ""), 400, invalid},
		{"no security token", setQuery("x-oss-security-token", ""), 403, "InvalidAccessKeyId"},
		{"another signature", setQuery("x-oss-signature", flipped), 403, mismatch},
		{"no signature", setQuery("x-oss-signature", ""), 400, invalid},
		{"another parameter", setQuery("response-content-type", "text/html"), 403, mismatch},
		{"a symlink", setQuery("symlink", " "), 403, mismatch},
		{"tags of the object", setQuery("tagging", " "), 403, mismatch},
		{"no query at all", func(r *storageRequest) { r.url, _, _ = strings.Cut(r.url, "?") }, 403, "AccessDenied"},
	}
}

func changesOfLength(content []byte) []change {
	return []change{
		{"one byte more", func(r *storageRequest) { r.body = append(bytes.Clone(content), 0) }, 403, mismatch},
		{"one byte less", func(r *storageRequest) { r.body = content[1:] }, 403, mismatch},
		{"no bytes", func(r *storageRequest) { r.body = nil }, 403, mismatch},
		{"no length", func(r *storageRequest) { r.chunked = true }, 400, invalid},
		{"no signed length", setQuery("x-oss-additional-headers", ""), 403, mismatch},
	}
}

// changesOfHeaders changes and leaves out each header that must be sent.
func changesOfHeaders(p presigned) []change {
	var changes []change
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		changes = append(changes,
			change{name + " changed", setHeader(name, p.Headers[name]+"x"), 403, mismatch},
			change{name + " left out", func(r *storageRequest) { r.header.Del(name) }, 403, mismatch})
	}
	return changes
}

// Each change is made to a URL of its own. Afterwards the same URL is used as it
// was meant, which shows that nothing but the change was refused.
func TestOneChangeIsRefused(t *testing.T) {
	content := []byte("twenty-four honest bytes")
	sized := wish{"filename": "a.txt", "size": len(content)}
	kinds := []struct {
		name    string
		wish    wish
		changes func(presigned) []change
	}{
		{"a PUT with everything", fullWish(content), func(p presigned) []change {
			return slices.Concat(changesOfAny(p), changesOfLength(content), changesOfHeaders(p), []change{
				{"other bytes than the MD5's", func(r *storageRequest) { r.body = bytes.ToUpper(content) }, 400, "InvalidDigest"},
			})
		}},
		{"a PUT", sized, func(p presigned) []change {
			return slices.Concat(changesOfAny(p), changesOfLength(content), changesOfHeaders(p), []change{
				{"an added Content-MD5", setHeader("Content-MD5", md5Base64(content)), 403, mismatch},
				{"an added storage class", setHeader("x-oss-storage-class", "Archive"), 403, mismatch},
				{"an added tag", setHeader("x-oss-tagging", "project=x"), 403, mismatch},
			})
		}},
		{"a url with a size", sized.and(wish{"as": "url"}), func(p presigned) []change {
			return slices.Concat(changesOfAny(p), changesOfLength(content), []change{
				{"an added Content-Type", setHeader("Content-Type", "text/html"), 403, mismatch},
				{"an added Content-MD5", setHeader("Content-MD5", md5Base64(content)), 403, mismatch},
				{"an added storage class", setHeader("x-oss-storage-class", "Archive"), 403, mismatch},
			})
		}},
		{"a url without a size", wish{"as": "url", "filename": "a.txt", "contentType": "text/plain"}, func(p presigned) []change {
			return slices.Concat(changesOfAny(p), changesOfHeaders(p), []change{
				{"an added signed length", setQuery("x-oss-additional-headers", "content-length"), 403, mismatch},
			})
		}},
	}
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := sharedSite(t, fc.TriggerAPIGateway)
			if kind.wish["size"] == nil {
				s = newSite(t, settingsOf(unsized))
			}
			// The changes depend on the answer only by the names of headers,
			// which are the same each time, and by the signature.
			count := len(kind.changes(s.presign(t, s.Ready.CallerToken, kind.wish)))
			for i := range count {
				p := s.presign(t, s.Ready.CallerToken, kind.wish)
				c := kind.changes(p)[i]
				honest := p.with(content)
				changed := p.with(content)
				c.do(&changed)
				a := s.send(t, changed)
				if a.Status != c.status || c.code != "" && a.ossCode() != c.code {
					t.Errorf("%s: %d %s, want %d %s", c.name, a.Status, a.ossCode(), c.status, c.code)
				}
				s.checkNothingHappened(t, p.Key, p.Key+"x")
				s.checkAnnounced(t, s.send(t, honest), p.Key, content)
				if t.Failed() {
					t.Fatalf("after %s", c.name)
				}
			}
			t.Logf("%d changes refused", count)
		})
	}
}

// A URL for a PUT gives no other access to the object that it has stored.
func TestPutURLOpensNothingElse(t *testing.T) {
	onBothSites(t, func(t *testing.T, s *site) {
		content := []byte("stored by the first use of the URL")
		p := s.presign(t, s.Ready.CallerToken, wish{"filename": "a.txt", "size": len(content)})
		s.checkAnnounced(t, s.send(t, p.with(content)), p.Key, content)
		for _, method := range []string{"GET", "HEAD", "DELETE", "POST"} {
			for _, bare := range []bool{false, true} {
				r := p.with(nil)
				if r.method = method; bare {
					r.header = nil
				}
				if a := s.send(t, r); a.Status < 400 || bytes.Contains(a.Body, content) {
					t.Errorf("%s of a URL for a PUT = %d, want a refusal", method, a.Status)
				}
			}
		}
		for _, again := range [][]byte{content, bytes.ToUpper(content)} {
			if a := s.send(t, p.with(again)); a.Status != http.StatusConflict || a.ossCode() != "FileAlreadyExists" {
				t.Errorf("a second PUT = %d %s, want 409 FileAlreadyExists", a.Status, a.ossCode())
			}
		}
		if _, got, _ := s.stored(t, p.Key); !bytes.Equal(got, content) {
			t.Errorf("the object is %q after refused requests, want %q", got, content)
		}
		if got := len(s.eventsOf(t, p.Key)); got != 1 {
			t.Errorf("%d events after refused requests, want the one of the first PUT", got)
		}
	})
}

// The url kind can send no header that forbids to overwrite. The same bytes
// are the same event then, other bytes another.
func TestURLUsedAgain(t *testing.T) {
	onBothSites(t, func(t *testing.T, s *site) {
		p := s.presign(t, s.Ready.CallerToken, wish{"filename": "a.txt", "as": "url", "size": 5})
		first := s.checkAnnounced(t, s.send(t, p.with([]byte("first"))), p.Key, []byte("first"))
		again := s.receipt(t, s.send(t, p.with([]byte("first"))))
		other := s.receipt(t, s.send(t, p.with([]byte("other"))))
		if again.EventID != first.EventID || other.EventID == first.EventID {
			t.Errorf("event ids are %s, %s for the same bytes and %s for others", first.EventID, again.EventID, other.EventID)
		}
		told := map[string]bool{}
		for _, e := range s.eventsOf(t, p.Key) {
			told[e.ID] = e.Verified
		}
		if want := map[string]bool{first.EventID: true, other.EventID: true}; !maps.Equal(told, want) {
			t.Errorf("the events delivered are %v, want one for each of two contents, %v", told, want)
		}
	})
}

// refusedFrom is when OSS refuses a URL that ends at end.
func refusedFrom(end time.Time) time.Time {
	if assumed.Is("sign.instant-of-expiry", "taken") {
		return end.Add(time.Second)
	}
	return end
}

func TestURLEndsWhenItSays(t *testing.T) {
	t.Parallel()
	s := sharedSite(t, fc.TriggerHTTP)
	for _, as := range []string{"put", "url"} {
		t.Run("as "+as, func(t *testing.T) {
			t.Parallel()
			p := s.presign(t, s.Ready.CallerToken, wish{"filename": "a.txt", "as": as, "size": 1, "expiresIn": 1})
			if p.Expires != 1 {
				t.Errorf("expires = %d, want 1", p.Expires)
			}
			<-time.After(time.Until(refusedFrom(p.ExpiresAt))) // under two seconds: the least life is one
			if a := s.send(t, p.with([]byte("x"))); a.Status != http.StatusForbidden || a.ossCode() != "AccessDenied" {
				t.Errorf("a PUT at expiresAt = %d %s, want 403 AccessDenied", a.Status, a.ossCode())
			}
			s.checkNothingHappened(t, p.Key)
		})
	}
}

// The dimensions of the cross matrix. A cell is one value of each.
var (
	matrixContent = []byte("the bytes of the cross matrix")
	matrixMethods = []string{"PUT", "POST", "GET", "HEAD", "DELETE"}
	matrixTypes   = []string{"", "image/png", "text/html"}
	matrixLengths = []string{"exact", "more", "chunked"}
	matrixKeys    = []string{"own", "other"}
	matrixHeaders = []struct{ name, value string }{
		{"", ""},
		{"X-Requested-With", "a client"}, // not signed, not stored
		{"Content-Encoding", "gzip"},     // not signed, but stored
		{"Content-Disposition", "inline"},
		{"Cache-Control", "public"},
		{"Expires", "Thu, 01 Jan 2099 00:00:00 GMT"},
		{"x-oss-meta-x", "y"},
		{"x-oss-object-acl", "public-read"},
		{"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="},
	}
)

// matrixKind is a kind of URL. The type and length that it signs are those of
// the one column that is allowed.
type matrixKind struct {
	name        string
	contentType string // "": none is signed
	signsLength bool
	part        bool // has no callback, and no attributes of its own
	issue       func(*testing.T, *site) presigned
}

func presignKind(name, contentType string, signsLength bool, w wish) matrixKind {
	w["filename"] = "a"
	if contentType != "" {
		w["contentType"] = contentType
	}
	if signsLength {
		w["size"] = len(matrixContent)
	}
	return matrixKind{name: name, contentType: contentType, signsLength: signsLength, issue: func(t *testing.T, s *site) presigned {
		return s.presign(t, s.Ready.CallerToken, w)
	}}
}

func partKind(name string, signsLength bool) matrixKind {
	w := wish{"filename": "a", "type": "image/png"}
	if signsLength {
		w["size"] = len(matrixContent)
	}
	return matrixKind{name: name, signsLength: signsLength, part: true, issue: func(t *testing.T, s *site) presigned {
		body, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var upload struct{ Key, UploadID string }
		if a := s.ask(t, "POST", "/s3/multipart", holderOf(s.Ready.CallerToken), body); json.Unmarshal(a.Body, &upload) != nil || a.Status != 200 {
			t.Fatalf("POST /s3/multipart = %v, want 200", a)
		}
		s.keepSecret("an upload id", upload.UploadID)
		p := presigned{client.Grant{Key: upload.Key}}
		if a := s.ask(t, "GET", "/s3/multipart/"+upload.UploadID+"/1", holderOf(s.Ready.CallerToken), nil); json.Unmarshal(a.Body, &p) != nil || a.Status != 200 {
			t.Fatalf("GET of a part = %v, want 200", a)
		}
		s.keepURL(p.URL)
		return p
	}}
}

var matrixKinds = []matrixKind{
	presignKind("put", "image/png", true, wish{}),
	presignKind("put with metadata", "image/png", true, wish{"metadata": map[string]string{"a": "b"}}),
	presignKind("put with tags and class", "image/png", true, wish{"tags": map[string]string{"project": "p"}, "storageClass": "IA"}),
	presignKind("url", "", false, wish{"as": "url"}),
	presignKind("url with size", "", true, wish{"as": "url"}),
	presignKind("url with type", "image/png", false, wish{"as": "url"}),
	presignKind("url with size and type", "image/png", true, wish{"as": "url"}),
	partKind("part", false),
	partKind("part of pinned length", true),
}

// outcome is what becomes of a cell.
type outcome int

const (
	refusedByOSS outcome = iota
	storedOnly           // the PUT is answered 203, and nobody is told
	announced
)

// want is what is promised of a signed URL: one method, key, type and length,
// and no further header that is signed. The four headers that V4 never signs
// get past OSS, but not past the callback.
func (k matrixKind) want(method, key, contentType, length, header string) outcome {
	switch {
	case method != "PUT", key != "own", contentType != k.contentType, k.signsLength && length != "exact":
		return refusedByOSS
	}
	switch header {
	case "", "X-Requested-With":
		return announced
	case "Content-Encoding", "Content-Disposition", "Cache-Control", "Expires":
		if k.part {
			return announced // a part has no such attributes
		}
		return storedOnly
	}
	return refusedByOSS
}

// matrixRun counts the cells of all kinds.
type matrixRun struct {
	mu      sync.Mutex
	tried   int
	reached map[outcome]int
}

func (m *matrixRun) count(o outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tried++
	m.reached[o]++
}

func TestCrossMatrix(t *testing.T) {
	t.Parallel()
	s := newSite(t, settingsOf(unsized))
	m := &matrixRun{reached: map[outcome]int{}}
	t.Run("kinds", func(t *testing.T) {
		for _, k := range matrixKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				m.walk(t, s, k)
			})
		}
	})
	t.Logf("cross matrix: %d cells tried, %d refused, %d stored and announced, %d stored and never announced",
		m.tried, m.reached[refusedByOSS], m.reached[announced], m.reached[storedOnly])

	// Five kinds sign a length, so one of three is right, and two do not. With the
	// right length two headers change nothing, four make the upload unannounced.
	// A part takes these four as well, for it stores none of them.
	cells := len(matrixKinds) * len(matrixMethods) * len(matrixKeys) * len(matrixTypes) * len(matrixLengths) * len(matrixHeaders)
	want := map[outcome]int{
		announced:  5*2 + 2*3*2 + 6 + 3*6,
		storedOnly: 5*4 + 2*3*4,
	}
	want[refusedByOSS] = cells - want[announced] - want[storedOnly]
	if m.tried != cells || !maps.Equal(m.reached, want) {
		t.Errorf("%d cells tried, reached %v; want %d and %v", m.tried, m.reached, cells, want)
	}

	reasons := 0
	for _, line := range s.log.lines(t) {
		if line.Msg == "refused" && line.Route == "/{path...}" {
			if reasons++; line.Code != "callback_rejected" || line.Reason != "object" {
				t.Errorf("a callback was refused with %s for %q, want callback_rejected for the object", line.Code, line.Reason)
			}
		}
	}
	if reasons != want[storedOnly] {
		t.Errorf("%d callbacks were refused for the object, want %d", reasons, want[storedOnly])
	}
}

// walk tries all cells of one kind. Those to be refused share one URL, so that
// it stays unused; each of the others has its own.
func (m *matrixRun) walk(t *testing.T, s *site, k matrixKind) {
	unused := k.issue(t, s)
	for _, method := range matrixMethods {
		for _, key := range matrixKeys {
			for _, contentType := range matrixTypes {
				for _, length := range matrixLengths {
					for _, header := range matrixHeaders {
						want := k.want(method, key, contentType, length, header.name)
						p := unused
						if want != refusedByOSS {
							p = k.issue(t, s)
						}
						r := p.with(matrixContent)
						r.method = method
						r.header.Del("Content-Type")
						if contentType != "" {
							r.header.Set("Content-Type", contentType)
						}
						if header.name != "" {
							r.header.Set(header.name, header.value)
						}
						if r.chunked = length == "chunked"; length == "more" {
							r.body = append(bytes.Clone(matrixContent), '.')
						}
						if key == "other" {
							otherKey(&r)
						}
						cell := fmt.Sprintf("%s: %s of the %s key, type %q, length %s, %s", k.name, method, key, contentType, length, header.name)
						got := k.reach(t, s, cell, p, s.send(t, r), r.body)
						if m.count(got); got != want {
							t.Errorf("%s reached %d, want %d", cell, got, want)
						}
					}
				}
			}
		}
	}
	s.checkNothingHappened(t, unused.Key, unused.Key+"x")
}

// reach reads from an answer, and from what is stored and announced, what has
// become of a cell.
func (k matrixKind) reach(t *testing.T, s *site, cell string, p presigned, a reply, sent []byte) outcome {
	t.Helper()
	switch a.Status {
	case http.StatusOK:
		if k.part {
			if got, want := a.Header.Get("Content-MD5"), md5Base64(sent); got != want {
				t.Errorf("%s: OSS has the MD5 %q of the part, want %q", cell, got, want)
			}
		} else {
			s.checkAnnounced(t, a, p.Key, sent)
		}
		return announced
	case http.StatusNonAuthoritativeInfo:
		s.checkNotAnnounced(t, a, p.Key, sent)
		return storedOnly
	}
	if a.Status < 400 || a.Status >= 500 && a.Status != http.StatusNotImplemented {
		t.Errorf("%s: %d %s, want a refusal", cell, a.Status, a.ossCode())
	}
	return refusedByOSS
}
