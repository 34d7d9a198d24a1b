package endpoint

import (
	"context"
	"errors"

	"nym-socks5/proxy"
)

// Shutdown ends the endpoint in order. Listeners are closed at once, and no stream is
// opened or accepted any more; then it waits until each stream has been closed and
// all that was written to it is acknowledged, and until every message that was sent
// is acknowledged or has failed. Then Run returns, and Shutdown nil.
//
// A stream that nobody closes is waited for until ctx ends. Then streams have three
// seconds to say goodbye, as when the context of Run ends, and Shutdown returns the
// error of ctx once Run has returned.
func (e *Endpoint) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.shut = true
	running, stop := e.running, e.stop
	e.mu.Unlock()
	if !running {
		return nil // nor will it ever
	}
	e.ports.close()
	err := e.drain(ctx)
	stop()
	<-e.ended
	return err
}

// drain waits for streams and messages.
func (e *Endpoint) drain(ctx context.Context) error {
	select {
	case <-e.made:
	default:
		return nil // there were none yet
	}
	if e.proxy != nil {
		e.refuseWaiting()
		if err := errors.Join(e.proxy.Drain(ctx), e.sdk.Drain(ctx)); err != nil {
			return err
		}
	}
	if e.letters == nil {
		return nil
	}
	return e.letters.drain(ctx)
}

// refuseWaiting refuses the streams to targets that nobody has accepted.
func (e *Endpoint) refuseWaiting() {
	for {
		select {
		case in := <-e.incoming:
			in.Reject(proxy.ReasonLimit)
		default:
			return
		}
	}
}
