// Package probe tries the facts of package facts on an endpoint: the stand-in
// in tests, a bucket of a real account on request.
//
// A probe makes a few calls with small objects below a prefix of its own and says
// whether the fact holds, or which value of an unknown one was seen. What it made
// is removed again, whatever happened. The settings of a bucket are never changed:
// a fact about CORS, versions or lifecycle is tried on what is set, or not at all.
//
// A finding is made from statuses, error codes and names of headers. It holds no
// secret, token, signature or signed URL, so that a report can be published.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/shared/signing"
)

// Target is what is probed, and with what. All but what is said to be optional is
// required.
type Target struct {
	Region   string
	Endpoint signing.Endpoint
	Bucket   string
	// Prefix ends in a slash. Everything that is made lies in a random folder below
	// it.
	Prefix      string
	Credentials signing.Credentials

	// Expired are STS credentials that have ended. Optional.
	Expired signing.Credentials

	// RoleARN is a role that Credentials may assume and that may do everything with
	// objects below Prefix; probes narrow it by session policies. Optional.
	RoleARN string
	// STSEndpoint is an https URL; that of Region if empty.
	STSEndpoint string
	// STSCAFile is a file of further certificates to trust for STS, or empty.
	STSCAFile string

	// CallbackURL is where OSS can reach Receiver; what it asks for lies below.
	// Both are optional.
	CallbackURL string
	Receiver    *Receiver
	// CallbackKeyURLs are where keys of callbacks may come from; the URLs that OSS
	// publishes if there are none.
	CallbackKeyURLs []string

	Now  func() time.Time
	HTTP *http.Client // its Transport and nothing else is used
	// Sleep waits between tries of a cleanup, or until ctx ends. Optional.
	Sleep func(ctx context.Context, d time.Duration)

	// MaxCalls and MaxBytes bound a run, without its cleanup, which has bounds of
	// its own. Zero means DefaultCalls and DefaultBytes.
	MaxCalls int
	MaxBytes int64
}

// Bounds of a run.
const (
	DefaultCalls = 1000
	DefaultBytes = 64 << 20
)

// Need is something of a target without which a probe is not tried.
type Need string

// What probes need. The text is what a report says.
const (
	NeedCallback   Need = "a callback URL that OSS can reach"
	NeedExpired    Need = "STS credentials that have ended"
	NeedRole       Need = "a role to assume"
	NeedVersioning Need = "a bucket with versioning, enabled or suspended"
	NeedEnabled    Need = "a bucket with versioning enabled"
	NeedSuspended  Need = "a bucket with versioning suspended"
)

// Probe tries one fact.
type Probe struct {
	Fact  string // its ID
	Calls int    // the most that it makes
	Needs []Need
	// Refused is whether a policy refuses calls on purpose, and Provokes are codes
	// that stand for trouble elsewhere.
	Refused  bool
	Provokes []string
	// Try makes the calls. It may panic with what stop makes.
	Try func(context.Context, *run) Finding
}

// Outcome is what became of a probe.
type Outcome string

// Outcomes. A fact that is unknown holds if it is what the stand-in takes by
// default.
const (
	Holds    Outcome = "holds"
	Differs  Outcome = "differs"
	NotTried Outcome = "not tried"
)

// Finding is what a probe found.
type Finding struct {
	Fact    string
	Outcome Outcome
	// Value is which of the values of an unknown fact was seen; empty if it was none
	// of them.
	Value string
	// Saw is what the finding rests on, or why there is none.
	Saw string
	// Calls is how many were made, Took how long they took.
	Calls int
	Took  time.Duration
}

// Assume is the setting by which the stand-in does as was seen, "fact=value", or
// empty.
func (f Finding) Assume() string {
	if f.Outcome != Differs || f.Value == "" {
		return ""
	}
	return f.Fact + "=" + f.Value
}

// Report is what a run found.
type Report struct {
	Findings []Finding
	Calls    int   // without those of the cleanup
	Bytes    int64 // of bodies, both ways
	// Leftovers is what could not be removed, and why.
	Leftovers []string
}

// All returns the probes, by fact.
func All() []Probe {
	return slices.SortedFunc(slices.Values(slices.Concat(areas...)), func(a, b Probe) int { return strings.Compare(a.Fact, b.Fact) })
}

// Find returns the probe of a fact.
func Find(fact string) (Probe, bool) {
	for _, p := range All() {
		if p.Fact == fact {
			return p, true
		}
	}
	return Probe{}, false
}

// Missing tells why a fact has no probe in this package; it is empty for the
// others. What is about Function Compute and gateways takes a deployed function.
func Missing(fact string) string {
	switch area, _, _ := strings.Cut(fact, "."); area {
	case "fc", "gateway":
		return deployed
	}
	return missing[fact]
}

func (t Target) check() error {
	switch {
	case t.Now == nil || t.HTTP == nil:
		return errors.New("probing: Now and HTTP are required")
	case t.Credentials.AccessKeyID == "" || t.Credentials.AccessKeySecret == "":
		return errors.New("probing: credentials are required")
	case !strings.HasSuffix(t.Prefix, "/") || strings.HasPrefix(t.Prefix, "/"):
		return errors.New("probing: the prefix must end, and not begin, with a slash")
	}
	if err := signing.CheckBucket(t.Bucket); err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	if _, err := signing.New(t.Region, t.Endpoint); err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	return nil
}

// lacks returns what of needs the target does not have, as far as it can be told
// without a call.
func (t Target) lacks(needs []Need) (Need, bool) {
	for _, need := range needs {
		switch {
		case need == NeedCallback && (t.CallbackURL == "" || t.Receiver == nil),
			need == NeedExpired && t.Expired.AccessKeyID == "",
			need == NeedRole && t.RoleARN == "":
			return need, true
		}
	}
	return "", false
}

// fact returns the fact of an ID.
func fact(id string) (facts.Fact, bool) {
	all := facts.All()
	i := slices.IndexFunc(all, func(f facts.Fact) bool { return f.ID == id })
	if i < 0 {
		return facts.Fact{}, false
	}
	return all[i], true
}
