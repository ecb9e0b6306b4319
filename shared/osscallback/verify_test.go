package osscallback_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/osscallback"
)

func TestVerifyAfterOneChange(t *testing.T) {
	vec := genuine(t, "docs-signedcallback-2018")
	auth, keyURL := vec.Headers["authorization"], vec.Headers["x-oss-pub-key-url"]
	decoded, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString

	tests := []struct {
		name   string
		change func(m *osscallback.Message)
		want   error
	}{
		{"unchanged", func(m *osscallback.Message) {}, nil},
		{"no signature version", func(m *osscallback.Message) { m.Header.Del("x-oss-signature-version") }, nil},
		{"header names in lower case", func(m *osscallback.Message) {
			lower := http.Header{}
			for name, values := range m.Header {
				lower[strings.ToLower(name)] = values
			}
			m.Header = lower
		}, nil},
		{"the signed uri comes second", func(m *osscallback.Message) { m.URIs = []string{"/configured", "/"} }, nil},
		{"other headers differ", func(m *osscallback.Message) { m.Header.Set("x-oss-bucket", "another") }, nil},
		{"an empty query", func(m *osscallback.Message) { m.URIs = []string{"/?"} }, nil},
		{"a broken escape in the path", func(m *osscallback.Message) { m.URIs = []string{"/%"} }, osscallback.ErrSignature},

		{"no uris", func(m *osscallback.Message) { m.URIs = nil }, osscallback.ErrSignature},
		{"an empty uri", func(m *osscallback.Message) { m.URIs = []string{""} }, osscallback.ErrSignature},
		{"no headers", func(m *osscallback.Message) { m.Header = nil }, osscallback.ErrSignature},
		{"no authorization", func(m *osscallback.Message) { m.Header.Del("Authorization") }, osscallback.ErrSignature},
		{"an empty authorization", func(m *osscallback.Message) { m.Header.Set("Authorization", "") }, osscallback.ErrSignature},
		{"the same authorization twice", func(m *osscallback.Message) { m.Header.Add("Authorization", auth) }, osscallback.ErrSignature},
		{"authorization twice in different case", func(m *osscallback.Message) { m.Header["authorization"] = []string{auth} }, osscallback.ErrSignature},
		{"two authorizations joined", func(m *osscallback.Message) { m.Header.Set("Authorization", auth+","+auth) }, osscallback.ErrSignature},
		{"a scheme word", func(m *osscallback.Message) { m.Header.Set("Authorization", "OSS "+auth) }, osscallback.ErrSignature},
		{"a line feed in the signature", func(m *osscallback.Message) { m.Header.Set("Authorization", auth[:8]+"\n"+auth[8:]) }, osscallback.ErrSignature},
		{"no padding", func(m *osscallback.Message) { m.Header.Set("Authorization", strings.TrimRight(auth, "=")) }, osscallback.ErrSignature},
		{"stray bits behind the signature", func(m *osscallback.Message) {
			// Of the last of 64 bytes two bits stand in the last letter: A, Q, g or w.
			stray := []byte(auth)
			stray[len(stray)-len("==")-1]++
			m.Header.Set("Authorization", string(stray))
		}, osscallback.ErrSignature},
		{"a signature one byte short", func(m *osscallback.Message) { m.Header.Set("Authorization", encode(decoded[1:])) }, osscallback.ErrSignature},
		{"a signature with a leading zero", func(m *osscallback.Message) {
			m.Header.Set("Authorization", encode(slices.Concat([]byte{0}, decoded)))
		}, osscallback.ErrSignature},
		{"a signature of zeros", func(m *osscallback.Message) { m.Header.Set("Authorization", encode(make([]byte, 64))) }, osscallback.ErrSignature},
		{"signature version 2.0", func(m *osscallback.Message) { m.Header.Set("x-oss-signature-version", "2.0") }, osscallback.ErrSignature},
		{"an empty signature version", func(m *osscallback.Message) { m.Header.Set("x-oss-signature-version", "") }, osscallback.ErrSignature},
		{"the signature version twice", func(m *osscallback.Message) { m.Header.Add("x-oss-signature-version", "1.0") }, osscallback.ErrSignature},
		{"a line feed moved from body to path", func(m *osscallback.Message) {
			m.URIs, m.Body = []string{"/%0A" + string(m.Body[:4])}, m.Body[4:]
		}, osscallback.ErrSignature},
		{"an empty body", func(m *osscallback.Message) { m.Body = nil }, osscallback.ErrSignature},

		{"no key url", func(m *osscallback.Message) { m.Header.Del("x-oss-pub-key-url") }, osscallback.ErrKeyURL},
		{"the key url twice", func(m *osscallback.Message) { m.Header.Add("x-oss-pub-key-url", keyURL) }, osscallback.ErrKeyURL},
		{"a key url that is not base64", func(m *osscallback.Message) {
			m.Header.Set("x-oss-pub-key-url", "https://gosspublic.alicdn.com/callback_pub_key_v1.pem")
		}, osscallback.ErrKeyURL},
		{"a key url without padding", func(m *osscallback.Message) {
			m.Header.Set("x-oss-pub-key-url", strings.TrimRight(keyURL, "="))
		}, osscallback.ErrKeyURL},
		{"a key url with a line feed in its encoding", func(m *osscallback.Message) {
			m.Header.Set("x-oss-pub-key-url", keyURL[:8]+"\n"+keyURL[8:])
		}, osscallback.ErrKeyURL},
		{"another document on the published host", func(m *osscallback.Message) {
			m.Header.Set("x-oss-pub-key-url", encode([]byte("https://gosspublic.alicdn.com/callback_pub_key_v2.pem")))
		}, osscallback.ErrKeyURL},
		{"the published url in upper case", func(m *osscallback.Message) {
			m.Header.Set("x-oss-pub-key-url", encode([]byte("HTTPS://gosspublic.alicdn.com/callback_pub_key_v1.pem")))
		}, osscallback.ErrKeyURL},
		{"the published url with a query", func(m *osscallback.Message) {
			m.Header.Set("x-oss-pub-key-url", encode([]byte("https://gosspublic.alicdn.com/callback_pub_key_v1.pem?")))
		}, osscallback.ErrKeyURL},
		{"the published url on another path to the same place", func(m *osscallback.Message) {
			m.Header.Set("x-oss-pub-key-url", encode([]byte("https://gosspublic.alicdn.com/./callback_pub_key_v1.pem")))
		}, osscallback.ErrKeyURL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := vec.message()
			tt.change(&m)
			err := newVerifier(t, osscallback.Config{Client: noNetwork(t)}).Verify(t.Context(), m)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Verify = %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), auth[:16]) {
				t.Errorf("Verify = %v, which repeats the signature", err)
			}
		})
	}
}

func TestStringToSign(t *testing.T) {
	tests := []struct {
		name, uri, body string
		want            string
		ok              bool
	}{
		{"an escaped path is decoded", "/a%20b%2Fc", "x", "/a b/c\nx", true},
		{"a plus in the path stays", "/a+b", "x", "/a+b\nx", true},
		{"the query stays raw", "/a?b=%20c+d&e", "x", "/a?b=%20c+d&e\nx", true},
		{"a second question mark belongs to the query", "/a?b?c", "x", "/a?b?c\nx", true},
		{"an empty query is left out", "/a?", "x", "/a\nx", true},
		{"an escaped question mark belongs to the path", "/a%3Fb?c", "x", "/a?b?c\nx", true},
		{"an empty body", "/", "", "/\n", true},
		{"a body of lines", "/", "a\nb\n", "/\na\nb\n", true},
		{"no leading slash", "a", "x", "", false},
		{"a query alone", "?a=b", "x", "", false},
		{"a broken escape", "/%zz", "x", "", false},
		{"an escaped line feed", "/a%0Ab", "x", "", false},
		{"a line feed in the query", "/a?b\nc", "x", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := osscallback.StringToSign(tt.uri, []byte(tt.body))
			if string(got) != tt.want || ok != tt.ok {
				t.Errorf("stringToSign(%q, %q) = %q, %t, want %q, %t", tt.uri, tt.body, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestNewVerifierRefusesKeyURLs(t *testing.T) {
	for _, keyURL := range []string{
		"", "gosspublic.alicdn.com/k.pem", "/k.pem", "ftp://keys.example/k.pem", "https://", "https:///k.pem",
		"https://user@keys.example/k.pem", "https://keys.example/k.pem#a", "https://keys.example/%zz", "file:///k.pem",
	} {
		_, err := osscallback.NewVerifier(osscallback.Config{KeyURLs: []string{"https://keys.example/ok.pem", keyURL}})
		if err == nil || !strings.Contains(err.Error(), "url 2 of 2") {
			t.Errorf("NewVerifier with key url %q = %v, want an error about the second", keyURL, err)
		}
	}
}

// FuzzVerify holds the verifier to its one promise: whatever comes in, nil
// means that these very bytes are the string to sign of a genuine callback.
func FuzzVerify(f *testing.F) {
	genuineStrings := map[string]string{}
	for _, vec := range loadVectors(f).Vectors {
		f.Add(vec.Path+vec.Query, vec.Headers["authorization"], vec.Headers["x-oss-pub-key-url"], []byte(vec.Body))
		if vec.Valid {
			genuineStrings[vec.StringToSign] = vec.Headers["authorization"]
		}
	}
	v := newVerifier(f, osscallback.Config{Client: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		panic("a call went out")
	})}})
	f.Fuzz(func(t *testing.T, uri, authorization, keyURL string, body []byte) {
		err := v.Verify(t.Context(), osscallback.Message{
			URIs:   []string{uri},
			Header: http.Header{"Authorization": {authorization}, "X-Oss-Pub-Key-Url": {keyURL}},
			Body:   body,
		})
		switch {
		case err == nil:
			signed, _ := osscallback.StringToSign(uri, body)
			if want, ok := genuineStrings[string(signed)]; !ok || authorization != want {
				t.Errorf("Verify accepted %q with signature %q", signed, authorization)
			}
		case !errors.Is(err, osscallback.ErrSignature) && !errors.Is(err, osscallback.ErrKeyURL):
			t.Errorf("Verify = %v, want ErrSignature or ErrKeyURL", err)
		}
	})
}
