package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/uploadtoken"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// rig is a running stack and what otherwise only its operator knows: its
// secrets, so that a test can seal a token or sign a callback of its own, and
// its log.
type rig struct {
	*stack.Stack
	keyring   *uploadtoken.Keyring
	developer *oss.Client // may do everything, and reads what was stored
	client    *http.Client
	logged    *logLines
}

// newRig runs a stack until the end of the test. When it has ended, its log must
// not hold what opens anything.
func newRig(t *testing.T, trigger fc.Trigger, overrides map[string]string) *rig {
	t.Helper()
	stacktest.EndToEnd(t)
	r := &rig{logged: &logLines{}}
	t.Cleanup(func() { r.logged.checkSecrets(t) })
	r.Stack = stacktest.Start(t, stack.Options{Trigger: trigger, Settings: overrides, Log: io.MultiWriter(r.logged, t.Output())}).Stack
	r.keyring = newKeyring(t, "k1", r.Identity.TokenSecret)
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	r.developer = oss.NewClient(oss.LoadDefaultConfig().
		WithRegion(r.Ready.Region).
		WithEndpoint(r.Ready.OSS).
		WithUsePathStyle(true).
		WithRetryMaxAttempts(1).
		WithHttpClient(r.client).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(r.Ready.AccessKeyID, r.Ready.AccessKeySecret)))
	r.logged.secret(r.Ready.AccessKeySecret, r.Ready.CallerToken)
	return r
}

// behindBothTriggers runs a test against one stack for each trigger.
func behindBothTriggers(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	stacktest.EndToEnd(t)
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			test(t, newRig(t, trigger, nil))
		})
	}
}

func newKeyring(t *testing.T, id string, secret []byte) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring([]uploadtoken.Key{{ID: id, Secret: secret}}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// seal makes a token with the stack's own secret.
func (r *rig) seal(t *testing.T, p uploadtoken.Purpose, c uploadtoken.Claims) string {
	t.Helper()
	token, err := r.keyring.Seal(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// open reads a token that the stack sealed.
func (r *rig) open(t *testing.T, p uploadtoken.Purpose, token string) uploadtoken.Claims {
	t.Helper()
	claims, err := r.keyring.Open(p, token, time.Now())
	if err != nil {
		t.Fatalf("the %s token of the stack does not open: %v", p, err)
	}
	return claims
}

// caller makes the token of a caller as an identity provider would; upload is
// its claim of that name, or nil.
func (r *rig) caller(t *testing.T, subject string, upload map[string]any) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": subject, "exp": time.Now().Add(time.Hour).Unix()}
	if upload != nil {
		claims["upload"] = upload
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(r.Identity.CallerSecret)
	if err != nil {
		t.Fatal(err)
	}
	r.logged.secret(token)
	return token
}

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (a reply) String() string { return fmt.Sprintf("%d %.300s", a.status, a.body) }

// fetch makes a request. It is for goroutines, in which a test must not end.
func (r *rig) fetch(ctx context.Context, method, target string, header http.Header, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	maps.Copy(req.Header, header)
	res, err := r.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, answer}, err
}

// request is fetch for a test that cannot go on without an answer.
func (r *rig) request(t *testing.T, method, target string, header http.Header, body []byte) reply {
	t.Helper()
	a, err := r.fetch(t.Context(), method, target, header, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// bearer are the headers of a JSON request of the caller that token names.
func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
}

// call asks a function as a caller. A body of type string is sent as it is,
// nil is none, and anything else is sent as JSON.
func (r *rig) call(t *testing.T, method, path, token string, in any) reply {
	t.Helper()
	var body []byte
	switch in := in.(type) {
	case nil:
	case string:
		body = []byte(in)
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			t.Fatal(err)
		}
	}
	return r.request(t, method, r.Ready.Gateway+path, bearer(token), body)
}

// atOnce makes n requests together and returns all answers.
func (r *rig) atOnce(t *testing.T, n int, method, target string, header http.Header, body []byte) []reply {
	t.Helper()
	answers, errs := make([]reply, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { answers[i], errs[i] = r.fetch(t.Context(), method, target, header.Clone(), body) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return answers
}

// into reads the JSON of an answer of status 200.
func (a reply) into(t *testing.T, what string, out any) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%s = %v, want 200", what, a)
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		t.Fatalf("%s = %v: %v", what, a, err)
	}
}

// complaint is the body of a refusal.
type complaint struct {
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	RequestID string          `json:"requestId"`
	Error     string          `json:"error"`
	Details   json.RawMessage `json:"details"`
}

// refused checks that an answer refuses with one status and code, in the form
// that every refusal has.
func (a reply) refused(t *testing.T, what string, status int, code string) complaint {
	t.Helper()
	var c complaint
	if err := json.Unmarshal(a.body, &c); err != nil || a.status != status || c.Code != code {
		t.Fatalf("%s = %v, want %d %s", what, a, status, code)
	}
	if c.Message == "" || c.Error != c.Message || c.RequestID == "" {
		t.Errorf("%s = %v, want a message, the same as error, and a request id", what, a)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: Cache-Control = %q, want no-store", what, got)
	}
	return c
}

// fields are the names that an invalid_request finds fault with.
func (c complaint) fields(t *testing.T) []string {
	t.Helper()
	var faults []struct{ Field, Reason string }
	if err := json.Unmarshal(c.Details, &faults); err != nil {
		t.Fatalf("details = %s: %v", c.Details, err)
	}
	var names []string
	for _, f := range faults {
		if f.Reason == "" {
			t.Errorf("details = %s, want a reason for each field", c.Details)
		}
		names = append(names, f.Field)
	}
	return names
}

// fullReceipt is a receipt in all its fields.
type fullReceipt struct {
	Location     string            `json:"location"`
	Bucket       string            `json:"bucket"`
	Key          string            `json:"key"`
	Size         int64             `json:"size"`
	ETag         string            `json:"etag"`
	CRC64        string            `json:"crc64"`
	ContentType  string            `json:"contentType"`
	Filename     string            `json:"filename"`
	Metadata     map[string]string `json:"metadata"`
	Vars         map[string]string `json:"vars"`
	Context      json.RawMessage   `json:"context"`
	UploadedAt   time.Time         `json:"uploadedAt"`
	EventID      string            `json:"eventId"`
	ReceiptToken string            `json:"receiptToken"`
}

// receipt reads a receipt and holds it against what was uploaded.
func (a reply) receipt(t *testing.T, what, key string, content []byte) fullReceipt {
	t.Helper()
	var got fullReceipt
	a.into(t, what, &got)
	if got.Key != key || got.Size != int64(len(content)) || got.CRC64 != crcOf(content) || !strings.HasPrefix(got.EventID, "evt_") || got.ReceiptToken == "" {
		t.Fatalf("%s = %v, want the receipt of %d bytes with CRC-64 %s under %s", what, a, len(content), crcOf(content), key)
	}
	return got
}

// crcOf is the CRC-64/XZ of content in decimal, which is what OSS computes.
func crcOf(content []byte) string {
	return strconv.FormatUint(crc64.Checksum(content, crc64.MakeTable(crc64.ECMA)), 10)
}

// delivered is an event as the webhook receiver holds it.
type delivered struct {
	ID       string `json:"id"`
	Verified bool   `json:"verified"`
	Body     struct {
		Type string `json:"type"`
		Data struct {
			fullReceipt
			Subject string `json:"subject"`
		} `json:"data"`
	} `json:"body"`
}

// events are all deliveries about one key.
func (r *rig) events(t *testing.T, key string) []delivered {
	t.Helper()
	var all, about []delivered
	r.request(t, http.MethodGet, r.Ready.Gateway+"/_local/events", nil, nil).into(t, "GET /_local/events", &all)
	for _, e := range all {
		if e.Body.Data.Key == key {
			about = append(about, e)
		}
	}
	return about
}

// wantEvents checks that an upload was announced n times, always under one id
// and in the words of its receipt.
func (r *rig) wantEvents(t *testing.T, receipt fullReceipt, n int) {
	t.Helper()
	events := r.events(t, receipt.Key)
	if len(events) != n {
		t.Fatalf("%d events were delivered about %s, want %d", len(events), receipt.Key, n)
	}
	want := receipt
	want.ReceiptToken = ""
	for _, e := range events {
		if e.ID != receipt.EventID || !e.Verified || e.Body.Type != "upload.completed" {
			t.Errorf("event %s, verified %v, type %q, want %s, verified, upload.completed", e.ID, e.Verified, e.Body.Type, receipt.EventID)
		}
		if !reflect.DeepEqual(e.Body.Data.fullReceipt, want) {
			t.Errorf("the event says %+v, the receipt %+v", e.Body.Data.fullReceipt, want)
		}
	}
}

func (r *rig) wantNoEvent(t *testing.T, key string) {
	t.Helper()
	if events := r.events(t, key); len(events) > 0 {
		t.Errorf("%d events were delivered about %s, want none", len(events), key)
	}
}

// stored reads an object as the developer; ok is false when there is none.
func (r *rig) stored(t *testing.T, key string) (content []byte, ok bool) {
	t.Helper()
	object, err := r.developer.GetObject(t.Context(), &oss.GetObjectRequest{Bucket: &r.Ready.Bucket, Key: &key})
	if service := (*oss.ServiceError)(nil); errors.As(err, &service) && service.Code == "NoSuchKey" {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	if content, err = io.ReadAll(object.Body); err != nil {
		t.Fatal(err)
	}
	return content, true
}

// wantStored checks the bytes under key; nil content means that there must be no
// object.
func (r *rig) wantStored(t *testing.T, key string, content []byte) {
	t.Helper()
	got, ok := r.stored(t, key)
	if ok != (content != nil) || !bytes.Equal(got, content) {
		t.Errorf("object %s: there %v, %d bytes; want there %v, %d bytes", key, ok, len(got), content != nil, len(content))
	}
}

// store writes an object as the developer, and so without a callback; header
// is what a client would have sent. It returns the ETag without quotes.
func (r *rig) store(t *testing.T, key string, header map[string]string, content []byte) (etag string) {
	t.Helper()
	header = maps.Clone(header)
	delete(header, "x-oss-forbid-overwrite")
	result, err := r.developer.PutObject(t.Context(), &oss.PutObjectRequest{
		Bucket: &r.Ready.Bucket, Key: &key, Body: bytes.NewReader(content),
		RequestCommon: oss.RequestCommon{Headers: header},
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(oss.ToString(result.ETag), `"`)
}

// fail makes the next calls fail, until the test ends or forgets it.
func (r *rig) fail(t *testing.T, faults ...fault.Fault) {
	t.Helper()
	t.Cleanup(r.Faults.Clear)
	if a := r.call(t, http.MethodPost, "/_local/faults", "", faults); a.status != http.StatusOK {
		t.Fatalf("POST /_local/faults = %v, want 200", a)
	}
}

// filler makes n bytes that differ from those of another seed.
func filler(n int, seed byte) []byte {
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(i*7) + byte(i>>8) ^ seed
	}
	return content
}

// sameAnswers checks that all answers are equal to the byte, and of status 200.
func sameAnswers(t *testing.T, what string, answers []reply) {
	t.Helper()
	for i, a := range answers {
		if first := answers[0]; a.status != http.StatusOK || !bytes.Equal(a.body, first.body) {
			t.Fatalf("%s: answer %d = %v, the first %v, want equal receipts", what, i, a, first)
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		}
	}
}
