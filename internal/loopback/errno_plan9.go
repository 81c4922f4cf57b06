package loopback

import "syscall"

// Plan 9 has texts in place of numbers.
var (
	ErrReset   = syscall.NewError("connection reset")
	ErrRefused = syscall.NewError("connection refused")
)
