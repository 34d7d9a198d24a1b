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
// login; the rest does not change.
//
//	entries[0] ──no session for 3 s──▶ entries[1] ──▶ entries[2] ──▶ entries[0] …
//	   ▲                                 │            │
//	   └─ lives again: tried now and then┴────────────┘
//
// It is tried soon at first. The reply SURBs that far ends hold lead to the entry
// that was left, and if that lives again, what comes by them waits there as mail,
// and counts as delivered.
//
// What is done, and when, depends on how the gateways answer and on which loops come
// home, and on nothing else: somebody who cuts a client off learns nothing from how
// it moves (H04).
type entry struct {
	identity *keys.IdentityKey
	self     mixnet.Recipient
	login    login
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
	if c.cfg.Everywhere {
		c.stayEverywhere(ctx)
		return nil
	}
	var pause backoff
	replaced := backoff{first: replacedFirst, most: replacedSlow}
	away := backoff{first: tryFirst, most: trySlow}
	w := newWalk(len(c.entries), time.Now())
	for {
		live, err := c.open(ctx, c.entries[w.at], w.dialTime())
		if err == nil {
			c.tellNetwork(true)
			var s served
			s, err = c.serveSession(ctx, w.at, live, &away)
			now := time.Now()
			w.lost(s, now)
			if now.Sub(s.began) > steadyTime {
				pause.reset()
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, session.ErrReplaced) {
			wait := replaced.next()
			c.cfg.Log.Error().Int64("retry_s", int64(wait.Seconds())).Msg("another program uses this client's identity, and has the session now: stop one of them")
			w.restart(time.Now().Add(wait))
			if c.rest(ctx, wait, &pause, nil) != nil {
				return nil
			}
			continue
		}
		if errors.Is(err, session.ErrClock) {
			err = session.ErrClock
		}
		moved, longest := w.failed(time.Now())
		if moved && longest == 0 { // the others may be fine
			c.cfg.Log.Warn().Err(err).Msg("the gateway cannot be reached, trying another")
			pause.reset()
			continue
		}
		wait := min(pause.next(), longest)
		c.cfg.Log.Warn().Err(err).Int64("retry_ms", wait.Milliseconds()).Msg("no session with the gateway")
		if c.rest(ctx, wait, &pause, w) != nil {
			return nil
		}
	}
}

// rest waits before the next attempt; less if it was said that the network changed.
// Meanwhile it may turn out that there is no network.
func (c *Client) rest(ctx context.Context, d time.Duration, pause *backoff, w *walk) error {
	t := time.NewTimer(d)
	defer t.Stop()
	var hopeless <-chan time.Time
	if w != nil {
		if at, ok := w.hopeless(); ok {
			h := time.NewTimer(time.Until(at))
			defer h.Stop()
			hopeless = h.C
		}
	}
	for {
		select {
		case <-t.C:
			return nil
		case <-hopeless:
			c.tellNetwork(false)
		case <-c.changed:
			pause.reset()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tellNetwork says whether there is a way into the mixnet, if that is news.
func (c *Client) tellNetwork(there bool) {
	if c.cfg.OnNetwork != nil && c.noNetwork == there {
		c.noNetwork = !there
		c.cfg.OnNetwork(there)
	}
}

// open dials an entry and logs in.
func (c *Client) open(ctx context.Context, h *entry, within time.Duration) (*session.Client, error) {
	gw, ok := c.network.Load().Gateway(h.self.Gateway)
	if !ok || gw.Clients == "" {
		return nil, errNoGateway
	}
	dialing, cancel := context.WithTimeout(ctx, within)
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

// served is what became of a session.
type served struct {
	at    int       // the entry where it ended,
	began time.Time // and since when it was there
	back  bool      // it had just moved back to the first entry
	drops bool      // it was left since nothing came through
}

// serveSession uses a session of an entry until it ends. If it is not with the first,
// that one is tried now and then: where it answers, the client moves there and
// stays. away says when the first entry is tried.
func (c *Client) serveSession(ctx context.Context, at int, live *session.Client, away *backoff) (s served, err error) {
	s.at = at
	for {
		c.adoptSession(c.entries[s.at], live)
		s.began = time.Now()
		inner, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		run := live.Run // of this one: live changes
		c.lingers.Go(func() { ended <- run(inner) })
		back, failure := c.superviseSession(ctx, s.at, live, ended, away)
		if s.at == 0 && time.Since(s.began) > steadyTime {
			away.reset()
		}
		if back == nil {
			if s.drops = errors.Is(failure, errDrops); s.drops {
				// Far ends have SURBs that lead there. If it was not the gateway that
				// dropped things, it still pushes what comes by them.
				time.AfterFunc(droppedLinger, cancel)
			} else {
				cancel()
			}
			if s.drops && s.at == 0 {
				away.step = max(away.step, droppedAway)
			}
			c.session.leave(live)
			c.tellSession(c.entries[s.at], false)
			return s, failure
		}
		time.AfterFunc(lingerTime, cancel)
		s.at, s.back, live = 0, true, back
	}
}

// superviseSession watches over a session until it has ended, or until there is
// one with the first entry, which it gives.
func (c *Client) superviseSession(ctx context.Context, at int, live *session.Client, ended <-chan error, away *backoff) (*session.Client, error) {
	var first <-chan time.Time // nil: we are there
	select {
	case <-c.drops: // of a session before
	default:
	}
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
		case h := <-c.drops:
			if h == c.entries[at] && len(c.entries) > 1 {
				return nil, errDrops
			}
		case <-first:
			if back, err := c.open(ctx, c.entries[0], dialTime); err == nil {
				c.cfg.Log.Info().Msg("the first gateway can be reached again")
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
	if !c.cfg.Everywhere || h == c.entries[0] {
		c.nowReady()
	}
}

// nowReady says that there was a session. One goroutine calls it at a time.
func (c *Client) nowReady() {
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

// errDrops reports a gateway that takes our packets, and nothing comes home.
var errDrops = errors.New("client: the gateway takes packets, and hardly any loop comes home")

// entryChanged follows a change of the client's address. The reply SURBs that are out
// lead to the gateway before: the far ends get new ones at once.
func (l *loop) entryChanged() {
	l.useEntry()
	l.monitor.entryChanged()
	l.dead.entryChanged()
	l.watch.entryChanged(time.Now())
	if l.network == nil {
		return
	}
	l.replaceCover()
	l.replaceSURBs(true)
}
