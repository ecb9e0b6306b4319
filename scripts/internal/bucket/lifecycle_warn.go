package bucket

import (
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// place is where something lies that no rule should touch.
type place struct{ prefix, holds string }

func (n Needs) uploads() place { return place{n.Prefix, "uploads"} }

// read is what the functions read at any time, uploads aside.
func (n Needs) read() []place {
	return []place{{n.own("_pending/"), "events that wait"}, {n.own("_dead/"), "dead letters"}}
}

// warnOf warns of somebody's rule that would take away what a deployment needs. It
// may be meant so: uploads that are kept for 90 days are one thing, a queue that is
// another.
func (s situation) warnOf(r oss.LifecycleRule, m *merged) {
	if !isEnabled(r) {
		return
	}
	warn := func(text string) {
		m.warn(Warning{"lifecycle", value(r.ID), text + " (it " + describeLifecycle(r) + ")"})
	}
	hit := func(places ...place) string {
		var held []string
		for _, p := range places {
			if overlap(value(r.Prefix), p.prefix) && !excepts(r, p.prefix) {
				held = append(held, p.holds+" below "+p.prefix)
			}
		}
		return strings.Join(held, ", ")
	}
	all := append([]place{s.uploads()}, s.read()...)
	if e := r.Expiration; e != nil && !value(e.ExpiredObjectDeleteMarker) {
		if held := hit(all...); held != "" {
			warn("deletes " + held)
		}
	}
	s.warnOfUploads(r, hit(s.uploads()), warn)
	s.warnOfMoves(r, hit(all...), warn)
}

// warnOfUploads warns of what takes away uploads that have begun, or were replaced.
func (s situation) warnOfUploads(r oss.LifecycleRule, held string, warn func(string)) {
	if held == "" {
		return
	}
	if r.NoncurrentVersionExpiration != nil {
		warn("deletes versions, which events name, of " + held)
	}
	if a := r.AbortMultipartUpload; a != nil && (a.Days == nil || *a.Days < abortDays) {
		warn("aborts multipart uploads that may still be completed, of " + held)
	}
}

// warnOfMoves warns of what moves objects to where they cannot be read at once, or
// later than ours deletes them.
func (s situation) warnOfMoves(r oss.LifecycleRule, held string, warn func(string)) {
	frozen := func(t oss.LifecycleRuleTransition) bool {
		return t.StorageClass != oss.StorageClassIA && t.StorageClass != oss.StorageClassStandard
	}
	if held != "" && slices.ContainsFunc(r.Transitions, frozen) {
		warn("moves to where nothing can be read at once " + held)
	}
	late := func(t oss.LifecycleRuleTransition) bool { return value(t.Days) >= markerDays }
	for _, prefix := range []string{s.own("_announced/"), s.own("_aborted/")} {
		if overlap(value(r.Prefix), prefix) && !excepts(r, prefix) && slices.ContainsFunc(r.Transitions, late) {
			warn("moves what is deleted before, so that OSS may refuse the rules together (EC 0014-00000082), below " + prefix)
		}
	}
}

// excepts reports whether a rule leaves a prefix out, whatever the tags.
func excepts(r oss.LifecycleRule, prefix string) bool {
	return r.Filter != nil && slices.ContainsFunc(r.Filter.Nots, func(n oss.LifecycleRuleNot) bool {
		return n.Tag == nil && n.Prefix != nil && covers(*n.Prefix, prefix)
	})
}
