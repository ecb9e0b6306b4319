//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// Used is what this process has used so far, in its own code and in the kernel's
// for it; 0 where that cannot be told.
func Used() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
