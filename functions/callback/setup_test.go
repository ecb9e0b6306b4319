package main

import (
	"bytes"
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
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

var testNow = time.Date(2026, 11, 30, 16, 30, 0, 5e8, time.UTC)

const (
	testID   = "01a22d4a-b534-7000-8000-000000000000"
	testKey  = "u/alice/2026/11/" + testID + ".png"
	testETag = "5D41402ABC4B2A76B9719D911017C592"
	// The first 32 hex digits of the SHA-256 of "upload.completed LF testID LF
	// testETag LF 5 LF 123 LF v1".
	testEvent = "evt_45cc2d1daf2708d5f332459c7dfccff3"
	// The same of "upload.refused".
	refusedEvent = "evt_30c9d8f691a59b92a0b1149b1270ab58"
	// The first 16 hex digits of the SHA-256 of "testETag LF 5 LF 1796056200" end it.
	testMarker = "_ossupload/u/_announced/alice/2026/11/" + testID + ".png-e66b07f2c1f2836d"
	// A minute after the object was stored.
	testQueued = "_ossupload/u/_pending/1796056260-" + testEvent
)

var testPlace = uploadtoken.Place{Bucket: "examplebucket", Prefix: "u/"}

var (
	tokenKeys     = []uploadtoken.Key{{ID: "k1", Secret: []byte("fedcba9876543210abcdefghijklmnop")}}
	hookSecret    = []byte("0123456789abcdef01234567")
	receiptSecret = []byte("abcdefghijklmnopqrstuvwxyz012345")
)

// ossKeys are the key with which OSS signs here, and one of somebody else's.
var ossKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// zeros is randomness without surprises.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// errSilent is how a call fails that gets no answer.
var errSilent = errors.New("no answer")

// memory is a bucket of these objects, which also holds what is ours: markers and
// the queue.
type memory struct {
	objects   map[string]storage.Object
	headTakes time.Duration
	// By what the name holds, "HEAD" for a HEAD and "GET" for any GET.
	fails map[string]error
	takes map[string]time.Duration // a Put, by what the name holds

	heads  []string
	stored map[string]string // what was put, by name
	puts   []string          // in this order
}

func (m *memory) Head(ctx context.Context, key string) (storage.Object, error) {
	m.heads = append(m.heads, key)
	time.Sleep(m.headTakes) // of a clock that synctest moves
	if err := fails(ctx, m.fails["HEAD"]); err != nil {
		return storage.Object{}, err
	}
	object, ok := m.objects[key]
	if !ok {
		return storage.Object{}, &storage.Error{Op: "HeadObject", Reason: storage.ErrNotFound}
	}
	return object, nil
}

func (m *memory) Put(ctx context.Context, key string, content []byte) error {
	for part, err := range m.fails {
		if strings.Contains(key, part) {
			if err := fails(ctx, err); err != nil {
				return err
			}
		}
	}
	for part, d := range m.takes {
		if strings.Contains(key, part) {
			if err := lasts(ctx, d); err != nil {
				return err
			}
		}
	}
	m.puts, m.stored[key] = append(m.puts, key), string(content)
	return nil
}

func (m *memory) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	if err := fails(ctx, m.fails["GET"]); err != nil {
		return nil, err
	}
	content, ok := m.stored[key]
	switch {
	case !ok:
		return nil, &storage.Error{Op: "GetObject", Reason: storage.ErrNotFound}
	case int64(len(content)) > limit:
		return nil, storage.ErrTooLarge
	}
	return []byte(content), nil
}

// lasts waits for d, or fails when ctx ends before.
func lasts(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return &storage.Error{Op: "any", Reason: storage.ErrTimeout}
	}
}

// A callback neither lists nor deletes.

func (m *memory) List(context.Context, string, string, int) (storage.Page, error) {
	panic("a callback listed the bucket")
}

func (m *memory) Delete(context.Context, string) error { panic("a callback deleted an object") }

// markers are the names of the markers that were written.
func (m *memory) markers() []string { return m.named("/_announced/") }

// queued are the names of the entries that were queued.
func (m *memory) queued() []string { return m.named("/_pending/") }

func (m *memory) named(part string) (names []string) {
	for _, name := range m.puts {
		if strings.Contains(name, part) {
			names = append(names, name)
		}
	}
	return names
}

// fails waits if err says so, for as long as the caller does.
func fails(ctx context.Context, err error) error {
	if !errors.Is(err, errSilent) {
		return err
	}
	<-ctx.Done()
	return &storage.Error{Op: "any", Reason: storage.ErrTimeout}
}

// delivery is an event as the webhook got it.
type delivery struct {
	url    string
	header http.Header
	body   []byte
}

// backend is the webhook. It answers with status; 0 is silence.
type backend struct {
	status     int
	deliveries []delivery
}

func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.deliveries = append(b.deliveries, delivery{r.Method + " " + r.URL.String(), r.Header, body})
	return &http.Response{StatusCode: b.status, Body: http.NoBody, Request: r}, nil
}

// keyServer serves document at every URL. A status of 0 is silence.
type keyServer struct {
	status   int
	document []byte
	takes    time.Duration
	asked    []string
}

func (k *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	k.asked = append(k.asked, r.URL.String())
	if k.status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if err := lasts(r.Context(), k.takes); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: k.status, Body: io.NopCloser(bytes.NewReader(k.document)), Request: r}, nil
}

// world is the function and all that it meets.
type world struct {
	settings settings.Callback
	now      func() time.Time
	bucket   *memory
	backend  *backend
	keys     *keyServer
	log      *strings.Builder // of the handler and the adapter
}

// newWorld is one in which everything answers, and an object of five bytes lies
// under testKey.
func newWorld(t testing.TB) *world {
	t.Helper()
	endpoint, err := signing.ParseEndpoint("oss-cn-hangzhou.aliyuncs.com", signing.VirtualHosted)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&ossKeys()[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		settings: settings.Callback{
			Storage:   settings.Storage{Region: "cn-hangzhou", Bucket: "examplebucket", Public: endpoint, Internal: endpoint},
			TokenKeys: tokenKeys, Place: testPlace, CallbackURL: "https://api.example.com/hooks/callback?tenant=a%2Fb&x=1", CallbackKeyURLs: []string{keyURL},
			ReceiptSecret: receiptSecret,
			Webhook:       settings.Webhook{URL: "https://backend.example.com/events", Secrets: [][]byte{hookSecret}, RetryFor: 72 * time.Hour},
		},
		now: func() time.Time { return testNow },
		bucket: &memory{fails: map[string]error{}, stored: map[string]string{}, objects: map[string]storage.Object{testKey: {
			Size: 5, ETag: testETag, ContentType: "image/png", CRC64: "123", Type: "Normal", VersionID: "v1",
			LastModified: testNow.Truncate(time.Second).In(time.FixedZone("", 8*3600)),
			Metadata:     map[string]string{"ossupload-filename": "%E5%A4%8F.png", "ossupload-grant": "sealed", "album": "%C3%A9t%C3%A9"},
		}}},
		backend: &backend{status: http.StatusNoContent},
		keys:    &keyServer{status: http.StatusOK, document: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})},
		log:     new(strings.Builder),
	}
}

// object changes what the HEAD of testKey shows.
func (w *world) object(change func(*storage.Object)) {
	o := w.bucket.objects[testKey]
	change(&o)
	w.bucket.objects[testKey] = o
}

// function is the function as main wires it, but for what is outside of it.
func (w *world) function(t testing.TB) *fchttp.Adapter {
	t.Helper()
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	h, err := newHandler(w.settings, outside{
		storage: w.bucket, webhook: w.backend, keys: &http.Client{Transport: w.keys}, now: w.now, random: zeros{}, log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &fchttp.Adapter{Handler: h.routes(), MaxBody: osscallback.MaxBody, Log: log, Now: w.now}
}

// claims are what was granted to the object of newWorld.
func claims() uploadtoken.Claims {
	size := int64(5)
	return uploadtoken.Claims{
		ID: testID, Method: uploadtoken.Put, Key: testKey, Subject: "alice", Size: &size, MaxSize: 10, ContentType: "image/png",
		Metadata: grant.MetadataSum(map[string]string{"ossupload-filename": "%E5%A4%8F.png", "album": "%C3%A9t%C3%A9"}),
		Vars:     map[string]string{"k": "<&>"}, Context: []byte(`{"order":1}`), IssuedAt: testNow.Unix() - 10, ExpiresAt: testNow.Unix() + 1,
	}
}

func seal(t testing.TB, keys []uploadtoken.Key, p uploadtoken.Purpose, c uploadtoken.Claims) string {
	t.Helper()
	return sealAt(t, testPlace, keys, p, c)
}

// sealAt seals as the deployment of another place does.
func sealAt(t testing.TB, place uploadtoken.Place, keys []uploadtoken.Key, p uploadtoken.Purpose, c uploadtoken.Claims) string {
	t.Helper()
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: keys, Place: place, Random: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := keyring.Seal(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// notice is the body that OSS sends, changed by replacing fields; "" leaves one
// out.
func notice(t testing.TB, change map[string]string) string {
	t.Helper()
	fields := map[string]string{
		"bucket": "examplebucket", "object": testKey, "etag": testETag, "size": "5", "reqId": "6555D5B1",
		"token": seal(t, tokenKeys, uploadtoken.Upload, claims()),
	}
	values := url.Values{}
	for name, value := range fields {
		values.Set(name, value)
	}
	for name, value := range change {
		if values.Set(name, value); value == "" {
			values.Del(name)
		}
	}
	return values.Encode()
}

// message is a callback on its way. What OSS signed and what arrives can differ.
type message struct {
	method string
	path   string              // escaped
	query  map[string][]string // as the event has it
	header map[string][]string
	body   string
}

// callback is an honest one, for the configured URL.
func callback(t testing.TB) *message {
	t.Helper()
	m := &message{method: "POST", path: "/hooks/callback", body: notice(t, nil)}
	m.header = map[string][]string{
		"x-oss-pub-key-url":       {base64.StdEncoding.EncodeToString([]byte(keyURL))},
		"x-oss-signature-version": {"1.0"},
		"Content-Type":            {"application/x-www-form-urlencoded"},
	}
	m.sign(t, ossKeys()[0], "/hooks/callback?tenant=a%2Fb&x=1")
	return m
}

// sign signs the body for a decoded path with its raw query.
func (m *message) sign(t testing.TB, key *rsa.PrivateKey, uri string) {
	t.Helper()
	digest := md5.Sum([]byte(uri + "\n" + m.body))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	m.header["Authorization"] = []string{base64.StdEncoding.EncodeToString(signature)}
}

// says replaces the body and signs it.
func (m *message) says(t testing.TB, body string) {
	t.Helper()
	m.body = body
	m.sign(t, ossKeys()[0], "/hooks/callback?tenant=a%2Fb&x=1")
}

// answer is what OSS gets.
type answer struct {
	Status int               `json:"statusCode"`
	Header map[string]string `json:"headers"`
	Body   string            `json:"body"`
}

// event is the message as the HTTP trigger hands it over.
func (m *message) event(t testing.TB) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"version": "v1", "rawPath": m.path, "queryParameters": m.query, "headers": m.header,
		"body": base64.StdEncoding.EncodeToString([]byte(m.body)), "isBase64Encoded": true,
		"requestContext": map[string]any{"http": map[string]string{"method": m.method, "path": m.path}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func send(t testing.TB, f *fchttp.Adapter, m *message) answer {
	t.Helper()
	out, err := f.Invoke(t.Context(), "request-1", m.event(t))
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// refused holds the answer against a status and a code.
func (a answer) refused(t *testing.T, status int, code string) {
	t.Helper()
	var got struct{ Code, Message, Error, RequestID string }
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
		t.Fatalf("answer %d %s: %v", a.Status, a.Body, err)
	}
	if a.Status != status || got.Code != code || got.Message == "" || got.Error != got.Message || got.RequestID != "request-1" {
		t.Errorf("answer %d %s, want %d %s with a message and the request id", a.Status, a.Body, status, code)
	}
}
