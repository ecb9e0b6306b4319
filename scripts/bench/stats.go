package main

import (
	"math"
	"slices"
)

// spread is what many measurements of one thing come to.
type spread struct {
	Median   float64 `json:"median"`
	Quartile struct {
		First float64 `json:"first"`
		Third float64 `json:"third"`
	} `json:"quartiles"`
	Rounds int `json:"rounds"`
}

// spreadOf takes at least one value.
func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	s := spread{Median: quantile(sorted, 0.5), Rounds: len(sorted)}
	s.Quartile.First, s.Quartile.Third = quantile(sorted, 0.25), quantile(sorted, 0.75)
	return s
}

func median(values []float64) float64 { return spreadOf(values).Median }

// quantile is between the two values next to it, in proportion.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low, part := math.Modf(at)
	i := int(low)
	if part == 0 {
		return sorted[i]
	}
	return sorted[i]*(1-part) + sorted[i+1]*part
}
