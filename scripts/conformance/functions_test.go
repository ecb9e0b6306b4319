package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ossupload/scripts/internal/probe"
)

const theirCaller = "eyJhbGciOiJIUzI1NiJ9.strangers-callers-token"

// A URL at which no function is: what is reported about it, and that nothing secret
// is. What there is to be seen of real ones is told by package function.
func TestFunctions(t *testing.T) {
	c := newCloud(t)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			w.Header()["X-Echo-"+name] = values
		}
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, `{"code":%q,"message":%q}`, r.Header.Get("Authorization"), r.Header)
	}))
	t.Cleanup(gateway.Close)
	args := []string{"-yes", "-json", "-env", c.env(map[string]string{"CALLER_TOKEN": theirCaller, "CORS_ORIGINS": "https://strangers.example.com"}),
		"-function", gateway.URL, "-cold-starts", "2", "-freeze", "1ms"}

	e := c.run(append(args, "-fact", "gateway.preflight")...)
	r := e.report(t)
	if len(r.Facts) != 1 || r.Facts[0].Fact != "gateway.preflight" || !r.Functions || c.requests.Load() > 0 {
		t.Errorf("status %d, facts %+v, %d calls of OSS", e.status, r.Facts, c.requests.Load())
	}
	for _, text := range []string{"The functions at " + gateway.URL + " will be asked at most ", "an object of five bytes will be uploaded, and stays"} {
		if !strings.Contains(e.stderr, text) {
			t.Errorf("stderr is %q, want %q in it", e.stderr, text)
		}
	}

	e = c.run(append(args, "-callback-listen", "127.0.0.1:0")...)
	r = e.report(t)
	tried := map[string]result{}
	for _, f := range r.Facts {
		tried[f.Fact] = f
	}
	if f := tried["function.body"]; f.Outcome == "" || f.Status != measured || f.Says == "" {
		t.Errorf("of function.body is said %+v", f)
	}
	if f := tried["put.etag"]; f.Outcome != probe.Holds {
		t.Errorf("put.etag: %+v", f)
	}
	for _, f := range r.Facts {
		if f.Outcome == probe.Differs && f.Do == "" {
			t.Errorf("%s differs, and nothing is said to be done", f.Fact)
		}
	}
	checkSecrets(t, e.stdout)
	for _, secret := range []string{theirCaller, strings.TrimPrefix(gateway.URL, "http://"), "callers-token", "strangers.example.com"} {
		if strings.Contains(e.stdout, secret) {
			t.Errorf("the report holds %q:\n%s", secret, e.stdout)
		}
	}
	if strings.Contains(e.stderr, theirCaller) {
		t.Errorf("stderr holds the caller's token: %s", e.stderr)
	}
	if left := c.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
