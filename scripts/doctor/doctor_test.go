package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/roles"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
)

// TestDoctor looks at a stack that is well, and then at one thing after the other
// that is broken: the check that is meant has to say so, and no other may fail.
func TestDoctor(t *testing.T) {
	w := newWorld(t, stack.Options{})
	t.Run("all is well", func(t *testing.T) {
		got := w.diagnosis(t, nil, "-upload")
		if len(got) != len(checks) {
			t.Errorf("%d checks were told of, want %d", len(got), len(checks))
		}
		for _, id := range slices.Sorted(maps.Keys(got)) {
			if want := statusOK; got[id].Status != want && !names("unseen", id) {
				t.Errorf("%+v, want %s", got[id], want)
			}
		}
	})
	t.Run("all is well over https", func(t *testing.T) {
		defer w.heal()
		server := tlsBefore(t, w.Ready.Gateway)
		w.network = trusting(server)
		checkWell(t, w.diagnosis(t, map[string]string{"PUBLIC_URL": server.URL, "CALLBACK_URL": server.URL + "/callback"}))
	})
	t.Run("each function has an address of its own", func(t *testing.T) {
		own := func(prefixes ...string) string {
			return serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(r.URL.Path, prefix) }) {
					http.NotFound(rw, r)
					return
				}
				proxyTo(t, w.Ready.Gateway).ServeHTTP(rw, r)
			}))
		}
		checkWell(t, w.diagnosis(t, nil, "-upload", "-url", own("/presign", "/download", "/sts", "/session"), "-complete-url", own("/s3/", "/confirm")))
	})
	for _, a := range ailments {
		t.Run(a.name, func(t *testing.T) {
			defer w.heal()
			a.check(t, w.diagnosis(t, a.inflict(t, w), a.args...))
		})
	}
}

func checkWell(t *testing.T, got map[string]result) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if r := got[id]; r.Status == statusFail || r.Status == statusWarn {
			t.Errorf("%+v, want nothing to mend", r)
		}
	}
}

// check wants what a doctor says of a: its own check, and no other.
func (a ailment) check(t *testing.T, got map[string]result) {
	t.Helper()
	if want := a.status(); got[a.id].Status != want || got[a.id].Mend == "" {
		t.Errorf("%+v, want %s and how to mend it", got[a.id], want)
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if id != a.id && got[id].Status == statusFail {
			t.Errorf("besides, %+v", got[id])
		}
	}
}

// With the policy that scripts/ram prints nothing is left out, and nothing of it is
// for nothing.
func TestDoctorsOwnPolicy(t *testing.T) {
	w := newWorld(t, stack.Options{})
	d := roles.Deployment{Account: account, Bucket: w.Ready.Bucket, Prefix: "uploads/", UploadRole: stack.UploadRole}
	maps.Copy(w.settings, w.operator("doctor", time.Time{}, parsePolicy(t, d.Examining())))
	for _, key := range []string{"_ossupload/uploads/_pending/1795172400-evt_1", "_ossupload/uploads/_dead/evt_1"} {
		w.store(t, w.Ready.OSS, key)
	}
	var (
		mu    sync.Mutex
		asked []ram.Asked
	)
	w.Accounts.Watch(func(a ram.Asked) {
		mu.Lock()
		defer mu.Unlock()
		if a.Role == functionRoleARN {
			asked = append(asked, a)
		}
	})
	got := w.diagnosis(t, nil, "-skip", "webhook")
	for _, id := range []string{"queue.sealed", "queue.dead"} {
		if got[id].Status != statusFail {
			t.Errorf("%+v, want what was stored to be seen", got[id])
		}
		delete(got, id)
	}
	checkWell(t, got)
	for _, r := range got {
		if strings.Contains(r.Seen, "may not be read") {
			t.Errorf("%+v, want it looked at", r)
		}
	}
	w.Accounts.Watch(nil)
	for _, s := range d.Examining() {
		for _, action := range s.Action {
			s.Action = []string{action}
			alone := parsePolicy(t, roles.Policy{s})
			if !slices.ContainsFunc(asked, func(a ram.Asked) bool { return a.Allowed && alone.AllowsWhen(a.Action, a.Resource, a.Known) }) {
				t.Errorf("%s on %s is granted, and never asked for", action, s.Resource)
			}
		}
	}
}

// Nothing is wrong where everybody may upload, or where tokens have a header of
// their own; nor behind the other kind of gateway.
func TestOtherDeployments(t *testing.T) {
	for name, o := range map[string]stack.Options{
		"everybody is a caller":           {Settings: map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true", "AUTH_JWT_SECRET": ""}},
		"another header and gateway":      {Settings: map[string]string{"AUTH_TOKEN_HEADER": "X-Caller"}, Trigger: fc.TriggerHTTP},
		"versions, and no role of ours":   {Settings: map[string]string{"UPLOAD_ROLE_ARN": ""}, Versioning: oss.VersioningEnabled},
		"no webhook, and no pages at all": {Settings: map[string]string{"WEBHOOK_URL": "", "CORS_ORIGINS": "", "UPLOAD_METHODS": "put"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, o)
			for id, r := range w.diagnosis(t, nil, "-upload") {
				if r.Status == statusFail && id != "lifecycle.noncurrent" {
					t.Errorf("%+v", r)
				}
				if r.Status != statusOK && (id == "upload.put" || id == "upload.confirm") {
					t.Errorf("%+v, want it tried", r)
				}
			}
		})
	}
}

// Without -upload nothing is stored.
func TestChecksThatWriteAskForUpload(t *testing.T) {
	p := &patient{} // with which no call could be made
	for _, c := range checks {
		if !c.writes {
			continue
		}
		if v := c.look(t.Context(), p, nil); v.status != statusSkip {
			t.Errorf("%s without -upload = %+v, want %s", c.id, v, statusSkip)
		}
	}
}

// A template says what the functions get, but for addresses that only a deployment
// tells.
func TestDeployedSettings(t *testing.T) {
	given := right()
	given["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "key"
	for _, tt := range []struct{ template, callback string }{
		{alone, "https://told.example.com/callback"},
		{domain, "https://told.example.com/callback"},
		{domain, ""},
	} {
		if given["CALLBACK_URL"] = tt.callback; tt.callback == "" {
			delete(given, "CALLBACK_URL")
		}
		c := command{template: tt.template, templateGiven: true, envFile: filepath.Join(t.TempDir(), "none")}
		lookup, err := deployedSettings(c, func(name string) (string, bool) { v, ok := given[name]; return v, ok })
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"CALLBACK_URL":                cmp.Or(tt.callback, "https://api.example.com/callback"),
			"OSS_BUCKET":                  "photos",
			"UPLOAD_PREFIX":               "uploads/",
			"ALIBABA_CLOUD_ACCESS_KEY_ID": "key",
		} {
			if got, _ := lookup(name); got != want {
				t.Errorf("%s with %q: %s = %q, want %q", tt.template, tt.callback, name, got, want)
			}
		}
		if _, err := newPatient(c, outside{lookup: lookup, now: time.Now, random: rand.Reader}); err != nil {
			t.Errorf("%s: newPatient() = %v", tt.template, err)
		}
	}
}

func TestChecks(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range checks {
		if seen[c.id] || !strings.Contains(c.id, ".") && c.id != "clock" && c.id != "settings" {
			t.Errorf("%q is no id of its own", c.id)
		}
		for _, id := range c.after {
			if !seen[id] {
				t.Errorf("%s comes after %s, which does not stand before it", c.id, id)
			}
		}
		seen[c.id] = true
		if c.looks == "" || c.mend == "" || c.run == nil {
			t.Errorf("%s lacks a part", c.id)
		}
	}
}

func TestPagesOfChecks(t *testing.T) {
	for _, c := range checks {
		file, anchor, _ := strings.Cut(c.page, "#")
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Errorf("%s: %v", c.id, err)
		}
		if !slices.Contains(anchors(string(text)), anchor) {
			t.Errorf("%s: %s has no heading %q", c.id, file, anchor)
		}
	}
}

// anchors are those of the headings of a page.
func anchors(page string) []string {
	var all []string
	for line := range strings.Lines(page) {
		if hashes, heading, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.Trim(hashes, "#") == "" {
			all = append(all, strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-':
					return r
				}
				return -1
			}, strings.ToLower(heading)))
		}
	}
	return all
}

func TestSelection(t *testing.T) {
	for _, tt := range []struct{ only, skip, want string }{
		{"clock", "", "clock"},
		{"cors", "cors.etag,cors.headers", "cors.rules cors.origin cors.put cors.post"},
		{"oss.region,queue.dead", "", "oss.region queue.dead"},
		{"oss", "oss.endpoint", "oss.endpoint-bucket oss.region oss.public-endpoint oss.credentials oss.bucket oss.access"},
	} {
		s, err := parseSelection(tt.only, tt.skip)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range checks {
			if s.takes(c.id) {
				got = append(got, c.id)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("-only %s -skip %s takes %s, want %s", tt.only, tt.skip, got, tt.want)
		}
	}
	for _, name := range []string{"cor", "cors.", "oss.regions"} {
		if _, err := parseSelection("", name); err == nil {
			t.Errorf("parseSelection(%q) = nil, want an error", name)
		}
	}
}

// A check that is asked for alone is still not blamed for what it comes after.
func TestSelectionRunsWhatComesBefore(t *testing.T) {
	s, err := parseSelection("role.read", "")
	if err != nil {
		t.Fatal(err)
	}
	needed := s.needed()
	for _, id := range []string{"role.read", "role.assume", "oss.bucket", "clock", "oss.endpoint"} {
		if !needed[id] {
			t.Errorf("role.read alone runs without %s", id)
		}
	}
	if needed["cors.rules"] || needed["webhook.reach"] {
		t.Errorf("role.read alone runs %v", needed)
	}
}

// Neither a URL nor the words of OSS, which repeat what was signed, are told.
func TestPlain(t *testing.T) {
	cause := errors.New("connection refused")
	if got := plain(fmt.Errorf("asking: %w", &url.Error{Op: "Get", URL: "https://a.example.com/?key=planted", Err: cause})); got != cause {
		t.Errorf("plain() = %v, want %v", got, cause)
	}
	got := plain(fmt.Errorf("asking: %w", &sdk.ServiceError{StatusCode: 403, Code: "SignatureDoesNotMatch", EC: "0002-00000040", RequestID: "1", Message: "planted"}))
	if want := "403 SignatureDoesNotMatch (EC 0002-00000040, request id 1)"; got.Error() != want {
		t.Errorf("plain() = %v, want %s", got, want)
	}
}

func TestPrintText(t *testing.T) {
	p := &patient{secrets: []string{"hidden-secret"}}
	var out bytes.Buffer
	printText(&out, result{Status: statusOK, ID: "clock", Seen: p.conceal("it agrees")})
	printText(&out, result{Status: statusFail, ID: "cors.etag", Seen: p.conceal("none\nof hidden-secret"), Mend: "expose it", Page: "README.md#deploy"})
	const want = "ok    clock                   it agrees\n" +
		"fail  cors.etag               none of [secret]; mend: expose it  (README.md#deploy)\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", &out, want)
	}
}

func TestUsageOfADeployment(t *testing.T) {
	nothing := func(string) (string, bool) { return "", false }
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		args []string
		want error
		say  string
	}{
		{[]string{"-h"}, flag.ErrHelp, ""},
		{[]string{"-only", "nothing"}, errUsage, `"nothing"`},
		{[]string{"-env", none}, errUsage, "none"},
		{[]string{"now"}, errUsage, `"now"`},
		{nil, errUsage, "OSS_BUCKET: is required"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), tt.args, nothing, &out, io.Discard)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.say) || out.Len() > 0 {
			t.Errorf("run(%q) = %v and %q, want %v with %s", tt.args, err, &out, tt.want, tt.say)
		}
	}
}

// A server that knows several names shows another certificate to who names none.
func TestNeedsSNI(t *testing.T) {
	certificate, ca, err := sts.Certificate(time.Now(), rand.Reader) // for localhost
	if err != nil {
		t.Fatal(err)
	}
	for _, always := range []bool{true, false} {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		if always {
			server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
		} else { // the one that httptest adds is for who sends no name
			server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }}
		}
		server.StartTLS()
		t.Cleanup(server.Close)
		roots, transport := x509.NewCertPool(), newTransport()
		roots.AppendCertsFromPEM(ca)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		p := &patient{http: &http.Client{Transport: transport}}
		target := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
		v := p.checkTLS(t.Context(), target)
		if v.status != statusOK || strings.Contains(v.seen, "SNI") == always {
			t.Errorf("a certificate for everybody is %v: %+v", always, v)
		}
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		if needsSNI(t.Context(), u) == always {
			t.Errorf("needsSNI() = %v, want %v", always, !always)
		}
	}
}
