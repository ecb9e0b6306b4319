package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"
)

func SignedByDefault(name string) bool { return signedByDefault([]byte(name)) }

func StringToSign(datetime, scope, canonical string) string {
	return string(appendStringToSign(nil, []byte(datetime), scope, []byte(canonical)))
}

// SignWithKey signs with a signing key that is given, not derived.
func SignWithKey(key []byte, datetime, scope, canonical string) string {
	k := &dayKey{scope: scope, mac: hmac.New(sha256.New, key)}
	return string(k.signRequest([]byte(datetime), []byte(canonical)))
}

// Explain returns what Presign signs for req.
func (s *Signer) Explain(cred Credentials, req Request, now time.Time) (canonical, toSign string, err error) {
	if _, err := s.Presign(cred, req, now); err != nil {
		return "", "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(cred, now.UTC())
	if err != nil {
		return "", "", err
	}
	return string(s.draft.canonical), string(k.toSign), nil
}

// SignPolicy signs a policy in base64 with a key derived from secret.
func SignPolicy(secret, date, region, policy string) string {
	k := &dayKey{mac: hmac.New(sha256.New, deriveKey(secret, date, region, product))}
	return string(k.sign([]byte(policy)))
}

// KeysHeld is how many derived keys s remembers.
func (s *Signer) KeysHeld() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}
