package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/wire"
)

// errNoAnswer reports a node that does not answer as it announced.
var errNoAnswer = errors.New("the node does not answer")

// probe opens a link to a node as another node would, with a key of its own
// where the node announces one, and sends it a packet that means nothing.
func probe(ctx context.Context, addr mixnet.NodeAddr, noise keys.Noise) error {
	pool := link.NewPool(link.PoolConfig{
		Key:            keys.NewNoiseKey(),
		NoiseKey:       func(mixnet.NodeAddr) keys.Noise { return noise },
		ConnectTimeout: 3 * time.Second,
	})
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() { pool.Run(ctx) }) // its error is always nil
	packet := make([]byte, mixnet.AckSize.Total())
	if err := pool.Send(addr, wire.Frame{Packet: packet}); err != nil {
		return err
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		switch s := pool.Stats(); {
		case s.Connects > 0:
			return nil
		case s.Failures > 0:
			return errNoAnswer
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
