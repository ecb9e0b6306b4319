package e2e

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

// recorded is a callback that OSS really sent, or a forgery made of one.
type recorded struct {
	ID      string            `json:"id"`
	Path    string            `json:"path"`
	Query   string            `json:"query"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Valid   bool              `json:"valid"`
}

type recordings struct {
	Vectors []recorded `json:"vectors"`
	Policy  []struct {
		URL     string `json:"url"`
		Encoded string `json:"x_oss_pub_key_url"`
		Accept  bool   `json:"accept"`
	} `json:"key_url_policy"`
}

// loadRecordings reads the vectors of shared/osscallback, whose sources stand in
// the file.
func loadRecordings(t *testing.T) recordings {
	t.Helper()
	text, err := os.ReadFile("../../shared/osscallback/testdata/callback.json")
	if err != nil {
		t.Fatal(err)
	}
	var all recordings
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	genuine := 0
	for _, v := range all.Vectors {
		if v.Valid {
			genuine++
		}
	}
	if genuine < 5 || len(all.Vectors)-genuine < 5 || len(all.Policy) < 8 {
		t.Fatalf("%d vectors, %d genuine, %d key URLs: the file has lost some", len(all.Vectors), genuine, len(all.Policy))
	}
	return all
}

func (all recordings) find(t *testing.T, id string) recorded {
	t.Helper()
	i := slices.IndexFunc(all.Vectors, func(v recorded) bool { return v.ID == id })
	if i < 0 {
		t.Fatalf("there is no vector %q", id)
	}
	return all.Vectors[i]
}

// header are the headers that were sent, but for those that net/http makes.
func (v recorded) header() http.Header {
	h := http.Header{}
	for name, value := range v.Headers {
		switch name {
		case "content-length", "connection", "host":
		default:
			h.Set(name, value)
		}
	}
	return h
}

// trap is an address that counts who connects to it.
type trap struct {
	url         string
	connections atomic.Int32
}

// newTrap serves document on whatever path, and counts.
func newTrap(t *testing.T, document string) *trap {
	t.Helper()
	tr := &trap{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(document))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			tr.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	tr.url = server.URL
	return tr
}

// lone is the compiled callback function by itself: no OSS, no webhook, nothing
// but a trap where they should be.
type lone struct {
	*rig
	function *fc.Function
	outside  *trap
}

// startCallback runs the function with nothing set beyond what it requires,
// so with the built-in key and without GODEBUG.
func startCallback(t *testing.T, callbackURL string, settings map[string]string) *lone {
	t.Helper()
	l := &lone{rig: &rig{logged: &logLines{}, client: &client.Client{HTTP: &http.Client{Transport: &http.Transport{}}}}, outside: newTrap(t, "")}
	t.Cleanup(l.client.HTTP.CloseIdleConnections)
	environment := map[string]string{
		"OSS_REGION":           "cn-hangzhou",
		"OSS_BUCKET":           "ossupload-local",
		"OSS_ENDPOINT":         l.outside.url,
		"OSS_PATH_STYLE":       "true",
		"UPLOAD_TOKEN_SECRETS": "k1:" + base64.StdEncoding.EncodeToString(randomBytes(32)),
		"RECEIPT_SECRET":       "base64:" + base64.StdEncoding.EncodeToString(randomBytes(32)),
		"CALLBACK_URL":         callbackURL,
		"WEBHOOK_URL":          l.outside.url,
		"WEBHOOK_SECRETS":      "whsec_" + base64.StdEncoding.EncodeToString(randomBytes(32)),
	}
	maps.Copy(environment, settings)
	var variables []string
	for name, value := range environment {
		variables = append(variables, name+"="+value)
	}
	var err error
	l.function, err = fc.Start(t.Context(), fc.FunctionConfig{
		Name: "callback", Binary: stack.Binary(stacktest.Binaries(t), "callback"), Env: variables,
		Timeout: stack.Timeout("callback"), Stdout: l.logged, Stderr: l.logged,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.function.Stop(); err != nil {
			t.Error(err)
		}
		l.logged.checkSecrets(t)
	})
	return l
}

// behind serves the function on every path of a gateway.
func (l *lone) behind(t *testing.T, trigger fc.Trigger) (address string) {
	t.Helper()
	server := httptest.NewServer(fc.NewGateway(trigger, []fc.Route{{Prefix: "", Function: l.function}}, facts.Assumptions{}, nil))
	t.Cleanup(server.Close)
	return server.URL
}

// post sends a callback through a gateway and returns the reason for which it
// was refused.
func (l *lone) post(t *testing.T, target string, header http.Header, body string) (reason string) {
	t.Helper()
	return l.reason(t, l.request(t, http.MethodPost, target, header, []byte(body)))
}

func (l *lone) reason(t *testing.T, a reply) string {
	t.Helper()
	return l.logged.line(t, a.rejected(t, "callback").RequestID).Reason
}

// rejected checks the one answer to whatever is not believed.
func (a reply) rejected(t *testing.T, what string) complaint {
	t.Helper()
	c := a.refused(t, what, http.StatusForbidden, "callback_rejected")
	if c.Message != "The callback was rejected." || c.Details != nil {
		t.Errorf("%s = %v, want a fixed message and no details", what, a)
	}
	return c
}

// The bodies of the vectors are not of the form that this project configures,
// so a genuine one is refused as well, and the reason tells how far it got.
func TestCallbackJudgesRecordedMessages(t *testing.T) {
	t.Parallel()
	all := loadRecordings(t)
	l := startCallback(t, "https://api.example.com/callback", nil)
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		address := l.behind(t, trigger)
		for _, v := range all.Vectors {
			t.Run(v.ID+" behind the trigger "+string(trigger), func(t *testing.T) {
				want := "signature"
				if v.Valid {
					want = "body"
				}
				l.logged.secret(v.Headers["authorization"])
				if got := l.post(t, address+v.Path+v.Query, v.header(), v.Body); got != want {
					t.Errorf("reason = %q, want %q", got, want)
				}
			})
		}
		genuine := all.find(t, "docs-signedcallback-2018")
		for _, row := range all.Policy {
			t.Run("the key URL "+row.URL+" behind the trigger "+string(trigger), func(t *testing.T) {
				want := "key_url"
				if row.Accept {
					want = "body"
				}
				header := genuine.header()
				header.Set("x-oss-pub-key-url", row.Encoded)
				if got := l.post(t, address+genuine.Path, header, genuine.Body); got != want {
					t.Errorf("reason = %q, want %q", got, want)
				}
			})
		}
	}
	if n := l.outside.connections.Load(); n > 0 {
		t.Errorf("the function made %d connections, want none before a token has opened", n)
	}
}

// A stranger's key must not even be asked for: the request alone is what
// server-side request forgery wants.
func TestCallbackFetchesNoStrangersKey(t *testing.T) {
	t.Parallel()
	key, document := keyDocument(t)
	stranger := newTrap(t, document)
	host := strings.TrimPrefix(stranger.url, "http://")
	const uri, body = "/callback", "bucket=b&object=o&etag=e&size=1&reqId=r"
	keyURL := stranger.url + "/callback_pub_key_v1.pem"
	header := func(encoded string) http.Header {
		return http.Header{
			"Authorization":           {signCallback(t, key, uri, body)},
			"X-Oss-Pub-Key-Url":       {encoded},
			"X-Oss-Signature-Version": {"1.0"},
		}
	}
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

	strict := startCallback(t, "https://api.example.com/callback", nil)
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		address := strict.behind(t, trigger)
		for name, encoded := range map[string]string{
			"its own URL":                              encode(keyURL),
			"the published name on another host":       encode("http://" + host + "/callback_pub_key_v1.pem"),
			"the published host as user":               encode("http://gosspublic.alicdn.com@" + host + "/callback_pub_key_v1.pem"),
			"the published host as user, with TLS":     encode("https://gosspublic.alicdn.com@" + host + "/k.pem"),
			"the published URL as path":                encode(stranger.url + "/https://gosspublic.alicdn.com/callback_pub_key_v1.pem"),
			"the published URL as query":               encode(stranger.url + "/?http://gosspublic.alicdn.com/callback_pub_key_v1.pem"),
			"the published URL behind a line feed":     encode(stranger.url + "\nhttp://gosspublic.alicdn.com/callback_pub_key_v1.pem"),
			"a redirect's way back to loopback":        encode("http://127.0.0.1/callback_pub_key_v1.pem"),
			"another path of the published host":       encode("http://gosspublic.alicdn.com/../callback_pub_key_v1.pem"),
			"no base64":                                keyURL,
			"base64 without padding":                   strings.TrimRight(encode("http://gosspublic.alicdn.com/callback_pub_key_v1.pem"), "="),
			"the published URL and its own, by commas": encode("http://gosspublic.alicdn.com/callback_pub_key_v1.pem") + "," + encode(keyURL),
			"nothing": "",
		} {
			t.Run(name+" behind the trigger "+string(trigger), func(t *testing.T) {
				if got := strict.post(t, address+uri, header(encoded), body); got != "key_url" {
					t.Errorf("reason = %q, want key_url", got)
				}
			})
		}
	}
	if n := stranger.connections.Load(); n > 0 {
		t.Errorf("%d connections were made to a stranger's key server, want none", n)
	}

	// The control: allowed by configuration, it is asked once and its signatures
	// count.
	lax := startCallback(t, "https://api.example.com/callback", map[string]string{"CALLBACK_KEY_URLS": keyURL})
	address := lax.behind(t, fc.TriggerHTTP)
	for _, a := range lax.atOnce(t, 20, http.MethodPost, address+uri, header(encode(keyURL)), []byte(body)) {
		if got := lax.reason(t, a); got != "body" {
			t.Errorf("reason with the key allowed = %q, want body", got)
		}
	}
	if n := stranger.connections.Load(); n != 1 {
		t.Errorf("%d connections were made for 20 callbacks at once, want 1", n)
	}
	for _, l := range []*lone{strict, lax} {
		if n := l.outside.connections.Load(); n > 0 {
			t.Errorf("the function made %d connections before a token had opened, want none", n)
		}
	}
}

// What OSS signed is the configured URL. A gateway may rewrite the path, and no
// event holds the raw query.
func TestCallbackVerifiesAgainstTheConfiguredURL(t *testing.T) {
	t.Parallel()
	docs := loadRecordings(t).find(t, "docs-index-php")
	configured := startCallback(t, "http://121.43.113.8"+docs.Path+docs.Query, nil)
	other := startCallback(t, "http://121.43.113.8/elsewhere", nil)
	arrivals := []struct {
		name, path string
		query      []string // names and values, in the order of the event
		plainly    bool     // verifies against what the event tells, too
	}{
		{"as it was sent", "/index.php", []string{"id", "1", "index", "2"}, true},
		{"with the parameters in another order", "/index.php", []string{"index", "2", "id", "1"}, true}, // they are sorted
		{"with a parameter lost", "/index.php", []string{"id", "1"}, false},
		{"with the query lost", "/index.php", nil, false},
		{"with another prefix", "/prod/index.php", []string{"id", "1", "index", "2"}, false},
		{"on the root", "/", nil, false},
		{"with its path encoded", "/index%2Ephp", []string{"id", "1", "index", "2"}, true},
	}
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		for _, a := range arrivals {
			t.Run(a.name+" behind the trigger "+string(trigger), func(t *testing.T) {
				event := callbackEvent(t, trigger, a.path, a.query, docs)
				if got := configured.invoke(t, trigger, event); got != "body" {
					t.Errorf("reason with CALLBACK_URL of the message = %q, want body", got)
				}
				want := "signature"
				if a.plainly {
					want = "body"
				}
				if got := other.invoke(t, trigger, event); got != want {
					t.Errorf("reason with another CALLBACK_URL = %q, want %q", got, want)
				}
				forged := docs
				forged.Body = strings.Replace(docs.Body, "test", "tesu", 1)
				if got := configured.invoke(t, trigger, callbackEvent(t, trigger, a.path, a.query, forged)); got != "signature" {
					t.Errorf("reason with a changed body = %q, want signature", got)
				}
			})
		}
	}
}

// callbackEvent writes an event by hand: the order of its query is the test's,
// and its body is base64 in one shape and text in the other.
func callbackEvent(t *testing.T, trigger fc.Trigger, path string, query []string, v recorded) []byte {
	t.Helper()
	var parameters bytes.Buffer
	for i := 0; i < len(query); i += 2 {
		if i > 0 {
			parameters.WriteByte(',')
		}
		parameters.WriteString(`"` + query[i] + `":"` + query[i+1] + `"`)
	}
	event := map[string]any{"headers": v.Headers, "queryParameters": json.RawMessage("{" + parameters.String() + "}")}
	switch trigger {
	case fc.TriggerAPIGateway:
		event["httpMethod"], event["path"] = "POST", path
		event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString([]byte(v.Body)), "true"
	case fc.TriggerHTTP:
		event["version"], event["rawPath"] = "v1", path
		event["requestContext"] = map[string]any{"http": map[string]string{"method": "POST", "path": path}}
		event["body"], event["isBase64Encoded"] = v.Body, false
	}
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// invoke hands an event to the function and returns the reason for its refusal.
func (l *lone) invoke(t *testing.T, trigger fc.Trigger, event []byte) (reason string) {
	t.Helper()
	payload, err := l.function.Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := trigger.ResponseFromPayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	return l.reason(t, reply{client.Answer{Status: answer.Status, Header: answer.Header, Body: answer.Body}})
}

// A parameter that a query has twice, or in an order that is not the
// alphabet's, survives in no event; the configured URL has it.
func TestCallbackURLWithAQueryThatNoEventKeeps(t *testing.T) {
	t.Parallel()
	const uri = "/callback?z=1&a=%2f&z=2&flag"
	r := newRig(t, fc.TriggerHTTP, nil)
	l := startCallback(t, r.Ready.Gateway+uri, map[string]string{
		"CALLBACK_KEY_URLS":               r.Ready.OSS + stack.CallbackKeyPath,
		"OSS_ENDPOINT":                    r.Ready.OSS,
		"UPLOAD_TOKEN_SECRETS":            r.Settings.Get("UPLOAD_TOKEN_SECRETS"),
		"ALIBABA_CLOUD_ACCESS_KEY_ID":     r.Ready.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": r.Ready.AccessKeySecret,
	})
	u := r.grantPut(t, nil)
	m := r.message(t, u.notice(r.store(t, u.key, u.header, u.content)))
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		target := l.behind(t, trigger) + uri
		m.header.Set("Authorization", signCallback(t, r.CallbackKey, uri, m.body))
		l.request(t, http.MethodPost, target, m.header, []byte(m.body)).receipt(t, "callback for the configured URL", u.key, u.content)
		m.header.Set("Authorization", signCallback(t, r.CallbackKey, "/callback?z=1&z=2&a=%2f&flag", m.body))
		if got := l.post(t, target, m.header, m.body); got != "signature" {
			t.Errorf("reason with another order of the query = %q, want signature", got)
		}
	}
}

// Neither OSS nor the webhook hears of a callback before its token has opened.
func TestCallbackAsksNobodyBeforeTheTokenHasOpened(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerHTTP, nil)
	l := startCallback(t, r.Settings.Get("CALLBACK_URL"), map[string]string{
		"CALLBACK_KEY_URLS":               r.Ready.OSS + stack.CallbackKeyPath,
		"UPLOAD_TOKEN_SECRETS":            r.Settings.Get("UPLOAD_TOKEN_SECRETS"),
		"ALIBABA_CLOUD_ACCESS_KEY_ID":     r.Ready.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": r.Ready.AccessKeySecret,
	})
	address := l.behind(t, fc.TriggerHTTP)
	for _, attack := range callbackAttacks {
		if attack.reason == "object" {
			continue
		}
		_, m := r.stage(t, attack.wish, attack.change)
		if got := l.post(t, address+m.path, m.header, m.body); got != attack.reason {
			t.Errorf("%s: reason = %q, want %q", attack.name, got, attack.reason)
		}
	}
	if n := l.outside.connections.Load(); n > 0 {
		t.Errorf("%d connections were made, want none", n)
	}
	_, honest := r.stage(t, nil, nil)
	if got := l.post(t, address+honest.path, honest.header, honest.body); got != "object" || l.outside.connections.Load() == 0 {
		t.Errorf("reason = %q after %d connections, want object after one", got, l.outside.connections.Load())
	}
}

// signCallback signs as OSS does: decoded path, raw query, body.
func signCallback(t *testing.T, key *rsa.PrivateKey, uri, body string) string {
	t.Helper()
	digest := md5.Sum([]byte(uri + "\n" + body))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}
