package session

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// A Refusal is an error whose text may be told to the client. Other errors
// reach it as "internal error".
type Refusal string

// Error gives the text.
func (r Refusal) Error() string { return string(r) }

// Refusals that [Accounts] and [Traffic] give.
const (
	ErrUnknownClient Refusal = "client is not registered"
	ErrStale         Refusal = "request is not newer than the last one"
	ErrDuplicate     Refusal = "there is already an open connection to this client"
	ErrCurrentKey    Refusal = "client has a newer kind of key"
)

// Traffic is what live sessions are connected to. Each session calls from its
// own goroutine, and none of the methods but Claim may wait: while one does,
// nothing is read from that client, not even the answer to a ping.
type Traffic interface {
	// Claim makes s the one live session of its client, or refuses it. If
	// s.AuthenticatedAt is not zero it must be greater than that of the session
	// there is and greater than the last one accepted (ErrStale), and it must
	// have been stored before Claim returns: two connections may come this far
	// with one request. An older session that answers a Ping within a second
	// stays, and s is refused (ErrDuplicate); else the older is Evicted.
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

// A ServerConfig says what a [Server] needs.
type ServerConfig struct {
	Identity *keys.IdentityKey
	Accounts Accounts
	Traffic  Traffic
	// AllowLegacy serves clients of before 2025 too: the 64-byte registration,
	// the legacy envelope, the undated authenticate (nodes.md §8 says what each
	// gives away). If false, all of it is refused.
	AllowLegacy bool
	// Queue is how many bytes may wait to be written to one client before
	// Deliver refuses. If zero, it is 256 KiB.
	Queue int
	// KeepAlive is the mean time between pings of a silent client; each is drawn
	// between a half and one and a half of it (H05). If zero, it is 2 minutes;
	// negative means no pings.
	KeepAlive time.Duration
	// Handshakes is how many registrations and authentications are computed at
	// the same time; more wait their turn (H23). If zero, it is half of the CPUs.
	Handshakes int
}

// Times and limits before a client is authenticated (nodes.md §1.1, §1.4.1).
const (
	silencePatience   = 10 * time.Second
	handshakePatience = 5 * time.Second
	// maxPreliminaries is how many messages a client may send before it
	// registers or authenticates, so that asking for ever keeps no socket.
	maxPreliminaries = 16
	// answerPatience is how long an answer may take to be written.
	answerPatience = 5 * time.Second
)

// freeBandwidth is what every client is told it has left, in bytes: nothing is
// metered.
const freeBandwidth = 1 << 36

// A Server is the gateway's end of the protocol for any number of connections.
type Server struct {
	cfg    ServerConfig
	turns  chan struct{} // holds a token for each handshake being computed
	counts counts
}

type counts struct {
	registered, authenticated, refused   atomic.Uint64
	legacy                               atomic.Uint64
	packets, pushed, malformed, replayed atomic.Uint64
}

// Stats are the counters of a Server since it was made.
type Stats struct {
	Registered    uint64 // registrations completed
	Authenticated uint64 // authentications accepted
	Refused       uint64 // connections that did neither
	Legacy        uint64 // of the first two, those in a legacy form
	Packets       uint64 // packets accepted from clients
	Pushed        uint64 // messages handed to connections
	Malformed     uint64 // frames and texts that could not be read
	Replayed      uint64 // sealed frames seen before
}

// NewServer checks cfg and makes a Server.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Identity == nil || cfg.Accounts == nil || cfg.Traffic == nil {
		return nil, errors.New("session: server without identity, accounts or traffic")
	}
	if cfg.Queue == 0 {
		cfg.Queue = 256 << 10
	}
	if cfg.Queue < MaxMessage {
		return nil, fmt.Errorf("session: queue of %d bytes, want at least %d", cfg.Queue, MaxMessage)
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = 2 * time.Minute
	}
	if cfg.Handshakes == 0 {
		cfg.Handshakes = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	return &Server{cfg: cfg, turns: make(chan struct{}, cfg.Handshakes)}, nil
}

// Stats copies the counters out.
func (s *Server) Stats() Stats {
	return Stats{
		Registered:    s.counts.registered.Load(),
		Authenticated: s.counts.authenticated.Load(),
		Refused:       s.counts.refused.Load(),
		Legacy:        s.counts.legacy.Load(),
		Packets:       s.counts.packets.Load(),
		Pushed:        s.counts.pushed.Load(),
		Malformed:     s.counts.malformed.Load(),
		Replayed:      s.counts.replayed.Load(),
	}
}

// Serve speaks with one client until either side has enough or ctx ends, and
// closes conn. Every goroutine it started has returned before it does. The
// error says why it ended, nil meaning that ctx did, and names nobody.
//
//	FRESH ──supportedProtocol──▶ FRESH
//	FRESH ──handshakePayload──▶ handshake ──▶ Claim ──"register"──▶ LIVE, first frame ──▶ Online
//	FRESH ──authenticateV2──▶ checks ──▶ Claim ──"authenticate"──▶ LIVE, Online
//	FRESH ──authenticate──▶ checks ──▶ Spend, Claim ──"authenticate"──▶ LIVE, Online   if AllowLegacy
//	FRESH ──anything else, 10 s of silence──▶ error, close
//	LIVE  ──evicted, closed, a few unreadable messages──▶ Gone
func (s *Server) Serve(ctx context.Context, conn MessageConn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	w := newWatchdog(conn, silencePatience)
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	defer func() { <-done }()

	f := &fresh{Server: s, ctx: ctx, end: cancel, conn: conn, watchdog: w}
	live, err := f.run()
	if err != nil {
		s.counts.refused.Add(1)
		cancel(closing{closePolicy, "refused"})
		return reason(ctx, err)
	}
	defer s.cfg.Traffic.Gone(live)
	return reason(ctx, live.run(ctx, w))
}

// reason picks the more telling of two: a connection that we closed ourselves
// reads as closed only.
func reason(ctx context.Context, err error) error {
	var c closing
	switch cause := context.Cause(ctx); {
	case !errors.As(cause, &c):
		return nil // not we, but who called Serve
	case errors.Is(err, ErrClosed):
		return fmt.Errorf("session: %w", c)
	}
	return err
}

// closing is why we end a connection, in words for the far end.
type closing struct {
	code int
	why  string
}

func (c closing) Error() string { return c.why }
