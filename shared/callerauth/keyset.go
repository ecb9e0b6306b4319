package callerauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxKeys         = 64
	minModulus      = 2048 // bits, RFC 7518, 3.3
	maxModulus      = 8192 // bits: beyond it a forged token costs too much to refuse
	minExponent     = 65537
	maxExponentBits = 31 // what crypto/rsa accepts
	coordinate      = 32 // bytes of x and y on P-256, and of an Ed25519 key
)

// keySet is what an issuer publishes, as far as it can verify tokens: a JSON Web
// Key Set (RFC 7517, 5). It is not changed once it is made.
//
//	{"keys": [{"kty":"RSA", "kid":"2026-03", "use":"sig", "n":…, "e":"AQAB"},
//	          {"kty":"EC",  "kid":"…", "crv":"P-256", "x":…, "y":…},
//	          {"kty":"OKP", "kid":"…", "crv":"Ed25519", "x":…}]}
type keySet struct {
	keys   []publicKey
	unused int // published, but not usable here
}

// publicKey is bound to one algorithm by its type, so that a token's alg never
// decides how a key is read.
type publicKey struct {
	id        *string // kid; nil: it has none
	algorithm string
	key       crypto.PublicKey // as the library's method of that algorithm wants it
}

// parseKeySet reads a document. A key that cannot be used is skipped, because
// issuers publish keys for other purposes too. Two usable keys with the same kid
// are both left out, because the order of a list must not decide which is meant.
func parseKeySet(document []byte) (*keySet, error) {
	if !utf8.Valid(document) {
		return nil, errors.New("key set is not UTF-8")
	}
	members, err := object(document)
	if err != nil {
		return nil, fmt.Errorf("reading key set: %w", err)
	}
	var items []json.RawMessage
	if raw := members.get("keys"); len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil, errors.New("key set has no list of keys")
	}
	if len(items) > maxKeys {
		return nil, fmt.Errorf("key set holds %d keys, more than %d", len(items), maxKeys)
	}
	var keys []publicKey
	times := make(map[string]int)
	for _, item := range items {
		key, ok := parseKey(item)
		if !ok {
			continue
		}
		if key.id != nil {
			times[*key.id]++
		}
		keys = append(keys, key)
	}
	keys = slices.DeleteFunc(keys, func(k publicKey) bool { return k.id != nil && times[*k.id] > 1 })
	return &keySet{keys: keys, unused: len(items) - len(keys)}, nil
}

// knows reports whether a usable key has this kid.
func (s *keySet) knows(id string) bool {
	return slices.ContainsFunc(s.keys, func(k publicKey) bool { return k.id != nil && *k.id == id })
}

// key returns the one key that a token with this alg and kid may be verified
// with. A token without a kid (nil) leaves no choice only if one key fits.
func (s *keySet) key(algorithm string, id *string) (crypto.PublicKey, error) {
	var fitting []publicKey
	for _, k := range s.keys {
		if k.algorithm == algorithm && (id == nil || k.id != nil && *k.id == *id) {
			fitting = append(fitting, k)
		}
	}
	switch {
	case len(fitting) == 1:
		return fitting[0].key, nil
	case id == nil:
		return nil, closer(ErrNoKey, "the token has no kid, and %d published keys fit", len(fitting))
	}
	return nil, ErrNoKey
}

// parseKey reads one JSON Web Key; ok is false for one that must not verify
// tokens here. Certificates in it (x5c, x5u) are ignored.
func parseKey(raw json.RawMessage) (key publicKey, ok bool) {
	members, err := object(raw)
	if err != nil {
		return publicKey{}, false
	}
	if !verifies(members) {
		return publicKey{}, false
	}
	if raw := members.get("kid"); raw != nil {
		id, ok := text(raw)
		if !ok {
			return publicKey{}, false
		}
		key.id = &id
	}
	switch kty, _ := text(members.get("kty")); kty {
	case "RSA":
		key.algorithm = jwt.SigningMethodRS256.Alg()
		key.key, ok = rsaKey(members)
	case "EC":
		key.algorithm = jwt.SigningMethodES256.Alg()
		key.key, ok = ecKey(members)
	case "OKP":
		key.algorithm = jwt.SigningMethodEdDSA.Alg()
		key.key, ok = edKey(members)
	}
	if raw := members.get("alg"); raw != nil && ok {
		algorithm, isText := text(raw)
		ok = isText && algorithm == key.algorithm
	}
	return key, ok
}

// verifies reports whether a key is there to verify signatures, as far as it
// says what it is for.
func verifies(members members) bool {
	// Everybody can sign with a private key that is published.
	if members.get("d") != nil {
		return false
	}
	if raw := members.get("use"); raw != nil {
		if use, ok := text(raw); !ok || use != "sig" {
			return false
		}
	}
	if raw := members.get("key_ops"); raw != nil {
		ops, ok := texts(raw)
		return ok && slices.Contains(ops, "verify")
	}
	return true
}

// rsaKey reads RFC 7518, 6.3.1. A modulus with a zero octet before it, which
// some issuers write against that section, is the same number.
func rsaKey(members members) (*rsa.PublicKey, bool) {
	modulus, okN := octets(members.get("n"))
	exponent, okE := octets(members.get("e"))
	if !okN || !okE || len(exponent) > 8 {
		return nil, false
	}
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if n.BitLen() < minModulus || n.BitLen() > maxModulus || n.Bit(0) == 0 {
		return nil, false
	}
	if e.BitLen() > maxExponentBits || e.Int64() < minExponent || e.Bit(0) == 0 {
		return nil, false
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, true
}

// ecKey reads RFC 7518, 6.2.1. A point that is not on the curve is refused.
func ecKey(members members) (*ecdsa.PublicKey, bool) {
	curve, _ := text(members.get("crv"))
	x, okX := octets(members.get("x"))
	y, okY := octets(members.get("y"))
	if curve != "P-256" || !okX || !okY || len(x) != coordinate || len(y) != coordinate {
		return nil, false
	}
	const uncompressed = 4 // SEC 1, 2.3.3
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{uncompressed}, x, y))
	return key, err == nil
}

// edKey reads RFC 8037, 2.
func edKey(members members) (ed25519.PublicKey, bool) {
	curve, _ := text(members.get("crv"))
	x, ok := octets(members.get("x"))
	return ed25519.PublicKey(x), ok && curve == "Ed25519" && len(x) == coordinate
}

// octets reads base64url without padding, in its one canonical form.
func octets(raw json.RawMessage) ([]byte, bool) {
	s, ok := text(raw)
	if !ok {
		return nil, false
	}
	// encoding/base64 skips line breaks.
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && base64.RawURLEncoding.EncodedLen(len(b)) == len(s)
}
