//go:build !race

package stacktest

const race = false
