package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// The figures of waiting: nothing else is under way, nothing is paced or
// delayed, so all that is measured is what our own code and the machine add.
var latencyFigures = []Figure{
	{
		Name: "one way through an idle network, beyond the drawn delays, p50", Unit: "ms", Goal: AtMost(2),
		Measure: func(l *Lab) (Value, error) { return l.oneWay(0.50) },
	},
	{
		Name: "one way through an idle network, beyond the drawn delays, p99", Unit: "ms",
		Measure: func(l *Lab) (Value, error) { return l.oneWay(0.99) },
	},
	{
		Name: "SOCKS time to first byte, no pacing and no delays, p50", Unit: "ms", Goal: AtMost(10),
		Measure: func(l *Lab) (Value, error) { return l.firstByte(false, 0.50) },
	},
	{
		Name: "SOCKS time to first byte, no pacing and no delays, p99", Unit: "ms",
		Measure: func(l *Lab) (Value, error) { return l.firstByte(false, 0.99) },
	},
	{
		Name: "SOCKS time to first byte, first stream of a user, p50", Unit: "ms",
		Measure: func(l *Lab) (Value, error) { return l.firstByte(true, 0.50) },
	},
}

// How often waiting is measured, and how long the network rests in between.
const (
	oneWaySamples    = 400
	oneWayRest       = 10 * time.Millisecond
	firstByteSamples = 60
	firstByteRest    = 30 * time.Millisecond
)

func (l *Lab) oneWay(q float64) (Value, error) {
	v, err := once(l, "one way", func() ([]time.Duration, error) {
		return in(l.ctx, client.Fast(), measureOneWay)
	})
	return Value{Measured: quantile(v, q)}, err
}

func (l *Lab) firstByte(strangers bool, q float64) (Value, error) {
	v, err := once(l, fmt.Sprint("first byte ", strangers), func() ([]time.Duration, error) {
		return in(l.ctx, client.Fast(), func(w *world) ([]time.Duration, error) {
			return measureFirstByte(&w.testbed, strangers)
		})
	})
	return Value{Measured: quantile(v, q)}, err
}

// quantile gives that of sorted v in milliseconds.
func quantile(v []time.Duration, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return float64(v[int(q*float64(len(v)-1)+0.5)]) / float64(time.Millisecond)
}

// measureOneWay sends small messages from one client to another, by way of
// different gateways.
func measureOneWay(w *world) (v []time.Duration, err error) {
	gateways := w.Topology().Gateways()
	var ends [2]*client.Client
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for i := range ends {
		c, err := w.NewClient(client.Config{Entries: []client.Entry{{Gateway: gateways[i].Identity}}, Traffic: client.Fast()})
		if err != nil {
			return nil, err
		}
		ends[i] = c
		g.Go(func() error { return c.Run(ctx) })
	}
	g.Go(func() error {
		defer cancel()
		for _, c := range ends {
			select {
			case <-c.Ready():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for i := range 10 + oneWaySamples { // the first open the links
			time.Sleep(oneWayRest)
			d, err := sendOne(ctx, ends[0], ends[1])
			if err != nil {
				return err
			}
			if i >= 10 {
				v = append(v, d)
			}
		}
		return nil
	})
	err = g.Wait()
	slices.Sort(v)
	return v, err
}

// sendOne takes the time of one message.
func sendOne(ctx context.Context, from, to *client.Client) (time.Duration, error) {
	began := time.Now()
	if err := from.Send(ctx, to.Address(), []byte("tick"), mixnet.SendOptions{}); err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	if _, err := to.Receive(ctx); err != nil {
		return 0, fmt.Errorf("receive: %w", err)
	}
	return time.Since(began), nil
}

// measureFirstByte connects to a target that sends a byte at once: as one user,
// or as another each time, of whom the requester knows nothing yet.
func measureFirstByte(b *testbed, strangers bool) (v []time.Duration, err error) {
	addr, err := b.target(func(c *net.TCPConn) { c.Write([]byte{1}) })
	if err != nil {
		return nil, err
	}
	user := ""
	for i := range firstByteSamples {
		if strangers {
			user = fmt.Sprint("user ", i)
		}
		time.Sleep(firstByteRest)
		began := time.Now()
		c, err := b.connectAs(user, addr)
		if err != nil {
			return nil, err
		}
		_, err = io.ReadFull(c, make([]byte, 1))
		v = append(v, time.Since(began))
		if err = errors.Join(err, c.Close()); err != nil {
			return nil, err
		}
	}
	slices.Sort(v)
	return v, nil
}
