package osscallback_test

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"ossupload/shared/osscallback"
)

// vectorFile is testdata/callback.json: callbacks that OSS really sent, from
// public documents and repositories, each with its source, and forgeries
// derived from them. Strings and digests were computed with openssl.
type vectorFile struct {
	Keys map[string]struct {
		PEM string `json:"pem"`
	} `json:"keys"`
	Vectors []vector `json:"vectors"`
	Policy  []struct {
		URL     string `json:"url"`
		Encoded string `json:"x_oss_pub_key_url"`
		Accept  bool   `json:"accept"`
	} `json:"key_url_policy"`
}

type vector struct {
	ID           string            `json:"id"`
	Path         string            `json:"path"`
	Query        string            `json:"query"`
	Headers      map[string]string `json:"headers"`
	Body         string            `json:"body"`
	Valid        bool              `json:"valid"`
	StringToSign string            `json:"string_to_sign"`
	MD5          string            `json:"string_to_sign_md5"`
}

func (v vector) message() osscallback.Message {
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return osscallback.Message{URIs: []string{v.Path + v.Query}, Header: h, Body: []byte(v.Body)}
}

func loadVectors(t testing.TB) vectorFile {
	t.Helper()
	raw, err := os.ReadFile("testdata/callback.json")
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) == 0 || len(f.Policy) == 0 {
		t.Fatal("testdata/callback.json holds no vectors or no policy rows")
	}
	return f
}

// genuine returns one vector that verifies, by its id.
func genuine(t testing.TB, id string) vector {
	t.Helper()
	for _, v := range loadVectors(t).Vectors {
		if v.ID == id && v.Valid {
			return v
		}
	}
	t.Fatalf("no genuine vector %q", id)
	return vector{}
}

// noNetwork fails the test when anything is fetched.
func noNetwork(t testing.TB) *http.Client {
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a call went out to %s", r.URL)
		return nil, errors.New("no network in this test")
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newVerifier(t testing.TB, cfg osscallback.Config) *osscallback.Verifier {
	t.Helper()
	v, err := osscallback.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyVectors(t *testing.T) {
	for _, vec := range loadVectors(t).Vectors {
		t.Run(vec.ID, func(t *testing.T) {
			signed, ok := osscallback.StringToSign(vec.Path+vec.Query, []byte(vec.Body))
			if !ok || string(signed) != vec.StringToSign {
				t.Errorf("stringToSign = %q, %t, want %q", signed, ok, vec.StringToSign)
			}
			if sum := md5.Sum(signed); hex.EncodeToString(sum[:]) != vec.MD5 {
				t.Errorf("MD5 of string to sign = %x, want %s", sum, vec.MD5)
			}

			// The built-in key has to do: a cold start fetches nothing.
			err := newVerifier(t, osscallback.Config{Client: noNetwork(t)}).Verify(t.Context(), vec.message())
			if vec.Valid && err != nil {
				t.Errorf("Verify = %v, want nil", err)
			}
			if !vec.Valid && !errors.Is(err, osscallback.ErrSignature) {
				t.Errorf("Verify = %v, want ErrSignature", err)
			}
		})
	}
}

// The verifier must not live on a process-wide relaxation of crypto/rsa. This
// shows that the vectors above ran without one.
func TestStandardLibraryStillRefusesThePublishedKey(t *testing.T) {
	if strings.Contains(os.Getenv("GODEBUG"), "rsa1024min") {
		t.Fatal("GODEBUG relaxes crypto/rsa; unset it")
	}
	f := loadVectors(t)
	block, _ := pem.Decode([]byte(f.Keys["v1"].PEM))
	if block == nil {
		t.Fatal("vectors hold no key v1")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	vec := genuine(t, "docs-index-php")
	sum := md5.Sum([]byte(vec.StringToSign))
	sig, err := base64.StdEncoding.DecodeString(vec.Headers["authorization"])
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.MD5, sum[:], sig); err == nil {
		t.Error("rsa.VerifyPKCS1v15 accepted a 512-bit key, want the default refusal")
	}
}

func TestVerifyKeyURLPolicy(t *testing.T) {
	for _, row := range loadVectors(t).Policy {
		t.Run(row.URL, func(t *testing.T) {
			m := genuine(t, "docs-index-php").message()
			m.Header.Set("x-oss-pub-key-url", row.Encoded)
			err := newVerifier(t, osscallback.Config{Client: noNetwork(t)}).Verify(t.Context(), m)
			if row.Accept && err != nil {
				t.Errorf("Verify = %v, want nil", err)
			}
			if !row.Accept && !errors.Is(err, osscallback.ErrKeyURL) {
				t.Errorf("Verify = %v, want ErrKeyURL", err)
			}
		})
	}
}

func TestVerifyRefusesEverySingleChangedByte(t *testing.T) {
	v := newVerifier(t, osscallback.Config{Client: noNetwork(t)})
	for _, id := range []string{"docs-index-php", "github-deeplink-2019"} {
		vec := genuine(t, id)
		signature, err := base64.StdEncoding.DecodeString(vec.Headers["authorization"])
		if err != nil {
			t.Fatal(err)
		}
		parts := []struct {
			name string
			raw  []byte
			put  func(m *osscallback.Message, changed []byte)
		}{
			{"path", []byte(vec.Path), func(m *osscallback.Message, b []byte) { m.URIs[0] = string(b) + vec.Query }},
			{"query", []byte(vec.Query), func(m *osscallback.Message, b []byte) { m.URIs[0] = vec.Path + string(b) }},
			{"body", []byte(vec.Body), func(m *osscallback.Message, b []byte) { m.Body = b }},
			{"signature", signature, func(m *osscallback.Message, b []byte) {
				m.Header.Set("Authorization", base64.StdEncoding.EncodeToString(b))
			}},
			{"encoded signature", []byte(vec.Headers["authorization"]), func(m *osscallback.Message, b []byte) {
				m.Header.Set("Authorization", string(b))
			}},
		}
		for _, part := range parts {
			for i := range part.raw {
				for _, flip := range []byte{0x01, 0x20, 0x80} {
					changed := bytes.Clone(part.raw)
					changed[i] ^= flip
					m := vec.message()
					part.put(&m, changed)
					if err := v.Verify(t.Context(), m); !errors.Is(err, osscallback.ErrSignature) {
						t.Errorf("%s: Verify with byte %d of the %s changed by %#x = %v, want ErrSignature", id, i, part.name, flip, err)
					}
				}
			}
		}
	}
}
