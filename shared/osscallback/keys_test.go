package osscallback_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/osscallback"
)

// smallKey makes a key of a size that crypto/rsa no longer makes.
func smallKey(t testing.TB, bits, e int) (n, d *big.Int) {
	t.Helper()
	one := big.NewInt(1)
	for range 100 {
		p, err := rand.Prime(rand.Reader, bits/2)
		if err != nil {
			t.Fatal(err)
		}
		q, err := rand.Prime(rand.Reader, bits-bits/2)
		if err != nil {
			t.Fatal(err)
		}
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		if d := new(big.Int).ModInverse(big.NewInt(int64(e)), phi); d != nil && n.BitLen() == bits {
			return n, d
		}
	}
	t.Fatalf("no key of %d bits in 100 tries", bits)
	return nil, nil
}

// signBlock raises the padded block, given in hex, to the private exponent.
func signBlock(t testing.TB, block string, n, d *big.Int) []byte {
	t.Helper()
	m, ok := new(big.Int).SetString(block, 16)
	if !ok {
		t.Fatalf("bad block %q", block)
	}
	return m.Exp(m, d, n).FillBytes(make([]byte, (n.BitLen()+7)/8))
}

const md5Info = "3020300c06082a864886f70d020505000410"

// block writes the padded block of RFC 8017, section 9.2, for a modulus of size
// bytes.
func block(size int, digest [md5.Size]byte) string {
	return "0001" + strings.Repeat("ff", size-3-18-16) + "00" + md5Info + hex.EncodeToString(digest[:])
}

func pemOf(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// keyServer serves one document and counts how often it was asked.
type keyServer struct {
	url   string
	calls atomic.Int32
}

func newKeyServer(t testing.TB, handler http.HandlerFunc) *keyServer {
	t.Helper()
	s := &keyServer{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		handler(w, r)
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/key.pem"
	return s
}

func serving(document []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(document) }
}

func message(keyURL, uri, body string, signature []byte) osscallback.Message {
	h := http.Header{}
	h.Set("Authorization", base64.StdEncoding.EncodeToString(signature))
	h.Set("x-oss-pub-key-url", base64.StdEncoding.EncodeToString([]byte(keyURL)))
	return osscallback.Message{URIs: []string{uri}, Header: h, Body: []byte(body)}
}

// Signatures made by crypto/rsa, an implementation of its own, over a string
// written out here.
func TestVerifyWithA2048BitKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte("/a b?q=%20\nbody"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.MD5, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sha := make([]byte, crypto.SHA256.Size())
	other, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sha)
	if err != nil {
		t.Fatal(err)
	}
	srv := newKeyServer(t, serving(pemOf(t, &key.PublicKey)))
	v := newVerifier(t, osscallback.Config{KeyURLs: []string{srv.url}})

	if err := v.Verify(t.Context(), message(srv.url, "/a%20b?q=%20", "body", signature)); err != nil {
		t.Errorf("Verify = %v, want nil", err)
	}
	if err := v.Verify(t.Context(), message(srv.url, "/a%20b?q=%20", "Body", signature)); !errors.Is(err, osscallback.ErrSignature) {
		t.Errorf("Verify of another body = %v, want ErrSignature", err)
	}
	if err := v.Verify(t.Context(), message(srv.url, "/a%20b?q=%20", "body", other)); !errors.Is(err, osscallback.ErrSignature) {
		t.Errorf("Verify of a signature over another digest = %v, want ErrSignature", err)
	}
	published := genuine(t, "docs-index-php").message()
	if err := v.Verify(t.Context(), published); !errors.Is(err, osscallback.ErrKeyURL) {
		t.Errorf("Verify of the published key url, which is not configured = %v, want ErrKeyURL", err)
	}
	if got := srv.calls.Load(); got != 1 {
		t.Errorf("key server was asked %d times, want once", got)
	}
}

func TestVerifyPadding(t *testing.T) {
	sum := md5.Sum([]byte("/\nbody"))
	digest := hex.EncodeToString(sum[:])
	for _, bits := range []int{512, 515, 768} {
		n, d := smallKey(t, bits, 65537)
		size := (bits + 7) / 8
		srv := newKeyServer(t, serving(pemOf(t, &rsa.PublicKey{N: n, E: 65537})))
		v := newVerifier(t, osscallback.Config{KeyURLs: []string{srv.url}})
		good := signBlock(t, block(size, sum), n, d)
		ff := func(n int) string { return strings.Repeat("ff", n) }

		tests := []struct {
			name      string
			signature []byte
			want      error
		}{
			{"a correct block", good, nil},
			{"the signature plus the modulus", new(big.Int).Add(new(big.Int).SetBytes(good), n).Bytes(), osscallback.ErrSignature},
			{"block type 2", signBlock(t, "0002"+ff(size-37)+"00"+md5Info+digest, n, d), osscallback.ErrSignature},
			{"a short padding with trailing bytes", signBlock(t, "0001"+ff(8)+"00"+md5Info+digest+strings.Repeat("ab", size-45), n, d), osscallback.ErrSignature},
			{"a padding byte that is not ff", signBlock(t, "0001"+ff(4)+"fe"+ff(size-42)+"00"+md5Info+digest, n, d), osscallback.ErrSignature},
			{"a digest info without parameters", signBlock(t, "0001"+ff(size-35)+"00"+"301e300a06082a864886f70d02050410"+digest, n, d), osscallback.ErrSignature},
			{"the digest alone", signBlock(t, "0001"+ff(size-19)+"00"+digest, n, d), osscallback.ErrSignature},
			{"another digest", signBlock(t, block(size, md5.Sum([]byte("/\nother"))), n, d), osscallback.ErrSignature},
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%d bits, %s", bits, tt.name), func(t *testing.T) {
				if err := v.Verify(t.Context(), message(srv.url, "/", "body", tt.signature)); !errors.Is(err, tt.want) {
					t.Errorf("Verify = %v, want %v", err, tt.want)
				}
			})
		}
	}
}

func TestVerifyRefusesKeyDocuments(t *testing.T) {
	n, d := smallKey(t, 512, 65537)
	sum := md5.Sum([]byte("/\nbody"))
	signature := signBlock(t, block(64, sum), n, d)
	good := pemOf(t, &rsa.PublicKey{N: n, E: 65537})
	weak, _ := smallKey(t, 504, 65537)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	goodBlock, _ := pem.Decode(good)

	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    error
	}{
		{"one key", serving(good), nil},
		{"one key between blank lines", serving([]byte("\n\n" + string(good) + "\r\n\n")), nil},
		{"status 404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.Write(good) }, osscallback.ErrKeyFetch},
		{"status 203", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(203); w.Write(good) }, osscallback.ErrKeyFetch},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				w.Write(good)
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, osscallback.ErrKeyFetch},
		{"an empty document", serving(nil), osscallback.ErrKeyFetch},
		{"no PEM", serving([]byte("<html>")), osscallback.ErrKeyFetch},
		{"the key twice", serving([]byte(string(good) + string(good))), osscallback.ErrKeyFetch},
		{"text before the key", serving([]byte("key:\n" + string(good))), osscallback.ErrKeyFetch},
		{"text after the key", serving([]byte(string(good) + "end\n")), osscallback.ErrKeyFetch},
		{"another block type", serving(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: goodBlock.Bytes})), osscallback.ErrKeyFetch},
		{"a block that is not a key", serving(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})), osscallback.ErrKeyFetch},
		{"an elliptic curve key", serving(pemOf(t, &curve.PublicKey)), osscallback.ErrKeyFetch},
		{"exponent 3", serving(pemOf(t, &rsa.PublicKey{N: n, E: 3})), osscallback.ErrKeyFetch},
		{"504 bits", serving(pemOf(t, &rsa.PublicKey{N: weak, E: 65537})), osscallback.ErrKeyFetch},
		{"8192 bits", serving(pemOf(t, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8191, 1), E: 65537})), osscallback.ErrSignature},
		{"more bits than anybody uses", serving(pemOf(t, &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537})), osscallback.ErrKeyFetch},
		{"16 KiB and one byte", serving([]byte(string(good) + strings.Repeat("\n", 16<<10+1-len(good)))), osscallback.ErrKeyFetch},
		{"exactly 16 KiB", serving([]byte(string(good) + strings.Repeat("\n", 16<<10-len(good)))), nil},
		{"a connection that breaks", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write(good)
		}, osscallback.ErrKeyFetch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newKeyServer(t, tt.handler)
			// The caller's client would follow the redirect; the verifier does not.
			v := newVerifier(t, osscallback.Config{KeyURLs: []string{srv.url}, Client: &http.Client{}})
			if err := v.Verify(t.Context(), message(srv.url, "/", "body", signature)); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
			if got := srv.calls.Load(); got != 1 {
				t.Errorf("key server was asked %d times, want once", got)
			}
		})
	}
}

// closing is a body that tells whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// Whatever a key server answers is closed: its connection would stay open.
func TestAnswersOfKeyServersAreClosed(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		status int
		body   string
	}{
		"a key":          {200, string(pemOf(t, &key.PublicKey))},
		"no key":         {200, "<html>"},
		"too long":       {200, strings.Repeat("\n", 1<<20)},
		"another status": {500, ""},
	} {
		body := &closing{Reader: strings.NewReader(tt.body)}
		client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: tt.status, Header: http.Header{}, Body: body}, nil
		})}
		const url = "https://keys.example.com/key.pem"
		v := newVerifier(t, osscallback.Config{KeyURLs: []string{url}, Client: client})
		if err := v.Verify(t.Context(), message(url, "/", "body", []byte("not a signature"))); err == nil {
			t.Errorf("%s: Verify = nil, want an error", name)
		}
		if !body.closed {
			t.Errorf("%s: the answer was not closed", name)
		}
	}
}

func TestVerifyRemembersAFailedFetchForFiveSeconds(t *testing.T) {
	n, d := smallKey(t, 512, 65537)
	document := pemOf(t, &rsa.PublicKey{N: n, E: 65537})
	signature := signBlock(t, block(64, md5.Sum([]byte("/\nbody"))), n, d)
	var up atomic.Bool
	srv := newKeyServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Write(document)
	})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := newVerifier(t, osscallback.Config{KeyURLs: []string{srv.url}, Now: func() time.Time { return now }})
	m := message(srv.url, "/", "body", signature)

	steps := []struct {
		name    string
		advance time.Duration
		up      bool
		want    error
		calls   int32
	}{
		{"the first fetch fails", 0, false, osscallback.ErrKeyFetch, 1},
		{"at once: remembered", 0, true, osscallback.ErrKeyFetch, 1},
		{"just under five seconds: remembered", 5*time.Second - 1, true, osscallback.ErrKeyFetch, 1},
		{"at five seconds: fetched", 1, true, nil, 2},
		{"later, with the server down: kept", 1000 * time.Hour, false, nil, 2},
	}
	for _, step := range steps {
		now = now.Add(step.advance)
		up.Store(step.up)
		if err := v.Verify(t.Context(), m); !errors.Is(err, step.want) {
			t.Errorf("%s: Verify = %v, want %v", step.name, err, step.want)
		}
		if got := srv.calls.Load(); got != step.calls {
			t.Errorf("%s: key server was asked %d times, want %d", step.name, got, step.calls)
		}
	}
}

func TestVerifyForgetsAFailureWhenTheClockIsSetBack(t *testing.T) {
	srv := newKeyServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := newVerifier(t, osscallback.Config{KeyURLs: []string{srv.url}, Now: func() time.Time { return now }})
	m := message(srv.url, "/", "body", make([]byte, 64))
	for calls := int32(1); calls <= 2; calls++ {
		if err := v.Verify(t.Context(), m); !errors.Is(err, osscallback.ErrKeyFetch) {
			t.Errorf("Verify = %v, want ErrKeyFetch", err)
		}
		if got := srv.calls.Load(); got != calls {
			t.Errorf("key server was asked %d times, want %d", got, calls)
		}
		now = now.Add(-time.Hour)
	}
}

// The four tests below run in a bubble with a clock of its own: "every caller
// is waiting" is then a state that can be waited for, and a second costs none.

func TestVerifyFetchesOnceForConcurrentCalls(t *testing.T) {
	const url, callers = "https://keys.example/key.pem", 50
	n, d := smallKey(t, 512, 65537)
	document := pemOf(t, &rsa.PublicKey{N: n, E: 65537})
	signature := signBlock(t, block(64, md5.Sum([]byte("/\nbody"))), n, d)
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		v := newVerifier(t, osscallback.Config{KeyURLs: []string{url}, Client: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			calls.Add(1)
			<-release
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(document)))}, nil
		})}})
		errs := make([]error, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() { errs[i] = v.Verify(t.Context(), message(url, "/", "body", signature)) })
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("Verify = %v, want nil from every caller", err)
		}
		if got := calls.Load(); got != 1 {
			t.Errorf("%d fetches, want one", got)
		}
	})
}

func TestVerifyWaiterLeavesWithoutStoppingTheFetch(t *testing.T) {
	const url = "https://keys.example/key.pem"
	n, d := smallKey(t, 512, 65537)
	document := pemOf(t, &rsa.PublicKey{N: n, E: 65537})
	m := message(url, "/", "body", signBlock(t, block(64, md5.Sum([]byte("/\nbody"))), n, d))
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		v := newVerifier(t, osscallback.Config{KeyURLs: []string{url}, Client: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			select {
			case <-release:
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(document)))}, nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})}})

		impatient, leave := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan error, 1)
		go func() { left <- v.Verify(impatient, m) }()
		synctest.Wait()
		go func() { stayed <- v.Verify(t.Context(), m) }()
		synctest.Wait()

		leave()
		if err := <-left; !errors.Is(err, osscallback.ErrKeyFetch) || !errors.Is(err, context.Canceled) {
			t.Errorf("Verify of the caller that left = %v, want ErrKeyFetch and context.Canceled", err)
		}
		close(release)
		if err := <-stayed; err != nil {
			t.Errorf("Verify of the caller that stayed = %v, want nil", err)
		}
	})
}

func TestVerifyGivesUpOnAKeyServerThatHangs(t *testing.T) {
	const url = "https://keys.example/key.pem"
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, osscallback.Config{KeyURLs: []string{url}, Client: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}})
		start := time.Now()
		err := v.Verify(t.Context(), message(url, "/", "body", make([]byte, 64)))
		if !errors.Is(err, osscallback.ErrKeyFetch) {
			t.Errorf("Verify = %v, want ErrKeyFetch", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Verify took %v, want 1s", took)
		}
	})
}

// An instance may be frozen during a fetch, whose connection is dead when it goes
// on.
func TestVerifyDoesNotWaitForAFrozenFetch(t *testing.T) {
	const url = "https://keys.example/key.pem"
	n, d := smallKey(t, 512, 65537)
	document := pemOf(t, &rsa.PublicKey{N: n, E: 65537})
	m := message(url, "/", "body", signBlock(t, block(64, md5.Sum([]byte("/\nbody"))), n, d))
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		thaw := make(chan struct{})
		v := newVerifier(t, osscallback.Config{KeyURLs: []string{url}, Client: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				<-thaw
				return nil, io.ErrUnexpectedEOF
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(document)))}, nil
		})}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := v.Verify(ctx, m); !errors.Is(err, osscallback.ErrKeyFetch) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Verify = %v, want ErrKeyFetch and context.DeadlineExceeded", err)
		}
		time.Sleep(time.Minute)
		if err := v.Verify(t.Context(), m); err != nil {
			t.Errorf("Verify after the freeze = %v, want nil", err)
		}
		close(thaw)
		synctest.Wait()
		if err := v.Verify(t.Context(), m); err != nil {
			t.Errorf("Verify after the failure of the frozen fetch = %v, want nil", err)
		}
		if got := calls.Load(); got != 2 {
			t.Errorf("%d fetches, want 2", got)
		}
	})
}
