package osscallback

import (
	"bytes"
	"crypto/md5"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

const (
	minKeyBits = 512
	// maxKeyBits keeps one verification cheap, whatever a key server sends.
	maxKeyBits = 8192
	exponent   = 65537
)

// md5Prefix is the DER encoding of DigestInfo up to the digest itself, for MD5
// (RFC 8017, section 9.2, note 1).
var md5Prefix = [...]byte{
	0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48,
	0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00, 0x04, 0x10,
}

// verifyPKCS1v15MD5 reports whether signature is the RSASSA-PKCS1-v1_5
// signature of the digest. signature^e mod n must be the whole of
//
//	00 01 FF … FF 00 | DigestInfo | MD5
//
// as long as the modulus. The block is built and compared, never parsed:
// forgeries exploit parsers of the padding.
//
// It is written out because crypto/rsa refuses keys below 1024 bits and OSS
// signs with 512; the setting that would allow them is not a library's to make.
func verifyPKCS1v15MD5(key *rsa.PublicKey, digest [md5.Size]byte, signature []byte) bool {
	size := key.Size()
	if len(signature) != size {
		return false
	}
	s := new(big.Int).SetBytes(signature)
	if s.Cmp(key.N) >= 0 {
		return false
	}
	s.Exp(s, big.NewInt(int64(key.E)), key.N)
	got := s.FillBytes(make([]byte, size))

	info := append(md5Prefix[:len(md5Prefix):len(md5Prefix)], digest[:]...)
	want := bytes.Repeat([]byte{0xff}, size)
	want[0], want[1] = 0x00, 0x01
	want[size-len(info)-1] = 0x00
	copy(want[size-len(info):], info)

	return subtle.ConstantTimeCompare(got, want) == 1
}

// parseKey reads a document of exactly one PEM block, PUBLIC KEY, which holds
// an RSA key of 512 to 8192 bits with the exponent 65537.
func parseKey(document []byte) (*rsa.PublicKey, error) {
	document = bytes.TrimSpace(document)
	block, rest := pem.Decode(document)
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) > 0 || !bytes.HasPrefix(document, []byte("-----BEGIN ")) {
		return nil, errors.New("document is not one PUBLIC KEY block")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("public key is not an RSA key")
	}
	if key.E != exponent || key.N.BitLen() < minKeyBits || key.N.BitLen() > maxKeyBits {
		return nil, fmt.Errorf("RSA key has %d bits and exponent %d", key.N.BitLen(), key.E)
	}
	return key, nil
}
