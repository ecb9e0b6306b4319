package bucket

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/shared/grant"
)

const (
	// abortDays is past the life of every upload token, 168 hours.
	abortDays = 8
	// markerDays is how long it is known that an upload was announced, or aborted. A
	// sweep looks back 8 days.
	markerDays = 30
	// versionDays is for what was delivered or swept, and is of no use.
	versionDays = 1

	maxLifecycleRules = 1000
)

// ruleID tells the rules of this deployment from those of another in the same bucket,
// with another prefix, and from anybody's.
func (n Needs) ruleID(what string) string {
	sum := sha256.Sum256([]byte(n.Prefix))
	return "ossupload-" + what + "-" + hex.EncodeToString(sum[:4])
}

// own is below what is the functions' own.
func (n Needs) own(below string) string { return grant.OwnRoot(n.Prefix) + below }

// lifecycle is what a deployment needs to be cleaned up. There is nothing for the
// queue and dead letters: what is in them is deleted once it was delivered. Of their
// noncurrent versions that is true already.
func (s situation) lifecycle() []oss.LifecycleRule {
	rule := func(what, prefix string) oss.LifecycleRule {
		return oss.LifecycleRule{ID: oss.Ptr(s.ruleID(what)), Prefix: oss.Ptr(prefix), Status: oss.Ptr("Enabled")}
	}
	abort := rule("abort", s.Prefix)
	abort.AbortMultipartUpload = &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(abortDays))}
	announced, aborted := rule("announced", grant.AnnouncedPrefix(s.Prefix)), rule("aborted", s.own("_aborted/"))
	announced.Expiration = &oss.LifecycleRuleExpiration{Days: oss.Ptr(int32(markerDays))}
	aborted.Expiration = &oss.LifecycleRuleExpiration{Days: oss.Ptr(int32(markerDays))}
	rules := []oss.LifecycleRule{abort, announced, aborted}
	if s.versioning != "" {
		versions := rule("versions", s.own(""))
		versions.Expiration = &oss.LifecycleRuleExpiration{ExpiredObjectDeleteMarker: oss.Ptr(true)}
		versions.NoncurrentVersionExpiration = &oss.NoncurrentVersionExpiration{NoncurrentDays: oss.Ptr(int32(versionDays))}
		rules = append(rules, versions)
	}
	return rules
}

func mergeLifecycle(s situation, has document) (merged, error) {
	m := merged{document: has}
	rules, err := rulesOf[oss.LifecycleRule](has, "Rule")
	if err != nil {
		return m, err
	}
	ids := map[string]int{}
	for i, r := range rules {
		ids[value(r.says.ID)] = i
	}
	var theirs []oss.LifecycleRule
	needed := s.lifecycle()
	for _, r := range rules {
		if !slices.ContainsFunc(needed, func(n oss.LifecycleRule) bool { return *n.ID == value(r.says.ID) }) {
			theirs = append(theirs, r.says)
		}
	}
	for _, need := range needed {
		d, at := Difference{Setting: "lifecycle", Rule: *need.ID, Needs: describeLifecycle(need)}, -1
		i, ours := ids[*need.ID]
		switch {
		case !ours && metBy(need, theirs), ours && sameRule(need, rules[i].says):
			continue
		case ours:
			d.Has, at = describeLifecycle(rules[i].says), rules[i].at
		}
		if err := m.set(at, "Rule", need); err != nil {
			return m, err
		}
		m.differs(d)
	}
	for _, r := range theirs {
		s.warnOf(r, &m)
	}
	return m, m.checkLifecycle()
}

// checkLifecycle says whether OSS has to be told that rules overlap, and refuses what
// it would.
func (m *merged) checkLifecycle() error {
	rules, err := rulesOf[oss.LifecycleRule](m.document, "Rule")
	if err != nil {
		return err
	}
	if len(rules) > maxLifecycleRules && len(m.differences) > 0 {
		return fmt.Errorf("the bucket would have %d rules of %d that OSS takes; remove some", len(rules), maxLifecycleRules)
	}
	for i, a := range rules {
		if slices.ContainsFunc(rules[:i], func(b rule[oss.LifecycleRule]) bool { return sameAction(a.says, b.says) }) {
			m.overlaps = true
			return nil
		}
	}
	return nil
}

// sameAction reports whether two rules do one thing to the same keys, which OSS takes
// only from who says that it is meant (EC 0014-00000084). Tags or filters may tell
// them apart, but saying so does no harm.
func sameAction(a, b oss.LifecycleRule) bool {
	return overlap(value(a.Prefix), value(b.Prefix)) && (a.Expiration != nil && b.Expiration != nil ||
		a.AbortMultipartUpload != nil && b.AbortMultipartUpload != nil ||
		a.NoncurrentVersionExpiration != nil && b.NoncurrentVersionExpiration != nil ||
		a.Transitions != nil && b.Transitions != nil || a.NoncurrentVersionTransitions != nil && b.NoncurrentVersionTransitions != nil)
}

// sameRule compares what two rules say. What OSS adds in its answers says nothing.
func sameRule(a, b oss.LifecycleRule) bool {
	for _, r := range []*oss.LifecycleRule{&a, &b} {
		r.AtimeBase = nil
		if e := r.Expiration; e != nil && e.ExpiredObjectDeleteMarker != nil && !*e.ExpiredObjectDeleteMarker {
			plain := *e
			plain.ExpiredObjectDeleteMarker = nil
			r.Expiration = &plain
		}
	}
	return reflect.DeepEqual(a, b)
}

// metBy reports whether somebody's rules do already what ours would, as after
// following an instruction by hand.
func metBy(need oss.LifecycleRule, theirs []oss.LifecycleRule) bool {
	does := func(part func(oss.LifecycleRule) bool) bool {
		return slices.ContainsFunc(theirs, func(r oss.LifecycleRule) bool {
			return isEnabled(r) && r.Tags == nil && r.Filter == nil && covers(value(r.Prefix), *need.Prefix) && part(r)
		})
	}
	expires := need.Expiration == nil || does(func(r oss.LifecycleRule) bool { return reflect.DeepEqual(r.Expiration, need.Expiration) })
	aborts := need.AbortMultipartUpload == nil || does(func(r oss.LifecycleRule) bool {
		return reflect.DeepEqual(r.AbortMultipartUpload, need.AbortMultipartUpload)
	})
	versions := need.NoncurrentVersionExpiration == nil || does(func(r oss.LifecycleRule) bool {
		return reflect.DeepEqual(r.NoncurrentVersionExpiration, need.NoncurrentVersionExpiration)
	})
	return expires && aborts && versions
}

func isEnabled(r oss.LifecycleRule) bool { return value(r.Status) == "Enabled" }

// describeLifecycle says what a rule does.
func describeLifecycle(r oss.LifecycleRule) string {
	below := " below " + cmp.Or(value(r.Prefix), "the whole bucket")
	var does []string
	if a := r.AbortMultipartUpload; a != nil {
		does = append(does, "aborts multipart uploads"+below+when(a.Days, a.CreatedBeforeDate))
	}
	if e := r.Expiration; e != nil && value(e.ExpiredObjectDeleteMarker) {
		does = append(does, "deletes expired delete markers"+below)
	} else if e != nil {
		does = append(does, "deletes objects"+below+when(e.Days, e.CreatedBeforeDate))
	}
	if n := r.NoncurrentVersionExpiration; n != nil {
		does = append(does, "deletes noncurrent versions"+below+when(n.NoncurrentDays, nil))
	}
	for _, t := range r.Transitions {
		does = append(does, "moves objects"+below+" to "+string(t.StorageClass)+when(t.Days, t.CreatedBeforeDate))
	}
	if !isEnabled(r) {
		does = append(does, "but is disabled")
	}
	if r.Tags != nil || r.Filter != nil {
		does = append(does, "but only for some tags or by a filter")
	}
	return strings.Join(does, ", ")
}

func when(days *int32, before *string) string {
	switch {
	case days != nil && *days == 1:
		return " after 1 day"
	case days != nil:
		return fmt.Sprintf(" after %d days", *days)
	case before != nil:
		return " from before " + *before
	}
	return ""
}
