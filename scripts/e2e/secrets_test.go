package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/uploadtoken"
)

// secretFields are the members of answers that open something.
var secretFields = []string{
	"url", "template", "uploadToken", "uploadId", "endpoint", "receiptToken", "AccessKeySecret", "SecurityToken",
	"policy", "callback", "x-oss-signature", "x-oss-security-token", metaGrant,
}

// vault collects every secret that is issued during a test.
type vault struct {
	mu      sync.Mutex
	secrets map[string]string // and what each is
}

func (v *vault) keep(what, secret string) {
	const shortest = 16 // bytes; shorter text could be anywhere by chance
	if len(secret) < shortest {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.secrets[secret] = what
}

// keepURL keeps a signed URL and what in it is secret by itself. A form's is
// the bucket's and that of temporary credentials OSS's: they are no secrets.
func (v *vault) keepURL(signed string) {
	if strings.Contains(signed, "?") || strings.Contains(signed, "/c/") {
		v.keep("a signed URL", signed)
	}
	if u, err := url.Parse(signed); err == nil {
		for _, name := range []string{"x-oss-signature", "x-oss-security-token", "callback"} {
			v.keep(name, u.Query().Get(name))
		}
		if _, capability, ok := strings.Cut(u.Path, "/c/"); ok {
			v.keep("a capability", capability)
		}
	}
}

// learn keeps what an answer holds, however deep.
func (v *vault) learn(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			text, ok := inner.(string)
			switch {
			case !ok && (name == "presignedUrls" || name == "signatures"):
				for _, each := range inner.(map[string]any) {
					v.keep("a part's URL or signature", each.(string))
					v.keepURL(each.(string))
				}
			case ok && (name == "url" || name == "template" || name == "endpoint"):
				v.keepURL(text)
			case ok && slices.Contains(secretFields, name):
				v.keep(name, text)
			default:
				v.learn(inner)
			}
		}
	case []any:
		for _, inner := range value {
			v.learn(inner)
		}
	}
}

// leaked names the secrets of which text holds the whole or a part: as they
// are, encoded for a query or for JSON, as base64 or hex, or 24 characters from
// the middle or the end.
func (v *vault) leaked(text string) []string {
	const piece = 24
	v.mu.Lock()
	defer v.mu.Unlock()
	all := map[string]string{}
	for secret, what := range v.secrets {
		all[secret] = what
		all[base64.StdEncoding.EncodeToString([]byte(secret))] = what + " as base64"
		all[hex.EncodeToString([]byte(secret))] = what + " as hex"
		if raw, err := base64.StdEncoding.DecodeString(secret); err == nil && len(raw) >= 16 {
			all[string(raw)], all[hex.EncodeToString(raw)] = what+" decoded", what+" decoded as hex"
		}
		if !strings.Contains(secret, "://") && len(secret) >= 2*piece {
			middle := len(secret)/2 - piece/2
			all[secret[middle:middle+piece]], all[secret[len(secret)-piece:]] = "the middle of "+what, "the end of "+what
		}
	}
	return leaks(text, all)
}

// Everything that the functions do is done once here: every way to upload, to
// download and to repair, under every kind of fault, and refused in every
// place where a secret could be repeated. Then all that was logged is searched
// for all that was issued; and no refusal may repeat a secret either.
func TestNoSecretIsLogged(t *testing.T) {
	stacktest.EndToEnd(t)
	t.Parallel()
	for _, trigger := range triggers {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			v := &vault{secrets: map[string]string{}}
			var r *rig
			// Registered first, and so run last: the functions have ended by then.
			t.Cleanup(func() {
				if r == nil {
					return
				}
				r.logged.mu.Lock()
				defer r.logged.mu.Unlock()
				text := r.logged.text.String()
				const leastRecorded = 500
				if events := strings.Count(text, `"msg":"event"`); events < leastRecorded {
					t.Errorf("%d events are recorded, want at least %d", events, leastRecorded)
				}
				const leastSecrets, leastLines = 100, 100
				if lines := strings.Count(text, "\n"); len(v.secrets) < leastSecrets || lines < leastLines {
					t.Errorf("%d secrets and %d lines of log, want at least %d and %d: the search says nothing", len(v.secrets), lines, leastSecrets, leastLines)
				} else {
					t.Logf("searched %d lines of log for %d secrets", lines, len(v.secrets))
				}
				for _, what := range v.leaked(text) {
					t.Errorf("the log holds %s", what)
				}
			})
			var refusing atomic.Bool
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				for signature := range strings.FieldsSeq(req.Header.Get("webhook-signature")) {
					v.keep("the signature of an event", strings.TrimPrefix(signature, "v1,"))
				}
				if refusing.Load() {
					w.WriteHeader(http.StatusInternalServerError)
					io.Copy(w, req.Body) // an answer that repeats everything
				}
			}))
			t.Cleanup(backend.Close)
			secretURL := backend.URL + "/hook/a-path-that-is-a-secret?key=and-so-is-this-query"
			v.keep("the webhook's URL", secretURL)
			r = newRig(t, trigger, map[string]string{"WEBHOOK_URL": secretURL, "LOG_EVENTS": "redacted"})
			l := &life{rig: r, vault: v}
			l.start(t)
			l.uploads(t)
			l.refusals(t)
			refusing.Store(true)
			u := r.grantPut(t, nil)
			v.keep("an upload token", u.token)
			if got := l.asked(t, u.put(t)).receipt(t, "PUT while the webhook refuses", u.key, u.content); got.Delivered {
				t.Error("PUT while the webhook refuses is delivered, want it queued")
			}
			l.ask(t, http.MethodPost, "/_local/timer", map[string]any{"do": "deliver", "aheadSeconds": 3600})
			l.ask(t, http.MethodPost, "/confirm", map[string]string{"uploadToken": u.token})
			refusing.Store(false)
			l.faults(t)
		})
	}
}

// life drives a stack and keeps every secret of every answer.
type life struct {
	*rig
	*vault
}

func (l *life) start(t *testing.T) {
	t.Helper()
	for _, name := range []string{"UPLOAD_TOKEN_SECRETS", "RECEIPT_SECRET", "AUTH_JWT_SECRET", "WEBHOOK_SECRETS"} {
		for _, value := range l.Settings.List(name) {
			for _, prefix := range []string{"k1:", "base64:", "whsec_"} {
				value = strings.TrimPrefix(value, prefix)
			}
			l.keep(name, value)
		}
	}
	l.keep("the caller's token", l.Ready.CallerToken)
	l.keep("the developer's secret", l.Ready.AccessKeySecret)
}

// ask calls a function as the caller of the ready line, learns what it answers,
// and looks whether a refusal repeats what was issued before.
func (l *life) ask(t *testing.T, method, path string, in any) reply {
	t.Helper()
	return l.asked(t, l.call(t, method, path, l.Ready.CallerToken, in))
}

func (l *life) asked(t *testing.T, a reply) reply {
	t.Helper()
	if a.Status >= 400 {
		for _, what := range l.leaked(string(a.Body)) {
			t.Errorf("a refusal with status %d holds %s", a.Status, what)
		}
		return a
	}
	var value any
	if err := json.Unmarshal(a.Body, &value); err != nil {
		t.Errorf("an answer with status %d is no JSON", a.Status)
	}
	l.learn(value)
	return a
}

// uploads does everything once as it is meant.
func (l *life) uploads(t *testing.T) {
	content := []byte("the bytes of a life cycle")
	wish := map[string]any{"filename": "a.png", "size": len(content)}
	var put struct {
		URL, Key, UploadToken string
		Headers, Fields       map[string]string
	}
	for _, as := range []string{"put", "url", "form"} {
		wish["as"] = as
		l.ask(t, http.MethodPost, "/presign", wish).into(t, "POST /presign", &put)
		var a reply
		if as == "form" {
			a = l.post(t, put.URL, issuedForm{Fields: put.Fields}.with(content))
		} else {
			header := http.Header{}
			for name, value := range put.Headers {
				header.Set(name, value)
			}
			a = l.request(t, http.MethodPut, put.URL, header, content)
			put.Headers = nil
		}
		l.asked(t, a).receipt(t, as, put.Key, content)
		l.ask(t, http.MethodPost, "/confirm", map[string]string{"uploadToken": put.UploadToken}).receipt(t, "confirm", put.Key, content)
	}
	l.ask(t, http.MethodPost, "/confirm", map[string]string{"key": put.Key}).receipt(t, "confirm", put.Key, content)
	for _, in := range []map[string]any{{}, {"filename": "b.png"}, {"process": "image/info"}, {"inline": true}} {
		in["key"] = put.Key
		var signed struct{ URL string }
		l.ask(t, http.MethodPost, "/download", in).into(t, "POST /download", &signed)
		if a := l.request(t, http.MethodGet, signed.URL, nil, nil); a.Status != http.StatusOK {
			t.Errorf("GET of a download = %v, want 200", a)
		}
	}
	l.ask(t, http.MethodPost, "/sts", map[string]any{})
	var session struct{ Endpoint string }
	l.ask(t, http.MethodPost, "/session", map[string]any{}).into(t, "POST /session", &session)
	own := strings.TrimPrefix(session.Endpoint, l.Ready.Gateway)
	for _, base := range []string{"", own} {
		l.ask(t, http.MethodGet, base+"/s3/params?filename=a.png", nil)
		m := &transfer{r: l.rig}
		l.ask(t, http.MethodPost, base+"/s3/multipart", map[string]any{"filename": "a.mp4", "size": len(content)}).into(t, "POST /s3/multipart", m)
		path := base + "/s3/multipart/" + m.UploadID
		var part struct{ URL string }
		l.ask(t, http.MethodGet, path+"/1", nil).into(t, "GET of a part", &part)
		l.ask(t, http.MethodGet, path+"/batch?partNumbers=1", nil)
		l.ask(t, http.MethodGet, path+"/batch?partNumbers=1&as=template", nil)
		l.request(t, http.MethodPut, part.URL, nil, content)
		l.ask(t, http.MethodGet, path, nil)
		l.ask(t, http.MethodPost, path+"/complete", map[string]any{}).receipt(t, "complete", m.Key, content)
		l.ask(t, http.MethodPost, path+"/complete", map[string]any{}).receipt(t, "complete again", m.Key, content)
		l.ask(t, http.MethodDelete, path, nil)
		l.ask(t, http.MethodPost, base+"/s3/multipart", map[string]any{"filename": "a.mp4"}).into(t, "POST /s3/multipart", m)
		l.ask(t, http.MethodDelete, base+"/s3/multipart/"+m.UploadID, nil)
		l.ask(t, http.MethodGet, base+"/s3/multipart/"+m.UploadID, nil)
	}
}

// refusals puts every kind of token into every place where a careless function
// would repeat it.
func (l *life) refusals(t *testing.T) {
	w := l.wallet(t)
	places := []named{
		{"a caller's token", w.owner}, {"an upload token", w.put}, {"an upload id", w.uploadID}, {"a stored grant", w.storedPut},
		{"a capability", w.capability}, {"a receipt", w.receipt}, {"the callers' secret", base64.StdEncoding.EncodeToString(l.Identity.CallerSecret)},
	}
	for _, place := range places {
		l.keep(place.name, place.value)
	}
	for _, place := range places {
		token, escaped := place.value, url.PathEscape(place.value)
		for _, path := range []string{
			"/" + escaped, "/presign/" + escaped, "/callback/" + escaped, "/s3/" + escaped, "/s3/multipart/" + escaped + "/none", "/s3/multipart/" + escaped + "/1/2",
			"/c/" + escaped, "/c/" + escaped + "/download", "/c/" + escaped + "/s3/params", "/s3/params?filename=a&" + url.QueryEscape(token) + "=1",
			"/s3/params?token=" + url.QueryEscape(token), "/s3/multipart/" + w.uploadID + "/1?key=" + url.QueryEscape(token), "/s3/multipart/" + w.uploadID + "/" + escaped,
			"/s3/multipart/" + w.uploadID + "/batch?partNumbers=" + url.QueryEscape(token), "/s3/multipart/" + w.uploadID + "/batch?partNumbers=1&as=" + url.QueryEscape(token),
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
				a := l.call(t, method, path, l.Ready.CallerToken, nil)
				if a.Status < 400 && !strings.Contains(path, "/s3/params") {
					t.Errorf("%s with %s in the path = %v, want a refusal", method, place.name, a)
				}
				if a.Status >= 400 {
					l.asked(t, a)
				}
			}
		}
		for _, body := range []string{
			`{"key":"` + token + `"`, `{"key":"` + token + `","versionId":"` + token + ` "}`, `{"uploadToken":"` + token + `x"}`, `"` + token + `"`, token, `{"prefix":"*` + token + `"}`,
			`{"filename":"` + token + `\u0000","size":-1,"contentType":"` + token + `","storageClass":"` + token + `","as":"` + token + `","checksum":{"md5":"` + token + `","crc64":"` + token + `"}}`,
		} {
			for _, path := range []string{"/presign", "/download", "/sts", "/session", "/confirm", "/s3/multipart", "/s3/multipart/" + w.uploadID + "/complete"} {
				if a := l.call(t, http.MethodPost, path, l.Ready.CallerToken, body); a.Status >= 500 {
					t.Errorf("POST %.12s with %s in the body = %v, want no fault of ours", path, place.name, a)
				}
			}
		}
		// A field's name is the client's own word, and is repeated to it; never in
		// the log.
		l.call(t, http.MethodPost, "/presign", l.Ready.CallerToken, map[string]any{token: 1, "tags": map[string]string{token: "x"}, "metadata": map[string]string{token: "x"}})
		for _, header := range []http.Header{
			{"Authorization": {"Bearer " + token + "x"}}, {"Authorization": {token}}, {"Authorization": {"Bearer " + token, "Bearer " + token}}, {"X-User": {token}}, {"Cookie": {"token=" + token}},
			{"Authorization": {"Bearer " + w.owner}, "Content-Type": {token}}, {"Origin": {token}, "Access-Control-Request-Headers": {token}},
		} {
			for _, method := range []string{http.MethodPost, http.MethodOptions} {
				if a := l.request(t, method, l.Ready.Gateway+"/presign", header, []byte("{}")); a.Status >= 400 {
					l.asked(t, a)
				}
			}
		}
		u, m := l.stage(t, nil, func(_ *testing.T, s *scene) { s.notice.token = token + "x" })
		l.keep("an upload token", u.token)
		l.keep("a callback's signature", m.header.Get("Authorization"))
		l.asked(t, l.deliver(t, m))
		m.header.Set("X-Oss-Pub-Key-Url", base64Of("http://127.0.0.1/"+token))
		l.asked(t, l.deliver(t, m))
		m.header.Set("Authorization", token)
		l.asked(t, l.deliver(t, m))
	}
	l.asked(t, l.call(t, http.MethodPost, "/presign", l.Ready.CallerToken, strings.Repeat(w.put, 2<<20/len(w.put)+1)))
	gone := w.claims
	gone.UploadID = "00000000000000000000000000000000"
	id := l.seal(t, uploadtoken.Multipart, gone)
	l.keep("an upload id", id)
	l.ask(t, http.MethodPost, "/s3/multipart/"+id+"/complete", map[string]any{})
}

// faults makes each call of the functions fail in each way, and does what
// makes them call.
func (l *life) faults(t *testing.T) {
	u := l.grantPut(t, nil)
	l.store(t, u.key, u.header, u.content)
	m := l.begin(t, nil)
	m.send(t, 1, []byte("a part"))
	l.keep("an upload token", u.token)
	l.keep("an upload id", m.UploadID)
	for _, mode := range []string{fault.InternalError, fault.Unavailable, fault.ConnectionReset, fault.StoredThenReset} {
		for _, target := range []string{"oss", "sts", "keys", "callback"} {
			// New instances, without credentials and keys.
			for _, name := range stack.FunctionNames {
				if err := l.Functions[name].Restart(); err != nil {
					t.Fatal(err)
				}
			}
			what := fmt.Sprintf("%s of %s", mode, target)
			l.fail(t, fault.Fault{Target: target, Operation: fault.AnyOperation, Mode: mode, Count: 100})
			l.ask(t, http.MethodPost, "/presign", map[string]any{"filename": "a.png", "size": 1})
			l.ask(t, http.MethodPost, "/sts", map[string]any{})
			l.ask(t, http.MethodPost, "/download", map[string]string{"key": u.key})
			l.ask(t, http.MethodPost, "/confirm", map[string]string{"key": u.key})
			l.ask(t, http.MethodPost, "/confirm", map[string]string{"uploadToken": u.token})
			l.ask(t, http.MethodPost, "/s3/multipart", map[string]any{"filename": "a.mp4"})
			l.ask(t, http.MethodGet, "/s3/multipart/"+m.UploadID, nil)
			l.ask(t, http.MethodGet, "/s3/multipart/"+m.UploadID+"/1", nil)
			notice := l.message(t, u.notice(etagOf(u.content)))
			l.keep("a callback's signature", notice.header.Get("Authorization"))
			l.asked(t, l.deliver(t, notice))
			l.rig.Faults.Clear()
			if a := l.ask(t, http.MethodGet, "/s3/multipart/"+m.UploadID, nil); a.Status != http.StatusOK {
				t.Errorf("after %s: %v, want 200", what, a)
			}
		}
	}
}

// The search above would pass as well if it found nothing.
func TestVaultFindsWhatIsThere(t *testing.T) {
	v := &vault{secrets: map[string]string{}}
	v.learn(map[string]any{
		"url": "https://h/k?x-oss-signature=0123456789abcdef0123456789abcdef", "fields": map[string]any{"policy": "cG9saWN5IG9mIGEgZm9ybQ=="},
		"endpoint": "https://h/c/v1.k1.capability-of-somebody", "signatures": map[string]any{"1": "fedcba9876543210fedcba9876543210"},
		"uploadToken": "v1.k1." + strings.Repeat("token-of-an-upload-", 5),
	})
	for name, text := range map[string]string{
		"x-oss-signature":           "sig=0123456789abcdef0123456789abcdef",
		"policy":                    "cG9saWN5IG9mIGEgZm9ybQ%3D%3D",
		"policy decoded":            "policy of a form",
		"a capability":              "/c/v1.k1.capability-of-somebody/s3",
		"a part's URL or signature": "fedcba9876543210fedcba9876543210",
		"the end of uploadToken":    strings.Repeat("token-of-an-upload-", 5)[95-24:],
		"the middle of uploadToken": ("v1.k1." + strings.Repeat("token-of-an-upload-", 5))[101/2-12 : 101/2+12],
	} {
		if got := v.leaked("a line with " + text + " in it"); !slices.Contains(got, name) {
			t.Errorf("leaked() = %q, want %q among them", got, name)
		}
	}
	v.keepURL("https://h/bucket/")
	if got := v.leaked("a line with https://h/bucket/ and without anything"); got != nil {
		t.Errorf("leaked() = %q, want nothing", got)
	}
}
