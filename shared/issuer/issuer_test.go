package issuer_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/assumerole"
	"ossupload/shared/grant"
	"ossupload/shared/issuer"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// source gives what it was made with.
type source struct {
	credentials rolecreds.Credentials
	err         error
}

func (s source) Credentials(context.Context) (rolecreds.Credentials, error) {
	return s.credentials, s.err
}

// until are a role's credentials that end at a time; the zero time makes them a
// permanent key.
func until(end time.Time) rolecreds.Credentials {
	c := rolecreds.Credentials{AccessKeyID: "STS.id", AccessKeySecret: "secret", SecurityToken: "token", Expires: end}
	if end.IsZero() {
		c.AccessKeyID, c.SecurityToken = "LTAI5tId", ""
	}
	return c
}

// config is a sound one, for credentials of s and a clock that stands.
func config(t *testing.T, s rolecreds.Source, now time.Time) issuer.Config {
	t.Helper()
	endpoint := func(host string) signing.Endpoint {
		e, err := signing.ParseEndpoint(host, signing.VirtualHosted)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	return issuer.Config{
		Region: "cn-hangzhou", Uploads: endpoint("oss-cn-hangzhou.aliyuncs.com"), Downloads: endpoint("cdn.example.com"),
		Credentials: s, Keyring: keyring(t, rand.Reader), CallbackURL: "https://api.example.com/callback",
		MaxExpires: 7 * 24 * time.Hour, Now: func() time.Time { return now },
	}
}

var here = uploadtoken.Place{Bucket: "bucket", Prefix: "u/"}

func keyring(t *testing.T, random io.Reader) *uploadtoken.Keyring {
	t.Helper()
	k, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: []uploadtoken.Key{{ID: "k1", Secret: []byte("0123456789abcdef0123456789abcdef")}}, Place: here, Random: random,
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func made(t *testing.T, c issuer.Config) *issuer.Issuer {
	t.Helper()
	i, err := issuer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func newIssuer(t *testing.T, s rolecreds.Source, now time.Time) *issuer.Issuer {
	t.Helper()
	return made(t, config(t, s, now))
}

// issued is what every way to issue tells about time: what the answer says, and
// what is signed.
type issued struct {
	expires       int64
	expiresAt     time.Time
	signedAt      time.Time
	signedExpires int64
}

func fromURL(t *testing.T, signed string, expires int64, expiresAt time.Time) issued {
	t.Helper()
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse("20060102T150405Z", u.Query().Get("x-oss-date"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(u.Query().Get("x-oss-expires"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return issued{expires, expiresAt, at, n}
}

// ways are all ways to issue. Parts are never asked to live for any time.
var ways = []struct {
	name  string
	issue func(t *testing.T, i *issuer.Issuer, term issuer.Term) (issued, error)
}{
	{"a download", func(t *testing.T, i *issuer.Issuer, term issuer.Term) (issued, error) {
		got, err := i.Download(t.Context(), "bucket", "key", nil, term)
		if err != nil {
			return issued{}, err
		}
		return fromURL(t, got.URL, got.Expires, got.ExpiresAt), nil
	}},
	{"a PUT", func(t *testing.T, i *issuer.Issuer, term issuer.Term) (issued, error) {
		got, err := i.Put(t.Context(), granted(uploadtoken.Put), term)
		if err != nil {
			return issued{}, err
		}
		return fromURL(t, got.URL, got.Expires, got.ExpiresAt), nil
	}},
	{"a form", func(t *testing.T, i *issuer.Issuer, term issuer.Term) (issued, error) {
		got, err := i.Form(t.Context(), granted(uploadtoken.Form), term)
		if err != nil {
			return issued{}, err
		}
		fields := signing.Map(got.Fields)
		policy, err := base64.StdEncoding.DecodeString(fields["policy"])
		if err != nil {
			t.Fatal(err)
		}
		var p struct{ Expiration time.Time }
		if err := json.Unmarshal(policy, &p); err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse("20060102T150405Z", fields["x-oss-date"])
		if err != nil {
			t.Fatal(err)
		}
		return issued{got.Expires, got.ExpiresAt, at, int64(p.Expiration.Sub(at) / time.Second)}, nil
	}},
	{partURLs, func(t *testing.T, i *issuer.Issuer, term issuer.Term) (issued, error) {
		parts, err := i.Parts(t.Context(), uploadtoken.Claims{Place: here, Key: "key", UploadID: "id"}, term.NotAfter)
		if err != nil {
			return issued{}, err
		}
		first, err := parts.AppendURL(nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		return fromURL(t, string(first), parts.Expires, parts.ExpiresAt()), nil
	}},
}

const partURLs = "part URLs"

func granted(method uploadtoken.Method) grant.Grant {
	size := int64(5)
	return grant.Grant{
		Claims: uploadtoken.Claims{
			ID: "id", Method: method, Place: here, Key: "key", Subject: "s", Size: &size, MaxSize: 9, ContentType: "image/png",
			IssuedAt: noon.Unix(), ExpiresAt: noon.Add(time.Hour).Unix(),
		},
		Header: map[string]string{"Content-Type": "image/png"},
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*issuer.Config)
		ok     bool
	}{
		{"nothing missing", func(*issuer.Config) {}, true},
		{"a longest life of a second", func(c *issuer.Config) { c.MaxExpires = time.Second }, true},
		{"a shorter one", func(c *issuer.Config) { c.MaxExpires = time.Second - 1 }, false},
		{"no credentials", func(c *issuer.Config) { c.Credentials = nil }, false},
		{"no keyring", func(c *issuer.Config) { c.Keyring = nil }, false},
		{"no clock", func(c *issuer.Config) { c.Now = nil }, false},
		{"a callback that OSS cannot call", func(c *issuer.Config) { c.CallbackURL = "ftp://api.example.com/" }, false},
		{"no region", func(c *issuer.Config) { c.Region = "" }, false},
		{"no endpoint", func(c *issuer.Config) { c.Uploads = signing.Endpoint{} }, false},
		{"a bad endpoint of downloads", func(c *issuer.Config) { c.Downloads.Host = "" }, false},
	}
	for _, tt := range tests {
		c := config(t, source{credentials: role}, noon)
		tt.change(&c)
		if got, err := issuer.New(c); (err == nil) != tt.ok || (got != nil) != tt.ok {
			t.Errorf("New with %s = %v, %v, want ok %v", tt.name, got, err, tt.ok)
		}
	}
}

func TestDownload(t *testing.T) {
	query := map[string]string{"response-content-disposition": "attachment"}
	c := config(t, source{credentials: role}, noon)
	own := c
	own.Downloads = signing.Endpoint{}
	for host, c := range map[string]issuer.Config{"cdn.example.com": c, uploadHost: own} {
		got, err := made(t, c).Download(t.Context(), "bucket", "a key", query, issuer.Term{})
		want := presigned(t, host, signing.Request{Method: "GET", Bucket: "bucket", Key: "a key", Query: signing.Query(query)})
		if err != nil || got.Method != "GET" || got.URL != want {
			t.Errorf("Download = %s %s, %v\nwant GET %s", got.Method, got.URL, err, want)
		}
	}
}

func TestLifeIsTheLeastOfAllBounds(t *testing.T) {
	const none, sub = time.Duration(0), time.Nanosecond
	tests := []struct {
		name  string
		clock time.Duration // after noon
		end   time.Duration // of the credentials, after noon; none: they have none
		life  time.Duration // that was asked and that policy allows
		want  int64         // 0: refused as expiring
	}{
		{"what was asked", 0, time.Hour, 300 * time.Second, 300},
		{"one second", 0, time.Hour, time.Second, 1},
		{"what the credentials have left", 0, 1000 * time.Second, time.Hour, 1000},
		{"what both allow", 0, 1000 * time.Second, 1000 * time.Second, 1000},
		{"what was asked, with a permanent key", 0, none, 7 * 24 * time.Hour, 604800},
		{"a minute exactly", 0, 60 * time.Second, time.Hour, 60},
		{"less than the minute that is left", 0, 60 * time.Second, 10 * time.Second, 10},
		{"a second under a minute", 0, 59 * time.Second, time.Hour, 0},
		{"a second under a minute, although less was asked", 0, 59 * time.Second, 10 * time.Second, 0},
		{"an instant under a minute", 0, 60*time.Second - sub, time.Hour, 0},
		{"credentials that end now", 0, sub, time.Hour, 0},
		{"credentials that have ended", 0, -time.Hour, time.Hour, 0},

		{"a clock between seconds", 700 * time.Millisecond, 1000 * time.Second, time.Hour, 1000},
		{"a clock between minutes", 59 * time.Second, 1059 * time.Second, time.Hour, 1000},
		{"an end between seconds", 0, 1000*time.Second + 999*time.Millisecond, time.Hour, 1000},
		{"both between seconds", 700 * time.Millisecond, 1000*time.Second + 300*time.Millisecond, time.Hour, 1000},
		{"a minute exactly, between seconds", 700 * time.Millisecond, 60*time.Second + 700*time.Millisecond, time.Hour, 60},
		{"under a minute, between seconds", 700 * time.Millisecond, 60*time.Second + 700*time.Millisecond - sub, time.Hour, 0},
		{"under a minute by the clock's fraction", sub, 60 * time.Second, time.Hour, 0},
	}
	for _, way := range ways {
		for _, tt := range tests {
			if way.name == partURLs && tt.life < 900*time.Second {
				continue // parts are not asked to live for less
			}
			t.Run(way.name+" lives for "+tt.name, func(t *testing.T) {
				clock := noon.Add(tt.clock)
				var end time.Time
				if tt.end != none {
					end = noon.Add(tt.end)
				}
				// The zone of the clock has no say.
				i := newIssuer(t, source{credentials: until(end)}, clock.In(time.FixedZone("", 8*3600)))
				asked, want := int64(tt.life/time.Second), tt.want
				if way.name == partURLs {
					want = min(want, 900)
				}
				got, err := way.issue(t, i, issuer.Term{Asked: &asked})
				if tt.want == 0 {
					if !errors.Is(err, issuer.ErrExpiring) {
						t.Errorf("err = %v, want %v", err, issuer.ErrExpiring)
					}
					return
				}
				if err != nil {
					t.Fatalf("err = %v, want nil", err)
				}
				if got.expires != want || got.signedExpires != want {
					t.Errorf("expires = %d, signed for %d; want %d", got.expires, got.signedExpires, want)
				}
				checkTruth(t, got, clock, end)
			})
		}
	}
}

// checkTruth holds that expiresAt is when the signature ends, and that the
// credentials have not ended before.
func checkTruth(t *testing.T, got issued, clock, end time.Time) {
	t.Helper()
	if got.signedAt.After(clock) || clock.Sub(got.signedAt) >= time.Second {
		t.Errorf("signed at %v, want the second of %v", got.signedAt, clock)
	}
	if want := got.signedAt.Add(time.Duration(got.signedExpires) * time.Second); !got.expiresAt.Equal(want) {
		t.Errorf("expiresAt = %v, want date and life that are signed, %v", got.expiresAt, want)
	}
	if !end.IsZero() && got.expiresAt.After(end) {
		t.Errorf("expiresAt = %v, after the end of the credentials at %v", got.expiresAt, end)
	}
}

// Whatever fractions clock and credentials have, nothing outlives the
// credentials.
func TestNothingOutlivesTheCredentials(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			const step = 125 * time.Millisecond
			for clock := time.Duration(0); clock < time.Second; clock += step {
				for end := 59 * time.Second; end < 63*time.Second; end += step {
					now, ends := noon.Add(clock), noon.Add(end)
					got, err := way.issue(t, newIssuer(t, source{credentials: until(ends)}, now), issuer.Term{Asked: new(int64(3600))})
					if enough := ends.Sub(now) >= time.Minute; enough != (err == nil) {
						t.Fatalf("with %v left err = %v", ends.Sub(now), err)
					}
					if err != nil {
						continue
					}
					checkTruth(t, got, now, ends)
					if lost := ends.Sub(got.expiresAt); lost >= time.Second {
						t.Errorf("with %v left the end is %v early, want under a second", ends.Sub(now), lost)
					}
				}
			}
		})
	}
}

func TestNothingIsIssuedWithoutCredentials(t *testing.T) {
	refused := errors.New("no credentials today")
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			_, err := way.issue(t, newIssuer(t, source{err: refused}, time.Now()), issuer.Term{})
			if !errors.Is(err, refused) {
				t.Errorf("err = %v, want that of the source", err)
			}
		})
	}
}

// What was asked, or the usual life, is cut to what policy allows, whatever is
// issued.
func TestLifeIsCapped(t *testing.T) {
	tests := []struct {
		most  time.Duration
		asked *int64
		want  int64 // of parts: with nothing asked
	}{
		{time.Hour, nil, 900},
		{900 * time.Second, nil, 900},
		{899 * time.Second, nil, 899},
		{time.Minute, nil, 60},
		{90*time.Second + 999*time.Millisecond, nil, 90},
		{time.Hour, new(int64(3599)), 3599},
		{time.Hour, new(int64(3601)), 3600},
		{time.Hour, new(int64(math.MaxInt64)), 3600},
	}
	for _, way := range ways {
		for _, tt := range tests {
			if way.name == partURLs && tt.asked != nil {
				continue
			}
			c := config(t, source{credentials: until(time.Time{})}, noon)
			c.MaxExpires = tt.most
			got, err := way.issue(t, made(t, c), issuer.Term{Asked: tt.asked})
			if err != nil || got.expires != tt.want || got.signedExpires != tt.want {
				t.Errorf("%s of at most %v lives for %d s, signed for %d, %v, want %d", way.name, tt.most, got.expires, got.signedExpires, err, tt.want)
			}
		}
	}
}

func TestNoLifeIsRefused(t *testing.T) {
	i := newIssuer(t, source{credentials: until(time.Time{})}, time.Now())
	for _, asked := range []int64{0, -1, math.MinInt64 / int64(time.Second)} {
		if _, err := i.Download(t.Context(), "bucket", "key", nil, issuer.Term{Asked: &asked}); !errors.Is(err, signing.ErrExpires) {
			t.Errorf("Download for %d s = %v, want %v", asked, err, signing.ErrExpires)
		}
	}
}

// Nothing outlives the caller's own proof, whatever else would allow it.
func TestNothingOutlivesTheCaller(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name  string
		clock time.Duration // after noon
		end   time.Duration // of the proof, after noon
		want  int64         // 0: refused
	}{
		{"less than was asked", 0, 300 * time.Second, 300},
		{"as much as was asked", 0, 900 * time.Second, 900},
		{"more than was asked", 0, time.Hour, 900},
		{"a second", 0, time.Second, 1},
		{"under a second", 0, time.Second - 1, 0},
		{"now", 0, 0, 0},
		{"before now, within the leeway", 0, -29 * time.Second, 0},
		{"a clock between seconds", 700 * ms, 10 * time.Second, 10},
		{"a second, by the clock's second", 999 * ms, time.Second, 1},
		{"an end between seconds", 0, 1999 * ms, 1},
	}
	for _, way := range ways {
		for _, tt := range tests {
			t.Run(way.name+" ends "+tt.name, func(t *testing.T) {
				clock, end := noon.Add(tt.clock), noon.Add(tt.end)
				got, err := way.issue(t, newIssuer(t, source{credentials: until(noon.Add(2 * time.Hour))}, clock), issuer.Term{Asked: new(int64(900)), NotAfter: end})
				if tt.want == 0 {
					answer, ok := errors.AsType[*api.Error](err)
					if !ok || answer.Code != api.Unauthenticated || !strings.HasPrefix(answer.Challenge, `Bearer error="invalid_token"`) || answer.RetryAfter != 0 {
						t.Errorf("err = %v, want %s with a challenge", err, api.Unauthenticated)
					}
					return
				}
				if err != nil || got.expires != tt.want || got.signedExpires != tt.want {
					t.Fatalf("lives for %d s, signed for %d, %v, want %d", got.expires, got.signedExpires, err, tt.want)
				}
				checkTruth(t, got, clock, end)
			})
		}
	}
}

// Credentials that take their time take it from the caller's.
func TestTheCallerEndsWhileCredentialsAreFetched(t *testing.T) {
	for _, way := range ways {
		for took, want := range map[time.Duration]int64{0: 30, 20 * time.Second: 10, 29 * time.Second: 1, 30 * time.Second: 0} {
			clock := noon
			c := config(t, slow(func() rolecreds.Credentials { clock = clock.Add(took); return until(noon.Add(time.Hour)) }), noon)
			c.Now = func() time.Time { return clock }
			got, err := way.issue(t, made(t, c), issuer.Term{NotAfter: noon.Add(30 * time.Second)})
			if answer, ok := errors.AsType[*api.Error](err); want == 0 && (!ok || answer.Code != api.Unauthenticated) {
				t.Errorf("%s after %v = %v, want %s", way.name, took, err, api.Unauthenticated)
			}
			if got.expires != want || want > 0 && (err != nil || got.expiresAt.After(noon.Add(30*time.Second))) {
				t.Errorf("%s after %v lives for %d s until %v, %v; want %d", way.name, took, got.expires, got.expiresAt, err, want)
			}
		}
	}
}

// slow is a source that takes its time.
type slow func() rolecreds.Credentials

func (s slow) Credentials(context.Context) (rolecreds.Credentials, error) { return s(), nil }

// What a client is told while there are no credentials to sign with.
func TestReasonsCarryTheirAnswer(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want api.Code
	}{
		{issuer.ErrExpiring, api.CredentialsExpiring},
		{assumerole.ErrUnavailable, api.Throttled},
		{assumerole.ErrThrottled, api.Throttled},
	} {
		var got *api.Error
		if err := fmt.Errorf("issuing: %w", tt.err); !errors.As(err, &got) || got.Code != tt.want || got.RetryAfter < time.Second || got.RetryAfter > 30*time.Second || got.Message == "" {
			t.Errorf("the answer to %v = %+v, want %s with a message and when to try again, which is soon", err, got, tt.want)
		}
	}
	// Nothing that will not mend itself asks clients to try again.
	for _, err := range []error{assumerole.ErrDenied, rolecreds.ErrNone} {
		if got, ok := errors.AsType[*api.Error](err); ok {
			t.Errorf("the answer to %v = %+v, want none", err, got)
		}
	}
}
