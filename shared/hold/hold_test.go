package hold_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

var here = uploadtoken.Place{Bucket: "examplebucket", Prefix: "u/"}

func keyring(t *testing.T, place uploadtoken.Place, former ...uploadtoken.Place) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: []uploadtoken.Key{{ID: "k", Secret: bytes.Repeat([]byte("s"), 32)}}, Place: place, Former: former, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// granted is the metadata of object, less the grant itself.
var granted = map[string]string{"album": "%E5%A4%8F", "ossupload-filename": "a%20b.png"}

func claims() uploadtoken.Claims {
	size := int64(5)
	return uploadtoken.Claims{
		ID: "jti-1", Method: uploadtoken.Put, Place: here, Key: "u/alice/2026/11/x.png", Subject: "alice",
		Size: &size, MaxSize: 10, ContentType: "image/png", CRC64: "42", Metadata: grant.MetadataSum(granted),
	}
}

func object() storage.Object {
	metadata := maps.Clone(granted)
	metadata["ossupload-grant"] = "v1.x"
	return storage.Object{
		Size: 5, ETag: "5D41402ABC4B2A76B9719D911017C592", ContentType: "image/png", CRC64: "42", Type: "Normal", Metadata: metadata,
	}
}

func TestCheck(t *testing.T) {
	const (
		content = "it has a Content-Encoding or Content-Disposition that nobody granted"
		caching = "it has a Cache-Control or Expires that nobody granted"
		meta    = "its metadata is not what was granted"
	)
	four := int64(4)
	byURL := func(c *uploadtoken.Claims, o *storage.Object) {
		c.Method, c.Metadata, c.Filename, o.Metadata = uploadtoken.URL, "", "a b.png", nil
	}
	tests := []struct {
		name   string
		change func(*uploadtoken.Claims, *storage.Object)
		why    string // what the log says; empty: nothing is wrong
	}{
		{"as granted", func(c *uploadtoken.Claims, o *storage.Object) {}, ""},
		{"a multipart object", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "Multipart" }, ""},
		{"a symlink", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "Symlink" }, `it is of type "Symlink"`},
		{"an appendable object", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "Appendable" }, `it is of type "Appendable"`},
		{"an object of no type", func(c *uploadtoken.Claims, o *storage.Object) { o.Type = "" }, `it is of type ""`},
		{"another size", func(c *uploadtoken.Claims, o *storage.Object) { c.Size = &four }, "its size is 5, granted was 4"},
		{"no exact size, within the limit", func(c *uploadtoken.Claims, o *storage.Object) { c.Size = nil; o.Size = 10 }, ""},
		{"no exact size, over the limit", func(c *uploadtoken.Claims, o *storage.Object) { c.Size = nil; o.Size = 11 }, "its size is 11, granted were at most 10"},
		{"another type", func(c *uploadtoken.Claims, o *storage.Object) { o.ContentType = "text/html" }, `its content type is "text/html", granted was "image/png"`},
		{"the type without its charset", func(c *uploadtoken.Claims, o *storage.Object) {
			c.ContentType, o.ContentType = "text/plain;charset=utf8", "text/plain"
		}, `its content type is "text/plain", granted was "text/plain;charset=utf8"`},
		{"a type where none was granted", func(c *uploadtoken.Claims, o *storage.Object) { c.ContentType = "" }, ""},
		{"a Content-Encoding", func(c *uploadtoken.Claims, o *storage.Object) { o.ContentEncoding = "gzip" }, content},
		{"a Content-Disposition", func(c *uploadtoken.Claims, o *storage.Object) { o.ContentDisposition = "inline" }, content},
		{"a Cache-Control", func(c *uploadtoken.Claims, o *storage.Object) { o.CacheControl = "no-store" }, caching},
		{"an Expires", func(c *uploadtoken.Claims, o *storage.Object) { o.Expires = "0" }, caching},
		{"a tag that nobody granted", func(c *uploadtoken.Claims, o *storage.Object) { o.Tags = 1 }, "it has 1 tags, granted were 0"},
		{"a tag that was granted", func(c *uploadtoken.Claims, o *storage.Object) { c.Tags, o.Tags = 1, 1 }, ""},
		{"another CRC-64", func(c *uploadtoken.Claims, o *storage.Object) { o.CRC64 = "43" }, "CRC-64 is 43, declared was 42"},
		{"no CRC-64 where one was declared", func(c *uploadtoken.Claims, o *storage.Object) { o.CRC64 = "" }, "CRC-64 is , declared was 42"},
		{"a CRC-64 that nobody declared", func(c *uploadtoken.Claims, o *storage.Object) { c.CRC64 = "" }, ""},

		{"metadata that was added", func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata["x"] = "" }, meta},
		{"metadata that was changed", func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata["album"] = "x" }, meta},
		{"metadata that was dropped", func(_ *uploadtoken.Claims, o *storage.Object) { delete(o.Metadata, "album") }, meta},
		{"metadata under another name", func(_ *uploadtoken.Claims, o *storage.Object) {
			delete(o.Metadata, "album")
			o.Metadata["albums"] = "%E5%A4%8F"
		}, meta},
		{"another file name", func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata["ossupload-filename"] = "c.png" }, meta},
		{"no metadata at all", func(_ *uploadtoken.Claims, o *storage.Object) { o.Metadata = nil }, meta},
		{"metadata where none was granted", func(c *uploadtoken.Claims, _ *storage.Object) { c.Metadata = "" }, meta},
		{"a url upload", byURL, ""},
		{"a url upload with metadata", func(c *uploadtoken.Claims, o *storage.Object) {
			byURL(c, o)
			o.Metadata = map[string]string{"album": "x"}
		}, meta},
		{"a url upload with an empty name", func(c *uploadtoken.Claims, o *storage.Object) {
			byURL(c, o)
			o.Metadata = map[string]string{"": ""}
		}, meta},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, o := claims(), object()
			tt.change(&c, &o)
			err := hold.Check(c, o)
			if tt.why == "" && err != nil || tt.why != "" && (!errors.Is(err, hold.ErrMismatch) || !strings.HasSuffix(err.Error(), ": "+tt.why)) {
				t.Errorf("Check = %v, want %q", err, tt.why)
			}
		})
	}
}

func TestCheckTellsBothChecksums(t *testing.T) {
	o := object()
	o.CRC64 = "43"
	err := hold.Check(claims(), o)
	answer, ok := errors.AsType[*api.Error](err)
	if !ok || answer.Code != api.ChecksumMismatch || !errors.Is(err, hold.ErrMismatch) {
		t.Fatalf("Check with another CRC-64 = %v, want %s, which is a mismatch", err, api.ChecksumMismatch)
	}
	if details, err := json.Marshal(answer.Details); string(details) != `{"expected":"42","actual":"43"}` {
		t.Errorf("details = %s, %v, want 42 and 43", details, err)
	}
}

func TestGrant(t *testing.T) {
	k := keyring(t, here)
	seal := func(k *uploadtoken.Keyring, p uploadtoken.Purpose, c uploadtoken.Claims) string {
		token, err := k.Seal(p, c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	elsewhere := claims()
	elsewhere.Key = "u/mallory/2026/11/x.png"
	old := claims()
	old.ExpiresAt = 1
	staging := uploadtoken.Place{Bucket: "staging", Prefix: "u/"}
	otherPrefix := uploadtoken.Place{Bucket: "examplebucket", Prefix: "v/"}
	before := uploadtoken.Place{Bucket: "formerbucket", Prefix: "u/"}
	tests := []struct {
		name, grant string
		ok          bool
	}{
		{"its own grant", seal(k, uploadtoken.Grant, claims()), true},
		{"its own grant, long expired", seal(k, uploadtoken.Grant, old), true},
		{"its own grant, from before a move", seal(keyring(t, before), uploadtoken.Grant, claims()), true},
		{"no grant", "", false},
		{"an upload token", seal(k, uploadtoken.Upload, claims()), false},
		{"an upload id", seal(k, uploadtoken.Multipart, claims()), false},
		{"a grant copied from another object", seal(k, uploadtoken.Grant, elsewhere), false},
		{"a grant of another bucket", seal(keyring(t, staging), uploadtoken.Grant, claims()), false},
		{"a grant of another prefix", seal(keyring(t, otherPrefix), uploadtoken.Grant, claims()), false},
		{"anything", "v1.k.AAAA", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := object()
			o.Metadata["ossupload-grant"] = tt.grant
			got, err := hold.Grant(keyring(t, here, before), claims().Key, o)
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, hold.ErrNoGrant) {
				t.Errorf("Grant = %v, want ok %v", err, tt.ok)
			}
			if tt.ok != (got.ID == "jti-1") {
				t.Errorf("Grant = %+v, want the grant's claims %v", got, tt.ok)
			}
		})
	}
}

// An object that carries no grant says nothing about whose it is.
func TestCheckUpload(t *testing.T) {
	k := keyring(t, here)
	sealed := func(id string) string {
		c := claims()
		c.ID = id
		token, err := k.Seal(uploadtoken.Grant, c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for _, tt := range []struct {
		name, grant string
		ok          bool
	}{
		{"its own", sealed("jti-1"), true},
		{"another upload's", sealed("jti-2"), false},
		{"none", "", true},
		{"one that does not open", "v1.k.AAAA", true},
	} {
		o := object()
		o.Metadata["ossupload-grant"] = tt.grant
		if err := hold.CheckUpload(k, claims(), o); tt.ok != (err == nil) || !tt.ok && !errors.Is(err, hold.ErrMismatch) {
			t.Errorf("%s: CheckUpload = %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

// What a client is told.
func TestErrorsCarryTheirAnswer(t *testing.T) {
	for _, tt := range []struct {
		err    error
		code   api.Code
		reason string // in the log
	}{
		{hold.ErrMismatch, api.ObjectMismatch, "object"},
		{hold.ErrNoGrant, api.ObjectMismatch, "object"},
		{hold.ChecksumMismatch("1", "2"), api.ChecksumMismatch, ""},
	} {
		got, ok := errors.AsType[*api.Error](tt.err)
		if !ok || got.Code != tt.code || got.Message == "" || got.Reason != tt.reason || got.RetryAfter != 0 {
			t.Errorf("the answer to %v = %+v, want %s", tt.err, got, tt.code)
		}
	}
	if errors.Is(hold.ErrNoGrant, hold.ErrMismatch) {
		t.Error("an object without a grant is told as one that breaks it")
	}
}
