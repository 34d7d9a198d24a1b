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
	c, err := p.dial(ctx, requester, target, o)
	var open *OpenError
	if errors.As(err, &open) && open.Reason == ReasonLimit && p.lowerShare(c) {
		c, err = p.dial(ctx, requester, target, o)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// dial is Dial once Run has begun. The Conn may be there beside an error.
func (p *Proxy) dial(ctx context.Context, requester mixnet.Recipient, target string, o DialOptions) (*Conn, error) {
	c, err := p.open(requester, o)
	if err != nil {
		return nil, err
	}
	if err := p.connect(ctx, c, target); err != nil {
		c.fail(err, false)
		return c, err
	}
	p.updatePause(c.ident, nil)
	p.hello(time.Now(), c.ident)
	if o.Optimistic {
		return c, nil
	}
	select {
	case <-c.opened:
	case <-ctx.Done():
		c.fail(ctx.Err(), true)
		return c, ctx.Err()
	}
	return c, c.openError()
}

// openError says why a dialed stream was not opened; nil if it was.
func (c *Conn) openError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.s.outcome.phase == phaseOpen:
		return nil
	case c.s.err == nil:
		return &OpenError{ReasonNoNetwork} // the Proxy has ended
	}
	return c.s.err
}

// open makes a stream, puts it where its messages find it, and starts its pump.
func (p *Proxy) open(requester mixnet.Recipient, o DialOptions) (*Conn, error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing || p.draining() {
		return nil, &OpenError{ReasonNoNetwork}
	}
	if len(p.conns) >= p.cfg.Streams {
		return nil, &OpenError{ReasonLimit}
	}
	ident := p.identityFor(now, isolation{o.Isolation, requester})
	if ident == nil {
		return nil, &OpenError{ReasonLimit}
	}
	to := peer{m: p.m, dialing: true, at: ident.at, tag: ident.tag, versions: protocol.CurrentVersions}
	c := p.newConn(now, p.freshID(now, ident.tag), to, ident.kind, &ident.share)
	c.ident = ident
	c.s.outcome.until = now.Add(p.cfg.DialTimeout)
	if o.Optimistic {
		c.s.outcome.until = now.Add(optimisticLimit)
	}
	p.conns[c.key] = c
	p.pumps.Go(c.pump)
	p.count.dialed.Add(1)
	return c, nil
}

// connect sends the Connect.
func (p *Proxy) connect(ctx context.Context, c *Conn, target string) error {
	msg := protocol.Connect{ID: c.key.id, Target: target}
	expected := c.ident.join()
	if p.cfg.RevealAddress {
		msg.Return = p.m.Address()
	}
	body, err := protocol.Request{Versions: c.peer.versions, Body: msg}.AppendBinary(nil)
	if err != nil {
		return fmt.Errorf("proxy: dial: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.DialTimeout)
	defer cancel()
	err = c.peer.sendWith(limited, body, mixnet.SendOptions{Lane: c.lane, Expected: expected, Done: func(err error) {
		if err != nil {
			c.fail(&OpenError{ReasonNoAnswer}, false)
		}
	}})
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

// pump starts the goroutine of an accepted stream, unless the Proxy is ending.
func (p *Proxy) pump(c *Conn) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.closing {
		p.pumps.Go(c.pump)
	}
	return !p.closing
}
