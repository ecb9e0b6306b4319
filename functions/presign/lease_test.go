package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/rolecreds"
)

// signed is what every signed URL comes with.
type signed struct {
	Method, URL, ExpiresAt string
	Expires                int64
}

func TestLifeOfWhatIsSigned(t *testing.T) {
	const hour = 3600
	tests := []struct {
		name        string
		asked       string // as JSON
		credentials rolecreds.Source
		want        int64
	}{
		{"nothing asked", `null`, lasting(12 * time.Hour), 900},
		{"a second", `1`, lasting(12 * time.Hour), 1},
		{"all but a second", `3599`, lasting(12 * time.Hour), hour - 1},
		{"a second too much", `3601`, lasting(12 * time.Hour), hour},
		{"much too much", `9223372036854775807`, lasting(12 * time.Hour), hour},
		{"credentials that end sooner", `3600`, lasting(10*time.Minute + 200*time.Millisecond), 600},
		{"credentials with a minute left", `null`, lasting(time.Minute), 60},
		{"a permanent key", `null`, sourceFunc(func() (rolecreds.Credentials, error) {
			return rolecreds.Credentials{AccessKeyID: "LTAI", AccessKeySecret: "secret"}, nil
		}), 900},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			s.outside.credentials = tt.credentials
			f := s.function(t)
			wantAt := time.Unix(testSecond+tt.want, 0).UTC().Format(time.RFC3339)
			for _, as := range []string{"put", "url"} {
				var got struct {
					signed
					Headers          map[string]string
					Key, UploadToken string
				}
				f.post(t, "/presign", `{"filename":"a.png","size":1,"as":"`+as+`","expiresIn":`+tt.asked+`}`).granted(t, &got)
				if q := query(t, got.URL); got.Expires != tt.want || got.ExpiresAt != wantAt || q.Get("x-oss-expires") != fmt.Sprint(tt.want) || q.Get("x-oss-date") != testDate {
					t.Errorf("%s lives %d s until %s, URL %v, want %d s until %s", as, got.Expires, got.ExpiresAt, q, tt.want, wantAt)
				}
			}
			var form struct {
				signed
				Fields           map[string]string
				Key, UploadToken string
			}
			f.post(t, "/presign", `{"filename":"a.png","as":"form","expiresIn":`+tt.asked+`}`).granted(t, &form)
			if p := policyOf(t, form.Fields); form.Expires != tt.want || form.ExpiresAt != wantAt || p.Expiration != strings.Replace(wantAt, "Z", ".000Z", 1) {
				t.Errorf("form lives %d s until %s, its policy until %s, want %d s until %s", form.Expires, form.ExpiresAt, p.Expiration, tt.want, wantAt)
			}
			var get signed
			f.post(t, "/download", `{"key":"u/alice/a.png","expiresIn":`+tt.asked+`}`).granted(t, &get)
			if q := query(t, get.URL); get.Expires != tt.want || get.ExpiresAt != wantAt || q.Get("x-oss-expires") != fmt.Sprint(tt.want) || q.Get("x-oss-date") != testDate {
				t.Errorf("GET lives %d s until %s, URL %v, want %d s until %s", get.Expires, get.ExpiresAt, q, tt.want, wantAt)
			}
		})
	}
}

// Nothing that is issued outlives the caller's own proof. testNow is half a second
// past testSecond.
func TestNothingOutlivesTheCaller(t *testing.T) {
	tests := []struct {
		name  string
		exp   int64  // from testSecond on
		asked string // as JSON
		want  int64  // 0: refused
	}{
		{"a second left", 1, `null`, 1},
		{"a second left, and more asked", 1, `3600`, 1},
		{"as long as asked", 60, `60`, 60},
		{"less than asked", 59, `60`, 59},
		{"more than asked", 61, `60`, 60},
		{"ends now, within the leeway", 0, `null`, 0},
		{"has ended, within the leeway", -29, `null`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newSetup(t).function(t)
			proof := token(t, "alice", map[string]any{"exp": testSecond + tt.exp})
			for _, as := range []string{"put", "form", "url", "download", "session"} {
				path, body := "/presign", `{"filename":"a.png","size":1,"as":"`+as+`","expiresIn":`+tt.asked+`}`
				switch as {
				case "download":
					path, body = "/download", `{"key":"u/alice/a.png","expiresIn":`+tt.asked+`}`
				case "session":
					path, body = "/session", `{"expiresIn":`+tt.asked+`}`
				}
				a := f.postAs(t, proof, path, body)
				if tt.want == 0 {
					a.refused(t, http.StatusUnauthorized, "unauthenticated")
					continue
				}
				var got struct {
					URL, Endpoint, ExpiresAt string
					Fields                   map[string]string
				}
				if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusOK {
					t.Errorf("%s: answer %d %s, want 200", as, a.Status, a.Body)
					continue
				}
				end := time.Unix(testSecond+tt.want, 0).UTC().Format(time.RFC3339)
				if got.ExpiresAt != end {
					t.Errorf("%s until %s, want %s", as, got.ExpiresAt, end)
				}
				switch as {
				case "form":
					if p := policyOf(t, got.Fields); p.Expiration != strings.Replace(end, "Z", ".000Z", 1) {
						t.Errorf("a policy until %s, want %s", p.Expiration, end)
					}
				case "session":
					capability := got.Endpoint[strings.LastIndex(got.Endpoint, "/")+1:]
					if s, err := keyring(t).OpenSession(capability, testNow); err != nil || s.ExpiresAt != testSecond+tt.want {
						t.Errorf("a session until %d, %v, want %d", s.ExpiresAt, err, testSecond+tt.want)
					}
				default:
					if q := query(t, got.URL); q.Get("x-oss-expires") != fmt.Sprint(tt.want) || q.Get("x-oss-date") != testDate {
						t.Errorf("%s signed for %s s from %s, want %d s", as, q.Get("x-oss-expires"), q.Get("x-oss-date"), tt.want)
					}
				}
			}
		})
	}
}

// The time that it took to get credentials is not added to the caller's.
func TestSlowCredentialsDoNotOutliveTheCaller(t *testing.T) {
	for _, tt := range []struct {
		takes time.Duration
		want  string // "": refused
	}{{5 * time.Second, "5"}, {10 * time.Second, ""}} {
		s := newSetup(t)
		now, own := testNow, s.outside.credentials
		s.outside.now = func() time.Time { return now }
		s.outside.credentials = sourceFunc(func() (rolecreds.Credentials, error) {
			now = now.Add(tt.takes)
			return own.Credentials(t.Context())
		})
		a := s.function(t).postAs(t, token(t, "alice", map[string]any{"exp": testSecond + 10}), "/presign", somePresign)
		if tt.want == "" {
			a.refused(t, http.StatusUnauthorized, "unauthenticated")
			continue
		}
		var got upload
		a.granted(t, &got)
		if q := query(t, got.URL); q.Get("x-oss-expires") != tt.want || got.ExpiresAt != "2026-11-30T16:30:10Z" {
			t.Errorf("lives %s s until %s, want %s s", q.Get("x-oss-expires"), got.ExpiresAt, tt.want)
		}
	}
}

func TestNothingToSignWith(t *testing.T) {
	failing := func(err error) rolecreds.Source {
		return sourceFunc(func() (rolecreds.Credentials, error) { return rolecreds.Credentials{}, err })
	}
	tests := []struct {
		name        string
		credentials rolecreds.Source
		status      int
		code, again string
	}{
		{"59 seconds left", lasting(59 * time.Second), 503, "credentials_expiring", "5"},
		{"already ended", lasting(-time.Second), 503, "credentials_expiring", "5"},
		{"none at all", failing(rolecreds.ErrNone), 500, "internal", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			s.outside.credentials = tt.credentials
			f := s.function(t)
			for path, body := range map[string]string{"/presign": somePresign, "/presign ": `{"filename":"a.png","as":"form"}`} {
				a := f.post(t, strings.TrimSpace(path), body)
				if a.refused(t, tt.status, tt.code); a.Header["Retry-After"] != tt.again {
					t.Errorf("Retry-After %q, want %q", a.Header["Retry-After"], tt.again)
				}
			}
			a := f.post(t, "/download", someDownload)
			if a.refused(t, tt.status, tt.code); a.Header["Retry-After"] != tt.again {
				t.Errorf("POST /download with Retry-After %q, want %q", a.Header["Retry-After"], tt.again)
			}
		})
	}
}

// A role that is configured signs in place of the function's own credentials.
func TestRoleSigns(t *testing.T) {
	s, service := newSetup(t), newSTS(t)
	s.settings.Role = service.role()
	s.settings.Role.Duration = 2 * time.Hour
	f := s.function(t)
	var put struct {
		signed
		Headers          map[string]string
		Key, UploadToken string
	}
	f.post(t, "/presign", somePresign).granted(t, &put)
	var get signed
	f.post(t, "/download", someDownload).granted(t, &get)
	if !slices.Equal(s.vault.askers, []string{"STS.role"}) {
		t.Errorf("HEADs by %q, want one by the role", s.vault.askers)
	}
	for _, url := range []string{put.URL, get.URL} {
		if q := query(t, url); q.Get("x-oss-credential") != "STS.role/20261130/cn-hangzhou/oss/aliyun_v4_request" || q.Get("x-oss-security-token") != "role-token" {
			t.Errorf("%s is not signed by the role", url)
		}
	}
	calls := service.seen()
	if len(calls) != 1 {
		t.Fatalf("%d calls of STS, want 1", len(calls))
	}
	want := map[string]string{
		"Action": "AssumeRole", "RoleArn": roleARN, "RoleSessionName": "ossupload-presign", "DurationSeconds": "7200", "Policy": "",
		"AccessKeyId": "STS.own", "SecurityToken": "own-token/+=",
	}
	for name, value := range want {
		if got := calls[0].Get(name); got != value {
			t.Errorf("AssumeRole with %s %q, want %q", name, got, value)
		}
	}
}

func TestRoleServiceFails(t *testing.T) {
	tests := []struct {
		name, code  string // what STS answers
		status      int
		want, again string
	}{
		{"throttled", "Throttling.User", 503, "throttled", "5"},
		{"unavailable", "InternalError", 503, "throttled", "5"},
		{"refused", "NoPermission", 500, "internal", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, service := newSetup(t), newSTS(t)
			service.refuse(tt.code)
			s.settings.Role, s.settings.STSEnabled = service.role(), true
			f := s.function(t)
			for _, path := range []string{"/download", "/presign", "/sts"} {
				a := f.post(t, path, sound[path])
				if a.refused(t, tt.status, tt.want); a.Header["Retry-After"] != tt.again {
					t.Errorf("POST %s with Retry-After %q, want %q", path, a.Header["Retry-After"], tt.again)
				}
			}
		})
	}
}

// The role is assumed with the function's own credentials, and without those
// not at all.
func TestRoleNeedsOwnCredentials(t *testing.T) {
	s, service := newSetup(t), newSTS(t)
	s.settings.Role, s.settings.STSEnabled = service.role(), true
	s.outside.credentials = sourceFunc(func() (rolecreds.Credentials, error) { return rolecreds.Credentials{}, errors.New("none") })
	f := s.function(t)
	for _, path := range []string{"/download", "/presign", "/sts"} {
		f.post(t, path, sound[path]).refused(t, http.StatusInternalServerError, "internal")
	}
	if calls := service.seen(); len(calls) != 0 {
		t.Errorf("%d calls of STS, want none", len(calls))
	}
}
