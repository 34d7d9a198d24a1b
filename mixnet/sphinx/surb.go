package sphinx

import (
	"fmt"

	"nym-socks5/mixnet"
)

const (
	surbFirst = HeaderSize
	surbKeys  = surbFirst + mixnet.NodeAddrPadded // 380
)

// SURBSize is the size in bytes of a SURB for a route of that many hops.
func SURBSize(v Version, hops int) int {
	if v.fullKeys() {
		return surbKeys + FullKeySize*hops
	}
	return surbKeys + SeedSize*hops
}

// A SURB is a single-use reply block: a header that leads to its owner, and
// the payload keys for it (sphinx.md §3.11).
//
//	+--------------+----------------------+------------------------------+
//	| header (348) | first hop, zeros (32)| seed (16) or key (192) a hop |
//	+--------------+----------------------+------------------------------+
//
// Whoever holds it can send one packet to the owner without learning who that
// is. The version of the header is hidden from its holder, who does not need it.
type SURB struct {
	bytes []byte
	first mixnet.NodeAddr
	size  int // of one key
}

// ParseSURB parses exactly one SURB and copies it. Up to 80 bytes of key
// material are seeds, from 192 bytes on they are full keys. Its errors wrap
// [ErrMalformed].
func ParseSURB(b []byte) (SURB, error) {
	if len(b) < surbKeys+SeedSize {
		return SURB{}, fmt.Errorf("%w: SURB of %d bytes", ErrMalformed, len(b))
	}
	keys := len(b) - surbKeys
	size := SeedSize
	if keys >= FullKeySize {
		size = FullKeySize
	}
	if keys%size != 0 || keys/size > MaxHops {
		return SURB{}, fmt.Errorf("%w: SURB with %d bytes of keys", ErrMalformed, keys)
	}
	first, _, err := mixnet.ParseNodeAddr(b[surbFirst:surbKeys])
	if err != nil {
		return SURB{}, fmt.Errorf("%w: first hop of a SURB: %v", ErrMalformed, err)
	}
	return SURB{bytes: append([]byte(nil), b...), first: first, size: size}, nil
}

// First is the node to which a packet made with the SURB goes.
func (s *SURB) First() mixnet.NodeAddr { return s.first }

// Hops is the number of payload keys in the SURB.
func (s *SURB) Hops() int { return (len(s.bytes) - surbKeys) / s.size }

// Seeded reports whether the keys are 16-byte seeds.
func (s *SURB) Seeded() bool { return s.size == SeedSize }

// AppendBinary implements [encoding.BinaryAppender].
func (s *SURB) AppendBinary(b []byte) ([]byte, error) { return append(b, s.bytes...), nil }

// putSURBKeys writes what stands behind the header of j.SURB.
func putSURBKeys(j *Job, d *draft) error {
	if err := j.Route[0].Addr.PutPadded(j.SURB[surbFirst:surbKeys]); err != nil {
		return fmt.Errorf("sphinx: build: first hop of a SURB: %w", err)
	}
	out := j.SURB[surbKeys:]
	for h := range j.Route {
		out = out[copy(out, d.keys[h].payloadKey(j.version())):]
	}
	return nil
}

// A Sealing is one SURB to spend. Packet receives the whole packet, which goes to
// SURB.First; its length is that of a packet size. Message may hold the whole
// Packet of an earlier Sealing of the same call.
type Sealing struct {
	SURB    *SURB
	Message []byte
	Packet  []byte
}

// Seal spends one SURB: see [Builder.SealAll].
func (b *Builder) Seal(s *SURB, message, packet []byte) error {
	one := [1]Sealing{{SURB: s, Message: message, Packet: packet}}
	return b.SealAll(one[:])
}

// SealAll spends SURBs: it makes packets out of their headers and of messages
// under all of their layers. It does all or, if one of them is wrong, none.
func (b *Builder) SealAll(all []Sealing) error {
	for i := range all {
		if err := checkRoom(all[i].Packet, all[i].Message); err != nil {
			return err
		}
	}
	for len(all) > 0 {
		n := min(len(all), BatchSize)
		for i := range n {
			s, c := &all[i], &b.covers[i]
			copy(s.Packet, s.SURB.bytes[:HeaderSize])
			c.payload, c.message, c.layers = s.Packet[payloadOff:], s.Message, s.SURB.Hops()
			for h := range c.layers {
				c.keys[h] = s.SURB.bytes[surbKeys+h*s.SURB.size:][:s.SURB.size]
			}
		}
		b.wrap(n)
		all = all[n:]
	}
	return nil
}
