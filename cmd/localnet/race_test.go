//go:build race

package main

import "os"

// The programs under test are built as this test is. Else each would sleep for
// a second at its end.
func init() {
	buildFlags = append(buildFlags, "-race")
	os.Setenv("GORACE", "atexit_sleep_ms=0")
}
