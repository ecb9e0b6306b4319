package bucket

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

const maxOverwriteRules = 100

// mergeOverwrite forbids to replace uploads, whoever writes.
func mergeOverwrite(s situation, has document) (merged, error) {
	m := merged{document: has}
	rules, err := rulesOf[oss.OverwriteRule](has, "Rule")
	if err != nil {
		return m, err
	}
	if s.versioning != "" {
		m.warn(Warning{Setting: "overwrite", Text: "has no effect while versioning is " + strings.ToLower(s.versioning) + ", and is left as it is"})
		return m, nil
	}
	need := oss.OverwriteRule{ID: oss.Ptr(s.ruleID("overwrite")), Action: oss.Ptr("forbid"), Prefix: oss.Ptr(s.Prefix)}
	d, at := Difference{Setting: "overwrite", Rule: *need.ID, Needs: describeOverwrite(need)}, -1
	for _, r := range rules {
		ours := value(r.says.ID) == *need.ID
		if ours && !reflect.DeepEqual(r.says, need) {
			d.Has, at = describeOverwrite(r.says), r.at
		}
		if value(r.says.Action) == "forbid" && value(r.says.Suffix) == "" && forAll(r.says) && covers(value(r.says.Prefix), s.Prefix) {
			return m, nil
		}
	}
	if len(rules) >= maxOverwriteRules && at < 0 {
		return m, fmt.Errorf("the bucket has %d rules and OSS takes no more; remove one", len(rules))
	}
	m.differs(d)
	return m, m.set(at, "Rule", need)
}

func forAll(r oss.OverwriteRule) bool {
	return r.Principals == nil || len(r.Principals.Principals) == 0
}

func describeOverwrite(r oss.OverwriteRule) string {
	text := "forbids to overwrite below " + value(r.Prefix)
	if suffix := value(r.Suffix); suffix != "" {
		text += " what ends in " + suffix
	}
	if !forAll(r) {
		text += " for some"
	}
	return text
}

// mergePublicAccess blocks public access. It is not about a prefix: what is public
// in the bucket stops being so.
func mergePublicAccess(_ situation, has document) (merged, error) {
	const name = "BlockPublicAccess"
	m := merged{document: has}
	at := slices.IndexFunc(has.elements, func(e element) bool { return e.XMLName.Local == name })
	if at >= 0 && strings.TrimSpace(has.elements[at].Inner) == "true" {
		return m, nil
	}
	m.differs(Difference{Setting: "public-access", Has: "public ACLs and policies have effect", Needs: "nothing of the bucket is public, whatever its ACLs and policies say"})
	return m, m.set(at, name, true)
}
