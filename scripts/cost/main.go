// Cost prints what uploads cost, and what a million of them in an hour would need,
// as the tables of scripts/deploy/SCALE.md:
//
//	go run ./scripts/cost
//
// Prices and limits are those that are published, named beside each. Of the times
// that calls take, CPU is measured and the waiting for others estimated: put in
// what your log says (scripts/sls/search-time.json).
package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func main() { fmt.Print(tables()) }

// tables are all of them, as they stand in the page.
func tables() string {
	var b strings.Builder
	printCost(&b)
	b.WriteString("\n")
	printScale(&b)
	return b.String()
}

// sorted has the scarcest first.
func sorted(all []rate) []rate {
	slices.SortStableFunc(all, func(a, b rate) int { return cmp.Compare(a.most(), b.most()) })
	return all
}
