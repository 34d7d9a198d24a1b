package socks

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nym-socks5/proxy"
)

// A conn is one connection of an application, from its first byte on.
type conn struct {
	s         *Server
	ctx       context.Context
	cancel    context.CancelFunc
	front     *front
	handshake *handshake
	listener  string       // part of the isolation key
	holding   bool         // a token of s.conns
	stream    proxy.Stream // nil until it is open
}

// serve handles one connection and closes it.
func (s *Server) serve(ctx context.Context, app net.Conn, h *handshake, listener string) {
	ctx, cancel := context.WithCancel(ctx)
	c := &conn{s: s, ctx: ctx, cancel: cancel, front: newFront(app), handshake: h, listener: listener}
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		app.Close()
	})
	defer func() {
		cancel()
		<-closed
		s.handshakes.leave(h)
		if c.holding {
			<-s.conns
		}
	}()
	app.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	first, err := c.front.in.Peek(1)
	if err != nil {
		return
	}
	switch b := first[0]; {
	case b == 5:
		c.serve5()
	case b == 4:
		c.serve4()
	case 'A' <= b && b <= 'Z', 'a' <= b && b <= 'z', b == '\r', b == '\n':
		c.serveHTTP()
	}
}

// An owner is who a stream belongs to: streams of different owners never share
// a sender tag (socks.md §21.6).
type owner struct {
	kind           string // "", "socks4" or "password"
	user, password string
}

// open opens the stream to a host and port, within the limits, and says what
// came of it. The front relays from then on.
func (c *conn) open(host string, port uint16, who owner) code {
	to, bad := target(host, port)
	if bad != codeSucceeded {
		return bad
	}
	if !c.enter() {
		return codeFailure
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.s.cfg.DialTimeout)
	defer cancel()
	stop := c.front.watch(cancel)
	stream, err := c.s.cfg.Dial(ctx, to, proxy.DialOptions{
		Isolation:  c.isolation(who, to),
		Optimistic: c.s.cfg.Optimistic,
	})
	vanished := stop()
	switch {
	case err != nil:
		return codeOf(err)
	case vanished:
		stream.Abort()
		return codeFailure
	}
	c.stream = stream
	return codeSucceeded
}

// enter goes from those that have not said where they want to go to those that
// have. It reports false if there are too many, or the connection gave way before.
func (c *conn) enter() bool {
	if c.holding {
		return true
	}
	select {
	case c.s.conns <- struct{}{}:
		c.holding = true
	default:
		return false
	}
	return c.s.handshakes.leave(c.handshake)
}

// reply sends a reply and reports whether bytes may flow. A stream whose reply
// could not be sent is aborted.
func (c *conn) reply(b []byte, what code) bool {
	c.count(what)
	err := c.front.reply(b, what)
	switch {
	case c.stream == nil || what != codeSucceeded:
		return false
	case err != nil:
		c.stream.Abort()
		return false
	}
	return true
}

// relay copies both ways until the stream has ended.
func (c *conn) relay() { proxy.Splice(c.ctx, c.stream, c.front.app, c.front) }

// isolation is the isolation key. Quoting keeps the parts apart.
func (c *conn) isolation(who owner, to string) string {
	parts := []string{c.listener, who.kind, who.user, who.password}
	if c.s.cfg.IsolateTargets {
		parts = append(parts, to)
	}
	for i, p := range parts {
		parts[i] = strconv.Quote(p)
	}
	return strings.Join(parts, " ")
}

// count counts a reply.
func (c *conn) count(reply code) { c.s.replies[reply].Add(1) }

// target gives the text that names host and port to the requester, or the code
// that refuses what cannot be a target. IPv6 is bracketed (socks.md §19.3), an
// IPv4 address inside IPv6 becomes the IPv4 address, and letters of a name beyond
// ASCII its xn-- form.
func target(host string, port uint16) (string, code) {
	if port == 0 {
		return "", codeDenied
	}
	inner, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		inner = strings.TrimSuffix(inner, "]")
	}
	if addr, err := netip.ParseAddr(inner); err == nil && (!bracketed || addr.Is6()) {
		if addr.Zone() != "" {
			return "", codeUnreachable
		}
		return netip.AddrPortFrom(addr.Unmap(), port).String(), codeSucceeded
	}
	host, ok := proxy.HostName(host)
	if !ok {
		return "", codeUnreachable
	}
	return host + ":" + strconv.Itoa(int(port)), codeSucceeded
}
