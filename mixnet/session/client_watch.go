package session

import (
	"context"
	"time"
)

// Habits of a client that watches over its gateway.
const (
	// silenceAfter is how long a gateway may say nothing before it is asked
	// whether it is there; half to one and a half of it (H05). To each packet it
	// answers, so a client that sends hears of it all the time.
	silenceAfter = 20 * time.Second
	// checkPatience is how long it may take to answer when something happened.
	checkPatience = 5 * time.Second
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
			c.conn.Close(closeGoingAway, "no answer to a ping")
			return
		}
		t.Reset(jitter(silenceAfter))
	}
}
