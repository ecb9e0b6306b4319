package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// signingKey is derived from a secret for one day, region and product.
type signingKey [sha256.Size]byte

func deriveKey(secret, date, region, product string) signingKey {
	key := mac([]byte("aliyun_v4"+secret), date)
	key = mac(key, region)
	key = mac(key, product)
	return signingKey(mac(key, "aliyun_v4_request"))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// sign returns the signature of a canonical request.
func (k signingKey) sign(datetime, scope, canonicalRequest string) string {
	return hex.EncodeToString(mac(k[:], stringToSign(datetime, scope, canonicalRequest)))
}

// signPolicy returns the signature of a form's policy, given in base64.
func (k signingKey) signPolicy(policy string) string {
	return hex.EncodeToString(mac(k[:], policy))
}

func stringToSign(datetime, scope, canonicalRequest string) string {
	sum := sha256.Sum256([]byte(canonicalRequest))
	return algorithm + "\n" + datetime + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
}

// keyCache remembers derived keys: four HMACs that a day's requests share. A
// function sees one credential at a time and two at its renewal, so a handful
// is enough, and starting over when it is full costs nothing.
type keyCache struct {
	mu   sync.Mutex
	keys map[keyName]signingKey
}

type keyName struct{ secret, date, region, product string }

const maxKeys = 16

func (c *keyCache) get(secret, date, region, product string) signingKey {
	name := keyName{secret, date, region, product}
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.keys[name]
	if !ok {
		if c.keys == nil || len(c.keys) >= maxKeys {
			c.keys = make(map[keyName]signingKey, maxKeys)
		}
		key = deriveKey(secret, date, region, product)
		c.keys[name] = key
	}
	return key
}
