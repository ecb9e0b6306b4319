package uploadtoken_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/uploadtoken"
)

// kinds are all that is sealed. open returns what was in it.
var kinds = []struct {
	name   string
	stored bool // opens with every key, and at any age
	seal   func(*uploadtoken.Keyring) (string, error)
	open   func(k *uploadtoken.Keyring, token string, now time.Time) (any, error)
}{
	{"upload", false, sealClaims(uploadtoken.Upload), openClaims(uploadtoken.Upload)},
	{"multipart", false, sealClaims(uploadtoken.Multipart), openClaims(uploadtoken.Multipart)},
	{"grant", true, sealClaims(uploadtoken.Grant), openClaims(uploadtoken.Grant)},
	{"session", false,
		func(k *uploadtoken.Keyring) (string, error) {
			return k.SealSession(uploadtoken.Session{ID: "sid", Subject: "alice", ExpiresAt: now.Unix() + 3600})
		},
		func(k *uploadtoken.Keyring, token string, now time.Time) (any, error) {
			return k.OpenSession(token, now)
		}},
	{"event", true,
		func(k *uploadtoken.Keyring) (string, error) { return k.SealEvent(json.RawMessage(`{"i":"evt_1"}`)) },
		func(k *uploadtoken.Keyring, token string, _ time.Time) (any, error) { return k.OpenEvent(token) }},
}

func sealClaims(p uploadtoken.Purpose) func(*uploadtoken.Keyring) (string, error) {
	return func(k *uploadtoken.Keyring) (string, error) { return k.Seal(p, sample()) }
}

func openClaims(p uploadtoken.Purpose) func(*uploadtoken.Keyring, string, time.Time) (any, error) {
	return func(k *uploadtoken.Keyring, token string, now time.Time) (any, error) { return k.Open(p, token, now) }
}

func TestDeploymentsAreApart(t *testing.T) {
	key := uploadtoken.Key{ID: "k1", Secret: secretA}
	tests := []struct {
		name   string
		place  uploadtoken.Place
		former []uploadtoken.Place
		opens  func(kind string) bool
	}{
		{"the place itself", place, nil, func(string) bool { return true }},
		{"another bucket", uploadtoken.Place{Bucket: "otherbucket", Prefix: "uploads/"}, nil, func(string) bool { return false }},
		{"another prefix", uploadtoken.Place{Bucket: "examplebucket", Prefix: "uploads/x/"}, nil, func(string) bool { return false }},
		{"bucket and prefix swapped", uploadtoken.Place{Bucket: "uploads/", Prefix: "examplebucket"}, nil, func(string) bool { return false }},
		{"moved away from it", uploadtoken.Place{Bucket: "otherbucket", Prefix: "uploads/"}, []uploadtoken.Place{{Bucket: "b", Prefix: "p/"}, place},
			func(kind string) bool { return kind == "grant" }},
		{"moved away from others", uploadtoken.Place{Bucket: "otherbucket", Prefix: "uploads/"},
			[]uploadtoken.Place{{Bucket: "examplebucket", Prefix: "up/"}, {Bucket: "b", Prefix: "uploads/"}}, func(string) bool { return false }},
	}
	for _, tt := range tests {
		for _, kind := range kinds {
			t.Run(tt.name+", "+kind.name, func(t *testing.T) {
				token, err := kind.seal(keyring(t, key))
				if err != nil {
					t.Fatal(err)
				}
				c := config(key)
				c.Place, c.Former = tt.place, tt.former
				got, err := kind.open(newKeyring(t, c), token, now)
				if tt.opens(kind.name) {
					if err != nil {
						t.Errorf("open = %v, want nil", err)
					}
					return
				}
				if !errors.Is(err, uploadtoken.ErrPlace) || !reflect.ValueOf(got).IsZero() {
					t.Errorf("open = %+v, %v, want nothing and ErrPlace", got, err)
				}
			})
		}
	}
}

// A claim names the place of the keyring that sealed it, whatever the caller put
// there, and a keyring keeps its own list of places.
func TestNothingIsSealedForElsewhere(t *testing.T) {
	c := config(uploadtoken.Key{ID: "k1", Secret: secretA})
	elsewhere := uploadtoken.Place{Bucket: "otherbucket", Prefix: "x/"}
	c.Former = []uploadtoken.Place{{Bucket: "b", Prefix: "p/"}}
	k := newKeyring(t, c)
	c.Former[0] = elsewhere
	claims := sample()
	claims.Place = elsewhere
	token, err := k.Seal(uploadtoken.Grant, claims)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(uploadtoken.Grant, token, now); err != nil || got.Place != place {
		t.Errorf("Open = %+v, %v, want %+v", got.Place, err, place)
	}
	capability, err := k.SealSession(uploadtoken.Session{Place: elsewhere, ID: "sid", ExpiresAt: now.Unix() + 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.OpenSession(capability, now); err != nil || got.Place != place {
		t.Errorf("OpenSession = %+v, %v, want %+v", got.Place, err, place)
	}
	other := newKeyring(t, uploadtoken.Config{Keys: c.Keys, Place: elsewhere, Random: c.Random})
	if token, err = other.Seal(uploadtoken.Grant, claims); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(uploadtoken.Grant, token, now); !errors.Is(err, uploadtoken.ErrPlace) {
		t.Errorf("Open after the list of places was written to = %v, want ErrPlace", err)
	}
}

// What names no place, or names it in an odd way, is decided by what is returned.
func TestOddPlaces(t *testing.T) {
	tests := []struct {
		name, claims string
		want         error
	}{
		{"as it is", `{"b":"examplebucket","q":"uploads/","k":"uploads/x","e":1800000060}`, nil},
		{"no place", `{"k":"uploads/x","e":1800000060}`, uploadtoken.ErrPlace},
		{"no bucket", `{"q":"uploads/","k":"uploads/x","e":1800000060}`, uploadtoken.ErrPlace},
		{"no prefix", `{"b":"examplebucket","k":"uploads/x","e":1800000060}`, uploadtoken.ErrPlace},
		{"null", `null`, uploadtoken.ErrPlace},
		{"ours last", `{"b":"other","b":"examplebucket","q":"x/","q":"uploads/","e":1800000060}`, nil},
		{"ours first", `{"b":"examplebucket","b":"other","q":"uploads/","e":1800000060}`, uploadtoken.ErrPlace},
		{"ours first, in other letters", `{"b":"examplebucket","q":"uploads/","Q":"x/","e":1800000060}`, uploadtoken.ErrPlace},
		{"an array", `[]`, uploadtoken.ErrMalformed},
		{"cut off", `{"b":"examplebucket","q":"uploads/"`, uploadtoken.ErrMalformed},
		{"of another type", `{"b":"examplebucket","q":"uploads/","e":"soon"}`, uploadtoken.ErrMalformed},
	}
	c := config(uploadtoken.Key{ID: "k1", Secret: secretA})
	c.Former = []uploadtoken.Place{{Bucket: "b", Prefix: "p/"}}
	k := newKeyring(t, c)
	for _, purpose := range []uploadtoken.Purpose{uploadtoken.Upload, uploadtoken.Grant} {
		for _, tt := range tests {
			t.Run(string(purpose)+", "+tt.name, func(t *testing.T) {
				token := sealByHand(t, sealedBefore{Purpose: string(purpose), KeyID: "k1", Secret: secretA, Salt: make([]byte, 24), Claims: []byte(tt.claims)})
				got, err := k.Open(purpose, token, now)
				if !errors.Is(err, tt.want) || err == nil && got.Place != place || err != nil && !reflect.ValueOf(got).IsZero() {
					t.Errorf("Open = %+v, %v, want %v", got, err, tt.want)
				}
			})
		}
	}
}

func TestRotation(t *testing.T) {
	keys := []uploadtoken.Key{{ID: "k1", Secret: secretA}, {ID: "k2", Secret: secretB}, {ID: "k3", Secret: append(secretA, secretB...)}}
	for _, kind := range kinds {
		token, err := kind.seal(keyring(t, keys[0]))
		if err != nil || !strings.HasPrefix(token, "v1.k1.") {
			t.Fatalf("sealed = %.6q, %v, want the first key", token, err)
		}
		for _, tt := range []struct {
			name  string
			keys  []uploadtoken.Key
			opens bool
		}{
			{"first of three", []uploadtoken.Key{keys[0], keys[1], keys[2]}, true},
			{"second of three", []uploadtoken.Key{keys[1], keys[0], keys[2]}, true},
			{"third of three", []uploadtoken.Key{keys[1], keys[2], keys[0]}, kind.stored},
			{"gone", []uploadtoken.Key{keys[1], keys[2]}, false},
		} {
			t.Run(kind.name+", its key is the "+tt.name, func(t *testing.T) {
				_, err := kind.open(keyring(t, tt.keys...), token, now)
				if want := map[bool]error{false: uploadtoken.ErrKey}[tt.opens]; !errors.Is(err, want) {
					t.Errorf("open = %v, want %v", err, want)
				}
			})
		}
	}
}

func TestPurposesAreApart(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	for _, sealed := range kinds {
		token, err := sealed.seal(k)
		if err != nil {
			t.Fatal(err)
		}
		for _, opened := range kinds {
			want := uploadtoken.ErrForged
			if sealed.name == opened.name {
				want = nil
			}
			if _, err := opened.open(k, token, now); !errors.Is(err, want) {
				t.Errorf("%s opened as %s = %v, want %v", sealed.name, opened.name, err, want)
			}
		}
	}
}

func TestAges(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	for _, kind := range kinds {
		token, err := kind.seal(k)
		if err != nil {
			t.Fatal(err)
		}
		for seconds, live := range map[int]bool{-1_000_000: true, 3599: true, 3600: false, 3601: false, 1_000_000_000: false} {
			_, err := kind.open(k, token, now.Add(time.Duration(seconds)*time.Second))
			if want := map[bool]error{false: uploadtoken.ErrExpired}[live || kind.stored]; !errors.Is(err, want) {
				t.Errorf("%s opened %d s on = %v, want %v", kind.name, seconds, err, want)
			}
		}
	}
}

func TestAnyChangedByteIsRefused(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	for _, kind := range kinds {
		token, err := kind.seal(k)
		if err != nil {
			t.Fatal(err)
		}
		for i := range token {
			for _, c := range []byte{token[i] ^ 1, token[i] ^ 0x20, token[i] ^ 0x80, 'A', 'B', '.', '-'} {
				changed := []byte(token)
				changed[i] = c
				if string(changed) == token {
					continue
				}
				if _, err := kind.open(k, string(changed), now); err == nil {
					t.Fatalf("a token of kind %s opens with byte %d changed to %q", kind.name, i, c)
				}
			}
		}
	}
}

// The longest of each kind that fits is one that opens, and one byte more is
// refused for a reason of its kind's own.
func TestLimits(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	tests := []struct {
		name    string
		limit   int
		seal    func(filler string) (string, error)
		open    func(token string) error
		tooLong error
		answer  *api.Error // what the client is told, nil: an internal error
	}{
		{"token", 2048,
			func(filler string) (string, error) {
				return k.Seal(uploadtoken.Upload, uploadtoken.Claims{Key: filler, ExpiresAt: now.Unix() + 1})
			},
			func(token string) error { _, err := k.Open(uploadtoken.Upload, token, now); return err },
			uploadtoken.ErrTooLong, uploadtoken.ErrTooLong},
		{"session", 512,
			func(filler string) (string, error) {
				return k.SealSession(uploadtoken.Session{ID: "sid", Key: filler, ExpiresAt: now.Unix() + 1})
			},
			func(token string) error { _, err := k.OpenSession(token, now); return err },
			uploadtoken.ErrSessionTooLong, uploadtoken.ErrSessionTooLong},
		{"event", 65536,
			func(filler string) (string, error) { return k.SealEvent(json.RawMessage(`"` + filler + `"`)) },
			func(token string) error { _, err := k.OpenEvent(token); return err },
			uploadtoken.ErrEventTooLong, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			longest, fits := "", 0
			for n := tt.limit*3/4 - 250; ; n++ {
				token, err := tt.seal(strings.Repeat("x", n))
				if err == nil {
					longest, fits = token, n
					continue
				}
				var answer *api.Error
				errors.As(err, &answer)
				if !errors.Is(err, tt.tooLong) || answer != tt.answer || token != "" {
					t.Errorf("sealing %d bytes = %q, %v, want %v", n, token, err, tt.tooLong)
				}
				break
			}
			// Three bytes are four characters of base64, so not every length exists.
			if over := tt.limit - len(longest); over < 0 || over > 1 {
				t.Errorf("the longest has %d bytes, want %d", len(longest), tt.limit)
			}
			if err := tt.open(longest); err != nil {
				t.Errorf("opening one with %d bytes of filler = %v, want nil", fits, err)
			}
			long := longest + strings.Repeat("A", tt.limit+1-len(longest))
			if err := tt.open(long); !errors.Is(err, uploadtoken.ErrMalformed) || !strings.Contains(err.Error(), fmt.Sprint(tt.limit+1)) {
				t.Errorf("opening %d bytes = %v, want ErrMalformed for its length", len(long), err)
			}
		})
	}
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	for content, want := range map[string]string{
		`{"a":"<&>\u2028夏"}`: `{"a":"<&>\u2028夏"}`,
		` { "a" : 1e2 } `:    `{"a":1e2}`,
		`null`:               `null`,
	} {
		sealed, err := k.SealEvent(json.RawMessage(content))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.OpenEvent(sealed); err != nil || string(got) != want {
			t.Errorf("OpenEvent = %s, %v, want %s", got, err, want)
		}
	}
	if sealed, err := k.SealEvent(json.RawMessage(`{`)); err == nil {
		t.Errorf("SealEvent of what is not JSON = %q, want an error", sealed)
	}
}
