package settings

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"ossupload/shared/uploadtoken"
)

// tokenKeys reads kid:base64 pairs.
func (r *reader) tokenKeys() []uploadtoken.Key {
	const name = "UPLOAD_TOKEN_SECRETS"
	if r.required(name) == "" {
		return nil
	}
	var keys []uploadtoken.Key
	for _, item := range r.list(name, "") {
		id, encoded, ok := strings.Cut(item, ":")
		value, err := decodeBase64(encoded)
		switch {
		case !ok || uploadtoken.CheckKeyID(id) != nil || err != nil:
			r.fault(name, "item %d is not kid:base64", len(keys)+1)
		case slices.ContainsFunc(keys, func(k uploadtoken.Key) bool { return k.ID == id }):
			r.fault(name, "key id %q is used twice", id)
		default:
			r.key(name, encoded, value, uploadtoken.MinSecret)
		}
		keys = append(keys, uploadtoken.Key{ID: id, Secret: value})
	}
	return keys
}

func (r *reader) receiptSecret() []byte {
	v := r.text("RECEIPT_SECRET", "")
	if v == "" {
		return nil
	}
	return r.secret("RECEIPT_SECRET", v, 32)
}

// secret reads key material: the text itself, or base64 behind "base64:". The
// value never appears in a fault.
func (r *reader) secret(name, value string, least int) []byte {
	text, key := value, []byte(value)
	if encoded, ok := strings.CutPrefix(value, "base64:"); ok {
		decoded, err := decodeBase64(encoded)
		if err != nil {
			r.fault(name, "is not base64 behind the prefix base64:")
			return nil
		}
		text, key = encoded, decoded
	}
	return r.key(name, text, key, least)
}

// key takes key material that was written as text.
func (r *reader) key(name, text string, key []byte, least int) []byte {
	switch {
	case len(key) < least:
		r.fault(name, "holds a secret of %d bytes, at least %d are needed", len(key), least)
		return nil
	case guessable(key):
		r.fault(name, "holds a secret that repeats itself: make one with openssl rand -base64 32")
		return nil
	}
	s := secret{name: name, forms: []string{string(key), text, strings.TrimRight(text, "=")}}
	// What one use takes as text another may decode.
	if decoded, err := decodeBase64(text); err == nil {
		s.forms = append(s.forms, string(decoded))
	}
	r.secrets = append(r.secrets, s)
	return key
}

// guessable reports whether a secret of enough bytes is one that people type: of
// fewer than 8 different bytes, or a shorter text again and again. A secret that
// was drawn at random passes, in bytes, base64 or hex: that 64 random hex digits
// are of 7 kinds happens once in 10^19, that 32 are once in 10^7.
func guessable(key []byte) bool {
	const leastKinds = 8
	var kinds [256]bool
	n := 0
	for _, c := range key {
		if !kinds[c] {
			kinds[c] = true
			n++
		}
	}
	if n < leastKinds {
		return true
	}
	for period := leastKinds; period <= len(key)/2; period++ {
		if bytes.Equal(key[period:], key[:len(key)-period]) {
			return true
		}
	}
	return false
}

// secret remembers where key material came from, to find it used twice.
type secret struct {
	name  string
	forms []string // what it may be taken for: as text, and decoded
}

// checkSecrets finds key material that serves two uses: whoever holds one of
// them would hold the other. A secret may not even serve one use twice.
func (r *reader) checkSecrets() {
	for i, a := range r.secrets {
		for _, b := range r.secrets[:i] {
			if slices.ContainsFunc(a.forms, func(form string) bool { return slices.Contains(b.forms, form) }) {
				r.fault(a.name, "holds the same secret as %s", b.name)
			}
		}
	}
}

// decodeBase64 takes both alphabets, padded or not: the tools that make
// secrets differ.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}
