package facts

import (
	"maps"
	"slices"
)

// DiffersIDs are the facts of which is said what to do where they differ.
func DiffersIDs() []string { return slices.Collect(maps.Keys(differs)) }
