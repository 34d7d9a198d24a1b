package link

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	mrand "math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wire"
)

// errGone reports that the peer ended between being found and being used.
var errGone = errors.New("link: peer gone")

// A peer is one next hop: its queue, and the goroutine that connects and writes.
//
//	         packet              connected
//	idle ───────────▶ connecting ─────────▶ writing ──┐
//	 ▲ ▲                  │ failed            │       │ idle for long:
//	 │ └──── pause ───────┘                   │       ▼ the peer ends
//	 └── at once, then once a second ── broken, or closed by the next hop
//
// In a pause packets are dropped, since nobody knows when it ends. Between two
// connections of a next hop that completes handshakes they wait.
type peer struct {
	pool *Pool
	addr mixnet.NodeAddr
	wake chan struct{} // one token: the queue is not empty any more

	// Owned by run.
	failures  int       // connections in a row that could not be made
	connected time.Time // when the last one was made
	hasty     bool      // it was made at once after a short one

	mu      sync.Mutex
	queue   queue
	waiting bool // the goroutine waits for wake
	down    bool // in a pause: what is sent is dropped
	gone    bool
}

func newPeer(p *Pool, addr mixnet.NodeAddr) *peer {
	return &peer{
		pool: p,
		addr: addr,
		wake: make(chan struct{}, 1),
		queue: queue{
			get:        p.chunk,
			maxPackets: p.cfg.QueuePackets,
			maxBytes:   p.cfg.QueueBytes,
		},
	}
}

// push queues a frame. If wake is true, the goroutine waits for a poke.
func (p *peer) push(v wire.FrameVersion, f wire.Frame) (wake bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return false, errGone
	case p.down:
		return false, ErrUnreachable
	case !p.queue.push(v, f):
		return false, ErrQueueFull
	}
	wake, p.waiting = p.waiting, false
	return wake, nil
}

func (p *peer) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// pop takes a chunk. If there is none, the goroutine must wait for wake.
func (p *peer) pop() *chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.queue.pop()
	p.waiting = c == nil
	return c
}

// drop empties the queue: its packets are lost.
func (p *peer) drop() {
	for c := p.queue.pop(); c != nil; c = p.queue.pop() {
		p.pool.lost.Add(uint64(c.packets))
		p.pool.recycle(c)
	}
}

// end makes the peer unusable, unless it has something to send and force is false.
func (p *peer) end(force bool) bool {
	p.mu.Lock()
	if !force && p.queue.packets > 0 {
		p.mu.Unlock()
		return false
	}
	p.gone = true
	p.drop()
	p.mu.Unlock()
	p.pool.forget(p)
	return true
}

func (p *peer) run(ctx context.Context) {
	idle := time.NewTimer(p.pool.cfg.IdleTimeout)
	defer idle.Stop()
	for ctx.Err() == nil {
		if c := p.pop(); c != nil {
			for c != nil {
				c = p.send(ctx, c)
			}
			idle.Reset(p.pool.cfg.IdleTimeout)
			continue
		}
		select {
		case <-p.wake:
		case <-idle.C:
			if p.end(false) {
				return
			}
			idle.Reset(p.pool.cfg.IdleTimeout)
		case <-ctx.Done():
		}
	}
	p.end(true)
}

// send connects and writes c and all that follows, until the connection ends.
// It returns a chunk that it took from the queue and did not begin to write.
func (p *peer) send(ctx context.Context, c *chunk) *chunk {
	conn, w, err := p.connect(ctx)
	if err != nil {
		p.lose(c)
		p.pool.failures.Add(1)
		if errors.Is(err, syscall.ECONNREFUSED) {
			p.pause(ctx, refusedPause)
		} else {
			p.fail(ctx)
		}
		return nil
	}
	p.pool.connects.Add(1)
	p.pool.open.Add(1)
	p.failures = 0
	p.connected = time.Now()
	c, ours := p.write(ctx, conn, w, c)
	p.pool.open.Add(-1)
	if !ours {
		p.space(ctx)
	}
	return c
}

// space waits, if the next hop closed a connection soon after it was made and
// did so before, until it may be asked again. What is sent waits in the queue.
func (p *peer) space(ctx context.Context) {
	rest := reconnectEvery - time.Since(p.connected)
	if rest <= 0 {
		p.hasty = false
		return
	}
	if !p.hasty {
		p.hasty = true
		return
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (p *peer) lose(c *chunk) {
	p.pool.lost.Add(uint64(c.packets))
	p.pool.recycle(c)
}

// fail pauses, for longer with every failure.
func (p *peer) fail(ctx context.Context) {
	cfg := &p.pool.cfg
	d := cfg.MaxBackoff
	if p.failures < 16 {
		d = min(d, cfg.MinBackoff<<p.failures)
	}
	p.failures++
	d -= time.Duration(mrand.Int64N(int64(d)/4 + 1))
	p.pool.cfg.Log.Debug().Int64("retry_ms", d.Milliseconds()).Msg("next hop unreachable")
	p.pause(ctx, d)
}

// pause drops what is queued and all that comes meanwhile.
func (p *peer) pause(ctx context.Context, d time.Duration) {
	p.mu.Lock()
	p.down = true
	p.drop()
	p.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	p.down = false
	p.mu.Unlock()
}

// connect dials, and does the handshake if the next hop announces a key.
func (p *peer) connect(ctx context.Context) (net.Conn, io.Writer, error) {
	cfg := &p.pool.cfg
	deadline := time.Now().Add(cfg.ConnectTimeout)
	dctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := cfg.Dial(dctx, "tcp", p.addr.String())
	if err != nil {
		return nil, nil, err
	}
	if cfg.Key == nil || cfg.NoiseKey == nil {
		return conn, conn, nil
	}
	peerKey := cfg.NoiseKey(p.addr)
	if peerKey.IsZero() {
		return conn, conn, nil
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	err = conn.SetDeadline(deadline)
	if err == nil {
		var w noiseWriter
		own := cfg.Key
		if cfg.Own != nil {
			own = cfg.Own()
		}
		w.cipher, _, err = initiate(conn, newMessageReader(conn), rand.Reader, own, peerKey)
		if err == nil && ctx.Err() == nil {
			err = conn.SetDeadline(time.Time{})
			w.w = conn
		}
		if err == nil {
			return conn, &w, nil
		}
	}
	conn.Close()
	return nil, nil, err
}

// write writes chunks until the connection breaks, the next hop closes it, it
// is idle for long, or ctx ends, and closes it. It returns a chunk that it did
// not begin to write, and whether it was us who ended the connection.
func (p *peer) write(ctx context.Context, conn net.Conn, w io.Writer, c *chunk) (rest *chunk, ours bool) {
	closed := make(chan struct{})
	defer func() {
		conn.Close()
		<-closed
	}()
	go func() {
		defer close(closed)
		// The next hop has nothing to say: whatever comes, it is over.
		conn.Read(make([]byte, 1))
	}()
	defer context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Now().Add(flushTimeout)) })()
	idle := time.NewTimer(p.pool.cfg.IdleTimeout)
	defer idle.Stop()
	var deadline time.Time // of the writes, put off now and then
	for {
		for c != nil {
			select {
			case <-closed:
				return c, false
			default:
			}
			if now := time.Now(); deadline.Sub(now) < p.pool.cfg.WriteTimeout && ctx.Err() == nil {
				deadline = now.Add(2 * p.pool.cfg.WriteTimeout)
				conn.SetWriteDeadline(deadline)
			}
			if _, err := w.Write(c.b[:c.n]); err != nil {
				p.lose(c)
				return nil, false
			}
			p.pool.sent.Add(uint64(c.packets))
			p.pool.writes.Add(1)
			p.pool.recycle(c)
			c = p.pop()
		}
		idle.Reset(p.pool.cfg.IdleTimeout)
		select {
		case <-p.wake:
			c = p.pop()
		case <-closed:
			return nil, false
		case <-idle.C:
			return nil, true
		case <-ctx.Done():
			if c = p.pop(); c == nil { // else it goes out within flushTimeout
				return nil, true
			}
		}
	}
}
