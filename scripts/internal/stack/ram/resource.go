package ram

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// resource is a resource name, taken apart:
//
//	acs:<service>:<region>:<owner>:<relative id>
//	acs:oss:*:1234567890123456:bucket/u/*
//
// The relative id keeps any further colons: an object key may hold them.
type resource struct {
	service, region, owner, relative string
}

func parseResource(text string) (resource, error) {
	if text == "*" {
		return resource{"*", "*", "*", "*"}, nil
	}
	part := strings.SplitN(text, ":", 5)
	if len(part) != 5 || part[0] != "acs" || part[1] == "" || part[4] == "" {
		return resource{}, fmt.Errorf("resource %q is not acs:service:region:owner:id", text)
	}
	return resource{part[1], part[2], part[3], part[4]}, nil
}

// covers reports whether the pattern r holds for the requested resource. In
// the request a region or owner of * is "does not matter" and matches every
// pattern; in the relative id a * is a character like any other, since an
// object key may contain it.
func (r resource) covers(requested resource) bool {
	return glob(r.service, requested.service) &&
		(requested.region == "*" || glob(r.region, requested.region)) &&
		(requested.owner == "*" || glob(r.owner, requested.owner)) &&
		glob(r.relative, requested.relative)
}

// glob reports whether text matches pattern, in which * stands for any run of
// characters, slashes too, and ? for exactly one. On a mismatch only the last
// * has to give way, so the work is at most len(pattern) times len(text).
func glob(pattern, text string) bool {
	star, mark := -1, 0 // where the last * is, and where its run ends in text
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(text[t:])
			p, t = p+1, t+size
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
