package main

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"ossupload/shared/cputime"
	"ossupload/shared/fchttp"
	"ossupload/shared/osscallback"
	"ossupload/shared/uploadtoken"
)

// The rows of the table of speed that this function is about. Peer is the RSA
// operation, which no receiver of callbacks can leave out.

const signedURI = "/hooks/callback?tenant=a%2Fb&x=1"

// rowKeys makes a key of the size of OSS's. It lowers the limit of crypto/rsa for
// the whole benchmark.
func rowKeys(b *testing.B) *rsa.PrivateKey {
	b.Helper()
	b.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 512)
	if err != nil {
		b.Fatal(err)
	}
	return key
}

// rowMessage is a callback that key signed, for claims that last as long as the
// benchmark.
func rowMessage(b *testing.B, key *rsa.PrivateKey) *message {
	b.Helper()
	c := claims()
	c.ExpiresAt += 3600
	m := callback(b)
	m.body = notice(b, map[string]string{"token": seal(b, tokenKeys, uploadtoken.Upload, c)})
	m.sign(b, key, signedURI)
	return m
}

func benchRSA(b *testing.B, key *rsa.PrivateKey, m *message) {
	b.Helper()
	digest := md5.Sum([]byte(signedURI + "\n" + m.body))
	signature, err := base64.StdEncoding.DecodeString(m.header["Authorization"][0])
	if err != nil {
		b.Fatal(err)
	}
	cputime.Bench(b, "peer", func() error {
		return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.MD5, digest[:], signature)
	})
}

// rowWorld is a world whose OSS signs with key.
func rowWorld(b *testing.B, key *rsa.PrivateKey) *world {
	b.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(b)
	w.keys.document = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return w
}

// BenchmarkRowCallback is a callback verified and parsed, and its token opened.
func BenchmarkRowCallback(b *testing.B) {
	key := rowKeys(b)
	w, m := rowWorld(b, key), rowMessage(b, key)
	verifier, err := osscallback.NewVerifier(osscallback.Config{
		KeyURLs: []string{keyURL}, Client: &http.Client{Transport: w.keys}, Now: w.now,
	})
	if err != nil {
		b.Fatal(err)
	}
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: tokenKeys, Place: testPlace, Random: zeros{}})
	if err != nil {
		b.Fatal(err)
	}
	header, body := http.Header{}, []byte(m.body)
	for name, values := range m.header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	cputime.Bench(b, "ours", func() error {
		if err := verifier.Verify(b.Context(), osscallback.Message{URIs: []string{signedURI}, Header: header, Body: body}); err != nil {
			return err
		}
		n, err := osscallback.ParseNotice(body)
		if err != nil {
			return err
		}
		_, err = keyring.Open(uploadtoken.Upload, n.Token, testNow)
		return err
	})
	benchRSA(b, key, m)
}

// BenchmarkRowCallbackHandler is a whole invocation, from event to answer: the
// object asked for, the event delivered, its marker written and the line logged.
// Bucket and webhook answer at once.
func BenchmarkRowCallbackHandler(b *testing.B) {
	key := rowKeys(b)
	w, m := rowWorld(b, key), rowMessage(b, key)
	clock := testNow
	w.now = func() time.Time { return clock }
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	h, err := newHandler(w.settings, outside{
		storage: w.bucket, webhook: w.backend, keys: &http.Client{Transport: w.keys}, now: w.now, random: rand.Reader, log: log,
	})
	if err != nil {
		b.Fatal(err)
	}
	f := &fchttp.Adapter{Handler: h.routes(), MaxBody: osscallback.MaxBody, Log: log, Now: w.now, Pseudonym: h.keyring.Pseudonym}
	event := m.event(b)
	cputime.Bench(b, "ours", func() error {
		// Each is the first of its object: nothing is marked, and the last one is
		// not of this minute.
		clock = testNow.Add(time.Minute - clock.Sub(testNow))
		clear(w.bucket.stored)
		w.bucket.puts, w.bucket.heads, w.backend.deliveries = nil, nil, nil
		out, err := f.Invoke(b.Context(), "request-1", event)
		if err == nil && (!bytes.Contains(out, []byte(`"statusCode":200`)) || len(w.backend.deliveries) != 1 || len(w.bucket.puts) != 1) {
			err = fmt.Errorf("answer %s, %d deliveries and %d markers, want 200 and one of each", out, len(w.backend.deliveries), len(w.bucket.puts))
		}
		return err
	})
	benchRSA(b, key, m)
}
