package sessionserver

import (
	"context"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// A Handler is what live sessions are connected to. Each session calls from its
// own goroutine, and while a method waits nothing is read from that client, not
// even the answer to a ping. Admit and Claim may wait, and Packet as long as
// the gateway takes nothing more from the client.
type Handler interface {
	// Admit is asked first when someone wants to register, before anything is
	// computed: whether this client may, now. One whose session may not be
	// replaced (see Claim) may not (ErrDuplicate).
	Admit(ctx context.Context, client keys.Identity) error
	// Claim makes s the one live session of its client, or refuses it. If
	// s.AuthenticatedAt is not zero it must be greater than that of the session
	// there is and greater than the last one accepted (ErrStale), and it must
	// have been stored before Claim returns: two connections may come this far
	// with one request. Then the older session is Evicted, unless it answers a
	// Ping within a second and has itself taken the place of a living one less
	// than a minute ago: then it stays, and s is refused (ErrDuplicate).
	Claim(ctx context.Context, s *Session) error
	// Online says that messages may be delivered from now on. It follows Claim,
	// but after a registration only once the client has sent something: until
	// then Deliver refuses, and messages belong in the store.
	Online(s *Session)
	// Fresh says that the client sent a sealed frame never seen before, so that
	// it is the client and no recording. Pushes up to s.Written() were handed to
	// the connection before that frame was read: their mail may be deleted
	// (H20). A client that sends nothing gets its mail again and again, save over
	// TLS, where an answered Ping says as much.
	Fresh(s *Session)
	// Packet takes a packet, which aliases the read buffer: what is kept must be
	// copied. If it reports true the client is told that the packet was sent.
	// The next hop is the client's choice and must be checked.
	Packet(s *Session, p wire.MixPacket) bool
	// Gone says that a session which was claimed has ended. The client may have
	// a newer one.
	Gone(s *Session)
}
