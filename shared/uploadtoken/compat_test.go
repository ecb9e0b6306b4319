package uploadtoken_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"ossupload/shared/uploadtoken"
)

// fill seals the tokens of new files of testdata:
//
//	go test ./shared/uploadtoken -run EveryRelease -fill
//
// It does so with sealByHand, so that what the package seals is held against
// something that shares no code with it.
var fill = flag.Bool("fill", false, "seal the tokens of testdata that are empty")

// sealedBefore is a token that a release sealed, with all that went into it. Once
// it is released, such a file is never made anew: it stands for tokens that are
// out there.
type sealedBefore struct {
	Purpose string          `json:"purpose"`
	KeyID   string          `json:"keyId"`
	Secret  []byte          `json:"secret"`
	Salt    []byte          `json:"salt"`
	Claims  json.RawMessage `json:"claims"` // as they were encrypted
	Token   string          `json:"token"`
}

// pinnedTokens reads testdata/v*/*.json, by path.
func pinnedTokens(t *testing.T) map[string]sealedBefore {
	t.Helper()
	paths, err := filepath.Glob("testdata/v*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	tokens, purposes := map[string]sealedBefore{}, map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var p sealedBefore
		if err := strictly(text, &p); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, p.Claims); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		p.Claims = compact.Bytes()
		if p.Token == "" && *fill {
			p.Token = sealByHand(t, p)
			text = bytes.Replace(text, []byte(`"token": ""`), []byte(`"token": "`+p.Token+`"`), 1)
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tokens[path], purposes[p.Purpose] = p, true
	}
	if len(tokens) < 10 || len(purposes) != 5 {
		t.Fatalf("%d tokens of %d purposes in testdata, want 10 of 5: files are lost", len(tokens), len(purposes))
	}
	return tokens
}

func strictly(text []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(out)
}

// read opens p with k, at a time when it has not expired, and decodes what was
// encrypted. Claims that today's type lacks are an error: they would be lost.
func (p sealedBefore) read(t *testing.T, k *uploadtoken.Keyring) (got, want any, err error) {
	t.Helper()
	const sealedAt = 1_800_000_000
	at := time.Unix(sealedAt, 0)
	switch p.Purpose {
	case "event":
		var e sealedEvent
		if err := strictly(p.Claims, &e); err != nil {
			t.Errorf("a claim of a pinned event is not known any more: %v", err)
		}
		got, err := k.OpenEvent(p.Token)
		return got, e.Content, err
	case "session":
		var s uploadtoken.Session
		if err := strictly(p.Claims, &s); err != nil {
			t.Errorf("a claim of a pinned session is not known any more: %v", err)
		}
		got, err := k.OpenSession(p.Token, at)
		return got, s, err
	}
	var c uploadtoken.Claims
	if err := strictly(p.Claims, &c); err != nil {
		t.Errorf("a claim of a pinned token is not known any more: %v", err)
	}
	got, err = k.Open(uploadtoken.Purpose(p.Purpose), p.Token, at)
	return got, c, err
}

// sealedEvent is the form of an event's claims, which the package keeps to itself.
type sealedEvent struct {
	Bucket  string          `json:"b"`
	Prefix  string          `json:"q"`
	Content json.RawMessage `json:"v"`
}

func TestTokensOfEveryReleaseOpen(t *testing.T) {
	for path, p := range pinnedTokens(t) {
		t.Run(path, func(t *testing.T) {
			own := uploadtoken.Key{ID: p.KeyID, Secret: p.Secret}
			newer := uploadtoken.Key{ID: "k2", Secret: secretB}
			for name, k := range map[string]*uploadtoken.Keyring{
				"the keyring that sealed it":          keyring(t, own),
				"a keyring that has a newer key":      keyring(t, newer, own),
				"a keyring that has an older key too": keyring(t, newer, own, uploadtoken.Key{ID: "k0", Secret: secretA}),
			} {
				got, want, err := p.read(t, k)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("with %s: Open = %+v, %v, want %+v", name, got, err, want)
				}
			}
			if _, _, err := p.read(t, keyring(t, newer)); !errors.Is(err, uploadtoken.ErrKey) {
				t.Errorf("without its key: Open = %v, want ErrKey", err)
			}
		})
	}
}

// What is sealed now is what a release of the same version can open: the same
// claims and salt give the same token.
func TestTokensAreSealedAsBefore(t *testing.T) {
	for path, p := range pinnedTokens(t) {
		t.Run(path, func(t *testing.T) {
			c := config(uploadtoken.Key{ID: p.KeyID, Secret: p.Secret})
			c.Random = bytes.NewReader(p.Salt)
			k := newKeyring(t, c)
			_, claims, _ := p.read(t, k)
			var token string
			var err error
			switch c := claims.(type) {
			case uploadtoken.Session:
				token, err = k.SealSession(c)
			case json.RawMessage:
				token, err = k.SealEvent(c)
			case uploadtoken.Claims:
				token, err = k.Seal(uploadtoken.Purpose(p.Purpose), c)
			}
			if err != nil || token != p.Token {
				t.Errorf("Seal = %q, %v, want %q", token, err, p.Token)
			}
			if byHand := sealByHand(t, p); byHand != p.Token {
				t.Errorf("sealed by the package's documentation alone = %q, want %q", byHand, p.Token)
			}
		})
	}
}

// Claims may gain fields: whoever does not know them ignores them.
func TestLaterClaimsAreIgnored(t *testing.T) {
	for path, p := range pinnedTokens(t) {
		t.Run(path, func(t *testing.T) {
			k := keyring(t, uploadtoken.Key{ID: p.KeyID, Secret: p.Secret})
			want, _, err := p.read(t, k)
			if err != nil {
				t.Fatal(err)
			}
			later := p
			later.Claims = append(bytes.TrimSuffix(bytes.Clone(p.Claims), []byte("}")), `,"zz":{"of":["a later release"]}}`...)
			token := sealByHand(t, later)
			later = p
			later.Token = token
			if got, _, err := later.read(t, k); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Open with a later claim = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// sealByHand follows the package's documentation and shares no code with it.
func sealByHand(t *testing.T, p sealedBefore) string {
	t.Helper()
	purposeKey, err := hkdf.Key(sha256.New, p.Secret, nil, "ossupload v1 "+p.Purpose, 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, purposeKey)
	mac.Write(p.Salt[:12])
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	sealed := gcm.Seal(bytes.Clone(p.Salt), p.Salt[12:], p.Claims, []byte("v1."+p.KeyID+"."+p.Purpose))
	return "v1." + p.KeyID + "." + base64.RawURLEncoding.EncodeToString(sealed)
}
