package mixnode

import (
	"math"
	"sync"
	"time"

	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/wire"
)

// A delayer runs the delay wheel: it has the clock, the lock and the one timer.
type delayer struct {
	node *Node
	wake chan struct{} // one token: a packet leaves earlier than the timer is set for

	mu    sync.Mutex
	start time.Time // zero of the wheel's clock
	wheel wheel
	armed time.Duration // when the timer ends
}

// push takes a worker's packets, whose deadlines are still counted from now.
func (d *delayer) push(w *worker) {
	if len(w.delayed) == 0 {
		return
	}
	d.mu.Lock()
	now := time.Since(d.start)
	for i, b := range w.delayed {
		b.deadline += now
		if why, ok := d.wheel.push(b, now); !ok {
			w.drop(b, why)
		}
		w.delayed[i] = nil
	}
	w.delayed = w.delayed[:0]
	at, ok := d.wheel.next()
	early := ok && at < d.armed
	d.mu.Unlock()
	if early {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// run lets packets go when they are due. Once stop is closed it goes on until
// the wheel is empty or the time for draining is over, then drops the rest:
// no packet ever leaves early (H16).
func (d *delayer) run(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var (
		out      []*buffer
		batch    = link.Batch{Pool: d.node.pool}
		stopping bool
		limit    <-chan time.Time
	)
	for {
		d.mu.Lock()
		now := time.Since(d.start)
		out = d.wheel.due(now, out[:0])
		at, waiting := d.wheel.next()
		d.armed = at
		if !waiting {
			d.armed = math.MaxInt64
		}
		d.mu.Unlock()
		d.send(&batch, out)
		if stopping && !waiting {
			return
		}
		if waiting {
			timer.Reset(at - time.Since(d.start)) // sending took a while
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-d.wake:
		case <-stop:
			stopping, stop = true, nil
			limit = time.After(d.node.cfg.DrainTimeout)
		case <-limit:
			d.drop()
			return
		}
	}
}

// send hands packets to the links of their next hops.
func (d *delayer) send(batch *link.Batch, out []*buffer) {
	n := d.node
	for i, b := range out {
		if err := batch.Send(b.next, wire.Frame{Rotation: b.rotation, Packet: b.data}); err != nil {
			n.dropped[reasonNotSent(err)].Add(1)
		} else {
			n.forwarded.Add(1)
		}
		n.buffers.put(b)
		out[i] = nil
	}
	batch.Flush()
}

// drop ends all waiting.
func (d *delayer) drop() {
	d.mu.Lock()
	out := d.wheel.drop(nil)
	d.mu.Unlock()
	for _, b := range out {
		d.node.dropped[DropShutdown].Add(1)
		d.node.buffers.put(b)
	}
}

// held counts the packets in the wheel and their bytes.
func (d *delayer) held() (packets, bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wheel.held, d.wheel.bytes
}
