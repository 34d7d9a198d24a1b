package bench

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// How CPU costs are measured: so many slices of each operation, so long.
const (
	sliceRounds = 41
	sliceTime   = 3 * time.Millisecond
)

// A cost is what one operation takes.
type cost struct {
	CPU    time.Duration // median over the slices
	Allocs float64       // of memory, per operation
}

// micros gives the CPU time in microseconds.
func (c cost) micros() float64 { return float64(c.CPU) / float64(time.Microsecond) }

// An operation does n times whatever is measured.
type operation func(n int)

// interleave measures operations in short slices, all in turn, by the CPU time
// of the running thread: a noisy neighbour hits all of them alike, and the
// median forgets the slices it hit.
func interleave(rounds int, ops []operation) []cost {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	warmHeap()
	times := make([]int, len(ops))
	costs := make([]cost, len(ops))
	for i, op := range ops {
		times[i] = calibrate(op)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		op(times[i])
		runtime.ReadMemStats(&after)
		costs[i].Allocs = float64((after.Mallocs - before.Mallocs) / uint64(times[i])) // whole ones: the runtime makes a few of its own
	}
	samples := make([][]time.Duration, len(ops))
	for range rounds {
		for i, op := range ops {
			began := threadCPU()
			op(times[i])
			samples[i] = append(samples[i], (threadCPU()-began)/time.Duration(times[i]))
		}
	}
	for i := range costs {
		costs[i].CPU = median(samples[i])
	}
	return costs
}

// calibrate finds how often op fits into a slice.
func calibrate(op operation) int {
	op(1)
	for n := 1; ; n *= 2 {
		began := threadCPU()
		op(n)
		if d := threadCPU() - began; d >= sliceTime/2 || n >= 1<<24 {
			return max(1, int(float64(n)*float64(sliceTime)/float64(max(d, 1))))
		}
	}
}

// warmHeap touches more memory than the operations hand out between two
// collections. Without it those that allocate would pay for the first touch of
// pages, which is dear on a virtual machine.
func warmHeap() {
	var keep [][]byte
	for range 6000 {
		b := make([]byte, 6<<10)
		for i := 0; i < len(b); i += 512 {
			b[i] = 1
		}
		keep = append(keep, b)
	}
	runtime.KeepAlive(keep)
	keep = nil
	runtime.GC()
}

// median sorts v and gives the one in the middle.
func median[T interface{ ~int64 | ~float64 }](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}
