package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/uploadtoken"
)

// flood is how many requests a flood is.
const flood = 2_000

// floodAttacks send much junk to functions that see nothing but counting
// listeners where OSS, STS and the webhook should be. None may be called: a
// flood costs whoever sends it, and nobody else.
func floodAttacks(t *testing.T, c *campaign) []attack {
	key, document := keyDocument(t)
	keys := newTrap(t, document)
	callback := startCallback(t, "https://api.example.com/callback", map[string]string{
		"CALLBACK_KEY_URLS":               keys.url + "/k",
		"UPLOAD_TOKEN_SECRETS":            c.Settings.Get("UPLOAD_TOKEN_SECRETS"),
		"ALIBABA_CLOUD_ACCESS_KEY_ID":     "nobody",
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "the secret of nobody",
	})
	address := callback.behind(t, fc.TriggerHTTP) + "/callback"
	junk := func(i int) (http.Header, []byte) {
		body := fmt.Sprintf("bucket=ossupload-local&object=uploads%%2Fdemo%%2F%d&etag=E&size=1&reqId=R&token=v1.k1.%s", i, strings.Repeat("A", 100+i%500))
		header := http.Header{"Authorization": {strings.Repeat("A", 172)}, "X-Oss-Pub-Key-Url": {base64Of(keys.url + "/k")}}
		switch i % 4 {
		case 0: // the signature of nobody, and the URL of nobody
			header["X-Oss-Pub-Key-Url"] = []string{base64Of(callback.outside.url)}
		case 1: // the signature of nobody
		case 2: // well signed, without a token
			body, _, _ = strings.Cut(body, "&token=")
			header["Authorization"] = []string{signCallback(t, key, "/callback", body)}
		case 3: // well signed, with a token of nobody's
			header["Authorization"] = []string{signCallback(t, key, "/callback", body)}
		}
		return header, []byte(body)
	}

	outside := newTrap(t, "")
	settings := c.Settings.Override(map[string]string{
		"OSS_ENDPOINT": outside.url, "WEBHOOK_URL": outside.url, "STS_ENDPOINT": strings.TrimPrefix(outside.url, "http://"),
	})
	complete, err := fc.Start(t.Context(), fc.FunctionConfig{
		Name: "complete", Binary: stack.Binary(stacktest.Binaries(t), "complete"), Env: settings.Variables(), Timeout: stack.Timeout("complete"), Stdout: c.logged, Stderr: c.logged,
		Credentials: func() (id, secret, token string) { return "STS.nobody", "the secret of nobody", "the token of nobody" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := complete.Stop(); err != nil {
			t.Error(err)
		}
	})
	lone := &lone{rig: &rig{logged: c.logged, client: c.client}, function: complete, outside: outside}
	gateway := lone.behind(t, fc.TriggerHTTP)
	m := c.begin(t, nil)
	forger := newKeyring(t, "k1", randomBytes(32))
	forged := func(i int) string {
		token, _ := forger.Seal(uploadtoken.Multipart, uploadtoken.Claims{ID: fmt.Sprint(i), Subject: stack.CallerSubject, Key: m.Key, ExpiresAt: 1 << 40})
		return token
	}

	// Digits may be what the signature ends in, and so one more is another.
	token := c.Ready.CallerToken
	junkCaller := token[:len(token)-5] + "A"
	if strings.HasPrefix(token, junkCaller) {
		junkCaller = token[:len(token)-5] + "B"
	}

	// send makes all requests, sixteen at a time, and counts the answers that
	// are not refusals of one of these statuses.
	send := func(t *testing.T, request func(i int) (method, target string, header http.Header, body []byte), statuses ...int) string {
		var wrong atomic.Int32
		var last atomic.Value
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				for i := worker; i < flood; i += 16 {
					method, target, header, body := request(i)
					a, err := c.fetch(t.Context(), method, target, header, body)
					ok := false
					for _, status := range statuses {
						ok = ok || err == nil && a.Status == status
					}
					if !ok {
						wrong.Add(1)
						last.Store(a.String())
					}
				}
			})
		}
		wg.Wait()
		if n := wrong.Load(); n > 0 {
			return fmt.Sprintf("%d of %d were not refused, one with %v", n, flood, last.Load())
		}
		return ""
	}
	calm := func(tr *trap, most int32) string {
		if n := tr.connections.Load(); n > most {
			return fmt.Sprintf("%d connections were made, want at most %d", n, most)
		}
		return ""
	}
	return []attack{
		{fmt.Sprintf("%d junk callbacks", flood), func(t *testing.T) string {
			breach := send(t, func(i int) (string, string, http.Header, []byte) {
				header, body := junk(i)
				return http.MethodPost, address, header, body
			}, http.StatusForbidden)
			if breach == "" {
				breach = calm(callback.outside, 0)
			}
			if breach == "" {
				breach = calm(keys, 1)
			}
			return breach
		}, c.honestCallback},
		{fmt.Sprintf("%d junk tokens", flood), func(t *testing.T) string {
			breach := send(t, func(i int) (string, string, http.Header, []byte) {
				header, token := c.bearer(c.Ready.CallerToken), forged(i)
				switch i % 4 {
				case 0:
					return http.MethodGet, gateway + "/s3/multipart/" + token + "/1", header, nil
				case 1:
					return http.MethodPost, gateway + "/s3/multipart/" + token + "/complete", header, nil
				case 2:
					return http.MethodGet, gateway + "/c/" + token + "/s3/params?filename=x", header, nil
				}
				return http.MethodPost, gateway + "/confirm", header, []byte(`{"uploadToken":"` + token + `"}`)
			}, http.StatusForbidden)
			if breach == "" {
				breach = calm(outside, 0)
			}
			return breach
		}, func(t *testing.T) string { return passed(m.ask(t, http.MethodGet, "/1", nil)) }},
		{fmt.Sprintf("%d junk callers", flood), func(t *testing.T) string {
			breach := send(t, func(i int) (string, string, http.Header, []byte) {
				header := c.bearer(junkCaller + fmt.Sprintf("%04d", i))
				if i%2 == 0 {
					return http.MethodPost, gateway + "/s3/multipart", header, []byte(`{"filename":"x","size":1}`)
				}
				return http.MethodPost, gateway + "/confirm", header, []byte(`{"key":"` + m.Key + `"}`)
			}, http.StatusUnauthorized)
			if breach == "" {
				breach = calm(outside, 0)
			}
			return breach
		}, func(t *testing.T) string { return passed(m.ask(t, http.MethodGet, "", nil)) }},
		// The listeners count: whoever is believed does reach for OSS.
		{"the listener behind callbacks", nil, func(t *testing.T) string {
			u := c.grantPut(t, nil)
			body := u.notice(etagOf(u.content)).body()
			a := c.request(t, http.MethodPost, address, http.Header{
				"Authorization": {signCallback(t, key, "/callback", body)}, "X-Oss-Pub-Key-Url": {base64Of(keys.url + "/k")},
			}, []byte(body))
			if callback.outside.connections.Load() == 0 {
				return fmt.Sprintf("answered %v, and nobody was called", a)
			}
			return ""
		}},
		{"the listener behind uploads", nil, func(t *testing.T) string {
			a := c.request(t, http.MethodPost, gateway+"/s3/multipart", c.bearer(c.Ready.CallerToken), []byte(`{"filename":"x","size":1}`))
			if outside.connections.Load() == 0 {
				return fmt.Sprintf("answered %v, and nobody was called", a)
			}
			return ""
		}},
	}
}
