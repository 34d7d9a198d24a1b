package wsapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"nym-socks5/mixnet"
)

// Streams opens and takes byte streams for programs (socks.md §21.8).
//
//	CONNECT ADDRESS:PORT ───▶ Dial ─────────────▶ Splice     until both directions ended
//	{"type":"listen"} ──────▶ Listen ──▶ Next
//	{"type":"incoming"} ◀──────────────────┘
//	CONNECT STREAM:PORT ───▶ Accept ────────────▶ Splice
//	{"type":"refuse"} ─────▶ Refuse
type Streams struct {
	// Dial opens a stream to a port of an address.
	Dial func(ctx context.Context, to mixnet.Recipient, port uint16) (net.Conn, error)
	// Listen takes streams to a port of ours.
	Listen func(port uint16) (StreamListener, error)
	// Splice copies between a stream and the socket of a program until both
	// directions ended, and closes both. from is read in place of the socket.
	Splice func(ctx context.Context, stream, socket net.Conn, from io.Reader)
}

// A StreamListener is a port that somebody listens at.
type StreamListener interface {
	// Next waits for the next stream to the port. It fails once the listener is closed.
	Next(ctx context.Context) (IncomingStream, error)
	Close() error
}

// An IncomingStream is one that somebody asks for. Accept or Refuse is called once.
type IncomingStream interface {
	Accept() (net.Conn, error)
	Refuse()
	// Context ends when whoever asked has given up.
	Context() context.Context
}

// arrivals are the streams that programs were told of and have not come for, by the
// names they were told.
type arrivals struct {
	mu     sync.Mutex
	byName map[string]*arrival
}

type arrival struct {
	in    IncomingStream
	of    *peer
	port  uint16
	taken chan struct{} // closed when somebody has come for it, or it is refused
}

// add gives a stream a name. It has 130 bits, so that only who was told it knows it,
// and is longer than the name of an address may be.
func (a *arrivals) add(v *arrival) (name string) {
	name = strings.ToLower(rand.Text())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byName[name] = v
	return name
}

// take gives a stream to the first who comes for it; nil: there is none of that name.
func (a *arrivals) take(name string) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.byName[name]
	if v != nil {
		delete(a.byName, name)
		close(v.taken)
	}
	return v
}

// listeners are the ports at which a program listens.
type listeners struct {
	mu     sync.Mutex
	byPort map[uint16]StreamListener
	closed bool
	all    sync.WaitGroup
}

// listen has a program take the streams to a port.
func (p *peer) listen(r *request) error {
	port := r.port
	if p.s.cfg.Streams == nil {
		return &failure{otherFailure, "this client has no streams"}
	}
	l := &p.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case port == 0:
		return malformed("the port is none from 1 to 65535")
	case l.closed:
		return &failure{otherFailure, "the connection is ending"}
	case len(l.byPort) >= maxPorts:
		return &failure{otherFailure, fmt.Sprintf("the program listens at %d ports already, and no more are allowed", maxPorts)}
	}
	ln, err := p.s.cfg.Streams.Listen(port)
	if err != nil {
		return err
	}
	if l.byPort == nil {
		l.byPort = make(map[uint16]StreamListener)
	}
	l.byPort[port] = ln
	p.ok(r) // before what it leads to
	l.all.Go(func() { p.offer(ln, port) })
	return nil
}

// unlisten ends that. Streams that were accepted live on.
func (p *peer) unlisten(port uint16) error {
	l := &p.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.byPort[port]
	if ln == nil {
		return &failure{otherFailure, fmt.Sprintf("the program does not listen at port %d", port)}
	}
	delete(l.byPort, port)
	return ln.Close()
}

// close ends all listeners of a program, and waits for what they told it.
func (l *listeners) close() {
	l.mu.Lock()
	l.closed = true
	for _, ln := range l.byPort {
		ln.Close()
	}
	l.mu.Unlock()
	l.all.Wait()
}

// offer tells the program of each stream to a port, until the listener is closed.
func (p *peer) offer(ln StreamListener, port uint16) {
	places := make(chan struct{}, maxArrivals)
	var told sync.WaitGroup
	defer told.Wait()
	for {
		in, err := ln.Next(p.live)
		if err != nil {
			return // it is closed, or will be when the program has gone
		}
		select {
		case places <- struct{}{}:
		default:
			in.Refuse()
			continue
		}
		told.Go(func() {
			defer func() { <-places }()
			p.tell(in, port)
		})
	}
}

// tell tells the program of a stream, and refuses it if nobody comes for it.
func (p *peer) tell(in IncomingStream, port uint16) {
	v := &arrival{in: in, of: p, port: port, taken: make(chan struct{})}
	name := p.s.arrivals.add(v)
	p.answer(response{kind: incomingResponse, stream: name, port: port}, textFormat)
	patience := time.NewTimer(arrivalPatience)
	defer patience.Stop()
	select {
	case <-v.taken:
		return
	case <-in.Context().Done():
	case <-patience.C:
	case <-p.live.Done():
	}
	if p.s.arrivals.take(name) != nil {
		in.Refuse()
	}
}

// refuse refuses a stream of which the program was told.
func (p *peer) refuse(name string) error {
	v := p.s.arrivals.take(name)
	if v == nil {
		return &failure{otherFailure, "no stream of that name waits"}
	}
	v.in.Refuse()
	return nil
}

// connect serves a CONNECT: the connection becomes a stream, or is told why not.
func (s *Server) connect(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) {
		s.count.refused.Add(1)
		http.Error(w, why, status)
	}
	switch {
	case !s.guard.connects(r):
		refuse(http.StatusForbidden, "web pages may not open streams; programs may, with the token if there is one, in the header Authorization: Bearer TOKEN")
		return
	case s.cfg.Streams == nil:
		refuse(http.StatusNotImplemented, "this client has no streams")
		return
	case !s.enter(s.channels):
		refuse(http.StatusServiceUnavailable, fmt.Sprintf("%d streams are open, and no more may be", cap(s.channels)))
		return
	}
	defer s.leave(s.channels)
	asking, cancel := context.WithCancel(r.Context()) // ends when the program goes away
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	stream, err := s.stream(asking, r.RequestURI)
	if err != nil {
		refuse(statusOf(err), asFailure(err).detail)
		return
	}
	defer stream.Close()
	socket, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if _, err := io.WriteString(socket, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		socket.Close()
		return
	}
	s.cfg.Streams.Splice(ctx, stream, socket, buffered.Reader)
}

// stream gives the stream that a target names: one that waits, or one to an address.
func (s *Server) stream(ctx context.Context, target string) (net.Conn, error) {
	colon := strings.LastIndexByte(target, ':')
	if colon < 0 {
		return nil, malformed("the target has no port: ADDRESS:PORT")
	}
	host, text := target[:colon], target[colon+1:]
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || strconv.FormatUint(port, 10) != text {
		return nil, malformed("the target has no port from 0 to 65535: ADDRESS:PORT")
	}
	if v := s.arrivals.take(host); v != nil {
		return v.in.Accept()
	}
	to, err := s.cfg.Names.recipient(host)
	if err != nil {
		return nil, err
	}
	return s.cfg.Streams.Dial(ctx, to, uint16(port))
}

// statusOf gives the status that says why there is no stream.
func statusOf(err error) int {
	var f *failure
	var late interface{ Timeout() bool }
	switch {
	case errors.As(err, &f) && f.kind == malformedRequest:
		return http.StatusBadRequest
	case errors.As(err, &late) && late.Timeout():
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
