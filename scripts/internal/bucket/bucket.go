// Package bucket looks after the settings that a deployment needs of its bucket:
// rules of CORS and of the lifecycle, protection against overwriting, and the
// block of public access.
//
// A bucket may have other users. What is theirs stays as it is, to the byte, what
// this package does not understand included: only what is missing is added, and only
// rules whose ids say that they are this deployment's are changed.
//
// OSS replaces each of these settings as a whole and on no condition: who reads,
// adds a rule and writes may undo what another wrote in between. So each is read
// directly before it is written and directly after, is written in one try, and all
// are read once more at the end. A rule that somebody else adds in the moment between
// can still be lost: see that one works on a bucket at a time.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// Needs is what a deployment needs of its bucket. Prefix is required.
type Needs struct {
	Prefix  string   // of every upload, UPLOAD_PREFIX, ending in a slash
	Origins []string // of pages that upload, CORS_ORIGINS; none needs no rule

	ForbidOverwrite   bool // whoever writes below the prefix cannot replace an object
	BlockPublicAccess bool // for all of the bucket
}

// situation is what the rules depend on.
type situation struct {
	Needs
	versioning string // "", Enabled or Suspended
}

// Difference is what a deployment needs and the bucket does not have.
type Difference struct {
	Setting string `json:"setting"`        // cors, lifecycle, overwrite or public-access
	Rule    string `json:"rule,omitempty"` // its id; rules of CORS have numbers
	Has     string `json:"has,omitempty"`  // empty if there is nothing of it
	Needs   string `json:"needs"`
}

// Warning is about what somebody else has set, which is left alone.
type Warning struct {
	Setting string `json:"setting"`
	Rule    string `json:"rule,omitempty"`
	Text    string `json:"text"`
}

// Report is what was found, and what was done.
type Report struct {
	Bucket      string       `json:"bucket"`
	Versioning  string       `json:"versioning,omitempty"` // Enabled or Suspended
	Differences []Difference `json:"differences"`          // what is left
	Applied     []Difference `json:"applied"`
	Warnings    []Warning    `json:"warnings"`

	// Unknown is true if the bucket could not be read after something was written:
	// what is left is not known.
	Unknown bool `json:"unknown,omitempty"`
}

// Bucket is a bucket that somebody looks after.
type Bucket struct {
	name   string
	client *oss.Client
}

// New returns the bucket of that name. It makes no call.
func New(name string, client *oss.Client) *Bucket { return &Bucket{name, client} }

// rounds is how often the whole is read and written before it is given up, because
// something else writes as well.
const rounds = 3

var errContended = errors.New("the settings keep changing: something else writes them at the same time; run it again later")

// Look compares what the bucket has with what is needed. It changes nothing.
func (b *Bucket) Look(ctx context.Context, n Needs) (Report, error) {
	r := Report{Bucket: b.name, Differences: []Difference{}, Applied: []Difference{}, Warnings: []Warning{}}
	versioning, err := b.versioning(ctx)
	if err != nil {
		return r, err
	}
	r.Versioning = versioning
	for _, s := range settings {
		if !s.wanted(n) {
			continue
		}
		m, err := b.compare(ctx, s, situation{n, versioning})
		if err != nil {
			return r, err
		}
		r.Differences = append(r.Differences, m.differences...)
		r.Warnings = append(r.Warnings, m.warnings...)
	}
	return r, nil
}

// Apply adds what is missing. It reads everything before it writes anything, so that
// what may not be read stops it first. Its report is true even when it fails: each
// setting is written as a whole or not at all.
func (b *Bucket) Apply(ctx context.Context, n Needs) (Report, error) {
	applied := []Difference{}
	for range rounds {
		r, err := b.Look(ctx, n)
		r.Applied, r.Unknown = applied, err != nil && len(applied) > 0
		if err != nil || len(r.Differences) == 0 {
			return r, err
		}
		for _, s := range settings {
			if !slices.ContainsFunc(r.Differences, func(d Difference) bool { return d.Setting == s.name }) {
				continue
			}
			done, err := b.mend(ctx, s, situation{n, r.Versioning})
			applied = append(applied, done...)
			if err != nil {
				return b.failed(ctx, n, r, applied), err
			}
		}
	}
	r, err := b.Look(ctx, n)
	r.Applied, r.Unknown = applied, err != nil
	if err == nil && len(r.Differences) > 0 {
		err = errContended
	}
	return r, err
}

// failed is the report of what was begun: the bucket is read once more, also when
// nobody waits any longer.
func (b *Bucket) failed(ctx context.Context, n Needs, before Report, applied []Difference) Report {
	const enough = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enough)
	defer cancel()
	now, err := b.Look(ctx, n)
	if err != nil {
		before.Applied, before.Unknown = applied, true
		return before
	}
	for _, d := range before.Differences {
		if !slices.Contains(now.Differences, d) && !slices.Contains(applied, d) {
			applied = append(applied, d)
		}
	}
	now.Applied = applied
	return now
}

// mend writes one setting if it differs, and returns what it changed. A write that
// failed may have happened, and one that did not is worth another try: what the
// bucket has decides, each time anew.
func (b *Bucket) mend(ctx context.Context, s setting, at situation) ([]Difference, error) {
	var done []Difference
	var failed error
	for range rounds {
		m, err := b.compare(ctx, s, at)
		switch {
		case err != nil:
			return nil, errors.Join(failed, err)
		case len(m.differences) == 0:
			return done, nil
		case refused(failed):
			return nil, failed
		}
		done = m.differences
		if failed = b.put(ctx, s, m); failed != nil {
			failed = fmt.Errorf("writing %s: %w", s.name, failed)
		}
	}
	if m, err := b.compare(ctx, s, at); err != nil || len(m.differences) > 0 {
		return nil, errors.Join(failed, err, contended(failed, err))
	}
	return done, nil
}

func contended(errs ...error) error {
	if errors.Join(errs...) == nil {
		return errContended
	}
	return nil
}

// compare reads a setting and puts in what is needed.
func (b *Bucket) compare(ctx context.Context, s setting, at situation) (merged, error) {
	has, err := b.get(ctx, s)
	if err != nil {
		return merged{}, err
	}
	m, err := s.merge(at, has)
	if err != nil {
		return merged{}, fmt.Errorf("merging %s: %w", s.name, err)
	}
	return m, nil
}
