package cli

import "golang.org/x/sys/unix"

// NoCoreDumps keeps keys out of core dumps, and other processes of the same
// user out of our memory (H36).
func NoCoreDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
