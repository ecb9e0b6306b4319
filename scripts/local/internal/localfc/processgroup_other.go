//go:build !unix

package localfc

import "syscall"

func ownProcessGroup() *syscall.SysProcAttr { return nil }
