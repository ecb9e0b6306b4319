package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
)

const roleARN = "acs:ram::1234567890123456:role/uploader"

// sts stands in for STS, for as much of it as AssumeRole answers. Whether calls
// are well signed is tested in package assumerole.
type sts struct {
	server *httptest.Server
	caFile string

	mu      sync.Mutex
	calls   []url.Values
	refusal string // the code; empty: it grants
}

func newSTS(t *testing.T) *sts {
	t.Helper()
	s := &sts{caFile: filepath.Join(t.TempDir(), "ca.pem")}
	s.server = httptest.NewTLSServer(s)
	t.Cleanup(s.server.Close)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw})
	if err := os.WriteFile(s.caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if s.calls = append(s.calls, r.Form); s.refusal != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"Code": s.refusal}) // the client may have gone
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"Credentials": map[string]string{
		"AccessKeyId": "STS.role", "AccessKeySecret": "role-secret", "SecurityToken": "role-token", "Expiration": "2030-01-01T00:00:00Z",
	}})
}

func (s *sts) refuse(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = code
}

func (s *sts) seen() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// role is the settings of a role that this STS gives.
func (s *sts) role() settings.Role {
	return settings.Role{ARN: roleARN, Duration: time.Hour, STSEndpoint: s.server.URL, STSCAFile: s.caFile}
}

func TestSTS(t *testing.T) {
	tests := []struct {
		name     string
		duration time.Duration // of the role
		seconds  string        // that are asked for
		expires  string        // a minute less
	}{
		{"a role of half a minute over a quarter", 930 * time.Second, "930", "2026-11-30T16:44:30Z"},
		{"a role of an hour", time.Hour, "3600", "2026-11-30T17:29:00Z"},
		{"a role of twelve hours", 12 * time.Hour, "3600", "2026-11-30T17:29:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, service := newSetup(t), newSTS(t)
			s.settings.Role, s.settings.STSEnabled = service.role(), true
			s.settings.Role.Duration = tt.duration
			a := s.function(t).post(t, "/sts", `{"prefix":"albums/"}`)
			want := `{"AccessKeyId":"STS.role","AccessKeySecret":"role-secret","SecurityToken":"role-token","Expiration":"` + tt.expires + `",` +
				`"bucket":"examplebucket","region":"cn-hangzhou","endpoint":"https://oss-cn-hangzhou.aliyuncs.com","prefix":"u/_sts/alice/albums/"}`
			if a.Status != http.StatusOK || a.Body != want {
				t.Errorf("answer %d %s, want %s", a.Status, a.Body, want)
			}
			calls := service.seen()
			if len(calls) != 1 {
				t.Fatalf("%d calls of STS, want 1", len(calls))
			}
			asked := map[string]string{
				"Action": "AssumeRole", "RoleArn": roleARN, "RoleSessionName": "ossupload-alice", "DurationSeconds": tt.seconds, "AccessKeyId": "STS.own",
				"Policy": `{"Version":"1","Statement":[{"Effect":"Allow",` +
					`"Action":["oss:PutObject","oss:AbortMultipartUpload","oss:ListParts"],"Resource":["acs:oss:*:*:examplebucket/u/_sts/alice/albums/*"]}]}`,
			}
			for name, value := range asked {
				if got := calls[0].Get(name); got != value {
					t.Errorf("AssumeRole with %s %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestSTSPrefix(t *testing.T) {
	s, service := newSetup(t), newSTS(t)
	s.settings.Role, s.settings.STSEnabled = service.role(), true
	f := s.function(t)
	granted := []struct{ subject, asked, want string }{
		{"alice", "", "u/_sts/alice/"},
		{"alice", "a/", "u/_sts/alice/a/"},
		{"alice", "a/B-1_2.3/", "u/_sts/alice/a/B-1_2.3/"},
		{"alice", "u/_sts/alice/", "u/_sts/alice/"},
		{"alice", "u/_sts/alice/a/", "u/_sts/alice/a/"},
		// Another's prefix is a name below one's own.
		{"alice", "u/_sts/bob/", "u/_sts/alice/u/_sts/bob/"},
		{"alice", "u/bob/", "u/_sts/alice/u/bob/"},
		{"A*", "", "u/_sts/_41_2a/"},
		{"alice", strings.Repeat("x", 255) + "/", "u/_sts/alice/" + strings.Repeat("x", 255) + "/"},
	}
	for _, tt := range granted {
		var got stsResponse
		f.postAs(t, token(t, tt.subject, nil), "/sts", map[string]string{"prefix": tt.asked}).granted(t, &got)
		calls := service.seen()
		policy := calls[len(calls)-1].Get("Policy")
		if got.Prefix != tt.want || !strings.Contains(policy, `"Resource":["acs:oss:*:*:examplebucket/`+tt.want+`*"]`) {
			t.Errorf("prefix %q for %s = %q with the policy %s, want %q", tt.asked, tt.subject, got.Prefix, policy, tt.want)
		}
	}
	before := len(service.seen())
	for _, asked := range []string{
		"a", "/", "/a/", "a//b/", "./", "../", "a/../../bob/", "a/./", "a b/", "*/", "a?/", "${oss:x}/", "夏/", "a\n/", strings.Repeat("x", 256) + "/",
	} {
		f.post(t, "/sts", map[string]string{"prefix": asked}).refused(t, http.StatusBadRequest, "invalid_request", "prefix")
	}
	f.post(t, "/sts", `{"prefix":1}`).refused(t, http.StatusBadRequest, "invalid_request", "prefix")
	if calls := len(service.seen()); calls != before {
		t.Errorf("%d calls of STS for what was refused, want none", calls-before)
	}
}

func TestSTSOff(t *testing.T) {
	s, service := newSetup(t), newSTS(t)
	s.settings.Role = service.role()
	a := s.function(t).post(t, "/sts", "")
	if a.refused(t, http.StatusForbidden, "forbidden"); !strings.Contains(a.Body, "STS credentials are not enabled.") {
		t.Errorf("answer %s, want one that says that STS is off", a.Body)
	}
	if calls := service.seen(); len(calls) != 0 {
		t.Errorf("%d calls of STS, want none", len(calls))
	}
}

func TestSTSRoleThatCannotBeAssumed(t *testing.T) {
	s := newSetup(t)
	h, err := newHandler(s.settings, s.outside)
	if err != nil {
		t.Fatal(err)
	}
	h.assume = func(string, string) (rolecreds.Source, error) { return nil, errors.New("no such role") }
	f := function{&fchttp.Adapter{Handler: h.routes()}}
	f.post(t, "/sts", "").refused(t, http.StatusInternalServerError, "internal")
}

func TestUploadPolicy(t *testing.T) {
	got, err := uploadPolicy("examplebucket", "u/_sts/alice/")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Version":"1","Statement":[{"Effect":"Allow",` +
		`"Action":["oss:PutObject","oss:AbortMultipartUpload","oss:ListParts"],"Resource":["acs:oss:*:*:examplebucket/u/_sts/alice/*"]}]}`
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("uploadPolicy = %s, want %s", got, want)
	}
}

func TestSessionName(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
	seen := map[string]string{}
	for _, subject := range []string{"alice", "*", "../x", "夏", strings.Repeat("a", 54), strings.Repeat("a", 55), strings.Repeat("a", 128), strings.Repeat("é", 64)} {
		name := sessionName(subject)
		if !form.MatchString(name) {
			t.Errorf("sessionName(%q) = %q, want %s", subject, name, form)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("subjects %q and %q share the session name %q", subject, other, name)
		}
		seen[name] = subject
	}
}

func TestSessionNameOfLongSubjects(t *testing.T) {
	longest := strings.Repeat("a", 54)
	tests := []struct{ subject, want string }{
		{"alice", "ossupload-alice"},
		{"A b", "ossupload-_41_20b"},
		{longest, "ossupload-" + longest},
		// The first 54 hex digits of the subject's SHA-256.
		{longest + "a", "ossupload-9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e"},
	}
	for _, tt := range tests {
		if got := sessionName(tt.subject); got != tt.want {
			t.Errorf("sessionName(%q) = %q, want %q", tt.subject, got, tt.want)
		}
	}
}
