package oss

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

const (
	maxOverwriteRules = 100
	maxOverwriteAffix = 1023 // of a prefix or suffix

	actionForbid = "forbid"

	ecBadOverwriteConfig = "0015-00000231"
)

// overwriteRule forbids to replace an object whose key and whose writer it matches
// ("PutBucketOverwriteConfig"). It has no effect where versioning is enabled or
// suspended ("Prevent file overwrite").
type overwriteRule struct {
	ID     string
	Action string
	Prefix string `xml:",omitempty" json:",omitempty"`
	Suffix string `xml:",omitempty" json:",omitempty"`
	// Principals are those that may not; none means nobody may. In each of them "*"
	// stands for anything.
	Principals *principals `xml:",omitempty" json:",omitempty"`
}

type principals struct {
	Principal []string
}

// overwriteConfiguration is the document of the calls about it:
//
//	<OverwriteConfiguration><Rule><ID>1</ID><Action>forbid</Action><Prefix>a/</Prefix></Rule></OverwriteConfiguration>
type overwriteConfiguration struct {
	XMLName xml.Name        `xml:"OverwriteConfiguration"`
	Rules   []overwriteRule `xml:"Rule"`
}

// putBucketOverwriteConfig replaces all rules. A bucket that does not exist makes the
// document a bad one, as the service was seen to answer.
func (c *call) putBucketOverwriteConfig() error {
	body, err := c.readDocument()
	if err != nil {
		return err
	}
	var wanted overwriteConfiguration
	if err := xml.Unmarshal(body, &wanted); err != nil || !checkOverwriteRules(wanted.Rules) || !c.s.store.hasBucket(c.target.bucket) {
		return errMalformedXML(ecBadOverwriteConfig)
	}
	if err := c.s.store.configure(c.target.bucket, func(s *settings) { s.Overwrite = wanted.Rules }); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusOK)
}

// checkOverwriteRules names the rules that have no name, and reports whether all may
// be.
func checkOverwriteRules(rules []overwriteRule) bool {
	if len(rules) == 0 || len(rules) > maxOverwriteRules {
		return false
	}
	seen := map[string]bool{}
	for i := range rules {
		r := &rules[i]
		if r.ID == "" {
			r.ID = randomUUID()
		}
		if seen[r.ID] || r.Action != actionForbid || len(r.Prefix) > maxOverwriteAffix || len(r.Suffix) > maxOverwriteAffix {
			return false
		}
		seen[r.ID] = true
	}
	return true
}

func (c *call) getBucketOverwriteConfig() error {
	rules := c.s.store.settings(c.target.bucket).Overwrite
	if rules == nil {
		return errorf(http.StatusNotFound, codeNoSuchOverwriteConfig, "", "The bucket has no overwrite configuration.")
	}
	return c.writeXML(overwriteConfiguration{Rules: rules})
}

func (c *call) deleteBucketOverwriteConfig() error {
	if err := c.s.store.configure(c.target.bucket, func(s *settings) { s.Overwrite = nil }); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusNoContent)
}

func (r overwriteRule) forbids(key, writer string) bool {
	if !strings.HasPrefix(key, r.Prefix) || !strings.HasSuffix(key, r.Suffix) {
		return false
	}
	return r.Principals == nil || len(r.Principals.Principal) == 0 ||
		slices.ContainsFunc(r.Principals.Principal, func(pattern string) bool { return matchStars(pattern, writer) })
}

// matchStars reports whether text is pattern, in which "*" stands for anything.
func matchStars(pattern, text string) bool {
	pieces := strings.Split(pattern, "*")
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(pieces) == 1 {
		return pattern == text
	}
	text, hasFirst := strings.CutPrefix(text, first)
	text, hasLast := strings.CutSuffix(text, last)
	for _, piece := range pieces[1 : len(pieces)-1] {
		_, after, found := strings.Cut(text, piece)
		if !found {
			return false
		}
		text = after
	}
	return hasFirst && hasLast
}

// guard says what an upload may not replace.
type guard struct {
	forbid bool   // any object: x-oss-forbid-overwrite
	writer string // who asks, for the rules of the bucket
}

// readGuard reads the guard of an upload with these headers.
func (c *call) readGuard(header http.Header) (guard, error) {
	forbid, err := forbidsOverwrite(header)
	if err != nil {
		return guard{}, err
	}
	g := guard{forbid: forbid, writer: accountID}
	if c.account != nil && c.account.Principal != "" {
		g.writer = c.account.Principal
	}
	return g, nil
}

// protects reports whether an upload with this guard is refused.
func (st *store) protects(bucketName, key string, g guard) bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b := st.buckets[bucketName]
	return b != nil && b.protects(key, g)
}

// protects is never so where versioning is enabled or suspended ("PutObject").
func (b *bucket) protects(key string, g guard) bool {
	if b.Versioning != "" || b.objects[key] == nil {
		return false
	}
	return g.forbid || slices.ContainsFunc(b.Overwrite, func(r overwriteRule) bool { return r.forbids(key, g.writer) })
}

func randomUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}
