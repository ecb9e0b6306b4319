package oss

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORSRule lets pages of some origins call OSS. Origins and headers may hold
// one "*" each.
type CORSRule struct {
	AllowedOrigins []string
	AllowedMethods []string
	AllowedHeaders []string
	ExposeHeaders  []string
	MaxAge         time.Duration
}

// DefaultCORS is the rule set of a bucket that is ready for browser uploads.
// A page cannot read the ETag of a part unless it is exposed.
func DefaultCORS() []CORSRule {
	return []CORSRule{{
		AllowedOrigins: []string{"*"},
		AllowedMethods: []string{"PUT", "POST", "GET", "HEAD", "DELETE"},
		AllowedHeaders: []string{"*"},
		ExposeHeaders:  []string{"ETag", "x-oss-request-id", "x-oss-hash-crc64ecma", "x-oss-version-id", "Location"},
	}}
}

// corsConfiguration is the document of the calls about it:
//
//	<CORSConfiguration>
//	  <CORSRule>
//	    <AllowedOrigin>https://app.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>
//	    <AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds>
//	  </CORSRule>
//	  <ResponseVary>false</ResponseVary>
//	</CORSConfiguration>
type corsConfiguration struct {
	XMLName      xml.Name   `json:"-"`
	Rules        []corsRule `xml:"CORSRule"`
	ResponseVary *bool      `xml:",omitempty" json:",omitempty"` // every answer has Vary: Origin
}

type corsRule struct {
	AllowedOrigin []string `json:",omitempty"`
	AllowedMethod []string `json:",omitempty"`
	AllowedHeader []string `json:",omitempty"`
	ExposeHeader  []string `json:",omitempty"`
	MaxAgeSeconds int      `xml:",omitempty" json:",omitempty"`
}

const (
	corsRoot     = "CORSConfiguration"
	maxCORSRules = 10
	maxCORSAge   = 999999999 // seconds
)

var corsMethods = []string{"GET", "PUT", "DELETE", "POST", "HEAD"}

// cors is what holds of the bucket: what it was told, or else what all are told.
func (c *call) cors() corsConfiguration {
	if own := c.s.store.settings(c.target.bucket).CORS; own != nil {
		return *own
	}
	var shared corsConfiguration
	for _, r := range c.s.cfg.CORS {
		shared.Rules = append(shared.Rules, corsRule{r.AllowedOrigins, r.AllowedMethods, r.AllowedHeaders, r.ExposeHeaders, int(r.MaxAge / time.Second)})
	}
	return shared
}

// putBucketCORS replaces all rules.
func (c *call) putBucketCORS() error {
	body, err := c.readDocument()
	if err != nil {
		return err
	}
	var wanted corsConfiguration
	if err := xml.Unmarshal(body, &wanted); err != nil || wanted.XMLName.Local != corsRoot ||
		len(wanted.Rules) == 0 || len(wanted.Rules) > maxCORSRules || slices.ContainsFunc(wanted.Rules, corsRule.invalid) {
		return errMalformedXML("")
	}
	if err := c.s.store.configure(c.target.bucket, func(s *settings) { s.CORS = &wanted }); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusOK)
}

// invalid reports whether a rule is none that OSS takes ("PutBucketCors").
func (r corsRule) invalid() bool {
	wild := func(most int) func(string) bool {
		return func(pattern string) bool { return pattern == "" || strings.Count(pattern, "*") > most }
	}
	return len(r.AllowedOrigin) == 0 || len(r.AllowedMethod) == 0 || r.MaxAgeSeconds < 0 || r.MaxAgeSeconds > maxCORSAge ||
		slices.ContainsFunc(r.AllowedMethod, func(m string) bool { return !slices.Contains(corsMethods, m) }) ||
		slices.ContainsFunc(r.AllowedOrigin, wild(1)) || slices.ContainsFunc(r.AllowedHeader, wild(1)) || slices.ContainsFunc(r.ExposeHeader, wild(0))
}

func (c *call) getBucketCORS() error {
	document := c.cors()
	if len(document.Rules) == 0 {
		return errorf(http.StatusNotFound, codeNoSuchCORSConfiguration, "", "The CORS Configuration does not exist.")
	}
	document.XMLName = xml.Name{Local: corsRoot}
	return c.writeXML(document)
}

func (c *call) deleteBucketCORS() error {
	if err := c.s.store.configure(c.target.bucket, func(s *settings) { s.CORS = &corsConfiguration{} }); err != nil {
		return err
	}
	return c.writeEmpty(http.StatusNoContent)
}

// preflight answers OPTIONS, which is unsigned: the first rule that allows
// origin, method and every header, or 403.
func (c *call) preflight() error {
	method := c.r.Header.Get("Access-Control-Request-Method")
	requested := c.r.Header.Get("Access-Control-Request-Headers")
	var names []string
	for name := range strings.SplitSeq(requested, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	if !c.s.store.hasBucket(c.target.bucket) {
		return errNoSuchBucket(c.target.bucket)
	}
	rule := c.matchCORS(method, names)
	if rule == nil {
		return errorf(http.StatusForbidden, codeAccessForbidden, "",
			"CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Requet-Headers are not whitelisted by the resource's CORS spec.")
	}
	c.writeCORS(rule)
	if requested != "" {
		c.w.Header().Set("Access-Control-Allow-Headers", requested)
	}
	return c.writeEmpty(http.StatusOK)
}

// allowOrigin adds the CORS headers of an actual answer, a refusal included:
// without them a page sees a refusal as a network error only.
func (c *call) allowOrigin() {
	if c.r.Method == http.MethodOptions {
		return
	}
	if rule := c.matchCORS(c.r.Method, nil); rule != nil {
		c.writeCORS(rule)
	}
	if vary := c.cors().ResponseVary; vary != nil && *vary && c.w.Header().Get("Vary") == "" {
		c.w.Header().Set("Vary", "Origin")
	}
}

func (c *call) writeCORS(rule *corsRule) {
	header := c.w.Header()
	if slices.Contains(rule.AllowedOrigin, "*") {
		header.Set("Access-Control-Allow-Origin", "*")
	} else {
		header.Set("Access-Control-Allow-Origin", c.r.Header.Get("Origin"))
		header.Add("Vary", "Origin")
	}
	header.Set("Access-Control-Allow-Methods", strings.Join(rule.AllowedMethod, ", "))
	if len(rule.ExposeHeader) > 0 {
		header.Set("Access-Control-Expose-Headers", strings.Join(rule.ExposeHeader, ", "))
	}
	if rule.MaxAgeSeconds > 0 {
		header.Set("Access-Control-Max-Age", strconv.Itoa(rule.MaxAgeSeconds))
	}
}

// matchCORS returns the first rule that allows the request, or nil.
func (c *call) matchCORS(method string, headers []string) *corsRule {
	origin := c.r.Header.Get("Origin")
	if origin == "" || method == "" {
		return nil
	}
	rules := c.cors().Rules
	for i := range rules {
		rule := &rules[i]
		if !matchAny(rule.AllowedOrigin, origin) || !slices.Contains(rule.AllowedMethod, method) {
			continue
		}
		if !slices.ContainsFunc(headers, func(name string) bool {
			return !matchAny(rule.AllowedHeader, name)
		}) {
			return rule
		}
	}
	return nil
}

// matchAny reports whether value matches a pattern, letter case aside.
func matchAny(patterns []string, value string) bool {
	value = strings.ToLower(value)
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		before, after, wild := strings.Cut(strings.ToLower(pattern), "*")
		if !wild {
			return before == value
		}
		return len(value) >= len(before)+len(after) && strings.HasPrefix(value, before) && strings.HasSuffix(value, after)
	})
}
