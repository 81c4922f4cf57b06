//go:build !plan9

package loopback

import (
	"runtime"
	"syscall"
)

// The operating system's errors for TCP connections. Connections in memory return them too.
var (
	ErrReset   = errno(syscall.ECONNRESET, 10054)
	ErrRefused = errno(syscall.ECONNREFUSED, 10061)
)

// errno returns one of the numbers: Windows has its own for sockets.
func errno(unix, windows syscall.Errno) error {
	if runtime.GOOS == "windows" {
		return windows
	}
	return unix
}
