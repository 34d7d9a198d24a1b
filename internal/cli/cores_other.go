//go:build !linux && !windows

package cli

import "syscall"

// noCoreDumps keeps keys out of core dumps (H36).
func noCoreDumps() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
