package callerauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// HeaderConfig says which header is believed.
type HeaderConfig struct {
	Name   string // letters, digits and hyphens
	Secret []byte // that the gateway sends: at least 32 bytes of visible ASCII
}

// NewHeader returns an Authenticator that takes the identity from the header
// Name, because the header Name+"-Secret" proves that our gateway set both:
//
//	X-User: alice
//	X-User-Secret: <secret>
//
// The gateway must strip both headers from what clients send. An identity that is
// empty, repeated, padded with white space, or holds a comma (two values joined
// on the way) or a control character is refused.
func NewHeader(c HeaderConfig) (Authenticator, error) {
	name, secret := c.Name, c.Secret
	if err := checkHeaderName(name); err != nil {
		return nil, err
	}
	if len(secret) < minSecret {
		return nil, fmt.Errorf("gateway secret is shorter than %d bytes", minSecret)
	}
	for _, c := range secret {
		if c <= ' ' || c > '~' {
			return nil, errors.New("gateway secret holds bytes that a header cannot carry")
		}
	}
	return header{
		name:       textproto.CanonicalMIMEHeaderKey(name),
		secretName: textproto.CanonicalMIMEHeaderKey(name + "-Secret"),
		digest:     sha256.Sum256(secret),
	}, nil
}

type header struct {
	name, secretName string
	digest           [sha256.Size]byte // of the secret
}

// checkHeaderName is narrower than RFC 9110: what gateways pass on unchanged.
func checkHeaderName(name string) error {
	if name == "" || len(name) > maxHeaderName || strings.ContainsFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-')
	}) {
		return fmt.Errorf("header name %q is not 1 to %d letters, digits and hyphens", name, maxHeaderName)
	}
	return nil
}

func (h header) Authenticate(r *http.Request) (Caller, error) {
	subject, err := h.subject(r)
	if err != nil {
		return Caller{}, &refusal{of: err, answer: errGateway, text: err.Error()}
	}
	return Caller{Subject: subject}, nil
}

func (h header) subject(r *http.Request) (string, error) {
	identities, secrets := r.Header[h.name], r.Header[h.secretName]
	if len(identities) == 0 && len(secrets) == 0 {
		return "", ErrMissing
	}
	if len(secrets) != 1 {
		return "", fmt.Errorf("%w: it is sent %d times", ErrSecret, len(secrets))
	}
	// Digests have one length, so the comparison reveals nothing about the secret's.
	digest := sha256.Sum256([]byte(secrets[0]))
	if subtle.ConstantTimeCompare(digest[:], h.digest[:]) != 1 {
		return "", ErrSecret
	}
	if len(identities) == 0 {
		return "", ErrMissing
	}
	if len(identities) > 1 {
		return "", fmt.Errorf("%w: identity is repeated", ErrMalformed)
	}
	identity := identities[0]
	if fault := faultOf(identity); fault != "" {
		return "", fmt.Errorf("%w: it %s", ErrSubject, fault)
	}
	if strings.Contains(identity, ",") {
		return "", fmt.Errorf("%w: it holds a comma", ErrSubject)
	}
	if strings.TrimSpace(identity) != identity {
		return "", fmt.Errorf("%w: it is padded with white space", ErrSubject)
	}
	return identity, nil
}
