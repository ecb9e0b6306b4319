//go:build unix

package fc

import "syscall"

// ownProcessGroup keeps a Ctrl-C at the terminal from the function: the
// program that started it is to stop it, in its own order.
func ownProcessGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
