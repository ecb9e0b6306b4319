package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/uploadtoken"
)

// openSession asks for a session with this token, and returns the answer and
// what its capability stands for.
func openSession(t *testing.T, f function, token, body string) (expiresAt string, s uploadtoken.Session) {
	t.Helper()
	var got struct{ Endpoint, ExpiresAt string }
	f.postAs(t, token, "/session", body).granted(t, &got)
	capability, ok := strings.CutPrefix(got.Endpoint, "https://api.example.com/v1/c/")
	if !ok {
		t.Fatalf("endpoint %q, want one below PUBLIC_URL", got.Endpoint)
	}
	s, err := keyring(t).OpenSession(capability, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return got.ExpiresAt, s
}

func TestSessionEnds(t *testing.T) {
	tests := []struct {
		name, body string
		exp        int64 // of the caller's token, from testSecond on
		want       int64
	}{
		{"nothing asked", `{}`, 86400, 3600},
		{"no body", ``, 86400, 3600},
		{"a second", `{"expiresIn":1}`, 86400, 1},
		{"all but a second", `{"expiresIn":3599}`, 86400, 3599},
		{"an hour", `{"expiresIn":3600}`, 86400, 3600},
		{"a second too much", `{"expiresIn":3601}`, 86400, 3600},
		{"much too much", `{"expiresIn":9223372036854775807}`, 86400, 3600},
		{"the caller ends sooner", `{}`, 600, 600},
		{"the caller ends sooner than asked", `{"expiresIn":601}`, 600, 600},
		{"the caller ends later than asked", `{"expiresIn":599}`, 600, 599},
	}
	f := newSetup(t).function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, s := openSession(t, f, token(t, "alice", map[string]any{"exp": testSecond + tt.exp}), tt.body)
			if want := time.Unix(testSecond+tt.want, 0).UTC().Format(time.RFC3339); at != want || s.ExpiresAt != testSecond+tt.want {
				t.Errorf("session until %s and %d, want %s", at, s.ExpiresAt, want)
			}
		})
	}
}

func TestSessionOfCallerWithoutEnd(t *testing.T) {
	s := newSetup(t)
	s.settings.Caller = callerauth.Config{None: true}
	at, session := openSession(t, s.function(t), "", "")
	if want := (uploadtoken.Session{Place: testPlace, ID: "AAAAAAAAAAAA", Subject: callerauth.Anonymous, ExpiresAt: testSecond + 3600}); !reflect.DeepEqual(session, want) || at != "2026-11-30T17:30:00Z" {
		t.Errorf("session %+v until %s, want %+v", session, at, want)
	}
}

func TestSessionHoldsTheCallersLimits(t *testing.T) {
	upload := map[string]any{"context": map[string]any{"order": 7}, "maxSize": 1000, "contentTypes": []string{"image/png", "video/*"}, "key": "orders/7/a.png"}
	_, got := openSession(t, newSetup(t).function(t), token(t, "夏", map[string]any{"upload": upload}), "")
	most := int64(1000)
	want := uploadtoken.Session{
		Place: testPlace, ID: "AAAAAAAAAAAA", Subject: "夏", MaxSize: &most, ContentTypes: []string{"image/png", "video/*"}, Context: []byte(`{"order":7}`), Key: "orders/7/a.png", ExpiresAt: testSecond + 3600,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("session %+v, want %+v", got, want)
	}
}

// A session is of this deployment: secrets that it shares with another one open
// nothing there.
func TestSessionOfAnotherPlace(t *testing.T) {
	var got struct{ Endpoint, ExpiresAt string }
	newSetup(t).function(t).post(t, "/session", "").granted(t, &got)
	capability := strings.TrimPrefix(got.Endpoint, "https://api.example.com/v1/c/")
	for _, place := range []uploadtoken.Place{{Bucket: "examplebucket", Prefix: "v/"}, {Bucket: "otherbucket", Prefix: "u/"}} {
		k, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: testKeys, Place: place, Former: []uploadtoken.Place{testPlace}, Random: zeros{}})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := k.OpenSession(capability, testNow); !errors.Is(err, uploadtoken.ErrPlace) {
			t.Errorf("at %v the session opens as %+v, %v, want %v", place, s, err, uploadtoken.ErrPlace)
		}
	}
	if _, err := keyring(t).Open(uploadtoken.Upload, capability, testNow); err == nil {
		t.Error("a session opens as an upload token")
	}
}

func TestSessionsHaveNamesOfTheirOwn(t *testing.T) {
	s := newSetup(t)
	s.outside.random = rand.Reader
	f := s.function(t)
	_, one := openSession(t, f, token(t, "alice", nil), "")
	_, other := openSession(t, f, token(t, "alice", nil), "")
	if one.ID == other.ID || len(one.ID) != 12 || len(other.ID) != 12 {
		t.Errorf("sessions %q and %q, want two ids", one.ID, other.ID)
	}
}

func TestSessionRefuses(t *testing.T) {
	f := newSetup(t).function(t)
	for _, value := range []string{`0`, `-1`, `1.5`, `"60"`, `9223372036854775808`, `{}`} {
		f.post(t, "/session", `{"expiresIn":`+value+`}`).refused(t, http.StatusBadRequest, "invalid_request", "expiresIn")
	}
	// 512 bytes of context are a sound token, but leave no room in a capability.
	long := token(t, "alice", map[string]any{"upload": map[string]any{"context": strings.Repeat("x", 510)}})
	f.postAs(t, long, "/session", "").refused(t, http.StatusForbidden, "forbidden")
	if a := f.postAs(t, long, "/presign", somePresign); a.Status != http.StatusOK {
		t.Errorf("POST /presign with the same token = %d %s, want 200", a.Status, a.Body)
	}

	s := newSetup(t)
	s.settings.PublicURL = ""
	a := s.function(t).post(t, "/session", "")
	if a.refused(t, http.StatusForbidden, "forbidden"); !strings.Contains(a.Body, "Sessions are not enabled.") {
		t.Errorf("answer %s, want one that says that sessions are off", a.Body)
	}
}
