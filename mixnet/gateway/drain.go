package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet/session"
)

// mailBatch is how many stored messages are fetched at once.
const mailBatch = 100

// pongPatience is how long a client over TLS has to answer for its mail. One
// that takes longer proves by its next frame that it has it.
const pongPatience = 30 * time.Second

// A drain pushes a client's stored mail into its session, and deletes it when
// the client has proven that it is there. It has a goroutine only while it has
// something to do, since most clients have no mail most of the time.
//
//	stored, fresh ──▶ idle ──▶ working: delete, fetch, push ──▶ idle
//	  ▲                                 end ──▶ ended  │
//	  └── answered ◀── ping, over TLS ◀────────────────┘
type drain struct {
	inbox   Inbox
	session *session.Session
	log     zerolog.Logger
	ctx     context.Context
	cancel  context.CancelFunc
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

func newDrain(in Inbox, s *session.Session, log zerolog.Logger) *drain {
	d := &drain{inbox: in, session: s, log: log}
	d.ctx, d.cancel = context.WithCancel(context.Background()) // ended by end
	return d
}

// stored notes that there is mail although the client is online: it came just
// now, its queue was full, or it was here before the client.
func (d *drain) stored() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.more = true
	d.wake()
}

// fresh notes that the client sent something, or answered a ping over TLS, after
// everything up to seq was written to it (H20).
func (d *drain) fresh(seq uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(d.pushed) && d.pushed[n].seq <= seq {
		d.proven = d.pushed[n].id
		n++
	}
	d.pushed = d.pushed[n:]
	if n > 0 {
		d.wake()
	}
}

// wake has somebody work. mu is held.
func (d *drain) wake() {
	if !d.working && !d.ended {
		d.working = true
		d.work.Go(d.run)
	}
}

// end ends what is being done, and lets nothing more begin.
func (d *drain) end() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.cancel()
	d.work.Wait()
}

// next gives what is to be done; false: nothing, and the goroutine must end.
func (d *drain) next() (proven uint64, more, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	proven, more = d.proven, d.more
	d.more = false
	d.working = !d.ended && (more || proven > d.deleted)
	return proven, more, d.working
}

// run pushes stored mail, and deletes it as it is proven, until there is no more.
func (d *drain) run() {
	for {
		proven, more, ok := d.next()
		if !ok {
			return
		}
		if proven > d.deleted {
			if err := d.inbox.Delete(d.ctx, d.session.Client(), proven); err != nil && d.ctx.Err() == nil {
				d.log.Error().Err(err).Msg("mail cannot be deleted")
			}
			d.deleted = proven
		}
		if more {
			d.push()
		}
	}
}

// push hands the next mail to the session.
func (d *drain) push() {
	mail, err := d.inbox.Fetch(d.ctx, d.session.Client(), d.after, mailBatch)
	if err != nil && d.ctx.Err() == nil {
		d.log.Error().Err(err).Msg("mail cannot be fetched")
	}
	for _, m := range mail {
		seq, err := d.session.DeliverWait(d.ctx, m.Message)
		if err != nil {
			return // the session has ended, or will
		}
		d.mu.Lock()
		d.pushed = append(d.pushed, pushedMail{seq, m.ID})
		d.mu.Unlock()
		d.after = m.ID
	}
	if len(mail) == mailBatch {
		d.stored() // there may be more
	} else {
		d.ask()
	}
}

// ask has a client over TLS say that it got its mail. Others can only say so by
// a sealed frame: between plain ends, anybody could answer a ping.
func (d *drain) ask() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pushed) > 0 && !d.asking && !d.ended && d.session.OverTLS() {
		d.asking = true
		d.work.Go(d.listen)
	}
}

// listen pings until the client has answered for all that was pushed, or does
// not answer.
func (d *drain) listen() {
	for again := true; again; {
		seq := d.session.Written()
		ctx, cancel := context.WithTimeout(d.ctx, pongPatience)
		err := d.session.Ping(ctx)
		cancel()
		if err == nil {
			d.fresh(seq)
		}
		d.mu.Lock()
		again = err == nil && len(d.pushed) > 0 && !d.ended
		d.asking = again
		d.mu.Unlock()
	}
}
