package probe

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"ossupload/scripts/internal/facts"
)

// faulty is a transport that answers some calls itself.
type faulty struct {
	base   http.RoundTripper
	answer func(*http.Request) *http.Response

	mu     sync.Mutex
	random *rand.Rand
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	hit := f.random.IntN(12) == 0
	f.mu.Unlock()
	if r.Method == http.MethodDelete || !strings.Contains(r.URL.Path, "probe-") && r.Method == http.MethodGet {
		hit = false // what prepares and cleans up has tests of its own
	}
	if !hit {
		return f.base.RoundTrip(r)
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return f.answer(r), nil
}

// faultyAnswer is one of OSS itself if it has a code, and of somebody else if not.
func faultyAnswer(status int, code, ec, body string) func(*http.Request) *http.Response {
	return func(r *http.Request) *http.Response {
		header := http.Header{"Date": {"Sat, 21 Nov 2026 22:00:00 GMT"}}
		text := body
		if code != "" {
			header.Set("x-oss-request-id", "5C3D9175B6FC201293AD****")
			header.Set("x-oss-ec", ec)
			text = fmt.Sprintf("<Error><Code>%s</Code><EC>%s</EC></Error>", code, ec)
		}
		if r.Method == http.MethodHead {
			text = ""
		}
		return &http.Response{StatusCode: status, Header: header, Request: r, ProtoMajor: 1, ProtoMinor: 1,
			ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text))}
	}
}

// What goes wrong at times makes no fact differ that holds.
func TestFaultsMakeNothingDiffer(t *testing.T) {
	const page = "<!DOCTYPE html><html><body>No</body></html>"
	var ids []string
	for _, id := range quick() {
		if f, _ := fact(id); f.Status != facts.Unknown && untriable[id] == "" {
			ids = append(ids, id)
		}
	}
	for name, answer := range map[string]func(*http.Request) *http.Response{
		"400 RequestTimeout":       faultyAnswer(400, "RequestTimeout", "", ""),
		"403 RequestTimeTooSkewed": faultyAnswer(403, "RequestTimeTooSkewed", "", ""),
		"403 SecurityTokenExpired": faultyAnswer(403, "SecurityTokenExpired", "", ""),
		"403 of a policy":          faultyAnswer(403, "AccessDenied", "0003-00000801", ""),
		"403 with a page":          faultyAnswer(403, "", "", page),
		"404 of nobody":            faultyAnswer(404, "", "", ""),
		"302":                      faultyAnswer(302, "", "", ""),
		"407":                      faultyAnswer(407, "", "", page),
		"408":                      faultyAnswer(408, "", "", ""),
		"200 with a page":          faultyAnswer(200, "", "", page),
		"503":                      faultyAnswer(503, "ServiceUnavailable", "", ""),
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				t.Parallel()
				target := standIn{}.target(t)
				client := *target.HTTP
				client.Transport = &faulty{base: client.Transport, answer: answer, random: rand.New(rand.NewPCG(seed, 1))}
				target.HTTP = &client
				report, err := Run(t.Context(), target, ids...)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range report.Findings {
					if f.Outcome == Differs || f.Outcome == NotTried && f.Saw == "" {
						t.Errorf("%s: %s: %s", f.Fact, f.Outcome, f.Saw)
					}
				}
			})
		}
	}
}

// A probe that met trouble finds nothing, whatever it makes of the answers.
func TestTroubleIsNoValue(t *testing.T) {
	down := standIn{lie: of("x-oss-date", status(200, 500)).wrap}
	refuses := lie(func(r *http.Request, answer *httptest.ResponseRecorder) {
		if r.Header.Get("x-oss-meta-a.b_c") != "" {
			answer.Code = http.StatusInternalServerError
		}
	})
	for id, cloud := range map[string]standIn{"sign.unsigned-payload": down, "meta.names": {lie: refuses.wrap}} {
		if f := tryOne(t, cloud.target(t), id); f.Outcome != NotTried {
			t.Errorf("%s: %s: %s", id, f.Outcome, f.Saw)
		}
	}
}

// A code of a fault is a finding where a probe asks for it.
func TestProvokedCodes(t *testing.T) {
	a := reply{status: 403, code: "RequestTimeTooSkewed", header: http.Header{"X-Oss-Request-Id": {"0"}}}
	if !a.trouble(true) || a.trouble(true, "RequestTimeTooSkewed") {
		t.Error("a code that was asked for is trouble, or one that was not is none")
	}
}
