package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet/keys"
)

// announceEvery is how often an announcement is tried before there is a lease
// (nodes.md §4.11).
const announceEvery = 10 * time.Second

// errNotSaved reports that a sequence number could not be kept, and so was not used.
var errNotSaved = errors.New("directory: sequence not saved")

// AnnouncerConfig is what an [Announcer] is made of.
type AnnouncerConfig struct {
	// URLs are those of the network's directories. At least one.
	URLs []string
	// Key is the directory's key, pinned. If zero, its answers are believed.
	Key keys.Identity
	// Identity signs the announcements. Required.
	Identity *keys.IdentityKey
	// Announcement is what is said. Identity, Sequence and Issued are filled in,
	// and Sphinx too where there is a Keyring.
	Announcement Announcement
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
	Compare func(Head) error
	// HTTP makes the requests. If nil, it is one of our own.
	HTTP *http.Client
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
	cfg   AnnouncerConfig
	fetch *fetcher
	rng   *rand.Rand
	last  uint64 // sequence used last

	mu    sync.Mutex
	state LeaseState
}

// LeaseState is how a node stands with the directory.
type LeaseState struct {
	Until time.Time // end of the lease; zero: never had one
	Layer uint8     // of a mix node; 0: not told
	Head  Head      // newest that the directory stated
}

// A lease is what one announcement was answered with.
type lease struct {
	length time.Duration
	layer  uint8
	head   Head
}

// NewAnnouncer checks the configuration and makes an Announcer. It says
// nothing; see [Announcer.Run].
func NewAnnouncer(cfg AnnouncerConfig) (*Announcer, error) {
	f, err := newFetcher(cfg.URLs, cfg.HTTP)
	if err != nil {
		return nil, err
	}
	if cfg.Identity == nil {
		return nil, errors.New("directory: no identity to announce")
	}
	if (cfg.Keyring == nil) != (cfg.Announcement.Role == RoleRequester) {
		return nil, errors.New("directory: nodes have a keyring, requesters have none")
	}
	cfg.Announcement.Identity = cfg.Identity.Public()
	cfg.Log = cfg.Log.With().Str("component", "announcer").Logger()
	a := &Announcer{cfg: cfg, fetch: f, rng: newRand(), last: cfg.Sequence}
	return a, a.cfg.Announcement.check()
}

// check finds out at the start what the directory would refuse.
func (a Announcement) check() error {
	a.Issued = time.Unix(0, 0)
	if a.Role != RoleRequester && len(a.Sphinx) == 0 {
		a.Sphinx = []RotationKey{{1, keys.NewSphinxKey().Public()}}
	}
	text, err := json.Marshal(a.json())
	if err != nil {
		return fmt.Errorf("directory: announcement: %w", err)
	}
	_, err = parseAnnouncement(text)
	return err
}

// State tells how the node stands with the directory.
func (a *Announcer) State() LeaseState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// Run announces until ctx ends, then returns nil.
func (a *Announcer) Run(ctx context.Context) error {
	defer a.fetch.http.CloseIdleConnections()
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
			turn = schedule.next(now)
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
				renew = now.Add(jitter(announceEvery, a.rng))
				a.complain(err, failed)
			default:
				if failed > 0 {
					a.cfg.Log.Info().Msg("lease held again")
				}
				failed = 0
				a.hold(l, time.Now())
				renew = now.Add(jitter(l.length*2/5, a.rng)) // at most half of it
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

// schedule asks until it is told. A requester needs none.
func (a *Announcer) schedule(ctx context.Context) (s Schedule, ok bool) {
	if a.cfg.Keyring == nil {
		return Schedule{}, true
	}
	for failed := 1; ; failed++ {
		err := a.fetch.each(ctx, func(base string) (err error) {
			s, err = a.fetchSchedule(ctx, base)
			return err
		})
		if err == nil {
			return s, true
		}
		if ctx.Err() != nil {
			return s, false
		}
		a.complain(err, failed)
		if !sleepUntil(ctx, time.Now().Add(min(backoff(failed-1, a.rng), announceEvery))) {
			return s, false
		}
	}
}

func (a *Announcer) fetchSchedule(ctx context.Context, base string) (Schedule, error) {
	got, err := a.fetch.get(ctx, base, pathRotation, Hash{})
	if err != nil {
		return Schedule{}, err
	}
	if !a.cfg.Key.IsZero() {
		seal, err := ParseSeal(got.seal)
		if err != nil {
			return Schedule{}, fmt.Errorf("%w: %w", ErrSignature, err)
		}
		if !seal.Verify(a.cfg.Key, got.uri, got.hash) && !seal.Verify(a.cfg.Key, got.path, got.hash) {
			return Schedule{}, ErrSignature
		}
		if time.Now().After(seal.ValidUntil.Add(clockSkew)) {
			return Schedule{}, ErrTime
		}
	}
	var info nymRotationInfo
	if err := decode(got.body, &info); err != nil {
		return Schedule{}, err
	}
	return info.schedule()
}

// announce makes one announcement.
func (a *Announcer) announce(ctx context.Context) (lease, error) {
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
			return lease{}, fmt.Errorf("%w: %w", errNotSaved, err)
		}
	}
	body, err := said.Sign(a.cfg.Identity)
	if err != nil {
		return lease{}, err
	}
	var l lease
	err = a.fetch.each(ctx, func(base string) error {
		status, out, err := a.fetch.post(ctx, base, pathAnnounce, string(body))
		if err != nil {
			return err
		}
		l, err = a.read(status, out)
		return err
	})
	var refused *Refusal
	if errors.As(err, &refused) && refused.Code == CodeSequence && refused.Sequence < 1<<62 {
		a.last = max(a.last, refused.Sequence)
	}
	return l, err
}

// read reads the directory's answer.
func (a *Announcer) read(status int, body []byte) (lease, error) {
	if status != http.StatusOK {
		var j refusalJSON
		if err := decode(body, &j); err != nil || j.Error.Code == "" {
			return lease{}, fmt.Errorf("directory: announcement answered with status %d", status)
		}
		if j.Error.Code == CodeBusy {
			return lease{}, errors.New("directory: busy") // another may not be
		}
		return lease{}, &Refusal{Code: clean(j.Error.Code), Message: clean(j.Error.Message), Sequence: j.Error.Sequence}
	}
	var j leaseJSON
	if err := decode(body, &j); err != nil {
		return lease{}, err
	}
	if !(j.Seconds >= 1 && j.Seconds <= 86400) || j.Layer > 3 {
		return lease{}, fmt.Errorf("%w: lease", ErrMalformed)
	}
	if !a.cfg.Key.IsZero() && !j.Head.IsZero() && !j.Head.Verify(a.cfg.Key) {
		return lease{}, ErrSignature
	}
	return lease{time.Duration(j.Seconds * float64(time.Second)), j.Layer, j.Head}, nil
}

// clean keeps what another program wrote fit for a log.
func clean(s string) string {
	b := []byte(s[:min(len(s), 200)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

func (a *Announcer) hold(l lease, now time.Time) {
	if a.cfg.Compare != nil && !l.head.IsZero() {
		if err := a.cfg.Compare(l.head); err != nil {
			a.cfg.Log.Error().Str("reason", reason(err)).Msg("head not believed")
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.Until.IsZero() {
		a.cfg.Log.Info().Uint8("layer", l.layer).Msg("lease held")
	}
	a.state.Until, a.state.Layer = now.Add(l.length), l.layer
	if l.head.Sequence > a.state.Head.Sequence {
		a.state.Head = l.head
	}
}

// complain logs a failure, the first of a row and then ever fewer.
func (a *Announcer) complain(err error, failed int) {
	if failed&(failed-1) != 0 {
		return
	}
	why := reason(err)
	var refused *Refusal
	if errors.As(err, &refused) {
		why = refused.Code + ": " + refused.Message
	}
	a.cfg.Log.Warn().Str("reason", why).Int("n", failed).Msg("announcement not taken")
}
