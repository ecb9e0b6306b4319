package main

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/osscallback"
	"ossupload/shared/settings"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

const keyURL = "https://keys.example.com/key.pem"

// counted counts what a callback makes the function call: keys, OSS and the
// webhook.
type counted struct {
	document                       string
	keys, heads, gets, puts, posts int
}

func (o *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	o.keys++
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(o.document)), Request: r}, nil
}

func (o *counted) Head(context.Context, string) (storage.Object, error) {
	o.heads++
	return storage.Object{}, storage.ErrNotFound
}

func (o *counted) Get(context.Context, string, int64) ([]byte, error) {
	o.gets++
	return nil, storage.ErrUnavailable
}

func (o *counted) Put(context.Context, string, []byte) error {
	o.puts++
	return storage.ErrUnavailable
}

func (o *counted) Delete(context.Context, string) error {
	o.puts++
	return storage.ErrUnavailable
}

func (o *counted) List(context.Context, string, string, int) (storage.Page, error) {
	o.gets++
	return storage.Page{}, storage.ErrUnavailable
}

// posts counts deliveries.
type posts struct{ *counted }

func (p posts) RoundTrip(*http.Request) (*http.Response, error) {
	p.posts++
	return nil, errors.New("nobody is there")
}

// flooded is the function as main wires it, but for what is outside of it.
func flooded(t *testing.T) (*fchttp.Adapter, *rsa.PrivateKey, *uploadtoken.Keyring, *counted) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	o := &counted{document: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
	secrets := []uploadtoken.Key{{ID: "k1", Secret: make([]byte, 32)}}
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: secrets, Place: testPlace, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHandler(settings.Callback{
		Storage: settings.Storage{Bucket: "examplebucket"}, TokenKeys: secrets, Place: testPlace, CallbackURL: "https://api.example.com/callback", CallbackKeyURLs: []string{keyURL},
		Webhook: settings.Webhook{URL: "https://backend.example.com", Secrets: [][]byte{[]byte("secret")}, RetryFor: time.Hour},
	}, outside{
		storage: o, keys: &http.Client{Transport: o}, webhook: posts{o}, now: time.Now, random: rand.Reader, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &fchttp.Adapter{Handler: h.routes(), MaxBody: osscallback.MaxBody, Log: slog.New(slog.NewJSONHandler(io.Discard, nil))}, key, keyring, o
}

// event is a callback as the HTTP trigger hands it over.
func event(t *testing.T, authorization, namedKey, body string) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"version": "v1", "rawPath": "/callback", "body": base64.StdEncoding.EncodeToString([]byte(body)), "isBase64Encoded": true,
		"headers":        map[string]string{"Authorization": authorization, "x-oss-pub-key-url": base64.StdEncoding.EncodeToString([]byte(namedKey)), "Content-Type": "application/x-www-form-urlencoded"},
		"requestContext": map[string]any{"http": map[string]string{"method": "POST", "path": "/callback"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Junk must stay cheap: whoever floods the function pays for requests, and may
// not make it work, allocate or call more than these bounds for each.
func TestJunkIsCheap(t *testing.T) {
	a, key, keyring, o := flooded(t)
	signed := func(body string) string {
		digest := md5.Sum([]byte("/callback\n" + body))
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(signature)
	}
	claims := uploadtoken.Claims{Key: "u/a/x.png", Subject: "a", ExpiresAt: time.Now().Unix() + 60}
	good, err := keyring.Seal(uploadtoken.Upload, claims)
	if err != nil {
		t.Fatal(err)
	}
	wrongPurpose, err := keyring.Seal(uploadtoken.Grant, claims)
	if err != nil {
		t.Fatal(err)
	}
	notice := func(token string) string {
		return "bucket=examplebucket&object=u%2Fa%2Fx.png&etag=E&size=1&reqId=R&token=" + token
	}
	nobody := base64.StdEncoding.EncodeToString(make([]byte, 128))
	long := strings.Repeat("x", osscallback.MaxBody-1024)
	tests := []struct {
		name, reason string
		event        []byte
	}{
		{"a URL of nobody's", "key_url", event(t, nobody, "https://evil.example.com/key.pem", notice(good))},
		{"a signature that is none", "signature", event(t, "junk", keyURL, notice(good))},
		{"a signature of nobody's", "signature", event(t, nobody, keyURL, notice(good))},
		{"a body that is none", "body", event(t, signed("hello"), keyURL, "hello")},
		{"a token that is none", "token", event(t, signed(notice("v1.k1.AAAA")), keyURL, notice("v1.k1.AAAA"))},
		{"a token for something else", "token", event(t, signed(notice(wrongPurpose)), keyURL, notice(wrongPurpose))},
		{"63 KiB signed by nobody", "signature", event(t, nobody, keyURL, long)},
		{"63 KiB well signed", "body", event(t, signed(long), keyURL, long)},
	}
	invoke := func(t *testing.T, event []byte) json.RawMessage {
		answer, err := a.Invoke(t.Context(), "r", event)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			a.Log = slog.New(slog.NewJSONHandler(&log, nil))
			if answer := string(invoke(t, tt.event)); !strings.Contains(answer, "callback_rejected") || !strings.Contains(log.String(), `"reason":"`+tt.reason+`"`) {
				t.Fatalf("Invoke = %s with the log %s, want callback_rejected for %q", answer, log.String(), tt.reason)
			}
			a.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
			// Most of it is the event's JSON; the body is copied a few times.
			const (
				runs       = 100
				mostAllocs = 400
				mostBytes  = 40 << 10 // and eleven times the event
			)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			allocs := testing.AllocsPerRun(runs, func() { invoke(t, tt.event) })
			runtime.ReadMemStats(&after)
			bytes := (after.TotalAlloc - before.TotalAlloc) / (runs + 1)
			t.Logf("%.0f allocations and %d bytes for %d bytes of event", allocs, bytes, len(tt.event))
			if most := uint64(mostBytes + 11*len(tt.event)); allocs > mostAllocs || bytes > most {
				t.Errorf("%.0f allocations and %d bytes, want at most %d and %d", allocs, bytes, mostAllocs, most)
			}
		})
	}
	if o.keys != 1 || o.heads != 0 || o.gets != 0 || o.puts != 0 || o.posts != 0 {
		t.Errorf("%d key fetches, %d HEADs, %d GETs, %d PUTs and %d deliveries, want 1 and none", o.keys, o.heads, o.gets, o.puts, o.posts)
	}
	// The control: what is believed does lead to a question.
	if invoke(t, event(t, signed(notice(good)), keyURL, notice(good))); o.heads != 1 {
		t.Errorf("%d HEADs after an honest callback, want 1", o.heads)
	}
}
