package callerauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ossupload/shared/callerauth"
)

// secret is 48 bytes of visible ASCII, so that every mode takes it.
const secret = "a-secret-for-tests-that-is-longer-than-32-bytes!"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func request(t testing.TB, header http.Header) *http.Request {
	t.Helper()
	r := httptest.NewRequest("POST", "/presign", nil)
	r.Header = header
	return r
}

// checkRefused wants reason, and nothing of the secret or the given words in
// the error.
func checkRefused(t *testing.T, got callerauth.Caller, err, reason error, words ...string) {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Fatalf("Authenticate() = %+v, %v, want %v", got, err, reason)
	}
	if !errors.Is(err, callerauth.ErrUnauthenticated) {
		t.Errorf("error %v does not match ErrUnauthenticated", err)
	}
	if got.Subject != "" {
		t.Errorf("a refusal names the subject %q", got.Subject)
	}
	for _, w := range append(words, secret) {
		w = strings.TrimPrefix(strings.TrimSpace(w), "Bearer") // which is ours to say
		answer := answerOf(t, err)
		for _, told := range []string{err.Error(), answer.Message, answer.Challenge, answer.Log} {
			if len(w) > 4 && strings.Contains(told, w) {
				t.Errorf("error or answer %q holds %q", told, w)
			}
		}
	}
}

func TestReasonsAreDistinct(t *testing.T) {
	reasons := []error{
		callerauth.ErrMissing, callerauth.ErrMalformed, callerauth.ErrAlgorithm,
		callerauth.ErrCritical, callerauth.ErrSignature, callerauth.ErrExpired,
		callerauth.ErrNotYetValid, callerauth.ErrIssuer, callerauth.ErrAudience,
		callerauth.ErrSubject, callerauth.ErrClaim, callerauth.ErrSecret,
		callerauth.ErrNoKey,
	}
	for i, a := range reasons {
		if !errors.Is(a, callerauth.ErrUnauthenticated) {
			t.Errorf("%v does not match ErrUnauthenticated", a)
		}
		answerOf(t, a)
		for j, b := range reasons {
			if i != j && errors.Is(a, b) {
				t.Errorf("%v matches %v", a, b)
			}
		}
	}
}

func TestNone(t *testing.T) {
	header := http.Header{"Authorization": {"Bearer nonsense"}}
	got, err := callerauth.NewNone().Authenticate(request(t, header))
	if err != nil || got.Subject != callerauth.Anonymous || !got.Expires.IsZero() {
		t.Errorf("Authenticate() = %+v, %v, want the anonymous caller", got, err)
	}
}

func TestNewHeader(t *testing.T) {
	for _, c := range []struct {
		name, header, secret string
		ok                   bool
	}{
		{"accepts a plain name and a long secret", "X-User", secret, true},
		{"accepts exactly 32 bytes", "X-User", strings.Repeat("s", 32), true},
		{"refuses 31 bytes", "X-User", strings.Repeat("s", 31), false},
		{"refuses an empty secret", "X-User", "", false},
		{"refuses an empty name", "", secret, false},
		{"refuses an underscore", "X_User", secret, false},
		{"refuses a colon", "X-User:", secret, false},
		{"refuses a secret with a space", "X-User", secret + " x", false},
		{"refuses a secret with a line break", "X-User", secret + "\n", false},
		{"refuses a secret that is not ASCII", "X-User", secret + "é", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := callerauth.NewHeader(callerauth.HeaderConfig{Name: c.header, Secret: []byte(c.secret)})
			if (err == nil) != c.ok {
				t.Errorf("NewHeader(%q) = %v, want ok %v", c.header, err, c.ok)
			}
			if err != nil && c.secret != "" && strings.Contains(err.Error(), c.secret) {
				t.Errorf("error %q holds the secret", err)
			}
		})
	}
}

// Of all bytes a header may be named with letters, digits and hyphens.
func TestHeaderNames(t *testing.T) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	for c := range 256 {
		for _, name := range []string{string([]byte{byte(c)}), "X" + string([]byte{byte(c)}) + "y"} {
			want := strings.IndexByte(allowed, byte(c)) >= 0
			if _, err := callerauth.NewHeader(callerauth.HeaderConfig{Name: name, Secret: []byte(secret)}); (err == nil) != want {
				t.Errorf("NewHeader(%q) = %v, want ok %v", name, err, want)
			}
			if err := callerauth.CheckTokenHeader(name); (err == nil) != want {
				t.Errorf("CheckTokenHeader(%q) = %v, want ok %v", name, err, want)
			}
		}
	}
	for length, want := range map[int]bool{64: true, 65: false} {
		if err := callerauth.CheckTokenHeader(strings.Repeat("x", length)); (err == nil) != want {
			t.Errorf("CheckTokenHeader of %d bytes = %v, want ok %v", length, err, want)
		}
	}
}

func TestHeader(t *testing.T) {
	auth, err := callerauth.NewHeader(callerauth.HeaderConfig{Name: "x-user", Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		users   []string
		secrets []string
		want    error
	}{
		{"a plain identity", []string{"alice"}, []string{secret}, nil},
		{"inner space and other scripts", []string{"Łucja 山田"}, []string{secret}, nil},
		{"128 bytes", []string{strings.Repeat("a", 128)}, []string{secret}, nil},
		{"neither header", nil, nil, callerauth.ErrMissing},
		{"no identity", nil, []string{secret}, callerauth.ErrMissing},
		{"no secret", []string{"alice"}, nil, callerauth.ErrSecret},
		{"empty secret", []string{"alice"}, []string{""}, callerauth.ErrSecret},
		{"wrong secret", []string{"alice"}, []string{secret[:len(secret)-1] + "?"}, callerauth.ErrSecret},
		{"shorter secret", []string{"alice"}, []string{secret[:len(secret)-1]}, callerauth.ErrSecret},
		{"longer secret", []string{"alice"}, []string{secret + "!"}, callerauth.ErrSecret},
		{"secret repeated", []string{"alice"}, []string{secret, secret}, callerauth.ErrSecret},
		{"wrong secret first", []string{"alice"}, []string{"x", secret}, callerauth.ErrSecret},
		{"identity repeated", []string{"alice", "alice"}, []string{secret}, callerauth.ErrMalformed},
		{"empty identity", []string{""}, []string{secret}, callerauth.ErrSubject},
		{"comma", []string{"alice,mallory"}, []string{secret}, callerauth.ErrSubject},
		{"leading space", []string{" alice"}, []string{secret}, callerauth.ErrSubject},
		{"trailing no-break space", []string{"alice\u00a0"}, []string{secret}, callerauth.ErrSubject},
		{"tab", []string{"ali\tce"}, []string{secret}, callerauth.ErrSubject},
		{"DEL", []string{"alice\x7f"}, []string{secret}, callerauth.ErrSubject},
		{"C1 control", []string{"alice\u0085x"}, []string{secret}, callerauth.ErrSubject},
		{"not UTF-8", []string{"alice\xff"}, []string{secret}, callerauth.ErrSubject},
		{"129 bytes", []string{strings.Repeat("a", 129)}, []string{secret}, callerauth.ErrSubject},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := make(http.Header)
			for _, u := range c.users {
				header.Add("X-User", u)
			}
			for _, s := range c.secrets {
				header.Add("X-User-Secret", s)
			}
			got, err := auth.Authenticate(request(t, header))
			if c.want != nil {
				checkRefused(t, got, err, c.want, append(c.users, c.secrets...)...)
				return
			}
			if err != nil || got.Subject != c.users[0] || !got.Expires.IsZero() {
				t.Errorf("Authenticate() = %+v, %v, want subject %q", got, err, c.users[0])
			}
		})
	}
}
