package main

import "math"

// blocked is the share of requests that find all of n instances busy, if they come
// by themselves and keep load of them busy on average (Erlang's B).
func blocked(n int, load float64) float64 {
	b := 1.0
	for k := 1; k <= n; k++ {
		b = load * b / (float64(k) + load*b)
	}
	return b
}

// fewBlocked is how many may be, of all, before something counts as broken. They
// are tried again.
const fewBlocked = 0.001

// carries is how many of n instances may be busy on average: more, and too many
// requests find none.
func carries(n int) float64 {
	return highest(float64(n), func(load float64) bool { return blocked(n, load) <= fewBlocked })
}

// highest is the highest number up to most that is fine.
func highest(most float64, fine func(float64) bool) float64 {
	low, high := 0.0, most
	for range 60 {
		if middle := (low + high) / 2; fine(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// coldStarts is about how many of n instances start in an hour of even traffic, each
// of which ends after idle hours without a request. Requests get the instance that
// was used last: so the k-th sees what the others before it cannot take, and starts
// anew where that has a gap of idle.
func coldStarts(n int, perHour, load, idle float64) float64 {
	sum := 0.0
	for k := 1; k <= n; k++ {
		taken := perHour * (blocked(k-1, load) - blocked(k, load))
		sum += taken * math.Exp(-taken*idle)
	}
	return sum
}
