package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
)

// ossCode is the code of OSS's error document, or "".
func (a reply) ossCode() string {
	if bytes.HasPrefix(a.Body, []byte("{")) {
		return "" // a function's
	}
	return a.Problem().Code
}

// problem is the error of a function.
func (a reply) problem(t *testing.T) complaint {
	t.Helper()
	if !bytes.HasPrefix(a.Body, []byte("{")) {
		t.Fatalf("the answer %v is no error of a function", a)
	}
	return complaint{a.Problem()}
}

func (s *site) do(t *testing.T, req *http.Request) reply {
	t.Helper()
	a, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("sending a %s: %v", req.Method, err)
	}
	return reply{a}
}

// ask calls a function through the gateway and holds the answer against what
// is promised of every answer.
func (s *site) ask(t *testing.T, method, path string, header http.Header, body []byte) reply {
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

func checkFunctionAnswer(t *testing.T, method string, a reply) {
	t.Helper()
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := a.Header.Values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s of the answer %d = %q, want %q once", name, a.Status, got, want)
		}
	}
	id := a.Header.Get("X-Request-Id")
	if id == "" || id != a.Header.Get("X-Ca-Request-Id")+a.Header.Get("X-Fc-Request-Id") {
		t.Errorf("X-Request-Id of the answer %d = %q, want the gateway's id", a.Status, id)
	}
	for _, name := range []string{"Set-Cookie", "Access-Control-Allow-Credentials"} {
		if got := a.Header.Values(name); got != nil {
			t.Errorf("%s of the answer %d = %q, want none", name, a.Status, got)
		}
	}
	if a.Status == http.StatusNoContent || method == http.MethodHead {
		return
	}
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type of the answer %d = %q, want application/json", a.Status, got)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(a.Body, &members); err != nil {
		t.Fatalf("the answer %v is no JSON object: %v", a, err)
	}
	if a.Status < 300 {
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
	r := a.problem(t)
	if r.Message == "" || r.Error != r.Message || r.RequestID != id {
		t.Errorf("the error %v does not repeat its message, or has not the id %q", a, id)
	}
	if want := statusOf[r.Code]; a.Status != want {
		t.Errorf("the error %s has status %d, want %d", r.Code, a.Status, want)
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
	all := jwt.MapClaims{"sub": subject, "aud": "ossupload", "exp": time.Now().Add(time.Hour).Unix()}
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

// presigned is a signed PUT.
type presigned struct{ client.Grant }

// tryPresign asks for a signed PUT as the holder of token.
func (s *site) tryPresign(t *testing.T, token string, w wish) reply {
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
	if a.Status != http.StatusOK {
		t.Fatalf("POST /presign = %v, want 200", a)
	}
	return s.readPresigned(t, a)
}

func (s *site) readPresigned(t *testing.T, a reply) presigned {
	t.Helper()
	var p presigned
	strict := json.NewDecoder(bytes.NewReader(a.Body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&p); err != nil {
		t.Fatalf("decoding the answer of /presign: %v", err)
	}
	if p.Fields != nil {
		t.Errorf("a PUT has the fields of a form: %v", p.Fields)
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
		panic("the URL of a request under test is not valid")
	}
	query := u.Query()
	edit(u, query)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	r.url = u.String()
}

// sendTo sends it as it is now.
func (r storageRequest) sendTo(t *testing.T, c *client.Client) reply {
	t.Helper()
	var body io.Reader = bytes.NewReader(r.body)
	if r.chunked {
		body = struct{ io.Reader }{body} // a type of unknown length
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, r.url, body)
	if err != nil {
		t.Fatal("the URL or the method of a request under test is not valid")
	}
	maps.Copy(req.Header, r.header)
	a, err := c.Do(req)
	if err != nil {
		t.Fatalf("sending a %s: %v", r.method, err)
	}
	return reply{a}
}

func (s *site) send(t *testing.T, r storageRequest) reply {
	t.Helper()
	return r.sendTo(t, s.client)
}

// receipt reads the answer to a PUT that was announced.
func (s *site) receipt(t *testing.T, a reply) client.Receipt {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("PUT = %d %s, want 200 and a receipt", a.Status, a.ossCode())
	}
	var r client.Receipt
	strict := json.NewDecoder(bytes.NewReader(a.Body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&r); err != nil {
		t.Fatalf("decoding the receipt %s: %v", a.Body, err)
	}
	s.keepSecret("a receipt token", r.ReceiptToken)
	return r
}

// eventsOf returns the deliveries about keys.
func (s *site) eventsOf(t *testing.T, keys ...string) []stack.Event {
	t.Helper()
	events, err := stack.Events(t.Context(), s.client)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(events, func(e stack.Event) bool { return !slices.Contains(keys, e.Body.Data.Key) })
}

// stored returns an object's headers and bytes; ok is false when there is none.
func (s *site) stored(t *testing.T, key string) (header http.Header, content []byte, ok bool) {
	t.Helper()
	return storedIn(t, s.developer, s.Ready.Bucket, key)
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
func (s *site) checkAnnounced(t *testing.T, a reply, key string, content []byte) client.Receipt {
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
func (s *site) checkNotAnnounced(t *testing.T, a reply, key string, content []byte) {
	t.Helper()
	if a.Status != http.StatusNonAuthoritativeInfo || a.ossCode() != "CallbackFailed" {
		t.Errorf("PUT = %d %s, want 203 CallbackFailed", a.Status, a.ossCode())
	}
	if _, got, ok := s.stored(t, key); !ok || !bytes.Equal(got, content) {
		t.Errorf("other bytes are stored under %q than were sent", key)
	}
	if got := len(s.eventsOf(t, key)); got != 0 {
		t.Errorf("%d events were delivered about %q, want none", got, key)
	}
}
