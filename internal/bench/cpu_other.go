//go:build !linux

package bench

import "time"

var began = time.Now()

// threadCPU is the wall clock where there is no CPU clock to read: figures of
// CPU time are then those of an idle machine.
func threadCPU() time.Duration { return time.Since(began) }

// processCPU is the wall clock too.
func processCPU() time.Duration { return time.Since(began) }
