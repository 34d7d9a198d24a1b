//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package boltstore

import "os"

// lock does nothing: here a second program is stopped by the port, which is in
// use already.
func lock(*os.File) error { return nil }
