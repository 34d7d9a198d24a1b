package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// A peer is one end of a conversation, spoken by a test word for word.
type peer struct {
	tb    testing.TB
	conn  MessageConn
	parse func([]byte) (protocol.Text, error)
}

// gatewayPeer speaks as a gateway.
func gatewayPeer(tb testing.TB, conn MessageConn) *peer {
	return &peer{tb, conn, protocol.ParseClientText}
}

func (p *peer) send(t protocol.Text) { p.tb.Helper(); p.sendRaw(true, protocol.EncodeText(t)) }

func (p *peer) sendFrame(b []byte) { p.tb.Helper(); p.sendRaw(false, b) }

func (p *peer) sendRaw(text bool, b []byte) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.conn.Write(ctx, text, b); err != nil {
		p.tb.Fatalf("send: %v", err)
	}
}

func (p *peer) receive() (text bool, b []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.conn.Read(ctx)
}

// want reads the next message, which must be that text.
func (p *peer) want(want protocol.Text) {
	p.tb.Helper()
	if got := p.next(); !reflect.DeepEqual(got, want) {
		p.tb.Fatalf("received %#v, want %#v", got, want)
	}
}

// next reads the next message, which must be a text.
func (p *peer) next() protocol.Text {
	p.tb.Helper()
	isText, b, err := p.receive()
	if err != nil || !isText {
		p.tb.Fatalf("received text %v %x, %v, want a text", isText, b, err)
	}
	t, err := p.parse(b)
	if err != nil {
		p.tb.Fatalf("received %s: %v", b, err)
	}
	return t
}

// wantClosed reads the end of the connection.
func (p *peer) wantClosed() {
	p.tb.Helper()
	isText, b, err := p.receive()
	if err == nil {
		p.tb.Fatalf("received text %v %.200s, want the end", isText, b)
	}
}

func messageOf(i int) []byte { return fmt.Appendf(nil, "message number %d, longer than an ack", i) }

// freeBandwidth is what the gateways of these tests say is left.
const freeBandwidth = 1 << 36

func packetOf(size mixnet.PacketSize) wire.MixPacket {
	p := wire.MixPacket{
		Next:     mixnet.NodeAddrFrom(netip.MustParseAddrPort("203.0.113.11:1789")),
		Rotation: mixnet.RotationOdd, Packet: make([]byte, size.Total()),
	}
	rand.Read(p.Packet)
	return p
}

// pair gives the two ends of one key.
func pair() (client, gateway *protocol.Sealer) {
	var b [keys.SessionSize]byte
	rand.Read(b[:])
	return protocol.NewSealer(keys.SessionFromBytes(b)), protocol.NewSealer(keys.SessionFromBytes(b))
}
