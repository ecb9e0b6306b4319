package main

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// Each row is one change to an honest callback.
func TestRejects(t *testing.T) {
	encoded := func(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(s))} }
	type change func(t *testing.T, w *world, m *message)
	body := func(fields map[string]string) change {
		return func(t *testing.T, w *world, m *message) { m.says(t, notice(t, fields)) }
	}
	text := func(replace func(body string) string) change {
		return func(t *testing.T, w *world, m *message) { m.says(t, replace(m.body)) }
	}
	header := func(name string, values ...string) change {
		return func(t *testing.T, w *world, m *message) {
			if delete(m.header, name); values != nil {
				m.header[name] = values
			}
		}
	}
	token := func(p uploadtoken.Purpose, edit func(*uploadtoken.Claims)) change {
		return func(t *testing.T, w *world, m *message) {
			c := claims()
			edit(&c)
			m.says(t, notice(t, map[string]string{"token": seal(t, tokenKeys, p, c)}))
		}
	}
	object := func(edit func(*storage.Object)) change {
		return func(t *testing.T, w *world, m *message) { w.object(edit) }
	}
	unchanged := func(*uploadtoken.Claims) {}
	otherBucket := uploadtoken.Place{Bucket: "otherbucket", Prefix: "u/"}
	tests := []struct {
		name, reason string
		change       change
	}{
		{"no key URL", "key_url", header("x-oss-pub-key-url")},
		{"two key URLs", "key_url", header("x-oss-pub-key-url", slices.Concat(encoded(keyURL), encoded(keyURL))...)},
		{"a key URL of nobody's", "key_url", header("x-oss-pub-key-url", encoded("https://evil.example.com/key.pem")...)},
		{"a key URL that begins like ours", "key_url", header("x-oss-pub-key-url", encoded(keyURL+"?x")...)},
		{"a key URL over plain http", "key_url", header("x-oss-pub-key-url", encoded(strings.Replace(keyURL, "https", "http", 1))...)},
		{"OSS's own key URL, which is not configured", "key_url", header("x-oss-pub-key-url", encoded("https://gosspublic.alicdn.com/callback_pub_key_v1.pem")...)},
		{"a key URL that is not encoded", "key_url", header("x-oss-pub-key-url", keyURL)},

		{"no signature", "signature", header("Authorization")},
		{"two signatures", "signature", func(t *testing.T, w *world, m *message) {
			m.header["Authorization"] = slices.Repeat(m.header["Authorization"], 2)
		}},
		{"a signature that is none", "signature", header("Authorization", "junk")},
		{"a signature of another version", "signature", header("x-oss-signature-version", "2.0")},
		{"a signature of nobody's", "signature", func(t *testing.T, w *world, m *message) { m.sign(t, ossKeys()[1], "/hooks/callback?tenant=a%2Fb&x=1") }},
		{"a body that was changed", "signature", func(t *testing.T, w *world, m *message) { m.body = strings.Replace(m.body, "size=5", "size=6", 1) }},
		{"the built-in key, which did not sign", "signature", func(t *testing.T, w *world, m *message) {
			w.settings.CallbackKeyURLs = nil
			m.header["x-oss-pub-key-url"] = encoded("https://gosspublic.alicdn.com/callback_pub_key_v1.pem")
		}},

		{"no body", "body", text(func(string) string { return "" })},
		{"JSON", "body", text(func(string) string { return `{"bucket":"examplebucket"}` })},
		{"no bucket", "body", body(map[string]string{"bucket": ""})},
		{"no object", "body", body(map[string]string{"object": ""})},
		{"no ETag", "body", body(map[string]string{"etag": ""})},
		{"no size", "body", body(map[string]string{"size": ""})},
		{"no request id", "body", body(map[string]string{"reqId": ""})},
		{"no token", "body", body(map[string]string{"token": ""})},
		{"one field more", "body", body(map[string]string{"mimeType": "image/png"})},
		{"a field twice", "body", text(func(b string) string { return b + "&size=5" })},
		{"a size with a sign", "body", body(map[string]string{"size": "+5"})},
		{"a size below zero", "body", body(map[string]string{"size": "-5"})},
		{"a size over all numbers", "body", body(map[string]string{"size": "9223372036854775808"})},
		{"a stray quote", "body", body(map[string]string{"etag": `"` + testETag})},

		{"a token that is none", "token", body(map[string]string{"token": "v1.k1.AAAA"})},
		{"a token that ends now", "token", token(uploadtoken.Upload, func(c *uploadtoken.Claims) { c.ExpiresAt = testNow.Unix() })},
		{"a forged token", "token", func(t *testing.T, w *world, m *message) {
			other := []uploadtoken.Key{{ID: "k1", Secret: make([]byte, 32)}}
			m.says(t, notice(t, map[string]string{"token": seal(t, other, uploadtoken.Upload, claims())}))
		}},
		{"a token of an unknown key", "token", func(t *testing.T, w *world, m *message) {
			other := []uploadtoken.Key{{ID: "k9", Secret: tokenKeys[0].Secret}}
			m.says(t, notice(t, map[string]string{"token": seal(t, other, uploadtoken.Upload, claims())}))
		}},
		{"a grant in a token's place", "token", token(uploadtoken.Grant, unchanged)},
		{"a multipart upload's token", "token", token(uploadtoken.Multipart, unchanged)},
		{"a token and a notice for another bucket", "token", func(t *testing.T, w *world, m *message) {
			m.says(t, notice(t, map[string]string{"bucket": "otherbucket", "token": sealAt(t, otherBucket, tokenKeys, uploadtoken.Upload, claims())}))
		}},
		{"a token for another bucket", "token", func(t *testing.T, w *world, m *message) {
			m.says(t, notice(t, map[string]string{"token": sealAt(t, otherBucket, tokenKeys, uploadtoken.Upload, claims())}))
		}},
		{"a token of another prefix, which shares bucket and secrets", "token", func(t *testing.T, w *world, m *message) {
			m.says(t, notice(t, map[string]string{"token": sealAt(t, uploadtoken.Place{Bucket: "examplebucket", Prefix: "v/"}, tokenKeys, uploadtoken.Upload, claims())}))
		}},
		{"a token of a former place", "token", func(t *testing.T, w *world, m *message) {
			w.settings.Former = []uploadtoken.Place{otherBucket}
			m.says(t, notice(t, map[string]string{"token": sealAt(t, otherBucket, tokenKeys, uploadtoken.Upload, claims())}))
		}},
		{"a token of the secret before the last", "token", func(t *testing.T, w *world, m *message) {
			third := uploadtoken.Key{ID: "k3", Secret: make([]byte, 32)}
			w.settings.TokenKeys = append(slices.Clone(tokenKeys), uploadtoken.Key{ID: "k2", Secret: make([]byte, 33)}, third)
			m.says(t, notice(t, map[string]string{"token": seal(t, []uploadtoken.Key{third}, uploadtoken.Upload, claims())}))
		}},
		{"a notice from another bucket", "token", body(map[string]string{"bucket": "otherbucket"})},
		{"a token for another key", "token", token(uploadtoken.Upload, func(c *uploadtoken.Claims) { c.Key = "u/alice/x.png" })},
		{"a notice for another key", "token", body(map[string]string{"object": "u/alice/x.png"})},

		{"no object there", "object", func(t *testing.T, w *world, m *message) { clear(w.bucket.objects) }},
		{"another size than announced", "object", body(map[string]string{"size": "6"})},
		{"another ETag than announced", "object", body(map[string]string{"etag": "E"})},
		{"another size than granted", "object", token(uploadtoken.Upload, func(c *uploadtoken.Claims) { *c.Size = 6 })},
		{"more than granted", "object", token(uploadtoken.Upload, func(c *uploadtoken.Claims) { c.Size, c.MaxSize = nil, 4 })},
		{"another type than granted", "object", token(uploadtoken.Upload, func(c *uploadtoken.Claims) { c.ContentType = "image/gif" })},
		{"another CRC-64 than declared", "object", token(uploadtoken.Upload, func(c *uploadtoken.Claims) { c.CRC64 = "124" })},
		{"a symlink", "object", object(func(o *storage.Object) { o.Type = "Symlink" })},
		{"an object that grows", "object", object(func(o *storage.Object) { o.Type = "Appendable" })},
		{"a Content-Encoding nobody granted", "object", object(func(o *storage.Object) { o.ContentEncoding = "gzip" })},
		{"a Content-Disposition nobody granted", "object", object(func(o *storage.Object) { o.ContentDisposition = "inline" })},
		{"a Cache-Control nobody granted", "object", object(func(o *storage.Object) { o.CacheControl = "no-cache" })},
		{"an Expires nobody granted", "object", object(func(o *storage.Object) { o.Expires = "Thu, 01 Jan 2037 00:00:00 GMT" })},
		{"metadata nobody granted", "object", object(func(o *storage.Object) { o.Metadata["a"] = "b\r\n\x00" })},
		{"metadata with another value", "object", object(func(o *storage.Object) { o.Metadata["album"] = "b" })},
		{"metadata that is missing", "object", object(func(o *storage.Object) { delete(o.Metadata, "album") })},
		{"another file name", "object", object(func(o *storage.Object) { o.Metadata["ossupload-filename"] = "b.png" })},
		{"a tag nobody granted", "object", object(func(o *storage.Object) { o.Tags = 1 })},
	}
	// To whom it is not believed nothing is told but that.
	const same = `{"code":"callback_rejected","message":"The callback was rejected.","requestId":"request-1","error":"The callback was rejected."}`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, m := newWorld(t), callback(t)
			tt.change(t, w, m)
			a := send(t, w.function(t), m)
			if a.Status != http.StatusForbidden || a.Body != same {
				t.Errorf("answer %d %s, want 403 %s", a.Status, a.Body, same)
			}
			if !strings.Contains(w.log.String(), `"reason":"`+tt.reason+`"`) {
				t.Errorf("log %s, want the reason %s", w.log, tt.reason)
			}
			// Nothing is called before it has to be, and nobody is told.
			calls := map[string][2]int{"key_url": {0, 0}, "signature": {min(1, len(w.keys.asked)), 0}, "body": {1, 0}, "token": {1, 0}, "object": {1, 1}}
			if got := [2]int{len(w.keys.asked), len(w.bucket.heads)}; got != calls[tt.reason] {
				t.Errorf("%d key fetches and %d HEADs, want %v", got[0], got[1], calls[tt.reason])
			}
			if len(w.backend.deliveries)+len(w.bucket.puts) != 0 {
				t.Errorf("%d deliveries, and %q was stored, want nothing", len(w.backend.deliveries), w.bucket.puts)
			}
		})
	}
}

// What fails although the callback may be genuine is told apart.
func TestFailures(t *testing.T) {
	head := func(reason error) func(*world) { return func(w *world) { w.bucket.fails["HEAD"] = reason } }
	tests := []struct {
		name        string
		change      func(*world)
		status      int
		code, again string
		reason      string
		heads       int
	}{
		{"the key server fails", func(w *world) { w.keys.status = 500 }, 502, "storage_error", "", "key_url", 0},
		{"the key server redirects", func(w *world) { w.keys.status = 302 }, 502, "storage_error", "", "key_url", 0},
		{"the key is none", func(w *world) { w.keys.document = []byte("junk") }, 502, "storage_error", "", "key_url", 0},
		{"the key is too long", func(w *world) { w.keys.document = make([]byte, 1<<20) }, 502, "storage_error", "", "key_url", 0},
		{"OSS refuses", head(storage.ErrDenied), 502, "storage_denied", "", "", 1},
		{"OSS is busy", head(storage.ErrThrottled), 503, "throttled", "1", "", 1},
		{"OSS fails", head(storage.ErrUnavailable), 502, "storage_error", "1", "", 1},
		{"OSS is slow", head(storage.ErrTimeout), 504, "storage_timeout", "1", "", 1},
		{"no credentials", head(storage.ErrCredentials), 500, "internal", "", "", 1},
		{"what nobody foresaw", head(errors.New("odd")), 500, "internal", "", "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.change(w)
			a := send(t, w.function(t), callback(t))
			if a.refused(t, tt.status, tt.code); a.Header["Retry-After"] != tt.again {
				t.Errorf("Retry-After %q, want %q", a.Header["Retry-After"], tt.again)
			}
			if tt.reason != "" && !strings.Contains(w.log.String(), `"reason":"`+tt.reason+`"`) {
				t.Errorf("log %s, want the reason %s", w.log, tt.reason)
			}
			if len(w.bucket.heads) != tt.heads || len(w.backend.deliveries)+len(w.bucket.puts) != 0 {
				t.Errorf("%d HEADs and %d deliveries, and %q was stored, want %d HEADs alone", len(w.bucket.heads), len(w.backend.deliveries), w.bucket.puts, tt.heads)
			}
		})
	}
}
