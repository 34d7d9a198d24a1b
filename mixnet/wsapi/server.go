package wsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/internal/admit"
	"nym-socks5/mixnet"
)

// Config is what a Server is made of. Only Messenger must be set.
type Config struct {
	// Messenger sends and receives. Nobody else may call its Receive.
	Messenger mixnet.Messenger
	// Hosts are the names under which the port is reached, beside loopback
	// addresses. If nil, it is localhost.
	Hosts []string
	// Origins are those of web pages that may connect, such as
	// http://localhost:3000. Programs have none, and always may.
	Origins []string
	// Token, if set, must be shown by whoever connects: in the header
	// "Authorization: Bearer TOKEN", or as ?token=TOKEN.
	Token string
	// MaxPeers is how many programs may be connected. If zero, it is 64.
	MaxPeers int
	// MaxStreams is how many streams programs may have open. If zero, it is 256.
	MaxStreams int
	// KeepMessages and KeepBytes bound what is kept while nobody is connected;
	// the oldest messages go first. If zero, they are 4096 and 32 MiB.
	KeepMessages int
	KeepBytes    int
	// Backlog keeps them. If nil, it is in memory.
	Backlog Backlog
	// Names finds the address that the name of a recipient stands for. If nil,
	// there are none. Many goroutines may call it.
	Names Names
	// Client says how the client fares, for programs that ask for the status: what
	// encodes to a JSON object. If nil, nothing is said of it.
	Client func() any
	// Streams opens and takes byte streams. If nil, there are none.
	Streams *Streams
	// Outbox is how many bytes may wait for one program to read them before it
	// is disconnected. If zero, it is KeepBytes and 64 MiB.
	Outbox int
	// Log receives the server's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// A Server lets programs use a Messenger.
type Server struct {
	cfg   Config
	log   zerolog.Logger
	guard guard
	tags  *tags
	hub   hub
	lane  atomic.Uint64 // drawn last
	seats chan struct{} // a token per peer; full: one more is refused

	channels chan struct{} // likewise, per stream
	arrivals arrivals

	maxFrame  int64 // bytes of one request
	maxQueued int64 // bytes of requests of one program that wait
	count     struct{ connected, refused atomic.Uint64 }

	mu     sync.Mutex
	closed bool // no more peers
	peers  sync.WaitGroup
}

// New makes a server. It starts nothing; see [Server.Run].
func New(cfg Config) (*Server, error) {
	if cfg.Messenger == nil {
		return nil, errors.New("wsapi: no messenger")
	}
	if cfg.MaxPeers < 0 || cfg.MaxStreams < 0 || cfg.KeepMessages < 0 || cfg.KeepBytes < 0 || cfg.Outbox < 0 {
		return nil, errors.New("wsapi: negative limit")
	}
	if i := slices.IndexFunc(cfg.Origins, func(o string) bool { return !ValidOrigin(o) }); i >= 0 {
		return nil, fmt.Errorf("wsapi: %q is no origin", cfg.Origins[i])
	}
	if cfg.Hosts == nil {
		cfg.Hosts = []string{"localhost"}
	}
	setDefault(&cfg.MaxPeers, DefaultMaxPeers)
	setDefault(&cfg.MaxStreams, DefaultMaxStreams)
	setDefault(&cfg.KeepMessages, DefaultKeepMessages)
	setDefault(&cfg.KeepBytes, DefaultKeepBytes)
	setDefault(&cfg.Outbox, cfg.KeepBytes+64<<20)
	if cfg.Backlog == nil {
		cfg.Backlog = NewMemoryBacklog(cfg.KeepMessages, cfg.KeepBytes)
	}
	log := cfg.Log.With().Str("component", "wsapi").Logger()
	return &Server{
		cfg:   cfg,
		log:   log,
		guard: guard{hosts: cfg.Hosts, origins: cfg.Origins, token: cfg.Token},
		tags:  newTags(maxTags),
		hub:   hub{peers: make(map[*peer]*membership), backlog: cfg.Backlog, log: log},
		seats: make(chan struct{}, cfg.MaxPeers),

		channels: make(chan struct{}, cfg.MaxStreams),
		arrivals: arrivals{byName: make(map[string]*arrival)},

		maxFrame:  maxFrame,
		maxQueued: maxQueued,
	}, nil
}

func setDefault(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

// Stats are the counters of a Server since it was made, and two gauges.
type Stats struct {
	Peers     int    // programs connected now
	Kept      int    // messages that wait for one
	Connected uint64 // programs that connected
	Refused   uint64 // connections refused
	Received  uint64 // messages that arrived
	Dropped   uint64 // of them, those that nobody came for
}

// Stats copies the counters out.
func (s *Server) Stats() Stats {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	kept, _ := s.hub.backlog.Len()
	return Stats{
		Peers:     len(s.hub.peers),
		Kept:      kept,
		Connected: s.count.connected.Load(),
		Refused:   s.count.refused.Load(),
		Received:  s.hub.arrived,
		Dropped:   s.hub.dropped,
	}
}

// A Status is how a Server fares, as a program is told it.
type Status struct {
	Address  string `json:"address"`
	Programs int    `json:"programs"` // connected
	Kept     int    `json:"kept"`     // messages that wait for one
	KeptSize int    `json:"keptBytes"`
	Received uint64 `json:"received"` // messages since the start
	Dropped  uint64 `json:"dropped"`  // of them, those that nobody came for
	Client   any    `json:"client,omitempty"`
}

func (s *Server) status() *Status {
	n := s.Stats()
	st := &Status{
		Address: s.cfg.Messenger.Address().String(), Programs: n.Peers, Kept: n.Kept, Received: n.Received, Dropped: n.Dropped,
	}
	s.hub.mu.Lock()
	_, st.KeptSize = s.hub.backlog.Len()
	s.hub.mu.Unlock()
	if s.cfg.Client != nil {
		st.Client = s.cfg.Client()
	}
	return st
}

// Run serves programs that connect to ln until ctx ends, then returns nil. It
// closes ln, and every goroutine it started has returned before it does. It may
// be called once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.receive(ctx) })
	g.Go(func() error { return s.serve(ctx, ln) })
	return g.Wait()
}

// receive is the one reader of the Messenger.
func (s *Server) receive(ctx context.Context) error {
	for {
		m, err := s.cfg.Messenger.Receive(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wsapi: receive: %w", err)
		}
		s.hub.deliver(m)
	}
}

// connKey is where the context of a request has its net.Conn.
type connKey struct{}

// serve answers on ln until ctx ends.
func (s *Server) serve(ctx context.Context, ln net.Listener) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	s.log.Info().Stringer("addr", ln.Addr()).Msg("listening")
	srv := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(ctx, w, r) }),
		ReadHeaderTimeout: headerPatience,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:          log.New(io.Discard, "", 0), // it would name who asks (H38)
	}
	srv.SetKeepAlivesEnabled(false)
	limits := admit.New(admit.Limits{Places: s.cfg.MaxPeers + s.cfg.MaxStreams + waiting, PlacesPerPrefix: maxConnsPerAddr})
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(admit.Listen(ln, limits)) }()
	var failed error
	select {
	case err := <-ended:
		failed = fmt.Errorf("wsapi: accept: %w", err)
		ended <- nil // is waited for below
	case <-ctx.Done():
	}
	end()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if srv.Shutdown(stopping) != nil { // who is slow is cut off
		srv.Close()
	}
	<-ended
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.peers.Wait()
	return failed
}

// The sub-protocols: each is the form of messages before the first request.
var firstFormats = map[string]format{"nym.text": textFormat, "nym.base64": base64Format}

// answer answers a request. ctx is that of the server.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		s.connect(ctx, w, r)
		return
	}
	s.admit(ctx, w, r)
}

// admit makes a peer of a request and serves it.
func (s *Server) admit(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, what, why string) {
		s.count.refused.Add(1)
		s.log.Debug().Str("reason", what).Msg("connection refused")
		http.Error(w, why, status)
	}
	if what, why := s.guard.objection(r); what != "" {
		refuse(http.StatusForbidden, what, why)
		return
	}
	if !s.enter(s.seats) {
		refuse(http.StatusServiceUnavailable, "full", fmt.Sprintf("%d programs are connected, and no more may be", s.cfg.MaxPeers))
		return
	}
	defer s.leave(s.seats)
	conn := r.Context().Value(connKey{}).(net.Conn)
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the guard has looked at the origin
		Subprotocols:       []string{"nym.text", "nym.base64"},
	})
	if err != nil {
		s.count.refused.Add(1)
		return
	}
	n := s.count.connected.Add(1)
	l := s.log.With().Uint64("peer", n).Logger()
	l.Debug().Msg("peer connected")
	newPeer(s, ws, conn, firstFormats[strings.ToLower(ws.Subprotocol())], l).run(ctx, r.URL.Query().Get("subscribe") == "later")
	l.Debug().Msg("peer gone")
}

// enter takes a seat among those of peers or of streams; leave gives it back.
func (s *Server) enter(seats chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	select {
	case seats <- struct{}{}:
		s.peers.Add(1)
		return true
	default:
		return false
	}
}

func (s *Server) leave(seats chan struct{}) {
	<-seats
	s.peers.Done()
}

// newLane draws a lane. None is ever used twice.
func (s *Server) newLane() mixnet.Lane { return mixnet.Lane(s.lane.Add(1)) }
