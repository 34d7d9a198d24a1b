package bench

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet/client"
	"nym-socks5/proxy"
)

// The figure of what pacing leaves of the bandwidth: a stream that always has
// data waiting, at Nym's default rate and delays.
var pacingFigures = []Figure{
	{
		Name: "sending slots that carry data while data waits, Nym's pacing", Unit: "%", Goal: AtLeast(95),
		Measure: func(l *Lab) (Value, error) {
			share, err := in(l.ctx, client.Traffic{}, measureSlots)
			return Value{Measured: 100 * share}, err
		},
	},
	{
		Name: "echo at Nym's pace, beside the slots and delays it waits for, p50", Unit: "ms",
		Measure: func(l *Lab) (Value, error) { return l.pacedWait(2, false) },
	},
	{
		Name: "echo at Nym's pace, beyond these", Unit: "ms", Goal: AtMost(12),
		Measure: func(l *Lab) (Value, error) { return l.pacedWait(2, true) },
	},
	{
		Name: "first byte of a target that answers, at Nym's pace, beside the slots and delays it waits for, p50", Unit: "ms",
		Measure: func(l *Lab) (Value, error) { return l.pacedWait(4, false) },
	},
	{
		Name: "first byte of a target that answers, at Nym's pace, beyond these", Unit: "ms", Goal: AtMost(12),
		Measure: func(l *Lab) (Value, error) { return l.pacedWait(4, true) },
	},
}

// pacedSamples is how often waiting at Nym's pace is measured. A median of so many is off by
// some 4 ms, or 6 of a first byte, by the slots and delays that happen to be drawn.
const pacedSamples = 200

// pacedWait measures what takes so many ways through the network, an echo or a first byte: the
// median beside the floor, or what is beyond it.
func (l *Lab) pacedWait(ways int, beyond bool) (Value, error) {
	waits, err := once(l, "waits at Nym's pace", func() (map[int][]time.Duration, error) {
		return in(l.ctx, client.Traffic{}, measurePacedWaits)
	})
	if err != nil {
		return Value{}, err
	}
	got, floor := quantile(waits[ways], 0.5), slotFloor(ways)
	if beyond {
		return Value{Measured: got - floor}, nil
	}
	return Value{Measured: got, Yardstick: floor}, nil
}

// slotFloor draws the median of so many ways, in ms: each waits for a tick of its
// sender, the client's or the requester's in turn, and for three mixes.
func slotFloor(ways int) float64 {
	draw := func(mean time.Duration) time.Duration { return time.Duration(rand.ExpFloat64() * float64(mean)) }
	sums := make([]time.Duration, 100_001)
	for i := range sums {
		for way := range ways {
			slot := client.DefaultSendEvery
			if way%2 == 1 {
				slot /= 4 // of a requester with a stream open (H33)
			}
			sums[i] += draw(slot) + draw(client.DefaultHopDelay) + draw(client.DefaultHopDelay) + draw(client.DefaultHopDelay)
		}
	}
	slices.Sort(sums)
	return quantile(sums, 0.5)
}

// measurePacedWaits takes the times of echoes, two ways each, and of streams that are
// opened for one, four ways.
func measurePacedWaits(w *world) (map[int][]time.Duration, error) {
	addr, err := w.target(func(c *net.TCPConn) { io.Copy(c, c) })
	if err != nil {
		return nil, err
	}
	waits := make(map[int][]time.Duration)
	echo := func(c net.Conn, ways int, began time.Time) error {
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return err
		}
		waits[ways] = append(waits[ways], time.Since(began))
		return nil
	}
	long, err := w.connect(addr)
	if err != nil {
		return nil, err
	}
	defer long.Close()
	for range pacedSamples {
		time.Sleep(time.Duration(rand.Int64N(int64(firstByteRest))))
		if err := echo(long, 2, time.Now()); err != nil {
			return nil, err
		}
	}
	for range pacedSamples {
		time.Sleep(time.Duration(rand.Int64N(int64(firstByteRest))))
		began := time.Now()
		c, err := w.connect(addr)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(echo(c, 4, began), c.Close()); err != nil {
			return nil, err
		}
	}
	for _, v := range waits {
		slices.Sort(v)
	}
	return waits, nil
}

// How long the upload runs before it is watched, and how long it is watched.
const (
	slotsWarmUp = 3 * time.Second
	slotsTime   = 10 * time.Second
)

// measureSlots uploads through a client of its own, whose loop cover stream is
// off: it sends at times of its own and never carries data, so that what is
// left are the slots that could. A slot at which nothing was ready counts as
// one without data.
func measureSlots(w *world) (share float64, err error) {
	addr, err := w.target(func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	if err != nil {
		return 0, err
	}
	c, err := w.NewClient(client.Config{
		Entries: []client.Entry{{Gateway: w.Topology().Gateways()[0].Identity}}, Traffic: client.Traffic{CoverEvery: client.Off}, SolicitedOnly: true,
	})
	if err != nil {
		return 0, err
	}
	p := proxy.New(c, proxy.Config{})
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error {
		defer cancel()
		s, err := p.Dial(ctx, w.Requester(), addr, proxy.DialOptions{})
		if err != nil {
			return err
		}
		var up errgroup.Group
		up.Go(func() error {
			_, err := io.Copy(s, zeros{})
			return err
		})
		time.Sleep(slotsWarmUp)
		before := c.Stats()
		time.Sleep(slotsTime)
		after := c.Stats()
		s.Abort()
		up.Wait() // fails: the stream was cut off
		slots := after.Sent - before.Sent + after.MissedTicks - before.MissedTicks
		if slots == 0 {
			return errors.New("the client sent nothing")
		}
		share = float64(after.SentData-before.SentData) / float64(slots)
		return nil
	})
	err = g.Wait()
	return share, err
}
