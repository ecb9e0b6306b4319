package ram_test

import (
	"slices"
	"testing"

	"ossupload/scripts/internal/stack/ram"
)

func TestOfRole(t *testing.T) {
	s := ram.NewStore()
	for id, role := range map[string]string{"a": "one", "b": "one", "c": "two", "d": ""} {
		s.Add(ram.Credential{AccessKeyID: id, Role: role})
	}
	for role, want := range map[string][]string{"one": {"a", "b"}, "two": {"c"}, "three": nil} {
		var got []string
		for _, c := range s.OfRole(role) {
			got = append(got, c.AccessKeyID)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("OfRole(%q) = %q, want %q", role, got, want)
		}
	}
}
