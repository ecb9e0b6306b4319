package probe

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/oss"
)

// lie changes what the stand-in answered to a call.
type lie func(r *http.Request, answer *httptest.ResponseRecorder)

func (l lie) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		l(r, answer)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.Header().Del("Content-Length")
		if length := answer.Header().Get("Content-Length"); r.Method == "HEAD" && length != "" {
			w.Header().Set("Content-Length", length)
		}
		w.WriteHeader(answer.Code)
		if r.Method != "HEAD" {
			_, _ = w.Write(answer.Body.Bytes())
		}
	})
}

// permits answers 200 where a request was refused for what it is.
func permits(_ *http.Request, answer *httptest.ResponseRecorder) {
	switch answer.Code {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict:
		answer.Code = http.StatusOK
		answer.Body.Reset()
	}
}

// refuses answers 403 to calls that have a header.
func refuses(header string) lie {
	return func(r *http.Request, answer *httptest.ResponseRecorder) {
		if r.Header.Get(header) != "" {
			answer.Code = http.StatusForbidden
		}
	}
}

// shows has a header of every answer be something else, or be missing.
func shows(name, value string) lie {
	return func(_ *http.Request, answer *httptest.ResponseRecorder) {
		if answer.Header().Get(name) == "" {
			return
		}
		answer.Header().Set(name, value)
		if value == "" {
			answer.Header().Del(name)
		}
	}
}

// says has the body of an answer to a method have something else in it.
func says(method, old, new string) lie {
	return func(r *http.Request, answer *httptest.ResponseRecorder) {
		if r.Method == method {
			text := strings.ReplaceAll(answer.Body.String(), old, new)
			answer.Body.Reset()
			answer.Body.WriteString(text)
			answer.Header().Del("Content-Length")
		}
	}
}

// of tells a lie about calls with a query parameter alone.
func of(parameter string, l lie) lie {
	return func(r *http.Request, answer *httptest.ResponseRecorder) {
		if r.URL.Query().Has(parameter) {
			l(r, answer)
		}
	}
}

// status answers one status in place of another.
func status(old, new int) lie {
	return func(_ *http.Request, answer *httptest.ResponseRecorder) {
		if answer.Code == old {
			answer.Code = new
		}
	}
}

// forgetful refuses every other call that is to be refused.
func forgetful(h http.Handler) http.Handler {
	var refusals atomic.Int64
	return lie(func(r *http.Request, answer *httptest.ResponseRecorder) {
		if answer.Code == http.StatusForbidden && refusals.Add(1)%2 == 0 {
			answer.Code = http.StatusOK
		}
	}).wrap(h)
}

// receives has something else in the bodies of callbacks.
func receives(old, new string) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), old, new)))
			h.ServeHTTP(w, r)
		})
	}
}

// twice delivers each callback once more.
func twice(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		go func() {
			defer func() { _ = recover() }() // a handler that aborts
			h.ServeHTTP(httptest.NewRecorder(), again)
		}()
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// lies are clouds of which a known fact does not hold.
var lies = map[string]standIn{
	"sign.unsigned-payload":          {lie: lie(permits).wrap},
	"sign.bucket-in-path":            {lie: lie(permits).wrap},
	"sign.host-not-signed":           {lie: lie(permits).wrap},
	"sign.content-length":            {lie: lie(permits).wrap},
	"sign.content-type":              {lie: lie(permits).wrap},
	"sign.oss-headers":               {lie: lie(permits).wrap},
	"sign.other-headers":             {lie: refuses("Content-Disposition").wrap},
	"sign.week":                      {lie: lie(permits).wrap},
	"sign.skew":                      {lie: lie(permits).wrap},
	"sign.shorter-life":              {lie: lie(permits).wrap},
	"put.forbid-overwrite":           {lie: lie(permits).wrap},
	"put.forbid-overwrite-versioned": {lie: refuses(forbids).wrap},
	"put.etag":                       {lie: shows("ETag", `"25f9e794323b453885f5181f1b624d0b"`).wrap},
	"put.content-md5":                {lie: lie(permits).wrap},
	"put.five-gib":                   {lie: lie(permits).wrap},
	"head.crc64":                     {lie: shows("x-oss-hash-crc64ecma", "1").wrap},
	"head.object-type":               {lie: shows("x-oss-object-type", "Normal").wrap},
	"head.tag-count":                 {lie: shows("x-oss-tagging-count", "").wrap},
	"form.exact":                     {lie: lie(permits).wrap},
	"form.length-range":              {lie: lie(permits).wrap},
	"form.token":                     {lie: lie(permits).wrap},
	"cors.expose-etag":               {lie: shows("Access-Control-Expose-Headers", "x-oss-request-id").wrap},
	"cors.preflight":                 {lie: lie(permits).wrap},
	"ram.put-covers":                 {lie: of("uploadId", status(200, 403)).wrap},
	"ram.list-parts":                 {lie: lie(permits).wrap},
	"ram.tagging":                    {lie: lie(permits).wrap},
	"callback.operations":            {lieCallback: receives("PostObject", "PutObject")},
	"callback.size":                  {lie: lie(permits).wrap},
	"callback.signature":             {lieCallback: receives("size=", "size=1")},
	"callback.headers-unsigned":      {lieCallback: receives("size=", "size=1")},
	"callback.once":                  {lieCallback: twice},
	"callback.203":                   {lie: status(203, 200).wrap},
	"callback.answer":                {lie: says("PUT", "{", "{ ").wrap},
	"callback.form-body":             {lieCallback: receives("%2F", "/")},
	"multipart.part-numbers":         {lie: lie(permits).wrap},
	"multipart.least-part":           {lie: lie(permits).wrap},
	"multipart.gone":                 {lie: of("uploadId", status(404, 200)).wrap},
	"multipart.replaced-part":        {lie: says("GET", "second", "first").wrap},
	"multipart.headers-at-initiate":  {lie: shows("x-oss-meta-at", "part").wrap},
	"multipart.part-crc":             {lie: says("GET", "HashCrc64ecma", "Hash").wrap},
	"version.id":                     {lie: shows(versionHeader, "same").wrap},
	"version.null":                   {lie: of("versionId", says("GET", "2", "1")).wrap},
	"sts.expiration":                 {lieSTS: says("POST", `"Expiration":"2`, `"Expiration":"3`).wrap},
	"sts.session-policy":             {lie: lie(permits).wrap},
	"sts.intersection":               {lie: forgetful},
}

func TestLiesAreNoticed(t *testing.T) {
	for _, p := range All() {
		if f, _ := fact(p.Fact); f.Status == facts.Unknown || untriable[p.Fact] != "" {
			continue
		}
		t.Run(p.Fact, func(t *testing.T) {
			t.Parallel()
			cloud, ok := lies[p.Fact]
			if !ok {
				t.Fatal("nobody has said what a cloud does of which this does not hold")
			}
			cloud.versioning = versioned[p.Fact]
			finding := tryOne(t, cloud.target(t), p.Fact)
			if finding.Outcome != Differs {
				t.Errorf("%s: %s", finding.Outcome, finding.Saw)
			}
		})
	}
}

// What is none of the values that somebody thought of is told as such.
func TestOtherValuesAreNoticed(t *testing.T) {
	teapot := lie(func(r *http.Request, answer *httptest.ResponseRecorder) {
		if answer.Code == http.StatusForbidden {
			answer.Code = http.StatusTeapot
		}
	})
	for _, id := range []string{"sign.too-early", "access.acl-action", "access.policy-before-bucket"} {
		f := tryOne(t, standIn{lie: teapot.wrap}.target(t), id)
		if f.Outcome != Differs && f.Outcome != NotTried || f.Value != "" || f.Assume() != "" || !strings.Contains(f.Saw, "418") {
			t.Errorf("%s: %s %q: %s", id, f.Outcome, f.Value, f.Saw)
		}
	}
}

func TestCORSRules(t *testing.T) {
	rule := oss.CORSRule{AllowedOrigins: []string{"https://*.example"}, AllowedMethods: []string{"GET", "POST"}}
	exposing := rule
	exposing.ExposeHeaders = []string{"etag"}
	forms := rule
	forms.AllowedMethods = []string{"POST"}
	for _, tt := range []struct {
		name              string
		rules             []oss.CORSRule
		expose, preflight Outcome
	}{
		{"no rule", []oss.CORSRule{}, NotTried, Holds},
		{"a rule that exposes nothing", []oss.CORSRule{rule}, Holds, Holds},
		{"a rule that exposes it", []oss.CORSRule{exposing}, Holds, Holds},
		{"a rule for forms alone", []oss.CORSRule{forms}, NotTried, Holds},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := standIn{cors: tt.rules}.target(t)
			for id, want := range map[string]Outcome{"cors.expose-etag": tt.expose, "cors.preflight": tt.preflight} {
				if f := tryOne(t, target, id); f.Outcome != want {
					t.Errorf("%s: %s: %s, want %s", id, f.Outcome, f.Saw, want)
				}
			}
		})
	}
}

func TestMainland(t *testing.T) {
	refuse := lie(func(r *http.Request, answer *httptest.ResponseRecorder) {
		if r.Method == "PUT" {
			answer.Code = http.StatusForbidden
			answer.Body.Reset()
			answer.Body.WriteString("<Error><Code>AccessDenied</Code><EC>0048-00000401</EC></Error>")
		}
	})
	const own = "oss-cn-hangzhou.aliyuncs.com"
	for _, tt := range []struct {
		name string
		standIn
		want Outcome
	}{
		{"a new account", standIn{host: own, lie: refuse.wrap}, Holds},
		{"an old account", standIn{host: own}, NotTried},
		{"another refusal", standIn{host: own, lie: lie(func(r *http.Request, a *httptest.ResponseRecorder) {
			if r.Method == "PUT" {
				a.Code = http.StatusForbidden
			}
		}).wrap}, Differs},
		{"a domain of one's own", standIn{host: "files.example"}, NotTried},
		{"Hong Kong", standIn{host: "oss-cn-hongkong.aliyuncs.com", region: "cn-hongkong"}, NotTried},
	} {
		if f := tryOne(t, tt.target(t), "endpoint.mainland"); f.Outcome != tt.want {
			t.Errorf("%s: %s: %s, want %s", tt.name, f.Outcome, f.Saw, tt.want)
		}
	}
}

// A whole run at a stranger's endpoint: another region, and buckets as subdomains.
func TestStrangersCloud(t *testing.T) {
	t.Parallel()
	target := standIn{region: "eu-central-1", host: "oss-eu-central-1.stranger.example"}.target(t)
	target.Prefix = "some/where/"
	report, err := Run(t.Context(), target, quick()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		skipped := untriable[f.Fact] != "" || versioned[f.Fact] != ""
		if f.Outcome != Holds && !skipped {
			t.Errorf("%s: %s: %s", f.Fact, f.Outcome, f.Saw)
		}
	}
	empty, err := Empty(t.Context(), target)
	if err != nil || !empty || len(report.Leftovers) > 0 {
		t.Errorf("Empty() = %v, %v; left behind: %q", empty, err, report.Leftovers)
	}
	t.Logf("%d facts, %d calls, %d bytes", len(report.Findings), report.Calls, report.Bytes)
}
