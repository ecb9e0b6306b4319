package callerauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxToken      = 8 << 10 // bytes
	defaultLeeway = 5 * time.Second
	maxLeeway     = 5 * time.Minute
)

// JWTConfig says which tokens are accepted.
type JWTConfig struct {
	// Secret is shared with the issuer: at least 32 bytes.
	Secret []byte
	// Algorithms is the pinned set, of HS256, HS384 and HS512. Empty: HS256.
	Algorithms []string
	// Issuer and Audience must match if they are not empty. The token's aud
	// may be a string or an array that holds Audience. With an empty Audience
	// the token's is ignored.
	Issuer, Audience string
	// SubjectClaim is the top-level claim that holds the identity. Empty: sub.
	SubjectClaim string
	// Leeway is for clocks that differ, at most 5 minutes. Zero: 5 seconds.
	Leeway time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// NewJWT returns an Authenticator for tokens in the Authorization header, scheme
// Bearer (RFC 6750, 2.1; RFC 7519), signed with a shared secret. A token must
// have an exp; nbf and iat, if present, must not lie in the future.
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
	}
	if c.Issuer != "" {
		options = append(options, jwt.WithIssuer(c.Issuer))
	}
	if c.Audience != "" {
		options = append(options, jwt.WithAudience(c.Audience))
	}
	return &bearer{
		parser:       jwt.NewParser(options...),
		algorithms:   algorithms,
		key:          key,
		subjectClaim: c.SubjectClaim,
	}, nil
}

type bearer struct {
	parser       *jwt.Parser
	algorithms   []string
	key          keyFunc
	subjectClaim string
}

func (b *bearer) Authenticate(r *http.Request) (Caller, error) {
	text, err := bearerToken(r)
	if err != nil {
		return Caller{}, err
	}
	claims := make(claimSet)
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
	return claims.caller(b.subjectClaim)
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
		return ErrAlgorithm
	}
	for _, known := range []struct{ theirs, ours error }{
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYetValid},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{ErrIssuer, ErrIssuer},
		{ErrAudience, ErrAudience},
		{ErrClaim, ErrClaim},
	} {
		if errors.Is(err, known.theirs) {
			return known.ours
		}
	}
	return ErrUnauthenticated
}

// bearerToken returns what follows the scheme in the one Authorization header.
func bearerToken(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", ErrMissing
	}
	if len(values) > 1 {
		return "", fmt.Errorf("%w: Authorization is repeated", ErrMalformed)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", fmt.Errorf("%w: scheme is not Bearer", ErrMalformed)
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > maxToken {
		return "", fmt.Errorf("%w: token is longer than %d bytes", ErrMalformed, maxToken)
	}
	// encoding/base64 skips line breaks, so one token could be written in many
	// ways.
	if strings.ContainsAny(token, "\r\n") {
		return "", ErrMalformed
	}
	return token, nil
}
