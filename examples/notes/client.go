package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"nym-socks5/mixnet"
)

// A client asks a service.
type client struct {
	m       mixnet.Messenger
	service mixnet.Recipient
	// plain says who asks: answers come to our address, and not by reply SURBs.
	plain bool
	// again is how long to wait before the same request is sent once more.
	again time.Duration
}

// ask sends a request until it is answered or ctx ends. It is the same request
// each time, with the same id, so the service carries it out once.
func (c *client) ask(ctx context.Context, r request) (answer, error) {
	r.Notes = 1
	tags := make(map[mixnet.SenderTag]bool)
	for {
		// A new tag each time: the service cannot tell that two requests come from
		// one, and if the request was lost, so were the SURBs that came with its tag.
		o := mixnet.SendOptions{As: mixnet.NewSenderTag(), Life: ctx}
		if c.plain {
			o.As = mixnet.SenderTag{}
			r.Answer = c.m.Address().String()
		}
		tags[o.As] = true
		body, err := json.Marshal(r)
		if err != nil {
			return answer{}, err
		}
		if err := c.m.Send(ctx, c.service, body, o); err != nil {
			return answer{}, fmt.Errorf("notes: ask: %w", err)
		}
		a, err := c.wait(ctx, r.ID, tags)
		switch {
		case ctx.Err() != nil:
			return answer{}, fmt.Errorf("notes: no answer in time: is this the address of a service, and does it run?: %w", ctx.Err())
		case err == context.DeadlineExceeded:
			continue // the request or the answer was lost
		case err != nil:
			return answer{}, err
		case a.Error != "":
			return a, &refusal{a.Error, a.About}
		}
		return a, nil
	}
}

// wait waits for the answer to a request, for a while.
func (c *client) wait(ctx context.Context, id ID, tags map[mixnet.SenderTag]bool) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.again)
	defer cancel()
	for {
		m, err := c.m.Receive(ctx)
		if ctx.Err() != nil {
			return answer{}, context.DeadlineExceeded
		}
		if err != nil {
			return answer{}, fmt.Errorf("notes: receive: %w", err)
		}
		// An answer comes by the SURBs of one of our tags, or plainly, and has the id,
		// which nobody else can know. Anything else is late, or not for us.
		var a answer
		if tags[m.To] && json.Unmarshal(m.Body, &a) == nil && a.ID == id {
			return a, nil
		}
	}
}
