package gateway

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet/session"
)

// mailBatch is how many stored messages are fetched at once.
const mailBatch = 100

// A drain pushes a client's stored mail into its session, and deletes it when
// the client has proven that it is there.
type drain struct {
	inbox   Inbox
	session *session.Session

	mu     sync.Mutex
	pushed []pushedMail // in order, not yet deleted
	proven uint64       // the highest ID that may be deleted
	more   bool         // mail was stored since it was last fetched
	wake   chan struct{}
}

type pushedMail struct{ seq, id uint64 }

func newDrain(in Inbox, s *session.Session) *drain {
	return &drain{inbox: in, session: s, more: true, wake: make(chan struct{}, 1)}
}

func (d *drain) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// stored notes that mail was stored although the client is online: it came just
// now, or its queue was full.
func (d *drain) stored() {
	d.mu.Lock()
	d.more = true
	d.mu.Unlock()
	d.nudge()
}

// fresh notes that the client sent something after everything up to seq was
// written to it (H20).
func (d *drain) fresh(seq uint64) {
	d.mu.Lock()
	n := 0
	for n < len(d.pushed) && d.pushed[n].seq <= seq {
		d.proven = d.pushed[n].id
		n++
	}
	d.pushed = d.pushed[n:]
	d.mu.Unlock()
	if n > 0 {
		d.nudge()
	}
}

// run pushes stored mail, and deletes it as it is proven, until ctx ends.
func (d *drain) run(ctx context.Context, log zerolog.Logger) {
	var after, deleted uint64
	for {
		d.mu.Lock()
		proven, more := d.proven, d.more
		d.more = false
		d.mu.Unlock()
		if proven > deleted {
			if err := d.inbox.Delete(ctx, d.session.Client(), proven); err != nil && ctx.Err() == nil {
				log.Error().Err(err).Msg("mail cannot be deleted")
			}
			deleted = proven
		}
		if more {
			mail, err := d.inbox.Fetch(ctx, d.session.Client(), after, mailBatch)
			if err != nil && ctx.Err() == nil {
				log.Error().Err(err).Msg("mail cannot be fetched")
			}
			for _, m := range mail {
				if !d.push(ctx, m) {
					return
				}
				after = m.ID
			}
			if len(mail) == mailBatch {
				d.stored() // there may be more
			}
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			return
		}
	}
}

// push hands one mail to the session; false: the session has ended.
func (d *drain) push(ctx context.Context, m Mail) bool {
	seq, err := d.session.DeliverWait(ctx, m.Message)
	if err != nil {
		return false
	}
	d.mu.Lock()
	d.pushed = append(d.pushed, pushedMail{seq, m.ID})
	d.mu.Unlock()
	return true
}
