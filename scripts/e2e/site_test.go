package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

// site is a running stack, everything that it logs, and every secret that was
// issued on it. When it closes, none of them may be found in the log.
type site struct {
	*stack.Stack
	log       *logBook
	client    *client.Client
	developer *oss.Client

	mu      sync.Mutex
	secrets map[string]string // what must not be logged, and what it is
}

// newSite runs a site of the test's own; change may be nil.
func newSite(t *testing.T, change func(*stack.Options)) *site {
	t.Helper()
	s := openSite(t, change)
	t.Cleanup(func() { s.close(t) })
	s.showLogOfFailure(t)
	return s
}

// settingsOf is a change that overrides settings of the functions.
func settingsOf(overrides map[string]string) func(*stack.Options) {
	return func(o *stack.Options) { o.Settings = overrides }
}

// unsized allows URLs of which the size is open.
var unsized = map[string]string{"UPLOAD_URL_UNSIZED": "true"}

// shared are the sites that tests have in common, one behind each trigger. The
// first test that asks starts one, and the last that ends closes it.
var shared struct {
	sync.Mutex
	sites map[fc.Trigger]*siteInUse
}

type siteInUse struct {
	*site
	users int
}

func sharedSite(t *testing.T, trigger fc.Trigger) *site {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	s := shared.sites[trigger]
	if s == nil {
		s = &siteInUse{site: openSite(t, func(o *stack.Options) { o.Trigger = trigger })}
		if shared.sites == nil {
			shared.sites = map[fc.Trigger]*siteInUse{}
		}
		shared.sites[trigger] = s
	}
	s.users++
	t.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		if s.users--; s.users == 0 {
			delete(shared.sites, trigger)
			s.close(t)
		}
	})
	s.showLogOfFailure(t)
	return s.site
}

// onOwnSites runs a test behind each trigger on a site of its own.
func onOwnSites(t *testing.T, overrides map[string]string, test func(*testing.T, *site)) {
	t.Helper()
	stacktest.EndToEnd(t)
	t.Parallel()
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			test(t, newSite(t, func(o *stack.Options) { o.Trigger, o.Settings = trigger, overrides }))
		})
	}
}

// onBothSites runs a test on the shared sites.
func onBothSites(t *testing.T, test func(*testing.T, *site)) {
	t.Helper()
	stacktest.EndToEnd(t)
	t.Parallel()
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			test(t, sharedSite(t, trigger))
		})
	}
}

func openSite(t *testing.T, change func(*stack.Options)) *site {
	t.Helper()
	log := &logBook{}
	o := stack.Options{Binaries: stacktest.Binaries(t), Log: log, Assume: assumed}
	if change != nil {
		change(&o)
	}
	running, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	h := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}, Timeout: 30 * time.Second}
	s := &site{
		Stack:     running,
		log:       log,
		client:    running.Ready.Client(h),
		developer: running.Ready.Developer(h),
		secrets:   map[string]string{},
	}
	for _, name := range []string{"UPLOAD_TOKEN_SECRETS", "RECEIPT_SECRET", "AUTH_JWT_SECRET", "AUTH_HEADER_SECRET", "WEBHOOK_SECRETS"} {
		for _, value := range s.Settings.List(name) {
			for _, prefix := range []string{"k1:", "base64:", "whsec_"} {
				value = strings.TrimPrefix(value, prefix)
			}
			s.keepSecret(name, value)
		}
	}
	s.keepSecret("the developer's secret", s.Ready.AccessKeySecret)
	s.keepSecret("the caller's token", s.Ready.CallerToken)
	return s
}

func (s *site) close(t *testing.T) {
	t.Helper()
	s.client.HTTP.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	s.checkLog(t)
}

// keepSecret remembers what must never be logged.
func (s *site) keepSecret(what, value string) {
	const shortest = 16 // bytes; shorter text could be anywhere by chance
	if len(value) >= shortest {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.secrets[value] = what
	}
}

// keepURL remembers a signed URL, and each secret in it alone.
func (s *site) keepURL(signed string) {
	s.keepSecret("a signed URL", signed)
	u, err := url.Parse(signed)
	if err != nil {
		return
	}
	query := u.Query()
	for _, name := range []string{"x-oss-signature", "x-oss-security-token", "callback", "callback-var"} {
		s.keepSecret(name, query.Get(name))
	}
	id, _, _ := strings.Cut(query.Get("x-oss-credential"), "/")
	if c, ok := s.Accounts.Lookup(id); ok {
		s.keepSecret("the access key secret of "+id, c.AccessKeySecret)
	}
}

var temporaryKey = regexp.MustCompile(`STS\.[A-Za-z0-9]{24}`)

// checkLog searches the whole log. It is called when the stack has ended, and
// with it every function.
func (s *site) checkLog(t *testing.T) {
	t.Helper()
	log := s.log.String()
	for _, id := range temporaryKey.FindAllString(log, -1) {
		// The functions' own credentials are in no answer.
		if c, ok := s.Accounts.Lookup(id); ok {
			s.keepSecret("the access key secret of "+id, c.AccessKeySecret)
			s.keepSecret("the security token of "+id, c.SecurityToken)
		}
	}
	for _, what := range leaks(log, s.secrets) {
		t.Errorf("the log holds %s", what)
	}
	for _, line := range s.log.lines(t) {
		if line.Stack != "" {
			t.Errorf("a function panicked: %s", line.Err)
		}
	}
}

// leaks names the secrets that text holds, each name once, as they are or
// encoded for a query or for JSON.
func leaks(text string, secrets map[string]string) []string {
	var found []string
	for secret, what := range secrets {
		quoted, _ := json.Marshal(secret) // a string never fails
		for _, form := range []string{secret, url.QueryEscape(secret), strings.Trim(string(quoted), `"`)} {
			if strings.Contains(text, form) {
				found = append(found, what)
				break
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// The search above would pass as well if it found nothing at all.
func TestLeaksFindsWhatIsThere(t *testing.T) {
	secrets := map[string]string{"CAIS+a/b=CAIS+a/b=": "a token", "0123456789abcdef": "a signature", "https://h/k?a=1&b=2": "a URL", "not there at all": "nothing"}
	text := `{"msg":"x-oss-security-token=CAIS%2Ba%2Fb%3DCAIS%2Ba%2Fb%3D","err":"0123456789abcdef"} https://h/k?a=1\u0026b=2`
	if got, want := leaks(text, secrets), []string{"a URL", "a signature", "a token"}; !slices.Equal(got, want) {
		t.Errorf("leaks() = %q, want %q", got, want)
	}
}

// logBook keeps what is written into it.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// siteLogLine is what tests read of a line of the log.
type siteLogLine struct {
	Level, Msg, Route, Code, Reason, Err, Stack string
}

func (b *logBook) lines(t *testing.T) []siteLogLine {
	t.Helper()
	var lines []siteLogLine
	for text := range strings.Lines(b.String()) {
		var line siteLogLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Errorf("the log has a line that is not JSON: %q", text)
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// showLogOfFailure prints what was logged during the test if it fails.
func (s *site) showLogOfFailure(t *testing.T) {
	began := len(s.log.String())
	t.Cleanup(func() {
		const most = 3 << 10
		if logged := s.log.String()[began:]; t.Failed() {
			t.Logf("the end of the log:\n%s", logged[max(0, len(logged)-most):])
		}
	})
}
