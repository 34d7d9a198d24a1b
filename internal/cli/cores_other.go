//go:build !linux && !windows

package cli

import "syscall"

// NoCoreDumps keeps keys out of core dumps (H36).
func NoCoreDumps() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
