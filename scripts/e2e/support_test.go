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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/grant"
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
	client    *client.Client
	logged    *logLines
}

// newRig runs a stack without OSS's trigger until the end of the test: what that
// asks of OSS would meet the faults that tests set.
func newRig(t *testing.T, trigger fc.Trigger, overrides map[string]string) *rig {
	t.Helper()
	return newRigOf(t, stack.Options{Trigger: trigger, Settings: overrides, NoTrigger: true})
}

// newRigOf runs a stack until the end of the test. When it has ended, its log must
// not hold what opens anything.
func newRigOf(t *testing.T, o stack.Options) *rig {
	t.Helper()
	stacktest.EndToEnd(t)
	r := &rig{logged: &logLines{}}
	t.Cleanup(func() { r.logged.checkSecrets(t) })
	o.Log = io.MultiWriter(r.logged, t.Output())
	o.Assume = assumed.And(o.Assume)
	r.Stack = stacktest.Start(t, o).Stack
	r.keyring = newKeyring(t, "k1", r.Identity.TokenSecret)
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	h := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	r.client, r.developer = r.Ready.Client(h), r.Ready.Developer(h)
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

// here is the place of every stack that sets no other.
var here = uploadtoken.Place{Bucket: "ossupload-local", Prefix: "uploads/"}

// newKeyring seals for that place.
func newKeyring(t *testing.T, id string, secret []byte) *uploadtoken.Keyring {
	t.Helper()
	return newKeyringAt(t, here, id, secret)
}

func newKeyringAt(t *testing.T, place uploadtoken.Place, id string, secret []byte) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: []uploadtoken.Key{{ID: id, Secret: secret}}, Place: place, Random: rand.Reader,
	})
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

// sealAt makes the token of another deployment that has the same secret.
func (r *rig) sealAt(t *testing.T, place uploadtoken.Place, p uploadtoken.Purpose, c uploadtoken.Claims) string {
	t.Helper()
	token, err := newKeyringAt(t, place, "k1", r.Identity.TokenSecret).Seal(p, c)
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
	claims := jwt.MapClaims{"sub": subject, "aud": "ossupload", "exp": time.Now().Add(time.Hour).Unix()}
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

// reply is an answer, with what tests expect of one.
type reply struct{ client.Answer }

func (a reply) String() string { return fmt.Sprintf("%d %.300s", a.Status, a.Body) }

// fetch makes a request. It is for goroutines, in which a test must not end.
func (r *rig) fetch(ctx context.Context, method, target string, header http.Header, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	maps.Copy(req.Header, header)
	a, err := r.client.Do(req)
	return reply{a}, err
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

// bearer are the headers of such a request where the client does not know of the
// header that tokens travel in.
func (r *rig) bearer(token string) http.Header {
	header := bearer(token)
	if name := r.Ready.TokenHeader; name != "" {
		header.Set(name, header.Get("Authorization"))
		header.Del("Authorization")
	}
	return header
}

// call asks a function as a caller. A body of type string is sent as it is,
// nil is none, and anything else is sent as JSON.
func (r *rig) call(t *testing.T, method, path, token string, in any) reply {
	t.Helper()
	if text, ok := in.(string); ok {
		in = []byte(text)
	}
	a, err := r.client.Ask(t.Context(), method, path, bearer(token), in)
	if err != nil {
		t.Fatal(err)
	}
	return reply{a}
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
	if err := a.Into(out); err != nil {
		t.Fatalf("%s = %v, want 200: %v", what, a, err)
	}
}

// refused checks that an answer refuses with one status and code, in the form
// that every refusal has.
func (a reply) refused(t *testing.T, what string, status int, code string) complaint {
	t.Helper()
	p := a.Problem()
	if a.Status != status || p.Code != code {
		t.Fatalf("%s = %v, want %d %s", what, a, status, code)
	}
	if p.Message == "" || p.Error != p.Message || p.RequestID == "" {
		t.Errorf("%s = %v, want a message, the same as error, and a request id", what, a)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: Cache-Control = %q, want no-store", what, got)
	}
	return complaint{p}
}

// complaint is what a function says when it refuses.
type complaint struct{ client.Problem }

// faults are what an invalid_request finds fault with.
func (c complaint) faults(t *testing.T) []fieldFault {
	t.Helper()
	var faults []fieldFault
	if err := json.Unmarshal(c.Details, &faults); err != nil {
		t.Fatalf("details = %s: %v", c.Details, err)
	}
	for _, f := range faults {
		if f.Reason == "" {
			t.Errorf("details = %s, want a reason for each field", c.Details)
		}
	}
	return faults
}

type fieldFault struct{ Field, Reason string }

// fields are the names of the faults.
func (c complaint) fields(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, f := range c.faults(t) {
		names = append(names, f.Field)
	}
	return names
}

// receipt reads a receipt and holds it against what was uploaded.
func (a reply) receipt(t *testing.T, what, key string, content []byte) client.Receipt {
	t.Helper()
	var got client.Receipt
	a.into(t, what, &got)
	if got.Key != key || got.Size != int64(len(content)) || got.CRC64 != crcOf(content) || !strings.HasPrefix(got.EventID, "evt_") || got.ReceiptToken == "" {
		t.Fatalf("%s = %v, want the receipt of %d bytes with CRC-64 %s under %s", what, a, len(content), crcOf(content), key)
	}
	return got
}

// crcOf is the CRC-64/XZ of content in decimal, which is what OSS computes.
func crcOf(content []byte) string {
	return client.Decimal(crc64.Checksum(content, client.CRCTable))
}

// events are all deliveries about one key.
func (r *rig) events(t *testing.T, key string) []stack.Event {
	t.Helper()
	all, err := stack.Events(t.Context(), r.client)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(e stack.Event) bool { return e.Body.Data.Key != key })
}

// wantEvents checks that an upload was announced n times, always under one id
// and in the words of its receipt. On a slow machine it may be more: what an instance
// delivered 5 s ago it delivers once more when it is asked, and so does whoever looks
// at an upload whose mark was missed.
func (r *rig) wantEvents(t *testing.T, receipt client.Receipt, n int) {
	t.Helper()
	events := r.events(t, receipt.Key)
	most := n + r.missedMarks(0, receipt.EventID)
	for i := 1; i < len(events); i++ {
		if events[i].Timestamp-events[i-1].Timestamp >= 5 { // in whole seconds
			most++
		}
	}
	if len(events) < n || len(events) > most {
		t.Fatalf("%d events were delivered about %s, want %d", len(events), receipt.Key, n)
	}
	for _, e := range events {
		if err := e.Check(receipt); err != nil {
			t.Errorf("%v: %+v; the receipt is %+v", err, e, receipt)
		}
	}
}

// deliverQueued has the worker of the outbox run as if an hour had passed, and checks
// how many entries it found due.
func (r *rig) deliverQueued(t *testing.T, due int) {
	t.Helper()
	if got := r.runOutbox(t); got != due {
		t.Errorf("%d entries were due, want %d", got, due)
	}
}

func (r *rig) runOutbox(t *testing.T) (due int) {
	t.Helper()
	var got struct{ Due int }
	r.call(t, http.MethodPost, "/_local/timer", "", map[string]any{"do": "deliver", "aheadSeconds": 3600}).into(t, "delivering", &got)
	return got.Due
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
	_, content, ok = storedIn(t, r.developer, r.Ready.Bucket, key)
	return content, ok
}

// storedIn returns an object's headers and bytes; ok is false when there is none.
func storedIn(t *testing.T, developer *oss.Client, bucket, key string) (header http.Header, content []byte, ok bool) {
	t.Helper()
	object, err := developer.GetObject(context.WithoutCancel(t.Context()), &oss.GetObjectRequest{Bucket: &bucket, Key: &key})
	if e, is := errors.AsType[*oss.ServiceError](err); is && e.Code == "NoSuchKey" {
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

// wantStored checks the bytes under key; nil content means that there must be no
// object.
func (r *rig) wantStored(t *testing.T, key string, content []byte) {
	t.Helper()
	got, ok := r.stored(t, key)
	if ok != (content != nil) || !bytes.Equal(got, content) {
		t.Errorf("object %s: there %v, %d bytes; want there %v, %d bytes", key, ok, len(got), content != nil, len(content))
	}
}

// wantMark checks what the marker of an announced object says.
func (r *rig) wantMark(t *testing.T, receipt client.Receipt, want string) {
	t.Helper()
	if got := r.mark(t, receipt.Key); got != want && r.missedMarks(0, receipt.EventID) == 0 {
		t.Errorf("the mark of %s says %q, want %s", receipt.Key, got, want)
	}
}

// missedMarks is how often the mark of an event was not written, or of any without an
// id, since the log had this length. An uploader waits 0.3 s for it, which a slow
// machine may not have; then the log says so, and the event is delivered once more by
// whoever looks next.
func (r *rig) missedMarks(since int, eventID string) int {
	return r.logged.count(since, `"msg":"mark"`, eventID)
}

// mark is what the marker of the object under key says, or "" without one.
func (r *rig) mark(t *testing.T, key string) string {
	t.Helper()
	header, content, ok := storedIn(t, r.developer, r.Ready.Bucket, key)
	if !ok {
		t.Fatalf("there is no object %s", key)
	}
	modified, err := http.ParseTime(header.Get("Last-Modified"))
	if err != nil {
		t.Fatal(err)
	}
	said, _ := r.stored(t, grant.Marker(here.Prefix, key, strings.Trim(header.Get("ETag"), `"`), int64(len(content)), modified))
	return string(said)
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
	if a := r.call(t, http.MethodPost, "/_local/faults", "", faults); a.Status != http.StatusOK {
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
		if first := answers[0]; a.Status != http.StatusOK || !bytes.Equal(a.Body, first.Body) {
			t.Fatalf("%s: answer %d = %v, the first %v, want equal receipts", what, i, a, first)
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
