// Package function probes deployed functions by their URL: what arrives of a
// request, what becomes of an answer, how long a start takes and what the clocks
// say. It is the sibling of package probe, which tries storage.
//
// Most is told without a token, by how a request without a valid one is refused.
// With a caller's token a tiny object is uploaded, to see whether its callback
// arrives. It stays: nobody but its owner deletes an upload. A multipart upload is
// begun, for its long answers, and aborted.
//
// A finding is made from statuses, codes, names of headers and durations. It holds
// no token, no URL and no key.
package function

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/probe"
)

// Target is what is probed. Endpoint, HTTP and Now are required.
type Target struct {
	// Endpoint is the base URL of the functions, without a slash at its end.
	Endpoint string

	// Token is a caller's. Without it, what needs one is not tried.
	Token string
	// TokenHeader is what AUTH_TOKEN_HEADER is set to, or empty.
	TokenHeader string

	// Origin is that of a page that CORS_ORIGINS lets in; empty: DefaultOrigin.
	Origin string

	// Parallel is how many requests are made at once to see cold starts, at most
	// MaxParallel; 0: none.
	Parallel int

	// Pause is how long nothing is asked, so that instances freeze, before the
	// clocks are read again; 0: they are read once. Wait waits so long; nil: in real
	// time.
	Pause time.Duration
	Wait  func(context.Context, time.Duration) error

	HTTP *http.Client // its Transport and nothing else is used
	Now  func() time.Time
}

// Bounds of a run.
const (
	DefaultOrigin = "https://page.invalid"
	MaxParallel   = 20

	fewCalls    = 20 // beside those of the cold starts
	maxAnswer   = 1 << 20
	callTimeout = 30 * time.Second
)

// MaxCalls is how many calls a run makes at most.
func (t Target) MaxCalls() int { return fewCalls + 2*t.Parallel }

// run is a run under way.
type run struct {
	Target
	client *client.Client
	spent  *bounded
	left   []string // what stays behind
}

// trial is one probe.
type trial struct {
	name string
	try  func(context.Context, *run) probe.Finding
}

// probes are what is tried, in this order. A name that is no fact's is one of
// "function.", for what the design does not doubt but a proxy may spoil.
var probes = []trial{
	{"function.cold-starts", coldStarts}, // first, while there may be some
	{"gateway.authorization", authorization},
	{"fc.query-values", queryValues},
	{"fc.cors-headers", corsHeaders},
	{"gateway.preflight", preflight},
	{"gateway.path", path},
	{"gateway.repeated-values", repeatedValues},
	{"function.body", body},
	{"function.answer-headers", answerHeaders},
	{"fc.base64-answers", longAnswers},
	{"function.callback", callback},
	{"function.clock", clock},
}

// unseen are the facts about FC and gateways that cannot be seen from outside, and
// why.
var unseen = map[string]string{
	"fc.header-names":        "does not show outside of events: LOG_EVENTS has them",
	"fc.text-bodies":         "does not show outside of events: LOG_EVENTS has them",
	"gateway.header-names":   "does not show outside of events: LOG_EVENTS has them",
	"gateway.base64-flag":    "does not show outside of events: LOG_EVENTS has them",
	"fc.failure-status":      "shows only when a function fails",
	"fc.answer-limit":        "takes an upload of thousands of parts",
	"credentials.fc-renewal": "takes a day and a half",
}

// Facts are those that this package tries, or says why it does not.
func Facts() []string {
	var ids []string
	for _, f := range facts.All() {
		tried := slices.ContainsFunc(probes, func(p trial) bool { return p.name == f.ID })
		if tried || unseen[f.ID] != "" {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// Run probes a target. The error is for a target that cannot be; what goes wrong
// on the way is in the findings.
func Run(ctx context.Context, t Target) (probe.Report, error) {
	r, err := newRun(t)
	if err != nil {
		return probe.Report{}, err
	}
	var report probe.Report
	for _, p := range probes {
		report.Findings = append(report.Findings, r.do(ctx, p))
	}
	for _, f := range facts.All() {
		met := slices.ContainsFunc(report.Findings, func(have probe.Finding) bool { return have.Fact == f.ID })
		if why := unseen[f.ID]; why != "" && !met {
			report.Findings = append(report.Findings, probe.Finding{Fact: f.ID, Outcome: probe.NotTried, Saw: why})
		}
	}
	report.Calls, report.Bytes = r.spent.sum()
	report.Leftovers = r.left
	return report, nil
}

func (t Target) check() error {
	u, err := url.Parse(t.Endpoint)
	switch {
	case t.HTTP == nil || t.Now == nil:
		return errors.New("probing functions: HTTP and Now are required")
	case err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.String() != u.Scheme+"://"+u.Host+u.EscapedPath():
		return errors.New("probing functions: the endpoint is not a base URL of http or https")
	case t.Parallel < 0 || t.Parallel > MaxParallel:
		return fmt.Errorf("probing functions: %d parallel requests are not 0 to %d", t.Parallel, MaxParallel)
	}
	return nil
}

func newRun(t Target) (*run, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	t.Endpoint = strings.TrimSuffix(t.Endpoint, "/")
	if t.Origin == "" {
		t.Origin = DefaultOrigin
	}
	if t.Wait == nil {
		t.Wait = wait
	}
	spent := &bounded{base: t.HTTP.Transport, calls: t.MaxCalls()}
	if spent.base == nil {
		spent.base = http.DefaultTransport
	}
	return &run{Target: t, spent: spent, client: &client.Client{
		Endpoint: t.Endpoint, Token: t.Token, TokenHeader: t.TokenHeader,
		HTTP: client.NewHTTP(spent), Timeout: callTimeout, Now: t.Now,
	}}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// do makes one finding.
func (r *run) do(ctx context.Context, p trial) probe.Finding {
	start := r.Now()
	before, _ := r.spent.sum()
	f := p.try(ctx, r)
	after, _ := r.spent.sum()
	if f.Fact == "" {
		f.Fact = p.name
	}
	f.Calls, f.Took = after-before, r.Now().Sub(start)
	if f.Outcome == "" {
		f.Outcome = judge(f.Fact, f.Value)
	}
	if f.Outcome == probe.Differs && !slices.Contains(valuesOf(f.Fact), f.Value) {
		f.Value = ""
	}
	return f
}

// judge makes an outcome of a value of an unknown fact.
func judge(id, value string) probe.Outcome {
	if values := valuesOf(id); len(values) > 0 && values[0] == value {
		return probe.Holds
	}
	return probe.Differs
}

func valuesOf(id string) []string {
	for _, f := range facts.All() {
		if f.ID == id {
			return f.Values
		}
	}
	return nil
}

// seen says which value of an unknown fact was seen, and by what.
func seen(value, format string, args ...any) probe.Finding {
	return probe.Finding{Value: value, Saw: fmt.Sprintf(format, args...)}
}

// found says whether something is as it should be, and by what.
func found(holds bool, format string, args ...any) probe.Finding {
	f := probe.Finding{Outcome: probe.Differs, Saw: fmt.Sprintf(format, args...)}
	if holds {
		f.Outcome = probe.Holds
	}
	return f
}

func notTried(format string, args ...any) probe.Finding {
	return probe.Finding{Outcome: probe.NotTried, Saw: fmt.Sprintf(format, args...)}
}

// named is a finding about something else than the probe was made for.
func named(name string, f probe.Finding) probe.Finding {
	f.Fact = name
	return f
}

const needToken = "needs a caller's token"

// noAnswer is a finding where a call had none. Errors of the client hold no token
// and no URL, but may hold words of a server.
func noAnswer(err error) probe.Finding {
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		return notTried("%s answered %s", r.From, status(r.Status, r.Code))
	}
	if errors.Is(err, errCalls) {
		return notTried("the budget of calls is spent")
	}
	return notTried("there was no answer in time, or none that could be read")
}

// status is a status, and the code of a refusal if it is one that may be published.
func status(n int, code string) string {
	if code == "" {
		return fmt.Sprint(n)
	}
	if len(code) > 64 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		code = "(odd)"
	}
	return fmt.Sprintf("%d %s", n, code)
}

func statusOf(a client.Answer) string { return status(a.Status, a.Problem().Code) }
