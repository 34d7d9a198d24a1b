package sessiontest

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// Hop is where packets of [PacketOf] go first.
var Hop = mixnet.NodeAddrFrom(netip.MustParseAddrPort("203.0.113.11:1789"))

// MessageOf gives different messages, each longer than a SURB-ACK.
func MessageOf(i int) []byte { return fmt.Appendf(nil, "message number %d, longer than an ack", i) }

// PacketOf gives a packet of random bytes.
func PacketOf(size mixnet.PacketSize) wire.MixPacket {
	p := wire.MixPacket{Next: Hop, Rotation: mixnet.RotationOdd, Packet: make([]byte, size.Total())}
	rand.Read(p.Packet)
	return p
}

// Pair gives the two ends of one key.
func Pair() (client, gateway *protocol.Sealer) {
	var b [keys.SessionSize]byte
	rand.Read(b[:])
	return protocol.NewSealer(keys.SessionFromBytes(b)), protocol.NewSealer(keys.SessionFromBytes(b))
}

// A Mailbox keeps what a client received. The zero Mailbox is empty.
type Mailbox struct {
	mu       sync.Mutex // guards the following
	messages []string
}

// Receive takes a message in.
func (m *Mailbox) Receive(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, string(b))
}

// Want compares all that was received.
func (m *Mailbox) Want(t *testing.T, want ...string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if fmt.Sprint(m.messages) != fmt.Sprint(want) {
		t.Errorf("received %q, want %q", m.messages, want)
	}
}
