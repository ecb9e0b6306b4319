package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/cputime"
)

// BenchmarkRowPresign is a whole invocation for a PUT, from event to answer, with
// the line that is logged for it. Peer is a handler that leaves out all that can
// be left out; see minimal.
func BenchmarkRowPresign(b *testing.B) {
	f := newSetup(b).function(b)
	f.adapter.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	event := costEvent(b)
	invoke := func() ([]byte, error) {
		out, err := f.adapter.Invoke(b.Context(), "request-1", event)
		if err == nil && !bytes.Contains(out, []byte(`"statusCode":200`)) {
			err = fmt.Errorf("answer %s, want 200", out)
		}
		return out, err
	}
	out, err := invoke()
	if err != nil {
		b.Fatal(err)
	}
	peer := newMinimal(b, out)
	theirs, err := peer.handle(event)
	if err != nil {
		b.Fatal(err)
	}
	var minimal answer
	var said minimalAnswer
	if err := errors.Join(json.Unmarshal(theirs, &minimal), json.Unmarshal([]byte(minimal.Body), &said)); err != nil {
		b.Fatal(err)
	}
	if len(said.URL) != len(peer.answer.URL) || said.UploadToken != peer.answer.UploadToken || len(said.Headers) != len(peer.answer.Headers) {
		b.Fatalf("the minimal handler answers %.300s, want as in %.300s", theirs, out)
	}
	cputime.Bench(b, "ours", func() error {
		_, err := invoke()
		return err
	})
	cputime.Bench(b, "peer", func() error {
		_, err := peer.handle(event)
		return err
	})
}

// costEvent is a request for a PUT.
func costEvent(b *testing.B) []byte {
	b.Helper()
	event, err := json.Marshal(map[string]any{
		"version": "v1", "rawPath": "/presign", "body": somePresign,
		"headers": map[string]string{
			"Authorization": "Bearer " + token(b, "alice", nil), "Content-Type": "application/json",
			"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
		"requestContext": map[string]any{"http": map[string]string{"method": "POST", "path": "/presign"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return event
}

// minimal is a handler on the floor: it decodes event and body, verifies the
// caller's token, makes the one signature over a string that is ready, and encodes
// answer and event. It checks, seals, escapes and logs nothing.
type minimal struct {
	canonical, toSign []byte
	mac               hash.Hash
	url               string
	answer            minimalAnswer
}

type minimalAnswer struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Expires     int64             `json:"expires"`
	ExpiresAt   time.Time         `json:"expiresAt"`
	Headers     map[string]string `json:"headers"`
	Key         string            `json:"key"`
	UploadToken string            `json:"uploadToken"`
}

// newMinimal is one that answers what ours has answered.
func newMinimal(b *testing.B, out []byte) *minimal {
	b.Helper()
	var a answer
	m := &minimal{}
	if err := errors.Join(json.Unmarshal(out, &a), json.Unmarshal([]byte(a.Body), &m.answer)); err != nil {
		b.Fatal(err)
	}
	before, _, _ := strings.Cut(m.answer.URL, "&x-oss-signature=")
	_, query, _ := strings.Cut(before, "?")
	m.url = before + "&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature="
	header := new(bytes.Buffer)
	for name, value := range m.answer.Headers {
		fmt.Fprintf(header, "%s:%s\n", strings.ToLower(name), value)
	}
	m.canonical = []byte("PUT\n/examplebucket/" + m.answer.Key + "\n" + query + "\n" + header.String() + "\ncontent-length\nUNSIGNED-PAYLOAD")
	m.toSign = fmt.Appendf(nil, "OSS4-HMAC-SHA256\n%s\n%s/cn-hangzhou/oss/aliyun_v4_request\n%064d", testDate, testDate[:8], 0)
	m.mac = hmac.New(sha256.New, make([]byte, sha256.Size))
	return m
}

func (m *minimal) handle(event []byte) ([]byte, error) {
	var in struct {
		Version, RawPath, Body string
		IsBase64Encoded        bool
		Headers                map[string]string
		QueryParameters        map[string]string
		RequestContext         struct {
			HTTP struct{ Method, Path string } `json:"http"`
		}
	}
	if err := json.Unmarshal(event, &in); err != nil {
		return nil, err
	}
	var wish struct {
		Filename    string            `json:"filename"`
		Size        *int64            `json:"size"`
		ContentType string            `json:"contentType"`
		Metadata    map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal([]byte(in.Body), &wish); err != nil {
		return nil, err
	}
	var caller jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(strings.TrimPrefix(in.Headers["Authorization"], "Bearer "), &caller,
		func(*jwt.Token) (any, error) { return []byte(callerSecret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience("ossupload"), jwt.WithTimeFunc(func() time.Time { return testNow }))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(m.canonical)
	hex.Encode(m.toSign[len(m.toSign)-64:], sum[:])
	m.mac.Reset()
	m.mac.Write(m.toSign)
	answer := m.answer
	answer.URL = m.url + hex.EncodeToString(m.mac.Sum(nil))
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		StatusCode      int               `json:"statusCode"`
		Headers         map[string]string `json:"headers"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
		Body            string            `json:"body"`
	}{200, map[string]string{"Content-Type": "application/json"}, false, string(body)})
}
