package probe

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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

// lies are what a cloud would do of which a known fact does not hold.
var lies = map[string]lie{
	"sign.unsigned-payload":          permits,
	"sign.bucket-in-path":            permits,
	"sign.host-not-signed":           permits,
	"sign.content-length":            permits,
	"sign.content-type":              permits,
	"sign.oss-headers":               permits,
	"sign.other-headers":             refuses("Content-Disposition"),
	"sign.week":                      permits,
	"sign.skew":                      permits,
	"sign.shorter-life":              permits,
	"put.forbid-overwrite":           permits,
	"put.forbid-overwrite-versioned": refuses(forbids),
	"put.etag":                       shows("ETag", `"25f9e794323b453885f5181f1b624d0b"`),
	"put.content-md5":                permits,
	"put.five-gib":                   permits,
	"head.crc64":                     shows("x-oss-hash-crc64ecma", "1"),
	"head.object-type":               shows("x-oss-object-type", "Normal"),
	"head.tag-count":                 shows("x-oss-tagging-count", ""),
	"form.exact":                     permits,
	"form.length-range":              permits,
	"form.token":                     permits,
	"cors.expose-etag":               shows("Access-Control-Expose-Headers", "x-oss-request-id"),
	"cors.preflight":                 permits,
	"ram.put-covers": func(r *http.Request, answer *httptest.ResponseRecorder) {
		if r.URL.Query().Has("partNumber") {
			answer.Code = http.StatusForbidden
		}
	},
	"ram.list-parts": permits,
	"ram.tagging":    permits,
}

func TestLiesAreNoticed(t *testing.T) {
	for _, p := range All() {
		if f, _ := fact(p.Fact); f.Status == facts.Unknown || untriable[p.Fact] != "" {
			continue
		}
		t.Run(p.Fact, func(t *testing.T) {
			t.Parallel()
			told, ok := lies[p.Fact]
			if !ok {
				t.Fatal("nobody has said what a cloud does of which this does not hold")
			}
			finding := tryOne(t, standIn{versioning: versioned[p.Fact], lie: told.wrap}.target(t), p.Fact)
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
	target := standIn{region: "eu-central-1", host: "oss-eu-central-1.stranger.example"}.target(t)
	target.Prefix = "some/where/"
	report, err := Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		skipped := untriable[f.Fact] != "" || versioned[f.Fact] != "" ||
			slices.ContainsFunc(unswitched, func(prefix string) bool { return strings.HasPrefix(f.Fact, prefix) })
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
