package announce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// errNotSaved reports that a sequence number could not be kept, and so was not used.
var errNotSaved = errors.New("announce: sequence not saved")

// Config is what an [Announcer] is made of.
type Config struct {
	// URLs are those of the network's directories. At least one.
	URLs []string
	// Key is the directory's key, pinned. If zero, its answers are believed.
	Key keys.Identity
	// Identity signs the announcements. Required.
	Identity *keys.IdentityKey
	// Invite is the key of an invitation ([directory.Invite]) that signs announcements
	// until a lease is held. Nil: there is none.
	Invite *keys.IdentityKey
	// Announcement is what is said. Identity, Sequence and Issued are filled in,
	// and Sphinx too where there is a Keyring.
	Announcement directory.Announcement
	// Keyring holds the node's Sphinx keys; nil for a requester. The Announcer
	// owns it while it runs.
	Keyring *Keyring
	// OnKeys is called by Run whenever the Keyring has changed, before the new
	// keys are announced, and once at the start: with the current key and the
	// one beside it, whose Key is nil if there is none. When it returns nil, the
	// node uses exactly these, and has stored them. It is called again later if
	// it fails.
	OnKeys func(current, other SphinxKey) error
	// Sequence is the last one used in an earlier life, and Save keeps it for
	// the next. Without them, the clock must never go back.
	Sequence uint64
	Save     func(sequence uint64) error
	// Compare, if set, is told the head that the directory states with each
	// lease: [Client.Compare].
	Compare func(context.Context, directory.Head) error
	// Schedule, if set, gives the network's schedule as it is known without asking
	// now; zero: it is not. It is used where no directory answers at the start.
	Schedule func() directory.Schedule
	// Fetch makes the requests. Required.
	Fetch directory.Fetch
	// Log receives the announcer's log. The zero Logger drops everything.
	Log zerolog.Logger
}

// An Announcer keeps a node's lease, and its Sphinx keys in step with the
// network's schedule.
//
//	no lease ──every 10 s──▶ leased ──at half of the lease──▶ leased
//	    ▲                       │
//	    └────── lease ended ────┘
type Announcer struct {
	cfg     Config
	servers *directory.Servers // asked by Run
	last    uint64             // sequence used last

	mu    sync.Mutex
	state LeaseState
}

// LeaseState is how a node stands with the directory.
type LeaseState struct {
	Until time.Time      // end of the lease; zero: never had one
	Layer uint8          // of a mix node; 0: not told
	Head  directory.Head // newest that the directory stated
}

// New checks the configuration and makes an Announcer. It says
// nothing; see [Announcer.Run].
func New(cfg Config) (*Announcer, error) {
	servers, err := directory.NewServers(cfg.URLs, cfg.Fetch)
	if err != nil {
		return nil, err
	}
	if cfg.Identity == nil {
		return nil, errors.New("announce: no identity to announce")
	}
	if (cfg.Keyring == nil) != (cfg.Announcement.Role == directory.RoleRequester) {
		return nil, errors.New("announce: nodes have a keyring, requesters have none")
	}
	cfg.Announcement.Identity = cfg.Identity.Public()
	cfg.Log = cfg.Log.With().Str("component", "announcer").Logger()
	a := &Announcer{cfg: cfg, servers: servers, last: cfg.Sequence}
	return a, a.cfg.Announcement.Check()
}

// State tells how the node stands with the directory.
func (a *Announcer) State() LeaseState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// Run announces until ctx ends, then returns nil.
func (a *Announcer) Run(ctx context.Context) error {
	schedule, ok := a.schedule(ctx)
	if !ok {
		return nil
	}
	var (
		pending = true            // OnKeys has not seen the ring as it is
		retired []*keys.SphinxKey // no longer on the ring, to be wiped
		failed  int
		renew   = time.Now() // when to announce next
		turn    time.Time    // when to look at the ring next
	)
	for {
		now := time.Now()
		if a.cfg.Keyring != nil && !now.Before(turn) {
			changed, dropped := a.cfg.Keyring.Advance(schedule, now)
			pending, retired = pending || changed, append(retired, dropped...)
			turn = nextTurn(schedule, now)
			if pending {
				if err := a.useKeys(); err != nil {
					a.cfg.Log.Error().Err(err).Msg("Sphinx keys not changed")
					turn = now.Add(time.Second)
				} else {
					pending, renew = false, now
					for _, k := range retired {
						k.Wipe()
					}
					retired = nil
				}
			}
		}
		if (a.cfg.Keyring == nil || !pending) && !now.Before(renew) {
			l, err := a.announce(ctx)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				failed++
				renew = now.Add(jitter(announceEvery))
				a.complain(err, failed)
			default:
				if failed > 0 {
					a.cfg.Log.Info().Msg("lease held again")
				}
				failed = 0
				a.hold(ctx, l, time.Now())
				renew = now.Add(jitter(l.Length * 2 / 5)) // at most half of it
			}
		}
		until := renew
		if a.cfg.Keyring != nil && (pending || turn.Before(until)) {
			until = turn
		}
		if !sleepUntil(ctx, until) {
			return nil
		}
	}
}

// jitter gives three quarters to five quarters of d (H05).
func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2) }

func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// useKeys hands the ring's keys to the node.
func (a *Announcer) useKeys() error {
	if a.cfg.OnKeys == nil {
		return nil
	}
	current, other, err := a.cfg.Keyring.Keys()
	if err != nil {
		return err
	}
	return a.cfg.OnKeys(current, other)
}

// schedule asks until it is told, or knows it otherwise. A requester needs none.
func (a *Announcer) schedule(ctx context.Context) (s directory.Schedule, ok bool) {
	if a.cfg.Keyring == nil {
		return directory.Schedule{}, true
	}
	for failed := 1; ; failed++ {
		s, err := a.servers.Schedule(ctx, a.cfg.Key)
		if err == nil {
			return s, true
		}
		if ctx.Err() != nil {
			return s, false
		}
		a.complain(err, failed)
		if a.cfg.Schedule != nil {
			if s := a.cfg.Schedule(); !s.IsZero() {
				return s, true
			}
		}
		if !sleepUntil(ctx, time.Now().Add(min(jitter(time.Second<<min(failed-1, 10)), announceEvery))) {
			return s, false
		}
	}
}

// announce makes one announcement.
func (a *Announcer) announce(ctx context.Context) (directory.Lease, error) {
	said := a.cfg.Announcement
	said.Issued = time.Now().UTC()
	// Of a clock that does not go back, every second is greater than what was
	// used before.
	a.last = max(a.last+1, uint64(max(0, said.Issued.Unix())))
	said.Sequence = a.last
	if a.cfg.Keyring != nil {
		said.Sphinx = a.cfg.Keyring.announced()
	}
	if a.cfg.Save != nil {
		if err := a.cfg.Save(a.last); err != nil {
			return directory.Lease{}, fmt.Errorf("%w: %w", errNotSaved, err)
		}
	}
	invite := a.cfg.Invite
	if !a.State().Until.IsZero() {
		invite = nil // we are a member now
	}
	body, err := said.SignInvited(a.cfg.Identity, invite)
	if err != nil {
		return directory.Lease{}, err
	}
	l, err := a.servers.Announce(ctx, body, a.cfg.Key)
	var refused *directory.Refusal
	if errors.As(err, &refused) && refused.Code == directory.CodeSequence && refused.Sequence < 1<<62 {
		a.last = max(a.last, refused.Sequence)
	}
	return l, err
}

// hold takes a lease.
func (a *Announcer) hold(ctx context.Context, l directory.Lease, now time.Time) {
	if a.cfg.Compare != nil && !l.Head.IsZero() {
		if err := a.cfg.Compare(ctx, l.Head); err != nil {
			a.cfg.Log.Error().Err(err).Msg("head not believed")
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.Until.IsZero() {
		line := a.cfg.Log.Info()
		if l.Layer > 0 { // only mix nodes have one
			line = line.Uint8("layer", l.Layer)
		}
		line.Msg("lease held")
	}
	a.state.Until, a.state.Layer = now.Add(l.Length), l.Layer
	if l.Head.Sequence > a.state.Head.Sequence {
		a.state.Head = l.Head
	}
}

// complain logs a failure, the first of a row and then ever fewer.
func (a *Announcer) complain(err error, failed int) {
	if failed&(failed-1) != 0 {
		return
	}
	a.cfg.Log.Warn().Err(err).Int("attempts", failed).Msg("announcement not taken")
}
