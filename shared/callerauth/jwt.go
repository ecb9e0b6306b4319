package callerauth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxToken      = 8 << 10 // bytes
	defaultLeeway = 30 * time.Second
	maxLeeway     = 5 * time.Minute
)

// JWTConfig says which tokens are accepted.
type JWTConfig struct {
	// Secret is shared with the issuer: at least 32 bytes.
	Secret []byte
	// Algorithms is the pinned set, of HS256, HS384 and HS512. Empty: HS256.
	Algorithms []string
	// Audience must be in the token's aud, which is a string or an array. It is
	// required: other tokens of the application, such as one that resets a
	// password, must not upload. Issuer must match if it is not empty.
	Issuer, Audience string
	// SubjectClaim is the top-level claim that holds the identity. Empty: sub.
	SubjectClaim string
	// TokenHeader is the one header that the token is read from, for gateways
	// that take Authorization for themselves: there the scheme Bearer may stand
	// before the token or not. Empty: Authorization, with the scheme.
	TokenHeader string
	// Leeway is for clocks that differ, at most 5 minutes. Zero: 30 seconds.
	Leeway time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// NewJWT returns an Authenticator for tokens in the Authorization header, scheme
// Bearer (RFC 6750, 2.1; RFC 7519), signed with a shared secret. A token must
// have an aud and an exp, which is at most 366 days ahead; nbf and iat, if
// present, must not lie in the future.
func NewJWT(c JWTConfig) (Authenticator, error) {
	if len(c.Secret) < minSecret {
		return nil, fmt.Errorf("token secret is shorter than %d bytes", minSecret)
	}
	algorithms := []string{jwt.SigningMethodHS256.Alg()}
	if len(c.Algorithms) > 0 {
		algorithms = slices.Clone(c.Algorithms)
	}
	// A public key accepted as an HMAC secret is the classic confusion, so
	// secrets and public-key algorithms never meet in one configuration.
	for _, name := range algorithms {
		if _, ok := jwt.GetSigningMethod(name).(*jwt.SigningMethodHMAC); !ok {
			return nil, fmt.Errorf("algorithm %q is not one of HS256, HS384, HS512", name)
		}
	}
	secret := bytes.Clone(c.Secret)
	return newBearer(c, algorithms, func(context.Context, *jwt.Token) (any, error) { return secret, nil })
}

// keyFunc returns the key that verifies a token of one of the pinned algorithms.
// Its errors are an Authenticator's.
type keyFunc func(context.Context, *jwt.Token) (any, error)

// newBearer is common to all kinds of keys. Of c it leaves out Secret and
// Algorithms.
func newBearer(c JWTConfig, algorithms []string, key keyFunc) (Authenticator, error) {
	if c.Audience == "" {
		return nil, errors.New("audience is required")
	}
	if c.TokenHeader != "" {
		if err := CheckTokenHeader(c.TokenHeader); err != nil {
			return nil, err
		}
	}
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		return nil, fmt.Errorf("leeway %v is not between 0 and %v", c.Leeway, maxLeeway)
	}
	if c.Leeway == 0 {
		c.Leeway = defaultLeeway
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.SubjectClaim == "" {
		c.SubjectClaim = "sub"
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(c.Leeway),
		jwt.WithTimeFunc(c.Now),
		jwt.WithAudience(c.Audience),
	}
	if c.Issuer != "" {
		options = append(options, jwt.WithIssuer(c.Issuer))
	}
	return &bearer{
		header:       textproto.CanonicalMIMEHeaderKey(cmp.Or(c.TokenHeader, authorization)),
		parser:       jwt.NewParser(options...),
		algorithms:   algorithms,
		key:          key,
		subjectClaim: c.SubjectClaim,
		now:          c.Now,
	}, nil
}

type bearer struct {
	header       string
	parser       *jwt.Parser
	algorithms   []string
	key          keyFunc
	subjectClaim string
	now          func() time.Time
}

func (b *bearer) Authenticate(r *http.Request) (Caller, error) {
	text, err := b.token(r)
	if err != nil {
		return Caller{}, err
	}
	var claims claimSet
	var keyErr error // ours already, and quotes nothing of the token
	token, err := b.parser.ParseWithClaims(text, &claims, func(token *jwt.Token) (key any, err error) {
		key, keyErr = b.keyOf(r.Context(), token)
		return key, keyErr
	})
	switch {
	case keyErr != nil:
		return Caller{}, keyErr
	case err != nil:
		return Caller{}, b.reason(token, err)
	}
	return claims.caller(b.subjectClaim, b.now())
}

func (b *bearer) keyOf(ctx context.Context, token *jwt.Token) (any, error) {
	if _, ok := token.Header["crit"]; ok {
		return nil, ErrCritical
	}
	return b.key(ctx, token)
}

// reason turns the library's error into one of ours. Its text is dropped: it
// may quote the token.
func (b *bearer) reason(token *jwt.Token, err error) error {
	if errors.Is(err, jwt.ErrTokenMalformed) || token == nil {
		return ErrMalformed
	}
	if name, _ := token.Header["alg"].(string); !slices.Contains(b.algorithms, name) {
		return closer(ErrAlgorithm, "it is not signed with %s", strings.Join(b.algorithms, " or "))
	}
	for _, known := range []struct{ theirs, ours error }{
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYetValid},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
	} {
		if errors.Is(err, known.theirs) {
			return known.ours
		}
	}
	if ours, ok := errors.AsType[*refusal](err); ok { // of a getter of claimSet
		return ours
	}
	return ErrMalformed
}

const authorization = "Authorization"

// CheckTokenHeader reports why tokens cannot be read from a header of this name:
// letters, digits and hyphens. Cookies are never read, because browsers attach
// them to the requests of other sites, and Host is no header of ours to read.
func CheckTokenHeader(name string) error {
	if err := checkHeaderName(name); err != nil {
		return err
	}
	if strings.EqualFold(name, "Cookie") || strings.EqualFold(name, "Host") {
		return fmt.Errorf("header %s cannot hold a token", name)
	}
	return nil
}

// token returns the token in the one header that may hold it. Without a token the
// challenge has no error, as RFC 6750, 3.1 wants it.
func (b *bearer) token(r *http.Request) (string, error) {
	values := r.Header[b.header]
	if len(values) == 0 {
		send := "Send a JWT in the " + b.header + " header."
		return "", refuse(ErrMissing, "the header "+b.header+" is missing", send, challengeBearer)
	}
	if len(values) > 1 {
		why := "the header " + b.header + " is repeated"
		return "", refuse(ErrMalformed, why, "The "+b.header+" header is repeated. Send it once.", challengeOf(why))
	}
	token := values[0]
	scheme, rest, found := strings.Cut(token, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		token = strings.TrimLeft(rest, " ")
	case b.header == authorization:
		return "", refuse(ErrMalformed, "the scheme is not Bearer", `Send a JWT in the Authorization header, as "Bearer", a space and the token.`, challengeBearer)
	case found:
		return "", closer(ErrMalformed, "the header %s holds more than a token", b.header)
	}
	if len(token) > maxToken {
		return "", closer(ErrMalformed, "it is longer than %d bytes", maxToken)
	}
	// encoding/base64 skips line breaks, so one token could be written in many
	// ways.
	if strings.ContainsAny(token, "\r\n") {
		return "", ErrMalformed
	}
	return token, nil
}
