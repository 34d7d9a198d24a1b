package bench

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/internal/fleet"
	"nym-socks5/mixnet"
)

// The figures of a network as people run it: separate programs over loopback
// TCP, with their replay logs on disk, one mix a layer. CPU time is that of all of
// them and of this process, which is source and sink.
var apartFigures = []Figure{
	{
		Name: "separate programs, upload", Unit: "MB/s", Goal: AtLeast(7),
		Measure: func(l *Lab) (Value, error) { return l.apartRate(mixnet.Regular, upload) },
	},
	{
		Name: "separate programs, download", Unit: "MB/s", Goal: AtLeast(7),
		Measure: func(l *Lab) (Value, error) { return l.apartRate(mixnet.Regular, download) },
	},
	{
		Name: "separate programs, upload, CPU", Unit: "s/MB", Goal: AtMost(0.25),
		Measure: func(l *Lab) (Value, error) { return l.apartCPU(mixnet.Regular, upload) },
	},
	{
		Name: "separate programs, download, CPU", Unit: "s/MB", Goal: AtMost(0.25),
		Measure: func(l *Lab) (Value, error) { return l.apartCPU(mixnet.Regular, download) },
	},
	{
		Name: "separate programs beside one process, upload, CPU", Unit: "s/MB", Goal: AtMostTimes(1.15),
		Measure: func(l *Lab) (Value, error) { return l.apartBesideOne(upload) },
	},
	{
		Name: "separate programs beside one process, download, CPU", Unit: "s/MB", Goal: AtMostTimes(1.15),
		Measure: func(l *Lab) (Value, error) { return l.apartBesideOne(download) },
	},
	{
		Name: "separate programs, upload, 33133-byte packets", Unit: "MB/s", Goal: AtLeast(30),
		Measure: func(l *Lab) (Value, error) { return l.apartRate(mixnet.Extended32, upload) },
	},
	{
		Name: "separate programs, download, 33133-byte packets", Unit: "MB/s", Goal: AtLeast(30),
		Measure: func(l *Lab) (Value, error) { return l.apartRate(mixnet.Extended32, download) },
	},
	{
		Name: "separate programs, SOCKS time to first byte, p50", Unit: "ms", Goal: AtMost(8),
		Measure: func(l *Lab) (Value, error) {
			a, err := l.apart(mixnet.Regular)
			return Value{Measured: quantile(a.firstByte, 0.50)}, err
		},
	},
	{
		Name: "separate programs, ten downloads of 1 MB, the last beside the first", Unit: "s", Goal: AtMostTimes(1.10),
		Measure: func(l *Lab) (Value, error) {
			a, err := l.apart(mixnet.Regular)
			return Value{Measured: a.last.Seconds(), Yardstick: a.first.Seconds()}, err
		},
	},
	{
		Name: "separate programs, a mix node after load, resident memory", Unit: "MB",
		Measure: func(l *Lab) (Value, error) {
			a, err := l.apart(mixnet.Regular)
			return Value{Measured: a.resident / megabyte}, err
		},
	},
}

// apart is what a network of separate programs gave.
type apart struct {
	transfers
	firstByte   []time.Duration // sorted
	first, last time.Duration   // of ten downloads of 1 MB at a time, when they ended
	resident    float64         // bytes, of the mix node that takes most
}

func (l *Lab) apartRate(size mixnet.PacketSize, d direction) (Value, error) {
	a, err := l.apart(size)
	if err != nil {
		return Value{}, err
	}
	return a.rate(d), nil
}

func (l *Lab) apartCPU(size mixnet.PacketSize, d direction) (Value, error) {
	a, err := l.apart(size)
	if err != nil {
		return Value{}, err
	}
	return Value{Measured: a.cpu[d], Yardstick: a.bound[d]}, nil
}

// apartBesideOne holds the programs against the same network in one process.
func (l *Lab) apartBesideOne(d direction) (Value, error) {
	a, err := l.apart(mixnet.Regular)
	if err != nil {
		return Value{}, err
	}
	one, err := l.transfers(mixnet.Regular)
	if err != nil {
		return Value{}, err
	}
	return Value{Measured: a.cpu[d], Yardstick: one.cpu[d]}, nil
}

// apart measures separate programs with packets of one size, once.
func (l *Lab) apart(size mixnet.PacketSize) (*apart, error) {
	return once(l, "apart "+size.String(), func() (*apart, error) {
		programs, err := l.programs()
		if err != nil {
			return new(apart), err
		}
		return measureApart(l.ctx, programs, size, transferSize(size))
	})
}

// measureApart runs the programs and moves n bytes each way, some times over.
func measureApart(ctx context.Context, programs fleet.Programs, size mixnet.PacketSize, n int) (a *apart, err error) {
	dir, err := os.MkdirTemp("", "nym-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	net, err := fleet.Make(ctx, fleet.Spec{
		Dir: dir, Programs: programs, MixesPerLayer: 1, Traffic: fleet.Fast, PacketSize: size.String(), LogLevel: "warn",
		Rules: fleet.Rules{Allow: []string{"127.0.0.1"}},
	})
	if err != nil {
		return nil, err
	}
	b := new(testbed)
	if err := b.run(ctx, net.Run, net.Ready()); err != nil {
		return nil, err
	}
	b.socks = net.SOCKS.String()
	defer func() { err = errors.Join(err, b.close()) }()
	cpu := func() time.Duration {
		used := processCPU()
		for _, part := range net.List() {
			used += cpuOf(part.PID)
		}
		return used
	}
	t, err := measureTransfers(b, cpu, size, n)
	if err != nil {
		return nil, err
	}
	a = &apart{transfers: *t}
	if a.firstByte, err = measureFirstByte(b, false); err != nil {
		return nil, err
	}
	if a.first, a.last, err = measureTen(b, n/4); err != nil {
		return nil, err
	}
	for _, part := range net.List() {
		if part.Program == "mixnode" {
			resident, err := residentMemoryOf(part.PID)
			if err != nil {
				return nil, err
			}
			a.resident = max(a.resident, resident)
		}
	}
	return a, nil
}

// measureTen makes ten downloads of n bytes each at a time.
func measureTen(b *testbed, n int) (first, last time.Duration, err error) {
	addr, err := b.target(func(c *net.TCPConn) { serveTransfer(c, n) })
	if err != nil {
		return 0, 0, err
	}
	var took [10]time.Duration
	var g errgroup.Group
	began := time.Now()
	for i := range took {
		g.Go(func() error {
			err := transfer(b, addr, download, n)
			took[i] = time.Since(began)
			return err
		})
	}
	err = g.Wait()
	return slices.Min(took[:]), slices.Max(took[:]), err
}

// cpuOf is the CPU time that a process has used, to userTick; zero where that is
// not known.
func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // what follows the name, from the third field on
	if len(f) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range f[11:13] { // user and system time
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * userTick
}
