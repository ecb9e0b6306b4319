// Package rolecreds holds credentials together with their expiry, because a signed
// URL expires with the credentials that signed it, whatever the URL itself says.
//
// It promises that Expires is never later than the true expiry, as far as that can
// be known, and that printing or logging Credentials shows neither secret nor
// token. Function Compute hands a role's credentials to each invocation without
// saying when they expire ("Grant Function Compute permissions to access other
// Alibaba Cloud services"), so FromContext and Env assume a time that is near
// enough to be safe: ContextLife from now.
//
// It fetches nothing: package assumerole assumes a role.
//
// It imports signing, for which the credentials are.
package rolecreds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"ossupload/shared/signing"
)

// ContextLife is how long credentials of unknown age are used. They live 36 hours
// and are replaced long before they expire. unconfirmed (credentials.fc-renewal)
const ContextLife = 900 * time.Second

// ErrNone is returned by a Source that has no credentials to give.
var ErrNone = errors.New("no credentials")

// Credentials sign requests to Alibaba Cloud.
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string // empty for a permanent key
	// Expires is never later than the true expiry. Zero: a permanent key.
	Expires time.Time
}

// Source gives credentials that are valid now. Implementations are safe for
// concurrent use, and return ctx's error if it ends first.
type Source interface {
	Credentials(ctx context.Context) (Credentials, error)
}

// Remaining returns how long c may be used after now, negative if it has expired.
// It reports false, and no duration, if c does not expire.
func (c Credentials) Remaining(now time.Time) (time.Duration, bool) {
	if c.Expires.IsZero() {
		return 0, false
	}
	return wall(c.Expires).Sub(wall(now)), true
}

// Signing returns c as what signs. Its redaction is that of Credentials, too:
// however they are printed, logged or encoded, only the id of the key shows.
func (c Credentials) Signing() signing.Credentials {
	return signing.Credentials{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken}
}

// String names the key and nothing secret.
func (c Credentials) String() string { return c.Signing().String() }

// Format is String for every verb.
func (c Credentials) Format(f fmt.State, verb rune) { c.Signing().Format(f, verb) }

// LogValue is String, for log/slog.
func (c Credentials) LogValue() slog.Value { return c.Signing().LogValue() }

// MarshalText is String, for encoding/json and its like.
func (c Credentials) MarshalText() ([]byte, error) { return c.Signing().MarshalText() }

type contextKey struct{}

// NewContext returns a context that carries c, which Function Compute handed to
// this invocation, to FromContext.
func NewContext(ctx context.Context, c Credentials) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// FromContext gives the credentials that NewContext put into the context of the
// invocation.
type FromContext struct {
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Fallback is asked when the context holds none, as outside of Function
	// Compute or for a function without a role. Nil: ErrNone.
	Fallback Source
}

// Credentials implements Source.
func (f FromContext) Credentials(ctx context.Context) (Credentials, error) {
	c, _ := ctx.Value(contextKey{}).(Credentials)
	if c.AccessKeyID == "" && c.AccessKeySecret == "" {
		if f.Fallback == nil {
			return Credentials{}, fmt.Errorf("%w in the invocation", ErrNone)
		}
		return f.Fallback.Credentials(ctx)
	}
	return bound(c, "the invocation", f.Now)
}

// Env gives credentials of the environment variables ALIBABA_CLOUD_ACCESS_KEY_ID,
// ALIBABA_CLOUD_ACCESS_KEY_SECRET and, for those of a role,
// ALIBABA_CLOUD_SECURITY_TOKEN. It is for a function that is started by hand, or
// that gets its credentials in this way only: variables are fixed when the process
// starts, so prefer FromContext where there is an invocation.
type Env struct {
	// Lookup reads a variable. Nil: os.LookupEnv.
	Lookup func(string) (string, bool)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Credentials implements Source.
func (e Env) Credentials(context.Context) (Credentials, error) {
	lookup := e.Lookup
	if lookup == nil {
		lookup = os.LookupEnv
	}
	get := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	return bound(Credentials{
		AccessKeyID:     get("ALIBABA_CLOUD_ACCESS_KEY_ID"),
		AccessKeySecret: get("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
		SecurityToken:   get("ALIBABA_CLOUD_SECURITY_TOKEN"),
	}, "the environment", e.Now)
}

// bound gives a role's credentials an expiry, and refuses half a key.
func bound(c Credentials, origin string, now func() time.Time) (Credentials, error) {
	if c.AccessKeyID == "" || c.AccessKeySecret == "" {
		return Credentials{}, fmt.Errorf("%w in %s: access key id or secret is empty", ErrNone, origin)
	}
	if c.SecurityToken == "" {
		return c, nil
	}
	if now == nil {
		now = time.Now
	}
	end := wall(now()).Add(ContextLife)
	if c.Expires.IsZero() || end.Before(c.Expires) {
		c.Expires = end
	}
	return c, nil
}

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	maxName = 64 // characters
)

// CheckRoleARN refuses what is not the ARN of a role,
//
//	acs:ram::<account>:role/<name>
//
// whose account is digits and whose name is 1 to 64 letters, digits and . - _.
func CheckRoleARN(arn string) error {
	rest, isRAM := strings.CutPrefix(arn, "acs:ram::")
	account, name, isRole := strings.Cut(rest, ":role/")
	if !isRAM || !isRole || !madeOf(account, digits) || !madeOf(name, letters+digits+".-_") || len(name) > maxName {
		return fmt.Errorf("role ARN %q is not acs:ram::<account>:role/<name>", arn)
	}
	return nil
}

// madeOf reports whether s is not empty and holds characters of the alphabet only.
func madeOf(s, alphabet string) bool {
	return s != "" && strings.Trim(s, alphabet) == ""
}

// wall drops the monotonic reading of t. An instance may be frozen between
// requests, and the monotonic clock may stand still meanwhile: it would find more
// life left than there is.
func wall(t time.Time) time.Time { return t.Round(0) }
