package bench

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// The figures of single packets: package sphinx beside the yardstick.
var packetFigures = []Figure{
	{
		Name: "unwrap one hop, 2413-byte packet", Unit: "us CPU", Goal: AtMostTimes(1.05),
		Measure: packetValue(mixnet.Regular, func(c *packetCosts) (product, yard cost) { return c.unwrap, c.yardUnwrap }),
	},
	{
		Name: "unwrap one hop, 2413-byte packet, in groups of 8", Unit: "us CPU", Goal: AtMostTimes(1.10),
		Measure: packetValue(mixnet.Regular, func(c *packetCosts) (product, yard cost) { return c.unwrapGroup, c.yardUnwrapGroup }),
	},
	{
		Name: "unwrap one hop, 386-byte packet, in groups of 8", Unit: "us CPU", Goal: AtMostTimes(1.10),
		Measure: packetValue(mixnet.AckSize, func(c *packetCosts) (product, yard cost) { return c.unwrapGroup, c.yardUnwrapGroup }),
	},
	{
		Name: "unwrap one hop, allocations", Unit: "allocs", Goal: AtMost(0),
		Measure: func(l *Lab) (Value, error) {
			c, err := l.packetCosts(mixnet.Regular)
			if err != nil {
				return Value{}, err
			}
			return Value{Measured: c.unwrap.Allocs}, nil
		},
	},
	{
		Name: "unwrap one hop, 33133-byte packet", Unit: "us CPU",
		Measure: packetValue(mixnet.Extended32, func(c *packetCosts) (product, yard cost) { return c.unwrap, c.yardUnwrap }),
	},
	{
		Name: "build a 4-hop packet of 2413 bytes", Unit: "us CPU", Goal: AtMostTimes(1.15),
		Measure: packetValue(mixnet.Regular, func(c *packetCosts) (product, yard cost) { return c.build, c.yardBuild }),
	},
	{
		Name: "build a 4-hop packet of 2413 bytes, in groups of 8", Unit: "us CPU", Goal: AtMost(42),
		Measure: packetValue(mixnet.Regular, func(c *packetCosts) (product, yard cost) { return c.buildGroup, c.yardBuild }),
	},
}

// packetValue picks a pair out of the costs of single packets.
func packetValue(size mixnet.PacketSize, pick func(*packetCosts) (product, yard cost)) func(*Lab) (Value, error) {
	return func(l *Lab) (Value, error) {
		c, err := l.packetCosts(size)
		if err != nil {
			return Value{}, err
		}
		product, yard := pick(c)
		return Value{Measured: product.micros(), Yardstick: yard.micros()}, nil
	}
}

// packetCosts are the costs per packet of one size, all measured in turn.
type packetCosts struct {
	unwrap, unwrapGroup   cost // of package sphinx
	build, buildGroup     cost
	yardUnwrap, yardBuild cost
	yardUnwrapGroup       cost
	yardAckUnwrap         cost
	yardAckBuild          cost
	yardSURB              cost // the header alone
	yardSeal              cost // a payload under the four keys of a SURB
	yardOpen              cost // by the recipient
}

// packetCosts measures the packets of one size, once.
func (l *Lab) packetCosts(size mixnet.PacketSize) (*packetCosts, error) {
	return once(l, "packet costs "+size.String(), func() (*packetCosts, error) { return measurePackets(size, sliceRounds) })
}

func measurePackets(size mixnet.PacketSize, rounds int) (*packetCosts, error) {
	s, err := newSpecimen(size)
	if err != nil {
		return nil, err
	}
	ack, err := newSpecimen(mixnet.AckSize)
	if err != nil {
		return nil, err
	}
	c := new(packetCosts)
	var ops []operation
	var to []*cost
	var bad error
	add := func(dst *cost, op func() error) {
		to = append(to, dst)
		ops = append(ops, func(n int) {
			for range n {
				if err := op(); err != nil {
					bad = err
				}
			}
		})
	}
	add(&c.yardUnwrap, s.yardUnwrap())
	add(&c.unwrap, s.unwrap(1))
	add(&c.unwrapGroup, s.unwrap(sphinx.BatchSize))
	add(&c.yardUnwrapGroup, s.yardUnwrapGroup())
	add(&c.yardBuild, s.yardBuild(s.message))
	add(&c.build, s.build(1))
	add(&c.buildGroup, s.build(sphinx.BatchSize))
	add(&c.yardAckUnwrap, ack.yardUnwrap())
	add(&c.yardAckBuild, ack.yardBuild(ack.message))
	add(&c.yardSURB, s.yardBuild(nil))
	add(&c.yardSeal, s.yardSeal())
	if size != mixnet.AckSize {
		add(&c.yardOpen, s.yardOpen())
	}
	for i, k := range interleave(rounds, ops) {
		*to[i] = k
	}
	for _, k := range []*cost{&c.unwrapGroup, &c.yardUnwrapGroup, &c.buildGroup} {
		k.CPU /= sphinx.BatchSize
		k.Allocs /= sphinx.BatchSize
	}
	return c, bad
}

// A specimen is a packet to build and to unwrap: the same bytes for the product
// and for the yardstick.
type specimen struct {
	size    mixnet.PacketSize
	nodes   [yardHops]*keys.SphinxKey
	hops    []sphinx.Hop
	route   yardRoute
	secret  [32]byte
	padding [sphinx.MaxPadding]byte
	message []byte
	packet  []byte // as it leaves the sender
}

func newSpecimen(size mixnet.PacketSize) (*specimen, error) {
	s := &specimen{size: size, message: make([]byte, size.Plaintext()), packet: make([]byte, size.Total())}
	rand.Read(s.message)
	rand.Read(s.secret[:])
	rand.Read(s.padding[:])
	rand.Read(s.route.dest[:])
	for i := range s.nodes {
		s.nodes[i] = keys.NewSphinxKey()
		addr := mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), 1789))
		delay := time.Duration(i+1) * 7 * time.Millisecond
		s.hops = append(s.hops, sphinx.Hop{Addr: addr, Key: s.nodes[i].Public(), Delay: delay})
		s.route.keys[i], s.route.addrs[i], s.route.delays[i] = s.nodes[i].Public(), addr, delay
	}
	var b sphinx.Builder
	if err := b.Build([]sphinx.Job{s.job(s.packet)}); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *specimen) job(packet []byte) sphinx.Job {
	return sphinx.Job{
		Route: s.hops, Dest: s.route.dest, Secret: s.secret, Padding: s.padding,
		Message: s.message, Packet: packet,
	}
}

// buffers gives n buffers of the packet's size.
func (s *specimen) buffers(n int) [][]byte {
	b := make([][]byte, n)
	for i := range b {
		b[i] = make([]byte, len(s.packet))
	}
	return b
}

func (s *specimen) yardUnwrap() func() error {
	y, key, buf := newYardstick(), *s.nodes[0].Bytes(), s.buffers(1)[0]
	return func() error {
		copy(buf, s.packet)
		_, _, err := y.unwrap(&key, buf)
		return err
	}
}

func (s *specimen) yardUnwrapGroup() func() error {
	y, key, bufs := newYardLanes(), *s.nodes[0].Bytes(), [sphinx.BatchSize][]byte(s.buffers(sphinx.BatchSize))
	return func() error {
		for _, b := range bufs {
			copy(b, s.packet)
		}
		return y.unwrap(&key, &bufs)
	}
}

func (s *specimen) yardBuild(message []byte) func() error {
	y, buf := newYardstick(), s.buffers(1)[0]
	return func() error { return y.build(buf, &s.route, &s.secret, s.padding[:], message) }
}

func (s *specimen) yardSeal() func() error {
	y, buf := newYardstick(), s.buffers(1)[0]
	seeds := new([yardHops][16]byte)
	return func() error {
		y.seal(buf, s.message, seeds)
		return nil
	}
}

func (s *specimen) yardOpen() func() error {
	y, key := newYardstick(), *s.nodes[0].Bytes()
	frag := make([]byte, s.size.Fragment())
	return func() error {
		y.open(&key, &s.route.keys[1], frag)
		return nil
	}
}

// unwrap unwraps n at a time with package sphinx.
func (s *specimen) unwrap(n int) func() error {
	w, bufs := new(sphinx.Workspace), s.buffers(n)
	packets := make([]sphinx.Packet, n)
	return func() error {
		for i := range packets {
			copy(bufs[i], s.packet)
			packets[i].Data, packets[i].Keys[0] = bufs[i], s.nodes[0]
		}
		w.Open(packets)
		w.Strip(packets)
		for i := range packets {
			if packets[i].Err != nil {
				return fmt.Errorf("unwrap: %w", packets[i].Err)
			}
		}
		return nil
	}
}

// build builds n at a time with package sphinx, and with tables of the nodes' keys,
// as clients have them.
func (s *specimen) build(n int) func() error {
	b := &sphinx.Builder{Tables: sphinx.NewTables()}
	var jobs []sphinx.Job
	for _, buf := range s.buffers(n) {
		jobs = append(jobs, s.job(buf))
	}
	return func() error { return b.Build(jobs) }
}
