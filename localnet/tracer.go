package localnet

import (
	"time"

	"nym-socks5/localnet/trace"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// frameVersion is that of all frames between the nodes.
const frameVersion = wire.V8

// newTracer makes what decodes packets for [Spec.Trace]. The nodes have their
// addresses already.
func (n *Network) newTracer() *trace.Tracer {
	var nodes []trace.Node
	for _, nd := range n.nodes {
		nodes = append(nodes, trace.Node{Name: nd.name, Role: nd.role, Addr: mixnet.NodeAddrFrom(nd.mixAddr), Key: nd.sphinx})
	}
	return trace.New(nodes, n.spec.Trace)
}

// Name gives a client the name under which [Spec.Trace] hears of it. The
// network's own are "socks" and "requester". Call it after Ready.
func (n *Network) Name(client keys.Identity, name string) {
	if n.tracer != nil {
		n.tracer.Name(client, name)
	}
}

// filter is what looks at the frames that the node sends.
func (nd *node) filter() func(next mixnet.NodeAddr, f wire.Frame) bool {
	tracer, lose := nd.net.tracer, nd.net.spec.Filter
	if tracer == nil {
		return lose
	}
	return func(next mixnet.NodeAddr, f wire.Frame) bool {
		tracer.See(time.Now(), nd.name, next, frameVersion, f)
		return lose == nil || lose(next, f)
	}
}
