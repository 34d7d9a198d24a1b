//go:build js && streams

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall/js"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/proxy"
)

// pieceSize is how much is read at a time: one crossing to JavaScript each.
const pieceSize = 64 << 10

// streams are what JavaScript has open, by numbers.
type streams struct {
	web web

	open struct {
		sync.Mutex
		last int
		m    map[int]any // net.Conn, net.Listener or io.ReadCloser
	}
}

// keep gives a number for what JavaScript has open from now on.
func (s *streams) keep(what any) int {
	s.open.Lock()
	defer s.open.Unlock()
	if s.open.m == nil {
		s.open.m = make(map[int]any)
	}
	s.open.last++
	s.open.m[s.open.last] = what
	return s.open.last
}

// of gives what a number stands for.
func of[T any](s *streams, number js.Value) (what T, err error) {
	s.open.Lock()
	defer s.open.Unlock()
	what, ok := s.open.m[number.Int()].(T)
	if !ok {
		return what, &coded{codeClosed, errors.New("it is closed")}
	}
	return what, nil
}

// forget closes what a number stands for.
func (s *streams) forget(number js.Value) error {
	s.open.Lock()
	what := s.open.m[number.Int()]
	delete(s.open.m, number.Int())
	s.open.Unlock()
	if c, ok := what.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// configure makes an endpoint of streams.
func (p *page) configure(cfg *endpoint.Config, options js.Value) error {
	for _, t := range texts(options, "requester") {
		if t == "auto" {
			continue
		}
		r, err := mixnet.ParseRecipientText(t)
		if err != nil {
			return badArgument("requester: %v", err)
		}
		cfg.Requesters = append(cfg.Requesters, r)
	}
	cfg.ListedRequesters = len(cfg.Requesters) == 0 && text(options, "requester") == "auto"
	cfg.Peers = options.Get("peers").Truthy()
	return p.web.init(p, text(options, "authorities"))
}

// receive is for the other program: here messages carry streams.
func (p *page) receive() {}

// operations are those on streams; a stream, listener or body is a number:
//
//	dial(number, target, isolation)     → Promise of a stream through a requester, "host:port"
//	dialAddress(number, address, port)  → Promise of a stream to another client
//	listen(number, port)                → Promise of [listener, port]
//	accept(number, listener)            → Promise of a stream
//	read(number, stream)                → Promise of a Uint8Array, null at the end
//	write(number, stream, bytes)        → Promise, fulfilled when the bytes are taken
//	closeWrite(number, stream)          → Promise, fulfilled when the end is under way
//	shut(number, stream)                → Promise
//	fetch(number, request)              → Promise of a response; see fetch.go
func (p *page) operations() map[string]operation {
	s := &p.streams
	return map[string]operation{
		"dial": func(ctx context.Context, args []js.Value) (any, error) {
			c, err := p.e.Dial(ctx, args[0].String(), proxy.DialOptions{Isolation: args[1].String()})
			if err != nil {
				return nil, err
			}
			return s.keep(net.Conn(c)), nil
		},
		"dialAddress": func(ctx context.Context, args []js.Value) (any, error) {
			to, err := mixnet.ParseRecipientText(args[0].String())
			if err != nil {
				return nil, badArgument("address: %v", err)
			}
			port, err := portOf(args[1])
			if err != nil {
				return nil, err
			}
			c, err := p.e.DialAddress(ctx, to, port)
			if err != nil {
				return nil, err
			}
			return s.keep(c), nil
		},
		"listen": func(_ context.Context, args []js.Value) (any, error) {
			port, err := portOf(args[0])
			if err != nil {
				return nil, err
			}
			ln, err := p.e.Listen(port)
			if err != nil {
				return nil, &coded{codeArgument, err}
			}
			_, at, err := net.SplitHostPort(ln.Addr().String())
			if err != nil {
				return nil, err
			}
			number, err := strconv.Atoi(at)
			return []any{s.keep(ln), number}, err
		},
		"accept": func(ctx context.Context, args []js.Value) (any, error) {
			ln, err := of[net.Listener](s, args[0])
			if err != nil {
				return nil, err
			}
			c, err := ln.Accept()
			if err != nil {
				return nil, &coded{codeClosed, err}
			}
			return s.keep(c), nil
		},
		"read": func(ctx context.Context, args []js.Value) (any, error) {
			r, err := of[io.Reader](s, args[0])
			if err != nil {
				return nil, err
			}
			b := make([]byte, pieceSize)
			n, err := r.Read(b)
			switch {
			case n > 0:
				return fromBytes(b[:n]), nil
			case err == io.EOF:
				return js.Null(), nil
			}
			return nil, err
		},
		"write": func(ctx context.Context, args []js.Value) (any, error) {
			w, err := of[io.Writer](s, args[0])
			if err != nil {
				return nil, err
			}
			_, err = w.Write(toBytes(args[1]))
			return nil, err
		},
		"closeWrite": func(ctx context.Context, args []js.Value) (any, error) {
			c, err := of[interface{ CloseWrite() error }](s, args[0])
			if err != nil {
				return nil, err
			}
			return nil, c.CloseWrite()
		},
		"shut":  func(_ context.Context, args []js.Value) (any, error) { return nil, s.forget(args[0]) },
		"fetch": func(ctx context.Context, args []js.Value) (any, error) { return p.web.fetch(ctx, p, args[0]) },
	}
}

func portOf(v js.Value) (uint16, error) {
	if v.Type() != js.TypeNumber || v.Int() < 0 || v.Int() > 65535 {
		return 0, badArgument("port: want a number from 0 to 65535")
	}
	return uint16(v.Int()), nil
}
