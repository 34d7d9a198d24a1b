package link

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/admit"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

// errRefused reports a connection that a rule turns away. The peer is not told
// which: it only sees the connection end.
var errRefused = errors.New("link: connection refused by rule")

// A Standing is what the network knows of an IP from which a node connects.
// The zero Standing is that of a node that announces no Noise key.
type Standing struct {
	// Stranger: no node of the network is at this IP. Strangers share one
	// small budget of connections and handshakes.
	Stranger bool
	// Noise: plain frames from there are refused, because its nodes, or all
	// nodes of the network, announce a Noise key.
	Noise bool
}

// A ServerConfig configures a Server.
type ServerConfig struct {
	// Key is our static Noise key. If nil, Noise is off and all links are plain.
	Key *keys.NoiseKey
	// Previous is the key before that, under which others may still know us. If nil,
	// there is none.
	Previous *keys.NoiseKey
	// Standing is asked once for each connection. If nil, everybody has the
	// zero Standing.
	Standing func(netip.Addr) Standing
	// Admit decides whether a Noise link is accepted from an initiator with
	// this static key. If nil, every key is, as among real nodes.
	Admit func(keys.Noise) bool
	// Serve reads one link until it ends, or until ctx ends, when reads fail.
	// The server closes the connection after it returns.
	Serve func(ctx context.Context, in *Inbound)

	// MaxConns bounds the open connections. If zero, it is 4096.
	MaxConns int
	// MaxConnsPerAddr bounds those of one IPv4 address or IPv6 /56. If zero, it is 64.
	MaxConnsPerAddr int
	// MaxStrangers bounds those of all strangers together. If zero, it is 64.
	MaxStrangers int
	// ExemptLoopback lifts MaxConnsPerAddr for loopback addresses, where a
	// whole network on one machine lives.
	ExemptLoopback bool
	// HandshakeTimeout is how long a peer has for its first byte and the
	// handshake together. If zero, it is 1.5 seconds.
	HandshakeTimeout time.Duration
	// MaxHandshakes bounds the handshakes computed at once. If zero, it is
	// half the CPUs, at least one.
	MaxHandshakes int
	// HandshakeRate bounds the handshakes that nodes of the network begin in a
	// second. Strangers may open a quarter as many connections, of either kind. If
	// zero, it is 400.
	HandshakeRate int
	// IdleTimeout is how long a link may be silent. If zero, it is 30 minutes.
	IdleTimeout time.Duration
	// Log receives the server's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// ServerStats count since the start, save Open.
type ServerStats struct {
	Open       int    // links now open, handshakes included
	Accepted   uint64 // links handed to Serve
	Refused    uint64 // turned away by a limit or by the rules of Noise
	Handshakes uint64 // that failed or took too long
}

// A Server accepts links.
type Server struct {
	cfg       ServerConfig
	limits    *admit.Limiter // places of all
	strangers *admit.Limiter // places of strangers, a part of them, and their pace
	nodes     *admit.Limiter // the pace of the handshakes of nodes
	slots     admit.Slots    // for handshakes being computed; waits within the handshake's time

	accepted, refused, failed atomic.Uint64
}

// NewServer makes a Server. Serve must be set.
func NewServer(cfg ServerConfig) *Server {
	def(&cfg.MaxConns, maxConns)
	def(&cfg.MaxConnsPerAddr, maxConnsPerAddr)
	def(&cfg.MaxStrangers, maxStrangers)
	def(&cfg.HandshakeTimeout, handshakeTimeout)
	def(&cfg.MaxHandshakes, max(1, runtime.GOMAXPROCS(0)/2))
	def(&cfg.HandshakeRate, handshakeRate)
	def(&cfg.IdleTimeout, idleTimeout)
	cfg.Log = cfg.Log.With().Str("component", "link").Logger()
	return &Server{
		cfg: cfg,
		limits: admit.New(admit.Limits{
			Places: cfg.MaxConns, PlacesPerPrefix: cfg.MaxConnsPerAddr, CountLoopback: !cfg.ExemptLoopback,
		}),
		strangers: admit.New(admit.Limits{Places: cfg.MaxStrangers, Rate: max(1, cfg.HandshakeRate/4)}),
		nodes:     admit.New(admit.Limits{Rate: cfg.HandshakeRate}),
		slots:     admit.NewSlots(cfg.MaxHandshakes),
	}
}

// def sets a zero value to its default.
func def[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Stats copies the counters out.
func (s *Server) Stats() ServerStats {
	return ServerStats{Open: s.limits.In(), Accepted: s.accepted.Load(), Refused: s.refused.Load(), Handshakes: s.failed.Load()}
}

// Run accepts links from ln until ctx ends, then returns nil. It closes ln and
// all links, and every goroutine it started has returned before it does.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	err := admit.Accept(ctx, ln, s.cfg.Log, func(conn net.Conn) {
		ip := admit.AddrPort(conn.RemoteAddr()).Addr()
		stand := s.standing(ip)
		leave, ok := s.enter(ip, stand)
		if !ok {
			s.refused.Add(1)
			conn.Close()
			return
		}
		wg.Go(func() {
			defer leave()
			s.serve(ctx, conn, stand)
		})
	})
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return nil
}

// enter takes a place for a connection, and for a stranger's one of the few
// there are for strangers. leave gives back what was taken. Strangers that come
// too fast are closed before anything is read, which costs least (H23).
func (s *Server) enter(ip netip.Addr, stand Standing) (leave func(), ok bool) {
	if stand.Stranger && !s.strangers.Allow(ip, time.Now()) {
		return nil, false
	}
	place, ok := s.limits.Enter(ip)
	if !ok {
		return nil, false
	}
	if !stand.Stranger {
		return place.Leave, true
	}
	strange, ok := s.strangers.Enter(ip)
	if !ok {
		place.Leave()
		return nil, false
	}
	return func() { place.Leave(); strange.Leave() }, true
}

func (s *Server) standing(ip netip.Addr) Standing {
	if s.cfg.Standing == nil {
		return Standing{}
	}
	return s.cfg.Standing(ip)
}

func (s *Server) serve(ctx context.Context, conn net.Conn, stand Standing) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in, err := s.open(ctx, conn, stand)
	switch {
	case err == nil:
		s.accepted.Add(1)
		s.cfg.Serve(ctx, in)
	case errors.Is(err, errRefused):
		s.refused.Add(1)
	default:
		s.failed.Add(1)
	}
}

// open finds out by the first byte what kind of link it is, and does the
// handshake.
func (s *Server) open(ctx context.Context, conn net.Conn, stand Standing) (*Inbound, error) {
	deadline := time.Now().Add(s.cfg.HandshakeTimeout)
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	m := newMessageReader(conn)
	if err := m.need(1); err != nil {
		return nil, err
	}
	in := &Inbound{
		peer: Peer{Addr: admit.AddrPort(conn.RemoteAddr()), Stranger: stand.Stranger},
		conn: conn,
		idle: s.cfg.IdleTimeout,
	}
	switch first := m.bytes()[0]; {
	case first == firstNoiseByte && s.cfg.Key != nil:
		r, err := s.respond(ctx, deadline, conn, m, in)
		if err != nil {
			return nil, err
		}
		in.in = buffer{r: r}
	case wire.FrameVersion(first).HeaderSize() == 0:
		return nil, errRefused
	case stand.Noise && s.cfg.Key != nil: // a downgrade
		return nil, errRefused
	default:
		in.in = m.buffer
	}
	return in, conn.SetDeadline(time.Time{})
}

// respond does the handshake within the budgets: of handshakes in a second,
// and of those computed at once (H23). Only a peer that sent a whole message
// has a share in them.
func (s *Server) respond(ctx context.Context, deadline time.Time, conn net.Conn, m *messageReader, in *Inbound) (*noiseReader, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := m.need(noiseHeader + handshake1); err != nil {
		return nil, err
	}
	if !in.peer.Stranger && !s.nodes.Allow(in.peer.Addr.Addr(), time.Now()) {
		return nil, errRefused // strangers came at their pace
	}
	var r *responder
	err := s.slots.Do(ctx, func() (err error) {
		r, err = newResponder(m, conn, rand.Reader, s.cfg.Key, s.cfg.Previous)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := m.need(noiseHeader + handshake3); err != nil {
		return nil, err
	}
	out := &noiseReader{m: m}
	err = s.slots.Do(ctx, func() (err error) {
		in.peer.Noise, out.cipher, _, err = r.finish()
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.cfg.Admit != nil && !s.cfg.Admit(in.peer.Noise) {
		return nil, errRefused
	}
	return out, nil
}
