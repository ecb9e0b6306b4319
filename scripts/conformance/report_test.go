package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/probe"
	"ossupload/shared/signing"
)

// Probes keep out of their findings what may not be published; should one not, the
// report does.
func TestTell(t *testing.T) {
	target := probe.Target{
		Region: "cn-hangzhou", Endpoint: signing.Endpoint{Scheme: "https", Host: "files.their.example"}, Bucket: "theirs",
		Credentials: signing.Credentials{AccessKeyID: "shortid", AccessKeySecret: "s+cret", SecurityToken: "t/ken"},
		RoleARN:     "acs:ram::12345:role/theirrole", CallbackURL: "https://tunnel.their.example:8443/x", Receiver: &probe.Receiver{},
		Now: func() time.Time { return time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC) },
	}
	a := account{target: target, secret: append(secretsOf(target), "callertoken")}
	o := options{prefix: "their/prefix/", versioned: []string{"theirversions"}, function: "https://fc.their.example"}
	secrets := []string{"theirs", "files.their.example", "shortid", "s+cret", "t/ken", "acs:ram::12345:role/theirrole", "12345", "tunnel.their.example", "callertoken", "their/prefix/", "theirversions", "fc.their.example"}
	found := outcome{findings: []probe.Finding{
		{Fact: "put.etag", Outcome: probe.Holds, Saw: strings.Join(secrets, " ")},
		{Fact: "sign.too-early", Outcome: probe.Differs, Value: "400", Saw: "https://theirs.files.their.example/their/prefix/a?x=s+cret"},
		{Fact: "function.body", Outcome: probe.Differs, Saw: "it differs"},
		{Fact: "lifecycle.abort", Outcome: probe.NotTried, Saw: "it takes a day at least"},
	}}
	for _, asJSON := range []bool{true, false} {
		var stdout, stderr bytes.Buffer
		o.json = asJSON
		err := tell(t.Context(), console{out: &stdout, err: &stderr}, o, a, found)
		if !errors.Is(err, errDiffers) {
			t.Errorf("tell() = %v", err)
		}
		for _, secret := range secrets {
			if strings.Contains(stdout.String(), secret) {
				t.Errorf("the report holds %q:\n%s", secret, &stdout)
			}
		}
		for _, text := range []string{"cn-hangzhou", "2026-11-21T22:00:00Z", "-assume", "it takes a day at least", "Look at the gateway"} {
			if !strings.Contains(stdout.String(), text) {
				t.Errorf("the report lacks %q:\n%s", text, &stdout)
			}
		}
	}

	// What ends otherwise is no finding.
	found.findings = found.findings[:1]
	if err := tell(t.Context(), console{out: new(bytes.Buffer), err: new(bytes.Buffer)}, o, a, found); err != nil {
		t.Errorf("of what holds tell() = %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tell(ended, console{out: new(bytes.Buffer), err: new(bytes.Buffer)}, o, a, found); status(new(bytes.Buffer), new(bytes.Buffer), err) != 3 {
		t.Errorf("interrupted, tell() = %v", err)
	}
	found.left = []string{"their/prefix/a"}
	var stderr bytes.Buffer
	if err := tell(t.Context(), console{out: new(bytes.Buffer), err: &stderr}, o, a, found); status(new(bytes.Buffer), new(bytes.Buffer), err) != 3 || !strings.Contains(stderr.String(), "left behind: their/prefix/a") {
		t.Errorf("with something left tell() = %v, stderr %q", err, &stderr)
	}
}

// A fact that differs in one bucket differs.
func TestKeep(t *testing.T) {
	order := []probe.Outcome{probe.NotTried, probe.Holds, probe.Differs}
	for _, first := range order {
		for _, second := range order {
			found := map[string]probe.Finding{}
			keep(found, probe.Finding{Fact: "a.b", Outcome: first})
			keep(found, probe.Finding{Fact: "a.b", Outcome: second})
			want := first
			if second == probe.Differs || first == probe.NotTried {
				want = second
			}
			if got := found["a.b"].Outcome; got != want {
				t.Errorf("%s and %s make %s, want %s", first, second, got, want)
			}
		}
	}
}

func TestCost(t *testing.T) {
	for _, tt := range []struct {
		plan        probe.Plan
		least, most float64
	}{
		{probe.Plan{}, 0, 0},
		{probe.Plan{Calls: 10_000}, 0.01, 0.01},
		{probe.Plan{Bytes: 1 << 30}, 0.50, 0.51},
	} {
		if got := cost(tt.plan); got < tt.least || got > tt.most {
			t.Errorf("cost(%+v) = %v, want %v to %v", tt.plan, got, tt.least, tt.most)
		}
	}
}

// Every fact is told of, whatever is known.
func TestNewReportOfAllFacts(t *testing.T) {
	var findings []probe.Finding
	for _, f := range facts.All() {
		findings = append(findings, probe.Finding{Fact: f.ID, Outcome: probe.Differs, Saw: "x"})
	}
	r := newReport(findings, newScrubber())
	if r.Differs != len(findings) {
		t.Errorf("%d of %d differ", r.Differs, len(findings))
	}
	for _, f := range r.Facts {
		if f.Do == "" || f.Says == "" || f.Status == "" {
			t.Errorf("the report is without something: %+v", f)
		}
	}
}
