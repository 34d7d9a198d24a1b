package wsapi

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
)

// A peer is a program that is connected.
//
//	read ─▶ parse ─┬─▶ lanes ─▶ Messenger ─┐
//	               └──── answer ───────────┴─▶ outbox ─▶ write
//	                          hub ──────────▲
type peer struct {
	s    *Server
	ws   *websocket.Conn
	conn net.Conn // below ws
	log  zerolog.Logger

	out    *outbox
	lanes  lanes
	budget *budget            // of requests that wait
	format atomic.Uint32      // that of the last request
	end    context.CancelFunc // of the connection; sends go on
	live   context.Context    // ends with the connection

	listeners listeners

	mu         sync.Mutex           // guards the following
	deliveries map[string]*delivery // of sends with an id that are not over, by it
}

func newPeer(s *Server, ws *websocket.Conn, conn net.Conn, first format, log zerolog.Logger) *peer {
	p := &peer{
		s: s, ws: ws, conn: conn, log: log,
		out:    newOutbox(s.cfg.Outbox),
		budget: newBudget(s.maxQueued),

		deliveries: make(map[string]*delivery),
	}
	p.lanes = lanes{
		all: make(map[connID]*lane), new: s.newLane, length: s.cfg.Messenger.LaneLen, send: p.send, sent: p.sent,
	}
	p.format.Store(uint32(first))
	return p
}

func (p *peer) lastFormat() format { return format(p.format.Load()) }

// run serves the program until either side has enough or ctx ends, and then
// sends what the program has asked to be sent, unless ctx has ended. later: it gets
// no messages before it subscribes.
func (p *peer) run(ctx context.Context, later bool) {
	p.live, p.end = context.WithCancel(context.WithoutCancel(ctx))
	p.ws.SetReadLimit(-1) // readFrame has its own
	p.s.hub.join(p, later)
	var g sync.WaitGroup
	g.Go(func() { defer p.end(); p.write() })
	g.Go(func() { defer p.end(); p.read(ctx) })
	select {
	case <-p.live.Done():
		p.ws.CloseNow()
	case <-ctx.Done():
		sever := time.AfterFunc(closePatience, func() { p.conn.Close() })
		p.ws.Close(websocket.StatusGoingAway, "")
		sever.Stop()
		p.end()
	}
	g.Wait()
	p.s.hub.leave(p)
	p.listeners.close()
	p.lanes.wait()
}

// write writes what is in the outbox until the connection ends.
func (p *peer) write() {
	for {
		o, ok := p.out.first()
		if !ok {
			p.s.hub.next(p)
			select {
			case <-p.out.filled:
				continue
			case <-p.live.Done():
				return
			}
		}
		if err := p.writeOne(&o); err != nil {
			return
		}
		p.out.done()
		if o.parcel != nil {
			p.s.hub.handed(o.parcel)
		}
	}
}

func (p *peer) writeOne(o *outgoing) error {
	if o.format == binaryFormat {
		return p.ws.Write(p.live, websocket.MessageBinary, o.response.appendBinary(nil))
	}
	b, err := o.response.text(o.format)
	if err != nil {
		return err
	}
	return p.ws.Write(p.live, websocket.MessageText, b)
}

// answer tells the program something. If it does not read its answers, it goes.
func (p *peer) answer(r response, f format) {
	if !p.out.put(outgoing{response: r, format: f}) {
		p.slow()
	}
}

// slow ends the connection with a program that does not read.
func (p *peer) slow() {
	if p.live.Err() == nil {
		p.log.Warn().Msg("program does not read what it is sent: disconnected")
		p.end()
	}
}

// read takes requests until the connection ends. Sends live as long as ctx.
func (p *peer) read(ctx context.Context) {
	for {
		typ, b, err := p.readFrame()
		if err != nil {
			return
		}
		r := request{format: binaryFormat}
		if typ == websocket.MessageText {
			r.format = textFormat
		}
		switch {
		case b == nil:
			err = malformed("the frame has more than %d bytes, and a message at most %d", p.s.maxFrame, mixnet.MaxMessage)
		case typ == websocket.MessageText:
			r, err = parseText(b, p.s.cfg.Names)
		default:
			r, err = parseBinary(b)
		}
		p.format.Store(uint32(r.format))
		if err == nil {
			err = p.do(ctx, &r)
		}
		if err != nil {
			p.fail(&r, err)
		}
	}
}

// readFrame reads one frame. What is longer than any request is read and thrown
// away: b is nil then.
func (p *peer) readFrame() (typ websocket.MessageType, b []byte, err error) {
	typ, r, err := p.ws.Reader(p.live)
	if err != nil {
		return typ, nil, err
	}
	b, err = io.ReadAll(io.LimitReader(r, p.s.maxFrame+1))
	if err != nil || int64(len(b)) <= p.s.maxFrame {
		return typ, b, err
	}
	_, err = io.Copy(io.Discard, r)
	return typ, nil, err
}

// fail tells that a request could not be granted.
func (p *peer) fail(r *request, err error) {
	p.answer(response{kind: errorResponse, failure: asFailure(err), id: r.id}, r.format)
}

// ok tells that a request was granted, if the program wants to know.
func (p *peer) ok(r *request) {
	if r.id != nil {
		p.answer(response{kind: okResponse, id: r.id}, r.format)
	}
}

// do does what a request asks for.
func (p *peer) do(ctx context.Context, r *request) error {
	switch r.kind {
	case addressRequest:
		p.answer(response{kind: addressResponse, address: p.s.cfg.Messenger.Address()}, r.format)
	case closedRequest:
		if handle, ok := p.lanes.discard(r.conn); ok {
			p.s.cfg.Messenger.CloseLane(handle)
		}
	case queueLengthRequest:
		p.answer(response{kind: queueLengthResponse, conn: r.conn.n, length: p.lanes.len(r.conn)}, r.format)
	case cancelRequest:
		d := p.delivery(string(r.of))
		if d == nil {
			return &failure{otherFailure, "nothing with that id is under way"}
		}
		p.ok(r) // before what it leads to
		d.abort()
		return nil
	case subscribeRequest, unsubscribeRequest:
		p.ok(r) // before what it is about
		p.s.hub.subscribe(p, r.wants)
		return nil
	case listenRequest:
		return p.listen(r)
	case unlistenRequest:
		if err := p.unlisten(r.port); err != nil {
			return err
		}
	case refuseRequest:
		if err := p.refuse(r.stream); err != nil {
			return err
		}
	case statusRequest:
		p.answer(response{kind: statusResponse, id: r.id, status: p.s.status()}, r.format)
		return nil
	default:
		return p.enqueue(ctx, r)
	}
	p.ok(r)
	return nil
}

// enqueue hands a request to its lane. It waits for a moment while too much waits
// already, and for a moment for what it has handed over.
func (p *peer) enqueue(ctx context.Context, r *request) error {
	if len(r.message) > mixnet.MaxMessage {
		return mixnet.ErrTooLong
	}
	cost := int64(len(r.message)) + requestCost
	if err := p.budget.take(p.live, cost); err != nil {
		return err
	}
	done, err := p.queue(ctx, r)
	if err != nil {
		p.budget.give(cost)
		return err
	}
	if done == nil {
		return nil
	}
	moment := time.NewTimer(inOrder)
	defer moment.Stop()
	select {
	case <-done:
	case <-moment.C:
	case <-p.live.Done():
	}
	return nil
}

// queue puts a request into its lane. Who asked for events hears so at once.
func (p *peer) queue(ctx context.Context, r *request) (done <-chan struct{}, err error) {
	if r.id == nil {
		return p.lanes.add(ctx, r)
	}
	d := p.begin(r)
	r.delivery = d
	d.mu.Lock() // so that nothing is said of it before
	defer d.mu.Unlock()
	if done, err = p.lanes.add(ctx, r); err != nil {
		d.forget()
		return nil, err
	}
	if r.events {
		p.ok(r)
	}
	return done, nil
}

// send sends what a request has, on its lane.
func (p *peer) send(l *lane, r *request) error {
	if l.ctx.Err() != nil {
		return mixnet.ErrLaneClosed
	}
	m, o := p.s.cfg.Messenger, mixnet.SendOptions{Lane: l.handle}
	if d := r.delivery; d != nil {
		if !d.send() {
			return mixnet.ErrCanceled
		}
		o.Life, o.Done = d.life, d.done
	}
	var err error
	switch r.kind {
	case replyRequest:
		err = m.Reply(l.ctx, r.tag, r.message, o)
	case anonymousRequest:
		o.As, o.SURBs = p.s.tags.of(r.to, r.isolation), int(min(r.surbs, maxSURBs))
		p.s.hub.spoke(p, o.As)
		if o.SURBs == 0 {
			o.SURBs = -1 // none, and not as many as the client thinks best
		}
		fallthrough
	default:
		err = m.Send(l.ctx, r.to, r.message, o)
	}
	if l.ctx.Err() == nil {
		return err
	}
	if r.conn.given { // closed while we waited: what got through goes too
		m.CloseLane(l.handle)
	}
	return mixnet.ErrLaneClosed
}

// sent answers a request that was sent, or could not be.
func (p *peer) sent(l *lane, r *request, err error) {
	p.budget.give(int64(len(r.message)) + requestCost)
	switch {
	case errors.Is(err, mixnet.ErrLaneClosed) && r.id == nil:
		// The program has closed it, and expects no answer.
	case err != nil && r.delivery != nil:
		r.delivery.fail(err)
	case err != nil:
		p.fail(r, err)
	default:
		if r.conn.given {
			p.answer(response{kind: queueLengthResponse, conn: r.conn.n, length: p.s.cfg.Messenger.LaneLen(l.handle)}, r.format)
		}
		if r.delivery == nil {
			return
		}
		if !r.events {
			p.ok(r)
		}
		r.delivery.accepted()
	}
}
