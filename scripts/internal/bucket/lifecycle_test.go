package bucket

import (
	"fmt"
	"strings"
	"testing"
)

// lifecycleOf merges rules into what a bucket without versions needs below uploads/.
func lifecycleOf(t *testing.T, rules string) merged {
	t.Helper()
	m, err := mergeLifecycle(situation{Needs: Needs{Prefix: "uploads/"}}, parsed(t, "<R>"+rules+"</R>"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ruleOf(id, rest string) string {
	return "<Rule><ID>" + id + "</ID>" + rest + "</Rule>"
}

// A rule of somebody else will do if it does what ours would to all of it.
func TestMetBy(t *testing.T) {
	const does = "<Status>Enabled</Status><AbortMultipartUpload><Days>8</Days></AbortMultipartUpload>"
	for rest, want := range map[string]bool{
		does:                                 true,
		"<Prefix>uploads/</Prefix>" + does:   true,
		"<Prefix>uploads/a/</Prefix>" + does: false,
		strings.Replace(does, "Enabled", "Disabled", 1):         false,
		strings.Replace(does, "8", "9", 1):                      false,
		does + "<Tag><Key>k</Key><Value>v</Value></Tag>":        false,
		does + "<Filter><Not><Prefix>x</Prefix></Not></Filter>": false,
	} {
		m := lifecycleOf(t, ruleOf("theirs", rest))
		if got := len(m.differences) == 2; got != want {
			t.Errorf("of %s, our rule is spared: %t, want %t (%+v)", rest, got, want, m.differences)
		}
	}
}

// What OSS may add to a rule of ours in its answer is no difference; a rule of ours
// that stands for more or less is one.
func TestSameRule(t *testing.T) {
	id := Needs{Prefix: "uploads/"}.ruleID("announced")
	const (
		base   = "<Prefix>_ossupload/uploads/_announced/</Prefix><Status>Enabled</Status>"
		thirty = "<Expiration><Days>30</Days></Expiration>"
	)
	for rest, want := range map[string]bool{
		base + thirty: true,
		base + "<Expiration><Days>30</Days><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration><AtimeBase>1</AtimeBase>": true,
		base + "<Expiration><Days>31</Days></Expiration>":                                   false,
		base + thirty + "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>": false,
		base + thirty + "<AbortMultipartUpload><Days>8</Days></AbortMultipartUpload>":       false,
		strings.Replace(base, "_announced/", "_announced/a", 1) + thirty:                    false,
		strings.Replace(base, "Enabled", "Disabled", 1) + thirty:                            false,
	} {
		m := lifecycleOf(t, ruleOf(id, rest))
		if got := len(m.differences) == 2; got != want {
			t.Errorf("of %s, our rule is as it should be: %t, want %t (%+v)", rest, got, want, m.differences)
		}
	}
}

func TestAbortsTooEarly(t *testing.T) {
	for days, want := range map[int]int{7: 1, 8: 0} {
		m := lifecycleOf(t, ruleOf("theirs", fmt.Sprintf("<Status>Enabled</Status><AbortMultipartUpload><Days>%d</Days></AbortMultipartUpload>", days)))
		if len(m.warnings) != want {
			t.Errorf("of %d days it warns %+v, want %d", days, m.warnings, want)
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
