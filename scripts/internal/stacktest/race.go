//go:build race

package stacktest

// race reports whether the race detector is on.
const race = true
