package assumerole_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/assumerole"
	"ossupload/shared/rolecreds"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is one that tests turn.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: noon} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(sinceNoon time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = noon.Add(sinceNoon)
}

// fixed is a Source that always gives the same, or fails.
type fixed struct {
	c   rolecreds.Credentials
	err error
}

func (f fixed) Credentials(context.Context) (rolecreds.Credentials, error) { return f.c, f.err }

func (s *sts) config(c *clock) assumerole.Config {
	return assumerole.Config{
		Base: fixed{c: base}, RoleARN: roleARN, Endpoint: s.URL, CAFile: s.caFile, Now: c.now,
	}
}

// newSource returns a source that waits for STS as long as a slow machine takes.
func newSource(t *testing.T, c assumerole.Config) *assumerole.Source {
	t.Helper()
	source, err := assumerole.NewWithin(c, time.Minute, time.Minute, time.Minute)
	if err != nil {
		t.Fatalf("NewWithin() = %v", err)
	}
	return source
}

// want asks the source, and wants the credentials that the stand-in named so.
func want(t *testing.T, source rolecreds.Source, name string) rolecreds.Credentials {
	t.Helper()
	got, err := source.Credentials(t.Context())
	if err != nil || got.AccessKeyID != "STS.role-"+name {
		t.Fatalf("Credentials() = %v, %v, want STS.role-%s", got, err, name)
	}
	return got
}

func checkCount(t *testing.T, s *sts, calls int) {
	t.Helper()
	if got := s.count(); got != calls {
		t.Fatalf("STS was called %d times, want %d", got, calls)
	}
}

// checkNoSecret wants no secret in text, and nothing of a signed URL.
func checkNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, word := range append(strings.Fields(secretWords), url.QueryEscape(baseToken), "Signature=", "https://") {
		if strings.Contains(text, word) {
			t.Errorf("%q holds %q", text, word)
		}
	}
}

func TestNew(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*assumerole.Config)
		ok     bool
	}{
		{"a region", func(*assumerole.Config) {}, true},
		{"shortest duration", func(c *assumerole.Config) { c.Duration = 900 * time.Second }, true},
		{"longest duration", func(c *assumerole.Config) { c.Duration = 43200 * time.Second }, true},
		{"host and port", func(c *assumerole.Config) { c.Endpoint = "127.0.0.1:8582" }, true},
		{"named host and port", func(c *assumerole.Config) { c.Endpoint = "localhost:8582" }, true},
		{"IPv6", func(c *assumerole.Config) { c.Endpoint = "[::1]:8582" }, true},
		{"URL with a slash", func(c *assumerole.Config) { c.Endpoint = "https://sts-vpc.cn-beijing.aliyuncs.com/" }, true},
		{"policy of 2048 characters", func(c *assumerole.Config) { c.Policy = strings.Repeat("é", 2048) }, true},
		{"a name for the session", func(c *assumerole.Config) { c.SessionName = "a.b@c-d_1" }, true},
		{"session name of two letters", func(c *assumerole.Config) { c.SessionName = "aZ" }, true},
		{"session name of 64 letters", func(c *assumerole.Config) { c.SessionName = strings.Repeat("a", 64) }, true},

		{"no base", func(c *assumerole.Config) { c.Base = nil }, false},
		{"no role", func(c *assumerole.Config) { c.RoleARN = "" }, false},
		{"ARN of a user", func(c *assumerole.Config) { c.RoleARN = "acs:ram::1:user/x" }, false},
		{"ARN with a line break", func(c *assumerole.Config) { c.RoleARN = roleARN + "\n" }, false},
		{"duration of 899 s", func(c *assumerole.Config) { c.Duration = 899 * time.Second }, false},
		{"duration of 43201 s", func(c *assumerole.Config) { c.Duration = 43201 * time.Second }, false},
		{"half a second", func(c *assumerole.Config) { c.Duration = 900*time.Second + time.Second/2 }, false},
		{"session name of one letter", func(c *assumerole.Config) { c.SessionName = "a" }, false},
		{"session name of 65 letters", func(c *assumerole.Config) { c.SessionName = strings.Repeat("a", 65) }, false},
		{"session name with an umlaut", func(c *assumerole.Config) { c.SessionName = "sch\u00f6n" }, false},
		{"session name with a line break", func(c *assumerole.Config) { c.SessionName = "ab\n" }, false},
		{"region in capitals", func(c *assumerole.Config) { c.Region = "CN-hangzhou" }, false},
		{"region with a line break", func(c *assumerole.Config) { c.Region = "cn-hangzhou\n" }, false},
		{"session name with a slash", func(c *assumerole.Config) { c.SessionName = "a/b" }, false},
		{"policy of 2049 characters", func(c *assumerole.Config) { c.Policy = strings.Repeat("p", 2049) }, false},
		{"neither endpoint nor region", func(c *assumerole.Config) { c.Region = "" }, false},
		{"region that is a host", func(c *assumerole.Config) { c.Region = "evil.example.com/" }, false},
		{"plain http", func(c *assumerole.Config) { c.Endpoint = "http://127.0.0.1:8582" }, false},
		{"endpoint with a path", func(c *assumerole.Config) { c.Endpoint = "https://sts.aliyuncs.com/x" }, false},
		{"endpoint with a query", func(c *assumerole.Config) { c.Endpoint = "sts.aliyuncs.com?x" }, false},
		{"endpoint with a user", func(c *assumerole.Config) { c.Endpoint = "https://u:p@sts.aliyuncs.com" }, false},
		{"endpoint without host", func(c *assumerole.Config) { c.Endpoint = "https://" }, false},
		{"CA file that is missing", func(c *assumerole.Config) { c.CAFile = empty + ".not" }, false},
		{"CA file without certificate", func(c *assumerole.Config) { c.CAFile = empty }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := assumerole.Config{Base: fixed{c: base}, RoleARN: roleARN, Region: "cn-hangzhou"}
			c.change(&config)
			if _, err := assumerole.New(config); (err == nil) != c.ok {
				t.Errorf("New() = %v, want ok %v", err, c.ok)
			}
		})
	}
}

func TestAssume(t *testing.T) {
	const policy = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:PutObject","Resource":"acs:oss:*:*:b/~a b*"}]}`
	for _, c := range []struct {
		name   string
		change func(*assumerole.Config)
		want   map[string]string // what differs from the defaults; "" means absent
		life   time.Duration
	}{
		{"defaults", func(*assumerole.Config) {}, nil, 59 * time.Minute},
		{"everything named", func(c *assumerole.Config) {
			c.SessionName, c.Duration, c.Policy = "presign@1", 2*time.Hour, policy
		}, map[string]string{"RoleSessionName": "presign@1", "DurationSeconds": "7200", "Policy": policy}, 119 * time.Minute},
		{"a permanent key as base", func(c *assumerole.Config) {
			c.Base = fixed{c: rolecreds.Credentials{AccessKeyID: "LTAI", AccessKeySecret: baseSecret}}
		}, map[string]string{"AccessKeyId": "LTAI", "SecurityToken": ""}, 59 * time.Minute},
		{"base credentials of the invocation", func(c *assumerole.Config) {
			c.Base = rolecreds.FromContext{}
		}, nil, 59 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSTS(t)
			config := s.config(newClock())
			c.change(&config)
			got, err := newSource(t, config).Credentials(rolecreds.NewContext(t.Context(), base))
			wantCredentials := rolecreds.Credentials{
				AccessKeyID: "STS.role-1", AccessKeySecret: roleSecret, SecurityToken: roleToken, Expires: noon.Add(c.life),
			}
			if err != nil || got != wantCredentials {
				t.Fatalf("Credentials() = %v, %v, want %v", got, err, wantCredentials)
			}
			wantCall := url.Values{
				"Action": {"AssumeRole"}, "Version": {"2015-04-01"}, "Format": {"JSON"},
				"SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"},
				"AccessKeyId": {baseID}, "SecurityToken": {baseToken},
				"RoleArn": {roleARN}, "RoleSessionName": {"ossupload"}, "DurationSeconds": {"3600"},
			}
			for name, value := range c.want {
				wantCall.Set(name, value)
				if value == "" {
					wantCall.Del(name)
				}
			}
			if call := s.lastCall(t); !reflect.DeepEqual(call, wantCall) {
				t.Errorf("STS was asked %v, want %v", call, wantCall)
			}
		})
	}
}

func TestEnvironmentChangesNothing(t *testing.T) {
	for name, value := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "env-secret",
		"ALIBABA_CLOUD_SECURITY_TOKEN": "env-token", "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/env",
		"ALIBABA_CLOUD_ROLE_SESSION_NAME": "env", "ALIBABA_CLOUD_STS_REGION": "env",
		"ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true", "DEBUG": "credential",
	} {
		t.Setenv(name, value)
	}
	s := newSTS(t)
	want(t, newSource(t, s.config(newClock())), "1")
	call := s.lastCall(t)
	for name, value := range map[string]string{
		"AccessKeyId": baseID, "SecurityToken": baseToken, "RoleArn": roleARN, "RoleSessionName": "ossupload",
	} {
		if call.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, call.Get(name), value)
		}
	}

	t.Run("nor fills in an empty base", func(t *testing.T) {
		config := s.config(newClock())
		config.Base = rolecreds.FromContext{}
		_, err := newSource(t, config).Credentials(t.Context())
		if !errors.Is(err, rolecreds.ErrNone) {
			t.Errorf("Credentials() = %v, want ErrNone", err)
		}
		checkCount(t, s, 1)
	})
}

func TestFailures(t *testing.T) {
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	const whole = `{"RequestId":"r","Credentials":{"AccessKeyId":"STS.x","AccessKeySecret":"` + roleSecret +
		`","SecurityToken":"` + roleToken + `","Expiration":"2099-01-01T00:00:00Z"}}`
	with := func(old, new string) http.HandlerFunc { return answer(strings.Replace(whole, old, new, 1)) }
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
		text   string
	}{
		{"403 NoPermission", refuse(403, "NoPermission", "not authorized"), assumerole.ErrDenied, "role may not be assumed: NoPermission"},
		{"404 EntityNotExist.Role", refuse(404, "EntityNotExist.Role", ""), assumerole.ErrDenied, "role may not be assumed: EntityNotExist"},
		{"400 InvalidParameter.PolicyGrammar", refuse(400, "InvalidParameter.PolicyGrammar", ""), assumerole.ErrDenied, ""},
		{"400 InvalidSecurityToken.Expired", refuse(400, "InvalidSecurityToken.Expired", ""), assumerole.ErrDenied, ""},
		{"404 InvalidAccessKeyId.NotFound", refuse(404, "InvalidAccessKeyId.NotFound", ""), assumerole.ErrDenied, ""},
		{"400 SignatureDoesNotMatch", refuse(400, "SignatureDoesNotMatch", "string to sign is"), assumerole.ErrDenied, ""},
		{"400 Throttling.User", refuse(400, "Throttling.User", ""), assumerole.ErrThrottled, "role service is throttling: Throttling"},
		{"503 Throttling", refuse(503, "Throttling", ""), assumerole.ErrThrottled, ""},
		{"500 InternalError", refuse(500, "InternalError", ""), assumerole.ErrUnavailable, ""},
		{"503 ServiceUnavailable", refuse(503, "ServiceUnavailable", ""), assumerole.ErrUnavailable, ""},
		{"a code that nobody knows", refuse(403, roleToken, ""), assumerole.ErrUnavailable, "role service is unavailable: error answer"},
		{"a code that only begins like one", refuse(403, "NoPermissions", ""), assumerole.ErrUnavailable, ""},
		{"502 with a page", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>"+roleToken, http.StatusBadGateway)
		}, assumerole.ErrUnavailable, ""},
		{"403 with a null body", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, "null")
		}, assumerole.ErrUnavailable, ""},
		{"200 that is not JSON", answer("<html>" + roleToken), assumerole.ErrUnavailable, "role service is unavailable: answer cannot be read"},
		{"200 without credentials", answer(`{"RequestId":"r"}`), assumerole.ErrUnavailable, ""},
		{"200 null", answer(`null`), assumerole.ErrUnavailable, ""},
		{"no access key id", with(`"AccessKeyId":"STS.x",`, ``), assumerole.ErrUnavailable, ""},
		{"no secret", with(`"AccessKeySecret":"`+roleSecret+`",`, ``), assumerole.ErrUnavailable, ""},
		{"no token", with(`"SecurityToken":"`+roleToken+`",`, ``), assumerole.ErrUnavailable, ""},
		{"no expiration, at which credentials-go panics", with(`,"Expiration":"2099-01-01T00:00:00Z"`, ``), assumerole.ErrUnavailable, "role service is unavailable: answer has no credentials"},
		{"empty access key id", with(`"STS.x"`, `""`), assumerole.ErrUnavailable, ""},
		{"empty secret", with(`"`+roleSecret+`"`, `""`), assumerole.ErrUnavailable, ""},
		{"empty token", with(`"`+roleToken+`"`, `""`), assumerole.ErrUnavailable, ""},
		{"expiration that is no time", with(`2099-01-01T00:00:00Z`, roleSecret), assumerole.ErrUnavailable, ""},
		{"secret that is a number", with(`"`+roleSecret+`"`, `1`), assumerole.ErrUnavailable, ""},
		{"connection closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, assumerole.ErrUnavailable, "role service is unavailable: the connection was closed before the whole answer came"},
		{"answer cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, whole[:40])
		}, assumerole.ErrUnavailable, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSTS(t)
			s.setAnswer(c.answer)
			source := newSource(t, s.config(newClock()))
			got, err := source.Credentials(t.Context())
			if !errors.Is(err, c.want) || got != (rolecreds.Credentials{}) {
				t.Fatalf("Credentials() = %v, %v, want %v", got, err, c.want)
			}
			if c.text != "" && err.Error() != c.text {
				t.Errorf("error = %q, want %q", err, c.text)
			}
			for _, other := range []error{assumerole.ErrDenied, assumerole.ErrThrottled, assumerole.ErrUnavailable} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("error %v matches %v too", err, other)
				}
			}
			checkNoSecret(t, err.Error())

			s.setAnswer(grant("after"))
			want(t, source, "after")
		})
	}
}

func TestNetworkFailures(t *testing.T) {
	s := newSTS(t)
	other := httptest.NewUnstartedServer(http.NotFoundHandler())
	other.TLS = selfSigned(t)
	other.Config.ErrorLog = log.New(io.Discard, "", 0)
	other.StartTLS()
	t.Cleanup(other.Close)
	// A port that was free a moment ago may be another test's by now.
	const nobody = "127.0.0.1:1"
	release := make(chan struct{})
	clock := newClock()
	s.setAnswer(func(http.ResponseWriter, *http.Request) {
		clock.set(time.Second) // what took so long is not tried again
		<-release
	})
	t.Cleanup(func() { close(release) })

	for _, c := range []struct {
		name, endpoint, text string
		limit                time.Duration
	}{
		{"certificate of somebody else", other.URL, "role service is unavailable: x509: certificate signed by unknown authority", time.Minute},
		{"nobody listens", nobody, "role service is unavailable: dial tcp " + nobody + ": connect: connection refused", time.Minute},
		{"no answer in time", s.URL, "role service is unavailable: no answer in time", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := s.config(clock)
			config.Endpoint = c.endpoint
			source, err := assumerole.NewWithin(config, c.limit, c.limit, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Credentials(t.Context())
			if !errors.Is(err, assumerole.ErrUnavailable) || err.Error() != c.text {
				t.Fatalf("Credentials() = %v, want %q", err, c.text)
			}
		})
	}
}

func TestBaseFails(t *testing.T) {
	s := newSTS(t)
	config := s.config(newClock())
	config.Base = fixed{err: rolecreds.ErrNone}
	_, err := newSource(t, config).Credentials(t.Context())
	if !errors.Is(err, rolecreds.ErrNone) {
		t.Errorf("Credentials() = %v, want ErrNone", err)
	}
	checkCount(t, s, 0)
}

func TestTrust(t *testing.T) {
	s := newSTS(t)
	config := s.config(newClock())
	for range 2 { // the second time adds nothing
		if _, err := assumerole.New(config); err != nil {
			t.Fatalf("New() = %v", err)
		}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(s.Certificate())
	if got := http.DefaultTransport.(*http.Transport).TLSClientConfig; !got.RootCAs.Equal(pool) || got.InsecureSkipVerify {
		t.Error("http.DefaultTransport does not trust just the system's authorities and ours")
	}
}

func TestFailedRenewalIsLoggedWithoutSecrets(t *testing.T) {
	s, clock := newSTS(t), newClock()
	var buffer bytes.Buffer
	config := s.config(clock)
	config.Log = slog.New(slog.NewJSONHandler(&buffer, nil))
	source := newSource(t, config)
	want(t, source, "1")
	clock.set(30 * time.Minute)
	s.setAnswer(refuse(403, "NoPermission", ""))
	want(t, source, "1")
	text := buffer.String()
	checkNoSecret(t, text)
	for _, word := range []string{`"err":"role may not be assumed: NoPermission"`, "STS.role-1", `"level":"WARN"`} {
		if !strings.Contains(text, word) {
			t.Errorf("log %s has no %q", text, word)
		}
	}
}
