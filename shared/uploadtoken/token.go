// Package uploadtoken seals and opens the tokens that carry an upload from one
// request to the next, so that no database has to.
//
// A token is sealed, not only signed: it is stored with objects that strangers
// may read, and it holds the subject, the application's context and the
// uploader's variables. Its form is
//
//	v1.<kid>.<base64url( salt[24] ‖ AES-256-GCM ciphertext ‖ tag[16] )>
//
//	purpose key = HKDF-SHA256(secret, info "ossupload v1 <purpose>")
//	token key   = HMAC-SHA256(purpose key, salt[0:12])
//	nonce       = salt[12:24]
//	data        = "v1.<kid>.<purpose>"
//
// Half of the salt chooses a key of the token's own, so 192 random bits stand
// behind every sealing and not GCM's 96: one secret is safe for far more than
// the 2^40 tokens it may ever seal. A key per purpose means that a token of one
// purpose does not open as another.
//
// The package refuses secrets under 32 bytes, tokens over MaxLen, and
// everything that it did not seal itself.
//
// Releases of both sides of an upgrade meet in one upload. So claims may gain
// fields, which an older release ignores and which are zero in an older token;
// none is renamed, and none changes its meaning. The version at a token's front
// changes only when old tokens must not open any more, or when an older release
// must not overlook a claim; tokens of the version before are then accepted for
// one UPLOAD_TOKEN_TTL, so that no upload in flight ends. Stored grants outlive
// that: what is to be confirmed by key later needs the release that sealed it.
// Tokens of every version are kept in testdata and must open.
package uploadtoken

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
	"fmt"
	"io"
	"strings"
	"time"

	"ossupload/shared/api"
)

const (
	// MaxLen is the length in bytes beyond which no token is made or opened.
	MaxLen = 2048
	// MinSecret is the least length of a secret in bytes.
	MinSecret = 32

	version  = "v1"
	saltLen  = 24
	keyIDMax = 16
)

// Purpose says what a token is good for.
type Purpose string

const (
	// Upload tokens go to the uploader and, inside the signed callback
	// parameter, to OSS and back: what a single request stores.
	Upload Purpose = "upload"
	// Multipart tokens are the upload ids that clients see.
	Multipart Purpose = "multipart"
	// Grant tokens are stored with the object, as metadata. They open whatever
	// their age: they testify what was granted, and give nobody access.
	Grant Purpose = "grant"

	// session is the purpose of capabilities; see SealSession.
	session Purpose = "session"
)

var purposes = []Purpose{Upload, Multipart, Grant, session}

// ErrToken matches whatever is wrong with a token: clients are told nothing
// more. Logs are told the reasons, which follow.
var ErrToken = &api.Error{Code: api.InvalidToken, Message: "The upload token is not valid, or has expired.", Reason: "token", Log: "upload token is not valid"}

var (
	ErrMalformed = fmt.Errorf("%w: it is malformed", ErrToken)
	ErrKey       = fmt.Errorf("%w: it was sealed with an unknown key", ErrToken)
	ErrForged    = fmt.Errorf("%w: it does not open for this purpose", ErrToken)
	ErrExpired   = fmt.Errorf("%w: it has expired", ErrToken)
)

// ErrTooLong is returned by Seal when the claims do not fit MaxLen. Of what they
// hold, a client can shorten its variables.
var ErrTooLong = api.Invalid(api.Fault{Field: "vars", Reason: "does not fit into the upload token, which also holds the context of the caller's token"})

// Key is one secret and the name under which tokens refer to it.
type Key struct {
	ID     string // 1 to 16 of A-Z a-z 0-9 _ -
	Secret []byte // at least MinSecret bytes
}

// Keyring seals with its first key and opens with any. It is safe for
// concurrent use.
type Keyring struct {
	first  string
	keys   map[string]map[Purpose][]byte
	random io.Reader
}

// NewKeyring returns a keyring over keys, the first of which seals. random is
// the source of salts: crypto/rand.Reader outside of tests.
func NewKeyring(keys []Key, random io.Reader) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("an upload token keyring needs a key")
	}
	if random == nil {
		return nil, errors.New("an upload token keyring needs a source of randomness")
	}
	k := &Keyring{first: keys[0].ID, keys: make(map[string]map[Purpose][]byte), random: random}
	for _, key := range keys {
		if err := CheckKeyID(key.ID); err != nil {
			return nil, err
		}
		if len(key.Secret) < MinSecret {
			return nil, fmt.Errorf("upload token key %q: a secret of %d bytes, want at least %d", key.ID, len(key.Secret), MinSecret)
		}
		if _, ok := k.keys[key.ID]; ok {
			return nil, fmt.Errorf("upload token key id %q is used twice", key.ID)
		}
		derived := make(map[Purpose][]byte, len(purposes))
		for _, p := range purposes {
			secret, err := hkdf.Key(sha256.New, key.Secret, nil, "ossupload "+version+" "+string(p), 32)
			if err != nil {
				return nil, fmt.Errorf("deriving upload token key %q: %w", key.ID, err)
			}
			derived[p] = secret
		}
		k.keys[key.ID] = derived
	}
	return k, nil
}

// Seal returns c as a token for p. The only error that depends on c is
// ErrTooLong.
func (k *Keyring) Seal(p Purpose, c Claims) (string, error) {
	return k.seal(p, c, MaxLen)
}

func (k *Keyring) seal(p Purpose, claims any, maxLen int) (string, error) {
	// Not json.Marshal: it writes "&" as six bytes, of a token that has few.
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(claims); err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	var salt [saltLen]byte
	if _, err := io.ReadFull(k.random, salt[:]); err != nil {
		return "", fmt.Errorf("reading random salt: %w", err)
	}
	aead, err := k.aead(p, k.first, salt[:])
	if err != nil {
		return "", err
	}
	sealed := aead.Seal(salt[:], salt[saltLen/2:], bytes.TrimSuffix(plain.Bytes(), []byte("\n")), additionalData(k.first, p))
	token := version + "." + k.first + "." + base64.RawURLEncoding.EncodeToString(sealed)
	if len(token) > maxLen {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(token), maxLen)
	}
	return token, nil
}

// Open returns what token, sealed for p, holds. now decides whether it has
// expired; a Grant is opened at any age.
func (k *Keyring) Open(p Purpose, token string, now time.Time) (Claims, error) {
	var c Claims
	if err := k.open(p, token, MaxLen, &c); err != nil {
		return Claims{}, err
	}
	if p != Grant && now.Unix() >= c.ExpiresAt {
		return Claims{}, ErrExpired
	}
	return c, nil
}

func (k *Keyring) open(p Purpose, token string, maxLen int, claims any) error {
	if len(token) > maxLen {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(token))
	}
	v, rest, _ := strings.Cut(token, ".")
	kid, body, ok := strings.Cut(rest, ".")
	if v != version || !ok {
		return ErrMalformed
	}
	if _, ok := k.keys[kid]; !ok {
		return ErrKey
	}
	// Strict, so that a token has one spelling only.
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(sealed) < saltLen || strings.ContainsAny(body, "\r\n") {
		return ErrMalformed
	}
	aead, err := k.aead(p, kid, sealed[:saltLen])
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, sealed[saltLen/2:saltLen], sealed[saltLen:], additionalData(kid, p))
	if err != nil {
		return ErrForged
	}
	if err := json.Unmarshal(plain, claims); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}

func (k *Keyring) aead(p Purpose, kid string, salt []byte) (cipher.AEAD, error) {
	secret, ok := k.keys[kid][p]
	if !ok {
		return nil, fmt.Errorf("%w: purpose %q", ErrForged, p)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(salt[:saltLen/2])
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("making token cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

func additionalData(kid string, p Purpose) []byte {
	return []byte(version + "." + kid + "." + string(p))
}

// CheckKeyID reports why id cannot name a key: it stands in tokens, between dots.
func CheckKeyID(id string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if id == "" || len(id) > keyIDMax || strings.Trim(id, allowed) != "" {
		return fmt.Errorf("upload token key id %q: want 1 to %d of A-Z a-z 0-9 _ -", id, keyIDMax)
	}
	return nil
}
