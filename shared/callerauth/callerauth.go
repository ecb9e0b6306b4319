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
// token without an end, a misspelt limit. Each refusal has one sentinel, and all
// match ErrUnauthenticated. Only ErrKeys is not a refusal: it says nothing about
// the caller.
//
// A refusal carries its answer. Since a caller's own token is no secret to the
// caller, the answer says what is wrong with it, in WWW-Authenticate (RFC 6750,
// 3) and in the message:
//
//	WWW-Authenticate: Bearer error="invalid_token", error_description="the claim exp is missing"
//
// Whoever sent no token gets the bare "Bearer", and whoever a gateway did not
// vouch for "ossupload-gateway". No error, answer included, holds a token, a
// secret or anything else that the client sent.
//
// It imports rawjson to read claims, fetchonce to fetch an issuer's keys once for all
// who wait, secureurl for where from, and trace for the time that it took.
package callerauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ossupload/shared/api"
)

// Anonymous is the subject of every caller when nobody is asked for a proof.
const Anonymous = "anonymous"

const (
	minSecret     = 32  // bytes
	maxSubject    = 128 // bytes
	maxHeaderName = 64  // bytes
)

// Caller is who asked, and what the application that vouches for it lets it do.
// The zero Caller is nobody.
type Caller struct {
	Subject string
	// Expires is when the caller's proof expires, leeway not included. Zero:
	// unknown.
	Expires time.Time
	Limits  Limits
	// Download are keys that this caller may read, whoever uploaded them.
	Download []string
	// scopes are those of ours that the proof lists; none: all are allowed.
	scopes []Scope
	// Session is the id of the session that the caller acts in, or empty. Ended
	// is set when it has ended, so that nothing new may begin.
	Session string
	Ended   bool
}

// Scope is something that a caller may be restricted to, by a claim "scope" as in
// RFC 8693, 4.2.
type Scope string

const (
	ScopeUpload   Scope = "ossupload:upload"
	ScopeDownload Scope = "ossupload:download"
	ScopeSTS      Scope = "ossupload:sts"
)

// May fails with ErrScope unless the caller's proof covers s. A proof that lists
// no scope of ours covers everything: the application has not adopted scopes.
func (c Caller) May(s Scope) error {
	if len(c.scopes) == 0 || slices.Contains(c.scopes, s) {
		return nil
	}
	return &refusal{of: ErrScope, text: ErrScope.Error() + ": it needs " + string(s), answer: &api.Error{
		Code:      ErrScope.Code,
		Message:   fmt.Sprintf("Your token is not for this: its scope does not list %s. Ask your application for one that does.", s),
		Challenge: fmt.Sprintf(`%s error="insufficient_scope", scope="%s"`, challengeBearer, s),
		Log:       ErrScope.Log,
	}}
}

// Limits is what the application that issued the caller's token says about the
// uploads it is for: the claim
//
//	"upload": {"context": any, "maxSize": bytes, "contentTypes": ["image/*", …], "key": "orders/7/invoice.pdf"}
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
	// Key is the name that the application chose for the one object, below the
	// subject's own prefix, or empty.
	Key string
}

// Narrows reports whether u allows less than the operator does.
func (u Limits) Narrows() bool { return u.MaxSize != nil || u.ContentTypes != nil || u.Key != "" }

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

// faultOf says what is wrong with a subject, or nothing: what would read
// differently in a log, in a key and in the issuer's own records is kept out.
func faultOf(subject string) string {
	switch {
	case subject == "":
		return "is empty"
	case len(subject) > maxSubject:
		return fmt.Sprintf("is longer than %d bytes", maxSubject)
	case !readable(subject):
		return "is not valid UTF-8"
	case strings.ContainsFunc(subject, unicode.IsControl):
		return "holds control characters"
	}
	return ""
}

// readable reports whether s is what was sent: encoding/json puts U+FFFD where
// it could not read, so that two texts could become one.
func readable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError)
}
