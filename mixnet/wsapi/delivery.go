package wsapi

import (
	"context"
	"sync"

	"nym-socks5/mixnet"
)

// A delivery is one send that has an id, from its request to its end.
//
//	queued ──its turn──▶ sending ──there is room──▶ accepted ──▶ acknowledged
//	   └──────── canceled, or an error ──┴───────────────────┴──▶ failed
//
// What the program is told of it depends on whether it asked for events: with
// them, of each step and of how it ends; without, of an error before it is accepted.
type delivery struct {
	p       *peer
	request *request
	life    context.Context // ends when the program cancels
	cancel  context.CancelFunc

	mu      sync.Mutex // guards the following
	step    deliveryStep
	settled bool  // the Messenger has said how it ended
	result  error // and how
}

type deliveryStep uint8

const (
	stepQueued deliveryStep = iota
	stepSending
	stepAccepted
	stepOver
)

// begin makes the delivery of a request with an id.
func (p *peer) begin(r *request) *delivery {
	d := &delivery{p: p, request: r}
	d.life, d.cancel = context.WithCancel(context.Background())
	p.mu.Lock()
	p.deliveries[string(r.id)] = d // a program may use an id again: the latest is meant
	p.mu.Unlock()
	return d
}

// delivery finds one that is not over by its id.
func (p *peer) delivery(id string) *delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deliveries[id]
}

// send notes that its turn has come. It reports false if it was canceled meanwhile.
func (d *delivery) send() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.step == stepOver {
		return false
	}
	d.step = stepSending
	return true
}

// accepted notes that a lane has taken the message.
func (d *delivery) accepted() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.step = stepAccepted
	d.event(acceptedResponse, nil)
	if d.settled { // before we knew that it was accepted
		d.end()
	}
}

// done is told by the Messenger how it ended.
func (d *delivery) done(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settled, d.result = true, err
	if d.step == stepAccepted {
		d.end()
	}
}

// end tells how it ended. The lock is held.
func (d *delivery) end() {
	if d.result == nil {
		d.event(acknowledgedResponse, nil)
	} else {
		d.event(failedResponse, d.result)
	}
	d.forget()
}

// fail tells that it was not accepted.
func (d *delivery) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failLocked(err)
}

func (d *delivery) failLocked(err error) {
	if d.step == stepOver {
		return
	}
	if d.request.events {
		d.event(failedResponse, err)
	} else {
		d.p.fail(d.request, err)
	}
	d.forget()
}

// abort cancels it at the wish of the program.
func (d *delivery) abort() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.step == stepQueued { // nobody else would say so before its turn
		d.failLocked(mixnet.ErrCanceled)
	}
}

func (d *delivery) event(kind responseKind, why error) {
	if d.request.events {
		r := response{kind: kind, id: d.request.id}
		if why != nil {
			r.failure = asFailure(why)
		}
		d.p.answer(r, d.request.format)
	}
}

// forget ends it. The lock is held.
func (d *delivery) forget() {
	d.step = stepOver
	d.cancel()
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	if id := string(d.request.id); d.p.deliveries[id] == d {
		delete(d.p.deliveries, id)
	}
}
