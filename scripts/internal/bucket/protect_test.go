package bucket

import (
	"slices"
	"strings"
	"testing"
)

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

// A full list has room for a change of a rule that is in it.
func TestFullOverwriteRules(t *testing.T) {
	ours := "<Rule><ID>" + Needs{Prefix: "uploads/"}.ruleID("overwrite") + "</ID><Action>forbid</Action><Prefix>old/</Prefix></Rule>"
	others := strings.Repeat("<Rule><ID>x</ID><Action>forbid</Action><Prefix>x/</Prefix></Rule>", maxOverwriteRules-1)
	m, err := mergeOverwrite(situation{Needs: Needs{Prefix: "uploads/"}}, parsed(t, "<R>"+others+ours+"</R>"))
	if err != nil || len(m.differences) != 1 || len(m.elements) != maxOverwriteRules {
		t.Errorf("%d rules, %+v, %v", len(m.elements), m.differences, err)
	}
}

func TestPublicAccess(t *testing.T) {
	for text, want := range map[string]int{"<R/>": 1, "<R><BlockPublicAccess>false</BlockPublicAccess></R>": 1, "<R><BlockPublicAccess> true\n</BlockPublicAccess></R>": 0} {
		m, err := mergePublicAccess(situation{}, parsed(t, text))
		if err != nil || len(m.differences) != want {
			t.Errorf("of %s the differences are %+v, %v, want %d", text, m.differences, err, want)
		}
	}
}
