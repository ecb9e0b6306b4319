package bucket

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

const (
	maxCORSRules = 10
	// corsAge is how long browsers remember a preflight, in seconds. Most have a limit
	// of their own.
	corsAge = 3600
)

var (
	corsMethods = []string{"PUT", "POST", "GET", "HEAD"}
	// corsExposed are what pages read of answers: without the ETag of its parts none
	// completes a multipart upload.
	corsExposed = []string{"ETag", "x-oss-request-id", "x-oss-hash-crc64ecma", "x-oss-version-id"}
)

func corsRule(origins []string) oss.CORSRule {
	return oss.CORSRule{
		AllowedOrigins: origins, AllowedMethods: corsMethods, AllowedHeaders: []string{"*"},
		ExposeHeaders: corsExposed, MaxAgeSeconds: oss.Ptr(int64(corsAge)),
	}
}

// mergeCORS adds the origins that the rules do not let in. Rules of CORS have no ids:
// one that is ours in all but its origins gets those that are missing, and loses
// none, since it may be another deployment's as well.
func mergeCORS(s situation, has document) (merged, error) {
	m := merged{document: has}
	rules, err := rulesOf[oss.CORSRule](has, "CORSRule")
	if err != nil {
		return m, err
	}
	missing := slices.DeleteFunc(slices.Clone(s.Origins), func(origin string) bool { return letIn(rules, origin) })
	if len(missing) > 0 {
		if err := m.letIn(missing, rules); err != nil {
			return m, err
		}
		if rules, err = rulesOf[oss.CORSRule](m.document, "CORSRule"); err != nil {
			return m, err
		}
	}
	for i, r := range rules {
		if hidden := hides(rules, i, s.Origins); hidden != "" {
			m.warn(Warning{"cors", number(i), "is the first that answers " + hidden + " and does not expose " + strings.Join(unexposed(r.says), ", ") + ", so that pages cannot read it; expose it there"})
		}
		if old := strangers(r.says, s.Origins); len(old) > 0 {
			m.warn(Warning{"cors", number(i), "is as ours and lets in " + strings.Join(old, ", ") + ", which CORS_ORIGINS does not name"})
		}
	}
	return m, nil
}

func number(i int) string { return fmt.Sprintf("%d", i+1) }

// letIn adds origins, to a rule that is as ours or in a new one.
func (m *merged) letIn(origins []string, rules []rule[oss.CORSRule]) error {
	need := "lets in " + strings.Join(origins, ", ") + " with " + strings.Join(corsMethods, ", ") + " and any header, and exposes " + strings.Join(corsExposed, ", ")
	for i, r := range rules {
		if isOurs(r.says) {
			m.differs(Difference{"cors", number(i), "lets in " + strings.Join(r.says.AllowedOrigins, ", "), need})
			return m.set(r.at, "CORSRule", corsRule(slices.Concat(r.says.AllowedOrigins, origins)))
		}
	}
	if len(rules) >= maxCORSRules {
		return fmt.Errorf("the bucket has %d rules of CORS and OSS takes no more; remove one", len(rules))
	}
	m.differs(Difference{Setting: "cors", Rule: number(len(rules)), Needs: need})
	return m.set(-1, "CORSRule", corsRule(origins))
}

func isOurs(r oss.CORSRule) bool { return reflect.DeepEqual(r, corsRule(r.AllowedOrigins)) }

// letIn reports whether pages of an origin may call as they have to: a browser asks
// before with the headers that it will send, and the first rule answers that allows
// them all.
func letIn(rules []rule[oss.CORSRule], origin string) bool {
	return !slices.ContainsFunc(corsMethods, func(method string) bool {
		return !slices.ContainsFunc(rules, func(r rule[oss.CORSRule]) bool {
			return allows(r.says, origin, method) && slices.Contains(r.says.AllowedHeaders, "*")
		})
	})
}

func allows(r oss.CORSRule, origin, method string) bool {
	return slices.Contains(r.AllowedMethods, method) && slices.ContainsFunc(r.AllowedOrigins, func(pattern string) bool { return matches(pattern, origin) })
}

// matches knows the one star that an origin may have.
func matches(pattern, origin string) bool {
	before, after, wild := strings.Cut(strings.ToLower(pattern), "*")
	origin = strings.ToLower(origin)
	if !wild {
		return before == origin
	}
	return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
}

// hides names the requests that rule i is the first to answer and whose answers pages
// cannot read as they have to.
func hides(rules []rule[oss.CORSRule], i int, origins []string) string {
	if len(unexposed(rules[i].says)) == 0 {
		return ""
	}
	var hidden []string
	for _, origin := range origins {
		for _, method := range corsMethods {
			first := slices.IndexFunc(rules, func(r rule[oss.CORSRule]) bool { return allows(r.says, origin, method) })
			if first == i {
				hidden = append(hidden, method+" from "+origin)
			}
		}
	}
	return strings.Join(hidden, ", ")
}

// unexposed is what pages cannot do without and a rule does not expose.
func unexposed(r oss.CORSRule) []string {
	return slices.DeleteFunc([]string{"ETag"}, func(name string) bool {
		return slices.ContainsFunc(r.ExposeHeaders, func(h string) bool { return strings.EqualFold(h, name) })
	})
}

// strangers are the origins of a rule that is as ours which nobody asks for now.
func strangers(r oss.CORSRule, origins []string) []string {
	if !isOurs(r) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.AllowedOrigins), func(o string) bool { return slices.Contains(origins, o) })
}
