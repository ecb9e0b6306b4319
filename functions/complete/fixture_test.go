package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

var today = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

const (
	region     = "cn-hangzhou"
	bucketName = "examplebucket"
	prefix     = "u/"
	maxSize    = 1 << 30
	tokenTTL   = 24 * time.Hour
	callback   = "https://api.example.com/callback"
	hook       = "https://hook.example.com/events"
)

// fixture is a handler and everything around it.
type fixture struct {
	t        testing.TB
	settings settings.Complete
	outside  outside
	handler  *handler
	caller   callerauth.Authenticator // instead of what the settings say
	bucket   *storagetest.Bucket
	webhook  *webhook
	keyring  *uploadtoken.Keyring // over the handler's keys
	log      *bytes.Buffer
	clock    time.Time // moves only when a test moves it
	random   *source
}

// newFixture makes a handler out of settings and an outside that changes have
// changed.
func newFixture(t testing.TB, changes ...func(*fixture)) *fixture {
	t.Helper()
	types, err := grant.ParseTypes("image/*,text/plain,application/octet-stream")
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := signing.ParseEndpoint("oss-cn-hangzhou.aliyuncs.com", signing.VirtualHosted)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, caller: people{}, clock: today, random: newSource(1), log: new(bytes.Buffer)}
	f.bucket = storagetest.New(t, f.now)
	f.bucket.Allow = f.allow
	f.webhook = &webhook{t: t, secret: []byte(strings.Repeat("w", 32))}
	f.settings = settings.Complete{
		Storage: settings.Storage{Region: region, Bucket: bucketName, Public: endpoint, Internal: endpoint},
		Policy: grant.Policy{
			Bucket: bucketName, Prefix: prefix, MaxSize: maxSize, ContentTypes: types, TokenTTL: tokenTTL,
			Methods: []uploadtoken.Method{uploadtoken.Form, uploadtoken.MultipartPart},
		},
		Place:       uploadtoken.Place{Bucket: bucketName, Prefix: prefix},
		MaxExpires:  time.Hour,
		TokenKeys:   []uploadtoken.Key{{ID: "k1", Secret: bytes.Repeat([]byte("s"), 32)}},
		CallbackURL: callback,
		Caller:      callerauth.Config{None: true}, // replaced by caller
		Webhook:     settings.Webhook{URL: hook, Secrets: [][]byte{f.webhook.secret}, RetryFor: 72 * time.Hour},
	}
	f.outside = outside{
		credentials: &own{credentials: rolecreds.Credentials{AccessKeyID: "AK", AccessKeySecret: "SK", SecurityToken: "ST"}},
		storage:     f.bucket, webhook: f.webhook, now: f.now, random: f.random,
		log: slog.New(slog.NewJSONHandler(f.log, nil)),
	}
	for _, change := range changes {
		change(f)
	}
	if f.keyring, err = uploadtoken.NewKeyring(uploadtoken.Config{Keys: f.settings.TokenKeys, Place: f.settings.Place, Random: newSource(2)}); err != nil {
		t.Fatal(err)
	}
	f.again()
	return f
}

// again replaces the handler, as by that of another instance, which remembers
// nothing.
func (f *fixture) again() {
	f.t.Helper()
	h, err := newHandler(f.settings, f.outside)
	if err != nil {
		f.t.Fatal(err)
	}
	h.caller = f.caller
	f.handler = h
}

// in is the same fixture for a test below, which does not move the clock.
func (f *fixture) in(t testing.TB) *fixture {
	below := *f
	below.t = t
	return &below
}

func (f *fixture) now() time.Time { return f.clock }

// allow is what complete has any business to ask: about keys below its prefix and
// what is its own beside them, putting only there, and deleting nothing outside of
// a sweep but what has left the queue.
func (f *fixture) allow(c storagetest.Call) error {
	own, ours := strings.CutPrefix(c.Key, grant.OwnRoot(prefix))
	place, _, _ := strings.Cut(own, "/")
	switch {
	case !ours && !strings.HasPrefix(c.Key, prefix):
		return errors.New("it is not below the prefix")
	case ours && !slices.Contains([]string{"_announced", "_pending", "_dead", "_sweep", "_aborted"}, place):
		return errors.New("it is no place of ours")
	case c.Op == storagetest.Put && !ours:
		return errors.New("only what is our own is put")
	case c.Op == storagetest.Put && place == "_announced" && !slices.Contains([]string{"taken", "queued", "refused", "dead"}, string(c.Content)):
		return fmt.Errorf("a marker says %q", c.Content)
	case c.Op == storagetest.Put && place == "_aborted" && len(c.Content) > 0:
		return errors.New("it says more than its name")
	case c.Op == storagetest.Delete && place != "_pending":
		return errors.New("nothing is deleted")
	case c.Op == storagetest.Initiate && c.Header["x-oss-forbid-overwrite"] != "true":
		return errors.New("it may replace an object")
	}
	return nil
}

// reply is what a client gets.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// as asks as somebody, whose name is empty for nobody.
func (f *fixture) as(who, method, target, body string) reply {
	f.t.Helper()
	return f.within(f.t.Context(), who, method, target, body)
}

func (f *fixture) within(ctx context.Context, who, method, target, body string) reply {
	f.t.Helper()
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		r.Header.Set("Authorization", who)
	}
	w := httptest.NewRecorder()
	f.handler.routes().ServeHTTP(w, r)
	return reply{f.t, w.Code, w.Result().Header, w.Body.Bytes()}
}

// failure is the body of an error.
type failure struct {
	Code    api.Code        `json:"code"`
	Message string          `json:"message"`
	Error   string          `json:"error"`
	Details json.RawMessage `json:"details"`
}

// ok reads the answer into v, which must have a place for each of its members.
func (r reply) ok(v any) {
	r.t.Helper()
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/json" || d.Decode(v) != nil || d.More() {
		r.t.Fatalf("answer %d %s, want 200 with %T", r.status, r.body, v)
	}
}

// refused checks status and code, and returns the details.
func (r reply) refused(code api.Code) json.RawMessage {
	r.t.Helper()
	var got failure
	if err := json.Unmarshal(r.body, &got); err != nil || r.status != code.Status() || got.Code != code || got.Message == "" || got.Error != got.Message {
		r.t.Fatalf("answer %d %s, want %d %s", r.status, r.body, code.Status(), code)
	}
	// What is worth another try says when.
	soon := code.Status() == 503 || code == api.StorageTimeout || code == api.StorageError || code == api.DeliveryFailed
	if got := r.header.Get("Retry-After"); (got != "") != soon {
		r.t.Errorf("Retry-After of %s is %q", code, got)
	}
	return got.Details
}

// invalid checks that exactly these fields are at fault, each with a reason that
// holds the text behind it.
func (r reply) invalid(faults ...string) {
	r.t.Helper()
	var got []api.Fault
	if err := json.Unmarshal(r.refused(api.InvalidRequest), &got); err != nil {
		r.t.Fatal(err)
	}
	want := slices.Collect(slices.Chunk(faults, 2))
	matches := len(got) == len(want)
	for i := 0; matches && i < len(got); i++ {
		matches = got[i].Field == want[i][0] && strings.Contains(got[i].Reason, want[i][1])
	}
	if !matches {
		r.t.Errorf("faults = %+v, want %q", got, want)
	}
}

// started is an upload as its client knows it, and as it is in truth.
type started struct {
	createResponse
	claims uploadtoken.Claims
}

// start begins an upload of alice's.
func (f *fixture) start(body string) started {
	f.t.Helper()
	var s started
	f.as("alice", "POST", "/s3/multipart", body).ok(&s.createResponse)
	var err error
	if s.claims, err = f.keyring.Open(uploadtoken.Multipart, s.UploadID, f.clock); err != nil {
		f.t.Fatal(err)
	}
	f.bucket.Calls()
	return s
}

// path is the address of an upload, with more behind it.
func (s started) path(more string) string { return "/s3/multipart/" + s.UploadID + more }

// fill uploads parts of such sizes, numbered from 1.
func (f *fixture) fill(s started, sizes ...int) []storage.Part {
	f.t.Helper()
	var parts []storage.Part
	for i, size := range sizes {
		parts = append(parts, f.bucket.UploadPart(s.claims.UploadID, int64(i+1), bytes.Repeat([]byte{byte('a' + i)}, size)))
	}
	return parts
}

// listing is the body that names parts.
func listing(parts ...storage.Part) string {
	var list []map[string]any
	for _, p := range parts {
		list = append(list, map[string]any{"PartNumber": p.Number, "ETag": `"` + p.ETag + `"`})
	}
	body, _ := json.Marshal(map[string]any{"parts": list})
	return string(body)
}

// seal seals claims for a purpose.
func (f *fixture) seal(p uploadtoken.Purpose, c uploadtoken.Claims) string {
	f.t.Helper()
	token, err := f.keyring.Seal(p, c)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// asked checks what storage was asked since the last time.
func (f *fixture) asked(want ...storagetest.Op) []storagetest.Call {
	f.t.Helper()
	calls := f.bucket.Calls()
	if got := storagetest.Ops(calls); !slices.Equal(got, want) {
		f.t.Errorf("storage was asked for %q, want %q", got, want)
	}
	return calls
}

// told checks that the webhook was told of these keys since the last time, and
// returns the ids.
func (f *fixture) told(keys ...string) (ids []string) {
	f.t.Helper()
	var got []string
	for _, e := range f.webhook.taken() {
		key, _ := e.Data["key"].(string)
		got, ids = append(got, key), append(ids, e.ID)
		if e.Type != "upload.completed" || e.Data["eventId"] != e.ID {
			f.t.Errorf("event %+v is not whole", e)
		}
	}
	if !slices.Equal(got, keys) {
		f.t.Errorf("events about %q, want %q", got, keys)
	}
	return ids
}

// decode reads base64 of JSON.
func decode(t *testing.T, text string, v any) {
	t.Helper()
	plain, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(plain, v)
	}
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

// mustURL parses a URL of an answer.
func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sameMap compares maps in a test's words.
func sameMap[V comparable](t *testing.T, what string, got, want map[string]V) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sized is the body of a create with a size, and a part size of 100 KiB.
func sized(size int) string {
	return fmt.Sprintf(`{"filename":"a.png","type":"image/png","size":%d,"partSize":%d}`, size, 100*kib)
}

// checksumOf is CRC-64/XZ in decimal; see TestCombinedCRC64.
func checksumOf(content string) string {
	return strconv.FormatUint(crc64.Checksum([]byte(content), crc64.MakeTable(crc64.ECMA)), 10)
}
