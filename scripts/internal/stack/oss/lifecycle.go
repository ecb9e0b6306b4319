package oss

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxLifecycleRules  = 1000
	maxLifecycleRuleID = 255

	statusEnabled  = "Enabled"
	statusDisabled = "Disabled"

	ecNoLifecycleAction  = "0014-00000026"
	ecNoLifecycleAge     = "0014-00000060"
	ecBadLifecycleTagKey = "0014-00000031"
)

// lifecycleRule says what becomes of objects and uploads with age
// ("PutBucketLifecycle"). Transitions are kept and shown, but nothing moves: on one
// disk every storage class costs the same.
type lifecycleRule struct {
	ID     string
	Prefix string
	Status string
	// Tags are those that an object must have, all of them.
	Tags                 []tag                 `xml:"Tag,omitempty" json:",omitempty"`
	Expiration           *lifecycleExpiration  `xml:",omitempty" json:",omitempty"`
	AbortMultipartUpload *lifecycleAge         `xml:",omitempty" json:",omitempty"`
	Transitions          []lifecycleTransition `xml:"Transition,omitempty" json:",omitempty"`
	NoncurrentExpiration *noncurrentAge        `xml:"NoncurrentVersionExpiration,omitempty" json:",omitempty"`

	// Others are elements that the stand-in does not know, or does not do.
	Others []unknownElement `xml:",any" json:"-"`
}

type unknownElement struct{ XMLName xml.Name }

// lifecycleAge is when something is old: some days after the end of the day, in UTC,
// on which it was modified, or if it was modified before a date.
type lifecycleAge struct {
	Days              int    `xml:",omitempty" json:",omitempty"`
	CreatedBeforeDate string `xml:",omitempty" json:",omitempty"`
}

type lifecycleExpiration struct {
	lifecycleAge
	// ExpiredObjectDeleteMarker removes a delete marker behind which nothing is.
	ExpiredObjectDeleteMarker bool `xml:",omitempty" json:",omitempty"`
}

type lifecycleTransition struct {
	lifecycleAge
	StorageClass string
}

// noncurrentAge counts from when a version was replaced.
type noncurrentAge struct {
	NoncurrentDays int
}

// lifecycleConfiguration is the document of the calls about it:
//
//	<LifecycleConfiguration>
//	  <Rule>
//	    <ID>parts</ID><Prefix>uploads/</Prefix><Status>Enabled</Status>
//	    <AbortMultipartUpload><Days>8</Days></AbortMultipartUpload>
//	  </Rule>
//	</LifecycleConfiguration>
type lifecycleConfiguration struct {
	XMLName xml.Name        `xml:"LifecycleConfiguration"`
	Rules   []lifecycleRule `xml:"Rule"`
}

// putBucketLifecycle replaces all rules.
func (c *call) putBucketLifecycle() error {
	body, err := c.readDocument()
	if err != nil {
		return err
	}
	var wanted lifecycleConfiguration
	if err := xml.Unmarshal(body, &wanted); err != nil || len(wanted.Rules) == 0 || len(wanted.Rules) > maxLifecycleRules {
		return errMalformedXML("")
	}
	overlap, err := oneOf(c.r.Header, "x-oss-allow-same-action-overlap", "false", "true")
	if err != nil {
		return err
	}
	if err := checkLifecycleRules(wanted.Rules, overlap == "true"); err != nil {
		return err
	}
	if err := c.s.store.configure(c.target.bucket, func(s *settings) { s.Lifecycle = wanted.Rules }); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusOK)
}

func checkLifecycleRules(rules []lifecycleRule, mayOverlap bool) error {
	for i := range rules {
		r := &rules[i]
		if err := r.check(); err != nil {
			return err
		}
		for j := range rules[:i] {
			if rules[j].ID == r.ID {
				return invalidArgument("ID", r.ID, "", "The ID of a lifecycle rule must be unique.")
			}
			if !mayOverlap && r.overlaps(&rules[j]) {
				return invalidArgument("Prefix", r.Prefix, "", "Overlap for same action type: lifecycle rules with one action have overlapping prefixes.")
			}
		}
	}
	return nil
}

// check names a rule that has no name, and refuses one that says too little or too
// much. Uploads in progress have no tags, so that a rule with tags cannot abort any.
func (r *lifecycleRule) check() error {
	if r.ID == "" {
		r.ID = randomUUID()
	}
	if len(r.Others) > 0 {
		return errNotImplemented(r.Others[0].XMLName.Local + " in lifecycle rules")
	}
	if err := checkTags(r.Tags); err != nil {
		return errMalformedXML(ecBadLifecycleTagKey)
	}
	switch {
	case !r.hasAction():
		return errMalformedXML(ecNoLifecycleAction)
	case r.Expiration != nil && !r.Expiration.valid():
		return errMalformedXML(ecNoLifecycleAge)
	case len(r.ID) > maxLifecycleRuleID || r.Status != statusEnabled && r.Status != statusDisabled || !r.hasAges():
		return errMalformedXML("")
	}
	return nil
}

func (r *lifecycleRule) hasAction() bool {
	return r.Expiration != nil || r.AbortMultipartUpload != nil || r.Transitions != nil || r.NoncurrentExpiration != nil
}

// hasAges reports whether what is not about current versions says when.
func (r *lifecycleRule) hasAges() bool {
	if a := r.AbortMultipartUpload; a != nil && (!a.valid() || r.Tags != nil) {
		return false
	}
	if n := r.NoncurrentExpiration; n != nil && n.NoncurrentDays < 1 {
		return false
	}
	return !slices.ContainsFunc(r.Transitions, func(t lifecycleTransition) bool {
		return !t.valid() || t.StorageClass == standard || !slices.Contains(storageClasses, t.StorageClass)
	})
}

// valid reports whether there is either a number of days or a date, which must be a
// midnight in UTC.
func (a lifecycleAge) valid() bool {
	if a.CreatedBeforeDate == "" {
		return a.Days > 0
	}
	date, err := a.date()
	return a.Days == 0 && err == nil && date.Equal(date.Truncate(day))
}

func (a lifecycleAge) date() (time.Time, error) {
	return time.Parse(xmlTimeLayout, a.CreatedBeforeDate)
}

// valid reports whether there is an age, or what is to be done without one.
func (e lifecycleExpiration) valid() bool {
	if e.ExpiredObjectDeleteMarker {
		return e.lifecycleAge == lifecycleAge{}
	}
	return e.lifecycleAge.valid()
}

// overlaps reports whether two rules do one thing to the same keys. Rules with tags
// are told apart by them.
func (r *lifecycleRule) overlaps(other *lifecycleRule) bool {
	if r.Tags != nil || other.Tags != nil || !strings.HasPrefix(r.Prefix, other.Prefix) && !strings.HasPrefix(other.Prefix, r.Prefix) {
		return false
	}
	return r.Expiration != nil && other.Expiration != nil || r.AbortMultipartUpload != nil && other.AbortMultipartUpload != nil ||
		r.NoncurrentExpiration != nil && other.NoncurrentExpiration != nil
}

func (c *call) getBucketLifecycle() error {
	rules := c.s.store.settings(c.target.bucket).Lifecycle
	if rules == nil {
		return errorf(http.StatusNotFound, codeNoSuchLifecycle, "", "No Row found in Lifecycle Table.")
	}
	return c.writeXML(lifecycleConfiguration{Rules: rules})
}

func (c *call) deleteBucketLifecycle() error {
	if err := c.s.store.configure(c.target.bucket, func(s *settings) { s.Lifecycle = nil }); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusNoContent)
}
