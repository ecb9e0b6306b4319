package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/callerauth"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// testNow is still November in UTC, whose months keys have, and half a second
// past what a signature's date can express.
var testNow = time.Date(2026, 12, 1, 0, 30, 0, 5e8, time.FixedZone("", 8*3600))

const (
	testSecond   = 1796056200         // testNow in Unix seconds
	testDate     = "20261130T163000Z" // testNow in a signature
	testID       = "01a22d4a-b534-7000-8000-000000000000"
	callerSecret = "0123456789abcdef0123456789abcdef"
)

var testPlace = uploadtoken.Place{Bucket: "examplebucket", Prefix: "u/"}

var testKeys = []uploadtoken.Key{{ID: "k1", Secret: []byte("fedcba9876543210fedcba9876543210")}}

// zeros is randomness that makes keys predictable.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// sourceFunc is a rolecreds.Source.
type sourceFunc func() (rolecreds.Credentials, error)

func (f sourceFunc) Credentials(context.Context) (rolecreds.Credentials, error) { return f() }

// lasting are credentials that end so long after testNow.
func lasting(life time.Duration) rolecreds.Source {
	return sourceFunc(func() (rolecreds.Credentials, error) {
		return rolecreds.Credentials{
			AccessKeyID: "STS.own", AccessKeySecret: "own-secret", SecurityToken: "own-token/+=", Expires: testNow.Add(life),
		}, nil
	})
}

// vault is a bucket of these objects, by key, and by key?version for those of the
// past. It is asked with the credentials that sign.
type vault struct {
	objects map[string]storage.Object
	fails   error
	asker   rolecreds.Source
	heads   []string // what was asked for
	askers  []string // by whom
}

func (v *vault) HeadVersion(ctx context.Context, key, version string) (storage.Object, error) {
	if version != "" {
		key += "?" + version
	}
	v.heads = append(v.heads, key)
	c, err := v.asker.Credentials(ctx)
	if err != nil {
		reason := storage.ErrCredentials
		errors.As(err, &reason)
		return storage.Object{}, &storage.Error{Op: "HeadObject", Reason: reason}
	}
	if v.askers = append(v.askers, c.AccessKeyID); v.fails != nil {
		return storage.Object{}, v.fails
	}
	object, ok := v.objects[key]
	if !ok {
		return storage.Object{}, &storage.Error{Op: "HeadObject", Reason: storage.ErrNotFound}
	}
	return object, nil
}

// store puts an object under key that is what its grant says. change is of what
// was granted, then of what a HEAD shows.
func (v *vault) store(t testing.TB, subject, key string, changes ...func(*uploadtoken.Claims, *storage.Object)) {
	t.Helper()
	size := int64(5)
	claims := uploadtoken.Claims{
		ID: testID, Method: uploadtoken.Put, Key: key, Subject: subject, Size: &size, MaxSize: 10, ContentType: "image/png",
		IssuedAt: testSecond - 10, ExpiresAt: testSecond - 5,
	}
	object := storage.Object{
		Size: size, ContentType: "image/png", Type: "Normal", CRC64: "123", ETag: "5D41402ABC4B2A76B9719D911017C592",
		Metadata: map[string]string{"ossupload-filename": "a.png"},
	}
	claims.Metadata = grant.MetadataSum(object.Metadata)
	for _, change := range changes {
		change(&claims, &object)
	}
	if _, ok := object.Metadata[grant.MetaGrant]; !ok {
		sealed, err := keyring(t).Seal(uploadtoken.Grant, claims)
		if err != nil {
			t.Fatal(err)
		}
		object.Metadata[grant.MetaGrant] = sealed
	}
	v.objects[key] = object
}

// setup is what a handler is made of. A test changes what it is about.
type setup struct {
	settings settings.Presign
	outside  outside
	vault    *vault
}

func newSetup(t testing.TB) *setup {
	t.Helper()
	endpoint := func(raw string, style signing.Style) signing.Endpoint {
		e, err := signing.ParseEndpoint(raw, style)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	tagKeys := []string{"project", "stage", strings.Repeat("k", 128)}
	for i := range 10 {
		tagKeys = append(tagKeys, fmt.Sprint("t", i))
	}
	v := &vault{objects: map[string]storage.Object{}}
	v.store(t, "alice", "u/alice/a.png")
	return &setup{
		settings.Presign{
			Storage: settings.Storage{
				Region: "cn-hangzhou", Bucket: "examplebucket",
				Public:   endpoint("oss-cn-hangzhou.aliyuncs.com", signing.VirtualHosted),
				Download: endpoint("cdn.example.com", signing.CNAME),
				Internal: endpoint("oss-cn-hangzhou-internal.aliyuncs.com", signing.VirtualHosted),
			},
			Policy: grant.Policy{
				Bucket:         "examplebucket",
				Prefix:         "u/",
				MaxSize:        1 << 40,
				ContentTypes:   grant.Types{"image/*", "video/mp4", "application/octet-stream"},
				Methods:        []uploadtoken.Method{uploadtoken.Put, uploadtoken.Form, uploadtoken.URL},
				TokenTTL:       168 * time.Hour,
				StorageClasses: []string{"IA"},
				TagKeys:        tagKeys,
				URLUnsized:     true,
			},
			MaxExpires:  time.Hour,
			TokenKeys:   testKeys,
			Place:       testPlace,
			CallbackURL: "https://api.example.com/callback?tenant=1",
			Caller:      callerauth.Config{JWT: &callerauth.JWTConfig{Secret: []byte(callerSecret), Audience: "ossupload"}},
			PublicURL:   "https://api.example.com/v1",
		},
		outside{
			credentials: lasting(12 * time.Hour),
			now:         func() time.Time { return testNow },
			random:      zeros{},
			log:         slog.New(slog.DiscardHandler),
			storage: func(c rolecreds.Source) header {
				v.asker = c
				return v
			},
		},
		v,
	}
}

// function is the function as main wires it, but for what is outside of it.
type function struct{ adapter *fchttp.Adapter }

func (s *setup) function(t testing.TB) function {
	t.Helper()
	h, err := newHandler(s.settings, s.outside)
	if err != nil {
		t.Fatal(err)
	}
	return function{&fchttp.Adapter{Handler: h.routes(), Now: s.outside.now, Pseudonym: h.keyring.Pseudonym}}
}

// token is the proof of a caller, with these claims beside its own.
func token(t testing.TB, subject string, more map[string]any) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": subject, "aud": "ossupload", "exp": testNow.Add(24 * time.Hour).Unix()}
	maps.Copy(claims, more)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(callerSecret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// answer is what a client gets.
type answer struct {
	Status int               `json:"statusCode"`
	Header map[string]string `json:"headers"`
	Body   string            `json:"body"`
}

// send sends a request as the HTTP trigger hands it over.
func (f function) send(t *testing.T, method, path string, header map[string]string, body string) answer {
	t.Helper()
	event, err := json.Marshal(map[string]any{
		"version": "v1", "rawPath": path, "headers": header, "body": body,
		"requestContext": map[string]any{"http": map[string]string{"method": method, "path": path}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.adapter.Invoke(t.Context(), "request-1", event)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// post asks as alice. in is the body as text, or what is encoded as such.
func (f function) post(t *testing.T, path string, in any) answer {
	t.Helper()
	return f.postAs(t, token(t, "alice", nil), path, in)
}

func (f function) postAs(t *testing.T, token, path string, in any) answer {
	t.Helper()
	body, ok := in.(string)
	if !ok {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = string(text)
	}
	return f.send(t, "POST", path, map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}, body)
}

// granted decodes the answer into out, which must have all of its members.
func (a answer) granted(t *testing.T, out any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil || a.Status != http.StatusOK || a.Header["Cache-Control"] != "no-store" {
		t.Fatalf("answer %d %v %s: %v, want 200", a.Status, a.Header, a.Body, err)
	}
}

// refused holds the answer against a code and the fields at fault.
func (a answer) refused(t *testing.T, status int, code string, fields ...string) {
	t.Helper()
	var got struct {
		Code, Message, Error, RequestID string
		Details                         []struct{ Field, Reason string }
	}
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
		t.Fatalf("answer %d %s: %v", a.Status, a.Body, err)
	}
	var named []string
	for _, d := range got.Details {
		named = append(named, d.Field)
		if d.Reason == "" {
			t.Errorf("the fault of %q has no reason", d.Field)
		}
	}
	if a.Status != status || got.Code != code || strings.Join(named, " ") != strings.Join(fields, " ") {
		t.Errorf("answer %d %s of %q (%s), want %d %s of %q", a.Status, got.Code, named, got.Message, status, code, fields)
	}
	if got.Message == "" || got.Error != got.Message || got.RequestID != "request-1" {
		t.Errorf("answer %s, want a message, the same as error, and the request id", a.Body)
	}
}

const (
	somePresign  = `{"filename":"a.png","size":1}`
	someDownload = `{"key":"u/alice/a.png"}`
)

// sound are the routes, each with a body that it grants.
var sound = map[string]string{"/presign": somePresign, "/download": someDownload, "/sts": `{}`, "/session": `{}`}

// withSTS makes the function answer on every route.
func (s *setup) withSTS(t testing.TB) *setup {
	t.Helper()
	s.settings.Role, s.settings.STSEnabled = newSTS(t).role(), true
	return s
}
