package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// optimisticLimit is how long a stream that was dialed without waiting lives
// when no answer comes: what a requester may take to connect, and the way.
const optimisticLimit = 60 * time.Second

// DialOptions say how one stream is opened.
type DialOptions struct {
	// Isolation names who asks: streams with different keys never share a sender tag.
	Isolation string
	// Optimistic returns at once. A later failure resets the stream, with an
	// [*OpenError].
	Optimistic bool
}

// Dial opens a stream to target ("host:port", an IPv6 address in brackets)
// through the requester and, unless it is optimistic, waits for the outcome.
// It waits for Run to begin. If the stream cannot be opened, the error is an
// [*OpenError], or that of ctx.
func (p *Proxy) Dial(ctx context.Context, requester mixnet.Recipient, target string, o DialOptions) (*Conn, error) {
	if _, _, err := net.SplitHostPort(target); err != nil || len(target) > protocol.MaxTarget {
		return nil, errors.New("proxy: dial: target is no host and port, or too long")
	}
	select {
	case <-p.started:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := p.open(requester, o)
	if err != nil {
		return nil, err
	}
	if err := p.connect(ctx, c, target); err != nil {
		c.fail(err, false)
		p.remove(c)
		return nil, err
	}
	p.updatePause(c.ident, nil)
	p.hello(time.Now(), c.ident)
	if !p.pump(c) {
		c.fail(ErrClosed, false)
		p.remove(c)
		return nil, &OpenError{ReasonNoNetwork}
	}
	if o.Optimistic {
		return c, nil
	}
	select {
	case <-c.opened:
	case <-ctx.Done():
		c.fail(ctx.Err(), true)
		return nil, ctx.Err()
	}
	if err := c.openError(); err != nil {
		return nil, err
	}
	return c, nil
}

// open makes a stream and puts it where its messages find it.
func (p *Proxy) open(requester mixnet.Recipient, o DialOptions) (*Conn, error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return nil, &OpenError{ReasonNoNetwork}
	}
	if len(p.conns) >= p.cfg.Streams {
		return nil, &OpenError{ReasonLimit}
	}
	ident := p.identityFor(now, isolation{o.Isolation, requester})
	if ident == nil {
		return nil, &OpenError{ReasonLimit}
	}
	to := peer{m: p.m, dialing: true, to: requester, tag: ident.tag, versions: protocol.CurrentVersions}
	c := p.newConn(now, p.freshID(now, ident.tag), to, ident.kind)
	c.ident = ident
	c.outcome.until = now.Add(p.cfg.DialTimeout)
	if o.Optimistic {
		c.outcome.until = now.Add(optimisticLimit)
	}
	p.conns[c.key] = c
	p.count.dialed.Add(1)
	return c, nil
}

// connect sends the Connect.
func (p *Proxy) connect(ctx context.Context, c *Conn, target string) error {
	msg := protocol.Connect{ID: c.key.id, Target: target}
	surbs := c.ident.join()
	if p.cfg.RevealAddress {
		msg.Return = p.m.Address()
	}
	body, err := protocol.Request{Versions: c.peer.versions, Body: msg}.AppendBinary(nil)
	if err != nil {
		return fmt.Errorf("proxy: dial: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.DialTimeout)
	defer cancel()
	err = c.peer.send(limited, body, c.lane, surbs, func(err error) {
		if err != nil {
			c.fail(&OpenError{ReasonNoAnswer}, false)
		}
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return &OpenError{ReasonNoAnswer}
	}
	return &OpenError{ReasonNoNetwork}
}

// pump starts the goroutine of a stream, unless the Proxy is ending.
func (p *Proxy) pump(c *Conn) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closing {
		return false
	}
	c.mu.Lock()
	c.pumping = true
	c.mu.Unlock()
	p.pumps.Go(c.pump)
	return true
}
