package rolecreds_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func now() time.Time { return noon }

var role = rolecreds.Credentials{AccessKeyID: "STS.id", AccessKeySecret: "role-secret", SecurityToken: "role-token"}

// fixed is a Source that always gives the same.
type fixed rolecreds.Credentials

func (f fixed) Credentials(context.Context) (rolecreds.Credentials, error) {
	return rolecreds.Credentials(f), nil
}

func checkNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, s := range []string{role.AccessKeySecret, role.SecurityToken} {
		if strings.Contains(text, s) {
			t.Errorf("%s shows %q: %s", what, s, text)
		}
	}
}

func TestFromContext(t *testing.T) {
	with := func(change func(*rolecreds.Credentials)) rolecreds.Credentials {
		c := role
		change(&c)
		return c
	}
	fallback := fixed{AccessKeyID: "fallback", AccessKeySecret: "s"}
	for _, c := range []struct {
		name     string
		have     *rolecreds.Credentials
		fallback rolecreds.Source
		want     rolecreds.Credentials
		err      error
	}{
		{
			"a role's credentials end after ContextLife", &role, fallback,
			with(func(c *rolecreds.Credentials) { c.Expires = noon.Add(rolecreds.ContextLife) }), nil,
		},
		{
			"an earlier end is kept",
			new(with(func(c *rolecreds.Credentials) { c.Expires = noon.Add(time.Minute) })), nil,
			with(func(c *rolecreds.Credentials) { c.Expires = noon.Add(time.Minute) }), nil,
		},
		{
			"a later end is not believed",
			new(with(func(c *rolecreds.Credentials) { c.Expires = noon.Add(time.Hour) })), nil,
			with(func(c *rolecreds.Credentials) { c.Expires = noon.Add(rolecreds.ContextLife) }), nil,
		},
		{
			"a permanent key has no end",
			new(with(func(c *rolecreds.Credentials) { c.SecurityToken = "" })), nil,
			with(func(c *rolecreds.Credentials) { c.SecurityToken = "" }), nil,
		},
		{"nothing in the context asks the fallback", nil, fallback, rolecreds.Credentials(fallback), nil},
		{"empty ones in the context ask the fallback", new(rolecreds.Credentials{}), fallback, rolecreds.Credentials(fallback), nil},
		{"nothing and no fallback", nil, nil, rolecreds.Credentials{}, rolecreds.ErrNone},
		{
			"an id without secret does not ask the fallback",
			new(with(func(c *rolecreds.Credentials) { c.AccessKeySecret = "" })), fallback,
			rolecreds.Credentials{}, rolecreds.ErrNone,
		},
		{
			"a secret without id does not ask the fallback",
			new(with(func(c *rolecreds.Credentials) { c.AccessKeyID = "" })), fallback,
			rolecreds.Credentials{}, rolecreds.ErrNone,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.have != nil {
				ctx = rolecreds.NewContext(ctx, *c.have)
			}
			got, err := rolecreds.FromContext{Now: now, Fallback: c.fallback}.Credentials(ctx)
			if !errors.Is(err, c.err) || got != c.want {
				t.Errorf("Credentials() = %v, %v, want %v, %v", got, err, c.want, c.err)
			}
			if err != nil {
				checkNoSecret(t, "error", err.Error())
			}
		})
	}
}

func TestEnv(t *testing.T) {
	const id, secret, token = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"
	bounded := role
	bounded.Expires = noon.Add(rolecreds.ContextLife)
	permanent := role
	permanent.SecurityToken = ""
	for _, c := range []struct {
		name string
		env  map[string]string
		want rolecreds.Credentials
		err  error
	}{
		{"with a token", map[string]string{id: "STS.id", secret: "role-secret", token: "role-token"}, bounded, nil},
		{"without a token", map[string]string{id: "STS.id", secret: "role-secret"}, permanent, nil},
		{"with an empty token", map[string]string{id: "STS.id", secret: "role-secret", token: ""}, permanent, nil},
		{"without an id", map[string]string{secret: "role-secret", token: "role-token"}, rolecreds.Credentials{}, rolecreds.ErrNone},
		{"without a secret", map[string]string{id: "STS.id", token: "role-token"}, rolecreds.Credentials{}, rolecreds.ErrNone},
		{"empty", nil, rolecreds.Credentials{}, rolecreds.ErrNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			lookup := func(name string) (string, bool) {
				value, ok := c.env[name]
				return value, ok
			}
			got, err := rolecreds.Env{Lookup: lookup, Now: now}.Credentials(t.Context())
			if !errors.Is(err, c.err) || got != c.want {
				t.Errorf("Credentials() = %v, %v, want %v, %v", got, err, c.want, c.err)
			}
			if err != nil {
				checkNoSecret(t, "error", err.Error())
			}
		})
	}

	t.Run("the zero Env reads the process's environment and clock", func(t *testing.T) {
		t.Setenv(id, "STS.id")
		t.Setenv(secret, "role-secret")
		t.Setenv(token, "role-token")
		before := time.Now()
		got, err := rolecreds.Env{}.Credentials(t.Context())
		if left, ok := got.Remaining(before); err != nil || !ok || left < rolecreds.ContextLife-time.Second {
			t.Errorf("Credentials() = %v, %v, want ContextLife from now", got, err)
		}
	})
}

func TestRemaining(t *testing.T) {
	for _, c := range []struct {
		name    string
		expires time.Time
		want    time.Duration
		ok      bool
	}{
		{"a permanent key", time.Time{}, 0, false},
		{"one second ahead", noon.Add(time.Second), time.Second, true},
		{"now", noon, 0, true},
		{"one second ago", noon.Add(-time.Second), -time.Second, true},
		{"in another zone", noon.In(time.FixedZone("CST", 8*3600)).Add(time.Minute), time.Minute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := rolecreds.Credentials{Expires: c.expires}.Remaining(noon)
			if got != c.want || ok != c.ok {
				t.Errorf("Remaining() = %v, %v, want %v, %v", got, ok, c.want, c.ok)
			}
		})
	}

	t.Run("the wall clock decides, not the monotonic one", func(t *testing.T) {
		got, err := rolecreds.FromContext{}.Credentials(rolecreds.NewContext(t.Context(), role))
		if err != nil {
			t.Fatal(err)
		}
		if got.Expires != got.Expires.Round(0) {
			t.Error("Expires holds a monotonic reading")
		}
	})
}

func TestNothingSecretIsPrinted(t *testing.T) {
	c := role
	c.Expires = noon
	var log bytes.Buffer
	for _, l := range []*slog.Logger{
		slog.New(slog.NewJSONHandler(&log, nil)), slog.New(slog.NewTextHandler(&log, nil)),
	} {
		l.Info("test", "credentials", c, "pointer", &c)
	}
	checkNoSecret(t, "slog", log.String())
	if !strings.Contains(log.String(), "STS.id") {
		t.Errorf("slog does not name the key: %s", log.String())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		checkNoSecret(t, verb, fmt.Sprintf(verb, c))
		checkNoSecret(t, verb+" of a pointer", fmt.Sprintf(verb, &c))
		checkNoSecret(t, verb+" in a slice", fmt.Sprintf(verb, []rolecreds.Credentials{c}))
	}
	for _, verb := range []string{"%d", "%x", "%T of %[1]v"} {
		checkNoSecret(t, verb, fmt.Sprintf(verb, c))
	}
	encoded, err := json.Marshal(map[string]any{"value": c, "pointer": &c})
	if err != nil {
		t.Fatal(err)
	}
	checkNoSecret(t, "JSON", string(encoded))
	if got, want := c.String(), `access key "STS.id"`; got != want || fmt.Sprint(c) != want {
		t.Errorf("String() = %q, printed %v, want %q", got, c, want)
	}
}

func TestSigning(t *testing.T) {
	if got, want := role.Signing(), (signing.Credentials{AccessKeyID: "STS.id", AccessKeySecret: "role-secret", SecurityToken: "role-token"}); got != want {
		t.Error("Signing lacks a part of the credentials")
	}
}

func TestCheckRoleARN(t *testing.T) {
	const longest = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	for _, c := range []struct {
		name, arn string
		ok        bool
	}{
		{"a role", "acs:ram::1234567890123456:role/upload", true},
		{"an account of one digit", "acs:ram::0:role/upload", true},
		{"a name of one letter", "acs:ram::1:role/u", true},
		{"a name of 64 characters", "acs:ram::1:role/" + longest, true},
		{"a dot in the name", "acs:ram::1:role/.", true},

		{"nothing", "", false},
		{"a user", "acs:ram::1:user/x", false},
		{"another service", "acs:oss::1:role/x", false},
		{"a region", "acs:ram:cn-hangzhou:1:role/x", false},
		{"text before", " acs:ram::1:role/x", false},
		{"no account", "acs:ram:::role/x", false},
		{"an account of letters", "acs:ram::x:role/x", false},
		{"an account of other digits", "acs:ram::\u0661:role/x", false},
		{"no name", "acs:ram::1:role/", false},
		{"no role", "acs:ram::1", false},
		{"a name of 65 characters", "acs:ram::1:role/" + longest + "x", false},
		{"a path", "acs:ram::1:role/a/b", false},
		{"a name of every role", "acs:ram::1:role/*", false},
		{"an umlaut in the name", "acs:ram::1:role/\u00e4", false},
		{"two roles", "acs:ram::1:role/x:role/x", false},
		{"a line break", "acs:ram::1:role/x\n", false},
		{"a byte that is not UTF-8", "acs:ram::1:role/x\xff", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := rolecreds.CheckRoleARN(c.arn); (err == nil) != c.ok {
				t.Errorf("CheckRoleARN(%q) = %v, want ok %v", c.arn, err, c.ok)
			}
		})
	}
}
