package bucket

import (
	"slices"
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

// OSS is told that rules overlap only if some do.
func TestOverlaps(t *testing.T) {
	rule := func(id, prefix, action string) string {
		return "<Rule><ID>" + id + "</ID><Prefix>" + prefix + "</Prefix><Status>Enabled</Status>" + action + "</Rule>"
	}
	const (
		expire  = "<Expiration><Days>90</Days></Expiration>"
		abort   = "<AbortMultipartUpload><Days>20</Days></AbortMultipartUpload>"
		transit = "<Transition><Days>9</Days><StorageClass>IA</StorageClass></Transition>"
		old     = "<NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration>"
	)
	for name, tt := range map[string]struct {
		has        string
		versioning string
		want       bool
	}{
		"none of others":             {"", "", false},
		"ours of versions":           {"", "Enabled", true},
		"of other keys":              {rule("a", "logs/", expire+abort), "", false},
		"of uploads, another action": {rule("a", "uploads/", expire), "", false},
		"of uploads":                 {rule("a", "uploads/a/", abort), "", true},
		"of the bucket":              {rule("a", "", expire), "", true},
		"others among themselves":    {rule("a", "x/", transit) + rule("b", "x/y/", transit), "", true},
		"versions":                   {rule("a", "x/", old) + rule("b", "x/y/", old), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := mergeLifecycle(situation{Needs{Prefix: "uploads/"}, tt.versioning}, parsed(t, "<R>"+tt.has+"</R>"))
			if err != nil || m.overlaps != tt.want {
				t.Errorf("overlaps = %t, %v, want %t", m.overlaps, err, tt.want)
			}
		})
	}
}

// A rule that leaves a place out by its filter is not warned of.
func TestExcepts(t *testing.T) {
	rule := func(not string) string {
		return "<R><Rule><ID>a</ID><Prefix>_ossupload/uploads/</Prefix><Status>Enabled</Status><Filter>" + not + "</Filter><Expiration><Days>9</Days></Expiration></Rule></R>"
	}
	for not, want := range map[string]string{
		"": "events that wait below _ossupload/uploads/_pending/, dead letters below _ossupload/uploads/_dead/",
		"<Not><Prefix>_ossupload/uploads/_pending/</Prefix></Not>":                                                       "dead letters below _ossupload/uploads/_dead/",
		"<Not><Prefix>_ossupload/uploads/_</Prefix></Not>":                                                               "",
		"<Not><Prefix>_ossupload/uploads/_</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></Not>":                        "events that wait below _ossupload/uploads/_pending/, dead letters below _ossupload/uploads/_dead/",
		"<Not><Prefix>_ossupload/uploads/_pending/1</Prefix></Not><Not><Prefix>_ossupload/uploads/_dead/</Prefix></Not>": "events that wait below _ossupload/uploads/_pending/",
	} {
		m, err := mergeLifecycle(situation{Needs: Needs{Prefix: "uploads/"}}, parsed(t, rule(not)))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range m.warnings {
			text, _, _ := strings.Cut(w.Text, " (it ")
			got += strings.TrimPrefix(text, "deletes ")
		}
		if got != want {
			t.Errorf("with %q it warns of %q, want %q", not, got, want)
		}
	}
}

func TestLetIn(t *testing.T) {
	rule := func(origin, methods, headers string) string {
		text := "<CORSRule><AllowedOrigin>" + origin + "</AllowedOrigin>"
		for m := range strings.FieldsSeq(methods) {
			text += "<AllowedMethod>" + m + "</AllowedMethod>"
		}
		return text + "<AllowedHeader>" + headers + "</AllowedHeader></CORSRule>"
	}
	const all = "GET POST HEAD PUT"
	for _, tt := range []struct {
		rules, origin string
		want          bool
	}{
		{"", "https://a.example", false},
		{rule("*", all, "*"), "https://a.example", true},
		{rule("*", all, "*"), "*", true},
		{rule("https://A.example", all, "*"), "https://a.example", true},
		{rule("https://*.example", all, "*"), "https://a.example", true},
		{rule("https://*.example", all, "*"), "*", false},
		{rule("https://*.example", all, "*"), "https://a.example:8443", false},
		{rule("https://a*a.example", all, "*"), "https://a.example", false},
		{rule("https://b.example", all, "*"), "https://a.example", false},
		{rule("*", "GET POST HEAD", "*"), "https://a.example", false},
		{rule("*", "GET POST HEAD", "*") + rule("*", "PUT", "*"), "https://a.example", true},
		{rule("*", all, "x-oss-*"), "https://a.example", false},
	} {
		m, err := mergeCORS(situation{Needs: Needs{Prefix: "uploads/", Origins: []string{tt.origin}}}, parsed(t, "<R>"+tt.rules+"</R>"))
		if err != nil || (len(m.differences) == 0) != tt.want {
			t.Errorf("of %s, %q is let in: %v, %v, want %t", tt.rules, tt.origin, len(m.differences) == 0, err, tt.want)
		}
	}
}

// A rule of ours that somebody narrowed is made whole again, one of somebody else
// that does the same will do.
func TestOverwriteRules(t *testing.T) {
	ours := Needs{Prefix: "uploads/"}.ruleID("overwrite")
	rule := func(id, rest string) string {
		return "<Rule><ID>" + id + "</ID><Action>forbid</Action>" + rest + "</Rule>"
	}
	for _, tt := range []struct {
		rules string
		want  []string // what it has now of each difference
	}{
		{rule("all", ""), nil},
		{rule("all", "<Prefix>up</Prefix><Principals></Principals>"), nil},
		{rule(ours, "<Prefix>uploads/</Prefix>"), nil},
		{rule("some", "<Suffix>.txt</Suffix>"), []string{""}},
		{rule("some", "<Principals><Principal>*</Principal></Principals>"), []string{""}},
		{rule("below", "<Prefix>uploads/a/</Prefix>"), []string{""}},
		{rule(ours, "<Prefix>uploads/</Prefix><Suffix>.txt</Suffix>"), []string{"forbids to overwrite below uploads/ what ends in .txt"}},
		{strings.Repeat(rule("other", "<Prefix>x/</Prefix>"), 99), []string{""}},
	} {
		m, err := mergeOverwrite(situation{Needs: Needs{Prefix: "uploads/"}}, parsed(t, "<R>"+tt.rules+"</R>"))
		var got []string
		for _, d := range m.differences {
			got = append(got, d.Has)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("of %.80s the differences have %q, %v, want %q", tt.rules, got, err, tt.want)
		}
	}
	full := parsed(t, "<R>"+strings.Repeat(rule("other", "<Prefix>x/</Prefix>"), maxOverwriteRules)+"</R>")
	if m, err := mergeOverwrite(situation{Needs: Needs{Prefix: "uploads/"}}, full); err == nil || len(m.differences) > 0 {
		t.Errorf("a rule too many: %+v, %v", m.differences, err)
	}
}
