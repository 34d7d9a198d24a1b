package proxy

import (
	"context"
	"sync/atomic"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// A peer is how the other end of a stream is spoken to.
type peer struct {
	m        mixnet.Messenger
	dialing  bool
	at       *requester       // dialing: whom to send to
	to       mixnet.Recipient // else: whom to send to; zero: answer the tag
	tag      mixnet.SenderTag // dialing: under which of our tags we speak; else: whose SURBs we spend
	versions protocol.Versions
}

// send sends one message, with that many reply SURBs if it is to be answered by some.
func (p *peer) send(ctx context.Context, body []byte, lane mixnet.Lane, surbs int, done func(error)) error {
	return p.sendWith(ctx, body, mixnet.SendOptions{Lane: lane, SURBs: surbs, Done: done})
}

func (p *peer) sendWith(ctx context.Context, body []byte, o mixnet.SendOptions) error {
	switch {
	case p.dialing:
		o.As = p.tag
		return p.m.Send(ctx, *p.at.to.Load(), body, o)
	case !p.to.IsZero():
		return p.m.Send(ctx, p.to, body, o)
	}
	return p.m.Reply(ctx, p.tag, body, o)
}

// besideSize is how long a body may be at most for its packet to have room for a
// reply SURB; zero: none of ours are spent by whom we speak to.
func (p *peer) besideSize() int {
	if !p.dialing || p.tag.IsZero() {
		return 0
	}
	return p.m.Room(mixnet.SendOptions{As: p.tag, SURBs: 1}, 1)
}

// headerSize is the number of bytes in front of the data of a message.
func (p *peer) headerSize() int {
	if p.dialing {
		return protocol.SendHeaderSize(p.versions)
	}
	return protocol.DataHeaderSize(p.versions)
}

// putHeader writes the header of a message of the stream to the front of b.
func (p *peer) putHeader(b []byte, id protocol.StreamID, seq uint64, closed bool) error {
	var err error
	if p.dialing {
		_, err = protocol.Request{Versions: p.versions, Body: protocol.Send{ID: id, Seq: seq, Closed: closed}}.AppendBinary(b[:0])
	} else {
		_, err = protocol.Response{Versions: p.versions, Body: protocol.Data{ID: id, Seq: seq, Closed: closed}}.AppendBinary(b[:0])
	}
	return err
}

// note encodes a note for the peer.
func (p *peer) note(n protocol.Note) ([]byte, error) {
	extra, err := n.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	if p.dialing {
		return protocol.Request{Versions: protocol.CurrentVersions, Body: protocol.Control{Kind: protocol.ControlHealth, Extra: extra}}.AppendBinary(nil)
	}
	return protocol.Response{Versions: protocol.CurrentVersions, Body: protocol.ControlAnswer{Kind: protocol.ControlHealth, Extra: extra}}.AppendBinary(nil)
}

// chunkSize is how many data bytes make a message that fills whole packets:
// as many packets as fit into what one read of the reference takes (socks.md §11.1).
func (p *peer) chunkSize(most int) int {
	o := mixnet.SendOptions{SURBs: noSURBs}
	if p.dialing {
		o.As = p.tag
	}
	one := max(1, p.m.Room(o, 1))
	chunk := p.m.Room(o, max(otherRead/one, 4)) - p.headerSize()
	if most > 0 {
		chunk = min(chunk, most)
	}
	return chunk
}

// A kind is what is known of the program at the other end.
type kind int32

const (
	kindUnknown kind = iota
	kindOurs         // it understands notes and half-close
	kindOther        // it is somebody else's
)

// A peerKind is the kind of one peer, shared by its streams.
type peerKind struct{ state atomic.Int32 }

func (k *peerKind) get() kind { return kind(k.state.Load()) }

// set changes the kind and reports whether it is new.
func (k *peerKind) set(s kind) bool { return k.state.Swap(int32(s)) != int32(s) }
