package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
)

// An Entry is a gateway with the identity that it is to know the client by: two
// gateways never know one client by the same.
type Entry struct {
	// Gateway must be in the topology when the client connects to it.
	Gateway keys.Identity
	// Identity is the client's key towards this gateway. If nil, it is drawn.
	Identity *keys.IdentityKey
}

// sharesIdentity reports whether two gateways would know the client by the same.
func sharesIdentity(entries []Entry) bool {
	for i, e := range entries {
		if e.Identity != nil && slices.ContainsFunc(entries[:i], func(o Entry) bool {
			return o.Identity != nil && o.Identity.Public() == e.Identity.Public()
		}) {
			return true
		}
	}
	return false
}

// An entry is an [Entry] with what is known of it. The goroutine that connects owns
// login and failing; the rest does not change.
//
//	entries[0] ──cannot be reached for a while──▶ entries[1] ──▶ entries[2] ──▶ entries[0] …
//	   ▲                                           │            │
//	   └──────── lives again: tried now and then ──┴────────────┘
//
// It is tried soon at first. The reply SURBs that far ends hold lead to the entry
// that was left, and if that lives again, what comes by them waits there as mail,
// and counts as delivered.
//
// What is done, and when, depends on how the gateways answer and on nothing
// else: somebody who cuts a client off learns nothing from how it moves (H04).
type entry struct {
	identity *keys.IdentityKey
	self     mixnet.Recipient
	login    login
	failing  time.Time // since when it cannot be reached; zero: it can, or was not tried
}

func newEntries(entries []Entry, enc keys.Encryption) (all []*entry) {
	for _, e := range entries {
		if e.Identity == nil {
			e.Identity = keys.NewIdentityKey()
		}
		all = append(all, &entry{identity: e.Identity, self: mixnet.Recipient{
			Identity: e.Identity.Public(), Encryption: enc, Gateway: e.Gateway,
		}})
	}
	return all
}

// connect keeps a session with one of the gateways up. It never gives up.
func (c *Client) connect(ctx context.Context) error {
	select {
	case <-c.haveTopology:
	case <-ctx.Done():
		return nil
	}
	// A session that was left runs on for a while beside the others.
	ctx, cancel := context.WithCancel(ctx)
	defer c.lingers.Wait()
	defer cancel()
	var pause backoff
	replaced := backoff{first: replacedFirst, most: replacedSlow}
	away := backoff{first: tryFirst, most: trySlow}
	at, moves := 0, 0 // moves since there was a session
	patience := jitter(moveAfter)
	for {
		h := c.entries[at]
		live, err := c.open(ctx, h)
		if err == nil {
			var began time.Time
			at, began, err = c.serveSession(ctx, at, live, &away)
			h = c.entries[at]
			lasted := time.Since(began)
			if lasted > moveAfter { // one that ends at once is as bad as none
				h.failing, moves, patience = time.Time{}, 0, jitter(moveAfter)
			}
			if lasted > steadyTime {
				pause.reset()
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, session.ErrReplaced) {
			wait := replaced.next()
			c.cfg.Log.Error().Int64("retry_s", int64(wait.Seconds())).Msg("another program uses this client's identity, and has the session now: stop one of them")
			if c.rest(ctx, wait, &pause) != nil {
				return nil
			}
			continue
		}
		if h.failing.IsZero() {
			h.failing = time.Now()
		}
		wait, failing := pause.next(), time.Since(h.failing)
		if len(c.entries) > 1 {
			if failing >= patience {
				c.cfg.Log.Warn().Err(err).Msg("the gateway cannot be reached, trying another")
				h.failing, failing = time.Time{}, 0
				at, moves = (at+1)%len(c.entries), moves+1
				patience = jitter(min(moveAfter<<min(moves/len(c.entries), 10), moveSlow))
				if moves < len(c.entries) { // the others may be fine
					pause.reset()
					continue
				}
			}
			wait = min(wait, patience-failing)
		}
		if errors.Is(err, session.ErrClock) {
			err = session.ErrClock
		}
		c.cfg.Log.Warn().Err(err).Int64("retry_ms", wait.Milliseconds()).Msg("no session with the gateway")
		if c.rest(ctx, wait, &pause) != nil {
			return nil
		}
	}
}

// rest waits before the next attempt; less if it was said that the network changed.
func (c *Client) rest(ctx context.Context, d time.Duration, pause *backoff) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.changed:
		pause.reset()
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// open dials an entry and logs in.
func (c *Client) open(ctx context.Context, h *entry) (*session.Client, error) {
	gw, ok := c.network.Load().Gateway(h.self.Gateway)
	if !ok || gw.Clients == "" {
		return nil, errNoGateway
	}
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	conn, err := c.cfg.Dial(dialing, gw.Clients)
	cancel()
	if err != nil {
		return nil, err
	}
	live, err := c.logIn(ctx, conn, h)
	if err != nil {
		conn.Close(1000, "")
		return nil, err
	}
	c.count.sessions.Add(1)
	return live, nil
}

// serveSession uses a session of an entry until it ends. If it is not with the first,
// that one is tried now and then: where it answers, the client moves there and
// stays. It returns where it was last, since when, and why that ended. away says
// when the first entry is tried.
func (c *Client) serveSession(ctx context.Context, at int, live *session.Client, away *backoff) (last int, began time.Time, err error) {
	for {
		c.adoptSession(c.entries[at], live)
		began = time.Now()
		inner, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		run := live.Run // of this one: live changes
		c.lingers.Go(func() { ended <- run(inner) })
		back, failure := c.superviseSession(ctx, at, live, ended, away)
		if at == 0 && time.Since(began) > steadyTime {
			away.reset()
		}
		if back == nil {
			cancel()
			c.session.leave(live)
			c.tellSession(c.entries[at], false)
			return at, began, failure
		}
		time.AfterFunc(lingerTime, cancel)
		at, live = 0, back
	}
}

// superviseSession watches over a session until it has ended, or until there is
// one with the first entry, which it gives.
func (c *Client) superviseSession(ctx context.Context, at int, live *session.Client, ended <-chan error, away *backoff) (*session.Client, error) {
	var first <-chan time.Time // nil: we are there
	t := time.NewTimer(0)
	defer t.Stop()
	if at != 0 {
		t.Reset(away.next())
		first = t.C
	}
	for {
		select {
		case err := <-ended:
			if err == nil {
				err = ctx.Err()
			}
			return nil, err
		case <-c.changed:
			live.Check()
		case <-first:
			if back, err := c.open(ctx, c.entries[0]); err == nil {
				c.cfg.Log.Info().Msg("the first gateway can be reached again")
				c.entries[0].failing = time.Now().Add(-moveSlow) // if it ends at once, that is enough
				return back, nil
			}
			t.Reset(away.next())
		}
	}
}

// adoptSession makes an entry the client's address, and its session the one to send with.
func (c *Client) adoptSession(h *entry, live *session.Client) {
	if c.entry.Swap(h) != h {
		c.order((*loop).entryChanged)
	}
	c.session.set(live)
	c.tellSession(h, true)
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
}

func (c *Client) tellSession(h *entry, up bool) {
	if c.cfg.OnSession != nil {
		c.cfg.OnSession(h.self.Gateway, up)
	}
}

// errNoGateway reports a topology without our gateway.
var errNoGateway = errors.New("client: the gateway is not in the topology: is it down, or is this another network than the one it was chosen in?")

// moved follows a change of the client's address. The reply SURBs that are out
// lead to the gateway before: the far ends get new ones at once.
func (l *loop) entryChanged() {
	l.useEntry()
	l.monitor.entryChanged()
	l.dead.entryChanged()
	if l.network == nil {
		return
	}
	l.replaceCover()
	l.replaceSURBs(true)
}
