package localnet

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/rs/zerolog"

	"nym-socks5/localnet/trace"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/wire"
)

// A Spec says what network to make. The zero Spec is complete, save that its
// requester allows nothing.
type Spec struct {
	// MixesPerLayer is how many mix nodes each of three layers has. If zero, it is 2.
	MixesPerLayer int
	// Gateways is how many gateways there are. If zero, it is 2. The SOCKS side
	// uses the first, the requester the last.
	Gateways int
	// Traffic is that of both clients. The zero value is that of Nym's.
	Traffic client.Traffic
	// PlainLinks turns Noise between the nodes off.
	PlainLinks bool
	// AllowLegacy serves clients of before 2025 too: their packets, their
	// protocol with gateways, their lists of the directory.
	AllowLegacy bool
	// Optimistic makes the SOCKS port answer before the target is connected.
	Optimistic bool
	// Directory is the address at which the network is listed over HTTP, for
	// clients that Nym publishes. If empty, it is not.
	Directory string
	// SOCKS is the address of the SOCKS port. If empty, it is 127.0.0.1:0.
	SOCKS string

	// Allow decides what the requester may dial, as in package requester. If
	// nil, nothing is.
	Allow func(host string, addr netip.Addr, port uint16) error
	// Lookup resolves names for the requester. If nil, it asks the system's DNS servers.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// DialTarget connects the requester to targets. If nil, it is a net.Dialer.
	DialTarget func(ctx context.Context, network, addr string) (net.Conn, error)

	// Addr gives the address of a part, such as "mix-1-2", "gateway-1" (mix
	// port) or "gateway-1-clients". If nil, each takes a free port on 127.0.0.1.
	Addr func(part string) string
	// Listen opens a port. If nil, it is net.Listen for TCP.
	Listen func(addr string) (net.Listener, error)
	// Dial connects parts to each other. If nil, it is a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Filter, if set, may lose frames between nodes, for fault injection.
	Filter func(next mixnet.NodeAddr, f wire.Frame) bool
	// Trace, if set, is told of every packet that nodes pass on, when it was
	// seen on its last link or is lost, and at the end of Run. The nodes wait
	// for it, so it should be quick; it is called once at a time.
	Trace func(trace.Record)

	// Log receives the log of all parts. The zero Logger drops everything.
	Log zerolog.Logger
}

func (s Spec) withDefaults() (Spec, error) {
	if s.MixesPerLayer < 0 || s.MixesPerLayer > 1000 || s.Gateways < 0 || s.Gateways > 1000 {
		return s, errors.New("localnet: between 1 and 1000 mixes in a layer, and gateways")
	}
	if s.MixesPerLayer == 0 {
		s.MixesPerLayer = 2
	}
	if s.Gateways == 0 {
		s.Gateways = 2
	}
	if s.SOCKS == "" {
		s.SOCKS = "127.0.0.1:0"
	}
	if s.Allow == nil {
		s.Allow = func(string, netip.Addr, uint16) error { return errors.New("localnet: nothing is allowed") }
	}
	if s.Addr == nil {
		s.Addr = func(string) string { return "127.0.0.1:0" }
	}
	if s.Listen == nil {
		s.Listen = func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
	}
	if s.Dial == nil {
		s.Dial = new(net.Dialer).DialContext
	}
	return s, nil
}
