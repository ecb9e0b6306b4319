// Package tiny is mutated by the tests of the mutation tester.
package tiny

import "slices"

// Clamp returns n, or what is nearest to it from low to high.
func Clamp(n, low, high int) int {
	if n < low { // an equivalent: at the boundary both branches return low
		return low
	}
	for n > high { // endless without what follows
		n--
	}
	return n
}

// Sorted sorts names in place. Without the call the import is in vain, and the
// package does not compile.
func Sorted(names []string) []string {
	slices.Sort(names)
	return names
}
