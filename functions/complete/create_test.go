package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/rolecreds"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

func TestCreate(t *testing.T) {
	f := newFixture(t)
	var out createResponse
	f.as("alice", "POST", "/s3/multipart", `{"filename":"夏 1.PNG","type":"image/png","size":250000,"partSize":102400,
		"metadata":{"album":"a b","count":3,"name":"x","relativePath":null},"vars":{"order":"7"},"checksum":{"crc64":"42"}}`).ok(&out)

	calls := f.asked(storagetest.Initiate)
	open := f.bucket.Open()
	if len(open) != 1 || open[0].Key != out.Key || !strings.HasPrefix(out.Key, "u/alice/2026/11/") || !strings.HasSuffix(out.Key, ".png") {
		t.Fatalf("key %q, uploads %+v, want one of a key of alice's", out.Key, open)
	}
	claims, err := f.keyring.Open(uploadtoken.Multipart, out.UploadID, today)
	if err != nil {
		t.Fatal(err)
	}
	want := uploadtoken.Claims{
		ID: claims.ID, Method: uploadtoken.MultipartPart, Place: f.settings.Place, Key: out.Key, Subject: "alice",
		Size: new(int64(250000)), MaxSize: maxSize, ContentType: "image/png", CRC64: "42", UploadID: open[0].ID, PartSize: 102400,
		Metadata: claims.Metadata, Vars: map[string]string{"order": "7"}, IssuedAt: today.Unix(), ExpiresAt: today.Add(tokenTTL).Unix(),
	}
	if got, want := jsonOf(t, claims), jsonOf(t, want); got != want || !strings.Contains(out.Key, claims.ID) {
		t.Errorf("the upload id holds\n%s, want\n%s", got, want)
	}
	if out.Bucket != bucketName || out.PartSize != 102400 || out.PartCount != 3 || !out.ExpiresAt.Equal(today.Add(tokenTTL)) || out.ExpiresAt.Location() != time.UTC {
		t.Errorf("answer = %+v", out)
	}

	header := calls[0].Header
	stored, err := f.keyring.Open(uploadtoken.Grant, header["x-oss-meta-ossupload-grant"], today)
	want.UploadID = "" // is not known yet
	if got, want := jsonOf(t, stored), jsonOf(t, want); err != nil || got != want {
		t.Errorf("the stored grant holds\n%s, %v, want\n%s", got, err, want)
	}
	delete(header, "x-oss-meta-ossupload-grant")
	sameMap(t, "headers of the object", header, map[string]string{
		"Content-Type": "image/png", "x-oss-forbid-overwrite": "true", "x-oss-meta-album": "a%20b", "x-oss-meta-count": "3",
		"x-oss-meta-ossupload-filename": "%E5%A4%8F%201.PNG",
	})
}

// What was not agreed is not in the answer, so that Uppy's own choice stands.
func TestCreateWithoutSize(t *testing.T) {
	f := newFixture(t)
	r := f.as("alice", "POST", "/s3/multipart", `{"filename":"a.bin"}`)
	var out map[string]any
	r.ok(&out)
	for _, name := range []string{"partSize", "partCount"} {
		if _, ok := out[name]; ok {
			t.Errorf("the answer has %s = %v", name, out[name])
		}
	}
	claims, err := f.keyring.Open(uploadtoken.Multipart, out["uploadId"].(string), today)
	if err != nil || claims.Size != nil || claims.PartSize != 0 || claims.CRC64 != "" || claims.ContentType != "application/octet-stream" {
		t.Errorf("claims = %+v, %v", claims, err)
	}
	if out["expiresAt"] != "2026-11-21T10:00:00Z" {
		t.Errorf("expiresAt = %v", out["expiresAt"])
	}
}

func TestCreateRefuses(t *testing.T) {
	long := strings.Repeat("x", 766)
	tests := []struct {
		name, body string
		faults     []string
	}{
		{"no name", `{}`, []string{"filename", "is required"}},
		{"no body", ``, []string{"filename", "is required"}},
		{"a long name", `{"filename":"` + long + `"}`, []string{"filename", "at most 765 bytes"}},
		{"a name of two lines", `{"filename":"a\nb"}`, []string{"filename", "control characters"}},
		{"another type", `{"filename":"a","type":"video/mp4"}`, []string{"type", `"video/mp4" is not an allowed type`}},
		{"no type at all", `{"filename":"a","type":"x"}`, []string{"type", "must be one type/subtype"}},
		{"too large", `{"filename":"a","size":1073741825}`, []string{"size", "at most 1073741824 bytes"}},
		{"a negative size", `{"filename":"a","size":-1}`, []string{"size", "at least 0"}},
		{"a size in words", `{"filename":"a","size":"1"}`, []string{"size", "whole number"}},
		{"small parts", `{"filename":"a","partSize":102399}`, []string{"partSize", "must be 102400"}},
		{"many parts", `{"filename":"a","size":1073741824,"partSize":102400}`, []string{"partSize", "more than 10000 parts"}},
		{"a checksum that is none", `{"filename":"a","checksum":{"crc64":"0x1"}}`, []string{"checksum.crc64", "decimal"}},
		{"many variables", `{"filename":"a","vars":{"a":"` + strings.Repeat("x", 1024) + `"}}`, []string{"vars", "at most 1024 bytes"}},
		{"a variable that is no text", `{"filename":"a","vars":{"a":1}}`, []string{"vars", "strings as values"}},
		{"metadata in capitals", `{"filename":"a","metadata":{"A":"b"}}`, []string{"metadata.A", "a-z 0-9 -"}},
		{"metadata of two lines", `{"filename":"a","metadata":{"a":"b\nc"}}`, []string{"metadata.a", "control characters"}},
		{"metadata that is a list", `{"filename":"a","metadata":{"a":[]}}`, []string{"metadata", "strings as values"}},
		{"metadata of ours", `{"filename":"a","metadata":{"ossupload-grant":"x"}}`, []string{"metadata.ossupload-grant", "reserved"}},
		{"much metadata", `{"filename":"a","metadata":{"a":"` + strings.Repeat("x", 2048) + `"}}`, []string{"metadata", "at most 2048 bytes"}},
		// Of shape and of policy, all told at once.
		{"all at once", `{"type":"video/mp4","size":1073741825,"checksum":{"crc64":"x"}}`,
			[]string{"filename", "required", "checksum.crc64", "decimal", "type", "not an allowed", "size", "at most"}},
	}
	f := newFixture(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := f.in(t)
			f.as("alice", "POST", "/s3/multipart", tt.body).invalid(tt.faults...)
			f.asked()
		})
	}
	for body, code := range map[string]api.Code{`{`: api.InvalidJSON, `[]`: api.InvalidJSON, `{"filename":"a","filename":"b"}`: api.InvalidJSON} {
		f.as("alice", "POST", "/s3/multipart", body).refused(code)
	}
	f.asked()
}

// Uppy sends more than is asked for; our own route takes what it knows.
func TestUnknownMembers(t *testing.T) {
	f := newFixture(t)
	s := f.start(`{"filename":"a.png","uploadId":"x","allowedMetaFields":[],"Filename":7}`)
	parts := f.fill(s, 5)
	f.as("alice", "POST", s.path("/complete"), fmt.Sprintf(`{"parts":[{"PartNumber":1,"ETag":%q,"etag":"x","partnumber":9,"location":null}],"key":"x"}`, parts[0].ETag)).ok(new(map[string]any))
	f.as("alice", "POST", "/confirm", `{"key":"`+s.Key+`","extra":1}`).invalid("extra", "is not a known field")
}

// The limits of the caller's own token hold.
func TestCreateIsNarrowedByTheCaller(t *testing.T) {
	f := newFixture(t, func(f *fixture) {
		f.caller = people{"alice": {Subject: "alice", Limits: callerauth.Limits{
			MaxSize: new(int64(1000)), ContentTypes: []string{"text/plain"}, Context: json.RawMessage(`{"order":7}`),
		}}}
	})
	f.as("alice", "POST", "/s3/multipart", `{"filename":"a.png","type":"image/png","size":1001}`).invalid("type", "your token allows", "size", "at most 1000")
	s := f.start(`{"filename":"a.txt","size":1000}`)
	if s.claims.MaxSize != 1000 || string(s.claims.Context) != `{"order":7}` || s.claims.ContentType != "text/plain" {
		t.Errorf("claims = %+v", s.claims)
	}
}

func TestCreateIsNotEnabled(t *testing.T) {
	f := newFixture(t, func(f *fixture) { f.settings.Policy.Methods = []uploadtoken.Method{uploadtoken.Put} })
	f.as("alice", "POST", "/s3/multipart", `{"filename":"a"}`).refused(api.Forbidden)
	f.as("alice", "GET", "/s3/params?filename=a", "").refused(api.Forbidden)
	f.asked()
}

// Whatever fails, no upload is left that nobody can name, except where nobody
// can know that there is one.
func TestCreateFails(t *testing.T) {
	const body = `{"filename":"a.png"}`
	t.Run("randomness for the key", func(t *testing.T) {
		f := newFixture(t)
		f.random.left = 9
		f.as("alice", "POST", "/s3/multipart", body).refused(api.Internal)
		f.asked()
	})
	// A key takes 10 bytes, each token 24: one to see whether it fits, the grant,
	// and the upload id.
	t.Run("sealing the upload id", func(t *testing.T) {
		f := newFixture(t)
		f.random.left = 10 + 24 + 24
		f.as("alice", "POST", "/s3/multipart", body).refused(api.Internal)
		f.asked(storagetest.Initiate, storagetest.Abort)
		if open := f.bucket.Open(); len(open) != 0 {
			t.Errorf("%+v is left behind", open)
		}
	})
	t.Run("claims that do not fit a token", func(t *testing.T) {
		context, _ := json.Marshal(strings.Repeat("c", 500))
		f := newFixture(t, func(f *fixture) {
			f.caller = people{"alice": {Subject: "alice", Limits: callerauth.Limits{Context: context}}}
		})
		f.as("alice", "POST", "/s3/multipart", `{"filename":"a","vars":{"a":"`+strings.Repeat("x", 1000)+`"}}`).invalid("vars", "does not fit")
		f.asked()
	})
	t.Run("the answer of Initiate is lost", func(t *testing.T) {
		f := newFixture(t)
		f.bucket.Next(storagetest.Initiate, storagetest.Fault{Err: storage.ErrTimeout, Done: true})
		f.as("alice", "POST", "/s3/multipart", body).refused(api.StorageTimeout)
		f.asked(storagetest.Initiate) // once: a repetition would leave another
		first := f.bucket.Open()
		s := f.start(body)
		if open := f.bucket.Open(); len(first) != 1 || len(open) != 2 || s.Key == first[0].Key {
			t.Errorf("uploads %+v, then %+v, want another under another key", first, open)
		}
	})
}

// storageFailures is what the client is told when storage fails.
var storageFailures = []struct {
	err  error
	code api.Code
}{
	{storage.ErrDenied, api.StorageDenied},
	{storage.ErrTimeout, api.StorageTimeout},
	{storage.ErrThrottled, api.Throttled},
	{storage.ErrUnavailable, api.StorageError},
	{storage.ErrCredentials, api.Internal},
}

func TestStorageFails(t *testing.T) {
	tests := []struct {
		name, method, more, body string
		op                       storagetest.Op
		before                   func(*fixture, started)
	}{
		{"create", "POST", "create", `{"filename":"a"}`, storagetest.Initiate, nil},
		{"list", "GET", "", "", storagetest.ListParts, nil},
		{"abort", "DELETE", "", "", storagetest.Abort, nil},
		{"complete: parts", "POST", "/complete", "", storagetest.ListParts, nil},
		{"complete: completion", "POST", "/complete", "", storagetest.Complete, nil},
		{"complete: the object", "POST", "/complete", "", storagetest.Head, nil},
		{"complete again: the object", "POST", "/complete", "", storagetest.Head, completed},
		{"list after completion", "GET", "", "", storagetest.Head, completed},
		{"abort after completion", "DELETE", "", "", storagetest.Head, completed},
		{"confirm: the object", "POST", "confirm", `{"uploadToken":"TOKEN"}`, storagetest.Head, completed},
		{"confirm by key: the object", "POST", "confirm", `{"key":"KEY"}`, storagetest.Head, completed},
	}
	for _, tt := range tests {
		for _, failure := range storageFailures {
			t.Run(fmt.Sprintf("%s/%v", tt.name, failure.err), func(t *testing.T) {
				f := newFixture(t)
				s := f.start(sized(5))
				f.fill(s, 5)
				if tt.before != nil {
					tt.before(f, s)
				}
				target := map[string]string{"create": "/s3/multipart", "confirm": "/confirm"}[tt.more]
				if target == "" {
					target = s.path(tt.more)
				}
				body := strings.NewReplacer("TOKEN", s.UploadID, "KEY", s.Key).Replace(tt.body)
				f.bucket.Next(tt.op, storagetest.Fault{Err: failure.err})
				f.as("alice", tt.method, target, body).refused(failure.code)
				f.told()
				// It heals: what failed is asked again.
				if r := f.as("alice", tt.method, target, body); r.status != http.StatusOK && r.status != http.StatusConflict {
					t.Errorf("asked again: %d %s", r.status, r.body)
				}
			})
		}
	}
}

// completed completes an upload behind the handler's back.
func completed(f *fixture, s started) { f.bucket.CompleteUpload(s.claims.UploadID) }

// Without credentials nothing is signed.
func TestCredentials(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	mine := f.outside.credentials.(*own)
	targets := []string{"/s3/params?filename=a.png", s.path("/1"), s.path("/batch?partNumbers=1"), s.path("/batch?partNumbers=1&as=template")}
	for _, target := range targets {
		*mine = own{err: rolecreds.ErrNone}
		f.as("alice", "GET", target, "").refused(api.Internal)
		*mine = own{credentials: rolecreds.Credentials{AccessKeyID: "AK", AccessKeySecret: "SK", Expires: today.Add(59 * time.Second)}}
		f.as("alice", "GET", target, "").refused(api.CredentialsExpiring)
	}
	f.asked()
}

func TestParams(t *testing.T) {
	f := newFixture(t)
	var out paramsResponse
	f.as("alice", "GET", "/s3/params?filename=a%20b.png&type=image/png&metadata[album]=summer&metadata[name]=a&metadata[caption]=null&metadata[x]=", "").ok(&out)
	f.asked()
	fields := out.Fields
	key := fields["key"]
	if out.Method != "POST" || out.URL != "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/" || out.Expires != 900 || !strings.HasPrefix(key, "u/alice/2026/11/") {
		t.Fatalf("answer = %+v", out)
	}
	for name, want := range map[string]string{
		"Content-Type": "image/png", "x-oss-forbid-overwrite": "true", "x-oss-meta-album": "summer", "x-oss-meta-ossupload-filename": "a%20b.png",
		"success_action_status": "200", "x-oss-object-acl": "default", "x-oss-security-token": "ST",
	} {
		if fields[name] != want {
			t.Errorf("field %s = %q, want %q", name, fields[name], want)
		}
	}
	for name := range fields {
		if meta, ok := strings.CutPrefix(name, "x-oss-meta-"); ok && !slices.Contains([]string{"album", "ossupload-filename", "ossupload-grant"}, meta) {
			t.Errorf("metadata %s = %q", meta, fields[name])
		}
	}
	stored, err := f.keyring.Open(uploadtoken.Grant, fields["x-oss-meta-ossupload-grant"], today)
	if err != nil || stored.Key != key || stored.Subject != "alice" || stored.Method != uploadtoken.Form || stored.MaxSize != maxSize || stored.ContentType != "image/png" {
		t.Errorf("the grant holds %+v, %v", stored, err)
	}
	var told struct{ CallbackURL, CallbackBody string }
	decode(t, fields["callback"], &told)
	token := fields[osscallback.Variable]
	if claims, err := f.keyring.Open(uploadtoken.Upload, token, today); err != nil || claims.ID != stored.ID || told.CallbackURL != callback {
		t.Errorf("the callback %+v holds %+v, %v", told, claims, err)
	}
	var policy struct {
		Expiration string
		Conditions []any
	}
	decode(t, fields["policy"], &policy)
	if policy.Expiration != "2026-11-20T10:15:00.000Z" || !slices.ContainsFunc(policy.Conditions, func(c any) bool { return fmt.Sprint(c) == "[content-length-range 0 1.073741824e+09]" }) ||
		!slices.ContainsFunc(policy.Conditions, func(c any) bool { return fmt.Sprint(c) == "[eq $key "+key+"]" }) {
		t.Errorf("policy = %+v", policy)
	}
}

func TestParamsRefuses(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		query  string
		faults []string
	}{
		{"", []string{"filename", "is required"}},
		{"filename=", []string{"filename", "is required"}},
		{"filename=" + strings.Repeat("x", 766), []string{"filename", "at most 765 bytes"}},
		{"filename=a&type=text/html", []string{"type", "not an allowed type"}},
		{"type=text/html", []string{"filename", "is required", "type", "not an allowed type"}},
		{"filename=a&metadata[A]=b", []string{"metadata.A", "a-z 0-9 -"}},
		{"filename=a&metadata[ossupload-filename]=b", []string{"metadata.ossupload-filename", "reserved"}},
		{"filename=a&metadata[a]=b%0Ac", []string{"metadata.a", "control characters"}},
	}
	for _, tt := range tests {
		f.as("alice", "GET", "/s3/params?"+tt.query, "").invalid(tt.faults...)
	}
	f.as("alice", "GET", "/s3/params?filename="+strings.Repeat("x", 765), "").ok(new(paramsResponse))
	f.random.left = 9
	f.as("alice", "GET", "/s3/params?filename=a", "").refused(api.Internal)
	f.asked()
}

// Names that one route takes the other takes too: both are Uppy's.
func TestOwnMetadataIsReserved(t *testing.T) {
	for _, name := range []string{grant.MetaGrant, grant.MetaName, "ossupload"} {
		f := newFixture(t)
		f.as("alice", "POST", "/s3/multipart", `{"filename":"a","metadata":{"`+name+`":"x"}}`).invalid("metadata."+name, "reserved")
		f.as("alice", "GET", "/s3/params?filename=a&metadata["+name+"]=x", "").invalid("metadata."+name, "reserved")
	}
}
