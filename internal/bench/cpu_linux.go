package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU is the CPU time that the running thread has used.
func threadCPU() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// processCPU is the CPU time that the process has used, the kernel's work for it
// included.
func processCPU() time.Duration { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func clock(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		panic("bench: " + err.Error()) // every Linux has these clocks
	}
	return time.Duration(ts.Nano())
}
