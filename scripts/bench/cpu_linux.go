package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf is the CPU time that a process has used so far, in all of its threads and
// in the kernel for them, to the nanosecond: what /proc/PID/stat has is counted in
// ticks of 10 ms, and a start takes a few.
func cpuOf(pid int) (time.Duration, error) {
	// The clock of another process, see clock_getcpuclockid(3) and
	// MAKE_PROCESS_CPUCLOCK in the kernel's posix-timers.h.
	const schedClock = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|schedClock, &used); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// peakOf is the most memory that a process has had resident, in bytes.
func peakOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the peak memory of a process: %w", err)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kB, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the peak memory of a process: %w", err)
			}
			return kB << 10, nil
		}
	}
	return 0, fmt.Errorf("process %d tells no peak memory", pid)
}
