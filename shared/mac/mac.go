// Package mac computes HMAC-SHA256 with keys that serve many messages. A key is
// hashed once: of a short message that is half of the work, and all that has to be
// allocated.
package mac

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// Size is the length of an HMAC in bytes.
const Size = sha256.Size

// Key is a secret to authenticate with. It is safe for concurrent use.
type Key struct {
	mu   sync.Mutex
	hash hash.Hash // Reset takes it back to where the key is hashed
	sum  []byte    // a buffer: what a hash.Hash is given cannot stay on the stack
}

// New returns the key of a secret, which is not kept.
func New(secret []byte) *Key {
	return &Key{hash: hmac.New(sha256.New, secret), sum: make([]byte, 0, Size)}
}

// Append appends the HMAC of a message, which is the parts one after the other.
func (k *Key) Append(dst []byte, parts ...[]byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hash.Reset()
	for _, part := range parts {
		k.hash.Write(part)
	}
	return append(dst, k.hash.Sum(k.sum)...)
}
