package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

// partURLs is the answer to a batch: whole URLs, or a template with signatures.
type partURLs struct {
	PresignedURLs map[string]string `json:"presignedUrls"`
	Template      string            `json:"template"`
	Signatures    map[string]string `json:"signatures"`
	ExpiresAt     time.Time         `json:"expiresAt"`

	size int // of the answer in bytes
}

// batch asks for the URLs of many parts.
func (m *transfer) batch(t *testing.T, query string) partURLs {
	t.Helper()
	a := m.ask(t, http.MethodGet, "/batch?"+query, nil)
	if a.Status != http.StatusOK {
		t.Fatalf("GET of a batch = %v, want 200", a)
	}
	b := partURLs{size: len(a.Body)}
	strict := json.NewDecoder(bytes.NewReader(a.Body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&b); err != nil {
		t.Fatalf("decoding a batch: %v", err)
	}
	asTemplate := strings.Contains(query, "as=template")
	if asTemplate != (b.Template != "" && b.Signatures != nil) || asTemplate == (b.PresignedURLs != nil) {
		t.Fatalf("a batch of %s is in the other form", query)
	}
	return b
}

// url is the URL of one part in either form, or "".
func (b partURLs) url(number int) string {
	name := strconv.Itoa(number)
	if b.Template == "" {
		return b.PresignedURLs[name]
	}
	// As any client can: the placeholders stand once each.
	return strings.Replace(strings.Replace(b.Template, "{partNumber}", name, 1), "{signature}", b.Signatures[name], 1)
}

// count is how many parts b holds.
func (b partURLs) count() int { return max(len(b.PresignedURLs), len(b.Signatures)) }

// signedWith is the second and the credentials with which a URL was signed: of
// equal ones, equal requests have equal signatures.
func signedWith(t *testing.T, signed string) string {
	t.Helper()
	u, err := url.Parse(signed)
	if err != nil || u.Query().Get("x-oss-date") == "" {
		t.Fatal("a URL of a part is no signed URL")
	}
	return u.Query().Get("x-oss-date") + " " + u.Query().Get("x-oss-credential")
}

// checkSameURLs holds that both hold the same URLs of the parts first to last.
func checkSameURLs(t *testing.T, a, b partURLs, first, last int) {
	t.Helper()
	for n := first; n <= last; n++ {
		if x, y := a.url(n), b.url(n); x == "" || x != y {
			t.Fatalf("the URLs of part %d differ between two forms of a batch", n)
		}
	}
}

// compressed asks for the URLs of many parts as somebody who takes such an encoding,
// and returns the answer and what its body says.
func (m *transfer) compressed(t *testing.T, query, accept string) (reply, string) {
	t.Helper()
	header := bearer(m.caller)
	header.Set("Accept-Encoding", accept)
	a := m.r.request(t, http.MethodGet, m.r.Ready.Gateway+m.path("/batch?"+query), header, nil)
	if a.Status != http.StatusOK {
		t.Fatalf("GET of a batch = %v, want 200", a)
	}
	if a.Header.Get("Content-Encoding") == "" {
		return a, string(a.Body)
	}
	r, err := gzip.NewReader(bytes.NewReader(a.Body))
	if err != nil {
		t.Fatalf("reading a batch as gzip: %v", err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading a batch as gzip: %v", err)
	}
	return a, string(text)
}

// It is not parallel to other tests either.
func TestBatchIsCompressedForWhoAcceptsIt(t *testing.T) {
	stacktest.EndToEnd(t)
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run(string(trigger), func(t *testing.T) {
			m := newRig(t, trigger, nil).begin(t, nil)
			stacktest.Eventually(t, "two batches were signed in one second", func() bool {
				plain, want := m.compressed(t, "partNumbers=1-200", "gzip;q=0")
				zipped, got := m.compressed(t, "partNumbers=1-200", "br, gzip;q=0.8")
				for a, encoding := range map[*reply]string{&plain: "", &zipped: "gzip"} {
					if a.Header.Get("Content-Encoding") != encoding || !strings.Contains(a.Header.Get("Vary"), "Accept-Encoding") || a.Header.Get("Content-Type") != "application/json" {
						t.Fatalf("headers of a batch = %v, want encoding %q and Vary: Accept-Encoding", a.Header, encoding)
					}
				}
				if len(zipped.Body)*5 > len(plain.Body) {
					t.Errorf("%d bytes became %d, want a fifth at most", len(plain.Body), len(zipped.Body))
				}
				return got == want
			})
			if a, text := m.compressed(t, "partNumbers=1-1000&as=template", "gzip"); a.Header.Get("Content-Encoding") != "" || !json.Valid([]byte(text)) {
				t.Errorf("headers of a template = %v, want no encoding", a.Header)
			}
		})
	}
}

// It is not parallel to other tests, under which three answers may not come within
// one second on a slow machine.
func TestBatchHasTheURLsOfSingleParts(t *testing.T) {
	stacktest.EndToEnd(t)
	const parts, most = 10_000, 1_000
	tests := []struct {
		name    string
		trigger fc.Trigger
		wish    map[string]any
	}{
		{"with pinned lengths", fc.TriggerAPIGateway, map[string]any{"size": parts*minPart - 7, "partSize": minPart}},
		{"without pinned lengths", fc.TriggerHTTP, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newRig(t, tt.trigger, nil).begin(t, tt.wish)
			// Signatures can be compared that were made in one second. When the
			// second turned meanwhile, all is asked for again.
			stacktest.Eventually(t, "whole URLs, template and single parts were signed in one second", func() bool {
				full, template := m.batch(t, "partNumbers=1-1000"), m.batch(t, "partNumbers=1-1000&as=template")
				if full.count() != most || template.count() != most {
					t.Fatalf("batches of 1-1000 have %d and %d parts, want %d", full.count(), template.count(), most)
				}
				single := m.partURL(t, most)
				if second := signedWith(t, full.url(1)); second != signedWith(t, template.url(1)) || second != signedWith(t, single) {
					return false
				}
				checkSameURLs(t, full, template, 1, most)
				if full.url(most) != single {
					t.Errorf("the URL of part %d differs from that of the batch", most)
				}
				return true
			})
			stacktest.Eventually(t, "a batch and single parts were signed in one second", func() bool {
				numbers := []int{1, 2, 99, 500, 9_999, parts} // the last part is shorter
				batch := m.batch(t, "partNumbers=1,2,99,500,9999,10000")
				singles := partURLs{PresignedURLs: map[string]string{}}
				for _, n := range numbers {
					singles.PresignedURLs[strconv.Itoa(n)] = m.partURL(t, n)
				}
				if second := signedWith(t, batch.url(1)); second != signedWith(t, singles.url(1)) || second != signedWith(t, singles.url(parts)) {
					return false
				}
				for _, n := range numbers {
					checkSameURLs(t, batch, singles, n, n)
				}
				return true
			})

			all := m.batch(t, "partNumbers=1-10000&as=template")
			if all.count() != parts || all.size >= 1_000_000 {
				t.Fatalf("the template of 10,000 parts has %d in %d bytes, want all in less than 1 MB", all.count(), all.size)
			}
			checkEnd(t, all.url(1), all.ExpiresAt)
			// 10,000 signatures may take longer than a second, so these are not compared:
			// storage takes them.
			for _, n := range []int{1, 999, 4_321, 9_999, parts} {
				content := make([]byte, minPart)
				if n == parts && tt.wish != nil {
					content = content[:minPart-7]
				}
				if a := m.r.request(t, http.MethodPut, all.url(n), nil, content); a.Status != http.StatusOK {
					t.Errorf("PUT of part %d of 10,000 = %v, want 200", n, a)
				}
			}
		})
	}
}

// checkEnd holds that a URL ends when its answer says.
func checkEnd(t *testing.T, signed string, expiresAt time.Time) {
	t.Helper()
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal("a signed URL is no URL")
	}
	start, err := time.Parse("20060102T150405Z", u.Query().Get("x-oss-date"))
	if err != nil {
		t.Fatalf("x-oss-date = %q", u.Query().Get("x-oss-date"))
	}
	life, err := strconv.Atoi(u.Query().Get("x-oss-expires"))
	if err != nil {
		t.Fatalf("x-oss-expires = %q", u.Query().Get("x-oss-expires"))
	}
	if end := start.Add(time.Duration(life) * time.Second); !end.Equal(expiresAt) {
		t.Errorf("expiresAt = %v, the URL ends at %v", expiresAt, end)
	}
}

// The lists of one query, however they are written, name the same parts.
func TestBatchListsOfParts(t *testing.T) {
	t.Parallel()
	var odd []string
	for n := 1; n < 800; n += 2 {
		odd = append(odd, strconv.Itoa(n))
	}
	tests := []struct {
		name, query string
		want        []int
	}{
		{"one part", "partNumbers=7", []int{7}},
		{"numbers and a range", "partNumbers=1,2,5-7", []int{1, 2, 5, 6, 7}},
		{"encoded commas", "partNumbers=1%2C2%2C5-7", []int{1, 2, 5, 6, 7}},
		{"the parameter repeated", "partNumbers=1&partNumbers=2&partNumbers=5-7", []int{1, 2, 5, 6, 7}},
		{"repeated and with commas", "partNumbers=1%2C2&key=&partNumbers=5-6,7", []int{1, 2, 5, 6, 7}},
		{"in any order", "partNumbers=7,5-6,2,1", []int{1, 2, 5, 6, 7}},
		{"a range of one", "partNumbers=10000-10000", []int{10000}},
		{"as many single numbers as a path holds", "partNumbers=" + strings.Join(odd, ","), nil},
	}
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		m := r.begin(t, nil)
		for _, tt := range tests {
			query := strings.Replace(tt.query, "key=", "key="+url.QueryEscape(m.Key), 1)
			for _, as := range []string{"", "&as=template"} {
				b := m.batch(t, query+as)
				if tt.want == nil && b.count() != len(odd) || tt.want != nil && b.count() != len(tt.want) {
					t.Errorf("%s: %d parts in the answer to %s", tt.name, b.count(), tt.query)
				}
				for _, n := range tt.want {
					if !strings.Contains(b.url(n), "partNumber="+strconv.Itoa(n)+"&") {
						t.Errorf("%s: part %d has no URL of its own", tt.name, n)
					}
				}
			}
		}
	})
}

func TestBatchRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	free := r.begin(t, nil)
	pinned := r.begin(t, map[string]any{"size": 3 * minPart, "partSize": minPart})
	tests := []struct {
		name, query string
		m           *transfer
		fields      []string
	}{
		{"nothing", "", free, []string{"partNumbers"}},
		{"an empty list", "partNumbers=", free, []string{"partNumbers"}},
		{"zero", "partNumbers=0", free, []string{"partNumbers"}},
		{"a number below zero", "partNumbers=-1", free, []string{"partNumbers"}},
		{"a fraction", "partNumbers=1.5", free, []string{"partNumbers"}},
		{"a number with a zero before", "partNumbers=01", free, []string{"partNumbers"}},
		{"a number with a sign", "partNumbers=%2B1", free, []string{"partNumbers"}},
		{"spaces", "partNumbers=1,%202", free, []string{"partNumbers"}},
		{"digits of another script", "partNumbers=%EF%BC%91", free, []string{"partNumbers"}},
		{"an empty item", "partNumbers=1,,2", free, []string{"partNumbers"}},
		{"a comma at the end", "partNumbers=1,", free, []string{"partNumbers"}},
		{"a semicolon", "partNumbers=1%3B2", free, []string{"partNumbers"}},
		{"a range without an end", "partNumbers=1-", free, []string{"partNumbers"}},
		{"a range with two ends", "partNumbers=1-2-3", free, []string{"partNumbers"}},
		{"a reversed range", "partNumbers=900-5", free, []string{"partNumbers"}},
		{"a number twice", "partNumbers=3,1,3", free, []string{"partNumbers"}},
		{"a number twice in two parameters", "partNumbers=3&partNumbers=3", free, []string{"partNumbers"}},
		{"ranges that overlap", "partNumbers=1-5,5-9", free, []string{"partNumbers"}},
		{"1,001 whole URLs", "partNumbers=1-1001", free, []string{"partNumbers"}},
		{"1,001 whole URLs in two ranges", "partNumbers=1-999,1000-1001", free, []string{"partNumbers"}},
		{"10,001 signatures", "partNumbers=1-10000,1&as=template", free, []string{"partNumbers"}},
		{"a number over 10,000", "partNumbers=10001&as=template", free, []string{"partNumbers"}},
		{"a range over 10,000", "partNumbers=1-10001&as=template", free, []string{"partNumbers"}},
		{"a number beyond 64 bits", "partNumbers=1-99999999999999999999&as=template", free, []string{"partNumbers"}},
		{"a part beyond the last", "partNumbers=4", pinned, []string{"partNumbers"}},
		{"a range beyond the last", "partNumbers=1-4&as=template", pinned, []string{"partNumbers"}},
		{"another form", "partNumbers=1&as=foo", free, []string{"as"}},
		{"the form in capitals", "partNumbers=1&as=TEMPLATE", free, []string{"as"}},
		{"two forms", "partNumbers=1&as=template&as=foo", free, []string{"as"}},
		{"all of it wrong", "partNumbers=0&as=foo", free, []string{"as", "partNumbers"}},
		{"the key of another upload", "partNumbers=1&key=uploads%2Fdemo%2Fx", free, []string{"key"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.m.ask(t, http.MethodGet, "/batch?"+tt.query, nil).refused(t, "GET of a batch", http.StatusBadRequest, "invalid_request")
			if got := c.fields(t); !slices.Equal(got, tt.fields) {
				t.Errorf("fields = %q, want %q", got, tt.fields)
			}
		})
	}
	for name, want := range map[string]struct {
		caller, code string
		status       int
	}{
		"of another user": {r.caller(t, "somebody", nil), "invalid_token", http.StatusForbidden},
		"of nobody":       {"", "unauthenticated", http.StatusUnauthorized},
	} {
		at := *free
		at.caller = want.caller
		at.ask(t, http.MethodGet, "/batch?partNumbers=1", nil).refused(t, "a batch "+name, want.status, want.code)
	}
	if got := pinned.batch(t, "partNumbers=1-3").count(); got != 3 {
		t.Errorf("a batch of all parts has %d, want 3", got)
	}
}

func TestUploadThroughABatch(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(12)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		for _, as := range []string{"", "&as=template"} {
			t.Run("partNumbers=1-3"+as, func(t *testing.T) {
				t.Parallel()
				m := r.begin(t, map[string]any{"size": len(whole), "partSize": minPart})
				b := m.batch(t, "partNumbers=1-3"+as)
				put := func(number int, header http.Header, content []byte) reply {
					r.logged.secret(b.url(number))
					return r.request(t, http.MethodPut, b.url(number), header, content)
				}
				var sent []sentPart
				for i, content := range contents {
					n := i + 1
					const mismatch = "SignatureDoesNotMatch"
					put(n, nil, content[1:]).wantStorageError(t, "a byte short", http.StatusForbidden, mismatch)
					put(n, nil, append(slices.Clone(content), 'x')).wantStorageError(t, "a byte long", http.StatusForbidden, mismatch)
					put(n, nil, nil).wantStorageError(t, "nothing", http.StatusForbidden, mismatch)
					put(n, http.Header{"Content-Type": {"video/mp4"}}, content).wantStorageError(t, "with a type", http.StatusForbidden, mismatch)
					put(n, http.Header{"X-Oss-Meta-A": {"b"}}, content).wantStorageError(t, "with metadata", http.StatusForbidden, mismatch)
					swap := strings.Replace(b.url(n), "partNumber="+strconv.Itoa(n)+"&", "partNumber=9&", 1)
					r.request(t, http.MethodPut, swap, nil, content).wantStorageError(t, "as another part", http.StatusForbidden, mismatch)
					a := put(n, nil, content)
					if a.Status != http.StatusOK {
						t.Fatalf("PUT of part %d = %v, want 200", n, a)
					}
					sent = append(sent, sentPart{n, a.Header.Get("ETag")})
				}
				r.wantEvents(t, m.complete(t, sent).receipt(t, "complete", m.Key, whole), 1)
			})
		}
	})
}
