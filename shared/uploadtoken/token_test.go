package uploadtoken_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/uploadtoken"
)

var (
	secretA = bytes.Repeat([]byte{'a'}, 32)
	secretB = bytes.Repeat([]byte{'b'}, 32)
	now     = time.Unix(1_800_000_000, 0)
)

func keyring(t testing.TB, keys ...uploadtoken.Key) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(keys, rand.Reader)
	if err != nil {
		t.Fatalf("NewKeyring: %v", err)
	}
	return k
}

func sample() uploadtoken.Claims {
	size := int64(12_000_000)
	return uploadtoken.Claims{
		ID: "jti", Method: uploadtoken.MultipartPart, Bucket: "examplebucket", Key: "u/alice/2027/01/x.mp4", Subject: "alice",
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

func TestAnyChangedByteIsRefused(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	token, err := k.Seal(uploadtoken.Upload, sample())
	if err != nil {
		t.Fatal(err)
	}
	for i := range token {
		for _, c := range []byte{'A', 'B', '.', '-'} {
			changed := []byte(token)
			if changed[i] == c {
				continue
			}
			changed[i] = c
			if _, err := k.Open(uploadtoken.Upload, string(changed), now); err == nil {
				t.Fatalf("Open accepted a token with byte %d changed to %q", i, c)
			}
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

func TestRotation(t *testing.T) {
	old := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	both := keyring(t, uploadtoken.Key{ID: "k2", Secret: secretB}, uploadtoken.Key{ID: "k1", Secret: secretA})
	before, err := old.Seal(uploadtoken.Upload, sample())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := both.Open(uploadtoken.Upload, before, now); err != nil {
		t.Errorf("Open of a token under the second key = %v, want nil", err)
	}
	after, err := both.Seal(uploadtoken.Upload, sample())
	if err != nil || !strings.HasPrefix(after, "v1.k2.") {
		t.Errorf("Seal = %.6q, %v, want the first key k2", after, err)
	}
	if _, err := old.Open(uploadtoken.Upload, after, now); !errors.Is(err, uploadtoken.ErrKey) {
		t.Errorf("Open with the old keyring = %v, want ErrKey", err)
	}
}

func TestSealRefusesWhatDoesNotFit(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	c := sample()
	c.Vars = map[string]string{"v": strings.Repeat("x", 2048)}
	if _, err := k.Seal(uploadtoken.Upload, c); !errors.Is(err, uploadtoken.ErrTooLong) {
		t.Errorf("Seal = %v, want ErrTooLong", err)
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
	tests := []struct {
		name string
		keys []uploadtoken.Key
	}{
		{"no key", nil},
		{"a short secret", []uploadtoken.Key{{ID: "a", Secret: secretA[:31]}}},
		{"an empty id", []uploadtoken.Key{{ID: "", Secret: secretA}}},
		{"an id with a dot", []uploadtoken.Key{{ID: "a.b", Secret: secretA}}},
		{"an id of 17", []uploadtoken.Key{{ID: strings.Repeat("a", 17), Secret: secretA}}},
		{"one id twice", []uploadtoken.Key{{ID: "a", Secret: secretA}, {ID: "a", Secret: secretB}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := uploadtoken.NewKeyring(tt.keys, rand.Reader); err == nil {
				t.Error("NewKeyring = nil error, want one")
			}
		})
	}
	if _, err := uploadtoken.NewKeyring([]uploadtoken.Key{{ID: "a", Secret: secretA}}, nil); err == nil {
		t.Error("NewKeyring without randomness = nil error, want one")
	}
}

// pinned was sealed with a salt of zeros by the first version of this package.
// Node's crypto module opens it too, by the steps of the package doc.
const pinned = "v1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_qfxpBHprmLNRsntIkTCd7mIpOZe14Qdc1yAGlQIxuvGw6qG2J1kQ8XUYltogBzBsdgQVZhx7IxJdVsYuhVK1QbXtkt_QSOpciwNZwROIqn0QEcqqB7YFFOMqXKC-n5xmQ"

// A token sealed once must open for as long as its format is v1.
func TestOpenPinned(t *testing.T) {
	k, err := uploadtoken.NewKeyring([]uploadtoken.Key{{ID: "k1", Secret: secretA}}, bytes.NewReader(make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	c := uploadtoken.Claims{ID: "jti", Method: uploadtoken.Put, Bucket: "b", Key: "k", Subject: "s", MaxSize: 9, IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 60}
	token, err := k.Seal(uploadtoken.Upload, c)
	if err != nil {
		t.Fatal(err)
	}
	if token != pinned {
		t.Errorf("Seal with a zero salt = %q, want %q", token, pinned)
	}
	got, err := k.Open(uploadtoken.Upload, pinned, now)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("Open(pinned) = %+v, %v, want %+v", got, err, c)
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
			if _, ok := c.PartLength(n); ok {
				t.Errorf("PartLength(%d) of %d in %d = ok, want none", n, tt.size, tt.partSize)
			}
		}
	}
	if got := (uploadtoken.Claims{PartSize: 5}).PartCount(); got != 0 {
		t.Errorf("PartCount without a size = %d, want 0", got)
	}
}

func FuzzOpen(f *testing.F) {
	// Without randomness, so that every process of a fuzzing run seals the same.
	k, err := uploadtoken.NewKeyring([]uploadtoken.Key{{ID: "k1", Secret: secretA}}, bytes.NewReader(make([]byte, 64)))
	if err != nil {
		f.Fatal(err)
	}
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
