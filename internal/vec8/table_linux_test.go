package vec8

import (
	"flag"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var tableFlag = flag.String("table", "", "print what primitives with such names (a regular expression) cost with and without kernels")

// threadCPU is the CPU time of this thread.
func threadCPU() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// TestTable measures all cases in turn, in slices of 2 ms of the thread's CPU
// time, so that a busy machine slows all of them alike. It prints medians.
func TestTable(t *testing.T) {
	if *tableFlag == "" {
		t.Skip("only with -table")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rounds = 41
	kernels := Vectors()
	match := regexp.MustCompile(*tableFlag)
	var others []cost // of the same calls
	withoutKernels(func() { others = costs() })
	for k, c := range costs() {
		if !match.MatchString(c.name) {
			continue
		}
		var with, without [rounds]float64
		measure := func(c cost) float64 {
			for n := 1; ; n *= 2 {
				start := threadCPU()
				for range n {
					c.run()
				}
				if d := threadCPU() - start; d > 2*time.Millisecond {
					return float64(d.Nanoseconds()) / float64(n*c.lanes)
				}
			}
		}
		for i := range rounds {
			with[i] = measure(c)
			if kernels {
				withoutKernels(func() { without[i] = measure(others[k]) })
			}
		}
		slices.Sort(with[:])
		slices.Sort(without[:])
		a, b := with[rounds/2], without[rounds/2]
		line := fmt.Sprintf("%-28s %9.0f ns a lane", c.name, a)
		if kernels {
			line += fmt.Sprintf(", %9.0f without AVX-512, ratio %.2f", b, a/b)
		}
		fmt.Println(line)
	}
}
