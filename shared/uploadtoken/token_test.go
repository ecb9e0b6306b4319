package uploadtoken_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/uploadtoken"
)

var (
	secretA = bytes.Repeat([]byte{'a'}, 32)
	secretB = bytes.Repeat([]byte{'b'}, 32)
	now     = time.Unix(1_800_000_000, 0)
)

// place is where everything here is sealed, except by keyrings of elsewhere.
var place = uploadtoken.Place{Bucket: "examplebucket", Prefix: "uploads/"}

func config(keys ...uploadtoken.Key) uploadtoken.Config {
	return uploadtoken.Config{Keys: keys, Place: place, Random: rand.Reader}
}

func newKeyring(t testing.TB, c uploadtoken.Config) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(c)
	if err != nil {
		t.Fatalf("NewKeyring: %v", err)
	}
	return k
}

func keyring(t testing.TB, keys ...uploadtoken.Key) *uploadtoken.Keyring {
	t.Helper()
	return newKeyring(t, config(keys...))
}

func sample() uploadtoken.Claims {
	size := int64(12_000_000)
	return uploadtoken.Claims{
		ID: "jti", Method: uploadtoken.MultipartPart, Place: place, Key: "uploads/alice/2027/01/x.mp4", Subject: "alice", Session: "sid",
		Size: &size, ContentType: "video/mp4", CRC64: "11051210869376104954", UploadID: "0004B9894A22E5B1888A1E29F823",
		PartSize: 5 << 20, Vars: map[string]string{"album": "夏"}, Context: []byte(`{"order":7}`),
		IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 3600,
	}
}

func TestSealOpen(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	for _, p := range []uploadtoken.Purpose{uploadtoken.Upload, uploadtoken.Multipart, uploadtoken.Grant} {
		token, err := k.Seal(p, sample())
		if err != nil {
			t.Fatalf("Seal(%s): %v", p, err)
		}
		got, err := k.Open(p, token, now)
		if err != nil || !reflect.DeepEqual(got, sample()) {
			t.Errorf("Open(%s) = %+v, %v, want what was sealed", p, got, err)
		}
		if strings.Contains(token, "alice") || !strings.HasPrefix(token, "v1.k1.") {
			t.Errorf("Seal(%s) = %q, want v1.k1.… with nothing readable", p, token)
		}
	}
}

func TestSealBoth(t *testing.T) {
	c := sample()
	var rings [2]*uploadtoken.Keyring
	for i := range rings {
		of := config(uploadtoken.Key{ID: "k1", Secret: secretA})
		of.Random = strings.NewReader("the first salt of them all" + strings.Repeat("and another", 20))
		rings[i] = newKeyring(t, of)
	}
	one, other := rings[0], rings[1]
	forUpload, forGrant, err := one.SealBoth(uploadtoken.Upload, uploadtoken.Grant, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, sealed := range []struct {
		as    uploadtoken.Purpose
		token string
	}{{uploadtoken.Upload, forUpload}, {uploadtoken.Grant, forGrant}} {
		if want, err := other.Seal(sealed.as, c); err != nil || sealed.token != want {
			t.Errorf("SealBoth for %s = %q, want %q, %v", sealed.as, sealed.token, want, err)
		}
	}
	c.Filename = strings.Repeat("a", uploadtoken.MaxLen)
	if forUpload, forGrant, err := one.SealBoth(uploadtoken.Upload, uploadtoken.Grant, c); forUpload != "" || forGrant != "" || !errors.Is(err, uploadtoken.ErrTooLong) {
		t.Errorf("SealBoth of long claims = %q, %q, %v, want ErrTooLong", forUpload, forGrant, err)
	}
	if _, _, err := one.SealBoth(uploadtoken.Upload, "another", sample()); err == nil {
		t.Error("SealBoth for an unknown purpose succeeded")
	}
	c = sample()
	c.Context = []byte("{")
	if _, _, err := one.SealBoth(uploadtoken.Upload, uploadtoken.Grant, c); err == nil {
		t.Error("SealBoth of a context that is not JSON succeeded")
	}
}

// A function answers one request at a time; other programs need not.
func TestKeyringIsSafeForConcurrentUse(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				token, err := k.Seal(uploadtoken.Upload, sample())
				if err == nil {
					_, err = k.Open(uploadtoken.Upload, token, now)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestOpenRefuses(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	token, err := k.Seal(uploadtoken.Upload, sample())
	if err != nil {
		t.Fatal(err)
	}
	other, err := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretB}).Seal(uploadtoken.Upload, sample())
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := keyring(t, uploadtoken.Key{ID: "k9", Secret: secretA}).Seal(uploadtoken.Upload, sample())
	if err != nil {
		t.Fatal(err)
	}
	body := strings.TrimPrefix(token, "v1.k1.")
	tests := []struct {
		name    string
		purpose uploadtoken.Purpose
		token   string
		now     time.Time
		want    error
	}{
		{"as it was sealed", uploadtoken.Upload, token, now, nil},
		{"one second before its expiry", uploadtoken.Upload, token, now.Add(3599 * time.Second), nil},
		{"at its expiry", uploadtoken.Upload, token, now.Add(3600 * time.Second), uploadtoken.ErrExpired},
		{"one second after its expiry", uploadtoken.Upload, token, now.Add(3601 * time.Second), uploadtoken.ErrExpired},
		{"for another purpose", uploadtoken.Multipart, token, now, uploadtoken.ErrForged},
		{"for a purpose nobody knows", uploadtoken.Purpose("x"), token, now, uploadtoken.ErrForged},
		{"sealed with another secret", uploadtoken.Upload, other, now, uploadtoken.ErrForged},
		{"sealed with an unknown key", uploadtoken.Upload, unknown, now, uploadtoken.ErrKey},
		{"of another version", uploadtoken.Upload, "v2" + token[2:], now, uploadtoken.ErrMalformed},
		{"empty", uploadtoken.Upload, "", now, uploadtoken.ErrMalformed},
		{"without a body", uploadtoken.Upload, "v1.k1.", now, uploadtoken.ErrMalformed},
		{"without a key id", uploadtoken.Upload, "v1." + body, now, uploadtoken.ErrMalformed},
		{"shorter than a salt", uploadtoken.Upload, token[:20], now, uploadtoken.ErrMalformed},
		{"a byte short of a salt", uploadtoken.Upload, "v1.k1." + body[:31], now, uploadtoken.ErrMalformed},
		{"a salt alone", uploadtoken.Upload, "v1.k1." + body[:32], now, uploadtoken.ErrForged},
		{"cut in half", uploadtoken.Upload, "v1.k1." + body[:len(body)/8*4], now, uploadtoken.ErrForged},
		{"not base64url", uploadtoken.Upload, "v1.k1.+" + body[1:], now, uploadtoken.ErrMalformed},
		{"with a newline", uploadtoken.Upload, token + "\n", now, uploadtoken.ErrMalformed},
		{"too long", uploadtoken.Upload, token + strings.Repeat("A", uploadtoken.MaxLen), now, uploadtoken.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := k.Open(tt.purpose, tt.token, tt.now); !errors.Is(err, tt.want) {
				t.Errorf("Open = %v, want %v", err, tt.want)
			}
		})
	}
}

// A pseudonym is one subject's, under one secret, and another secret behind the
// first changes nothing.
func TestPseudonym(t *testing.T) {
	a, b := uploadtoken.Key{ID: "a", Secret: secretA}, uploadtoken.Key{ID: "b", Secret: secretB}
	alice := keyring(t, a).Pseudonym("alice")
	if len(alice) != 16 || strings.Trim(alice, "0123456789abcdef") != "" {
		t.Errorf("Pseudonym = %q, want 16 hex digits", alice)
	}
	if got := keyring(t, a, b).Pseudonym("alice"); got != alice {
		t.Errorf("with another secret behind the first = %q, want %q", got, alice)
	}
	for name, got := range map[string]string{"another subject": keyring(t, a).Pseudonym("bob"), "another secret": keyring(t, b, a).Pseudonym("alice")} {
		if got == alice {
			t.Errorf("%s has the same pseudonym", name)
		}
	}
}

func TestGrantOpensAtAnyAge(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	token, err := k.Seal(uploadtoken.Grant, sample())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(uploadtoken.Grant, token, now.AddDate(5, 0, 0)); err != nil {
		t.Errorf("Open(Grant) after five years = %v, want nil", err)
	}
}

func TestTokensAreNoLongerThanTheyMustBe(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	plain, odd := sample(), sample()
	plain.Vars, odd.Vars = map[string]string{"v": strings.Repeat("x", 300)}, map[string]string{"v": strings.Repeat("&", 300)}
	a, err := k.Seal(uploadtoken.Upload, plain)
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Seal(uploadtoken.Upload, odd)
	if err != nil || len(a) != len(b) {
		t.Errorf("tokens of 300 x and 300 & have %d and %d bytes, %v, want the same", len(a), len(b), err)
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	key := uploadtoken.Key{ID: "a", Secret: secretA}
	tests := []struct {
		name   string
		change func(*uploadtoken.Config)
	}{
		{"no key", func(c *uploadtoken.Config) { c.Keys = nil }},
		{"a short secret", func(c *uploadtoken.Config) { c.Keys[0].Secret = secretA[:31] }},
		{"a short secret behind a good one", func(c *uploadtoken.Config) {
			c.Keys = append(c.Keys, uploadtoken.Key{ID: "b", Secret: secretB[:31]})
		}},
		{"an empty id", func(c *uploadtoken.Config) { c.Keys[0].ID = "" }},
		{"an id with a dot", func(c *uploadtoken.Config) { c.Keys[0].ID = "a.b" }},
		{"an id of 17", func(c *uploadtoken.Config) { c.Keys[0].ID = strings.Repeat("a", 17) }},
		{"one id twice", func(c *uploadtoken.Config) { c.Keys = append(c.Keys, uploadtoken.Key{ID: "a", Secret: secretB}) }},
		{"no place", func(c *uploadtoken.Config) { c.Place = uploadtoken.Place{} }},
		{"no bucket", func(c *uploadtoken.Config) { c.Place.Bucket = "" }},
		{"no prefix", func(c *uploadtoken.Config) { c.Place.Prefix = "" }},
		{"a former place without a bucket", func(c *uploadtoken.Config) { c.Former = []uploadtoken.Place{{Prefix: "uploads/"}} }},
		{"a former place without a prefix", func(c *uploadtoken.Config) { c.Former = []uploadtoken.Place{place, {Bucket: "other"}} }},
		{"no randomness", func(c *uploadtoken.Config) { c.Random = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config(key)
			tt.change(&c)
			if _, err := uploadtoken.NewKeyring(c); err == nil {
				t.Error("NewKeyring = nil error, want one")
			}
		})
	}
	c := config(uploadtoken.Key{ID: "aZ0_-" + strings.Repeat("a", 11), Secret: secretA})
	c.Former = []uploadtoken.Place{{Bucket: "b", Prefix: "p/"}}
	if _, err := uploadtoken.NewKeyring(c); err != nil {
		t.Errorf("NewKeyring of what just fits = %v, want nil", err)
	}
}

func TestWithoutRandomnessNothingIsSealed(t *testing.T) {
	c := config(uploadtoken.Key{ID: "k1", Secret: secretA})
	c.Random = bytes.NewReader(make([]byte, 23)) // a salt has 24
	k := newKeyring(t, c)
	if token, err := k.Seal(uploadtoken.Upload, sample()); err == nil {
		t.Errorf("Seal = %q, want an error", token)
	}
}

func TestParts(t *testing.T) {
	tests := []struct {
		size, partSize, count int64
		lengths               []int64
	}{
		{0, 100, 1, []int64{0}},
		{1, 100, 1, []int64{1}},
		{100, 100, 1, []int64{100}},
		{101, 100, 2, []int64{100, 1}},
		{250, 100, 3, []int64{100, 100, 50}},
	}
	for _, tt := range tests {
		c := uploadtoken.Claims{Size: &tt.size, PartSize: tt.partSize}
		if got := c.PartCount(); got != tt.count {
			t.Errorf("PartCount of %d in %d = %d, want %d", tt.size, tt.partSize, got, tt.count)
		}
		for i, want := range tt.lengths {
			if got, ok := c.PartLength(int64(i + 1)); !ok || got != want {
				t.Errorf("PartLength(%d) of %d in %d = %d, %v, want %d", i+1, tt.size, tt.partSize, got, ok, want)
			}
		}
		for _, n := range []int64{0, -1, tt.count + 1} {
			if length, ok := c.PartLength(n); ok || length != 0 {
				t.Errorf("PartLength(%d) of %d in %d = %d, %v, want none", n, tt.size, tt.partSize, length, ok)
			}
		}
	}
	if got := (uploadtoken.Claims{PartSize: 5}).PartCount(); got != 0 {
		t.Errorf("PartCount without a size = %d, want 0", got)
	}
}

// The number of parts is exact where it was agreed, and else as many as the
// smallest parts would be.
func TestLastPart(t *testing.T) {
	size := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		name   string
		claims uploadtoken.Claims
		want   int64
	}{
		{"size and part size agreed", uploadtoken.Claims{Size: size(250), PartSize: 100, MaxSize: 9999}, 3},
		{"one part agreed", uploadtoken.Claims{Size: size(100), PartSize: 100, MaxSize: 9999}, 1},
		{"nothing in one part", uploadtoken.Claims{Size: size(0), PartSize: 100, MaxSize: 9999}, 1},
		{"size agreed", uploadtoken.Claims{Size: size(101), MaxSize: 9999}, 11},
		{"size of whole parts agreed", uploadtoken.Claims{Size: size(100), MaxSize: 9999}, 10},
		{"no bytes", uploadtoken.Claims{Size: size(0), MaxSize: 9999}, 1},
		{"part size agreed", uploadtoken.Claims{PartSize: 100, MaxSize: 250}, 3},
		{"nothing agreed", uploadtoken.Claims{MaxSize: 99}, 10},
		{"nothing allowed", uploadtoken.Claims{}, 1},
		{"as many as there may be", uploadtoken.Claims{MaxSize: 500}, 50},
		{"more than there may be", uploadtoken.Claims{MaxSize: 501}, 50},
		{"a size without end", uploadtoken.Claims{MaxSize: math.MaxInt64}, 50},
	} {
		if got := tt.claims.LastPart(10, 50); got != tt.want {
			t.Errorf("%s: LastPart = %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Settings, requests and tokens of every release say these words.
func TestMethods(t *testing.T) {
	got := []uploadtoken.Method{uploadtoken.Put, uploadtoken.Form, uploadtoken.URL, uploadtoken.MultipartPart}
	if want := []uploadtoken.Method{"put", "form", "url", "multipart"}; !slices.Equal(got, want) {
		t.Errorf("methods = %q, want %q", got, want)
	}
}

func FuzzOpen(f *testing.F) {
	// Without randomness, so that every process of a fuzzing run seals the same.
	c := config(uploadtoken.Key{ID: "k1", Secret: secretA})
	c.Random = bytes.NewReader(make([]byte, 64))
	k := newKeyring(f, c)
	token, err := k.Seal(uploadtoken.Upload, sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("v1.k1." + base64.RawURLEncoding.EncodeToString(make([]byte, 60)))
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := k.Open(uploadtoken.Upload, s, now); err == nil && s != token {
			t.Errorf("Open accepted %q, which nobody sealed", s)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := keyring(b, uploadtoken.Key{ID: "k1", Secret: secretA})
	c := sample()
	for b.Loop() {
		if _, err := k.Seal(uploadtoken.Upload, c); err != nil {
			b.Fatal(err)
		}
	}
}
