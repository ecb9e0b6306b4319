package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/probe"
	"ossupload/scripts/internal/stack/ram"
)

// asCommand has the test's own binary be the command.
const asCommand = "CONFORMANCE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// ended is how the command ended.
type ended struct {
	status         int
	stdout, stderr string
}

// command is the command as a process of its own, which reaches the cloud alone.
func (c *cloud) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.t.Context(), os.Args[0], args...)
	cmd.Env = []string{asCommand + "=1", "HTTP_PROXY=" + c.web.URL, "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	return cmd
}

func (c *cloud) run(args ...string) ended {
	c.t.Helper()
	return wait(c.t, c.command(args...), func() {})
}

// wait runs a command, and calls during while it does.
func wait(t *testing.T, cmd *exec.Cmd, during func()) ended {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	during()
	err := cmd.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// report is that of a command that was told -json.
func (e ended) report(t *testing.T) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(e.stdout), &r); err != nil {
		t.Fatalf("status %d, stdout %q, stderr %q: %v", e.status, e.stdout, e.stderr, err)
	}
	return r
}

// checkSecrets wants nothing in a report that may not be shown to everybody.
func checkSecrets(t *testing.T, report string) {
	t.Helper()
	for _, secret := range []string{theirKeyID, theirSecret, theirBucket, theirVersioned, theirRole, theirID, theirHost, theirToken,
		"strangers", "signature="} {
		if strings.Contains(strings.ToLower(report), strings.ToLower(secret)) {
			t.Errorf("the report holds %q:\n%s", secret, report)
		}
	}
	for _, begins := range []string{"CAIS", "STS.", "LTAI"} {
		if strings.Contains(report, begins) {
			t.Errorf("the report holds %q, which begins keys or tokens:\n%s", begins, report)
		}
	}
	if hex := regexp.MustCompile(`[0-9a-fA-F]{32}`).FindString(report); hex != "" {
		t.Errorf("the report holds %q, which may be a signature", hex)
	}
}

// unfitting are the facts about which a report of the stand-in says "not tried"
// although the settings have all that they need: see package probe.
var unfitting = []string{"callback.key", "callback.private-address", "endpoint.mainland"}

func TestStrangersCloud(t *testing.T) {
	t.Run("with a key alone", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t)
		r := c.allHolds(c.env(nil))
		if r.Role || r.Callbacks || r.Versioned {
			t.Errorf("the report is of %+v", r)
		}
	})
	t.Run("with a role, callbacks and versions", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t)
		settings := c.role()
		maps.Copy(settings, c.moreKeys())
		r := c.allHolds(c.env(settings), "-callback-listen", "127.0.0.1:0", "-versioned-bucket", theirVersioned, "-versioned-bucket", theirSuspended)
		if !r.Role || !r.Callbacks || !r.Versioned {
			t.Errorf("the report is of %+v", r)
		}
		for _, f := range r.Facts {
			if _, has := probe.Find(f.Fact); has && f.Outcome == probe.NotTried && !slices.Contains(unfitting, f.Fact) {
				t.Errorf("%s is not tried: %s", f.Fact, f.Saw)
			}
		}
	})
}

// allHolds runs the command, and wants all that it tries to hold, nothing to be
// changed and nothing to be told that is secret.
func (c *cloud) allHolds(env string, args ...string) report {
	c.t.Helper()
	c.put("strangers-own")
	e := c.run(append(args, "-yes", "-json", "-env", env)...)
	r := e.report(c.t)
	for _, f := range r.Facts {
		if f.Outcome == probe.Differs || f.Outcome == probe.NotTried && f.Saw == "" {
			c.t.Errorf("%s: %s: %s", f.Fact, f.Outcome, f.Saw)
		}
	}
	if e.status != 0 || r.Holds < 30 || r.Left != 0 || len(r.Facts) != len(facts.All()) || r.Holds+r.NotTried != len(r.Facts) {
		c.t.Errorf("status %d; %d hold, %d differ, %d not tried, %d left; stderr:\n%s", e.status, r.Holds, r.Differs, r.NotTried, r.Left, e.stderr)
	}
	if r.Region != theirRegion || r.Go != runtime.Version() || r.Ossupload == "" || r.Date.IsZero() {
		c.t.Errorf("the report is of %+v", r)
	}
	checkSecrets(c.t, e.stdout)
	if left := c.left(); !slices.Equal(left, []string{"strangers-own"}) {
		c.t.Errorf("in the buckets there is %q afterwards", left)
	}
	return r
}

func TestDiffers(t *testing.T) {
	c := newCloud(t, "multipart.etag-suffix=none", "sign.too-early=400")
	e := c.run("-yes", "-env", c.env(nil), "-fact", "multipart.etag-suffix", "-fact", "put.etag", "-fact", "trigger.vars", "-fact", "sign.too-early")
	if e.status != 1 || e.stderr == "" {
		t.Errorf("status %d, stderr %q", e.status, e.stderr)
	}
	for _, want := range []string{
		`(?m)^multipart.etag-suffix +unknown +differs `, `(?m)^put.etag +confirmed +holds `, `(?m)^trigger.vars +likely +not tried +it takes a deployed function`,
		`multipart.etag-suffix differs.*\n +Run the local stack with -assume "multipart.etag-suffix=none".`,
		`1 hold, 2 differ, 1 not tried; `,
	} {
		if !regexp.MustCompile(want).MatchString(e.stdout) {
			t.Errorf("stdout is\n%s\nwant %q in it", e.stdout, want)
		}
	}
	checkSecrets(t, e.stdout)
	if left := c.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestPrefixInUse(t *testing.T) {
	c := newCloud(t)
	c.put("in-use/by-them")
	before := c.requests.Load()
	e := c.run("-yes", "-env", c.env(nil), "-prefix", "in-use/")
	if e.status != 3 || e.stdout != "" || !strings.Contains(e.stderr, "something lies below it already") {
		t.Errorf("status %d, stdout %q, stderr %q", e.status, e.stdout, e.stderr)
	}
	if calls := c.requests.Load() - before; calls > 3 {
		t.Errorf("%d calls were made", calls)
	}
	if left := c.left(); !slices.Equal(left, []string{"in-use/by-them"}) {
		t.Errorf("in the bucket there is %q afterwards", left)
	}
	if e := c.run("-yes", "-env", c.env(nil), "-prefix", "free/", "-fact", "put.etag"); e.status != 0 {
		t.Errorf("below another prefix: status %d, stderr %q", e.status, e.stderr)
	}
}

// An interrupt comes when things have just been made.
func TestInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no interrupt for another process")
	}
	for _, when := range []struct{ method, query string }{{"PUT", "partNumber="}, {"POST", "uploads="}, {"GET", "versions="}} {
		t.Run(when.method+" "+when.query, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			var once sync.Once
			reached, release := make(chan struct{}), make(chan struct{})
			begun := false // whether anything was stored
			c.before = func(_ http.ResponseWriter, r *http.Request) bool {
				begun = begun || r.Method == http.MethodPut
				if r.Method == when.method && strings.Contains(r.URL.RawQuery, when.query) {
					once.Do(func() { close(reached); <-release })
				}
				return false
			}
			cmd := c.command("-yes", "-json", "-env", c.env(nil), "-fact", "put.etag", "-fact", "multipart.least-part", "-fact", "multipart.gone")
			e := wait(t, cmd, func() {
				<-reached
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
				close(release)
			})
			if e.status != 3 {
				t.Errorf("status %d, stdout %q, stderr %q", e.status, e.stdout, e.stderr)
			}
			if when.method != "GET" {
				if r := e.report(t); r.NotTried == 0 || r.Left != 0 || !strings.Contains(e.stderr, "stopping") {
					t.Errorf("report %+v, stderr %q", r, e.stderr)
				}
			}
			if left := c.left(); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// A cloud that does not answer any more ends the run, and is cleaned up when it does.
func TestOutOfTime(t *testing.T) {
	c := newCloud(t)
	c.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.RawQuery, "partNumber=2") {
			// A server notices that the command gives up once it has read the body.
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}
		return false
	}
	e := c.run("-yes", "-json", "-env", c.env(nil), "-fact", "multipart.least-part", "-fact", "put.etag", "-timeout", "2s")
	r := e.report(t)
	if e.status != 3 || r.NotTried != 2 || r.Left != 0 || !strings.Contains(e.stderr, "out of time") {
		t.Errorf("status %d, report %+v, stderr %q", e.status, r, e.stderr)
	}
	if left := c.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// What the credentials may not do is no finding about the cloud.
func TestDenied(t *testing.T) {
	t.Run("everything", func(t *testing.T) {
		c := newCloud(t)
		c.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>AccessDenied</Code></Error>")
			return true
		}
		e := c.run("-yes", "-json", "-env", c.env(c.role()))
		r := e.report(t)
		if e.status != 3 || r.NotTried != len(facts.All()) {
			t.Errorf("status %d, %d not tried; stderr %q", e.status, r.NotTried, e.stderr)
		}
		for _, f := range r.Facts {
			if _, has := probe.Find(f.Fact); has && !strings.HasPrefix(f.Saw, "denied") {
				t.Errorf("%s: %s", f.Fact, f.Saw)
			}
		}
		if calls := c.requests.Load(); calls > 10 {
			t.Errorf("%d calls were made", calls)
		}
		// Below a prefix of one's own, things of one's own may lie.
		if e := c.run("-yes", "-json", "-env", c.env(nil), "-prefix", "mine/"); e.status != 3 {
			t.Errorf("with a prefix: status %d, stderr %q", e.status, e.stderr)
		}
	})
	t.Run("uploads in parts", func(t *testing.T) {
		c := newCloud(t)
		policy, err := ram.ParsePolicy([]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"},{"Effect":"Deny","Action":"oss:ListParts","Resource":"*"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		c.accounts.Add(ram.Credential{AccessKeyID: theirKeyID, AccessKeySecret: theirSecret, Policies: []ram.Policy{policy}})
		e := c.run("-yes", "-json", "-env", c.env(nil), "-fact", "multipart.gone", "-fact", "multipart.least-part")
		r := e.report(t)
		if e.status != 0 || r.Facts[0].Outcome != probe.NotTried || !strings.HasPrefix(r.Facts[0].Saw, "denied: ") || r.Facts[1].Outcome != probe.Holds {
			t.Errorf("status %d, facts %+v", e.status, r.Facts)
		}
	})
	t.Run("a wrong secret", func(t *testing.T) {
		c := newCloud(t)
		e := c.run("-yes", "-json", "-env", c.env(map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET": theirSecret + "x"}))
		if r := e.report(t); e.status != 3 || r.NotTried != len(facts.All()) {
			t.Errorf("status %d, %d not tried", e.status, r.NotTried)
		}
	})
}

// What fails in one bucket takes nothing away from what others told, and is told
// without names.
func TestOneBucketFails(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.Host, theirVersioned) || r.Method != http.MethodPut {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	e := c.run("-yes", "-json", "-env", c.env(nil), "-versioned-bucket", theirVersioned, "-fact", "put.etag", "-fact", "version.id")
	r := e.report(t)
	if e.status != 3 || len(r.Facts) != 2 || r.Facts[0].Outcome != probe.Holds || r.Facts[1].Outcome != probe.NotTried {
		t.Errorf("status %d, facts %+v", e.status, r.Facts)
	}
	_, after, _ := strings.Cut(e.stderr, "conformance: ")
	if !strings.Contains(after, "bucket 2 of 2") || strings.Contains(after, theirVersioned) || strings.Contains(after, "ossupload-conformance/") {
		t.Errorf("the error is %q", after)
	}
}

// A cloud that answers with all that it was sent, and more, and a report all the
// same holds none of it.
func TestReportsHoldNoSecret(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			prepared := false // as far as the probes
			c.before = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "may-i") {
					prepared = true
				}
				if !prepared || strings.Contains(r.URL.Path, "may-i") || r.Method == http.MethodGet && !strings.Contains(r.URL.Path, "probe-") {
					return false
				}
				echo := fmt.Sprintf("%s %s %s %s %s %s", r.URL, r.Header, theirSecret, theirToken, theirBucket, theirID)
				for _, name := range []string{"ETag", "x-oss-ec", "Location", "x-oss-version-id", "Content-Range", "Content-Type"} {
					w.Header().Set(name, strings.NewReplacer("\r", " ", "\n", " ").Replace(echo))
				}
				w.Header().Set("x-oss-request-id", "5C3D9175B6FC201293AD4***") // as what OSS answers
				w.WriteHeader(status)
				for _, name := range []string{"Code", "EC", "Message", "UploadId", "ETag"} {
					echo += "<" + name + ">" + theirSecret + theirKeyID + "</" + name + ">"
				}
				fmt.Fprintf(w, "<Error>%s</Error>", echo)
				return true
			}
			env := c.env(c.role())
			for _, format := range []string{"-json=true", "-json=false"} {
				e := c.run("-yes", format, "-env", env, "-callback-listen", "127.0.0.1:0")
				// Where OSS fails, what STS says still holds, and nothing differs.
				ends := e.status == 1 || e.status == 3 || e.status == 0 && status == http.StatusInternalServerError
				if !ends || e.stdout == "" {
					t.Errorf("status %d, stderr %q", e.status, e.stderr)
				}
				checkSecrets(t, e.stdout)
				for _, secret := range []string{theirSecret, theirToken} {
					if strings.Contains(e.stderr, secret) {
						t.Errorf("stderr holds %q:\n%s", secret, e.stderr)
					}
				}
			}
		})
	}
}

func TestUsage(t *testing.T) {
	c := newCloud(t)
	env := c.env(nil)
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no file":              {nil, "-env is required"},
		"a file that is none":  {[]string{"-env", env + "x"}, "no such file"},
		"no credentials":       {[]string{"-env", c.env(map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": ""})}, "ALIBABA_CLOUD_ACCESS_KEY_ID"},
		"no bucket":            {[]string{"-env", c.env(map[string]string{"OSS_BUCKET": ""})}, "OSS_BUCKET: is required"},
		"a prefix of no slash": {[]string{"-yes", "-env", env, "-prefix", "a"}, "slash"},
		"a fact of none":       {[]string{"-yes", "-env", env, "-fact", "put.nothing"}, `there is no fact "put.nothing"`},
		"a stranger's flag":    {[]string{"-environment"}, "flag provided but not defined"},
		"an argument":          {[]string{"-env", env, "put.etag"}, "unexpected argument"},
		"a URL alone":          {[]string{"-env", env, "-callback-url", "http://a.example.com"}, "needs -callback-listen"},
		"too many requests":    {[]string{"-env", env, "-cold-starts", "21"}, "-cold-starts must be 0 to 20"},
		"a URL that is none":   {[]string{"-yes", "-env", env, "-function", "functions"}, "-function: "},
		"nothing to try":       {[]string{"-yes", "-env", env, "-fact", "trigger.vars"}, "none of these facts is tried like this"},
		"nobody to ask":        {[]string{"-env", env}, "say -yes"},
	} {
		t.Run(name, func(t *testing.T) {
			e := c.run(tt.args...)
			if e.status != 2 || !strings.Contains(e.stderr, tt.says) || e.stdout != "" {
				t.Errorf("status %d, stdout %q, stderr %q, want %q", e.status, e.stdout, e.stderr, tt.says)
			}
			if strings.Contains(e.stderr, theirSecret) {
				t.Errorf("stderr holds the secret: %q", e.stderr)
			}
		})
	}
	if n := c.requests.Load(); n > 0 {
		t.Errorf("%d calls were made", n)
	}
	if e := c.run("-help"); e.status != 0 || !strings.Contains(e.stdout, "-callback-listen") {
		t.Errorf("-help: status %d, stdout %q", e.status, e.stdout)
	}
}

// What is asked on a terminal is what will be done.
func TestAsks(t *testing.T) {
	c := newCloud(t)
	t.Setenv("HTTP_PROXY", c.web.URL)
	for answer, want := range map[string]int{"y\n": 0, "YES\n": 0, "n\n": 2, "\n": 2, "": 2, "yesterday\n": 2} {
		before := c.requests.Load()
		var stdout, stderr bytes.Buffer
		err := run(context.WithoutCancel(t.Context()), []string{"-env", c.env(nil), "-fact", "put.etag", "-prefix", "mine/"},
			console{in: strings.NewReader(answer), terminal: true, out: &stdout, err: &stderr})
		if got := status(&stdout, &stderr, err); got != want {
			t.Errorf("%q: status %d, stderr:\n%s", answer, got, &stderr)
		}
		if made := c.requests.Load() > before; made != (want == 0) {
			t.Errorf("%q: calls were made: %v", answer, made)
		}
		for _, text := range []string{"the bucket " + theirBucket, theirHost, "below mine/", "Facts to try: 1, by at most ", " CNY for 10,000 requests", "prices differ", "go on? [y/N]"} {
			if !strings.Contains(stderr.String(), text) {
				t.Errorf("it says\n%s\nwithout %q", &stderr, text)
			}
		}
	}
}
