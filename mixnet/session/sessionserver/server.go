package sessionserver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"nym-socks5/internal/admit"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// A Config says what a [Server] needs.
type Config struct {
	Identity *keys.IdentityKey
	Accounts Accounts
	Handler  Handler
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
	// SealerMemory is how many bytes may be spent on remembering which frames of
	// clients that are not connected were seen (H21). If zero, it is 64 MiB.
	SealerMemory int
}

// A Server is the gateway's end of the protocol for any number of connections.
type Server struct {
	cfg        Config
	sealers    *sealers
	handshakes admit.Slots // registrations and authentications being computed
	counts     counts
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

// New checks cfg and makes a Server.
func New(cfg Config) (*Server, error) {
	if cfg.Identity == nil || cfg.Accounts == nil || cfg.Handler == nil {
		return nil, errors.New("session: server without identity, accounts or handler")
	}
	if cfg.Queue == 0 {
		cfg.Queue = defaultQueue
	}
	if cfg.Queue < protocol.MaxMessage {
		return nil, fmt.Errorf("session: queue of %d bytes, want at least %d", cfg.Queue, protocol.MaxMessage)
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = defaultKeepAlive
	}
	if cfg.Handshakes == 0 {
		cfg.Handshakes = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	if cfg.SealerMemory == 0 {
		cfg.SealerMemory = defaultSealers
	}
	return &Server{cfg: cfg, sealers: newSealers(cfg.SealerMemory), handshakes: admit.NewSlots(cfg.Handshakes)}, nil
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
func (s *Server) Serve(ctx context.Context, conn session.MessageConn) error {
	serving := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	w := newWatchdog(conn, silencePatience)
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	defer func() { <-done }()

	f := &handshaking{Server: s, ctx: ctx, end: cancel, conn: conn, watchdog: w}
	live, err := f.run()
	if err != nil {
		if f.sealer != nil {
			s.leave(serving, f.sealer)
		}
		s.counts.refused.Add(1)
		cancel(closing{session.ClosePolicy, "refused"})
		return reason(ctx, err)
	}
	defer func() { s.leave(serving, live.sealer) }() // the one it has at its end
	defer s.cfg.Handler.Gone(live)
	return reason(ctx, live.run(ctx, w))
}

// leave gives an envelope back. Of a client whose envelope is dropped for it a
// fresh login is demanded: a request from before, which somebody held back, opens
// no session into which old frames could be sent once more (H21). Undated requests
// of legacy clients are used up one by one as it is (H22).
func (s *Server) leave(ctx context.Context, h *heldSealer) {
	for _, d := range s.sealers.leave(h) {
		if d.of.Key != nil && ctx.Err() == nil {
			s.cfg.Accounts.Seen(ctx, d.client, uint64(max(time.Now().Unix(), 0)))
		}
	}
}

// reason picks the more telling of two: a connection that we closed ourselves
// reads as closed only.
func reason(ctx context.Context, err error) error {
	var c closing
	switch cause := context.Cause(ctx); {
	case !errors.As(cause, &c):
		return nil // not we, but who called Serve
	case errors.Is(err, session.ErrClosed):
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
