package ram_test

import (
	"reflect"
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

func TestWatch(t *testing.T) {
	p, err := ram.ParsePolicy([]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"acs:oss:*:*:b/*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := ram.NewStore()
	s.Add(ram.Credential{AccessKeyID: "a", Role: "one", Policies: []ram.Policy{p}})
	before, _ := s.Lookup("a")
	var got []ram.Asked
	s.Watch(func(a ram.Asked) { got = append(got, a) })
	before.Allows("oss:GetObject", "acs:oss:*:*:b/x")
	watched, _ := s.Lookup("a")
	watched.Allows("oss:GetObject", "acs:oss:*:*:b/x")
	watched.AllowsWhen("oss:PutObject", "acs:oss:*:*:b/y", map[string]string{"oss:Prefix": "p"})
	s.Watch(nil)
	after, _ := s.Lookup("a")
	after.Allows("oss:GetObject", "acs:oss:*:*:b/x")
	want := []ram.Asked{
		{Role: "one", Action: "oss:GetObject", Resource: "acs:oss:*:*:b/x", Allowed: true},
		{Role: "one", Action: "oss:PutObject", Resource: "acs:oss:*:*:b/y", Known: map[string]string{"oss:Prefix": "p"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the questions are %+v, want %+v", got, want)
	}
}
