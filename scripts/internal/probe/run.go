package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/shared/signing"
)

// callTimeout bounds one call, maxAnswer the body of its answer.
const (
	callTimeout = 30 * time.Second
	maxAnswer   = 1 << 20
)

// run is one run of probes, as a probe sees it.
type run struct {
	Target
	presigner *signing.Signer
	client    *http.Client
	stsClient *http.Client
	budget    *budget
	folder    string // everything that is made lies below it; ends in a slash
	fact      facts.Fact
	at        Probe   // the one at work
	round     string  // of the probe at work: empty, or again with a slash
	trouble   *reply  // an answer to the probe at work that no fact is about
	versioned bool    // an answer named a version
	state     *string // of the bucket's versioning, once it was asked for
	slowed    *slowUpload
	arrive    bool     // callbacks do, as was seen
	keys      []string // that were given out, for a cleanup that may not list
	begun     []thing  // multipart uploads, for the same
	secrets   []string // that no finding may hold
}

// Run tries facts in this order, or all if none is named, and removes what it
// made. It fails if the target is not complete or a fact has no probe. When ctx
// ends, the remaining facts are not tried and what was made is still removed.
func Run(ctx context.Context, t Target, ids ...string) (report Report, err error) {
	if err := t.check(); err != nil {
		return Report{}, err
	}
	probes, err := choose(ids)
	if err != nil {
		return Report{}, err
	}
	_, t.MaxCalls = t.calls(probes)
	r, err := newRun(t)
	if err != nil {
		return Report{}, err
	}
	defer func() { report.Leftovers = r.clean(ctx) }()
	for _, p := range probes {
		report.Findings = append(report.Findings, r.try(ctx, p))
	}
	report.Calls, report.Bytes = r.budget.spent()
	return report, nil
}

func choose(ids []string) ([]Probe, error) {
	if len(ids) == 0 {
		return All(), nil
	}
	var probes []Probe
	for _, id := range ids {
		p, ok := Find(id)
		if !ok {
			return nil, fmt.Errorf("probing: fact %q has no probe", id)
		}
		probes = append(probes, p)
	}
	return probes, nil
}

func newRun(t Target) (*run, error) {
	presigner, err := signing.New(t.Region, t.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("probing: %w", err)
	}
	b := &budget{calls: t.MaxCalls, bytes: t.MaxBytes}
	if b.calls == 0 {
		b.calls = DefaultCalls
	}
	if b.bytes == 0 {
		b.bytes = DefaultBytes
	}
	r := &run{Target: t, presigner: presigner, budget: b, folder: t.Prefix + "probe-" + strings.ToLower(rand.Text()) + "/"}
	r.keepSecret(t.Credentials)
	r.keepSecret(t.Expired)
	r.client = metered(t.HTTP.Transport, b)
	r.stsClient = r.client
	if t.STSCAFile != "" {
		transport, err := trusting(t.STSCAFile)
		if err != nil {
			return nil, fmt.Errorf("probing: trusting the certificates for STS: %w", err)
		}
		r.stsClient = metered(transport, b)
	}
	return r, nil
}

// metered is a client that spends b. It follows no redirect: they are answers.
func metered(base http.RoundTripper, b *budget) *http.Client {
	if base == nil {
		base = http.DefaultTransport
	}
	return &http.Client{
		Transport:     meter{base, b},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func trusting(file string) (http.RoundTripper, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%q holds no certificate", file)
	}
	return &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}, nil
}

// interruption ends a probe early. It is what stop panics with.
type interruption struct{ finding Finding }

// stop ends the probe at work without a finding, and says why. It panics, so that
// a probe reads as the calls that it makes.
func stop(format string, args ...any) {
	panic(interruption{notTried(format, args...)})
}

// rounds is how often a probe is run at most.
const rounds = 2

// try runs one probe, and one that says that a fact differs once more, where the
// first has made nothing. It differs if both say the same.
func (r *run) try(ctx context.Context, p Probe) Finding {
	first := r.once(ctx, p)
	if first.Outcome != Differs {
		return first
	}
	// What an earlier call told may be what was wrong.
	r.round, r.state, r.slowed, r.arrive = "again/", nil, nil, false
	defer func() { r.round = "" }()
	f := r.once(ctx, p)
	switch {
	case f.Outcome == NotTried:
		f.Saw = "it differed once, and could not be tried again: " + f.Saw
	case f.Outcome != Differs || f.Value != first.Value || untimed(f.Saw) != untimed(first.Saw):
		saw := "two runs disagree: " + first.Saw + "; and then: " + f.Saw
		f.Outcome, f.Value, f.Saw = NotTried, "", saw
	}
	f.Calls, f.Took = first.Calls+f.Calls, first.Took+f.Took
	return f
}

// seconds is how long something took.
var seconds = regexp.MustCompile(`[0-9]+\.[0-9]+ s\b`)

// untimed is what was seen without how long it took, which is never twice the same.
func untimed(saw string) string { return seconds.ReplaceAllString(saw, "") }

// once runs one probe one time.
func (r *run) once(ctx context.Context, p Probe) (f Finding) {
	start := r.Now()
	before, _ := r.budget.spent()
	r.fact, _ = fact(p.Fact)
	r.at, r.trouble = p, nil
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case interruption:
			f = thrown.finding
		case runtime.Error:
			f = notTried("the probe failed: %v", thrown)
		default:
			// What was thrown may hold anything.
			f = notTried("the probe failed with a %T", thrown)
		}
		if f.Outcome != NotTried && r.trouble != nil {
			f = troubled(*r.trouble)
		}
		after, _ := r.budget.spent()
		f.Fact, f.Calls, f.Took = p.Fact, after-before, r.Now().Sub(start)
		f.Saw = r.redact(f.Saw)
	}()
	if need, lacks := r.lacks(p.Needs); lacks {
		return notTried("needs %s", need)
	}
	r.budget.begin(p.most())
	r.needVersioning(ctx, p.Needs)
	if slices.Contains(p.Needs, NeedCallback) {
		r.needArrivals(ctx)
	}
	return r.judge(p.Try(ctx, r))
}

// judge makes an outcome of a value that was seen.
func (r *run) judge(f Finding) Finding {
	if f.Outcome != "" {
		return f
	}
	switch i := slices.Index(r.fact.Values, f.Value); {
	case i == 0:
		f.Outcome = Holds
	case i > 0:
		f.Outcome = Differs
	default:
		f.Outcome, f.Value = Differs, ""
	}
	return f
}

// needVersioning stops the probe unless the bucket's versioning is as needed.
func (r *run) needVersioning(ctx context.Context, needs []Need) {
	for _, need := range needs {
		switch need {
		case NeedVersioning, NeedEnabled, NeedSuspended:
		default:
			continue
		}
		state := r.versioning(ctx)
		if state == "" || need == NeedEnabled && state != "Enabled" || need == NeedSuspended && state != "Suspended" {
			stop("needs %s", need)
		}
	}
}

// versioning is Enabled, Suspended or empty.
func (r *run) versioning(ctx context.Context) string {
	if r.state == nil {
		answer := r.do(ctx, call{method: "GET", query: map[string]string{"versioning": ""}})
		r.want(answer, http.StatusOK)
		state := element(answer.body, "Status")
		r.state = &state
	}
	return *r.state
}

// key is the key of an object that the probe at work may make.
func (r *run) key(name string) string {
	key := r.folder + r.round + r.fact.ID + "/" + name
	if !slices.Contains(r.keys, key) {
		r.keys = append(r.keys, key)
	}
	return key
}

// wait pauses for at most three seconds.
func (r *run) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(min(d, 3*time.Second))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		stop("interrupted: %v", ctx.Err())
	case <-timer.C:
	}
}

// seen says which value of an unknown fact was seen, and by what. A value that
// the fact does not have is none of them.
func seen(value, format string, args ...any) Finding {
	return Finding{Value: value, Saw: fmt.Sprintf(format, args...)}
}

// found says whether a known fact holds, and by what.
func found(holds bool, format string, args ...any) Finding {
	f := Finding{Outcome: Differs, Saw: fmt.Sprintf(format, args...)}
	if holds {
		f.Outcome = Holds
	}
	return f
}

func notTried(format string, args ...any) Finding {
	return Finding{Outcome: NotTried, Saw: fmt.Sprintf(format, args...)}
}

// keepSecret has findings not hold what these credentials sign with.
func (r *run) keepSecret(c signing.Credentials) {
	for _, secret := range []string{c.AccessKeySecret, c.SecurityToken} {
		if secret != "" {
			r.secrets = append(r.secrets, secret)
		}
	}
}

// signatures finds what only a signature, or a URL that has one, looks like.
var signatures = regexp.MustCompile(`(?i)[0-9a-f]{64}|\S*(signature|security-token)=\S*`)

// redact takes out of text what may not be published. Findings do not hold it:
// this is for the day when one does.
func (r *run) redact(text string) string {
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, "(left out)")
	}
	return signatures.ReplaceAllString(text, "(left out)")
}

// reason is an error of a call without what it may quote: URLs with signatures.
func reason(err error) string {
	switch {
	case errors.Is(err, errCalls):
		return errCalls.Error()
	case errors.Is(err, errBytes):
		return errBytes.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return "no connection, or one that broke"
}
