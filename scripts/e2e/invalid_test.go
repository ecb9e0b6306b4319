package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// checkNothingGranted holds that a refusal gives away nothing to upload with.
func checkNothingGranted(t *testing.T, a reply) {
	t.Helper()
	for _, text := range []string{"x-oss-signature", "uploadToken", "x-oss-security-token", "stack", ".go:"} {
		if strings.Contains(string(a.Body), text) {
			t.Errorf("the refusal %v holds %q", a, text)
		}
	}
}

// Every row is a good wish with something changed, and names the fields that the
// answer must name, all of them and no other.
func TestPresignNamesEveryFieldAtFault(t *testing.T) {
	good := wish{"filename": "a.txt", "size": 5}
	of := func(name string, value any) wish { return wish{name: value} }
	meta := func(name, value string) wish { return of("metadata", map[string]string{name: value}) }
	check := func(name, value string) wish { return of("checksum", map[string]string{name: value}) }
	const gib5 = 5 << 30
	many := map[string]string{}
	for _, c := range "abcdefghijk" {
		many[string(c)] = "v"
	}
	tests := []struct {
		name   string
		change wish
		fields []string
	}{
		{"an unknown field", of("fileName", "a"), []string{"fileName"}},
		{"a known field in other letters", of("SIZE", 5), []string{"SIZE"}},
		{"an unknown field of the checksum", check("sha256", "x"), []string{"checksum.sha256"}},
		{"several unknown fields", wish{"acl": "public-read", "key": "uploads/x", "bucket": "b"}, []string{"acl", "bucket", "key"}},

		{"a filename that is a number", of("filename", 1), []string{"filename"}},
		{"a size that is a string", of("size", "5"), []string{"size"}},
		{"a size with a fraction", of("size", 1.5), []string{"size"}},
		{"a size beyond 64 bits", of("size", json.Number("9223372036854775808")), []string{"size"}},
		{"a type that is a list", of("contentType", []string{"image/png"}), []string{"contentType"}},
		{"a method that is a number", of("as", 1), []string{"as"}},
		{"a checksum that is a string", of("checksum", "x"), []string{"checksum"}},
		{"an MD5 that is a number", of("checksum", wish{"md5": 1}), []string{"checksum.md5"}},
		{"metadata that is a list", of("metadata", []string{"a"}), []string{"metadata"}},
		{"metadata with a number", of("metadata", wish{"a": 1}), []string{"metadata"}},
		{"a storage class that is an object", of("storageClass", wish{}), []string{"storageClass"}},
		{"tags that are a string", of("tags", "a=b"), []string{"tags"}},
		{"vars with an object", of("vars", wish{"a": wish{}}), []string{"vars"}},
		{"a life that is a string", of("expiresIn", "1h"), []string{"expiresIn"}},
		{"a life with a fraction", of("expiresIn", 1.5), []string{"expiresIn"}},

		{"no filename", of("filename", nil), []string{"filename"}},
		{"an empty filename", of("filename", ""), []string{"filename"}},
		{"a filename of 766 bytes", of("filename", strings.Repeat("a", 766)), []string{"filename"}},
		{"a header in the filename", of("filename", "a\r\nx-oss-object-acl: public-read"), []string{"filename"}},
		{"a null byte in the filename", of("filename", "a\x00.txt"), []string{"filename"}},

		{"no size", of("size", nil), []string{"size"}},
		{"a negative size", of("size", -1), []string{"size"}},
		{"a size over that of a PUT", of("size", gib5+1), []string{"size"}},
		{"no size of a url", wish{"as": "url", "size": nil}, []string{"size"}},
		{"a negative size of a url", wish{"as": "url", "size": -1}, []string{"size"}},
		{"a size over that of a url", wish{"as": "url", "size": gib5 + 1}, []string{"size"}},

		{"an unknown method", of("as", "ftp"), []string{"as"}},
		{"a method of other routes", of("as", "multipart"), []string{"as"}},
		{"an unknown storage class", of("storageClass", "Glacier"), []string{"storageClass"}},
		{"a storage class that is not enabled", of("storageClass", "Archive"), []string{"storageClass"}},
		{"a storage class in other letters", of("storageClass", "ia"), []string{"storageClass"}},
		{"a header in the storage class", of("storageClass", "IA\r\nx-oss-object-acl: public-read"), []string{"storageClass"}},

		{"a type with another parameter", of("contentType", "text/plain;format=flowed"), []string{"contentType"}},
		{"a type with two charsets", of("contentType", "text/plain;charset=utf8;charset=utf8"), []string{"contentType"}},
		{"html with a charset", of("contentType", "text/html;charset=utf8"), []string{"contentType"}},
		{"a type of one word", of("contentType", "text"), []string{"contentType"}},
		{"a wildcard as type", of("contentType", "image/*"), []string{"contentType"}},
		{"a header in the type", of("contentType", "image/png\r\nx-oss-object-acl: public-read"), []string{"contentType"}},
		{"html, which no wildcard covers", of("contentType", "text/html"), []string{"contentType"}},
		{"svg in other letters", of("contentType", "IMAGE/SVG+XML"), []string{"contentType"}},
		{"xhtml", of("contentType", "application/xhtml+xml"), []string{"contentType"}},
		{"javascript", of("contentType", "text/javascript"), []string{"contentType"}},

		{"a header in metadata", meta("a", "b\r\nx-oss-object-acl: public-read"), []string{"metadata.a"}},
		{"a header in a metadata name", meta("a: b\r\nx-oss-object-acl", "public-read"), []string{"metadata.a: b��x-oss-object-acl"}},
		{"a metadata name in capitals", meta("Camera", "x"), []string{"metadata.Camera"}},
		{"a metadata name with an underscore", meta("a_b", "x"), []string{"metadata.a_b"}},
		{"an empty metadata name", meta("", "x"), []string{"metadata."}},
		{"an empty metadata value", meta("a", ""), []string{"metadata.a"}},
		{"the grant's metadata", meta("ossupload-grant", "v1.k1.x"), []string{"metadata.ossupload-grant"}},
		{"the filename's metadata", meta("ossupload-filename", "x"), []string{"metadata.ossupload-filename"}},
		{"other reserved metadata", meta("ossupload", "x"), []string{"metadata.ossupload"}},
		{"metadata over 2 KiB", meta("a", strings.Repeat("b", 2<<10)), []string{"metadata"}},
		{"metadata over 2 KiB when encoded", meta("a", strings.Repeat("ä", 342)), []string{"metadata"}},

		{"a tag that is not enabled", of("tags", wish{"owner": "x"}), []string{"tags.owner"}},
		{"a reserved tag", of("tags", wish{"ossupload-state": "x"}), []string{"tags.ossupload-state"}},
		{"a tag with odd characters", of("tags", wish{"project": "a&b"}), []string{"tags.project"}},
		{"a tag with a line break", of("tags", wish{"project": "a\nb"}), []string{"tags.project"}},
		{"too long a tag", of("tags", wish{"project": strings.Repeat("a", 257)}), []string{"tags.project"}},

		{"an MD5 in hex", check("md5", "5d41402abc4b2a76b9719d911017c592"), []string{"checksum.md5"}},
		{"an MD5 of 15 bytes", check("md5", "XUFAKrxLKna5cZ2REBfF"), []string{"checksum.md5"}},
		{"an MD5 with loose ends", check("md5", "XUFAKrxLKna5cZ2REBfFkh=="), []string{"checksum.md5"}},
		{"a CRC64 in hex", check("crc64", "0xff"), []string{"checksum.crc64"}},
		{"a negative CRC64", check("crc64", "-1"), []string{"checksum.crc64"}},
		{"a CRC64 with a zero in front", check("crc64", "01"), []string{"checksum.crc64"}},
		{"a CRC64 of 65 bits", check("crc64", "18446744073709551616"), []string{"checksum.crc64"}},

		{"vars over 1 KiB", of("vars", wish{"a": strings.Repeat("b", 1<<10)}), []string{"vars"}},
		{"a life of nothing", of("expiresIn", 0), []string{"expiresIn"}},
		{"a life in the past", of("expiresIn", -5), []string{"expiresIn"}},

		{"what a url cannot carry", wish{"as": "url", "metadata": wish{"a": "b"}, "tags": wish{"project": "p"}, "storageClass": "IA", "checksum": wish{"md5": md5Base64(nil)}},
			[]string{"checksum.md5", "metadata", "storageClass", "tags"}},
		// An answer names twenty fields at most.
		{"everything at once", wish{
			"acl": "x", "filename": "\r", "size": "many", "contentType": "x", "checksum": wish{"md5": "x", "crc64": "x", "sha1": "x"},
			"metadata": wish{"A": "b", "ossupload-x": "y", "c": "\n"}, "storageClass": "x", "vars": wish{"v": strings.Repeat("v", 2000)}, "expiresIn": 0,
		}, []string{
			"acl", "checksum.crc64", "checksum.md5", "checksum.sha1", "contentType", "expiresIn", "filename", "metadata.A", "metadata.c", "metadata.ossupload-x",
			"size", "storageClass", "vars",
		}},
		{"every tag, and too many of them", wish{"tags": many}, []string{
			"tags", "tags.a", "tags.b", "tags.c", "tags.d", "tags.e", "tags.f", "tags.g", "tags.h", "tags.i", "tags.j", "tags.k",
		}},
	}
	onBothSites(t, func(t *testing.T, s *site) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				a := s.tryPresign(t, s.Ready.CallerToken, good.and(tt.change))
				r := a.problem(t)
				if a.Status != http.StatusBadRequest || r.Code != "invalid_request" {
					t.Errorf("POST /presign = %d %s, want 400 invalid_request", a.Status, r.Code)
				}
				if got := slices.Sorted(slices.Values(r.fields(t))); !slices.Equal(got, tt.fields) {
					t.Errorf("details name %q, want %q", got, tt.fields)
				}
				for _, d := range r.faults(t) {
					if strings.ContainsAny(d.Reason, "\r\n") {
						t.Errorf("the reason for %q is %q, want a sentence", d.Field, d.Reason)
					}
				}
				checkNothingGranted(t, a)
			})
		}
		if a := s.tryPresign(t, s.Ready.CallerToken, good); a.Status != http.StatusOK {
			t.Errorf("the wish without a change = %v, want 200", a)
		}
	})
}

// The limits themselves are allowed.
func TestPresignAllowsWhatTheLimitsSay(t *testing.T) {
	tests := []struct {
		name string
		wish wish
	}{
		{"a size of nothing", wish{"size": 0}},
		{"the greatest size of a PUT", wish{"size": 5 << 30}},
		{"a filename of 765 bytes", wish{"filename": strings.Repeat("a", 765)}},
		{"metadata of 2 KiB", wish{"metadata": wish{"a": strings.Repeat("b", 2<<10-1)}}},
		{"vars of 1 KiB", wish{"vars": wish{"a": strings.Repeat("b", 1<<10-len(`{"a":""}`))}}},
		{"the greatest CRC64", wish{"size": 5 << 30, "checksum": wish{"crc64": "18446744073709551615"}}},
		{"a tag of 256 bytes", wish{"tags": wish{"project": strings.Repeat("a", 256)}}},
		{"nulls for what is not asked", wish{"contentType": nil, "checksum": nil, "metadata": nil, "tags": nil, "vars": nil, "expiresIn": nil, "as": nil, "storageClass": nil}},
		{"empty objects", wish{"checksum": wish{}, "metadata": wish{}, "tags": wish{}, "vars": wish{}}},
		{"a url with nothing but a name and a size", wish{"as": "url"}},
		{"a type with a charset", wish{"contentType": "text/plain;charset=utf8"}},
	}
	onBothSites(t, func(t *testing.T, s *site) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := s.presign(t, s.Ready.CallerToken, wish{"filename": "a.txt", "size": 5}.and(tt.wish))
				if tt.wish["size"] != nil && tt.wish["size"] != 0 {
					return // more bytes than a test should send
				}
				content := []byte("12345")
				if tt.wish["size"] == 0 {
					content = nil
				}
				s.checkAnnounced(t, s.send(t, p.with(content)), p.Key, content)
			})
		}
	})
}

func TestPresignRefusesRequests(t *testing.T) {
	good := []byte(`{"filename":"a.txt","size":5}`)
	padded := func(n int) []byte {
		return append(bytes.Repeat([]byte{' '}, n-len(good)), good...)
	}
	const limit = 2 << 20
	tests := []struct {
		name, method, path, contentType string
		body                            []byte
		status                          int
		code, allow                     string
	}{
		{"not JSON", "POST", "/presign", "application/json", []byte("filename=a.txt"), 400, "invalid_json", ""},
		{"half of JSON", "POST", "/presign", "application/json", good[:20], 400, "invalid_json", ""},
		{"two objects", "POST", "/presign", "application/json", append(bytes.Clone(good), good...), 400, "invalid_json", ""},
		{"no body", "POST", "/presign", "application/json", nil, 400, "invalid_json", ""},
		{"a list", "POST", "/presign", "application/json", []byte("[]"), 400, "invalid_json", ""},
		{"null", "POST", "/presign", "application/json", []byte("null"), 400, "invalid_json", ""},
		{"a string", "POST", "/presign", "application/json", []byte(`"a"`), 400, "invalid_json", ""},
		{"a form", "POST", "/presign", "application/x-www-form-urlencoded", good, 415, "unsupported_media_type", ""},
		{"text, which a page can send without preflight", "POST", "/presign", "text/plain", good, 415, "unsupported_media_type", ""},
		{"a malformed type", "POST", "/presign", "json;;", good, 415, "unsupported_media_type", ""},
		{"no type, which a page can send without preflight", "POST", "/presign", "", good, 415, "unsupported_media_type", ""},
		{"a body over 2 MiB", "POST", "/presign", "application/json", padded(limit + 1), 413, "too_large", ""},
		{"a route below it", "POST", "/presign/", "application/json", good, 404, "not_found", ""},
		{"an unknown route", "POST", "/presign/x", "application/json", good, 404, "not_found", ""},
		{"a GET", "GET", "/presign", "", nil, 405, "method_not_allowed", "OPTIONS, POST"},
		{"a HEAD", "HEAD", "/presign", "", nil, 405, "", "OPTIONS, POST"},
		{"a PUT", "PUT", "/presign", "application/json", good, 405, "method_not_allowed", "OPTIONS, POST"},
		{"a DELETE", "DELETE", "/presign", "", nil, 405, "method_not_allowed", "OPTIONS, POST"},

		{"just that", "POST", "/presign", "application/json", good, 200, "", ""},
		{"with a charset", "POST", "/presign", "application/json; charset=utf-8", good, 200, "", ""},
		{"with a query", "POST", "/presign?a=b", "application/json", good, 200, "", ""},
		{"a body of 2 MiB", "POST", "/presign", "application/json", padded(limit), 200, "", ""},
	}
	onBothSites(t, func(t *testing.T, s *site) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				header := holderOf(s.Ready.CallerToken)
				if header.Set("Content-Type", tt.contentType); tt.contentType == "" {
					header.Del("Content-Type")
				}
				a := s.ask(t, tt.method, tt.path, header, tt.body)
				if a.Status != tt.status || a.Header.Get("Allow") != tt.allow {
					t.Errorf("%s %s = %v with Allow %q, want %d and %q", tt.method, tt.path, a, a.Header.Get("Allow"), tt.status, tt.allow)
				}
				switch {
				case a.Status == http.StatusOK:
					s.readPresigned(t, a)
				case tt.method == "HEAD":
					if len(a.Body) != 0 {
						t.Errorf("the answer to HEAD has a body: %v", a)
					}
				default:
					if r := a.problem(t); r.Code != tt.code {
						t.Errorf("code = %s, want %s", r.Code, tt.code)
					}
					checkNothingGranted(t, a)
				}
			})
		}
	})
}

func TestPresignAnswersPages(t *testing.T) {
	t.Parallel()
	const app = "https://app.example"
	s := newSite(t, settingsOf(map[string]string{"CORS_ORIGINS": app + ", https://b.example:8443"}))
	good := []byte(`{"filename":"a.txt","size":5}`)
	tests := []struct {
		name, origin string
		allowed      bool
	}{
		{"of an allowed origin", app, true},
		{"of another allowed origin", "https://b.example:8443", true},
		{"of an origin with another port", "https://b.example", false},
		{"of a longer origin", app + ".evil.example", false},
		{"of another scheme", "http://app.example", false},
		{"of no origin", "null", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			origin := http.Header{"Origin": {tt.origin}}
			preflight := maps.Clone(origin)
			preflight["Access-Control-Request-Method"] = []string{"POST"}
			preflight["Access-Control-Request-Headers"] = []string{"authorization,content-type,x-trace"}
			answers := map[string]reply{
				"a preflight": s.ask(t, "OPTIONS", "/presign", preflight, nil),
				"a refusal":   s.ask(t, "POST", "/presign", origin, good),
			}
			if status := answers["a preflight"].Status; status != http.StatusNoContent {
				t.Errorf("a preflight without authentication = %d, want 204", status)
			}
			if status := answers["a refusal"].Status; status != http.StatusUnauthorized {
				t.Errorf("a POST without authentication = %d, want 401", status)
			}
			authorized := holderOf(s.Ready.CallerToken)
			authorized.Set("Origin", tt.origin)
			answers["a grant"] = s.ask(t, "POST", "/presign", authorized, good)
			if answers["a grant"].Status == http.StatusOK {
				s.readPresigned(t, answers["a grant"])
			}
			// Read before the function is asked, and refused all the same.
			answers["413"] = s.ask(t, "POST", "/presign", authorized, make([]byte, 2<<20+1))
			for name, a := range answers {
				want := ""
				if tt.allowed {
					want = tt.origin
				}
				if got := a.Header.Get("Access-Control-Allow-Origin"); got != want {
					t.Errorf("Access-Control-Allow-Origin of %s = %q, want %q", name, got, want)
				}
				if got := a.Header.Get("Vary"); got != "Origin" {
					t.Errorf("Vary of %s = %q, want Origin", name, got)
				}
				if got := a.Header.Get("Access-Control-Expose-Headers"); strings.Contains(got, "X-Request-Id") != tt.allowed {
					t.Errorf("Access-Control-Expose-Headers of %s = %q", name, got)
				}
			}
			allowed := strings.ToLower(answers["a preflight"].Header.Get("Access-Control-Allow-Headers"))
			methods := answers["a preflight"].Header.Get("Access-Control-Allow-Methods")
			for _, name := range []string{"authorization", "content-type", "x-trace"} {
				if strings.Contains(allowed, name) != tt.allowed {
					t.Errorf("Access-Control-Allow-Headers = %q, with %s: want %v", allowed, name, tt.allowed)
				}
			}
			if strings.Contains(methods, "POST") != tt.allowed {
				t.Errorf("Access-Control-Allow-Methods = %q, with POST: want %v", methods, tt.allowed)
			}
		})
	}
}

// A page sends what /presign tells it to, so OSS must let it.
func TestPageMaySendThePut(t *testing.T) {
	onBothSites(t, func(t *testing.T, s *site) {
		content := []byte("from a page")
		p := s.presign(t, s.Ready.CallerToken, fullWish(content))
		preflight := p.with(nil)
		preflight.method = http.MethodOptions
		preflight.header = http.Header{
			"Origin":                         {"https://app.example"},
			"Access-Control-Request-Method":  {"PUT"},
			"Access-Control-Request-Headers": {strings.ToLower(strings.Join(slices.Sorted(maps.Keys(p.Headers)), ","))},
		}
		if a := s.send(t, preflight); a.Status != http.StatusOK || a.Header.Get("Access-Control-Allow-Headers") == "" {
			t.Errorf("the preflight of the PUT = %v, want 200 with headers", a)
		}
		put := p.with(content)
		put.header.Set("Origin", "https://app.example")
		s.checkAnnounced(t, s.send(t, put), p.Key, content)
	})
}
