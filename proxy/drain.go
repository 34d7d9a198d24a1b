package proxy

import (
	"context"
)

// Drain ends the Proxy's streams in order: from now on none is opened or accepted,
// and it returns nil once each that there is has ended by itself, all it wrote was
// acknowledged, and the goodbyes have been handed over. A stream that nobody closes
// does not end; when ctx ends first, Drain returns its error, and streams go on. Run
// goes on in either case.
func (p *Proxy) Drain(ctx context.Context) error {
	p.mu.Lock()
	if p.drained == nil {
		p.drained = make(chan struct{})
		if len(p.conns) == 0 {
			close(p.drained)
		}
	}
	drained := p.drained
	p.mu.Unlock()
	p.rejectWaiting()
	select {
	case <-drained:
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	said := make(chan struct{})
	if !p.queue.add(func(context.Context) { close(said) }) {
		return nil // too much waits to be said; streams are over all the same
	}
	select {
	case <-said:
	case <-p.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// rejectWaiting refuses the streams that nobody has accepted.
func (p *Proxy) rejectWaiting() {
	for {
		select {
		case in := <-p.incoming:
			in.Reject(ReasonLimit)
		default:
			return
		}
	}
}

// draining reports whether no further streams are wanted. The lock is held.
func (p *Proxy) draining() bool { return p.drained != nil }

// noteDrained notes that a stream has gone. The lock is held.
func (p *Proxy) noteDrained() {
	if p.draining() && len(p.conns) == 0 {
		select {
		case <-p.drained:
		default:
			close(p.drained)
		}
	}
}
