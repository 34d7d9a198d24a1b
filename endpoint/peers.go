package endpoint

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"

	"nym-socks5/mixnet"
	"nym-socks5/proxy"
)

// PeerHost is the name in targets that stand for a port of an endpoint itself
// (socks.md §22). Other requesters refuse it, as they refuse every name that
// cannot exist.
const PeerHost = "endpoint.nym-socks5.invalid"

// DialAddress opens a stream to a port at which another endpoint listens, or a
// requester that is one. The other side learns nothing of who dials, save that
// streams opened in the same ten minutes come from the same endpoint. The connection
// is a *[proxy.Conn].
//
// Port 0 is a stream as programs of Nym's SDK for Rust take them, which know no ports
// (sdk-streams.md); the connection is a *[proxy.SDKConn], with what that says of its end.
// It is open as soon as the gateway of the other side has been told, whoever is there.
func (e *Endpoint) DialAddress(ctx context.Context, to mixnet.Recipient, port uint16) (net.Conn, error) {
	if err := e.await(ctx); err != nil {
		return nil, err
	}
	if port == 0 {
		c, err := e.sdk.Dial(ctx, to)
		if err != nil {
			return nil, err // and no typed nil beside it
		}
		return c, nil
	}
	c, err := e.outage.guard(ctx, func(ctx context.Context) (*proxy.Conn, error) {
		return e.proxy.Dial(ctx, to, peerTarget(port), proxy.DialOptions{})
	})
	if err != nil {
		return nil, err // and no typed nil beside it
	}
	return c, nil
}

func peerTarget(port uint16) string { return net.JoinHostPort(PeerHost, strconv.Itoa(int(port))) }

// Listen takes the streams that other endpoints open to a port of this one; port
// 0 is any that is free. It needs Config.Peers. It may be called before Run; when
// that ends, so does the listener. Its connections are *[proxy.Conn]: they can
// close one direction.
//
// Programs of Nym's SDK for Rust can dial too. Their streams name no port: they come to
// the listener that was opened first of those that are open, as *[proxy.SDKConn].
func (e *Endpoint) Listen(port uint16) (*Listener, error) {
	if !e.cfg.Peers {
		return nil, errors.New("endpoint: listen: Config.Peers is not set")
	}
	return e.ports.open(e, port)
}

// Accept waits for the next stream to a target that a stranger asks for. It needs
// Config.Egress.
func (e *Endpoint) Accept(ctx context.Context) (*proxy.Incoming, error) {
	if !e.cfg.Egress {
		return nil, errors.New("endpoint: accept: Config.Egress is not set")
	}
	select {
	case in := <-e.incoming:
		return in, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.ended:
		return nil, proxy.ErrClosed
	}
}

// accept gives each stream of a stranger to whom it is for.
func (e *Endpoint) accept(ctx context.Context) error {
	for {
		in, err := e.proxy.Accept(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		e.route(in)
	}
}

func (e *Endpoint) route(in *proxy.Incoming) {
	host, port, err := net.SplitHostPort(in.Target())
	e.mu.Lock()
	shut := e.shut
	e.mu.Unlock()
	switch {
	case shut:
		in.Reject(proxy.ReasonLimit)
	case err == nil && host == PeerHost:
		e.ports.offer(port, in)
	case !e.cfg.Egress:
		in.Reject(proxy.ReasonDenied)
	default:
		offer(e.incoming, in)
	}
}

// offer puts a stream where somebody accepts it, and refuses it if too many wait.
func offer(queue chan *proxy.Incoming, in *proxy.Incoming) {
	select {
	case queue <- in:
	default:
		in.Reject(proxy.ReasonLimit)
	}
}

// ports are those at which an endpoint listens.
type ports struct {
	mu       sync.Mutex // guards the following
	byNumber map[uint16]*Listener
	opened   uint64 // listeners, ever
	closed   bool
}

func (p *ports) open(e *Endpoint, port uint16) (*Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, net.ErrClosed
	}
	for port == 0 {
		if n := uint16(1<<15 + rand.IntN(1<<15)); p.byNumber[n] == nil {
			port = n
		}
	}
	if p.byNumber[port] != nil {
		return nil, fmt.Errorf("endpoint: listen: port %d is in use", port)
	}
	p.opened++
	l := &Listener{e: e, port: port, nth: p.opened, waiting: make(chan *Incoming, backlog), done: make(chan struct{})}
	p.byNumber[port] = l
	return l, nil
}

// offer gives a stream to who listens at its port, under the lock: a listener that
// is closed refuses what waits for it, and gets nothing after that.
func (p *ports) offer(port string, in *proxy.Incoming) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.find(port); l != nil {
		l.offer(&Incoming{ours: in})
		return
	}
	in.Reject(proxy.ReasonRefused)
}

// offerSDK gives a stream of Nym's SDK to whoever listens longest.
func (p *ports) offerSDK(c *proxy.SDKConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first *Listener
	for _, l := range p.byNumber {
		if first == nil || l.nth < first.nth {
			first = l
		}
	}
	if first == nil {
		c.Abort()
		return
	}
	first.offer(&Incoming{sdk: c})
}

// find finds who listens at a port; nil: nobody. The lock is held.
func (p *ports) find(port string) *Listener {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port { // one text for each
		return nil
	}
	return p.byNumber[uint16(n)]
}

// listening reports whether anybody listens at any port.
func (p *ports) listening() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byNumber) > 0
}

func (p *ports) remove(l *Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byNumber[l.port] == l {
		delete(p.byNumber, l.port)
	}
}

// close ends all listeners.
func (p *ports) close() {
	p.mu.Lock()
	p.closed = true
	all := p.byNumber
	p.byNumber = make(map[uint16]*Listener)
	p.mu.Unlock()
	for _, l := range all {
		l.Close()
	}
}

// A Listener is one port at which an endpoint listens. It implements [net.Listener].
type Listener struct {
	e       *Endpoint
	port    uint16
	nth     uint64         // of all that were opened
	waiting chan *Incoming // full: further streams are refused
	done    chan struct{}
	once    sync.Once
}

// offer puts a stream where somebody accepts it, and refuses it if too many wait.
func (l *Listener) offer(in *Incoming) {
	select {
	case l.waiting <- in:
	default:
		in.reject(proxy.ReasonLimit)
	}
}

// An Incoming is a stream that somebody asks for. Exactly one of its Accept and Refuse
// must be called.
type Incoming struct {
	ours *proxy.Incoming // one of the two
	sdk  *proxy.SDKConn
}

// Accept tells whoever asks that the stream is open. It fails if they gave up
// meanwhile. The connection is a [proxy.Stream] too.
func (in *Incoming) Accept() (net.Conn, error) {
	if in.sdk != nil {
		return in.sdk, nil
	}
	c, err := in.ours.Accept()
	if err != nil {
		return nil, err // and no typed nil beside it
	}
	return c, nil
}

// Refuse says that nobody listens. A program of Nym's SDK cannot be told.
func (in *Incoming) Refuse() { in.reject(proxy.ReasonRefused) }

func (in *Incoming) reject(r proxy.Reason) {
	if in.sdk != nil {
		in.sdk.Abort()
		return
	}
	in.ours.Reject(r)
}

// Context ends when whoever asks gave up, and at the latest when the stream ends.
func (in *Incoming) Context() context.Context {
	if in.sdk != nil {
		return in.sdk.Context()
	}
	return in.ours.Context()
}

// Accept implements [net.Listener]. Its connections are *[proxy.Conn], or
// *[proxy.SDKConn] where a program of Nym's SDK dialed.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		in, err := l.Next(context.Background())
		if err != nil {
			return nil, err
		}
		if c, err := in.Accept(); err == nil { // else whoever asked has gone
			return c, nil
		}
	}
}

// Next waits for the next stream to the port, as Accept does, and leaves it to the
// caller whether it is accepted, which whoever dials waits for. It fails with
// [net.ErrClosed] once the listener is closed, and with the error of ctx.
func (l *Listener) Next(ctx context.Context) (*Incoming, error) {
	closed := &net.OpError{Op: "accept", Net: "nym", Addr: l.Addr(), Err: net.ErrClosed}
	select {
	case <-l.done:
		return nil, closed
	default:
	}
	select {
	case in := <-l.waiting:
		return in, nil
	case <-l.done:
		return nil, closed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close implements [net.Listener]. Streams that were accepted live on; those that
// wait are refused.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.e.ports.remove(l)
		close(l.done)
		for {
			select {
			case in := <-l.waiting:
				in.Refuse()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return peerAddr{l.e, l.port} }

// A peerAddr is a port of an endpoint: its address and the port. Before the
// endpoint is connected it has the port only.
type peerAddr struct {
	e    *Endpoint
	port uint16
}

func (peerAddr) Network() string { return "nym" }

func (a peerAddr) String() string {
	host := ""
	select {
	case <-a.e.made:
		host = a.e.client.Address().String()
	default:
	}
	return host + ":" + strconv.Itoa(int(a.port))
}
