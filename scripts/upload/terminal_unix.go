//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// movesCursor reports whether a terminal obeys escape sequences.
func movesCursor(*os.File) bool { return true }

// sizeOf is how large a terminal is.
func sizeOf(f *os.File) (columns, rows int, ok bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 0, 0, false
	}
	return int(size.Col), int(size.Row), true
}
