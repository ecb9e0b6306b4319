//go:build !unix

package fc

import "syscall"

func ownProcessGroup() *syscall.SysProcAttr { return nil }
