package sessiontest

import (
	"bytes"
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

const (
	// patience is how long a Peer waits for the other end: it is at hand.
	patience = time.Minute
	// FreeBandwidth is what gateways that do not meter say is left, in bytes.
	FreeBandwidth = 1 << 36
)

// A Conn carries messages: a session.MessageConn.
type Conn interface {
	Read(ctx context.Context) (text bool, b []byte, err error)
	Write(ctx context.Context, text bool, b []byte) error
	Ping(ctx context.Context) error
	Close(code int, why string) error
}

// A Peer is one end of a conversation. The test fails where the other end does not
// say what is wanted.
type Peer struct {
	TB    testing.TB
	Conn  Conn
	parse func([]byte) (protocol.Text, error)
}

// Gateway speaks as a gateway.
func Gateway(tb testing.TB, conn Conn) *Peer { return &Peer{tb, conn, protocol.ParseClientText} }

// Client speaks as a client.
func Client(tb testing.TB, conn Conn) *Peer { return &Peer{tb, conn, protocol.ParseGatewayText} }

// Send sends a text.
func (p *Peer) Send(t protocol.Text) { p.TB.Helper(); p.SendRaw(true, protocol.EncodeText(t)) }

// SendFrame sends a sealed frame.
func (p *Peer) SendFrame(b []byte) { p.TB.Helper(); p.SendRaw(false, b) }

// SendRaw sends any message.
func (p *Peer) SendRaw(text bool, b []byte) {
	p.TB.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Conn.Write(ctx, text, b); err != nil {
		p.TB.Fatalf("send: %v", err)
	}
}

// Receive reads the next message, or the end.
func (p *Peer) Receive() (text bool, b []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.Conn.Read(ctx)
}

// Want reads the next message, which must be that text.
func (p *Peer) Want(want protocol.Text) {
	p.TB.Helper()
	if got := p.Next(); !reflect.DeepEqual(got, want) {
		p.TB.Fatalf("received %#v, want %#v", got, want)
	}
}

// Next reads the next message, which must be a text.
func (p *Peer) Next() protocol.Text {
	p.TB.Helper()
	isText, b, err := p.Receive()
	if err != nil || !isText {
		p.TB.Fatalf("received text %v %x, %v, want a text", isText, b, err)
	}
	t, err := p.parse(b)
	if err != nil {
		p.TB.Fatalf("received %s: %v", b, err)
	}
	return t
}

// WantPush reads the next message, which must be that push.
func (p *Peer) WantPush(s *protocol.Sealer, want []byte) {
	p.TB.Helper()
	isText, b, err := p.Receive()
	if err != nil || isText {
		p.TB.Fatalf("received text %v %s, %v, want a push", isText, b, err)
	}
	if got, err := s.OpenPush(b); err != nil || !bytes.Equal(got, want) {
		p.TB.Fatalf("push opens as %q, %v, want %q", got, err, want)
	}
}

// WantClosed reads the end of the connection.
func (p *Peer) WantClosed() {
	p.TB.Helper()
	isText, b, err := p.Receive()
	if err == nil {
		p.TB.Fatalf("received text %v %.200s, want the end", isText, b)
	}
}

// WantRefusal reads an error text, then the end.
func (p *Peer) WantRefusal(message string) {
	p.TB.Helper()
	p.Want(protocol.ErrorText{Message: message})
	p.WantClosed()
}

// Login authenticates as a client, at a version, in a bubble.
func (p *Peer) Login(id *keys.IdentityKey, s *protocol.Sealer, at uint8) {
	p.TB.Helper()
	p.Send(protocol.NewAuthenticate(at, id, s, s.OwnNonce(), time.Now()))
	p.Want(protocol.Authenticated{ProtocolVersion: at, Status: true, BandwidthRemaining: FreeBandwidth})
	synctest.Wait() // the gateway goes online
}

// Forward seals a packet.
func (p *Peer) Forward(s *protocol.Sealer, packet wire.MixPacket, withRotation bool) []byte {
	p.TB.Helper()
	b, err := s.AppendForward(nil, packet, withRotation)
	if err != nil {
		p.TB.Fatal(err)
	}
	return b
}
