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

// getBucketCORS shows the rules, which are the same of every bucket.
func (c *call) getBucketCORS() error {
	type rule struct {
		AllowedOrigin []string
		AllowedMethod []string
		AllowedHeader []string
		ExposeHeader  []string
		MaxAgeSeconds int `xml:",omitempty"`
	}
	document := struct {
		XMLName  xml.Name `xml:"CORSConfiguration"`
		CORSRule []rule
	}{}
	for _, r := range c.s.cfg.CORS {
		document.CORSRule = append(document.CORSRule, rule{r.AllowedOrigins, r.AllowedMethods, r.AllowedHeaders, r.ExposeHeaders, int(r.MaxAge / time.Second)})
	}
	if len(document.CORSRule) == 0 {
		return errorf(http.StatusNotFound, codeNoSuchCORSConfiguration, "", "The CORS Configuration does not exist.")
	}
	return c.writeXML(document)
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
}

func (c *call) writeCORS(rule *CORSRule) {
	header := c.w.Header()
	if slices.Contains(rule.AllowedOrigins, "*") {
		header.Set("Access-Control-Allow-Origin", "*")
	} else {
		header.Set("Access-Control-Allow-Origin", c.r.Header.Get("Origin"))
		header.Add("Vary", "Origin")
	}
	header.Set("Access-Control-Allow-Methods", strings.Join(rule.AllowedMethods, ", "))
	if len(rule.ExposeHeaders) > 0 {
		header.Set("Access-Control-Expose-Headers", strings.Join(rule.ExposeHeaders, ", "))
	}
	if rule.MaxAge > 0 {
		header.Set("Access-Control-Max-Age", strconv.Itoa(int(rule.MaxAge/time.Second)))
	}
}

// matchCORS returns the first rule that allows the request, or nil.
func (c *call) matchCORS(method string, headers []string) *CORSRule {
	origin := c.r.Header.Get("Origin")
	if origin == "" || method == "" {
		return nil
	}
	for i := range c.s.cfg.CORS {
		rule := &c.s.cfg.CORS[i]
		if !matchAny(rule.AllowedOrigins, origin) || !slices.Contains(rule.AllowedMethods, method) {
			continue
		}
		if !slices.ContainsFunc(headers, func(name string) bool {
			return !matchAny(rule.AllowedHeaders, name)
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
