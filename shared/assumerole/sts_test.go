package assumerole_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/rolecreds"
)

// The one account of the stand-in, and what it hands out.
const (
	baseID      = "STS.base-id"
	baseSecret  = "base-access-key-secret"
	baseToken   = "base-security-token/+="
	roleARN     = "acs:ram::1234567890123456:role/uploader"
	roleSecret  = "assumed-access-key-secret"
	roleToken   = "assumed-security-token"
	secretWords = baseSecret + " " + baseToken + " " + roleSecret + " " + roleToken
)

var base = rolecreds.Credentials{AccessKeyID: baseID, AccessKeySecret: baseSecret, SecurityToken: baseToken}

// sts stands in for STS. It checks the signature of what arrives on the wire by
// itself, and lets answer reply.
type sts struct {
	*httptest.Server
	caFile string

	mu     sync.Mutex
	calls  []url.Values // parameters of each call that was signed correctly
	answer http.HandlerFunc
}

func newSTS(t *testing.T) *sts {
	t.Helper()
	s := &sts{answer: grant("1")}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parameters, fault := verify(r)
		if fault != "" {
			t.Errorf("call of STS: %s", fault)
			refuse(http.StatusBadRequest, "SignatureDoesNotMatch", "")(w, r)
			return
		}
		s.mu.Lock()
		s.calls = append(s.calls, parameters)
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	// Handshakes that a test breaks off on purpose are not worth a line.
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	s.caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sts) setAnswer(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = h
}

func (s *sts) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *sts) lastCall(t *testing.T) url.Values {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) == 0 {
		t.Fatal("STS was not called")
	}
	return s.calls[len(s.calls)-1]
}

// grant answers with credentials whose id ends in name.
func grant(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{
			"RequestId":       "6894B13B-6D71-4EF5-88FA-F32781734A7F",
			"AssumedRoleUser": map[string]string{"Arn": roleARN + "/s", "AssumedRoleId": "39:s"},
			"Credentials": map[string]string{
				"AccessKeyId":     "STS.role-" + name,
				"AccessKeySecret": roleSecret,
				"SecurityToken":   roleToken,
				// Far from what any fake clock says, to show that it is not used.
				"Expiration": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z"),
			},
		})
	}
}

// refuse answers as STS refuses. The message holds what must not be repeated.
func refuse(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, status, map[string]string{
			"RequestId": "6894B13B", "HostId": r.Host, "Code": code, "Message": message + " " + secretWords,
		})
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

// verify recomputes the signature of an RPC request ("Signature method" of RPC
// style APIs):
//
//	POST&%2F&encode(sorted name=value pairs, names and values encoded, joined by &)
//
// over query and form without Signature, HMAC-SHA1, key secret+"&".
func verify(r *http.Request) (url.Values, string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err.Error()
	}
	if r.Method != "POST" || r.URL.Path != "/" && r.URL.Path != "" {
		return nil, "is " + r.Method + " " + r.URL.Path
	}
	if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
		return nil, "has content type " + got
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err.Error()
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err.Error()
	}
	parameters := maps.Clone(query)
	maps.Copy(parameters, form)
	if len(parameters) != len(query)+len(form) {
		return nil, "names a parameter in query and form"
	}
	var pairs []string
	for name, values := range parameters {
		if len(values) != 1 {
			return nil, "repeats " + name
		}
		if name != "Signature" {
			pairs = append(pairs, encode(name)+"="+encode(values[0]))
		}
	}
	slices.Sort(pairs)
	mac := hmac.New(sha1.New, []byte(baseSecret+"&"))
	mac.Write([]byte("POST&%2F&" + encode(strings.Join(pairs, "&"))))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if got := parameters.Get("Signature"); got != want {
		return nil, "has a wrong signature"
	}
	signedAt, err := time.Parse("2006-01-02T15:04:05Z", parameters.Get("Timestamp"))
	if err != nil || time.Since(signedAt).Abs() > 15*time.Minute {
		return nil, "has timestamp " + parameters.Get("Timestamp")
	}
	for _, name := range []string{"Signature", "Timestamp", "SignatureNonce"} {
		if parameters.Get(name) == "" {
			return nil, "has no " + name
		}
		parameters.Del(name)
	}
	return parameters, ""
}

// encode leaves the unreserved characters of RFC 3986 as they are.
func encode(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// selfSigned is a certificate for 127.0.0.1 that nobody trusts.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
