package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/stack"
)

// answered is what came back for a request.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func (a answered) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// ossCode is the code of OSS's error document, or "".
func (a answered) ossCode() string {
	var e struct{ Code string }
	body := a.body
	if encoded := a.header.Get("x-oss-err"); len(body) == 0 && encoded != "" {
		body, _ = base64.StdEncoding.DecodeString(encoded)
	}
	if xml.Unmarshal(body, &e) != nil {
		return ""
	}
	return e.Code
}

// refused is the error of a function.
type refused struct {
	Code      string
	Message   string
	RequestID string
	Error     string
	Details   []struct{ Field, Reason string }
}

// refusal decodes the error of a function.
func (a answered) refusal(t *testing.T) refused {
	t.Helper()
	var r refused
	if err := json.Unmarshal(a.body, &r); err != nil {
		t.Fatalf("the answer %v is no error of a function: %v", a, err)
	}
	return r
}

// fields are those that an error names, sorted.
func (r refused) fields() []string {
	var names []string
	for _, d := range r.Details {
		names = append(names, d.Field)
	}
	slices.Sort(names)
	return names
}

func (s *site) do(t *testing.T, req *http.Request) answered {
	t.Helper()
	res, err := s.client.Do(req)
	if err != nil {
		// net/http's error has the URL, and that has a signature.
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		t.Fatalf("sending a %s: %v", req.Method, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("reading the answer to a %s: %v", req.Method, err)
	}
	return answered{res.StatusCode, res.Header, body}
}

// ask calls a function through the gateway and holds the answer against what
// is promised of every answer.
func (s *site) ask(t *testing.T, method, path string, header http.Header, body []byte) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.Ready.Gateway+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	s.keepSecret("a caller's Authorization", strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
	a := s.do(t, req)
	checkFunctionAnswer(t, method, a)
	return a
}

// statusOf is the closed set of error codes.
var statusOf = map[string]int{
	"invalid_request": 400, "invalid_json": 400, "unauthenticated": 401, "invalid_token": 403, "forbidden": 403,
	"callback_rejected": 403, "not_found": 404, "method_not_allowed": 405, "too_large": 413, "unsupported_media_type": 415,
	"already_completed": 409, "aborted": 409, "upload_gone": 410, "parts_mismatch": 422, "checksum_mismatch": 422,
	"object_mismatch": 422, "internal": 500, "storage_error": 502, "storage_denied": 502, "delivery_failed": 502,
	"credentials_expiring": 503, "throttled": 503, "storage_timeout": 504,
}

func checkFunctionAnswer(t *testing.T, method string, a answered) {
	t.Helper()
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := a.header.Values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s of the answer %d = %q, want %q once", name, a.status, got, want)
		}
	}
	id := a.header.Get("X-Request-Id")
	if id == "" || id != a.header.Get("X-Ca-Request-Id")+a.header.Get("X-Fc-Request-Id") {
		t.Errorf("X-Request-Id of the answer %d = %q, want the gateway's id", a.status, id)
	}
	for _, name := range []string{"Set-Cookie", "Access-Control-Allow-Credentials"} {
		if got := a.header.Values(name); got != nil {
			t.Errorf("%s of the answer %d = %q, want none", name, a.status, got)
		}
	}
	if a.status == http.StatusNoContent || method == http.MethodHead {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type of the answer %d = %q, want application/json", a.status, got)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &members); err != nil {
		t.Fatalf("the answer %v is no JSON object: %v", a, err)
	}
	if a.status < 300 {
		if _, ok := members["error"]; ok {
			t.Errorf("the answer %v has an error on a 2xx", a)
		}
		return
	}
	for name := range members {
		if !slices.Contains([]string{"code", "message", "requestId", "error", "details"}, name) {
			t.Errorf("the error %v has a member %q", a, name)
		}
	}
	r := a.refusal(t)
	if r.Message == "" || r.Error != r.Message || r.RequestID != id {
		t.Errorf("the error %v does not repeat its message, or has not the id %q", a, id)
	}
	if want := statusOf[r.Code]; a.status != want {
		t.Errorf("the error %s has status %d, want %d", r.Code, a.status, want)
	}
}

// holderOf is the header of a JSON request by the holder of a token.
func holderOf(token string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
}

// secret decodes a setting that holds key material.
func (s *site) secret(t *testing.T, name string) []byte {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Settings.Get(name), "base64:"))
	if err != nil {
		t.Fatalf("decoding %s: %v", name, err)
	}
	return key
}

// tokenFor signs a caller's token; claims may override what it has by itself.
func (s *site) tokenFor(t *testing.T, subject string, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"sub": subject, "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString(s.secret(t, "AUTH_JWT_SECRET"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wish is the body of POST /presign.
type wish map[string]any

// and returns w with other members.
func (w wish) and(more wish) wish {
	w = maps.Clone(w)
	maps.Copy(w, more)
	return w
}

// presigned is the answer to POST /presign.
type presigned struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers"`
	Key         string            `json:"key"`
	Expires     int64             `json:"expires"`
	ExpiresAt   time.Time         `json:"expiresAt"`
	UploadToken string            `json:"uploadToken"`
}

// tryPresign asks for a signed PUT as the holder of token.
func (s *site) tryPresign(t *testing.T, token string, w wish) answered {
	t.Helper()
	body, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return s.ask(t, http.MethodPost, "/presign", holderOf(token), body)
}

// presign is tryPresign that must succeed.
func (s *site) presign(t *testing.T, token string, w wish) presigned {
	t.Helper()
	a := s.tryPresign(t, token, w)
	if a.status != http.StatusOK {
		t.Fatalf("POST /presign = %v, want 200", a)
	}
	return s.readPresigned(t, a)
}

func (s *site) readPresigned(t *testing.T, a answered) presigned {
	t.Helper()
	var p presigned
	strict := json.NewDecoder(bytes.NewReader(a.body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&p); err != nil {
		t.Fatalf("decoding the answer of /presign: %v", err)
	}
	s.keepURL(p.URL)
	s.keepSecret("an upload token", p.UploadToken)
	s.keepSecret("a stored grant", p.Headers["x-oss-meta-ossupload-grant"])
	return p
}

// storageRequest is one request to OSS, to be changed before it is sent.
type storageRequest struct {
	method, url string
	header      http.Header
	body        []byte
	chunked     bool // sent without a length
}

// with is the request that p allows.
func (p presigned) with(body []byte) storageRequest {
	r := storageRequest{method: p.Method, url: p.URL, header: http.Header{}, body: body}
	for name, value := range p.Headers {
		r.header.Set(name, value)
	}
	return r
}

// editURL changes path and query of a request.
func (r *storageRequest) editURL(edit func(u *url.URL, query url.Values)) {
	u, err := url.Parse(r.url)
	if err != nil {
		panic("the URL of a request under test is none")
	}
	query := u.Query()
	edit(u, query)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	r.url = u.String()
}

func (s *site) send(t *testing.T, r storageRequest) answered {
	t.Helper()
	var body io.Reader = bytes.NewReader(r.body)
	if r.chunked {
		body = struct{ io.Reader }{body} // a type of unknown length
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, r.url, body)
	if err != nil {
		t.Fatal("the URL or method of a request under test is none")
	}
	maps.Copy(req.Header, r.header)
	return s.do(t, req)
}

// putReceipt is every field of a receipt.
type putReceipt struct {
	Location     string            `json:"location"`
	Bucket       string            `json:"bucket"`
	Key          string            `json:"key"`
	Size         int64             `json:"size"`
	ETag         string            `json:"etag"`
	CRC64        string            `json:"crc64"`
	ContentType  string            `json:"contentType"`
	VersionID    string            `json:"versionId,omitempty"`
	Filename     string            `json:"filename"`
	Metadata     map[string]string `json:"metadata"`
	Vars         map[string]string `json:"vars"`
	Context      json.RawMessage   `json:"context,omitempty"`
	UploadedAt   time.Time         `json:"uploadedAt"`
	EventID      string            `json:"eventId"`
	ReceiptToken string            `json:"receiptToken,omitempty"`
}

// receipt reads the answer to a PUT that was announced.
func (s *site) receipt(t *testing.T, a answered) putReceipt {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("PUT = %d %s, want 200 and a receipt", a.status, a.ossCode())
	}
	var r putReceipt
	strict := json.NewDecoder(bytes.NewReader(a.body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&r); err != nil {
		t.Fatalf("decoding the receipt %s: %v", a.body, err)
	}
	s.keepSecret("a receipt token", r.ReceiptToken)
	return r
}

// hookEvent is one entry of /_local/events.
type hookEvent struct {
	ID       string `json:"id"`
	Verified bool   `json:"verified"`
	Body     struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	} `json:"body"`
}

// eventsOf returns the deliveries about keys.
func (s *site) eventsOf(t *testing.T, keys ...string) []hookEvent {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Ready.Gateway+"/_local/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []hookEvent
	if a := s.do(t, req); json.Unmarshal(a.body, &all) != nil {
		t.Fatalf("GET /_local/events = %v, want a list", a)
	}
	return slices.DeleteFunc(all, func(e hookEvent) bool {
		// What cannot be read is kept: it could be about anything.
		var data struct{ Key string }
		return json.Unmarshal(e.Body.Data, &data) == nil && !slices.Contains(keys, data.Key)
	})
}

// newDeveloper is a client with the developer's own key. It is the SDK's, which
// shares no code with what signs uploads.
func newDeveloper(r stack.Ready, client *http.Client) *oss.Client {
	return oss.NewClient(oss.LoadDefaultConfig().
		WithRegion(r.Region).
		WithEndpoint(r.OSS).
		WithUsePathStyle(true).
		WithRetryMaxAttempts(1).
		WithHttpClient(client).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(r.AccessKeyID, r.AccessKeySecret)))
}

// stored returns an object's headers and bytes; ok is false if there is none.
func (s *site) stored(t *testing.T, key string) (header http.Header, content []byte, ok bool) {
	t.Helper()
	object, err := s.developer.GetObject(context.WithoutCancel(t.Context()), &oss.GetObjectRequest{Bucket: oss.Ptr(s.Ready.Bucket), Key: oss.Ptr(key)})
	if e := (*oss.ServiceError)(nil); errors.As(err, &e) && e.Code == "NoSuchKey" {
		return nil, nil, false
	}
	if err != nil {
		t.Fatalf("reading the object: %v", err)
	}
	defer object.Body.Close()
	if content, err = io.ReadAll(object.Body); err != nil {
		t.Fatalf("reading the object: %v", err)
	}
	return object.Headers, content, true
}

// checkNothingHappened holds that no object is stored under any of keys and
// that nobody was told of one.
func (s *site) checkNothingHappened(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, content, ok := s.stored(t, key); ok {
			t.Errorf("%d bytes are stored under %q, want nothing", len(content), key)
		}
	}
	if got := len(s.eventsOf(t, keys...)); got != 0 {
		t.Errorf("%d events were delivered about %q, want none", got, keys)
	}
}

// checkAnnounced holds that an answer is the receipt of content under key, that
// the object has just these bytes, and that it was announced once.
func (s *site) checkAnnounced(t *testing.T, a answered, key string, content []byte) putReceipt {
	t.Helper()
	r := s.receipt(t, a)
	if r.Key != key || r.Size != int64(len(content)) {
		t.Errorf("the receipt is of %d bytes under %q, want %d under %q", r.Size, r.Key, len(content), key)
	}
	if _, got, ok := s.stored(t, key); !ok || !bytes.Equal(got, content) {
		t.Errorf("other bytes are stored under %q than were sent", key)
	}
	events := s.eventsOf(t, key)
	if len(events) != 1 || events[0].ID != r.EventID || !events[0].Verified {
		t.Errorf("the events about %q are %v, want one of id %q that verifies", key, events, r.EventID)
	}
	return r
}

// checkNotAnnounced holds that content was stored, and that neither the uploader
// nor the application was told that this is an upload.
func (s *site) checkNotAnnounced(t *testing.T, a answered, key string, content []byte) {
	t.Helper()
	if a.status != http.StatusNonAuthoritativeInfo || a.ossCode() != "CallbackFailed" {
		t.Errorf("PUT = %d %s, want 203 CallbackFailed", a.status, a.ossCode())
	}
	if _, got, ok := s.stored(t, key); !ok || !bytes.Equal(got, content) {
		t.Errorf("other bytes are stored under %q than were sent", key)
	}
	if got := len(s.eventsOf(t, key)); got != 0 {
		t.Errorf("%d events were delivered about %q, want none", got, key)
	}
}
