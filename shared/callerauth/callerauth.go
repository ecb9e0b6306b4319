// Package callerauth answers one question: who is asking.
//
// An Authenticator reads the identity of a request from a bearer token, signed
// with a shared secret (NewJWT) or with a key that an issuer publishes (NewJWKS),
// or from a header that a gateway sets (NewHeader), or gives every request the
// same one (NewNone, for trials). It promises that a Caller is returned only
// for a request whose proof was verified, that a subject is 1 to 128 bytes of
// readable text, and that limits in the caller's token can narrow what the
// operator allows and are never lost by being unreadable.
//
// It refuses rather than guesses: a repeated header, an unknown algorithm, a
// token without an end, a misspelt limit. Each refusal has one sentinel, for the
// log; all match ErrUnauthenticated, which is all that a client should learn.
// Only ErrKeys is not a refusal: it says nothing about the caller. No error text
// holds a token, a secret or anything else that the client sent.
package callerauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ossupload/shared/api"
)

// ErrUnauthenticated matches every error of an Authenticator but ErrKeys.
var ErrUnauthenticated = &api.Error{Code: api.Unauthenticated, Message: "The request is not authenticated.", Log: "unauthenticated"}

// ErrKeys: the keys that verify tokens are unavailable, because their issuer cannot
// be reached and what it published before is too old, or because the request ended
// first. It says nothing about the token, which may be good: the client should try
// again, after 10 seconds or more.
var ErrKeys = &api.Error{
	Code:       api.Throttled,
	Message:    "Callers cannot be authenticated at the moment. Try again.",
	RetryAfter: 10 * time.Second,
	Log:        "keys are not available",
}

// Reasons for which a request is refused.
var (
	// ErrMissing: the request carries no identity at all.
	ErrMissing = fmt.Errorf("%w: no credentials in the request", ErrUnauthenticated)
	// ErrMalformed: what it carries is repeated, too long or not a token.
	ErrMalformed = fmt.Errorf("%w: malformed credentials", ErrUnauthenticated)
	// ErrAlgorithm: the token is signed in a way that is not configured.
	ErrAlgorithm = fmt.Errorf("%w: algorithm is not allowed", ErrUnauthenticated)
	// ErrCritical: the token demands an extension (RFC 7515, 4.1.11).
	ErrCritical = fmt.Errorf("%w: critical header is not understood", ErrUnauthenticated)
	// ErrNoKey: the issuer publishes no usable key, or more than one, that fits
	// the token.
	ErrNoKey = fmt.Errorf("%w: no published key fits the token", ErrUnauthenticated)
	// ErrSignature: the token was not made with our secret, or with the key that
	// it names.
	ErrSignature = fmt.Errorf("%w: signature does not verify", ErrUnauthenticated)
	// ErrExpired: the token's exp has passed.
	ErrExpired = fmt.Errorf("%w: token has expired", ErrUnauthenticated)
	// ErrNotYetValid: the token's nbf or iat lies in the future.
	ErrNotYetValid = fmt.Errorf("%w: token is not yet valid", ErrUnauthenticated)
	// ErrIssuer: iss is not the configured issuer.
	ErrIssuer = fmt.Errorf("%w: issuer is not the expected one", ErrUnauthenticated)
	// ErrAudience: aud does not hold the configured audience.
	ErrAudience = fmt.Errorf("%w: audience is not the expected one", ErrUnauthenticated)
	// ErrSubject: the identity is empty, too long or not plain text.
	ErrSubject = fmt.Errorf("%w: unusable subject", ErrUnauthenticated)
	// ErrClaim: exp is missing, or a claim that matters cannot be read.
	ErrClaim = fmt.Errorf("%w: unusable claim", ErrUnauthenticated)
	// ErrSecret: the gateway's secret is missing, repeated or wrong.
	ErrSecret = fmt.Errorf("%w: gateway secret does not match", ErrUnauthenticated)
)

// Anonymous is the subject of every caller when nobody is asked for a proof.
const Anonymous = "anonymous"

const (
	minSecret  = 32  // bytes
	maxSubject = 128 // bytes
)

// Caller is who asked. The zero Caller is nobody.
type Caller struct {
	Subject string
	// Expires is when the caller's proof expires, leeway not included. Zero:
	// unknown.
	Expires time.Time
	Limits  Limits
}

// Limits is what the application that issued the caller's token says about the
// uploads it is for: the claim
//
//	"upload": {"context": any, "maxSize": bytes, "contentTypes": ["image/*", …]}
//
// Every member is optional, and what is absent does not narrow.
type Limits struct {
	// Context is any JSON value in compact form, or nil. It reaches the event
	// as the application's own word.
	Context json.RawMessage
	// MaxSize is bytes, never negative.
	MaxSize *int64
	// ContentTypes is nil, or holds at least one type or wildcard.
	ContentTypes []string
}

// Authenticator decides who sent a request. Implementations are safe for
// concurrent use. An error matches ErrUnauthenticated and one of the reasons, or
// ErrKeys.
type Authenticator interface {
	Authenticate(r *http.Request) (Caller, error)
}

// NewNone returns an Authenticator that accepts everybody, as Anonymous.
func NewNone() Authenticator { return none{} }

type none struct{}

func (none) Authenticate(*http.Request) (Caller, error) {
	return Caller{Subject: Anonymous}, nil
}

// checkSubject keeps out what would read differently in a log, in a key and in
// the issuer's own records.
func checkSubject(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: it is empty", ErrSubject)
	case len(s) > maxSubject:
		return fmt.Errorf("%w: it is longer than %d bytes", ErrSubject, maxSubject)
	// encoding/json puts U+FFFD where it could not read, so two subjects
	// could become one.
	case !utf8.ValidString(s), strings.ContainsRune(s, utf8.RuneError):
		return fmt.Errorf("%w: it is not valid UTF-8", ErrSubject)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%w: it holds control characters", ErrSubject)
	}
	return nil
}
