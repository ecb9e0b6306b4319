package probe

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/oss"
)

// tryOne runs the probe of one fact, and wants nothing to be left behind.
func tryOne(t *testing.T, target Target, id string) Finding {
	t.Helper()
	report, err := Run(t.Context(), target, id)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Leftovers) > 0 {
		t.Errorf("%s left behind: %q", id, report.Leftovers)
	}
	if empty, err := Empty(t.Context(), target); err != nil || !empty {
		t.Errorf("after %s: Empty() = %v, %v", id, empty, err)
	}
	return report.Findings[0]
}

// versioned are the probes that another bucket is for than one without versions.
var versioned = map[string]oss.Versioning{
	"put.forbid-overwrite-versioned": oss.VersioningEnabled,
	"copy.marker-by-id":              oss.VersioningEnabled,
	"delete.version-missing":         oss.VersioningEnabled,
	"version.id":                     oss.VersioningEnabled,
	"version.null":                   oss.VersioningSuspended,
	"version.null-shown":             oss.VersioningSuspended,
	"version.marker-by-id":           oss.VersioningEnabled,
}

// untriable are the facts that cannot be tried on an ordinary stand-in, and what
// their probes say.
var untriable = map[string]string{
	"callback.key":             "CALLBACK_KEY_URLS names other keys than the published one",
	"callback.private-address": "the receiver of this run has a private address itself",
	"endpoint.mainland":        "needs an endpoint of OSS's own in a mainland region",
}

func TestKnownFactsHold(t *testing.T) {
	for _, p := range All() {
		f, _ := fact(p.Fact)
		if f.Status == facts.Unknown {
			continue
		}
		t.Run(p.Fact, func(t *testing.T) {
			t.Parallel()
			finding := tryOne(t, standIn{versioning: versioned[p.Fact]}.target(t), p.Fact)
			if because := untriable[p.Fact]; because != "" {
				if finding.Outcome != NotTried || finding.Saw != because {
					t.Errorf("%s: %s: %s, want not tried: %s", p.Fact, finding.Outcome, finding.Saw, because)
				}
				return
			}
			if finding.Outcome != Holds {
				t.Errorf("%s: %s: %s", p.Fact, finding.Outcome, finding.Saw)
			}
			if finding.Calls > p.Calls+len(p.Needs) || finding.Calls == 0 {
				t.Errorf("%d calls, want 1 to %d", finding.Calls, p.Calls)
			}
		})
	}
}

func TestUnknownFactsShowTheirValues(t *testing.T) {
	for _, p := range All() {
		f, _ := fact(p.Fact)
		for _, value := range f.Values {
			t.Run(p.Fact+"="+value, func(t *testing.T) {
				t.Parallel()
				target := standIn{assume: []string{p.Fact + "=" + value}, versioning: versioned[p.Fact]}.target(t)
				finding := tryOne(t, target, p.Fact)
				want := Differs
				if value == f.Values[0] {
					want = Holds
				}
				if finding.Value != value || finding.Outcome != want {
					t.Errorf("%s %q by %s, want %s %q", finding.Outcome, finding.Value, finding.Saw, want, value)
				}
			})
		}
	}
}

// A cloud may differ in everything at once: no probe relies on another fact to have
// its first value.
func TestWorstOfAllAtOnce(t *testing.T) {
	t.Parallel()
	var worst []string
	for _, f := range facts.All() {
		if f.Status == facts.Unknown {
			worst = append(worst, f.ID+"="+f.Worst)
		}
	}
	for _, state := range []oss.Versioning{"", oss.VersioningEnabled, oss.VersioningSuspended} {
		target := standIn{assume: worst, versioning: state}.target(t)
		report, err := Run(t.Context(), target, quick()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range report.Findings {
			if versioned[finding.Fact] == state && untriable[finding.Fact] == "" && !isWorst(finding) {
				t.Errorf("%s: %s %q by %s", finding.Fact, finding.Outcome, finding.Value, finding.Saw)
			}
		}
		if len(report.Leftovers) > 0 {
			t.Errorf("left behind: %q", report.Leftovers)
		}
	}
}

// isWorst reports whether a known fact holds, or an unknown one is as bad as it can be.
func isWorst(finding Finding) bool {
	f, _ := fact(finding.Fact)
	if f.Status == facts.Unknown {
		return finding.Value == f.Worst
	}
	return finding.Outcome == Holds
}

// quick are the facts whose probes do not wait.
func quick() []string {
	var ids []string
	for _, p := range All() {
		if p.Fact != "callback.once" && p.Fact != "callback.timeout-ec" {
			ids = append(ids, p.Fact)
		}
	}
	return ids
}

// prober returns a run of a fact for tests of what probes are made of.
func prober(t *testing.T, target Target) *run {
	t.Helper()
	r, err := newRun(target)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// probing is a probe of a fact that does what a test wants.
func probing(calls int, try func(context.Context, *run) Finding) Probe {
	return Probe{Fact: "put.etag", Calls: calls, Try: try}
}

func TestPanicsAreNoFindings(t *testing.T) {
	r := prober(t, standIn{}.target(t))
	for want, try := range map[string]func(context.Context, *run) Finding{
		"the probe failed with a string":                        func(context.Context, *run) Finding { panic("secret") },
		"the probe failed: runtime error: index out of range [": func(_ context.Context, r *run) Finding { return []Finding{}[len(r.keys)] },
		"a call that prepares it was answered 404 NoSuchKey 0026": func(ctx context.Context, r *run) Finding {
			r.want(r.do(ctx, call{method: "GET", key: r.key("a")}))
			return Finding{}
		},
	} {
		if f := r.try(t.Context(), probing(1, try)); f.Outcome != NotTried || !strings.HasPrefix(f.Saw, want) {
			t.Errorf("finding = %s %q, want %q", f.Outcome, f.Saw, want)
		}
	}
}

func TestBudget(t *testing.T) {
	target := standIn{}.target(t)
	put := func(ctx context.Context, r *run) Finding {
		r.put(ctx, r.key("a"), strings.Repeat("x", 1000), nil)
		r.put(ctx, r.key("b"), strings.Repeat("x", 1000), nil)
		return found(true, "")
	}
	for _, tt := range []struct {
		name         string
		calls, probe int
		bytes        int64
		want         string
	}{
		{"enough", 2, 2, 2000, ""},
		{"one call of the run too few", 1, 2, 2000, "PUT: the budget of calls is spent"},
		{"one call of the probe too few", 2, 1, 2000, "PUT: the budget of calls is spent"},
		{"a byte too few", 2, 2, 1999, "PUT: the budget of bytes is spent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := target
			target.MaxCalls, target.MaxBytes = tt.calls, tt.bytes
			r := prober(t, target)
			if f := r.try(t.Context(), probing(tt.probe, put)); f.Saw != tt.want {
				t.Errorf("finding = %s %q, want %q", f.Outcome, f.Saw, tt.want)
			}
			// The cleanup has a budget of its own.
			if left := r.clean(t.Context()); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, maxAnswer+1))
	}))
	defer web.Close()
	r := prober(t, standIn{lie: func(http.Handler) http.Handler { return web.Config.Handler }}.target(t))
	f := r.try(t.Context(), probing(1, func(ctx context.Context, r *run) Finding {
		return found(r.do(ctx, call{method: "GET"}).ok(), "")
	}))
	if f.Outcome != NotTried {
		t.Errorf("an answer of more than %d bytes: %s", maxAnswer, f.Outcome)
	}
}

// A server may answer what it was sent: signatures, tokens and URLs with them, in
// every place that a finding could be made from.
func TestFindingsHoldNoSecret(t *testing.T) {
	t.Parallel()
	secret := standIn{}.target(t).Credentials.AccessKeySecret
	parrot := func(refuses bool) lie {
		return func(r *http.Request, answer *httptest.ResponseRecorder) {
			token := r.Header.Get("x-oss-security-token") + r.URL.Query().Get("x-oss-security-token")
			_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			echo := r.URL.String() + " " + r.Header.Get("Authorization") + " " + secret + " " + token
			for _, name := range []string{"x-oss-ec", "ETag", "Location", "Content-Range", "x-oss-object-type", "Access-Control-Expose-Headers"} {
				answer.Header().Set(name, strings.ReplaceAll(echo, "\n", " "))
			}
			if refuses && r.Method != "DELETE" {
				answer.Code = http.StatusForbidden
			}
			if answer.Code/100 != 2 {
				answer.Body.Reset()
				answer.Body.WriteString("<Error><Code>" + secret + "</Code><EC>" + signature + token + "</EC></Error>")
			}
		}
	}
	for _, refuses := range []bool{true, false} {
		report, err := Run(t.Context(), standIn{lie: parrot(refuses).wrap}.target(t), quick()...)
		if err != nil {
			t.Fatal(err)
		}
		texts := slices.Clone(report.Leftovers)
		for _, f := range report.Findings {
			texts = append(texts, f.Value, f.Saw)
		}
		odd := regexp.MustCompile(`(?i)signature=|security-token=|https?://|CAIS|[0-9a-f]{64}|` + secret)
		for _, text := range texts {
			if found := odd.FindString(text); found != "" {
				t.Errorf("%q holds %q", text, found)
			}
		}
	}
}

func TestRedact(t *testing.T) {
	r := prober(t, standIn{}.target(t))
	session := r.assume(t.Context(), "")
	for _, secret := range []string{
		r.Credentials.AccessKeySecret, r.Expired.SecurityToken, session.AccessKeySecret, session.SecurityToken,
		strings.Repeat("0a", 32), "x-oss-signature=1", "https://a.example/?x-oss-security-token=b",
	} {
		if got, want := r.redact("seen: "+secret+" by all"), "seen: (left out) by all"; got != want {
			t.Errorf("redact() = %q, want %q", got, want)
		}
	}
	if got := plain(strings.Repeat("0a", 32)); got != "(odd)" {
		t.Errorf("a signature as a code prints as %q", got)
	}
	const sound = "a PUT: 403 AccessIdAndSecurityTokenNotMatch 0002-00000040, a signature of zeros"
	if got := r.redact(sound); got != sound {
		t.Errorf("redact() = %q, want %q", got, sound)
	}
}

func TestEveryFactHasAProbe(t *testing.T) {
	for _, f := range facts.All() {
		if _, ok := Find(f.ID); ok == (Missing(f.ID) != "") {
			t.Errorf("%s has a probe: %v; why it has none: %q", f.ID, ok, Missing(f.ID))
		}
	}
}

func TestProbesAreSound(t *testing.T) {
	ids := map[string]bool{}
	for _, p := range All() {
		if _, ok := fact(p.Fact); !ok || p.Calls <= 0 || p.Try == nil {
			t.Errorf("probe %s is not complete, or of no fact", p.Fact)
		}
		if ids[p.Fact] {
			t.Errorf("%s has two probes", p.Fact)
		}
		ids[p.Fact] = true
	}
	for id := range missing {
		if _, ok := fact(id); !ok {
			t.Errorf("%q, which is said to have no probe, is no fact", id)
		}
	}
}

func TestTargetsAreChecked(t *testing.T) {
	good := standIn{}.target(t)
	for name, change := range map[string]func(*Target){
		"no clock":                 func(t *Target) { t.Now = nil },
		"no client":                func(t *Target) { t.HTTP = nil },
		"no secret":                func(t *Target) { t.Credentials.AccessKeySecret = "" },
		"no prefix":                func(t *Target) { t.Prefix = "" },
		"a prefix without a slash": func(t *Target) { t.Prefix = "probes" },
		"the whole bucket":         func(t *Target) { t.Prefix = "/" },
		"no bucket":                func(t *Target) { t.Bucket = "" },
		"no region":                func(t *Target) { t.Region = "" },
		"a missing file of STS":    func(t *Target) { t.STSCAFile = "missing" },
	} {
		target := good
		change(&target)
		if _, err := Run(t.Context(), target); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Run(t.Context(), good, "put.nothing"); err == nil {
		t.Error("a fact that there is not: no error")
	}
}

func TestAssume(t *testing.T) {
	target := standIn{}.target(t)
	r := prober(t, target)
	if s := r.assume(t.Context(), r.allowing("oss:GetObject")); s.SecurityToken == "" || time.Until(s.expiration) > 16*time.Minute {
		t.Errorf("session = %v, until %v", s.Credentials, s.expiration)
	}
}
