package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/session/sessionserver"
	"nym-socks5/mixnet/wire"
)

// Config is what a Server is made of.
type Config struct {
	// Node is the gateway's mix side. Its Deliver is set by New.
	Node mixnode.Config
	// Identity is what clients know the gateway by.
	Identity *keys.IdentityKey
	// Accounts and Inbox keep what must outlive sessions. If nil, they are in memory.
	Accounts Accounts
	Inbox    Inbox
	// AllowLegacy serves clients of before 2025 too, with all that their protocol
	// gives away; see [sessionserver.Config.AllowLegacy].
	AllowLegacy bool
	// MailAge is how long mail is kept. If zero, it is 24 hours.
	MailAge time.Duration
	// MaxConns is how many client connections there may be. If zero, it is 8192.
	MaxConns int
	// MaxConnsPerAddr is how many of them may come from one IPv4 address or one
	// IPv6 /56 (H23). If zero, it is 64. Loopback is exempt.
	MaxConnsPerAddr int
	// PacketRate is how many packets of all clients are passed on in a second. When
	// they send more, sessions take turns by bytes, and are read from more slowly
	// (H15). If zero, it is 16 000.
	PacketRate int
	// Log receives the gateway's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// A Server is a gateway.
type Server struct {
	cfg       Config
	node      *mixnode.Node
	clients   *clients
	deliver   *deliverer
	intake    *intake
	sess      *sessionserver.Server
	admission admission
	proofs    chan keys.Identity // clients that are in use; full: noted with their next frame
	count     counters
	log       zerolog.Logger

	mu   sync.Mutex // guards live
	live map[*sessionserver.Session]*liveSession
}

// New makes a gateway. It starts nothing; see [Server.Run].
func New(cfg Config) (*Server, error) {
	if cfg.Identity == nil {
		return nil, errors.New("gateway: no identity")
	}
	if cfg.Accounts == nil {
		cfg.Accounts = NewMemoryAccounts()
	}
	if cfg.Inbox == nil {
		cfg.Inbox = NewMemoryInbox(Limits{})
	}
	if cfg.MailAge == 0 {
		cfg.MailAge = defaultMailAge
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	if cfg.MaxConnsPerAddr == 0 {
		cfg.MaxConnsPerAddr = defaultMaxConnsPerAddr
	}
	log := cfg.Log.With().Str("component", "gateway").Logger()
	s := &Server{
		cfg:       cfg,
		clients:   newClients(cfg.Accounts, cfg.Inbox, cfg.AllowLegacy),
		log:       log,
		admission: newAdmission(cfg.MaxConns, cfg.MaxConnsPerAddr),
		proofs:    make(chan keys.Identity, proofQueue),
		live:      make(map[*sessionserver.Session]*liveSession),
	}
	if cfg.PacketRate == 0 {
		cfg.PacketRate = defaultPacketRate
	}
	s.intake = newIntake(cfg.PacketRate, func(p wire.MixPacket) { s.node.Forward(p.Next, p.Rotation, p.Packet) })
	s.deliver = &deliverer{
		clients: s.clients, inbox: cfg.Inbox,
		log: s.log, count: &s.count,
		queue: make(chan delivery, deliveryQueue),
	}
	cfg.Node.Deliver = func(d mixnode.Delivered) {
		s.deliver.take(delivery{dest: d.Dest, message: d.Message, isAck: d.Size == mixnet.AckSize, rotation: d.Rotation, release: d.Release})
	}
	var err error
	if s.node, err = mixnode.New(cfg.Node); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	s.deliver.forward = s.node.Forward
	s.sess, err = sessionserver.New(sessionserver.Config{
		Identity: cfg.Identity, Accounts: s.clients, Handler: s, AllowLegacy: cfg.AllowLegacy,
	})
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	return s, nil
}

// SetKeys changes the Sphinx keys, as [mixnode.Node.SetKeys] does.
func (s *Server) SetKeys(k mixnode.Keys) error { return s.node.SetKeys(k) }

// Stats counts what a gateway did since it started; nothing in it tells for
// whom.
type Stats struct {
	Node      mixnode.Stats
	Session   sessionserver.Stats
	Online    int    // clients with a live session
	Pushed    uint64 // messages handed to sessions as they came
	Stored    uint64 // messages stored
	Unknown   uint64 // messages for nobody registered here: dropped
	Refused   uint64 // messages beyond the limits, or not stored: no SURB-ACK
	Overrun   uint64 // messages dropped because the queue of deliveries was full: no SURB-ACK
	Malformed uint64 // messages without a proper SURB-ACK: dropped
	Turned    uint64 // connections beyond the limits
	Held      uint64 // packets of clients that waited, since they sent more than PacketRate
}

// Stats copies the counters out.
func (s *Server) Stats() Stats {
	return Stats{
		Node: s.node.Stats(), Session: s.sess.Stats(), Online: s.clients.count(),
		Pushed: s.count.pushed.Load(), Stored: s.count.stored.Load(), Unknown: s.count.unknown.Load(),
		Refused: s.count.refused.Load(), Overrun: s.count.overrun.Load(), Malformed: s.count.malformed.Load(),
		Turned: s.admission.limits.Refused(), Held: s.intake.held.Load(),
	}
}

// Run serves nodes on mix and clients on their ports until ctx ends, then
// returns nil. It closes all of them, and everything it started has returned
// before it does. Ports where clients speak TLS are made by [TLS].
func (s *Server) Run(ctx context.Context, mix net.Listener, clients ...net.Listener) error {
	if s.cfg.AllowLegacy {
		s.log.Warn().Msg("legacy clients are allowed: others can read and replay much of what is between them and this gateway")
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.node.Run(ctx, mix) })
	g.Go(func() error { return s.deliver.run(ctx) })
	g.Go(func() error { s.intake.run(ctx); return nil })
	g.Go(func() error { return s.prove(ctx) })
	g.Go(func() error { return s.serve(ctx, clients) })
	g.Go(func() error { return s.expire(ctx) })
	return g.Wait()
}

// serve accepts WebSockets.
func (s *Server) serve(ctx context.Context, ports []net.Listener) error {
	if len(ports) == 0 {
		return errors.New("gateway: no port for clients")
	}
	var sessions sync.WaitGroup
	srv := &http.Server{
		ReadHeaderTimeout: upgradePatience,
		IdleTimeout:       upgradePatience,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // it would name clients
		BaseContext:       func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sessions.Add(1)
			defer sessions.Done()
			conn, err := sessionserver.Accept(w, r)
			if err != nil {
				return
			}
			at, _ := netip.ParseAddrPort(r.RemoteAddr)
			// Not in this goroutine, whose stack is large, and which keeps the
			// request and its buffers.
			sessions.Go(func() {
				err := s.sess.Serve(withFrom(ctx, at.Addr()), conn)
				s.log.Debug().Err(err).Msg("session ended")
			})
		}),
	}
	ln := s.admission.listen(ports, s.log)
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.Serve(ln)
	srv.Close()
	ln.Close()
	ln.wait()
	sessions.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("gateway: clients' ports: %w", err)
}

// expire removes old mail and clients that do not come any more, at the start and
// then now and again.
func (s *Server) expire(ctx context.Context) error {
	t := time.NewTicker(expireEvery)
	defer t.Stop()
	for now := time.Now(); ; {
		if _, err := s.cfg.Inbox.Expire(ctx, now.Add(-s.cfg.MailAge)); err != nil && ctx.Err() == nil {
			s.log.Error().Err(err).Msg("old mail cannot be removed")
		}
		if err := s.clients.expire(ctx, now); err != nil && ctx.Err() == nil {
			s.log.Error().Err(err).Msg("old registrations cannot be removed")
		}
		select {
		case now = <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Admit implements [sessionserver.Handler].
func (s *Server) Admit(_ context.Context, client keys.Identity) error {
	return s.clients.admit(client)
}

// Claim implements [sessionserver.Handler].
func (s *Server) Claim(ctx context.Context, live *sessionserver.Session) error {
	return s.clients.claim(ctx, live)
}

// A liveSession is what a session that is online has beside it.
type liveSession struct {
	mail    *mailPush
	packets clientQueue
	proved  time.Time // when it was last noted that the client is in use; owned by the session's reader
}

// Online implements [sessionserver.Handler]: it starts pushing stored mail.
func (s *Server) Online(live *sessionserver.Session) {
	l := &liveSession{mail: newMailPush(s.cfg.Inbox, live, s.log)}
	s.mu.Lock()
	s.live[live] = l
	s.mu.Unlock()
	l.mail.stored()
}

// of finds what belongs to a session; nil: it is not online.
func (s *Server) of(live *sessionserver.Session) *liveSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[live]
}

// Fresh implements [sessionserver.Handler].
func (s *Server) Fresh(live *sessionserver.Session) {
	l := s.of(live)
	if l == nil {
		return
	}
	l.mail.fresh(live.Written())
	if now := time.Now(); now.Sub(l.proved) >= proveEvery {
		select {
		case s.proofs <- live.Client():
			l.proved = now
		default:
		}
	}
}

// prove notes which clients are in use until ctx ends.
func (s *Server) prove(ctx context.Context) error {
	for {
		select {
		case client := <-s.proofs:
			if err := s.clients.prove(ctx, client); err != nil && ctx.Err() == nil {
				s.log.Error().Err(err).Msg("clients' accounts cannot be written")
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Packet implements [sessionserver.Handler]. It waits while clients send more than the
// gateway passes on.
func (s *Server) Packet(live *sessionserver.Session, p wire.MixPacket) bool {
	if l := s.of(live); l != nil {
		s.intake.pass(&l.packets, p)
	}
	return true // also if it was dropped: the client learns of losses by missing SURB-ACKs
}

// Gone implements [sessionserver.Handler].
func (s *Server) Gone(live *sessionserver.Session) {
	s.clients.gone(live)
	s.mu.Lock()
	l := s.live[live]
	delete(s.live, live)
	s.mu.Unlock()
	if l != nil {
		l.mail.end()
	}
}
