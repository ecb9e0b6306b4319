package main

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"ossupload/scripts/internal/client"
)

// enemy is everybody who forges callbacks and floods with junk. It has a key
// pair and a server with the public half, which nobody must ever ask.
type enemy struct {
	key    *rsa.PrivateKey
	keyURL string // of its own server
	ossURL string // of the stack's key, which genuine callbacks name
	bucket string
	ledger *ledger
	asked  atomic.Int64
	server *http.Server
}

// ossKeyPath is where the OSS stand-in shows the public key of its callbacks.
const ossKeyPath = "/_local/callback_pub_key.pem"

// newEnemy needs the URL of an object, from which storage and bucket are read:
// a stack's URLs are path-style, http://host:port/bucket/key.
func newEnemy(objectURL string, l *ledger) (*enemy, error) {
	u, err := url.Parse(objectURL)
	if err != nil {
		return nil, errors.New("reading a signed URL: it is not a URL")
	}
	bucket, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	e := &enemy{ossURL: "http://" + u.Host + ossKeyPath, bucket: bucket, ledger: l}
	if e.key, err = rsa.GenerateKey(rand.Reader, 1024); err != nil {
		return nil, fmt.Errorf("making the enemy's key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&e.key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding the enemy's key: %w", err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening as the enemy: %w", err)
	}
	e.keyURL = "http://" + listener.Addr().String() + ossKeyPath
	e.server = &http.Server{ReadHeaderTimeout: tryTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if e.asked.Add(1) == 1 {
			l.violation("key-server.asked", "the key server that a forged callback named was asked")
		}
		w.Write(public)
	})}
	go e.server.Serve(listener)
	return e, nil
}

func (e *enemy) close() { e.server.Close() }

// forgeries are what an enemy who knows an upload, its own perhaps, may try.
var forgeries = []string{
	"a callback without signature",
	"a callback with a random signature",
	"a callback that the enemy signed, naming OSS's key",
	"a callback that the enemy signed, naming its own key",
	"a callback that the enemy signed, with an unknown token",
}

// forge posts one forged callback. About is a genuine upload, if there is one.
func (e *enemy) forge(ctx context.Context, w *wire, r *mathrand.Rand, op *operation, about upload) {
	forgery := r.IntN(len(forgeries))
	got := about.receipt
	if got.Key == "" {
		got.Key = "uploads/demo/2026/01/none.bin"
	}
	token := about.token
	if token == "" || forgery == 4 {
		token = "v1.k1." + base64.RawURLEncoding.EncodeToString(randomBytes(r, 200))
	}
	body := fmt.Sprintf("bucket=%s&object=%s&etag=%s&size=%d&reqId=%016X&token=%s", url.QueryEscape(e.bucket),
		url.QueryEscape(got.Key), "D41D8CD98F00B204E9800998ECF8427E", about.size, r.Uint64(), url.QueryEscape(token))
	header := map[string]string{
		"Content-Type":            "application/x-www-form-urlencoded",
		"x-oss-signature-version": "1.0",
		"x-oss-pub-key-url":       base64.StdEncoding.EncodeToString([]byte(e.ossURL)),
		"Authorization":           e.sign("/callback\n" + body),
	}
	switch forgery {
	case 0:
		delete(header, "Authorization")
	case 1:
		header["Authorization"] = base64.StdEncoding.EncodeToString(randomBytes(r, 256))
	case 3:
		header["x-oss-pub-key-url"] = base64.StdEncoding.EncodeToString([]byte(e.keyURL))
	}
	a, err := w.Send(ctx, http.MethodPost, w.Endpoint+"/callback", header, client.Bytes([]byte(body)))
	e.settle(&e.ledger.forged, op, forgeries[forgery], http.StatusForbidden, a, err)
}

// sign is OSS's way: RSA with MD5, PKCS #1 v1.5, over path, line feed and body.
func (e *enemy) sign(text string) string {
	sum := md5.Sum([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, e.key, crypto.MD5, sum[:])
	if err != nil {
		return "" // it cannot fail with a key that was just made
	}
	return base64.StdEncoding.EncodeToString(signature)
}

// junk is a request that no client makes, and the status that it deserves.
type junk struct {
	what         string
	method, path string
	known        bool // whether it comes with a caller's token
	contentType  string
	body         int // random bytes, or
	text         string
	status       int
}

var junks = []junk{
	{what: "a request for a URL from nobody", method: "POST", path: "/presign", contentType: "application/json", text: `{"filename":"a","size":1}`, status: 401},
	{what: "noise instead of JSON", method: "POST", path: "/presign", known: true, contentType: "application/json", body: 512, status: 400},
	{what: "noise that does not pretend to be JSON", method: "POST", path: "/presign", known: true, contentType: "text/plain", body: 512, status: 415},
	{what: "an impossible wish", method: "POST", path: "/presign", known: true, contentType: "application/json", text: `{"filename":"a","size":-1}`, status: 400},
	{what: "an unknown upload id", method: "GET", path: "/s3/multipart/v1.k1.AAAA/1", known: true, status: 403},
	{what: "a completion of nothing", method: "POST", path: "/s3/multipart/v1.k1.AAAA/complete", known: true, contentType: "application/json", text: `{}`, status: 403},
	{what: "an unknown upload token", method: "POST", path: "/confirm", known: true, contentType: "application/json", text: `{"uploadToken":"v1.k1.AAAA"}`, status: 403},
	{what: "a key of somebody else", method: "POST", path: "/confirm", known: true, contentType: "application/json", text: `{"key":"uploads/other/2026/01/a.bin"}`, status: 404},
	{what: "an unknown capability", method: "GET", path: "/c/v1.k1.AAAA/s3/params", status: 403},
	{what: "a path of nothing", method: "GET", path: "/s3/nothing", known: true, status: 404},
	{what: "a wrong method", method: "DELETE", path: "/presign", known: true, status: 405},
	{what: "a callback of noise", method: "POST", path: "/callback", body: 512, status: 403},
	{what: "a callback that is too large", method: "POST", path: "/callback", body: 64<<10 + 1, status: 413},
}

// flood sends one piece of junk.
func (e *enemy) flood(ctx context.Context, w *wire, r *mathrand.Rand, op *operation) {
	j := junks[r.IntN(len(junks))]
	header := map[string]string{}
	if j.known {
		header["Authorization"] = "Bearer " + w.Token
	}
	if j.contentType != "" {
		header["Content-Type"] = j.contentType
	}
	body := []byte(j.text)
	if j.body > 0 {
		body = randomBytes(r, j.body)
	}
	a, err := w.Send(ctx, j.method, w.Endpoint+j.path, header, client.Bytes(body))
	e.settle(&e.ledger.junk, op, j.what, j.status, a, err)
}

// settle notes the answer, and as an error whatever is not the refusal that is
// due.
func (e *enemy) settle(t *tally, op *operation, what string, due int, a client.Answer, err error) {
	e.ledger.refused(t, what, a.Status)
	switch {
	case err != nil:
		op.errors = append(op.errors, codeOf(err))
	case a.Status != due:
		op.errors = append(op.errors, fmt.Sprintf("%d instead of %d to %s", a.Status, due, what))
	}
}

func randomBytes(r *mathrand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
