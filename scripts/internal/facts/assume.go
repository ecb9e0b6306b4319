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

// Assume reads settings of the form "fact=value"; "worst" alone is [AssumeWorst].
// A fact that is not unknown, a value that it does not have and a fact that is set
// twice are errors.
func Assume(settings ...string) (Assumptions, error) {
	if len(settings) == 1 && settings[0] == "worst" {
		return AssumeWorst(), nil
	}
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

// Positions are what differs from the zero value in one fact: one for each further
// value of each unknown fact.
func Positions() []Assumptions {
	var positions []Assumptions
	for _, f := range unknown {
		for _, value := range f.Values[1:] {
			positions = append(positions, Assumptions{values: map[string]string{f.ID: value}})
		}
	}
	return positions
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

// And is what a says, unless b sets it otherwise.
func (a Assumptions) And(b Assumptions) Assumptions {
	both := Assumptions{values: map[string]string{}}
	maps.Copy(both.values, a.values)
	maps.Copy(both.values, b.values)
	return both
}

// Settings are what [Assume] reads, by ID.
func (a Assumptions) Settings() []string {
	var settings []string
	for _, id := range slices.Sorted(maps.Keys(a.values)) {
		settings = append(settings, id+"="+a.values[id])
	}
	return settings
}

// String is the settings in one line.
func (a Assumptions) String() string { return strings.Join(a.Settings(), " ") }

func find(id string) (Fact, bool) {
	i := slices.IndexFunc(unknown, func(f Fact) bool { return f.ID == id })
	if i < 0 {
		return Fact{}, false
	}
	return unknown[i], true
}
