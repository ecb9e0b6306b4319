package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
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

	"ossupload/shared/callerauth"
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

func newSTS(t testing.TB) *sts {
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
		{"alice", "u/bob/", "u/_sts/alice/u/bob/"},
		{"A*", "", "u/_sts/_41_2a/"},
		{"alice", "a_b/c_/", "u/_sts/alice/a_b/c_/"},
		{"alice", strings.Repeat("x", 255) + "/", "u/_sts/alice/" + strings.Repeat("x", 255) + "/"},
	}
	for _, tt := range granted {
		var got stsResponse
		f.postAs(t, token(t, tt.subject, nil), "/sts", map[string]string{"prefix": tt.asked}).granted(t, &got)
		resource := `"Resource":["acs:oss:*:*:examplebucket/` + tt.want + `*"]}]}`
		n := 0
		for _, call := range service.seen() {
			if strings.HasSuffix(call.Get("Policy"), resource) {
				n++
			}
		}
		if got.Prefix != tt.want || n != 1 {
			t.Errorf("prefix %q for %s = %q with %d policies of %s, want %q with one", tt.asked, tt.subject, got.Prefix, n, resource, tt.want)
		}
	}
	before := len(service.seen())
	for _, asked := range []string{
		"a", "/", "/a/", "_a/", "a/_b/", "_sts/", "u/_sts/bob/", "u/_sts/alice/_a/", "u/_sts/alice//", "..", "a/..", "u/_sts/alice/../", "a//b/", "./", "../", "a/../../bob/", "a/./", "a b/", "*/", "a?/", "${oss:x}/", "夏/", "a\n/", strings.Repeat("x", 256) + "/",
	} {
		f.post(t, "/sts", map[string]string{"prefix": asked}).refused(t, http.StatusBadRequest, "invalid_request", "prefix")
	}
	f.post(t, "/sts", `{"prefix":1}`).refused(t, http.StatusBadRequest, "invalid_request", "prefix")
	if calls := len(service.seen()); calls != before {
		t.Errorf("%d calls of STS for what was refused, want none", calls-before)
	}
}

// A session policy can express neither sizes nor types, nor one name.
func TestSTSOfNarrowedCallers(t *testing.T) {
	s, service := newSetup(t), newSTS(t)
	s.settings.Role, s.settings.STSEnabled = service.role(), true
	f := s.function(t)
	for _, upload := range []map[string]any{
		{"maxSize": 1 << 50}, {"contentTypes": []string{"*/*"}}, {"key": "a"}, {"maxSize": 0, "context": 1},
	} {
		a := f.postAs(t, token(t, "alice", map[string]any{"upload": upload}), "/sts", "")
		if a.refused(t, http.StatusForbidden, "forbidden"); !strings.Contains(a.Body, "Your token limits what you may upload") {
			t.Errorf("answer %s, want one that says why", a.Body)
		}
	}
	if calls := service.seen(); len(calls) != 0 {
		t.Errorf("%d calls of STS, want none", len(calls))
	}
	if a := f.postAs(t, token(t, "alice", map[string]any{"upload": map[string]any{"context": 1}}), "/sts", ""); a.Status != http.StatusOK {
		t.Errorf("answer %d %s to a caller with a context alone, want 200", a.Status, a.Body)
	}
}

func TestSTSDoesNotOutliveTheCaller(t *testing.T) {
	tests := []struct {
		name    string
		exp     int64  // from testSecond on
		seconds string // that are asked for; "": refused
		expires string
	}{
		{"a day", 86400, "3600", "2026-11-30T17:29:00Z"},
		{"an hour and a second", 3601, "3600", "2026-11-30T17:29:00Z"},
		{"an hour", 3600, "3599", "2026-11-30T17:28:59Z"},
		{"half an hour", 1800, "1799", "2026-11-30T16:58:59Z"},
		{"a quarter and a second", 901, "900", "2026-11-30T16:44:00Z"},
		{"a quarter, less what has gone", 900, "", ""},
		{"a second", 1, "", ""},
		{"none, within the leeway", -10, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, service := newSetup(t), newSTS(t)
			s.settings.Role, s.settings.STSEnabled = service.role(), true
			a := s.function(t).postAs(t, token(t, "alice", map[string]any{"exp": testSecond + tt.exp}), "/sts", "")
			calls := service.seen()
			if tt.seconds == "" {
				a.refused(t, http.StatusForbidden, "forbidden")
				if len(calls) != 0 {
					t.Errorf("%d calls of STS, want none", len(calls))
				}
				return
			}
			var got stsResponse
			a.granted(t, &got)
			if len(calls) != 1 || calls[0].Get("DurationSeconds") != tt.seconds || got.Expiration.Format(time.RFC3339) != tt.expires {
				t.Errorf("calls %v and credentials until %v, want one for %s s until %s", calls, got.Expiration, tt.seconds, tt.expires)
			}
		})
	}
}

// Credentials of one subject and prefix are shared until half their life, and with
// nobody else.
func TestSTSIsShared(t *testing.T) {
	s, service := newSetup(t), newSTS(t)
	s.settings.Role, s.settings.STSEnabled = service.role(), true
	now := testNow
	s.outside.now = func() time.Time { return now }
	f := s.function(t)
	const half = (3600 - 60) / 2 * time.Second // of what is told
	day := time.Duration(86400) * time.Second
	steps := []struct {
		name            string
		subject, prefix string
		at, exp         time.Duration // from testNow and from testSecond on
		calls           int           // so far
	}{
		{"the first", "alice", "", 0, day, 1},
		{"again", "alice", "", time.Second, day, 1},
		{"by the whole prefix", "alice", "u/_sts/alice/", time.Second, day, 1},
		{"with a token that ends later", "alice", "", time.Second, 2 * day, 1},
		{"another prefix", "alice", "a/", time.Second, day, 2},
		{"another subject", "bob", "", time.Second, day, 3},
		{"another subject whose key begins alike", "alic", "e/", time.Second, day, 4},
		{"just before half of it", "alice", "", half - time.Nanosecond, day, 4},
		{"at half of it", "alice", "", half, day, 5},
		{"again from there", "alice", "", half + 1, day, 5},
		{"a token that ends before the credentials", "alice", "", half, half + 1000*time.Second, 6},
		{"a longer one, which those fit", "alice", "", half, day, 6},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			now = testNow.Add(step.at)
			exp := testSecond + int64(step.exp/time.Second)
			var got stsResponse
			f.postAs(t, token(t, step.subject, map[string]any{"exp": exp}), "/sts", map[string]string{"prefix": step.prefix}).granted(t, &got)
			if calls := service.seen(); len(calls) != step.calls {
				t.Errorf("%d calls of STS, want %d", len(calls), step.calls)
			}
			if got.Expiration.Unix() > exp || got.Expiration.Before(now) {
				t.Errorf("credentials until %v, want before the caller's end", got.Expiration)
			}
			if want := "u/_sts/" + step.subject + "/" + strings.TrimPrefix(step.prefix, "u/_sts/"+step.subject+"/"); got.Prefix != want {
				t.Errorf("prefix %q, want %q", got.Prefix, want)
			}
		})
	}
}

// Calls that come together are one, and what was refused is asked for again.
func TestSTSTogether(t *testing.T) {
	s, service := newSetup(t), newSTS(t)
	s.settings.Role, s.settings.STSEnabled = service.role(), true
	f := s.function(t)
	service.refuse("Throttling.User")
	f.post(t, "/sts", "").refused(t, http.StatusServiceUnavailable, "throttled")
	service.refuse("")
	before := len(service.seen())
	proof := token(t, "alice", nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if a := f.postAs(t, proof, "/sts", ""); a.Status != http.StatusOK {
				t.Errorf("answer %d %s, want 200", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	if calls := len(service.seen()) - before; calls != 1 {
		t.Errorf("%d calls of STS, want 1", calls)
	}
}

// Who waits no longer gets an answer, and the call goes on for the others.
func TestSTSOfARequestThatEnds(t *testing.T) {
	l := lent{now: func() time.Time { return testNow }, longest: time.Hour}
	caller := callerauth.Caller{Subject: "alice"}
	ctx, cancel := context.WithCancel(t.Context())
	arrived, goOn := make(chan error, 1), make(chan struct{})
	lend := func(ctx context.Context, _, _ string, _ time.Duration) (rolecreds.Credentials, error) {
		cancel()
		<-goOn
		arrived <- ctx.Err()
		return rolecreds.Credentials{AccessKeyID: "STS.one", Expires: testNow.Add(time.Hour)}, nil
	}
	if _, err := l.get(ctx, caller, "u/", lend); !errors.Is(err, context.Canceled) {
		t.Errorf("get = %v, want %v", err, context.Canceled)
	}
	close(goOn)
	if err := <-arrived; err != nil {
		t.Errorf("the call ends with its request: %v", err)
	}
	c, err := l.get(t.Context(), caller, "u/", lend)
	if err != nil || c.AccessKeyID != "STS.one" {
		t.Errorf("get = %v, %v, want what the first call brought", c, err)
	}
}

// What is kept is bounded.
func TestSTSForgets(t *testing.T) {
	l := lent{now: func() time.Time { return testNow }, longest: time.Hour}
	calls := 0
	lend := func(context.Context, string, string, time.Duration) (rolecreds.Credentials, error) {
		calls++
		return rolecreds.Credentials{Expires: testNow.Add(time.Hour)}, nil
	}
	ask := func(subject string) {
		if _, err := l.get(t.Context(), callerauth.Caller{Subject: subject}, "u/", lend); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxLent {
		ask(fmt.Sprint(i))
	}
	if ask("0"); calls != maxLent || len(l.held) != maxLent {
		t.Fatalf("%d calls, %d are kept, want %d", calls, len(l.held), maxLent)
	}
	if ask("one more"); len(l.held) != 1 {
		t.Errorf("%d are kept, want the last", len(l.held))
	}
	if ask("one more"); calls != maxLent+1 {
		t.Errorf("%d calls, want %d", calls, maxLent+1)
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
	h.assume = func(string, string, time.Duration) (rolecreds.Source, error) { return nil, errors.New("no such role") }
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
