package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack"
	"ossupload/shared/uploadtoken"
)

func jsonOf(a reply, out any) error { return json.Unmarshal(a.Body, out) }

// forgery is a callback that its key signed and that must not count. Whoever
// has a bucket of their own can make OSS sign such a body, and whoever factors
// the published key can sign it without OSS.
type forgery struct {
	name, reason string
	change       func(t *testing.T, s *scene)
}

// signedBody makes the scene's body of the honest one.
func signedBody(edit func(honest string) string) func(*testing.T, *scene) {
	return func(_ *testing.T, s *scene) { s.raw = edit(s.notice.body()) }
}

func constantBody(body string) func(*testing.T, *scene) {
	return signedBody(func(string) string { return body })
}

// tokenOf puts another token into the scene's notice.
func tokenOf(token func(s *scene) string) func(*testing.T, *scene) {
	return func(_ *testing.T, s *scene) { s.notice.token = token(s) }
}

// sealedWith is the honest token, but sealed with another secret of the stack's.
func sealedWith(secret func(stack.Identity) []byte) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		s.notice.token, _ = newKeyring(t, "k1", secret(s.u.r.Identity)).Seal(uploadtoken.Upload, s.u.claims)
	}
}

func sizeOf(text string) func(*testing.T, *scene) {
	return func(_ *testing.T, s *scene) { s.notice.size = text }
}

// smuggled moves a part of the notice from the body to elsewhere, and signs
// what results.
func smuggled(move func(s *scene, m *message)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		s.late = func(m *message) {
			move(s, m)
			m.header.Set("Authorization", signCallback(t, s.key, m.path, m.body))
		}
	}
}

func withoutToken(s *scene) string {
	return strings.TrimSuffix(s.notice.body(), "&token="+s.notice.token)
}

var forgeries = []forgery{
	{"the token in the query alone", "body", smuggled(func(s *scene, m *message) {
		m.path, m.body = "/callback?token="+s.notice.token, withoutToken(s)
	})},
	{"all of the notice in the query", "body", smuggled(func(s *scene, m *message) { m.path, m.body = "/callback?"+sortedQuery(m.body), "" })},
	{"the object in the query", "body", smuggled(func(s *scene, m *message) {
		m.path, m.body = "/callback?object=x", strings.Replace(m.body, "object=", "other=", 1)
	})},
	{"the token in a header", "body", smuggled(func(s *scene, m *message) {
		m.body = withoutToken(s)
		m.header.Set("X-Oss-Token", s.notice.token)
	})},
	{"the token in a cookie", "body", smuggled(func(s *scene, m *message) {
		m.body = withoutToken(s)
		m.header.Set("Cookie", "token="+s.notice.token)
	})},

	{"a constant word", "body", constantBody("hello")},
	{"an empty JSON object", "body", constantBody("{}")},
	{"a JSON list", "body", constantBody("[]")},
	{"null", "body", constantBody("null")},
	{"XML", "body", constantBody("<notice/>")},
	{"a single zero byte", "body", constantBody("\x00")},
	{"ten thousand ampersands", "body", constantBody(strings.Repeat("&", 10_000))},
	{"a thousand fields", "body", constantBody(strings.Repeat("a=b&", 1_000) + "a=b")},
	{"a template that nobody filled", "body", constantBody("bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&reqId=${reqId}&token=x")},
	{"a bucket that nobody filled", "token", func(_ *testing.T, s *scene) { s.notice.bucket = "${bucket}" }},
	{"the etag of a template", "object", func(_ *testing.T, s *scene) { s.notice.etag = "${etag}" }},
	{"a foreign bucket's constant for ours", "token", func(_ *testing.T, s *scene) { s.notice.token = "v1.k1." + strings.Repeat("A", 400) }},

	{"semicolons between the fields", "body", signedBody(func(b string) string { return strings.ReplaceAll(b, "&", ";") })},
	{"brackets behind a name", "body", signedBody(func(b string) string { return strings.Replace(b, "token=", "token[]=", 1) })},
	{"an encoded name", "body", signedBody(func(b string) string { return strings.Replace(b, "token=", "%74oken=", 1) })},
	{"space around a name", "body", signedBody(func(b string) string { return strings.Replace(b, "&token=", "&+token=", 1) })},
	{"a field twice, the second empty", "body", signedBody(func(b string) string { return b + "&token=" })},
	{"a field twice, the first of another", "body", signedBody(func(b string) string { return "object=uploads%2Fsomebody%2Fx&" + b })},
	{"a name without a value", "body", signedBody(func(b string) string { return b + "&x" })},
	{"the fields as multipart/form-data", "body", signedBody(func(b string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n" + b + "\r\n--b--\r\n"
	})},
	{"a broken escape", "body", signedBody(func(b string) string { return strings.Replace(b, "%2F", "%zz", 1) })},
	{"an object that is no UTF-8", "body", func(_ *testing.T, s *scene) { s.notice.object += "\xff" }},
	{"its values encoded twice", "token", func(_ *testing.T, s *scene) { s.notice.object = url.QueryEscape(s.notice.object) }},
	{"an object of 20 KiB", "token", func(_ *testing.T, s *scene) { s.notice.object += strings.Repeat("x", 20<<10) }},
	{"an object with a zero byte", "token", func(_ *testing.T, s *scene) { s.notice.object += "\x00" }},
	{"an object with a line feed", "token", func(_ *testing.T, s *scene) { s.notice.object += "\n" }},
	{"an object with a dot segment", "token", func(_ *testing.T, s *scene) { s.notice.object = "uploads/../" + s.notice.object }},
	{"the object in capitals", "token", func(_ *testing.T, s *scene) { s.notice.object = strings.ToUpper(s.notice.object) }},
	{"the bucket in capitals", "token", func(_ *testing.T, s *scene) { s.notice.bucket = strings.ToUpper(s.notice.bucket) }},
	{"an ETag of 20 KiB", "object", func(_ *testing.T, s *scene) { s.notice.etag += strings.Repeat("0", 20<<10) }},
	{"an ETag with a quote inside", "body", func(_ *testing.T, s *scene) { s.notice.etag = s.notice.etag[:16] + `"` + s.notice.etag[16:] }},
	{"an ETag with space behind it", "object", func(_ *testing.T, s *scene) { s.notice.etag += " " }},
	{"half an ETag", "object", func(_ *testing.T, s *scene) { s.notice.etag = s.notice.etag[:16] }},
	{"a size beyond 64 bits", "body", sizeOf("99999999999999999999")},
	{"a size with an exponent", "body", sizeOf("1e3")},
	{"a size in hex", "body", sizeOf("0x10")},
	{"a size in fullwidth digits", "body", sizeOf("１７")},
	{"a size with a fraction", "body", sizeOf("17.0")},
	{"a size with underscores", "body", sizeOf("1_7")},
	{"a size of nothing", "object", sizeOf("0")},
	{"a size that fits 64 bits just so", "object", sizeOf("9223372036854775807")},

	{"a token of 3 KiB", "token", tokenOf(func(s *scene) string { return s.notice.token + strings.Repeat("A", 3<<10) })},
	{"a token with a line feed behind it", "token", tokenOf(func(s *scene) string { return s.notice.token + "\n" })},
	{"a token with space before it", "token", tokenOf(func(s *scene) string { return " " + s.notice.token })},
	{"a token in capitals", "token", tokenOf(func(s *scene) string { return strings.ToUpper(s.notice.token) })},
	{"a token of another version", "token", tokenOf(func(s *scene) string { return "v2" + s.notice.token[2:] })},
	{"a token of no version", "token", tokenOf(func(s *scene) string { return s.notice.token[3:] })},
	{"a token whose key id has another case", "token", tokenOf(func(s *scene) string { return "v1.K1" + s.notice.token[5:] })},
	{"a token without a key id", "token", tokenOf(func(s *scene) string { return "v1.." + s.notice.token[6:] })},
	{"a token of nothing sealed", "token", tokenOf(func(*scene) string { return "v1.k1." })},
	{"a token that is a word", "token", tokenOf(func(*scene) string { return "a-word-that-nobody-sealed" })},
	{"a token padded as base64", "token", tokenOf(func(s *scene) string { return s.notice.token + "=" })},
	{"a token in the other alphabet", "token", func(_ *testing.T, s *scene) { s.notice.token = "v1.k1." + strings.Repeat("+/", 300) }},
	{"a token sealed with zeroes", "token", sealedWith(func(stack.Identity) []byte { return make([]byte, 32) })},
	{"a token sealed with the receipts' secret", "token", sealedWith(func(id stack.Identity) []byte { return id.ReceiptSecret })},
	{"a token sealed with the callers' secret", "token", sealedWith(func(id stack.Identity) []byte { return id.CallerSecret })},
	{"a token sealed with the webhook's secret", "token", sealedWith(func(id stack.Identity) []byte { return id.WebhookSecret })},
	{"a token sealed with the callback's key", "token", sealedWith(func(id stack.Identity) []byte { return id.CallbackKey })},
	{"the caller's own JWT as token", "token", func(t *testing.T, s *scene) { s.notice.token = s.u.r.Ready.CallerToken }},
	{"a capability as token", "token", func(t *testing.T, s *scene) { s.notice.token = s.u.r.capability(t, s.u.r.Ready.CallerToken) }},
	{"the receipt of another upload as token", "token", func(t *testing.T, s *scene) {
		u, honest := s.u.r.stage(t, nil, nil)
		s.notice.token = s.u.r.deliver(t, honest).receipt(t, "honest callback", u.key, u.content).ReceiptToken
	}},
	{"another upload's token, both of them stored", "token", func(t *testing.T, s *scene) {
		other, _ := s.u.r.stage(t, nil, nil)
		s.notice.token = other.token
	}},
	{"the token of somebody else's upload", "token", func(t *testing.T, s *scene) {
		theirs := s.u.claims
		theirs.Key = strings.Replace(theirs.Key, "/demo/", "/somebody/", 1)
		s.notice.token = s.u.r.seal(t, uploadtoken.Upload, theirs)
	}},
	{"a grant for this key as token", "token", func(t *testing.T, s *scene) { s.notice.token = s.u.r.seal(t, uploadtoken.Grant, s.u.claims) }},
}

// sortedQuery is a body as a gateway's event orders its parameters.
func sortedQuery(body string) string {
	values, _ := url.ParseQuery(body)
	return values.Encode()
}

// capability asks for a session and returns what its endpoint ends in.
func (r *rig) capability(t *testing.T, caller string) string {
	t.Helper()
	var session struct{ Endpoint string }
	r.call(t, http.MethodPost, "/session", caller, map[string]any{}).into(t, "POST /session", &session)
	capability := session.Endpoint[strings.LastIndexByte(session.Endpoint, '/')+1:]
	r.logged.secret(capability)
	return capability
}

// unbelieved is "" when a callback is refused for just this reason.
func (c *campaign) unbelieved(t *testing.T, m message, reason string) string {
	since := c.logged.length()
	a := c.deliver(t, m)
	var said complaint
	if err := jsonOf(a, &said); err != nil {
		return fmt.Sprintf("answered %v", a)
	}
	if breach := denied(a, "callback_rejected"); breach != "" {
		return breach
	}
	if got := c.logged.reason(t, since, said.RequestID); got != reason {
		return fmt.Sprintf("refused for %q, want %q", got, reason)
	}
	return ""
}

// reason is what was logged about a request after the log had a length of
// since. The whole log of a campaign is long.
func (l *logLines) reason(t *testing.T, since int, requestID string) string {
	t.Helper()
	l.want(t, since, requestID, `"reason":`)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, line, _ := strings.Cut(string(l.text.Bytes()[since:]), requestID)
	_, line, _ = strings.Cut(line, `"reason":"`)
	reason, _, _ := strings.Cut(line, `"`)
	return reason
}

// honestCallback is the control of every forgery.
func (c *campaign) honestCallback(t *testing.T) string {
	_, honest := c.stage(t, nil, nil)
	return passed(c.deliver(t, honest))
}

func callbackForgeries(_ *testing.T, c *campaign) []attack {
	var rows []attack
	forged := func(name, reason string, wish map[string]any, change func(*testing.T, *scene)) {
		rows = append(rows, attack{name, func(t *testing.T) string {
			u, m := c.stage(t, wish, change)
			c.keepSilent(u.key, name)
			return c.unbelieved(t, m, reason)
		}, c.honestCallback})
	}
	for _, f := range callbackAttacks {
		forged(f.name, f.reason, f.wish, f.change)
	}
	for _, f := range forgeries {
		forged(f.name, f.reason, nil, f.change)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		rows = append(rows, attack{"an honest callback by " + method, func(t *testing.T) string {
			u, m := c.stage(t, nil, nil)
			c.keepSilent(u.key, method)
			m.method = method
			return denied(c.deliver(t, m), "method_not_allowed")
		}, c.honestCallback})
	}
	for _, path := range []string{"/presign", "/session", "/sts", "/download", "/s3/multipart", "/confirm"} {
		rows = append(rows, attack{"an honest callback for " + path, func(t *testing.T) string {
			u, m := c.stage(t, nil, nil)
			c.keepSilent(u.key, path)
			m.path = path
			return denied(c.deliver(t, m), "unauthenticated")
		}, c.honestCallback})
	}
	return append(rows,
		attack{"a body over 64 KiB", func(t *testing.T) string {
			u, m := c.stage(t, nil, nil)
			c.keepSilent(u.key, "a body over 64 KiB")
			return denied(c.deliver(t, c.signed(t, c.CallbackKey, "text/plain", m.body+strings.Repeat("&", 64<<10))), "too_large")
		}, c.honestCallback},
		attack{"twenty replays at once", func(t *testing.T) string {
			u, m := c.stage(t, nil, nil)
			c.atOnce(t, 20, m.method, c.Ready.Gateway+m.path, m.header, []byte(m.body))
			if n := len(c.events(t, u.key)); n != 1 {
				return fmt.Sprintf("%d events were delivered, want 1", n)
			}
			return ""
		}, c.honestCallback},
		attack{"a replay after the object was deleted", func(t *testing.T) string {
			u, m := c.stage(t, nil, nil)
			c.erase(t, u.key)
			c.keepSilent(u.key, "replay")
			return c.unbelieved(t, m, "object")
		}, c.honestCallback},
	)
}

// erase deletes an object as its owner could.
func (r *rig) erase(t *testing.T, key string) {
	t.Helper()
	if _, err := r.developer.DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: &r.Ready.Bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
}
