package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

// stored is an upload of alice's by a single request, as it lies in the bucket,
// and its upload token.
func (f *fixture) stored(change func(*uploadtoken.Claims, *storage.Object)) (claims uploadtoken.Claims, token string) {
	f.t.Helper()
	const id = "01a1f866-0d00-7000-8000-000000000001" // of today
	claims = uploadtoken.Claims{
		ID: id, Method: uploadtoken.Form, Place: f.settings.Place, Key: "u/alice/2026/11/" + id + ".png", Subject: "alice",
		MaxSize: 10, ContentType: "image/png", IssuedAt: today.Unix() - 60, ExpiresAt: today.Unix() + 60,
	}
	object := storage.Object{Size: 5, ETag: "E", CRC64: "7", Type: "Normal", ContentType: "image/png", LastModified: today, Metadata: map[string]string{}}
	key := claims.Key
	token = f.seal(uploadtoken.Upload, claims)
	granted := claims
	if change != nil {
		change(&granted, &object)
	}
	if object.Metadata != nil {
		object.Metadata[grant.MetaGrant] = f.sealedElsewhere(uploadtoken.Grant, granted, "s", granted.Place)
	}
	f.bucket.Store(key, object)
	return claims, token
}

func TestConfirm(t *testing.T) {
	f := newFixture(t)
	claims, token := f.stored(nil)
	bodies := []string{`{"uploadToken":"` + token + `"}`, `{"key":"` + claims.Key + `"}`, `{"uploadToken":"` + f.seal(uploadtoken.Multipart, claims) + `"}`}
	var want string
	for _, body := range bodies {
		f.again()
		var got confirm.Answer
		f.as("alice", "POST", "/confirm", body).ok(&got)
		if ids := f.told(claims.Key); len(ids) == 1 && ids[0] != got.EventID {
			t.Errorf("told as %s, want %s", ids[0], got.EventID)
		}
		f.asked(storagetest.Head, storagetest.Get, storagetest.Put)
		if want == "" {
			want = jsonOf(t, got)
		}
		if got := jsonOf(t, got); got != want || !strings.Contains(got, `"key":"`+claims.Key+`"`) {
			t.Errorf("receipt %s, want %s", got, want)
		}
	}
	// The first was the first to announce it. Only that is worth a warning.
	if n := strings.Count(f.log.String(), `"msg":"repair","action":"no callback"`); n != 1 {
		t.Errorf("%d warnings that no callback came, want 1:\n%s", n, f.log)
	}
	// By key at any age, by token until it expires.
	f.clock = today.Add(60*time.Second - 1)
	f.as("alice", "POST", "/confirm", bodies[0]).ok(new(confirm.Answer))
	f.clock = today.Add(60 * time.Second)
	f.as("alice", "POST", "/confirm", bodies[0]).refused(api.InvalidToken)
	f.as("alice", "POST", "/confirm", bodies[2]).refused(api.InvalidToken)
	f.as("alice", "POST", "/confirm", bodies[1]).ok(new(confirm.Answer))
}

func TestConfirmRefuses(t *testing.T) {
	f := newFixture(t)
	claims, token := f.stored(nil)
	tests := []struct {
		name, who, body string
		code            api.Code
		ops             []storagetest.Op
	}{
		{"nobody's", "", `{"uploadToken":"` + token + `"}`, api.Unauthenticated, nil},
		{"another subject's token", "mallory", `{"uploadToken":"` + token + `"}`, api.InvalidToken, nil},
		{"another bucket's token", "alice", `{"uploadToken":"` + f.sealedElsewhere(uploadtoken.Upload, claims, "s", uploadtoken.Place{Bucket: "another", Prefix: prefix}) + `"}`, api.InvalidToken, nil},
		{"a stored grant", "alice", `{"uploadToken":"` + f.seal(uploadtoken.Grant, claims) + `"}`, api.InvalidToken, nil},
		{"no token", "alice", `{"uploadToken":"x"}`, api.InvalidToken, nil},
		{"an unknown key's token", "alice", `{"uploadToken":"` + strings.Replace(token, "v1.k1.", "v1.k2.", 1) + `"}`, api.InvalidToken, nil},
		{"another subject's key", "mallory", `{"key":"` + claims.Key + `"}`, api.NotFound, nil},
		{"a key whose subject begins alike", "ali", `{"key":"` + claims.Key + `"}`, api.NotFound, nil},
		{"a marker", "alice", `{"key":"_ossupload/u/_announced/alice/x"}`, api.NotFound, nil},
		{"a key outside of the prefix", "alice", `{"key":"alice/x"}`, api.NotFound, nil},
		{"a key of nothing", "alice", `{"key":"u/alice/2026/11/nothing.png"}`, api.NotFound, []storagetest.Op{storagetest.Head}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := f.in(t)
			f.as(tt.who, "POST", "/confirm", tt.body).refused(tt.code)
			f.asked(tt.ops...)
			f.told()
		})
	}
	for body, faults := range map[string][]string{
		`{}`:                            {"uploadToken", "is required without key"},
		`{"key":"","uploadToken":""}`:   {"uploadToken", "is required without key"},
		`{"key":"x","uploadToken":"y"}`: {"uploadToken", "cannot be combined with key"},
		`{"Key":"x"}`:                   {"Key", "is not a known field", "uploadToken", "is required without key"},
		`{"key":7}`:                     {"key", "must be a string", "uploadToken", "is required without key"},
	} {
		f.as("alice", "POST", "/confirm", body).invalid(faults...)
	}
	f.as("alice", "POST", "/confirm", "").refused(api.InvalidJSON)
	f.asked()
}

// What lies under a key of alice's is hers only with a grant that says so.
func TestConfirmMeetsAnObject(t *testing.T) {
	tests := []struct {
		name   string
		change func(*uploadtoken.Claims, *storage.Object)
		key    api.Code // by key
		token  api.Code // by token; empty: 200
	}{
		{"without metadata", func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata = nil }, api.ObjectMismatch, ""},
		{"with the grant of another key", func(c *uploadtoken.Claims, _ *storage.Object) { c.Key += "x" }, api.ObjectMismatch, ""},
		{"with the grant of another subject", func(c *uploadtoken.Claims, _ *storage.Object) { c.Subject = "mallory" }, api.NotFound, ""},
		{"with the grant of another deployment", func(c *uploadtoken.Claims, _ *storage.Object) { c.Bucket = "another" }, api.ObjectMismatch, ""},
		{"of another size", func(_ *uploadtoken.Claims, o *storage.Object) { o.Size = 11 }, api.ObjectMismatch, api.ObjectMismatch},
		{"of another type", func(_ *uploadtoken.Claims, o *storage.Object) { o.ContentType = "text/html" }, api.ObjectMismatch, api.ObjectMismatch},
		{"that is a link", func(_ *uploadtoken.Claims, o *storage.Object) { o.Type = "Symlink" }, api.ObjectMismatch, api.ObjectMismatch},
		{"with other bytes than declared", func(c *uploadtoken.Claims, _ *storage.Object) { c.CRC64 = "8" }, api.ChecksumMismatch, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			claims, token := f.stored(tt.change)
			f.as("alice", "POST", "/confirm", `{"key":"`+claims.Key+`"}`).refused(tt.key)
			f.told()
			r := f.as("alice", "POST", "/confirm", fmt.Sprintf(`{"uploadToken":%q}`, token))
			if tt.token != "" {
				r.refused(tt.token)
				f.told()
			} else {
				r.ok(new(confirm.Answer))
				f.told(claims.Key)
			}
		})
	}
}
