//go:build !race

package poison

const race = false
