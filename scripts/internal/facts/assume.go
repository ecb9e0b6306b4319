package facts

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Assumptions say what the unknown facts are taken to be. The zero value takes
// the first of each fact's values.
type Assumptions struct {
	values map[string]string // by ID; what is not here has its first value
}

// Assume reads settings of the form "fact=value". A fact that is not unknown, a
// value that it does not have and a fact that is set twice are errors.
func Assume(settings ...string) (Assumptions, error) {
	a := Assumptions{values: map[string]string{}}
	for _, setting := range settings {
		id, value, found := strings.Cut(setting, "=")
		if !found {
			return Assumptions{}, fmt.Errorf("assuming %q: it is not fact=value", setting)
		}
		f, ok := find(id)
		if !ok {
			return Assumptions{}, fmt.Errorf("assuming %q: there is no unknown fact %q", setting, id)
		}
		if !slices.Contains(f.Values, value) {
			return Assumptions{}, fmt.Errorf("assuming %q: its values are %q", setting, f.Values)
		}
		if _, twice := a.values[id]; twice {
			return Assumptions{}, fmt.Errorf("assuming %q: %s is set twice", setting, id)
		}
		a.values[id] = value
	}
	return a, nil
}

// AssumeWorst takes every unknown fact at its worst.
func AssumeWorst() Assumptions {
	a := Assumptions{values: map[string]string{}}
	for _, f := range unknown {
		a.values[f.ID] = f.Worst
	}
	return a
}

// Is reports whether an unknown fact is taken to have a value. It panics if there
// is no such fact or value, which is a mistake in the code that asks.
func (a Assumptions) Is(id, value string) bool {
	f, ok := find(id)
	if !ok || !slices.Contains(f.Values, value) {
		panic(fmt.Sprintf("facts: no unknown fact %q has a value %q", id, value))
	}
	if chosen, ok := a.values[id]; ok {
		return chosen == value
	}
	return f.Values[0] == value
}

// String is what [Assume] reads, in one line.
func (a Assumptions) String() string {
	var settings []string
	for _, id := range slices.Sorted(maps.Keys(a.values)) {
		settings = append(settings, id+"="+a.values[id])
	}
	return strings.Join(settings, " ")
}

func find(id string) (Fact, bool) {
	i := slices.IndexFunc(unknown, func(f Fact) bool { return f.ID == id })
	if i < 0 {
		return Fact{}, false
	}
	return unknown[i], true
}
