package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"time"
)

// dayKey is what a credential signs with on one day: everything that is the same
// for all of its requests, made once.
type dayKey struct {
	cred     Credentials
	midnight int64 // at which the day begins, since 1970 in seconds
	date     string

	scope      string                             // 20261120/cn-hangzhou/oss/aliyun_v4_request
	credential string                             // the key's id and scope
	inQuery    struct{ credential, token []byte } // encoded

	mac hash.Hash // Reset takes it back to where the key is hashed
	// Buffers. What a hash.Hash is given or gives cannot stay on the stack.
	toSign []byte
	sum    [sha256.Size]byte
	signed [2 * sha256.Size]byte
}

func newDayKey(cred Credentials, region string, now time.Time) *dayKey {
	k := &dayKey{cred: cred, midnight: now.Truncate(24 * time.Hour).Unix(), date: now.Format("20060102")}
	k.scope = k.date + "/" + region + "/" + product + "/aliyun_v4_request"
	k.credential = cred.AccessKeyID + "/" + k.scope
	k.inQuery.credential = appendEscaped(nil, k.credential, unreserved)
	k.inQuery.token = appendEscaped(nil, cred.SecurityToken, unreserved)
	k.mac = hmac.New(sha256.New, deriveKey(cred.AccessKeySecret, k.date, region, product))
	return k
}

// hasDay reports whether now is on the key's day.
func (k *dayKey) hasDay(now time.Time) bool {
	second := now.Unix() - k.midnight
	return 0 <= second && second < 24*60*60
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
	second := now.Unix() - k.midnight
	for _, n := range [...]int64{second / 3600, second / 60 % 60, second % 60} {
		dst = append(dst, '0'+byte(n/10), '0'+byte(n%10))
	}
	return append(dst, 'Z')
}

// signRequest returns the signature of a canonical request, which is good until
// the next one.
func (k *dayKey) signRequest(datetime, canonical []byte) []byte {
	k.toSign = appendStringToSign(k.toSign[:0], datetime, k.scope, canonical)
	return k.sign(k.toSign)
}

// sign returns the signature of a text, as signRequest does.
func (k *dayKey) sign(text []byte) []byte {
	k.mac.Reset()
	k.mac.Write(text)
	hex.Encode(k.signed[:], k.mac.Sum(k.sum[:0]))
	return k.signed[:]
}

func appendStringToSign(dst, datetime []byte, scope string, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	dst = append(dst, algorithm+"\n"...)
	dst = append(append(dst, datetime...), '\n')
	dst = append(append(dst, scope...), '\n')
	return hex.AppendEncode(dst, sum[:])
}
