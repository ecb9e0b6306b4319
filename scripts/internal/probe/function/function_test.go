package function_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/probe"
	"ossupload/scripts/internal/probe/function"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// found is what was found of each fact, as "outcome value".
func found(t *testing.T, target function.Target) map[string]string {
	t.Helper()
	target.HTTP, target.Now = &http.Client{Transport: &http.Transport{}}, time.Now
	report, err := function.Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if report.Calls > target.MaxCalls() || report.Calls == 0 || report.Bytes == 0 {
		t.Errorf("the run made %d calls with %d bytes, want at most %d", report.Calls, report.Bytes, target.MaxCalls())
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{target.Token, "uploads/", "http://", "ignature", "v1.k1."} {
		if secret != "" && strings.Contains(string(text), secret) {
			t.Errorf("the report %s holds %q", text, secret)
		}
	}
	all := map[string]string{}
	for _, f := range report.Findings {
		if _, twice := all[f.Fact]; twice || f.Outcome == "" || f.Saw == "" {
			t.Errorf("finding %+v stands twice or says nothing", f)
		}
		all[f.Fact] = strings.TrimSpace(string(f.Outcome) + " " + f.Value)
		t.Logf("%s: %s %s: %s", f.Fact, f.Outcome, f.Value, f.Saw)
	}
	return all
}

func check(t *testing.T, got, want map[string]string) {
	t.Helper()
	for id, finding := range want {
		if got[id] != finding {
			t.Errorf("%s: %q, want %q", id, got[id], finding)
		}
	}
}

// usual is what is found of a stack that assumes nothing.
var usual = map[string]string{
	"gateway.authorization":   "holds passed",
	"fc.query-values":         "holds decoded",
	"fc.cors-headers":         "holds the function's",
	"gateway.preflight":       "holds function",
	"gateway.repeated-values": "holds joined",
	"function.body":           "holds",
	"function.answer-headers": "holds",
	"fc.base64-answers":       "holds",
	"function.callback":       "holds",
	"function.clock":          "holds",
	"function.cold-starts":    "holds",
}

func TestUsual(t *testing.T) {
	t.Parallel()
	for trigger, path := range map[fc.Trigger]map[string]string{
		fc.TriggerHTTP:       {"function.path": "holds", "gateway.path": ""},
		fc.TriggerAPIGateway: {"gateway.path": "holds decoded", "function.path": ""},
	} {
		t.Run(string(trigger), func(t *testing.T) {
			t.Parallel()
			s := stacktest.Start(t, stack.Options{Trigger: trigger, NoTrigger: true})
			paused := time.Duration(0)
			got := found(t, function.Target{Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken, Parallel: 3, Pause: time.Minute,
				Wait: func(_ context.Context, d time.Duration) error { paused = d; return nil }})
			check(t, got, usual)
			check(t, got, path)
			if paused != time.Minute {
				t.Errorf("the pause was %v, want a minute", paused)
			}

			// A stranger learns less, and makes nothing.
			got = found(t, function.Target{Endpoint: s.Ready.Gateway})
			check(t, got, path)
			check(t, got, map[string]string{
				"gateway.authorization": "holds passed", "fc.cors-headers": "holds the function's", "gateway.preflight": "holds function",
				"function.answer-headers": "holds", "fc.query-values": "not tried", "gateway.repeated-values": "not tried",
				"function.body": "not tried", "fc.base64-answers": "not tried", "function.callback": "not tried", "function.clock": "not tried", "function.cold-starts": "not tried",
			})
		})
	}
}

// Each value of what can be seen from outside is seen.
func TestSeesEachValue(t *testing.T) {
	t.Parallel()
	both := []fc.Trigger{fc.TriggerHTTP, fc.TriggerAPIGateway}
	for _, tt := range []struct {
		settings  []string
		triggers  []fc.Trigger
		overrides map[string]string
		stopped   string // a function
	}{
		{[]string{"fc.query-values=encoded", "gateway.preflight=gateway"}, both, nil, ""},
		{[]string{"gateway.authorization=dropped", "fc.cors-headers=replaced"}, both, map[string]string{"AUTH_TOKEN_HEADER": ""}, ""},
		{[]string{"fc.cors-headers=doubled", "gateway.preflight=gateway"}, both, map[string]string{"CORS_ORIGINS": "*"}, ""},
		{[]string{"gateway.path=encoded", "gateway.repeated-values=last"}, both[1:], nil, ""},
		{[]string{"fc.failure-status=200"}, both[:1], nil, "callback"},
	} {
		for _, trigger := range tt.triggers {
			t.Run(strings.Join(tt.settings, " ")+" behind "+string(trigger), func(t *testing.T) {
				t.Parallel()
				s := stacktest.Start(t, stack.Options{Trigger: trigger, NoTrigger: true, Assume: stacktest.Assume(t, tt.settings...), Settings: tt.overrides})
				if tt.stopped != "" {
					if err := s.Functions[tt.stopped].Stop(); err != nil {
						t.Fatal(err)
					}
				}
				got := found(t, function.Target{Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken})
				for _, setting := range tt.settings {
					id, value, _ := strings.Cut(setting, "=")
					if want := "differs " + value; got[id] != want {
						t.Errorf("%s: %q, want %q", id, got[id], want)
					}
				}
			})
		}
	}
}

// Where tokens travel in another header, the rest is tried all the same.
func TestTokenHeader(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{NoTrigger: true, Assume: stacktest.Assume(t, "gateway.authorization=dropped")})
	got := found(t, function.Target{Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken, TokenHeader: s.Ready.TokenHeader})
	check(t, got, map[string]string{"gateway.authorization": "not tried", "function.callback": "holds", "function.clock": "holds", "function.body": "holds"})
}

// What stands before the functions does not get away with it.
func TestNoticesALyingProxy(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{Trigger: fc.TriggerHTTP, NoTrigger: true})
	target, err := url.Parse(s.Ready.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	request := func(change func(*http.Request)) *httputil.ReverseProxy {
		return &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); change(p.Out) }}
	}
	answer := func(change func(http.Header)) *httputil.ReverseProxy {
		p := request(func(*http.Request) {})
		p.ModifyResponse = func(r *http.Response) error { change(r.Header); return nil }
		return p
	}
	text := func(change func(http.Header, []byte) []byte) *httputil.ReverseProxy {
		p := request(func(*http.Request) {})
		p.ModifyResponse = func(r *http.Response) error {
			text, err := io.ReadAll(r.Body)
			err = errors.Join(err, r.Body.Close())
			text = change(r.Header, text)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			return err
		}
		return p
	}
	const long = 64 << 10
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 64<<20)) // a Buffer takes everything
	_ = z.Close()
	for name, tt := range map[string]struct {
		proxy http.Handler
		want  map[string]string
	}{
		"drops Authorization": {request(func(r *http.Request) { r.Header.Del("Authorization") }), map[string]string{"gateway.authorization": "differs dropped"}},
		"decodes queries": {request(func(r *http.Request) {
			r.URL.RawQuery, _ = url.PathUnescape(r.URL.RawQuery)
		}), map[string]string{"fc.query-values": "differs"}},
		"decodes paths":        {request(func(r *http.Request) { r.URL.RawPath = "" }), map[string]string{"function.path": "differs"}},
		"changes bodies":       {bodies(request(func(*http.Request) {})), map[string]string{"function.body": "differs"}},
		"doubles CORS headers": {answer(func(h http.Header) { h.Add("Access-Control-Allow-Origin", "*") }), map[string]string{"fc.cors-headers": "differs doubled"}},
		"joins CORS headers":   {answer(func(h http.Header) { h.Set("Access-Control-Allow-Origin", "*, *") }), map[string]string{"fc.cors-headers": "differs doubled"}},
		"drops headers":        {answer(func(h http.Header) { h.Del("X-Content-Type-Options") }), map[string]string{"function.answer-headers": "differs"}},
		"leaves base64 as it is": {text(func(h http.Header, text []byte) []byte {
			if len(text) < long {
				return text
			}
			return base64.StdEncoding.AppendEncode(nil, text)
		}), map[string]string{"fc.base64-answers": "differs"}},
		"leaves base64 of what is compressed": {text(func(h http.Header, text []byte) []byte {
			if h.Get("Content-Encoding") == "" {
				return text
			}
			return base64.StdEncoding.AppendEncode(nil, text)
		}), map[string]string{"fc.base64-answers": "differs"}},
		"cuts long answers": {text(func(_ http.Header, text []byte) []byte { return text[:min(len(text), long)] }), map[string]string{"fc.base64-answers": "differs"}},
		"answers a bomb": {text(func(h http.Header, text []byte) []byte {
			if h.Get("Content-Encoding") == "" {
				return text
			}
			return bomb.Bytes()
		}), map[string]string{"fc.base64-answers": "differs"}},
		"refuses long answers": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/batch") {
				http.Error(w, "too long", http.StatusBadGateway)
				return
			}
			request(func(*http.Request) {}).ServeHTTP(w, r)
		}), map[string]string{"fc.base64-answers": "differs"}},
		"compresses nothing":    {request(func(r *http.Request) { r.Header.Del("Accept-Encoding") }), map[string]string{"fc.base64-answers": "holds"}},
		"hides compression":     {answer(func(h http.Header) { h.Del("Content-Encoding") }), map[string]string{"fc.base64-answers": "differs"}},
		"answers preflights":    {preflights(request(func(*http.Request) {})), map[string]string{"gateway.preflight": "differs gateway"}},
		"takes the last value":  {request(lastValue), map[string]string{"gateway.repeated-values": "differs last"}},
		"has nothing behind it": {http.NotFoundHandler(), map[string]string{"function.path": "differs", "function.callback": "not tried", "gateway.authorization": "not tried"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := httptest.NewServer(tt.proxy)
			t.Cleanup(proxy.Close)
			check(t, found(t, function.Target{Endpoint: proxy.URL, Token: s.Ready.CallerToken}), tt.want)
		})
	}
}

func bodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		changed := strings.ReplaceAll(string(text), "%2B", "+")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(changed)), int64(len(changed))
		next.ServeHTTP(w, r)
	})
}

func preflights(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func lastValue(r *http.Request) {
	query := r.URL.Query()
	for name, values := range query {
		query.Set(name, values[len(values)-1])
	}
	r.URL.RawQuery = query.Encode()
}

// A callback that fails is told from one that does not come to anybody of ours.
func TestCallbackThatFails(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{NoTrigger: true})
	if err := s.Functions["callback"].Stop(); err != nil {
		t.Fatal(err)
	}
	target := function.Target{Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken, HTTP: http.DefaultClient, Now: time.Now}
	report, err := function.Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Findings, func(f probe.Finding) bool { return f.Fact == "function.callback" })
	if f := report.Findings[i]; f.Outcome != probe.Differs || f.Saw != "an upload was answered 203 CallbackFailed, of the callback 502" {
		t.Errorf("the callback: %s %q, want 203 and 502", f.Outcome, f.Saw)
	}
	if len(report.Leftovers) != 1 {
		t.Errorf("left behind: %q, want the object", report.Leftovers)
	}
}

// The clocks are compared, not the time of the test.
func TestClockThatIsBehind(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{NoTrigger: true})
	late := time.Duration(0)
	target := function.Target{
		Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken, HTTP: http.DefaultClient,
		Now:   func() time.Time { return time.Now().Add(late) },
		Pause: time.Hour, Wait: func(context.Context, time.Duration) error { late = 90 * time.Second; return nil },
	}
	report, err := function.Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Findings, func(f probe.Finding) bool { return f.Fact == "function.clock" })
	if f := report.Findings[i]; f.Outcome != probe.Differs || !strings.Contains(f.Saw, "after a pause of 1h0m0s by -1m") { // or a few seconds less: it takes them to ask
		t.Errorf("the clock: %s %q, want it a minute behind after the pause", f.Outcome, f.Saw)
	}
}

func TestRunRefuses(t *testing.T) {
	good := function.Target{Endpoint: "https://api.example", HTTP: http.DefaultClient, Now: time.Now}
	for name, change := range map[string]func(*function.Target){
		"no client": func(g *function.Target) { g.HTTP = nil }, "no clock": func(g *function.Target) { g.Now = nil },
		"no scheme": func(g *function.Target) { g.Endpoint = "api.example" }, "a query": func(g *function.Target) { g.Endpoint += "/?a=b" },
		"a password": func(g *function.Target) { g.Endpoint = "https://a:b@api.example" }, "another scheme": func(g *function.Target) { g.Endpoint = "ftp://api.example" },
		"too many at once": func(g *function.Target) { g.Parallel = function.MaxParallel + 1 },
	} {
		target := good
		change(&target)
		if _, err := function.Run(t.Context(), target); err == nil {
			t.Errorf("%s: it runs, want an error", name)
		}
	}
}

// What can be told by URL is tried, or it is said why not.
func TestFacts(t *testing.T) {
	here := function.Facts()
	for _, f := range facts.All() {
		area, _, _ := strings.Cut(f.ID, ".")
		about := f.ID == "fc.base64-answers" || f.Status == facts.Unknown && (area == "fc" || area == "gateway" || area == "credentials")
		if about != slices.Contains(here, f.ID) {
			t.Errorf("%s is tried or told of: %v", f.ID, !about)
		}
	}
}
