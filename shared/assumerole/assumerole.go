// Package assumerole gives a role's credentials with a known expiry, obtained from
// STS (AssumeRole, version 2015-04-01) through credentials-go. It is the only
// package that knows that module, and keeps its sharp edges from the others:
//
//   - it does not say when credentials expire, so the expiry is computed here: the
//     time before the call plus the requested duration, less a minute;
//   - its errors print answers and URLs with tokens and signatures, so none is
//     wrapped or logged: there are ErrDenied, ErrThrottled and ErrUnavailable,
//     with texts of our own;
//   - it panics when an answer lacks a field, which becomes ErrUnavailable;
//   - it makes a transport for each call and never closes it, so connections are
//     closed after each call, see New;
//   - it takes no context, so a request that cannot wait leaves the call behind,
//     and the call ends by its own timeouts;
//   - it fills empty fields from ALIBABA_CLOUD_* variables, so none is left empty.
//     HTTPS_PROXY works as in every Go program: a tunnel, at whose end the
//     certificate must still be that of the endpoint.
//
// A Source renews its credentials at half of their life, in the request that
// notices, because nothing runs while an instance is frozen between requests. One
// call serves all requests that wait for it. While the old credentials live, a
// failing or slow STS delays a request by a second at most.
//
// A known gap: credentials-go reads an answer of any length.
//
// It imports rolecreds for what it returns, fetchonce to call once for all who wait,
// netcause for an error without a URL, and trace for the time that STS took.
package assumerole

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"ossupload/shared/api"
	"ossupload/shared/rolecreds"
)

// Reasons why there are no credentials.
var (
	// ErrDenied: STS refuses, and will until a permission or the configuration is
	// changed.
	ErrDenied = errors.New("role may not be assumed")
	// ErrThrottled: too many calls were made in this account.
	ErrThrottled = &api.Error{Code: api.Throttled, Message: "The role service is busy. Try again.", RetryAfter: soon, Log: "role service is throttling"}
	// ErrUnavailable: no usable answer from STS in time.
	ErrUnavailable = &api.Error{Code: api.Throttled, Message: "The role service does not answer at the moment. Try again.", RetryAfter: soon, Log: "role service is unavailable"}
)

// soon is when a client should try again.
const soon = 5 * time.Second

// Durations that STS accepts; a role's own maximum may be lower.
const (
	MinDuration     = 900 * time.Second
	MaxDuration     = 43200 * time.Second
	defaultDuration = 3600 * time.Second
)

const (
	maxPolicy  = 2048 // characters, "AssumeRole"
	minSession = 2
	maxSession = 64
	margin     = time.Minute

	// Alphabets, because a regular expression would cost every cold start.
	regionAlphabet  = "abcdefghijklmnopqrstuvwxyz0123456789-"
	sessionAlphabet = regionAlphabet + "ABCDEFGHIJKLMNOPQRSTUVWXYZ.@_"
)

// limits are how long things may take.
type limits struct {
	connect, read time.Duration // of a call
	// patience is how long a request that could use old credentials waits for
	// the renewal that it began.
	patience time.Duration
}

// Config says which role is assumed, and how.
type Config struct {
	// Base signs the calls, for instance with the function's own role, which
	// must be allowed sts:AssumeRole and be trusted by the role.
	Base rolecreds.Source
	// RoleARN must satisfy rolecreds.CheckRoleARN.
	RoleARN string
	// SessionName is 2 to 64 letters, digits and . @ - _, and is what the
	// logs of ActionTrail and OSS show. Empty: ossupload.
	SessionName string
	// Duration is whole seconds, MinDuration to MaxDuration. Zero: an hour.
	Duration time.Duration
	// Endpoint is host[:port] or an https URL of STS. Empty: that of Region.
	Endpoint string
	Region   string
	// Policy narrows the role for this session. Empty: all that the role may.
	Policy string
	// CAFile is a PEM file of authorities that are trusted besides the
	// system's, see New. Empty: none.
	CAFile string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Log gets a line for each renewal that failed while old credentials served.
	// Nil: discard.
	Log *slog.Logger
}

// Source gives the role's credentials. It is safe for concurrent use.
type Source struct{ renewal *renewal }

var _ rolecreds.Source = (*Source)(nil)

// New checks c, and makes no call.
//
// It has side effects on the whole process: credentials-go can be given neither a
// transport nor TLS settings, but copies http.DefaultTransport for each call. So
// http.DefaultTransport no longer keeps connections, and with a CAFile it trusts
// those authorities too. A file's content is added once. New must therefore not
// run at the same time as other uses of http.DefaultTransport when it runs for the
// first time or gets a CAFile for the first time: call it at start. It fails if the
// file cannot be read or holds no certificate.
func New(c Config) (*Source, error) {
	return newSource(c, limits{connect: 2 * time.Second, read: 4 * time.Second, patience: time.Second})
}

func newSource(c Config, l limits) (*Source, error) {
	call := &call{
		base:        c.Base,
		roleARN:     c.RoleARN,
		sessionName: c.SessionName,
		duration:    c.Duration,
		policy:      c.Policy,
		now:         c.Now,
		limits:      l,
	}
	if call.sessionName == "" {
		call.sessionName = "ossupload"
	}
	if call.duration == 0 {
		call.duration = defaultDuration
	}
	if call.now == nil {
		call.now = time.Now
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := call.check(); err != nil {
		return nil, err
	}
	closeConnections()
	var err error
	if call.endpoint, err = endpointHost(c.Endpoint, c.Region); err != nil {
		return nil, err
	}
	if c.CAFile != "" {
		if err := trust(c.CAFile); err != nil {
			return nil, fmt.Errorf("trusting STS CA file %q: %w", c.CAFile, err)
		}
	}
	return &Source{newRenewal(call.assume, call.now, log, l.patience)}, nil
}

// check refuses what STS would refuse, but for the endpoint.
func (c *call) check() error {
	if err := rolecreds.CheckRoleARN(c.roleARN); err != nil {
		return err
	}
	switch {
	case c.base == nil:
		return errors.New("role needs base credentials to be assumed with")
	case len(c.sessionName) < minSession || len(c.sessionName) > maxSession || strings.Trim(c.sessionName, sessionAlphabet) != "":
		return fmt.Errorf("session name %q is not %d to %d letters, digits and .@-_", c.sessionName, minSession, maxSession)
	case c.duration < MinDuration || c.duration > MaxDuration || c.duration%time.Second != 0:
		return fmt.Errorf("role duration %v is not %v to %v in whole seconds", c.duration, MinDuration, MaxDuration)
	case utf8.RuneCountInString(c.policy) > maxPolicy:
		return fmt.Errorf("session policy is longer than %d characters", maxPolicy)
	}
	return nil
}

// Credentials implements rolecreds.Source. Its errors match ErrDenied,
// ErrThrottled, ErrUnavailable or an error of Config.Base, and that of ctx if it
// ended the wait.
func (s *Source) Credentials(ctx context.Context) (rolecreds.Credentials, error) {
	return s.renewal.Credentials(ctx)
}

// endpointHost is host[:port] of STS. The scheme is always https.
func endpointHost(endpoint, region string) (string, error) {
	if endpoint == "" {
		if region == "" || strings.Trim(region, regionAlphabet) != "" {
			return "", fmt.Errorf("region %q names no STS endpoint", region)
		}
		return "sts." + region + ".aliyuncs.com", nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme == "" || u.Host == "" {
		u, err = url.Parse("https://" + endpoint)
	}
	// Whatever else a URL can have, user, path, query, fragment, is nothing that
	// credentials-go could be told.
	if err != nil || u.Hostname() == "" || strings.TrimSuffix(u.String(), "/") != "https://"+u.Host {
		return "", errors.New("STS endpoint is not host[:port] or an https URL without path")
	}
	return u.Host, nil
}
