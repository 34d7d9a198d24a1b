package gateway

import (
	"context"
	"sync"

	"nym-socks5/mixnet/session/sessionserver"

	"github.com/rs/zerolog"
)

// A mailPush pushes a client's stored mail into its session, and deletes it when
// the client has proven that it is there. It has a goroutine only while it has
// something to do, since most clients have no mail most of the time.
//
//	stored, fresh ──▶ idle ──▶ working: delete, fetch, push ──▶ idle
//	  ▲                                 end ──▶ ended  │
//	  └── answered ◀── ping, over TLS ◀────────────────┘
type mailPush struct {
	inbox   Inbox
	session *sessionserver.Session
	log     zerolog.Logger
	ctx     context.Context
	cancel  context.CancelFunc
	unwatch func()
	work    sync.WaitGroup

	mu      sync.Mutex   // guards the following
	pushed  []pushedMail // in order, not yet deleted
	proven  uint64       // the highest ID that may be deleted
	more    bool         // mail was stored since it was last fetched
	working bool
	asking  bool // a ping is on its way
	ended   bool

	// Owned by the goroutine there is.
	after, deleted uint64 // the highest IDs that were pushed, and deleted
}

type pushedMail struct{ seq, id uint64 }

func newMailPush(in Inbox, s *sessionserver.Session, log zerolog.Logger) *mailPush {
	p := &mailPush{inbox: in, session: s, log: log}
	p.ctx, p.cancel = context.WithCancel(context.Background()) // ended by end
	p.unwatch = in.Watch(s.Client(), p.stored)
	return p
}

// stored notes that there is mail although the client is online: it was stored
// elsewhere, its queue was full, or it was here before the client.
func (p *mailPush) stored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.more = true
	p.wake()
}

// fresh notes that the client sent something, or answered a ping over TLS, after
// everything up to seq was written to it (H20).
func (p *mailPush) fresh(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.pushed) && p.pushed[n].seq <= seq {
		p.proven = p.pushed[n].id
		n++
	}
	p.pushed = p.pushed[n:]
	if n > 0 {
		p.wake()
	}
}

// wake has somebody work. mu is held.
func (p *mailPush) wake() {
	if !p.working && !p.ended {
		p.working = true
		p.work.Go(p.run)
	}
}

// end ends what is being done, and lets nothing more begin.
func (p *mailPush) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.unwatch()
	p.cancel()
	p.work.Wait()
}

// next gives what is to be done; false: nothing, and the goroutine must end.
func (p *mailPush) next() (proven uint64, more, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	proven, more = p.proven, p.more
	p.more = false
	p.working = !p.ended && (more || proven > p.deleted)
	return proven, more, p.working
}

// run pushes stored mail, and deletes it as it is proven, until there is no more.
func (p *mailPush) run() {
	for {
		proven, more, ok := p.next()
		if !ok {
			return
		}
		if proven > p.deleted {
			if err := p.inbox.Delete(p.ctx, p.session.Client(), proven); err != nil && p.ctx.Err() == nil {
				p.log.Error().Err(err).Msg("mail cannot be deleted")
			}
			p.deleted = proven
		}
		if more {
			p.push()
		}
	}
}

// push hands the next mail to the session.
func (p *mailPush) push() {
	mail, err := p.inbox.Fetch(p.ctx, p.session.Client(), p.after, mailBatch)
	if err != nil && p.ctx.Err() == nil {
		p.log.Error().Err(err).Msg("mail cannot be fetched")
	}
	for _, m := range mail {
		seq, err := p.session.DeliverWait(p.ctx, m.Message)
		if err != nil {
			return // the session has ended, or will
		}
		p.mu.Lock()
		p.pushed = append(p.pushed, pushedMail{seq, m.ID})
		p.mu.Unlock()
		p.after = m.ID
	}
	if len(mail) == mailBatch {
		p.stored() // there may be more
	} else {
		p.ask()
	}
}

// ask has a client over TLS say that it got its mail. Others can only say so by
// a sealed frame: between plain ends, anybody could answer a ping.
func (p *mailPush) ask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pushed) > 0 && !p.asking && !p.ended && p.session.OverTLS() {
		p.asking = true
		p.work.Go(p.listen)
	}
}

// listen pings until the client has answered for all that was pushed, or does
// not answer.
func (p *mailPush) listen() {
	for again := true; again; {
		seq := p.session.Written()
		ctx, cancel := context.WithTimeout(p.ctx, pongPatience)
		err := p.session.Ping(ctx)
		cancel()
		if err == nil {
			p.fresh(seq)
		}
		p.mu.Lock()
		again = err == nil && len(p.pushed) > 0 && !p.ended
		p.asking = again
		p.mu.Unlock()
	}
}
