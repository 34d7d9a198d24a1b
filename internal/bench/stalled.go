package bench

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet/client"
)

// The figures of many streams of which one is not read.
var stalledFigures = []Figure{
	{
		Name: "99 downloads beside a stalled one, beside a running one", Unit: "MB/s", Goal: AtLeastTimes(0.90),
		Measure: func(l *Lab) (Value, error) {
			s, err := l.stalled()
			return Value{Measured: s.with, Yardstick: s.without}, err
		},
	},
	{
		Name: "a stalled download, memory held", Unit: "MB", Goal: AtMost(16),
		Measure: func(l *Lab) (Value, error) {
			s, err := l.stalled()
			return Value{Measured: s.growth / megabyte}, err
		},
	},
	{
		Name: "a stalled download, taken from the target", Unit: "MB",
		Measure: func(l *Lab) (Value, error) {
			s, err := l.stalled()
			return Value{Measured: s.taken / megabyte}, err
		},
	},
}

// How the streams are watched.
const (
	streams      = 100
	streamsWarm  = 2 * time.Second
	streamsTime  = 10 * time.Second
	stalledAfter = time.Second      // without progress a stream counts as stalled
	stalledLimit = 60 * time.Second // by then it must be
)

// stalling is what one stalled stream did.
type stalling struct {
	with, without float64 // MB/s of the others beside a stalled stream, and a running one
	growth        float64 // bytes of heap, after collection: with it, less without
	taken         float64 // bytes that its target got rid of until it stood
}

func (l *Lab) stalled() (stalling, error) {
	return once(l, "stalled", func() (stalling, error) { return in(l.ctx, client.Fast(), measureStalled) })
}

// measureStalled fills one stream that nobody reads until it stands, runs the
// others beside it, and then again beside one that is read.
//
//	heap   empty ──▶ stalled alone ──▶ … ──▶ closed
//	         └───── growth ─────┘
//	others                     with            without
func measureStalled(w *world) (s stalling, err error) {
	var taken atomic.Int64                         // by the stalled stream, from its target
	source, err := w.target(func(c *net.TCPConn) { // sends once it is told to
		if _, err := c.Read(make([]byte, 1)); err == nil {
			io.Copy(c, zeros{})
		}
	})
	if err != nil {
		return s, err
	}
	counted, err := w.target(func(c *net.TCPConn) { io.Copy(c, io.TeeReader(zeros{}, count{&taken})) })
	if err != nil {
		return s, err
	}
	if err := transferOnce(w); err != nil { // what is made once is not growth
		return s, err
	}
	before := liveHeap()
	silent, err := w.connect(counted)
	if err != nil {
		return s, err
	}
	if s.taken, err = standstill(w, &taken); err != nil {
		return s, err
	}
	s.growth = liveHeap() - before

	var read atomic.Int64 // of the others
	others, err := dial(w, source, streams)
	if err != nil {
		return s, err
	}
	var readers sync.WaitGroup
	defer func() {
		for _, c := range others {
			c.Close()
		}
		readers.Wait()
	}()
	run := func(c net.Conn, n *atomic.Int64) error {
		readers.Go(func() { io.Copy(count{n}, c) })
		_, err := c.Write([]byte{1})
		return err
	}
	for _, c := range others[1:] {
		if err := run(c, &read); err != nil {
			return s, err
		}
	}
	if s.with, err = rate(w, &read); err != nil {
		return s, err
	}
	silent.Close()
	if err := run(others[0], new(atomic.Int64)); err != nil {
		return s, err
	}
	s.without, err = rate(w, &read)
	return s, err
}

// dial opens n streams at once.
func dial(w *world, target string, n int) (conns []net.Conn, err error) {
	conns = make([]net.Conn, n)
	var g errgroup.Group
	for i := range conns {
		g.Go(func() (err error) {
			conns[i], err = w.connect(target)
			return err
		})
	}
	return conns, g.Wait()
}

// count counts what is written to it.
type count struct{ n *atomic.Int64 }

func (c count) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// rate watches a counter for a while and gives MB/s.
func rate(w *world, n *atomic.Int64) (float64, error) {
	if err := rest(w, streamsWarm); err != nil {
		return 0, err
	}
	began, from := time.Now(), n.Load()
	if err := rest(w, streamsTime); err != nil {
		return 0, err
	}
	return float64(n.Load()-from) / megabyte / time.Since(began).Seconds(), nil
}

// rest waits, unless the world ends.
func rest(w *world, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// standstill waits until a counter stands still and gives its value.
func standstill(w *world, n *atomic.Int64) (float64, error) {
	for deadline := time.Now().Add(stalledLimit); time.Now().Before(deadline); {
		at := n.Load()
		if err := rest(w, stalledAfter); err != nil {
			return 0, err
		}
		if at > 0 && n.Load() == at {
			return float64(at), nil
		}
	}
	return 0, errors.New("a stream that nobody reads does not stand still")
}

// transferOnce moves a little through the network.
func transferOnce(w *world) error {
	addr, err := w.target(func(c *net.TCPConn) { serveTransfer(c, megabyte) })
	if err != nil {
		return err
	}
	return transfer(&w.testbed, addr, download, megabyte)
}

// liveHeap is what a collection leaves of the heap, in bytes.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC() // what the first took from pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
