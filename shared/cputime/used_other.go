//go:build !unix

package cputime

import "time"

// Used is 0: the CPU time of a process is not known on this system.
func Used() time.Duration { return 0 }
