package message

import (
	"crypto/rand"
	"fmt"

	"nym-socks5/internal/vec8"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

// Where things are in the plaintext of a packet.
const (
	keyAt      = mixnet.AckPrefixSize         // 405
	fragmentAt = keyAt + mixnet.KeyPrefixSize // 437
)

// coverText is what the content of cover begins with. No fragment does, since
// its first bit is set.
const coverText = "The cake is a lie!"

// Group is how many headers are built together: as many as package sphinx has
// lanes. At most so many packets are made together.
const Group = sphinx.BatchSize

// A Sealing is one packet to be made, in one of three ways: of a fragment for To;
// of a fragment for the owner of Reply, which must never be used again; or, with
// neither Fragment nor Reply, of cover: a loop to ourselves that says nothing.
type Sealing struct {
	Packet   []byte       // to be filled; its length is that of a packet size
	ID       fragment.ID  // what the SURB-ACK brings home, unreadable to others; for cover one of cover
	Fragment []byte       // what fits, and outside Packet
	Back     []sphinx.Hop // the way of the SURB-ACK to our own gateway
	Out      []sphinx.Hop // the way of the packet to the recipient's gateway, unless a reply
	To       mixnet.Recipient
	Reply    *surb.Reply // the packet goes to Reply.SURB.First, with Reply.Rotation

	Err error // set by SealAll
}

// Headers is how many headers a packet needs: that of its SURB-ACK, and its own
// unless it is a reply.
func (p *Sealing) Headers() int {
	if p.Reply != nil {
		return 1
	}
	return 2
}

// A Sealer makes the packets of one client: seals the fragment, puts the
// SURB-ACK in front and wraps all in layers. One goroutine may use it at a
// time.
type Sealer struct {
	self    mixnet.Recipient
	version sphinx.Version
	acks    *surb.Acks
	builder sphinx.Builder
	unit    vec8.Unit

	// Scratch space, so that hardly anything is allocated per packet.
	plain   [Group][]byte     // the plaintexts, where they lie in their packets
	jobs    [Group]sphinx.Job // SURB-ACKs, and the packets around them
	replies [Group]sphinx.Sealing
	kdf     kdf
	drawn   [Group]drawn
	lanes   struct {
		at               [Group / 2]int // of the plaintext in each lane
		ephemeral, point [vec8.Lanes][32]byte
		public, shared   [vec8.Lanes][32]byte
		tables           [vec8.Lanes]*vec8.Table // of the base point, then of the recipients
	}
}

// drawn is what one packet needs that must be fresh, besides its SURB-ACK.
type drawn [32 + 32 + sphinx.MaxPadding]byte

func (d *drawn) ephemeral() *[32]byte { return (*[32]byte)(d[:32]) }
func (d *drawn) secret() *[32]byte    { return (*[32]byte)(d[32:64]) }
func (d *drawn) padding() []byte      { return d[64:] }

// NewSealer makes a Sealer for the client that is reached at self. SURB-ACKs are
// sealed with ack. All packets, cover too, are of version v. Tables, which may be
// nil, are those of all who make packets for this client.
func NewSealer(self mixnet.Recipient, ack *keys.Ack, v sphinx.Version, tables *sphinx.Tables) *Sealer {
	return &Sealer{self: self, version: v, acks: surb.NewAcks(ack), builder: sphinx.Builder{Tables: tables}}
}

// SealAll makes packets, as many at a time as have [Group] headers, and sets Err of
// those that cannot be made. Cover takes the same steps as what it stands for
// (H01, H03).
func (s *Sealer) SealAll(all []Sealing) {
	for len(all) > 0 {
		n, headers := 0, 0
		for n < len(all) && headers+all[n].Headers() <= Group {
			headers += all[n].Headers()
			n++
		}
		s.draw(n)
		if err := s.group(all[:n]); err != nil {
			s.single(all[:n])
		}
		all = all[n:]
	}
}

// single makes packets one by one, to find out which of them it is that cannot
// be made.
func (s *Sealer) single(all []Sealing) {
	for i := range all {
		s.draw(1)
		if err := s.group(all[i : i+1]); err != nil {
			all[i].Err = err
		}
	}
}

// draw draws what n packets need.
func (s *Sealer) draw(n int) {
	for i := range n {
		rand.Read(s.drawn[i][:])
	}
}

// group makes packets that have up to [Group] headers with what was drawn. It
// returns what may be an error of any of them.
func (s *Sealer) group(all []Sealing) error {
	n := 0 // jobs
	for i := range all {
		p := &all[i]
		s.plain[i], p.Err = lay(p)
		if p.Err == nil {
			p.Err = s.ack(&s.jobs[n], s.plain[i], p)
		}
		if p.Err == nil {
			n++
		}
	}
	s.agree(all)
	replies := 0
	for i := range all {
		switch p := &all[i]; {
		case p.Err != nil:
		case p.Reply != nil:
			s.replies[replies] = s.reply(p, s.plain[i])
			replies++
		default:
			s.packet(&s.jobs[n], p, i)
			n++
		}
	}
	defer clear(s.plain[:])
	defer clear(s.replies[:])
	if err := s.builder.Build(s.jobs[:n]); err != nil {
		return fmt.Errorf("message: seal: %w", err)
	}
	if err := s.builder.SealAll(s.replies[:replies]); err != nil {
		return fmt.Errorf("message: seal replies: %w", err)
	}
	return nil
}

// lay puts the content of a packet where it belongs in its plaintext, which is
// where it will be in the packet.
func lay(p *Sealing) (plain []byte, err error) {
	size, ok := mixnet.PacketSizeOf(len(p.Packet))
	cover := p.Fragment == nil && p.Reply == nil
	if !ok || size.Fragment() <= 0 || !cover && len(p.Fragment) != size.Fragment() {
		return nil, fmt.Errorf("message: seal %d bytes in a packet of %d", len(p.Fragment), len(p.Packet))
	}
	plain = p.Packet[len(p.Packet)-1-size.Plaintext():][:size.Plaintext()]
	if cover {
		n := copy(plain[fragmentAt:], coverText+"\x01")
		clear(plain[fragmentAt+n:])
	} else {
		copy(plain[fragmentAt:], p.Fragment)
	}
	return plain, nil
}

// ack prepares the building of the SURB-ACK in front of a plaintext.
func (s *Sealer) ack(job *sphinx.Job, plain []byte, p *Sealing) error {
	*job = sphinx.Job{Version: s.version, Route: p.Back, Dest: s.self.Identity}
	return s.acks.Prepare(job, p.ID, plain[:keyAt])
}

// to is who opens a packet that is no reply.
func (s *Sealer) to(p *Sealing) *mixnet.Recipient {
	if p.Fragment == nil {
		return &s.self
	}
	return &p.To
}

// agree agrees on a key with each recipient, by the ephemeral keys that were
// drawn, and encrypts the plaintexts with these.
func (s *Sealer) agree(all []Sealing) {
	l, n := &s.lanes, 0
	for i := range all {
		if p := &all[i]; p.Err == nil && p.Reply == nil {
			l.at[n] = i
			l.ephemeral[n], l.point[n] = *s.drawn[i].ephemeral(), s.to(p).Encryption
			n++
		}
	}
	if n == 0 {
		return
	}
	ok := s.multiply(n)
	for lane, i := range l.at[:n] {
		if ok>>lane&1 == 0 {
			all[i].Err = fmt.Errorf("message: seal: recipient's key: %w", keys.ErrLowOrder)
			continue
		}
		key := s.kdf.derive(&l.shared[lane])
		s.unit.AESCTR(&key, s.plain[i][fragmentAt:])
		copy(s.plain[i][keyAt:], l.public[lane][:])
	}
	clear(l.ephemeral[:])
	clear(l.shared[:])
}

// multiply sets public and shared from ephemeral and point, in the same lanes.
// Bit i of ok is clear if shared[i] is zero. Where there is a table for each
// point, both sets are made at once.
func (s *Sealer) multiply(n int) (ok uint8) {
	l := &s.lanes
	for i := range n {
		l.tables[i] = vec8.BaseTable()
		l.tables[n+i] = s.builder.Tables.Find(l.point[i])
		if l.tables[n+i] == nil {
			s.unit.X25519Base(n, &l.public, &l.ephemeral)
			return s.unit.X25519(n, &l.shared, &l.ephemeral, &l.point)
		}
	}
	copy(l.ephemeral[n:], l.ephemeral[:n])
	ok = s.unit.X25519Table(2*n, &l.public, &l.ephemeral, &l.tables)
	copy(l.shared[:], l.public[n:2*n])
	return ok >> n
}

// packet prepares the building of the packet around plaintext i.
func (s *Sealer) packet(job *sphinx.Job, p *Sealing, i int) {
	*job = sphinx.Job{
		Version: s.version, Route: p.Out, Dest: s.to(p).Identity, Secret: *s.drawn[i].secret(),
		Message: s.plain[i], Packet: p.Packet,
	}
	copy(job.Padding[:], s.drawn[i].padding())
}

// reply encrypts a plaintext with the key of a SURB, and prepares spending that.
func (s *Sealer) reply(p *Sealing, plain []byte) sphinx.Sealing {
	key, digest := messageKey(p.Reply.Key), surb.DigestOf(p.Reply.Key)
	s.unit.AESCTR(&key, plain[fragmentAt:])
	copy(plain[keyAt:], digest[:])
	return sphinx.Sealing{SURB: &p.Reply.SURB, Message: plain, Packet: p.Packet}
}
