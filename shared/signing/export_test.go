package signing

import "time"

// What the vectors assert step by step.
var (
	CanonicalRequest = canonicalRequest
	CanonicalURI     = canonicalURI
	CanonicalQuery   = canonicalQuery
	CanonicalHeader  = canonicalHeader
	StringToSign     = stringToSign
	SignedByDefault  = signedByDefault
)

// SignWithKey signs with a signing key that is given, not derived.
func SignWithKey(key []byte, datetime, scope, canonical string) string {
	return signingKey(key).sign(datetime, scope, canonical)
}

// Explain returns what Presign signs for req.
func (s *Signer) Explain(cred Credentials, req Request, now time.Time) (canonical, toSign string, err error) {
	p, err := s.prepare(cred, req, now)
	if err != nil {
		return "", "", err
	}
	canonical = canonicalRequest(req.Method, p.uri, canonicalQuery(p.query), canonicalHeader(p.header), p.additional)
	return canonical, stringToSign(p.datetime, p.scope, canonical), nil
}

// SignPolicy signs a policy in base64 with a key derived from secret.
func SignPolicy(secret, date, region, policy string) string {
	return deriveKey(secret, date, region, product).signPolicy(policy)
}

// KeysHeld is how many derived keys s remembers.
func (s *Signer) KeysHeld() int {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	return len(s.keys.keys)
}
