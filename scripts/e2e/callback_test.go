package e2e

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/shared/uploadtoken"
)

// grantedPut is an upload that was granted, and not yet made.
type grantedPut struct {
	r       *rig
	key     string
	url     string
	header  map[string]string // to be sent with it
	token   string
	claims  uploadtoken.Claims
	content []byte
}

// grantPut asks for a PUT as the caller of the ready line.
func (r *rig) grantPut(t *testing.T, wish map[string]any) grantedPut {
	t.Helper()
	return r.grantPutAs(t, r.Ready.CallerToken, wish)
}

func (r *rig) grantPutAs(t *testing.T, caller string, wish map[string]any) grantedPut {
	t.Helper()
	u := grantedPut{r: r, content: []byte("a picture of " + rand.Text())}
	in := map[string]any{"filename": "holiday.png", "contentType": "image/png", "size": len(u.content), "vars": map[string]string{"album": "7"}}
	maps.Copy(in, wish)
	var out struct {
		Key, URL, UploadToken string
		Headers               map[string]string
	}
	r.call(t, http.MethodPost, "/presign", caller, in).into(t, "POST /presign", &out)
	u.key, u.url, u.header, u.token = out.Key, out.URL, out.Headers, out.UploadToken
	u.claims = r.open(t, uploadtoken.Upload, u.token)
	r.logged.secret(u.token, u.header["x-oss-meta-ossupload-grant"])
	return u
}

// put uploads as a client does, so that OSS sends the callback.
func (u grantedPut) put(t *testing.T) reply {
	t.Helper()
	header := http.Header{}
	for name, value := range u.header {
		header.Set(name, value)
	}
	return u.r.request(t, http.MethodPut, u.url, header, u.content)
}

// notice is what OSS says of an upload in the body of a callback.
type notice struct {
	bucket, object, etag, size, reqID, token string
}

func (u grantedPut) notice(etag string) notice {
	return notice{
		bucket: u.r.Ready.Bucket, object: u.key, etag: etag, size: fmt.Sprint(len(u.content)),
		reqID: "5CF3E7821AB22D0FDB86704D", token: u.token,
	}
}

// body is the notice in the form that presign configures.
func (n notice) body() string {
	e := url.QueryEscape
	return "bucket=" + e(n.bucket) + "&object=" + e(n.object) + "&etag=" + e(n.etag) +
		"&size=" + e(n.size) + "&reqId=" + e(n.reqID) + "&token=" + e(n.token)
}

// message is a callback as it is sent.
type message struct {
	method, path string
	header       http.Header
	body         string
}

// message makes the callback that OSS would send, signed with its key.
func (r *rig) message(t *testing.T, n notice) message {
	t.Helper()
	return r.signed(t, r.CallbackKey, "application/x-www-form-urlencoded", n.body())
}

func (r *rig) signed(t *testing.T, key *rsa.PrivateKey, contentType, body string) message {
	t.Helper()
	signature := signCallback(t, key, "/callback", body)
	r.logged.secret(signature)
	return message{method: http.MethodPost, path: "/callback", body: body, header: http.Header{
		"Authorization":           {signature},
		"X-Oss-Pub-Key-Url":       {base64.StdEncoding.EncodeToString([]byte(r.Ready.OSS + stack.CallbackKeyPath))},
		"X-Oss-Signature-Version": {"1.0"},
		"X-Oss-Tag":               {"CALLBACK"},
		"Content-Type":            {contentType},
		"User-Agent":              {"aliyun-oss-callback"},
	}}
}

func (r *rig) deliver(t *testing.T, m message) reply {
	t.Helper()
	return r.request(t, m.method, r.Ready.Gateway+m.path, m.header, []byte(m.body))
}

// scene is one callback in the making. A test changes one thing of it: what is
// stored, what OSS signs, or what arrives.
type scene struct {
	u       grantedPut
	header  map[string]string // that the object is stored with
	absent  bool              // nothing is stored
	link    bool              // a symlink to the bytes is stored
	content []byte
	notice  notice
	raw     string          // signed instead of the notice, if set
	key     *rsa.PrivateKey // that signs
	kind    string          // Content-Type of the callback
	late    func(*message)  // changes what was signed
}

// callbackAttacks are all refused, each for one reason.
var callbackAttacks = []struct {
	name   string
	reason string
	wish   map[string]any
	change func(t *testing.T, s *scene)
}{
	{name: "no token", reason: "body", change: func(_ *testing.T, s *scene) {
		s.raw = strings.TrimSuffix(s.notice.body(), "&token="+s.notice.token)
	}},
	{name: "an empty token", reason: "body", change: func(_ *testing.T, s *scene) { s.notice.token = "" }},
	{name: "a forged token", reason: "token", change: func(_ *testing.T, s *scene) {
		middle := len(s.notice.token) / 2
		s.notice.token = s.notice.token[:middle] + swapped(s.notice.token[middle]) + s.notice.token[middle+1:]
	}},
	{name: "a token that was cut off", reason: "token", change: func(_ *testing.T, s *scene) { s.notice.token = s.notice.token[:len(s.notice.token)-4] }},
	{name: "a token of a secret of one's own under our key id", reason: "token", change: func(t *testing.T, s *scene) {
		s.notice.token, _ = newKeyring(t, "k1", randomBytes(32)).Seal(uploadtoken.Upload, s.u.claims)
	}},
	{name: "a token of an unknown key id", reason: "token", change: func(t *testing.T, s *scene) {
		s.notice.token, _ = newKeyring(t, "k2", s.u.r.Identity.TokenSecret).Seal(uploadtoken.Upload, s.u.claims)
	}},
	{name: "an expired token", reason: "token", change: func(t *testing.T, s *scene) {
		s.u.claims.ExpiresAt = time.Now().Unix()
		s.notice.token = s.u.r.seal(t, uploadtoken.Upload, s.u.claims)
	}},
	{name: "a multipart upload id as token", reason: "token", change: func(t *testing.T, s *scene) {
		s.notice.token = s.u.r.seal(t, uploadtoken.Multipart, s.u.claims)
	}},
	{name: "the stored grant as token", reason: "token", change: func(_ *testing.T, s *scene) {
		s.notice.token = s.u.header["x-oss-meta-ossupload-grant"]
	}},
	{name: "the token of another upload", reason: "token", change: func(t *testing.T, s *scene) { s.notice.token = s.u.r.grantPut(t, nil).token }},
	{name: "another bucket", reason: "token", change: func(_ *testing.T, s *scene) { s.notice.bucket = "ossupload-other" }},
	{name: "another bucket in notice and token", reason: "token", change: func(t *testing.T, s *scene) {
		s.notice.bucket = "ossupload-other"
		s.notice.token = s.u.r.sealAt(t, uploadtoken.Place{Bucket: s.notice.bucket, Prefix: here.Prefix}, uploadtoken.Upload, s.u.claims)
	}},
	{name: "the token of another prefix", reason: "token", change: func(t *testing.T, s *scene) {
		s.notice.token = s.u.r.sealAt(t, uploadtoken.Place{Bucket: here.Bucket, Prefix: "up/"}, uploadtoken.Upload, s.u.claims)
	}},
	{name: "another object", reason: "token", change: func(_ *testing.T, s *scene) { s.notice.object += "x" }},
	{name: "the object's name in another spelling", reason: "token", change: func(_ *testing.T, s *scene) { s.notice.object = "/" + s.notice.object }},

	{name: "an absent object", reason: "object", change: func(_ *testing.T, s *scene) { s.absent = true }},
	{name: "another size than stored", reason: "object", change: func(_ *testing.T, s *scene) { s.notice.size += "0" }},
	{name: "another ETag than stored", reason: "object", change: func(_ *testing.T, s *scene) { s.notice.etag = strings.Repeat("0", 32) }},
	{name: "another size than granted", reason: "object", change: func(_ *testing.T, s *scene) {
		s.content = append(s.content, '!')
		s.notice.size, s.notice.etag = fmt.Sprint(len(s.content)), etagOf(s.content)
	}},
	{name: "metadata that nobody granted", reason: "object", change: func(_ *testing.T, s *scene) { s.header["x-oss-meta-x"] = "y" }},
	{name: "another type than granted", reason: "object", change: func(_ *testing.T, s *scene) { s.header["Content-Type"] = "text/html" }},
	{name: "other bytes than declared", reason: "object", wish: map[string]any{"checksum": map[string]string{"crc64": "1"}}, change: func(*testing.T, *scene) {}},
	{name: "a symlink to the bytes", reason: "object", change: func(_ *testing.T, s *scene) { s.link = true }},
	{name: "a Content-Encoding that nobody granted", reason: "object", change: func(_ *testing.T, s *scene) { s.header["Content-Encoding"] = "gzip" }},
	{name: "a Content-Disposition that nobody granted", reason: "object", change: func(_ *testing.T, s *scene) { s.header["Content-Disposition"] = "inline" }},
	{name: "a Cache-Control that nobody granted", reason: "object", change: func(_ *testing.T, s *scene) { s.header["Cache-Control"] = "max-age=31536000" }},
	{name: "an Expires that nobody granted", reason: "object", change: func(_ *testing.T, s *scene) {
		s.header["Expires"] = "Wed, 21 Oct 2099 07:28:00 GMT"
	}},

	{name: "a field twice", reason: "body", change: func(_ *testing.T, s *scene) { s.raw = s.notice.body() + "&size=" + s.notice.size }},
	{name: "a token twice", reason: "body", change: func(_ *testing.T, s *scene) { s.raw = "token=" + s.notice.token + "&" + s.notice.body() }},
	{name: "a field more", reason: "body", change: func(_ *testing.T, s *scene) { s.raw = s.notice.body() + "&crc64=1" }},
	{name: "an ampersand more", reason: "body", change: func(_ *testing.T, s *scene) { s.raw = s.notice.body() + "&" }},
	{name: "a size with a sign", reason: "body", change: func(_ *testing.T, s *scene) { s.notice.size = "+" + s.notice.size }},
	{name: "a size with a zero before it", reason: "body", change: func(_ *testing.T, s *scene) { s.notice.size = "0" + s.notice.size }},
	{name: "a negative size", reason: "body", change: func(_ *testing.T, s *scene) { s.notice.size = "-1" }},
	{name: "an empty ETag", reason: "body", change: func(_ *testing.T, s *scene) { s.notice.etag = `""` }},
	{name: "a name in another case", reason: "body", change: func(_ *testing.T, s *scene) { s.raw = "B" + s.notice.body()[1:] }},
	{name: "a body of nothing", reason: "body", change: func(_ *testing.T, s *scene) { s.raw = "&" }},
	{name: "a JSON body", reason: "body", change: func(t *testing.T, s *scene) {
		text, err := json.Marshal(map[string]string{
			"bucket": s.notice.bucket, "object": s.notice.object, "etag": s.notice.etag, "size": s.notice.size, "reqId": s.notice.reqID, "token": s.notice.token,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.raw, s.kind = string(text), "application/json"
	}},

	{name: "a decoded body", reason: "signature", change: func(_ *testing.T, s *scene) {
		s.late = func(m *message) { m.body, _ = url.QueryUnescape(m.body) }
	}},
	{name: "a line feed after the body", reason: "signature", change: func(_ *testing.T, s *scene) { s.late = func(m *message) { m.body += "\n" } }},
	{name: "its fields in another order", reason: "signature", change: func(_ *testing.T, s *scene) {
		s.late = func(m *message) { first, rest, _ := strings.Cut(m.body, "&"); m.body = rest + "&" + first }
	}},
	{name: "the signature of another key", reason: "signature", change: func(t *testing.T, s *scene) {
		var err error
		if s.key, err = rsa.GenerateKey(rand.Reader, 1024); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "no signature", reason: "signature", change: func(_ *testing.T, s *scene) { s.late = func(m *message) { m.header.Del("Authorization") } }},
	{name: "an empty signature", reason: "signature", change: func(_ *testing.T, s *scene) { s.late = func(m *message) { m.header["Authorization"] = []string{""} } }},
	{name: "the signature twice", reason: "signature", change: func(_ *testing.T, s *scene) {
		s.late = func(m *message) { m.header.Add("Authorization", m.header.Get("Authorization")) }
	}},
	{name: "a scheme before the signature", reason: "signature", change: func(_ *testing.T, s *scene) {
		s.late = func(m *message) { m.header.Set("Authorization", "Bearer "+m.header.Get("Authorization")) }
	}},
	{name: "signature version 2.0", reason: "signature", change: func(_ *testing.T, s *scene) {
		s.late = func(m *message) { m.header.Set("X-Oss-Signature-Version", "2.0") }
	}},
	{name: "no key URL", reason: "key_url", change: func(_ *testing.T, s *scene) { s.late = func(m *message) { m.header.Del("X-Oss-Pub-Key-Url") } }},
	{name: "the published key's URL, where another is configured", reason: "key_url", change: func(_ *testing.T, s *scene) {
		s.late = func(m *message) {
			m.header.Set("X-Oss-Pub-Key-Url", "aHR0cDovL2dvc3NwdWJsaWMuYWxpY2RuLmNvbS9jYWxsYmFja19wdWJfa2V5X3YxLnBlbQ==")
		}
	}},
}

// etagOf is the ETag of an object that was stored in one piece.
func etagOf(content []byte) string { return fmt.Sprintf("%X", md5.Sum(content)) }

// swapped is a character of base64 that is not c.
func swapped(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// stage makes an upload whose callback was lost, and the callback; change is
// what is wrong about them, or nil.
func (r *rig) stage(t *testing.T, wish map[string]any, change func(*testing.T, *scene)) (grantedPut, message) {
	t.Helper()
	u := r.grantPut(t, wish)
	s := &scene{u: u, header: maps.Clone(u.header), content: bytes.Clone(u.content), key: r.CallbackKey, kind: "application/x-www-form-urlencoded"}
	s.notice = u.notice(etagOf(s.content))
	if change != nil {
		change(t, s)
	}
	switch {
	case s.absent:
	case s.link:
		target := u.key + ".target"
		r.store(t, target, s.header, s.content)
		header := maps.Clone(s.header)
		delete(header, "x-oss-forbid-overwrite")
		if _, err := r.developer.PutSymlink(t.Context(), &oss.PutSymlinkRequest{
			Bucket: &r.Ready.Bucket, Key: &u.key, Target: &target, RequestCommon: oss.RequestCommon{Headers: header},
		}); err != nil {
			t.Fatal(err)
		}
	default:
		r.store(t, u.key, s.header, s.content)
	}
	body := s.notice.body()
	if s.raw != "" {
		body = s.raw
	}
	m := r.signed(t, s.key, s.kind, body)
	r.logged.secret(s.notice.token)
	if s.late != nil {
		s.late(&m)
	}
	return u, m
}

func TestCallbackRefuses(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		for _, attack := range callbackAttacks {
			t.Run(attack.name, func(t *testing.T) {
				t.Parallel()
				u, forged := r.stage(t, attack.wish, attack.change)
				c := r.deliver(t, forged).rejected(t, "forged callback")
				line := r.logged.line(t, c.RequestID)
				if line.Reason != attack.reason || line.Code != "callback_rejected" || line.Status != http.StatusForbidden {
					t.Errorf("the log says %+v, want the reason %q", line, attack.reason)
				}
				r.wantNoEvent(t, u.key)

				u, honest := r.stage(t, nil, nil)
				receipt := r.deliver(t, honest).receipt(t, "honest callback", u.key, u.content)
				if receipt.Filename != "holiday.png" || receipt.ContentType != "image/png" || receipt.Vars["album"] != "7" || receipt.Location != r.Ready.OSS+"/"+r.Ready.Bucket+"/"+u.key {
					t.Errorf("receipt = %+v, want the file name, type, vars and location of the upload", receipt)
				}
				r.wantEvents(t, receipt, 1)
			})
		}
	})
}

func TestCallbackRefusesAnyChangedByte(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		u, genuine := r.stage(t, nil, nil)
		check := func(what string, m message) {
			t.Helper()
			c := r.deliver(t, m).rejected(t, what)
			if got := r.logged.line(t, c.RequestID).Reason; got != "signature" {
				t.Errorf("%s: reason = %q, want signature", what, got)
			}
		}
		for i := 0; i < len(genuine.body); i += 1 + len(genuine.body)/40 {
			changed := genuine
			changed.body = genuine.body[:i] + string(rune(genuine.body[i]^1)) + genuine.body[i+1:]
			check(fmt.Sprintf("callback with byte %d of the body changed", i), changed)
		}
		signature := genuine.header.Get("Authorization")
		for i := 0; i < len(signature); i += 1 + len(signature)/20 {
			changed := genuine
			changed.header = genuine.header.Clone()
			changed.header.Set("Authorization", signature[:i]+swapped(signature[i])+signature[i+1:])
			check(fmt.Sprintf("callback with character %d of the signature changed", i), changed)
		}
		r.wantNoEvent(t, u.key)
		receipt := r.deliver(t, genuine).receipt(t, "genuine callback", u.key, u.content)
		r.wantEvents(t, receipt, 1)
	})
}

func TestCallbackAnswersOnlyItsRequests(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		u, genuine := r.stage(t, nil, nil)
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			m := genuine
			m.method = method
			a := r.deliver(t, m)
			a.refused(t, method+" of a callback", http.StatusMethodNotAllowed, "method_not_allowed")
			if got := a.Header.Get("Allow"); got != "OPTIONS, POST" {
				t.Errorf("%s: Allow = %q, want OPTIONS, POST", method, got)
			}
		}
		for size, status := range map[int]int{64<<10 + 1: http.StatusRequestEntityTooLarge, 64 << 10: http.StatusForbidden} {
			filling := genuine.body + "&x=" + strings.Repeat("x", size-len(genuine.body)-len("&x="))
			code := map[int]string{http.StatusForbidden: "callback_rejected", http.StatusRequestEntityTooLarge: "too_large"}[status]
			r.deliver(t, r.signed(t, r.CallbackKey, "application/x-www-form-urlencoded", filling)).
				refused(t, fmt.Sprintf("callback of %d bytes", size), status, code)
		}
		r.wantNoEvent(t, u.key)
		for _, path := range []string{"/callback", "/callback/", "/callback/of/another/route", "/callback?x=1"} {
			m := genuine
			m.path = path
			receipt := r.deliver(t, m).receipt(t, "callback on "+path, u.key, u.content)
			r.wantEvents(t, receipt, 1) // told once, and not again at once
		}
	})
}

func TestCallbackReplays(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		u, m := r.stage(t, nil, nil)
		answers := r.atOnce(t, 20, m.method, r.Ready.Gateway+m.path, m.header, []byte(m.body))
		sameAnswers(t, "twenty times the same callback", answers)
		receipt := answers[0].receipt(t, "callback", u.key, u.content)
		r.wantEvents(t, receipt, 1)

		// Another instance does not remember; the id is what tells the receiver.
		again := r.call(t, http.MethodPost, "/confirm", r.Ready.CallerToken, map[string]string{"uploadToken": u.token})
		sameAnswers(t, "confirmed after the callback", append(answers[:1:1], again))
		r.wantEvents(t, receipt, 2)

		// Other bytes under the same grant are another event.
		other := bytes.ToUpper(u.content)
		n := u.notice(r.store(t, u.key, u.header, other))
		second := r.deliver(t, r.message(t, n)).receipt(t, "callback after the bytes were replaced", u.key, other)
		if second.EventID == receipt.EventID {
			t.Errorf("both bytes have the event id %s", receipt.EventID)
		}
		// And the first callback, which names bytes that are gone, counts no more.
		r.deliver(t, m).rejected(t, "callback for the replaced bytes")
	})
}

// What the uploader is told when the callback does not come through, and that
// nothing is lost by it.
func TestCallbackThatFailsIsRepaired(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		failing := func(target, operation, mode string, count int) fault.Fault {
			return fault.Fault{Target: target, Operation: operation, Mode: mode, Count: count}
		}
		tests := []struct {
			name   string
			fault  fault.Fault
			code   string // that the function logged; empty where it was not asked
			events int    // before the repair
		}{
			{"OSS fails to tell about the object", failing("oss", "HeadObject", "500", 2), "storage_error", 0},
			{"the key is not to be had", failing("keys", "*", "500", 1), "storage_error", 0},
			{"the callback never arrives", failing("callback", "*", "reset", 1), "", 0},
			{"the callback's answer is lost", failing("callback", "*", "stored-then-reset", 1), "", 1},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				// A new instance, which has no key yet.
				if err := r.Functions["callback"].Restart(); err != nil {
					t.Fatal(err)
				}
				u := r.grantPut(t, nil)
				r.fail(t, tt.fault)
				since := r.logged.length()
				a := u.put(t)
				if a.Status != http.StatusNonAuthoritativeInfo || !bytes.Contains(a.Body, []byte("<Code>CallbackFailed</Code>")) {
					t.Fatalf("PUT = %v, want 203 CallbackFailed", a)
				}
				if tt.code != "" {
					r.logged.want(t, since, `"route":"/{path...}"`, `"code":"`+tt.code+`"`)
				}
				confirm := func() reply {
					return r.call(t, http.MethodPost, "/confirm", r.Ready.CallerToken, map[string]string{"uploadToken": u.token})
				}
				r.Faults.Clear()
				r.wantStored(t, u.key, u.content)
				if got := len(r.events(t, u.key)); got != tt.events {
					t.Errorf("%d events before the repair, want %d", got, tt.events)
				}
				first, second := confirm(), confirm()
				receipt := first.receipt(t, "POST /confirm", u.key, u.content)
				sameAnswers(t, "confirmed twice", []reply{first, second})
				r.wantEvents(t, receipt, tt.events+1)
			})
		}
	})
}

// An upload is a success whatever the receiver does: its event waits, and is
// delivered by whoever comes first, the timer or a client that asks again.
func TestCallbackWhoseEventIsNotTaken(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		tests := []struct {
			name   string
			mode   string
			events int // that the receiver saw by then
		}{
			{"the webhook refuses", "500", 0},
			{"the webhook takes the event and says nothing", "stored-then-reset", 3},
		}
		for _, tt := range tests {
			for _, byTimer := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, repaired by the timer: %v", tt.name, byTimer), func(t *testing.T) {
					u := r.grantPut(t, nil)
					r.fail(t, fault.Fault{Target: "webhook", Operation: "*", Mode: tt.mode, Count: many})
					first := u.put(t).receipt(t, "PUT", u.key, u.content)
					if first.Delivered {
						t.Error("delivered = true, want false")
					}
					r.wantMark(t, first, "queued")
					if got := len(r.events(t, u.key)); got != tt.events {
						t.Errorf("%d events before the repair, want %d", got, tt.events)
					}
					events := tt.events
					if !byTimer {
						again := r.confirmToken(t, u.token).receipt(t, "POST /confirm while the webhook refuses", u.key, u.content)
						if again.Delivered {
							t.Error("delivered = true while the webhook refuses")
						}
						events += tt.events
					}
					r.Faults.Clear()
					if byTimer {
						r.deliverQueued(t, 1)
					}
					last := r.confirmToken(t, u.token).receipt(t, "POST /confirm", u.key, u.content)
					if !last.Delivered {
						t.Error("delivered = false, want true")
					}
					r.wantMark(t, last, "taken")
					if last.Delivered = false; !reflect.DeepEqual(last, first) {
						t.Errorf("the receipt is %+v, want that of before, %+v", last, first)
					}
					if byTimer {
						events++ // one of the timer, and one of the other function, which has not delivered it
					}
					r.wantEvents(t, first, events+1)
					if !byTimer {
						r.deliverQueued(t, 1) // taken, as its mark says
						r.wantEvents(t, first, events+1)
					}
					r.deliverQueued(t, 0)
				})
			}
		}
	})
}
