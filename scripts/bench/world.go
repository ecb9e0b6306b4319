package main

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/grant"
	"ossupload/shared/uploadtoken"
)

const (
	bucket    = "ossupload-bench"
	subject   = "alice"
	uploadKey = "uploads/alice/2026/11/01a22d4a-b534-7000-8000-000000000000.bin"
	etag      = "5D41402ABC4B2A76B9719D911017C592"
	size      = int64(10_000) * 5 << 20
)

// world is what the functions meet, and what they are asked. OSS, the webhook and
// the key of callbacks are one server, which has every answer ready.
type world struct {
	server    *httptest.Server
	callbacks *rsa.PrivateKey
	secret    []byte // of callers, tokens and events alike: nothing here is one
	claims    uploadtoken.Claims
	keyring   *uploadtoken.Keyring
	object    http.Header // of the one object
	now       time.Time
}

func newWorld(now time.Time) (*world, error) {
	w := &world{now: now, secret: make([]byte, 32)}
	if _, err := rand.Read(w.secret); err != nil {
		return nil, fmt.Errorf("making a secret: %w", err)
	}
	var err error
	// OSS signs with 512 bits, which crypto/rsa makes no key of. Beside a start the
	// difference is nothing.
	if w.callbacks, err = rsa.GenerateKey(rand.Reader, 1024); err != nil {
		return nil, fmt.Errorf("making a key for callbacks: %w", err)
	}
	place := uploadtoken.Place{Bucket: bucket, Prefix: "uploads/"}
	if w.keyring, err = uploadtoken.NewKeyring(uploadtoken.Config{Keys: []uploadtoken.Key{{ID: "k1", Secret: w.secret}}, Place: place, Random: rand.Reader}); err != nil {
		return nil, fmt.Errorf("making the keyring of uploads: %w", err)
	}
	length := size
	w.claims = uploadtoken.Claims{
		ID: "01a22d4a-b534-7000-8000-000000000000", Method: uploadtoken.MultipartPart, Place: place, Key: uploadKey, Subject: subject,
		Size: &length, MaxSize: length, PartSize: 5 << 20, ContentType: "application/octet-stream", UploadID: "0004B9894A22E5B1888A1E29F823D4C1",
		Metadata: grant.MetadataSum(map[string]string{"ossupload-filename": "a.bin"}), IssuedAt: now.Unix(), ExpiresAt: now.Add(24 * time.Hour).Unix(),
	}
	stored, err := w.keyring.Seal(uploadtoken.Grant, w.claims)
	if err != nil {
		return nil, fmt.Errorf("sealing a grant: %w", err)
	}
	w.object = http.Header{}
	for name, value := range map[string]string{
		"Content-Length": fmt.Sprint(size), "Content-Type": "application/octet-stream", "ETag": `"` + etag + `"`,
		"Last-Modified": now.UTC().Format(http.TimeFormat), "x-oss-object-type": "Normal", "x-oss-hash-crc64ecma": "123",
		"x-oss-meta-ossupload-filename": "a.bin", "x-oss-meta-ossupload-grant": stored,
	} {
		w.object.Set(name, value)
	}
	w.server = httptest.NewServer(http.HandlerFunc(w.serve))
	return w, nil
}

func (w *world) close() { w.server.Close() }

func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/key.pem":
		der, err := x509.MarshalPKIXPublicKey(&w.callbacks.PublicKey)
		if err != nil {
			out.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = pem.Encode(out, &pem.Block{Type: "PUBLIC KEY", Bytes: der}) // whoever asked has gone
	case r.URL.Path == "/events":
		_, _ = io.Copy(io.Discard, r.Body)
		out.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodHead:
		for name, values := range w.object {
			out.Header()[name] = values
		}
	case r.Method == http.MethodGet:
		out.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(out, "<Error><Code>NoSuchKey</Code></Error>")
	default:
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// settings are the environment of every function.
func (w *world) settings() []string {
	secret := base64.StdEncoding.EncodeToString(w.secret)
	return []string{
		"OSS_REGION=cn-hangzhou", "OSS_BUCKET=" + bucket, "OSS_ENDPOINT=" + w.server.URL, "OSS_PATH_STYLE=true",
		"UPLOAD_PREFIX=uploads/", "UPLOAD_MAX_SIZE=53687091200", "UPLOAD_CONTENT_TYPES=*/*", "UPLOAD_TOKEN_SECRETS=k1:" + secret,
		"AUTH_MODE=jwt", "AUTH_AUDIENCE=ossupload", "AUTH_JWT_SECRET=base64:" + base64.StdEncoding.EncodeToString(w.callerSecret()),
		"CALLBACK_URL=https://api.example.com/callback", "CALLBACK_KEY_URLS=" + w.server.URL + "/key.pem",
		"CORS_ORIGINS=https://app.example.com",
		"WEBHOOK_URL=" + w.server.URL + "/events", "WEBHOOK_SECRETS=whsec_" + base64.StdEncoding.EncodeToString(w.eventSecret()),
	}
}

// One secret for two purposes is refused, so these are others.
func (w *world) callerSecret() []byte { sum := md5.Sum(w.secret); return append(sum[:], w.secret...) }
func (w *world) eventSecret() []byte  { sum := md5.Sum(w.secret); return append(w.secret, sum[:]...) }

// credentials are a role's, whose security token is as long as they are.
func credentials() (id, secret, token string) {
	return "STS.NUgYrLnoC37mZZCNnAbez7Jqy", strings.Repeat("s", 44), strings.Repeat("CAIS/t+=", 75)
}

// event is what a function is asked first: complete for the URL of a part, which
// needs nobody outside; callback for an honest callback, which calls OSS three
// times and the webhook once.
func (w *world) event(function string) ([]byte, error) {
	switch function {
	case "complete":
		return w.part("/1", nil)
	case "callback":
		return w.callback()
	case "presign", hello, alike:
		return w.request("POST", "/presign", nil, `{"filename":"a.png","size":1048576,"contentType":"image/png"}`)
	}
	return nil, errors.New("there is no event for " + function)
}

// part is a request about the upload's parts.
func (w *world) part(more string, query map[string]string) ([]byte, error) {
	token, err := w.keyring.Seal(uploadtoken.Multipart, w.claims)
	if err != nil {
		return nil, fmt.Errorf("sealing an upload: %w", err)
	}
	return w.request("GET", "/s3/multipart/"+token+more, query, "")
}

// request is a request of the subject's as the HTTP trigger hands it over for a
// browser.
func (w *world) request(method, path string, query map[string]string, body string) ([]byte, error) {
	caller, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": subject, "aud": "ossupload", "exp": w.now.Add(12 * time.Hour).Unix(),
	}).SignedString(w.callerSecret())
	if err != nil {
		return nil, fmt.Errorf("signing the caller's token: %w", err)
	}
	return trigger(method, path, map[string]string{
		"Authorization": "Bearer " + caller, "Content-Type": "application/json", "Accept": "*/*", "Origin": "https://app.example.com",
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
	}, query, body, false)
}

// callback is what OSS sends for the object.
func (w *world) callback() ([]byte, error) {
	token, err := w.keyring.Seal(uploadtoken.Upload, w.claims)
	if err != nil {
		return nil, fmt.Errorf("sealing an upload: %w", err)
	}
	body := url.Values{
		"bucket": {bucket}, "object": {uploadKey}, "etag": {etag}, "size": {fmt.Sprint(size)}, "reqId": {"6555D5B1"}, "token": {token},
	}.Encode()
	digest := md5.Sum([]byte("/callback\n" + body))
	signature, err := rsa.SignPKCS1v15(nil, w.callbacks, crypto.MD5, digest[:])
	if err != nil {
		return nil, fmt.Errorf("signing a callback: %w", err)
	}
	return trigger("POST", "/callback", map[string]string{
		"Authorization": base64.StdEncoding.EncodeToString(signature), "x-oss-pub-key-url": base64.StdEncoding.EncodeToString([]byte(w.server.URL + "/key.pem")),
		"x-oss-signature-version": "1.0", "Content-Type": "application/x-www-form-urlencoded", "User-Agent": "aliyun-oss-callback",
	}, nil, base64.StdEncoding.EncodeToString([]byte(body)), true)
}

func trigger(method, path string, header, query map[string]string, body string, encoded bool) ([]byte, error) {
	if query == nil {
		query = map[string]string{}
	}
	event, err := json.Marshal(map[string]any{
		"version": "v1", "rawPath": path, "body": body, "isBase64Encoded": encoded, "headers": header, "queryParameters": query,
		"requestContext": map[string]any{
			"accountId": "1234567890123456", "domainName": "ossupload.cn-hangzhou.fcapp.run", "domainPrefix": "ossupload",
			"requestId": "1-673dc0a4-12d5f7b0-4c0e2c9d8a11", "time": "2026-11-30T16:30:00Z", "timeEpoch": "1796056200000",
			"http": map[string]string{"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	return event, nil
}
