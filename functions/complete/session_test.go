package main

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/settings"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

// session is the base path of a session of alice's that ends in an hour.
func (f *fixture) session(change func(*uploadtoken.Session)) string {
	f.t.Helper()
	s := uploadtoken.Session{ID: "session-1", Subject: "alice", ExpiresAt: f.clock.Add(time.Hour).Unix()}
	if change != nil {
		change(&s)
	}
	capability, err := f.keyring.SealSession(s)
	if err != nil {
		f.t.Fatal(err)
	}
	return "/c/" + capability
}

// A capability in the path stands for the whole of a caller.
func TestSession(t *testing.T) {
	f := newFixture(t)
	base := f.session(func(s *uploadtoken.Session) {
		s.MaxSize, s.ContentTypes, s.Context = new(int64(102405)), []string{"image/png"}, json.RawMessage(`{"order":7}`)
	})
	f.as("", "POST", base+"/s3/multipart", `{"filename":"a.png","size":102406}`).invalid("size", "at most 102405")
	f.as("", "POST", base+"/s3/multipart", `{"filename":"a.txt"}`).invalid("type", "not a type that your token allows")
	f.as("", "GET", base+"/s3/params?filename=a.txt", "").invalid("type", "not a type that your token allows")
	f.as("", "GET", base+"/s3/params?filename=a.png", "").ok(new(paramsResponse))

	var s started
	f.as("", "POST", base+"/s3/multipart", `{"filename":"a.png","size":102405,"partSize":102400}`).ok(&s.createResponse)
	var err error
	if s.claims, err = f.keyring.Open(uploadtoken.Multipart, s.UploadID, today); err != nil {
		t.Fatal(err)
	}
	if s.claims.Subject != "alice" || s.claims.MaxSize != 102405 || string(s.claims.Context) != `{"order":7}` {
		t.Errorf("claims = %+v", s.claims)
	}
	f.fill(s, 100*kib, 5)
	var one, same partResponse
	f.as("", "GET", base+s.path("/2"), "").ok(&one)
	f.as("alice", "GET", s.path("/2"), "").ok(&same) // her own token is as good
	if one != same {
		t.Errorf("parts %+v and %+v, want the same", one, same)
	}
	f.as("", "GET", base+s.path("/batch?partNumbers=1-2"), "").ok(new(batchAnswer))
	var list []listedPart
	if f.as("", "GET", base+s.path(""), "").ok(&list); len(list) != 2 {
		t.Errorf("list = %+v, want 2 parts", list)
	}
	var got confirm.Answer
	f.as("", "POST", base+s.path("/complete"), "").ok(&got)
	f.told(s.Key)
	if string(got.Context) != `{"order":7}` {
		t.Errorf("receipt = %+v", got)
	}
	f.as("", "DELETE", base+s.path(""), "").refused(api.AlreadyCompleted)
}

func TestSessionRefuses(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	mine, foreign := f.session(nil), f.session(func(s *uploadtoken.Session) { s.Subject = "mallory" })
	ids := map[string]string{
		"ended":           f.session(func(s *uploadtoken.Session) { s.ExpiresAt = today.Add(-24 * time.Hour).Unix() }),
		"not a session":   "/c/x",
		"an upload id":    "/c/" + f.seal(uploadtoken.Multipart, uploadtoken.Claims{Subject: "alice", ExpiresAt: today.Unix() + 60}),
		"a stored grant":  "/c/" + f.seal(uploadtoken.Grant, uploadtoken.Claims{Subject: "alice", ExpiresAt: today.Unix() + 60}),
		"changed":         changed(mine),
		"of another kind": strings.Replace(mine, "v1.k1", "v1.k2", 1),
	}
	for name, base := range ids {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			routes := append(routesOf(base, s.UploadID), [2]string{"POST", base + "/s3/multipart"}, [2]string{"GET", base + "/s3/params?filename=a"})
			for _, route := range routes {
				// The header of somebody who may does not help.
				r := f.as("alice", route[0], route[1], `{"filename":"a"}`)
				r.refused(api.InvalidToken)
				if !strings.Contains(string(r.body), "session") {
					t.Errorf("answer %s, want a word about the session", r.body)
				}
			}
			f.asked()
		})
	}
	// A request with both counts as the capability's.
	for _, route := range routesOf(foreign, s.UploadID) {
		r := f.as("alice", route[0], route[1], "")
		r.refused(api.InvalidToken)
		if strings.Contains(string(r.body), "session") {
			t.Errorf("answer %s, want a word about the upload token", r.body)
		}
	}
	f.asked()
	for _, route := range routesOf(mine, s.UploadID)[:4] {
		if r := f.as("mallory", route[0], route[1], ""); r.status != http.StatusOK {
			t.Errorf("%s %s: %d %s, want 200", route[0], route[1], r.status, r.body)
		}
	}
	f.clock = today.Add(time.Hour - 1)
	f.as("", "GET", mine+"/s3/params?filename=a", "").ok(new(paramsResponse))
	f.clock = today.Add(time.Hour)
	f.as("", "GET", mine+"/s3/params?filename=a", "").refused(api.InvalidToken)
}

// Nothing of a session is lost on the way to a caller.
func TestAuthenticate(t *testing.T) {
	f := newFixture(t)
	base := f.session(func(s *uploadtoken.Session) {
		s.MaxSize, s.ContentTypes, s.Context = new(int64(7)), []string{"image/*"}, json.RawMessage(`1`)
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.SetPathValue("capability", strings.TrimPrefix(base, "/c/"))
	got, err := f.handler.authenticate(r)
	want := callerauth.Caller{
		Subject: "alice", Expires: time.Unix(today.Add(time.Hour).Unix(), 0), Session: "session-1",
		Limits: callerauth.Limits{MaxSize: new(int64(7)), ContentTypes: []string{"image/*"}, Context: json.RawMessage(`1`)},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("authenticate = %+v, %v, want %+v", got, err, want)
	}
}

// With a role, what clients get is signed by it, and the function's own calls
// are not.
func TestRole(t *testing.T) {
	var asked url.Values
	sts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = r.Form
		expires := today.Add(time.Hour).Format(time.RFC3339)
		io.WriteString(w, `{"RequestId":"r","Credentials":{"AccessKeyId":"STS.role","AccessKeySecret":"s","SecurityToken":"role-token","Expiration":"`+expires+`"}}`)
	}))
	defer sts.Close()
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sts.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(f *fixture) {
		f.settings.Role = settings.Role{ARN: "acs:ram::1:role/uploads", Duration: 20 * time.Minute, STSEndpoint: sts.URL, STSCAFile: caFile}
	})
	s := f.start(sized(5))
	if asked != nil {
		t.Errorf("the role was asked for by %v: the function starts uploads by itself", asked)
	}
	var one partResponse
	f.as("alice", "GET", s.path("/1"), "").ok(&one)
	query := mustURL(t, one.URL).Query()
	if !strings.HasPrefix(query.Get("x-oss-credential"), "STS.role/20261120/cn-hangzhou/") || query.Get("x-oss-security-token") != "role-token" || one.Expires != 900 {
		t.Errorf("URL = %s, want one of the role", one.URL)
	}
	for name, want := range map[string]string{"Action": "AssumeRole", "RoleArn": "acs:ram::1:role/uploads", "RoleSessionName": "ossupload-complete", "DurationSeconds": "1200"} {
		if got := asked.Get(name); got != want {
			t.Errorf("STS was asked with %s = %q, want %q", name, got, want)
		}
	}
	f.asked()
	f.fill(s, 5)
	f.as("alice", "POST", s.path("/complete"), "").ok(new(confirm.Answer))
	f.asked(storagetest.ListParts, storagetest.Complete, storagetest.Head, storagetest.Put)
}
