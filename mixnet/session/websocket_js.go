package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall/js"
	"time"

	"nym-socks5/mixnet/session/protocol"
)

// A DialFunc opens connections below a WebSocket. In a browser it is not used.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// States of a browser's WebSocket (WHATWG, "ready state").
const readyOpen = 1

// Dial opens a WebSocket to a gateway by the API of the browser, or of Node.js:
// url is ws://host:port or wss://host:port. A page that came over https may open
// wss only. ctx bounds the opening only.
func Dial(ctx context.Context, url string, _ DialFunc) (_ MessageConn, err error) {
	constructor := js.Global().Get("WebSocket")
	if constructor.IsUndefined() {
		return nil, errors.New("session: dial: there is no WebSocket here; Node.js has one from version 22 on, or takes one as globalThis.WebSocket")
	}
	defer func() {
		// The constructor throws, as a SecurityError where the page may not.
		if v := recover(); v != nil {
			thrown, ok := v.(js.Error)
			if !ok {
				panic(v)
			}
			err = fmt.Errorf("session: dial: %s", thrown.Get("name").String())
		}
	}()
	c := &pageConn{ws: constructor.New(url), opened: make(chan struct{}), ended: make(chan struct{}), news: make(chan struct{}, 1)}
	c.ws.Set("binaryType", "arraybuffer")
	c.listen()
	select {
	case <-c.opened:
		return c, nil
	case <-c.ended:
		return nil, errors.New("session: dial: no WebSocket there")
	case <-ctx.Done():
		c.ws.Call("close")
		return nil, fmt.Errorf("session: dial: %w", ctx.Err())
	}
}

// A pageConn is the browser's WebSocket as a MessageConn. The browser reads on
// whether or not we do, so what arrives is kept, up to [maxArrived].
type pageConn struct {
	ws     js.Value
	opened chan struct{} // closed when it is open
	ended  chan struct{} // closed when it is over
	news   chan struct{} // has something when arrived has; one token is enough
	funcs  []js.Func

	mu      sync.Mutex // guards the following
	arrived []arrival
	size    int // bytes of arrived
	err     error
}

// An arrival is a message that was not read yet.
type arrival struct {
	text bool
	b    []byte
}

// listen takes the events of the WebSocket. Each runs on the page's event loop,
// so none of them waits.
func (c *pageConn) listen() {
	on := func(event string, do func(js.Value)) {
		f := js.FuncOf(func(_ js.Value, args []js.Value) any {
			do(args[0])
			return nil
		})
		c.funcs = append(c.funcs, f)
		c.ws.Set("on"+event, f)
	}
	on("open", func(js.Value) { close(c.opened) })
	on("message", func(e js.Value) { c.arrive(e.Get("data")) })
	on("close", func(e js.Value) {
		err := ErrClosed
		if e.Get("code").Int() == CloseReplaced {
			err = ErrReplaced
		}
		c.fail(err)
		close(c.ended)
		for _, f := range c.funcs {
			f.Release()
		}
	})
}

func (c *pageConn) arrive(data js.Value) {
	var a arrival
	if a.text = data.Type() == js.TypeString; a.text {
		a.b = []byte(data.String())
	} else {
		view := js.Global().Get("Uint8Array").New(data)
		a.b = make([]byte, view.Get("length").Int())
		js.CopyBytesToGo(a.b, view)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return
	case len(a.b) > protocol.MaxMessage:
		c.err = errTooBig
	case c.size+len(a.b) > maxArrived:
		c.err = ErrClosed
	default:
		c.arrived, c.size = append(c.arrived, a), c.size+len(a.b)
	}
	if c.err != nil {
		c.ws.Call("close")
	}
	c.tell()
}

func (c *pageConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.tell()
}

func (c *pageConn) tell() {
	select {
	case c.news <- struct{}{}:
	default: // there is one already
	}
}

// Read implements [MessageConn].
func (c *pageConn) Read(ctx context.Context) (text bool, b []byte, err error) {
	for {
		c.mu.Lock()
		if len(c.arrived) > 0 {
			a := c.arrived[0]
			c.arrived[0] = arrival{}
			c.arrived, c.size = c.arrived[1:], c.size-len(a.b)
			if len(c.arrived) > 0 || c.err != nil {
				c.tell()
			}
			c.mu.Unlock()
			return a.text, a.b, nil
		}
		err := c.err
		c.mu.Unlock()
		if err != nil {
			return false, nil, err
		}
		select {
		case <-c.news:
		case <-ctx.Done():
			return false, nil, ctx.Err()
		}
	}
}

// Write implements [MessageConn]. It waits while the browser has more than a few
// frames unsent (H02).
func (c *pageConn) Write(ctx context.Context, text bool, b []byte) error {
	for c.ws.Get("bufferedAmount").Int() > maxUnsent {
		select {
		case <-time.After(unsentPoll):
		case <-c.ended:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c.ws.Get("readyState").Int() != readyOpen {
		return ErrClosed
	}
	if text {
		c.ws.Call("send", string(b))
		return nil
	}
	view := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(view, b)
	c.ws.Call("send", view)
	return nil
}

// Ping implements [MessageConn]. Pages cannot send pings: whether the gateway
// lives is told by what it sends.
func (c *pageConn) Ping(context.Context) error { return nil }

// Close implements [MessageConn]. A page may close with 1000 or 3000 to 4999 only
// (WHATWG), so other codes move up by 3000.
func (c *pageConn) Close(code int, why string) error {
	if code != CloseNormal && code < 3000 {
		code += 3000
	}
	c.fail(ErrClosed)
	c.ws.Call("close", code, why)
	return nil
}
