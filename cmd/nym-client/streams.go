package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wsapi"
	"nym-socks5/mixnet/wsapi/wsclient"
	"nym-socks5/proxy"
)

// streams lets programs have those of an endpoint.
func streams(e *endpoint.Endpoint) *wsapi.Streams {
	return &wsapi.Streams{
		Dial: func(ctx context.Context, to mixnet.Recipient, port uint16) (net.Conn, error) {
			c, err := e.DialAddress(ctx, to, port)
			var open *proxy.OpenError
			if errors.As(err, &open) {
				return nil, &noStream{open, port}
			}
			return c, err
		},
		Listen: func(port uint16) (wsapi.StreamListener, error) {
			l, err := e.Listen(port)
			if err != nil {
				return nil, err // and no typed nil beside it
			}
			return portListener{l}, nil
		},
		Splice: func(ctx context.Context, stream, socket net.Conn, from io.Reader) {
			proxy.Splice(ctx, stream.(proxy.Stream), socket, from)
		},
	}
}

// A noStream says why a stream to an address was not opened.
type noStream struct {
	*proxy.OpenError
	port uint16
}

func (e *noStream) Error() string {
	switch e.Reason {
	case proxy.ReasonRefused:
		return fmt.Sprintf("port %d is refused: nobody listens at it there", e.port)
	case proxy.ReasonLimit:
		return "too many streams are open, here or there"
	case proxy.ReasonNoNetwork:
		return "the address cannot be reached: its gateway is not in this network, or this client is not connected; see nym-client status"
	}
	return "no answer: is the address right, and does a client that takes streams run there?"
}

// A portListener gives the endpoint's own the form that wsapi wants.
type portListener struct{ *endpoint.Listener }

func (p portListener) Next(ctx context.Context) (wsapi.IncomingStream, error) {
	in, err := p.Listener.Next(ctx)
	if err != nil {
		return nil, err
	}
	return in, nil
}

var dialCommand = cli.Command[*config.NymClient]{
	Name: "dial", Usage: "connect standard input and output to a port of an address: ssh -o ProxyCommand='nym-client dial %h %p' NAME",
	Args: []string{"TO", "PORT"}, Settings: portSettings,
	Do: dial,
}

var listenCommand = cli.Command[*config.NymClient]{
	Name: "listen", Usage: "pass on what comes to a port of this client's address",
	Args: []string{"PORT"}, Settings: portSettings,
	Flags: []cli.Flag{{Name: "to", Arg: "HOST:PORT", Help: "where to, such as 127.0.0.1:22", Needed: true}},
	Do:    listenAt,
}

// parsePort parses a port, which has a least number.
func parsePort(text string, least uint64) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < least {
		return 0, cli.Usage("%q is no port from %d to 65535", text, least)
	}
	return uint16(n), nil
}

// dial connects standard input and output to a stream. When its far end has no more
// to say, standard output is closed; it returns when standard input has ended too.
func dial(c *call) ([]cli.Detail, error) {
	port, err := parsePort(c.Args[1], 0) // 0: a stream of Nym's SDK, which knows no ports
	if err != nil {
		return nil, err
	}
	secret, err := token(c.Config.WebSocket)
	if err != nil {
		return nil, err
	}
	at := reachable(c.Config.WebSocket.Listen).String()
	s, err := wsclient.Open(c.Context(), at, fmt.Sprintf("%s:%d", c.Args[0], port), wsclient.Options{Token: secret})
	if err != nil {
		return nil, unopened(at, err)
	}
	defer s.Close()
	defer context.AfterFunc(c.Context(), func() { s.Close() })()
	said := make(chan error, 1) // ends with the process if standard input does not
	go func() {
		_, err := io.Copy(s.TCPConn, c.In())
		s.CloseWrite()
		said <- err
	}()
	_, err = io.Copy(c.Out(), s)
	if c.Context().Err() != nil {
		return nil, nil // it was told to end
	}
	if err == nil {
		if out, ok := c.Out().(io.Closer); ok {
			out.Close()
		}
		err = <-said
	}
	if err != nil {
		return nil, fmt.Errorf("the stream broke off: %w", err)
	}
	return nil, nil
}

// unopened makes an error of a stream that was not opened one with the exit code that
// tells whether it makes sense to try again.
func unopened(at string, err error) error {
	var said *wsclient.StatusError
	if !errors.As(err, &said) {
		return silent(at, err)
	}
	switch said.Status {
	case http.StatusBadRequest:
		return cli.Usage("%s", said.Text)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return cli.Temporary(said)
	}
	return said
}

// listenAt passes streams on until it is told to end.
func listenAt(c *call) ([]cli.Detail, error) {
	port, err := parsePort(c.Args[0], 1)
	if err != nil {
		return nil, err
	}
	f := forwarder{to: c.Flag("to"), at: reachable(c.Config.WebSocket.Listen).String(), warn: os.Stderr}
	if _, _, err := net.SplitHostPort(f.to); err != nil {
		return nil, cli.Usage("--to %q: say a host and a port, such as 127.0.0.1:22", f.to)
	}
	if f.token, err = token(c.Config.WebSocket); err != nil {
		return nil, err
	}
	conn, ctx, cancel, err := connect(c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer conn.Close()
	var s wsapi.Status
	if err := conn.Status(ctx, &s); err != nil {
		return nil, err
	}
	if err := conn.Listen(ctx, port); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.Out(), "%s %d\n", s.Address, port)
	defer f.all.Wait()
	for {
		name, err := conn.Incoming(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, nil // it was told to end
		case err != nil:
			return nil, cli.Temporary(errors.New("the nym-client that runs has ended"))
		}
		f.all.Go(func() { f.pass(ctx, conn, name, port) })
	}
}

// A forwarder connects streams to a target.
type forwarder struct {
	to        string // host:port
	at, token string // of the client that runs
	warn      io.Writer
	all       sync.WaitGroup

	mu     sync.Mutex
	failed bool // the target took no connection the last time
}

// pass connects one stream to the target, or refuses it if that takes no connection.
func (f *forwarder) pass(ctx context.Context, conn *wsclient.Conn, name string, port uint16) {
	dialing, cancel := context.WithTimeout(ctx, localPatience)
	defer cancel()
	c, err := new(net.Dialer).DialContext(dialing, "tcp", f.to)
	f.note(err)
	if err != nil {
		conn.Refuse(ctx, name)
		return
	}
	defer c.Close()
	s, err := wsclient.Open(ctx, f.at, fmt.Sprintf("%s:%d", name, port), wsclient.Options{Token: f.token})
	if err != nil {
		return // whoever asked has gone
	}
	defer s.Close()
	relay(ctx, s, c.(*net.TCPConn))
}

// note tells when the target begins to take no connections, and when it does again.
func (f *forwarder) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil && !f.failed:
		fmt.Fprintf(f.warn, "nym-client: %s takes no connections: does what is to listen there run?\n", f.to)
	case err == nil && f.failed:
		fmt.Fprintf(f.warn, "nym-client: %s takes connections again\n", f.to)
	}
	f.failed = err != nil
}

// relay copies between a stream and a socket until both directions ended or one of
// the two broke off, which then breaks off the other.
func relay(ctx context.Context, s *wsclient.Stream, c *net.TCPConn) {
	breakOff := func() {
		for _, c := range []*net.TCPConn{s.TCPConn, c} {
			c.SetLinger(0)
			c.Close()
		}
	}
	defer context.AfterFunc(ctx, breakOff)()
	var both sync.WaitGroup
	copied := func(to *net.TCPConn, from io.Reader) func() {
		return func() {
			if _, err := io.Copy(to, from); err != nil {
				breakOff()
				return
			}
			to.CloseWrite()
		}
	}
	both.Go(copied(c, s))
	both.Go(copied(s.TCPConn, c))
	both.Wait()
}
