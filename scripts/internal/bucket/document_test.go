package bucket

import (
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) document {
	t.Helper()
	d, err := parseDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What a document has stays as it was written, also what nobody here knows.
func TestKeepsWhatItDoesNotKnow(t *testing.T) {
	const (
		lifecycleRule = `<Rule><ID>a &amp; b</ID><Prefix>x/&lt;y&gt;</Prefix><Status>Enabled</Status><Moon phase="full"><Days>3</Days></Moon><Expiration><Days>9</Days></Expiration></Rule>`
		corsRule      = `<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><Private>1</Private></CORSRule>`
		overwriteRule = `<Rule><ID>1</ID><Action>forbid</Action><Suffix>.txt</Suffix><Until>2027</Until></Rule>`
	)
	s := situation{Needs: Needs{Prefix: "uploads/", Origins: []string{"https://app.example.com"}}}
	for name, tt := range map[string]struct {
		merge func(situation, document) (merged, error)
		rules string
		last  string // behind the rules
	}{
		"lifecycle":     {mergeLifecycle, lifecycleRule, "<Clock>UTC</Clock>"},
		"cors":          {mergeCORS, corsRule, "<ResponseVary>true</ResponseVary>"},
		"overwrite":     {mergeOverwrite, overwriteRule, "<Version>2</Version>"},
		"public-access": {mergePublicAccess, "<BlockPublicAccess> false </BlockPublicAccess>", "<IgnoreEverything/>"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := tt.merge(s, parsed(t, `<?xml version="1.0"?><Root xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com">`+tt.rules+tt.last+"</Root>"))
			if err != nil || len(m.differences) == 0 {
				t.Fatalf("merge = %+v, %v", m.differences, err)
			}
			text := string(m.format("Root"))
			if name == "public-access" {
				tt.rules = "<BlockPublicAccess>true</BlockPublicAccess>"
			}
			if !strings.Contains(text, tt.rules) || strings.Count(text, tt.rules) != 1 {
				t.Errorf("of %s it made %s", tt.rules, text)
			}
			tt.last = strings.Replace(tt.last, "<IgnoreEverything/>", "<IgnoreEverything></IgnoreEverything>", 1)
			if !strings.HasSuffix(text, tt.last+"\n</Root>\n") {
				t.Errorf("%s is not last in %s", tt.last, text)
			}
			again, err := tt.merge(s, parsed(t, text))
			if err != nil || len(again.differences) > 0 {
				t.Errorf("a second merge finds %+v, %v", again.differences, err)
			}
		})
	}
}

// A document that is cut off, or none, is not taken for one without rules.
func TestParseDocument(t *testing.T) {
	for _, text := range []string{"", "<Root><Rule>", "not found"} {
		if d, err := parseDocument([]byte(text)); err == nil {
			t.Errorf("parseDocument(%q) = %+v", text, d)
		}
	}
}
