package trace

import (
	"bytes"
	"sync"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

const (
	// patience is how long a packet may be out of sight. Nodes hold one for 10
	// seconds at most.
	patience = 15 * time.Second
	// maxOpen bounds the packets that are followed; what is beyond is reported
	// as it is.
	maxOpen = 1 << 16
	// alphaSize is that of the point a packet begins with, which no two
	// packets share.
	alphaSize = 32
)

// A Node is a node whose key is known.
type Node struct {
	Name string
	Role topology.Role
	Addr mixnet.NodeAddr // mix port
	Key  *keys.SphinxKey
}

// A Tracer decodes packets and follows them. Its methods may be called by many
// goroutines at once.
type Tracer struct {
	nodes  map[mixnet.NodeAddr]Node
	report func(Record)

	mu      sync.Mutex
	clients map[keys.Identity]string
	ws      sphinx.Workspace
	buf     []byte
	open    map[[alphaSize]byte]*journey // by what is seen of them next
	swept   time.Time
}

// A journey is a packet that was not yet seen on its last link.
type journey struct {
	record Record
	alphas [][alphaSize]byte // how it looks on each link
	last   time.Time
}

// New makes a Tracer that hands each Record to report, one after the other,
// when the packet was seen on its last link or is lost. Report must not call
// the Tracer.
func New(nodes []Node, report func(Record)) *Tracer {
	t := &Tracer{
		nodes:   make(map[mixnet.NodeAddr]Node),
		report:  report,
		clients: make(map[keys.Identity]string),
		open:    make(map[[alphaSize]byte]*journey),
		ws:      sphinx.Workspace{AllowLegacy: true}, // a tracer looks at what nodes refuse, too
	}
	for _, n := range nodes {
		t.nodes[n.Addr] = n
	}
	return t
}

// Name gives a client the name under which Records speak of it.
func (t *Tracer) Name(client keys.Identity, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clients[client] = name
}

// See takes note of a frame that the node named from sends to next. It does not
// keep the packet.
func (t *Tracer) See(now time.Time, from string, next mixnet.NodeAddr, v wire.FrameVersion, f wire.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	if len(f.Packet) < alphaSize {
		return
	}
	alpha := [alphaSize]byte(f.Packet)
	if j := t.open[alpha]; j != nil {
		delete(t.open, alpha)
		j.record.Layers[j.record.Seen-1].Waited = now.Sub(j.last)
		t.advance(j, now)
		return
	}
	j := &journey{record: Record{Time: now, From: from, Frame: v, Rotation: f.Rotation}}
	t.buf = append(t.buf[:0], f.Packet...)
	j.record.Packet, j.alphas = t.peel(next, t.buf)
	t.advance(j, now)
}

// advance follows a packet that was just seen on a link.
func (t *Tracer) advance(j *journey, now time.Time) {
	j.record.Seen++
	if j.record.Seen >= len(j.alphas) || len(t.open) >= maxOpen {
		t.report(j.record)
		return
	}
	j.last = now
	t.open[j.alphas[j.record.Seen]] = j
}

// sweep reports packets that did not come on.
func (t *Tracer) sweep(now time.Time) {
	if now.Sub(t.swept) < time.Second {
		return
	}
	t.swept = now
	for alpha, j := range t.open {
		if now.Sub(j.last) > patience {
			delete(t.open, alpha)
			t.report(j.record)
		}
	}
}

// Flush reports every packet that is still under way.
func (t *Tracer) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, j := range t.open {
		t.report(j.record)
	}
	clear(t.open)
}

// peel takes all layers off a packet, in place, and gives what it looks like
// on each link.
func (t *Tracer) peel(next mixnet.NodeAddr, packet []byte) (p Packet, alphas [][alphaSize]byte) {
	p.Size, _ = mixnet.PacketSizeOf(len(packet))
	work := make([]sphinx.Packet, 1)
	for range sphinx.MaxHops {
		node, ok := t.nodes[next]
		if !ok {
			p.Error = "a hop that is no node of the network"
			return p, alphas
		}
		alphas = append(alphas, [alphaSize]byte(packet))
		work[0] = sphinx.Packet{Data: packet, Keys: [2]*keys.SphinxKey{node.Key}}
		t.ws.Open(work)
		t.ws.Strip(work)
		s := &work[0]
		if s.Err != nil {
			p.Error = node.Name + ": " + s.Err.Error()
			return p, alphas
		}
		p.Layers = append(p.Layers, Layer{Node: node.Name, Role: node.Role, Version: s.Version, Final: s.Final, Delay: s.Delay})
		if s.Final {
			t.arrive(&p, s)
			return p, alphas
		}
		next = s.Next
	}
	p.Error = "more layers than a header has room for"
	return p, alphas
}

// arrive notes what the exit finds.
func (t *Tracer) arrive(p *Packet, s *sphinx.Packet) {
	p.dest = s.Dest
	p.Dest = Unknown
	if name, ok := t.clients[s.Dest]; ok {
		p.Dest = name
	}
	p.ZeroID = s.ID == [16]byte{}
	p.Plaintext = len(s.Message)
	p.Content = Garbled
	if p.Size == mixnet.AckSize {
		if len(s.Message) == mixnet.AckPlaintext {
			p.Content = Ack
		}
		return
	}
	if len(s.Message) < mixnet.AckPrefixSize {
		return
	}
	prefix := s.Message[:mixnet.AckPrefixSize]
	first, packet, err := surb.ParseAck(prefix)
	if err != nil {
		return
	}
	p.Content = Message
	var padded [mixnet.AckAddrPadded]byte
	p.AckPadded = first.PutPadded(padded[:]) == nil && bytes.Equal(padded[:], prefix[:mixnet.AckAddrPadded])
	ack, _ := t.peel(first, packet)
	p.Ack = &ack
}
