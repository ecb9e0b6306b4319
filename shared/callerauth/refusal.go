package callerauth

import (
	"fmt"
	"strings"
	"time"

	"ossupload/shared/api"
)

// ErrUnauthenticated matches every error of an Authenticator but ErrKeys.
var ErrUnauthenticated = &api.Error{
	Code:      api.Unauthenticated,
	Message:   "The request is not authenticated. Send a JWT in the Authorization header, as \"Bearer\" and the token.",
	Challenge: challengeBearer,
	Log:       "unauthenticated",
}

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

// Reasons for which a request is refused. Each carries its answer.
var (
	// ErrMissing: the request carries no identity at all.
	ErrMissing = sentinel("no credentials in the request", ErrUnauthenticated.Message, challengeBearer)
	// ErrMalformed: what it carries is repeated, too long or not a token.
	ErrMalformed = reason("malformed credentials", "Your token is not a JWT. Send one, once, as your application gave it to you.")
	// ErrAlgorithm: the token is signed in a way that is not configured.
	ErrAlgorithm = reason("algorithm is not allowed", "")
	// ErrCritical: the token demands an extension (RFC 7515, 4.1.11).
	ErrCritical = reason("critical header is not understood", "")
	// ErrNoKey: the issuer publishes no usable key, or more than one, that fits
	// the token.
	ErrNoKey = hinted("no published key fits the token", "It must sign with a key that AUTH_JWKS_URL publishes, and name it in kid.")
	// ErrSignature: the token was not made with our secret, or with the key that
	// it names.
	ErrSignature = hinted("signature does not verify", "It must sign with what this service verifies with: AUTH_JWT_SECRET, or a key of AUTH_JWKS_URL.")
	// ErrExpired: the token's exp has passed.
	ErrExpired = reason("token has expired", "Your token has expired. Ask your application for a new one.")
	// ErrNotYetValid: the token's nbf or iat lies in the future.
	ErrNotYetValid = reason("token is not yet valid", "Your token is not valid yet: its nbf or iat lies in the future. Try again later, or check the clock of your application's server.")
	// ErrIssuer: iss is not the configured issuer.
	ErrIssuer = hinted("issuer is not the expected one", "Its tokens need AUTH_ISSUER of this service as iss.")
	// ErrAudience: aud does not hold the configured audience.
	ErrAudience = hinted("audience is not the expected one", "Its tokens need AUTH_AUDIENCE of this service as aud, which is ossupload unless that is set.")
	// ErrSubject: the identity is empty, too long or not plain text.
	ErrSubject = reason("unusable subject", "")
	// ErrClaim: exp is missing, or a claim that matters cannot be read.
	ErrClaim = reason("unusable claim", "")
	// errNoExp is a closer reason of ErrClaim that most applications meet once.
	errNoExp = hintedOf(ErrClaim, "the claim exp is missing", "Its tokens need exp: when they end, in seconds since 1970.")
	// ErrSecret: the gateway's secret is missing, repeated or wrong.
	ErrSecret = sentinel("gateway secret does not match", errGateway.Message, challengeGateway)
)

// errGateway is the one answer of header mode.
var errGateway = &api.Error{
	Code:      api.Unauthenticated,
	Message:   "The request is not authenticated. Send it through the gateway of this service.",
	Challenge: challengeGateway,
	Log:       ErrUnauthenticated.Log,
}

// ErrScope is for a caller whose proof is good, for something else.
var ErrScope = &api.Error{
	Code:    api.Forbidden,
	Message: "Your token is not for this: its scope lists other uses only. Ask your application for one that is.",
	Log:     "scope does not cover the request",
}

const (
	// challengeBearer asks for a token and gives no reason, as RFC 6750, 3.1 wants
	// it where none was sent.
	challengeBearer = "Bearer"
	// challengeGateway is a scheme of no registry (RFC 9110, 11.1): a client can
	// do nothing about a gateway that did not vouch for it, and learns no more.
	challengeGateway = "ossupload-gateway"
)

// refusal is a reason with its answer: a sentinel, or a closer reason of one.
type refusal struct {
	of     error // the more general error
	answer *api.Error
	text   string
	hint   string // ends the message of closer reasons
}

func (r *refusal) Error() string { return r.text }

// Unwrap puts the answer first, because the first one in the tree is sent.
func (r *refusal) Unwrap() []error { return []error{r.answer, r.of} }

func sentinel(why, message, challenge string) error {
	return refuse(ErrUnauthenticated, why, message, challenge)
}

// reason is a sentinel whose why the caller is told, in the challenge and, if
// there is no message of its own, in a general one.
func reason(why, message string) error {
	if message == "" {
		message = unusable(why)
	}
	return sentinel(why, message, challengeOf(why))
}

// closer is a reason of a sentinel that says more, in the log and to the caller: it
// holds words of ours and names from the configuration, and nothing that came
// with the request.
func closer(of error, format string, args ...any) error {
	hint := ""
	if sentinel, ok := of.(*refusal); ok {
		hint = sentinel.hint
	}
	return hintedOf(of, fmt.Sprintf(format, args...), hint)
}

// hinted is a reason whose message says what whoever makes the tokens has to do.
// Names of settings are no secret, and what they are set to is not told.
func hinted(why, hint string) error { return hintedOf(ErrUnauthenticated, why, hint) }

func hintedOf(of error, why, hint string) error {
	r := refuse(of, why, strings.TrimSpace(unusable(why)+" "+hint), challengeOf(why))
	r.hint = hint
	return r
}

func refuse(of error, why, message, challenge string) *refusal {
	return &refusal{
		of:     of,
		answer: &api.Error{Code: api.Unauthenticated, Message: message, Challenge: challenge, Log: why},
		text:   of.Error() + ": " + why,
	}
}

func unusable(why string) string {
	return "Your token cannot be used: " + why + ". Ask your application for another one."
}

// challengeOf is the value of WWW-Authenticate of RFC 6750, 3. Its text may hold
// neither a quote nor a backslash, nor anything but ASCII.
func challengeOf(why string) string {
	return challengeBearer + ` error="invalid_token", error_description="` + strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, why) + `"`
}
