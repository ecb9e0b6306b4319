package callerauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/fetchonce"
	"ossupload/shared/secureurl"
)

// JWKSConfig says which tokens are accepted from an issuer that publishes its keys.
type JWKSConfig struct {
	// URL is of the issuer's JSON Web Key Set. HTTPS, or plain on loopback.
	URL string
	// Algorithms is the pinned set, of RS256, ES256 and EdDSA. Empty: all.
	Algorithms []string
	// Audience must be in the token's aud, and Issuer be its iss. Both are
	// required: an issuer's keys sign for all of its applications, and one URL
	// may publish the keys of several issuers.
	Issuer, Audience string
	// SubjectClaim is the top-level claim that holds the identity. Empty: sub.
	SubjectClaim string
	// TokenHeader is as in JWTConfig.
	TokenHeader string
	// Leeway is for clocks that differ, at most 5 minutes. Zero: 30 seconds.
	Leeway time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Client fetches the keys; it is copied, and the copy follows no redirects
	// and keeps no cookies. Nil: one that uses no proxy either.
	Client *http.Client
	// Log gets a line for each fetch. Nil: discard.
	Log *slog.Logger
}

// NewJWKS returns an Authenticator for tokens in the Authorization header, scheme
// Bearer, signed with one of the keys that an issuer publishes (RFC 7517). A
// token must otherwise meet the same conditions as for NewJWT.
//
// The key is the one that the token's kid names, or the only one that fits if it
// names none. Keys in a token count for nothing: jku, jwk, x5u and x5c in its
// header are ignored. Keys of 2048-bit RSA or more, P-256 and Ed25519 are used,
// each with the one algorithm of its type; all others in the set are ignored.
//
// Keys are fetched when the first token arrives, renewed after 10 minutes or as
// long as the answer's max-age says (a minute to an hour), and once a minute at
// most if a token names an unknown one. While they cannot be renewed the old
// ones serve for up to 24 hours after their fetch; without any the error matches
// ErrKeys. A set without a usable key replaces the old one like any other: the
// issuer may withdraw its keys.
func NewJWKS(c JWKSConfig) (Authenticator, error) {
	algorithms := []string{jwt.SigningMethodRS256.Alg(), jwt.SigningMethodES256.Alg(), jwt.SigningMethodEdDSA.Alg()}
	for _, name := range c.Algorithms {
		if !slices.Contains(algorithms, name) {
			return nil, fmt.Errorf("algorithm %q is not one of RS256, ES256, EdDSA", name)
		}
	}
	if len(c.Algorithms) > 0 {
		algorithms = slices.Clone(c.Algorithms)
	}
	if c.Issuer == "" {
		return nil, errors.New("issuer is required with published keys")
	}
	cache, err := newKeyCache(c)
	if err != nil {
		return nil, err
	}
	config := JWTConfig{
		Issuer: c.Issuer, Audience: c.Audience, SubjectClaim: c.SubjectClaim,
		TokenHeader: c.TokenHeader, Leeway: c.Leeway, Now: c.Now,
	}
	return newBearer(config, algorithms, cache.keyOf)
}

// keyOf returns the published key that a token must be verified with.
func (c *keyCache) keyOf(ctx context.Context, token *jwt.Token) (any, error) {
	var id *string
	if value, ok := token.Header["kid"]; ok {
		name, ok := value.(string)
		if !ok {
			return nil, closer(ErrMalformed, "kid is not a string")
		}
		id = &name
	}
	set, err := c.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return set.key(token.Method.Alg(), id)
}

func newKeyCache(c JWKSConfig) (*keyCache, error) {
	u, err := secureurl.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("URL of the keys %w", err)
	}
	cache := &keyCache{
		url:  c.URL,
		name: u.Scheme + "://" + u.Host + u.EscapedPath(),
		log:  c.Log,
	}
	if cache.log == nil {
		cache.log = slog.New(slog.DiscardHandler)
	}
	// A copy, because the rules hold for a caller's client too.
	client := http.Client{Transport: &http.Transport{
		Proxy:                  nil, // the environment has no say in whom we trust
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}}
	if c.Client != nil {
		client = *c.Client
	}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cache.client = &client
	cache.keys = fetchonce.New(fetchonce.Config[published]{
		Fetch: cache.fetch, Timeout: fetchTimeout, Now: c.Now, Report: cache.report,
	})
	return cache, nil
}
