package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// Check has the gateway asked now whether it is there: the network below may
// have changed. If it does not answer the session ends.
func (c *Client) Check() {
	select {
	case c.check <- struct{}{}:
	default: // it is being asked
	}
}

// watch closes the connection when the gateway is silent and answers no ping:
// a connection whose other end vanished without a word would look alive for as
// long as the kernel has hope.
func (c *Client) watch(ctx context.Context) {
	t := time.NewTimer(jitter(silenceAfter))
	defer t.Stop()
	for {
		patience := pingPatience
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if c.heard.Swap(false) {
				t.Reset(jitter(silenceAfter))
				continue
			}
		case <-c.check:
			patience = checkPatience
		}
		asking, cancel := context.WithTimeout(ctx, patience)
		err := c.conn.Ping(asking)
		cancel()
		if err != nil && ctx.Err() == nil {
			c.silent.Store(true)
			c.conn.Close(CloseGoingAway, "no answer to a ping")
			return
		}
		t.Reset(jitter(silenceAfter))
	}
}

// jitter draws a duration between half of mean and one and a half of it (H05).
func jitter(mean time.Duration) time.Duration { return mean/2 + rand.N(mean) }
