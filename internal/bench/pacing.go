package bench

import (
	"context"
	"errors"
	"io"
	"net"
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
