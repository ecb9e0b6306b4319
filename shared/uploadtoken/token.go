// Package uploadtoken seals and opens what carries an upload from one request to
// the next, so that no database has to: upload tokens, the grants that objects
// carry, capabilities of sessions, and queued events.
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
// Everything sealed names the place that it was sealed for, a bucket and a
// prefix, and a keyring opens nothing of another place: secrets that two
// deployments share open nothing of each other's. After a move, grants that are
// stored with objects of a former place may still be read; nothing else of it
// opens, and nothing is sealed for it.
//
// Secrets are rotated by putting a new one first. The first seals, the first two
// open tokens and capabilities, which live a week at most, and all open what is
// stored: grants and queued events. So a rotation loses nothing, and with the
// next one a secret stops opening tokens while it still opens what is stored.
//
// The package refuses secrets under 32 bytes, what is longer than its kind may
// be, and everything that it did not seal itself.
//
// Releases of both sides of an upgrade meet in one upload. So claims may gain
// fields, which an older release ignores and which are zero in an older token;
// none is renamed, and none changes its meaning. Tokens of every version are kept
// in testdata and must open.
//
// It imports mac for the keys of tokens, and rawjson to write and read claims.
package uploadtoken

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/mac"
)

const (
	// MaxLen is the length in bytes beyond which no token is made or opened.
	MaxLen = 2048
	// MinSecret is the least length of a secret in bytes.
	MinSecret = 32

	version  = "v1"
	saltLen  = 24
	tagLen   = 16
	usualLen = 512 // of claims in JSON
	keyIDMax = 16
	// openTokens is how many keys, from the first, open what lives for a time only.
	openTokens = 2
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
	// event is the purpose of queued events; see SealEvent.
	event Purpose = "event"
)

var purposes = []Purpose{Upload, Multipart, Grant, session, event}

// stored reports whether what is sealed for p is kept, and opens for as long as
// its secret is known.
func (p Purpose) stored() bool { return p == Grant || p == event }

// ErrToken matches whatever is wrong with a token: clients are told nothing
// more. Logs are told the reasons, which follow.
var ErrToken = &api.Error{Code: api.InvalidToken, Message: "The upload token is not valid, or has expired.", Reason: "token", Log: "upload token is not valid"}

var (
	ErrMalformed error = fault("it is malformed")
	ErrKey       error = fault("it was sealed with an unknown key")
	ErrForged    error = fault("it does not open for this purpose")
	ErrExpired   error = fault("it has expired")
	ErrPlace     error = fault("it is of another deployment")
)

// fault is what is wrong with a token. Made by fmt.Errorf, five of them would cost
// each start 0.04 ms.
type fault string

func (f fault) Error() string { return ErrToken.Error() + ": " + string(f) }

// Unwrap returns ErrToken.
func (fault) Unwrap() error { return ErrToken }

// ErrTooLong is returned by Seal when the claims do not fit MaxLen. Of what they
// hold, a client can shorten its variables.
var ErrTooLong = api.Invalid(api.Fault{Field: "vars", Reason: "does not fit into the upload token, which also holds the context of the caller's token"})

// Key is one secret and the name under which tokens refer to it.
type Key struct {
	ID     string // 1 to 16 of A-Z a-z 0-9 _ -
	Secret []byte // at least MinSecret bytes
}

// Place is where the uploads of a deployment lie. No two deployments share one.
type Place struct {
	Bucket string `json:"b"`
	Prefix string `json:"q"` // of every key
}

func (p Place) complete() bool { return p.Bucket != "" && p.Prefix != "" }

func (p Place) sealedFor() Place { return p }

// placed is what can be sealed: claims of any kind, which embed their Place.
type placed interface{ sealedFor() Place }

// Config is what a Keyring is made of.
type Config struct {
	Keys   []Key     // the first seals, see the package comment
	Place  Place     // of this deployment
	Former []Place   // whose stored grants may be read
	Random io.Reader // of salts: crypto/rand.Reader outside of tests
}

// Keyring seals and opens for one deployment. It is safe for concurrent use.
type Keyring struct {
	first  string
	keys   map[string]ring
	place  Place
	former []Place
	random io.Reader
	// pseudonyms is the key of Pseudonym.
	pseudonyms *mac.Key
}

// ring is a secret by purpose, and whether it still opens tokens.
type ring struct {
	derived map[Purpose]*purposeKey
	recent  bool
}

// NewKeyring returns a keyring. It refuses to be made without a key, a place or
// a source of randomness, and with half a place.
func NewKeyring(c Config) (*Keyring, error) {
	switch {
	case len(c.Keys) == 0:
		return nil, errors.New("an upload token keyring needs a key")
	case !c.Place.complete():
		return nil, errors.New("an upload token keyring needs a bucket and a prefix")
	case !allComplete(c.Former):
		return nil, errors.New("a former place of an upload token keyring needs a bucket and a prefix")
	case c.Random == nil:
		return nil, errors.New("an upload token keyring needs a source of randomness")
	}
	k := &Keyring{first: c.Keys[0].ID, keys: make(map[string]ring), place: c.Place, former: slices.Clone(c.Former), random: c.Random}
	for i, key := range c.Keys {
		if err := CheckKeyID(key.ID); err != nil {
			return nil, err
		}
		if len(key.Secret) < MinSecret {
			return nil, fmt.Errorf("upload token key %q: a secret of %d bytes, want at least %d", key.ID, len(key.Secret), MinSecret)
		}
		if _, ok := k.keys[key.ID]; ok {
			return nil, fmt.Errorf("upload token key id %q is used twice", key.ID)
		}
		derived, err := derive(key.ID, key.Secret)
		if err != nil {
			return nil, fmt.Errorf("deriving upload token key %q: %w", key.ID, err)
		}
		k.keys[key.ID] = ring{derived, i < openTokens}
	}
	key, err := hkdf.Key(sha256.New, c.Keys[0].Secret, nil, "ossupload "+version+" pseudonym", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of pseudonyms: %w", err)
	}
	k.pseudonyms = mac.New(key)
	return k, nil
}

// Pseudonym is what a subject is called where it must not be named: in the log. It
// tells the requests of one subject from those of others. Without the secret nobody
// can try names on it, as on a plain hash; with the first secret it changes.
func (k *Keyring) Pseudonym(subject string) string {
	const size = 8 // bytes
	var sum [mac.Size]byte
	k.pseudonyms.Append(sum[:0], []byte(subject))
	return hex.EncodeToString(sum[:size])
}

func allComplete(places []Place) bool {
	return !slices.ContainsFunc(places, func(p Place) bool { return !p.complete() })
}

func derive(id string, secret []byte) (map[Purpose]*purposeKey, error) {
	derived := make(map[Purpose]*purposeKey, len(purposes))
	for _, p := range purposes {
		key, err := hkdf.Key(sha256.New, secret, nil, "ossupload "+version+" "+string(p), 32)
		if err != nil {
			return nil, err
		}
		derived[p] = &purposeKey{data: []byte(version + "." + id + "." + string(p)), mac: mac.New(key)}
	}
	return derived, nil
}

// purposeKey is a secret's key for a purpose.
type purposeKey struct {
	data []byte // that is authenticated and not encrypted
	mac  *mac.Key
}

// aead is the cipher of the token that has this salt.
func (k *purposeKey) aead(salt []byte) (cipher.AEAD, error) {
	var key [mac.Size]byte
	block, err := aes.NewCipher(k.mac.Append(key[:0], salt[:saltLen/2]))
	if err != nil {
		return nil, fmt.Errorf("making token cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// Seal returns c as a token for p, of this keyring's place. The only error that
// depends on c is ErrTooLong, if its Context is JSON.
func (k *Keyring) Seal(p Purpose, c Claims) (string, error) {
	c.Place = k.place
	plain, err := c.appendJSON(make([]byte, 0, usualLen))
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	return k.seal(p, plain, MaxLen, ErrTooLong)
}

// SealBoth is Seal for two purposes, for which the claims are encoded once.
func (k *Keyring) SealBoth(p, q Purpose, c Claims) (forP, forQ string, err error) {
	c.Place = k.place
	plain, err := c.appendJSON(make([]byte, 0, usualLen))
	if err != nil {
		return "", "", fmt.Errorf("encoding claims: %w", err)
	}
	if forP, err = k.seal(p, plain, MaxLen, ErrTooLong); err != nil {
		return "", "", err
	}
	if forQ, err = k.seal(q, plain, MaxLen, ErrTooLong); err != nil {
		return "", "", err
	}
	return forP, forQ, nil
}

// seal fails with tooLong if plain does not fit maxLen.
func (k *Keyring) seal(p Purpose, plain []byte, maxLen int, tooLong error) (string, error) {
	key, ok := k.keys[k.first].derived[p]
	if !ok {
		return "", fmt.Errorf("%w: purpose %q", ErrForged, p)
	}
	sealed := make([]byte, saltLen, saltLen+len(plain)+tagLen)
	if _, err := io.ReadFull(k.random, sealed); err != nil {
		return "", fmt.Errorf("reading random salt: %w", err)
	}
	aead, err := key.aead(sealed)
	if err != nil {
		return "", err
	}
	sealed = aead.Seal(sealed, sealed[saltLen/2:], plain, key.data)
	token := make([]byte, 0, MaxLen) // on the stack: the string is what is allocated
	token = append(append(token, version+"."...), k.first...)
	token = base64.RawURLEncoding.AppendEncode(append(token, '.'), sealed)
	if len(token) > maxLen {
		return "", fmt.Errorf("%w: %d bytes, at most %d", tooLong, len(token), maxLen)
	}
	return string(token), nil
}

// Open returns what token, sealed for p, holds. now decides whether it has
// expired; a Grant is opened at any age.
func (k *Keyring) Open(p Purpose, token string, now time.Time) (Claims, error) {
	var c Claims
	if err := k.open(p, token, MaxLen, func(plain []byte) (Place, error) {
		err := c.parseJSON(plain)
		return c.Place, err
	}); err != nil {
		return Claims{}, err
	}
	if p != Grant && now.Unix() >= c.ExpiresAt {
		return Claims{}, ErrExpired
	}
	return c, nil
}

// open has decode read what was sealed, and say of which place it is. What it has
// read means nothing unless open returns nil.
func (k *Keyring) open(p Purpose, token string, maxLen int, decode func(plain []byte) (Place, error)) error {
	kid, sealed, err := read(token, maxLen)
	if err != nil {
		return err
	}
	ring, ok := k.keys[kid]
	if !ok || !ring.recent && !p.stored() {
		return ErrKey
	}
	key, ok := ring.derived[p]
	if !ok {
		return fmt.Errorf("%w: purpose %q", ErrForged, p)
	}
	aead, err := key.aead(sealed[:saltLen])
	if err != nil {
		return err
	}
	// In place: the ciphertext is not needed any more.
	plain, err := aead.Open(sealed[saltLen:saltLen], sealed[saltLen/2:saltLen], sealed[saltLen:], key.data)
	if err != nil {
		return ErrForged
	}
	of, err := decode(plain)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	// Whose things are opened is decided here and nowhere else.
	if of != k.place && !(p == Grant && slices.Contains(k.former, of)) {
		return ErrPlace
	}
	return nil
}

// strict lets a token have one spelling only.
var strict = base64.RawURLEncoding.Strict()

// read takes a token apart:
//
//	v1.<kid>.<base64 of salt and ciphertext>
func read(token string, maxLen int) (kid string, sealed []byte, err error) {
	if len(token) > maxLen {
		return "", nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(token))
	}
	v, rest, _ := strings.Cut(token, ".")
	kid, body, ok := strings.Cut(rest, ".")
	if v != version || !ok {
		return "", nil, ErrMalformed
	}
	sealed, err = strict.DecodeString(body)
	if err != nil || len(sealed) < saltLen || strings.IndexByte(body, '\n') >= 0 || strings.IndexByte(body, '\r') >= 0 {
		return "", nil, ErrMalformed
	}
	return kid, sealed, nil
}

// CheckKeyID reports why id cannot name a key: it stands in tokens, between dots.
func CheckKeyID(id string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if id == "" || len(id) > keyIDMax || strings.Trim(id, allowed) != "" {
		return fmt.Errorf("upload token key id %q: want 1 to %d of A-Z a-z 0-9 _ -", id, keyIDMax)
	}
	return nil
}
