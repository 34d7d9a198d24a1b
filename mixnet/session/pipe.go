package session

import (
	"bytes"
	"context"
	"sync"
)

// Pipe makes a connection in memory and gives its two ends.
func Pipe() (a, b MessageConn) {
	p := &pipe{closed: make(chan struct{})}
	ab, ba := make(chan pipeItem, pipeDepth), make(chan pipeItem, pipeDepth)
	return &pipeEnd{pipe: p, in: ba, out: ab}, &pipeEnd{pipe: p, in: ab, out: ba}
}

type pipe struct {
	once   sync.Once
	closed chan struct{}
	err    error // why; set before closed is
}

// pipeItem is a message, or a ping if pong is set.
type pipeItem struct {
	text bool
	b    []byte
	pong chan<- struct{} // has room for the answer
}

type pipeEnd struct {
	*pipe
	in  <-chan pipeItem
	out chan<- pipeItem
}

// Read delivers what was sent before the pipe was closed, and only then fails.
func (p *pipeEnd) Read(ctx context.Context) (bool, []byte, error) {
	for {
		var item pipeItem
		select {
		case item = <-p.in:
		default:
			select {
			case item = <-p.in:
			case <-p.closed:
				select {
				case item = <-p.in:
				default:
					return false, nil, p.err
				}
			case <-ctx.Done():
				return false, nil, ctx.Err()
			}
		}
		if item.pong == nil {
			return item.text, item.b, nil
		}
		item.pong <- struct{}{}
	}
}

func (p *pipeEnd) Write(ctx context.Context, text bool, b []byte) error {
	return p.put(ctx, pipeItem{text: text, b: bytes.Clone(b)})
}

func (p *pipeEnd) put(ctx context.Context, item pipeItem) error {
	select {
	case <-p.closed:
		return p.err
	default:
	}
	select {
	case p.out <- item:
		return nil
	case <-p.closed:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipeEnd) Ping(ctx context.Context) error {
	pong := make(chan struct{}, 1)
	if err := p.put(ctx, pipeItem{pong: pong}); err != nil {
		return err
	}
	select {
	case <-pong:
		return nil
	case <-p.closed:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipeEnd) Close(code int, _ string) error {
	p.once.Do(func() {
		p.err = ErrClosed
		if code == CloseReplaced {
			p.err = ErrReplaced
		}
		close(p.closed)
	})
	return nil
}
