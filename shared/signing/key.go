package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"sync"
	"time"
)

// dayKey is what a credential signs with on one day: everything that is the same
// for all of its requests, made once.
type dayKey struct {
	cred Credentials
	day  time.Time
	date string

	scope      string                             // 20261120/cn-hangzhou/oss/aliyun_v4_request
	credential string                             // the key's id and scope
	inQuery    struct{ credential, token []byte } // encoded

	mu  sync.Mutex // guards what follows
	mac hash.Hash  // Reset takes it back to where the key is hashed
	// Buffers. What a hash.Hash is given or gives cannot stay on the stack.
	toSign, sum, signed []byte
	draft               draft
}

func newDayKey(cred Credentials, region string, day time.Time) *dayKey {
	k := &dayKey{cred: cred, day: day, date: day.Format("20060102")}
	k.scope = k.date + "/" + region + "/" + product + "/aliyun_v4_request"
	k.credential = cred.AccessKeyID + "/" + k.scope
	k.inQuery.credential = appendEscaped(nil, k.credential, unreserved)
	k.inQuery.token = appendEscaped(nil, cred.SecurityToken, unreserved)
	k.mac = hmac.New(sha256.New, deriveKey(cred.AccessKeySecret, k.date, region, product))
	return k
}

func deriveKey(secret, date, region, product string) []byte {
	key := []byte("aliyun_v4" + secret)
	for _, text := range []string{date, region, product, "aliyun_v4_request"} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		key = h.Sum(nil)
	}
	return key
}

// appendTime appends a time of the key's day as it is signed: 20261120T101240Z.
func (k *dayKey) appendTime(dst []byte, now time.Time) []byte {
	dst = append(append(dst, k.date...), 'T')
	hour, minute, second := now.Clock()
	for _, n := range [...]int{hour, minute, second} {
		dst = append(dst, '0'+byte(n/10), '0'+byte(n%10))
	}
	return append(dst, 'Z')
}

// signRequest returns the signature of a canonical request, which is good until
// the next one. k is locked.
func (k *dayKey) signRequest(datetime, canonical []byte) []byte {
	k.toSign = appendStringToSign(k.toSign[:0], datetime, k.scope, canonical)
	return k.sign(k.toSign)
}

// sign returns the signature of a text, as signRequest does.
func (k *dayKey) sign(text []byte) []byte {
	k.mac.Reset()
	k.mac.Write(text)
	k.sum = k.mac.Sum(k.sum[:0])
	k.signed = hex.AppendEncode(k.signed[:0], k.sum)
	return k.signed
}

func appendStringToSign(dst, datetime []byte, scope string, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	dst = append(dst, algorithm+"\n"...)
	dst = append(append(dst, datetime...), '\n')
	dst = append(append(dst, scope...), '\n')
	return hex.AppendEncode(dst, sum[:])
}

// keyCache remembers keys. A function sees one credential at a time and two at
// its renewal, so a handful is enough, and starting over when it is full costs
// nothing.
type keyCache struct {
	mu   sync.Mutex
	keys []*dayKey
}

const maxKeys = 16

// get returns the key of cred for the day of now. It fails with ErrCredentials.
func (c *keyCache) get(cred Credentials, region string, now time.Time) (*dayKey, error) {
	day := now.Truncate(24 * time.Hour)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range slices.Backward(c.keys) {
		if k.day.Equal(day) && k.cred == cred {
			return k, nil
		}
	}
	if err := cred.check(); err != nil {
		return nil, err
	}
	if len(c.keys) >= maxKeys {
		c.keys = nil
	}
	k := newDayKey(cred, region, day)
	c.keys = append(c.keys, k)
	return k, nil
}
