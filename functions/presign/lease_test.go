package main

import (
	"errors"
	"fmt"
	"net/http"
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
			for path, body := range map[string]string{"/presign": somePresign, "/presign ": `{"filename":"a.png","as":"form"}`, "/download": someDownload} {
				a := f.post(t, strings.TrimSpace(path), body)
				if a.refused(t, tt.status, tt.code); a.Header["Retry-After"] != tt.again {
					t.Errorf("Retry-After %q, want %q", a.Header["Retry-After"], tt.again)
				}
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
			for _, path := range []string{"/presign", "/download", "/sts"} {
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
	for _, path := range []string{"/presign", "/download", "/sts"} {
		f.post(t, path, sound[path]).refused(t, http.StatusInternalServerError, "internal")
	}
	if calls := service.seen(); len(calls) != 0 {
		t.Errorf("%d calls of STS, want none", len(calls))
	}
}
