package simnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// backlog is how many connections wait for Accept; then dials wait.
const backlog = 256

// A Network is a set of hosts that reach each other. Its methods may be called
// by many goroutines at once.
type Network struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*listener
	conns     map[*conn]struct{} // both ends of every open connection
	latency   time.Duration
	latencyOf map[netip.AddrPort]time.Duration
	refusing  map[netip.AddrPort]bool
	swallow   map[netip.AddrPort]bool
	healed    chan struct{} // closed and replaced when an address stops swallowing
	port      uint16        // the last ephemeral port given out
}

// New makes an empty network without latency.
func New() *Network {
	return &Network{
		listeners: make(map[netip.AddrPort]*listener),
		conns:     make(map[*conn]struct{}),
		latencyOf: make(map[netip.AddrPort]time.Duration),
		refusing:  make(map[netip.AddrPort]bool),
		swallow:   make(map[netip.AddrPort]bool),
		healed:    make(chan struct{}),
		port:      firstPort,
	}
}

// firstPort begins the ephemeral ports.
const firstPort = 32768

// nextPort hands out ephemeral ports in a circle. Needs n.mu.
func (n *Network) nextPort() uint16 {
	if n.port++; n.port < firstPort {
		n.port = firstPort
	}
	return n.port
}

// parse reads "ip:port", with "localhost" for 127.0.0.1.
func parse(addr string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ap, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// place reads what the fault methods take: "ip:port", or "ip" for the whole
// host, which becomes port 0. It panics on anything else: a test's mistake.
func place(addr string) netip.AddrPort {
	if ip, err := netip.ParseAddr(addr); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), 0)
	}
	ap, err := parse(addr)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	return ap
}

// at looks up an address, and failing that its host.
func at[V any](m map[netip.AddrPort]V, ap netip.AddrPort) (v V, ok bool) {
	if v, ok = m[ap]; ok {
		return v, true
	}
	v, ok = m[netip.AddrPortFrom(ap.Addr(), 0)]
	return v, ok
}

// Listen opens a listener at "ip:port". Port 0 picks a free port; an
// unspecified IP listens at every address of the network.
func (n *Network) Listen(addr string) (net.Listener, error) {
	ap, err := parse(addr)
	if err != nil {
		return nil, opError("listen", netip.AddrPort{}, netip.AddrPort{}, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for ap.Port() == 0 {
		if try := netip.AddrPortFrom(ap.Addr(), n.nextPort()); n.listeners[try] == nil {
			ap = try
		}
	}
	if n.listeners[ap] != nil {
		return nil, opError("listen", ap, netip.AddrPort{}, syscall.EADDRINUSE)
	}
	l := &listener{net: n, addr: ap, queue: make(chan *conn, backlog), done: make(chan struct{})}
	n.listeners[ap] = l
	return l, nil
}

// DialContext connects from 127.0.0.1. The network must be tcp, tcp4 or tcp6.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.dial(ctx, netip.AddrFrom4([4]byte{127, 0, 0, 1}), network, addr)
}

// A Host dials from an IP of its own.
type Host struct {
	net *Network
	ip  netip.Addr
}

// Host gives the host with an IP, which is taken as it comes: any number of
// hosts may exist. It panics if ip is none.
func (n *Network) Host(ip string) Host { return Host{n, netip.MustParseAddr(ip)} }

// DialContext connects from the host's IP.
func (h Host) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return h.net.dial(ctx, h.ip, network, addr)
}

func (n *Network) dial(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	local := netip.AddrPortFrom(from, n.nextPort())
	n.mu.Unlock()
	c, err := n.connect(ctx, local, network, addr)
	if err != nil {
		remote, _ := parse(addr)
		return nil, opError("dial", local, remote, err)
	}
	return c, nil
}

// connect waits a round trip, then offers the connection to the listener.
func (n *Network) connect(ctx context.Context, local netip.AddrPort, network, addr string) (*conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	remote, err := parse(addr)
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, 2*n.latencyBetween(local, remote)); err != nil {
		return nil, err
	}
	for {
		l, healed, err := n.find(local, remote)
		if err != nil {
			return nil, err
		}
		if healed == nil {
			return n.offer(ctx, l, local, remote)
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return nil, dialError(ctx)
		}
	}
}

// find looks for the listener at remote. If everything between the two is
// swallowed it returns a channel that ends the wait instead.
func (n *Network) find(local, remote netip.AddrPort) (l *listener, healed chan struct{}, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.swallows(local, remote) {
		return nil, n.healed, nil
	}
	if refuse, _ := at(n.refusing, remote); refuse {
		return nil, nil, syscall.ECONNREFUSED
	}
	l = n.listeners[remote]
	if l == nil {
		l = n.listeners[netip.AddrPortFrom(unspecified(remote.Addr()), remote.Port())]
	}
	if l == nil {
		return nil, nil, syscall.ECONNREFUSED
	}
	return l, nil, nil
}

func unspecified(ip netip.Addr) netip.Addr {
	if ip.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// offer makes both ends and queues the far one for Accept.
func (n *Network) offer(ctx context.Context, l *listener, local, remote netip.AddrPort) (*conn, error) {
	near, far := newPair(n, local, remote)
	n.mu.Lock()
	n.conns[near], n.conns[far] = struct{}{}, struct{}{}
	n.settle(near)
	n.mu.Unlock()
	select {
	case l.queue <- far:
		if l.isClosed() { // Close may have emptied the queue before we came
			l.drain()
		}
		return near, nil
	case <-l.done:
		near.Close()
		far.Close()
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		near.Close()
		far.Close()
		return nil, dialError(ctx)
	}
}

// dialError words the end of ctx as package net does.
func dialError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return timeoutError{}
	}
	return ctx.Err()
}

// timeoutError is a dial that took too long.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Unwrap() error   { return context.DeadlineExceeded }

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		if ctx.Err() != nil {
			return dialError(ctx)
		}
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return dialError(ctx)
	}
}

// forget drops a closed end.
func (n *Network) forget(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
}

func opError(op string, local, remote netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: "tcp", Err: err}
	if errno, ok := err.(syscall.Errno); ok {
		if op == "dial" {
			op = "connect" // as package net words it
		}
		e.Err = os.NewSyscallError(op, errno)
	}
	if local.IsValid() {
		e.Source = net.TCPAddrFromAddrPort(local)
	}
	if remote.IsValid() {
		e.Addr = net.TCPAddrFromAddrPort(remote)
	}
	return e
}
