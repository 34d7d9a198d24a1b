package announce

import (
	"errors"
	"time"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// A SphinxKey is a node's secret for one rotation.
type SphinxKey struct {
	Rotation uint32
	Key      *keys.SphinxKey
}

// A Keyring holds a node's Sphinx keys, and says when to draw and when to drop
// one (nodes.md §3.7). It reads no clock.
//
//	rotation      r-1              │            r             │    r+1
//	key r-1   …───────────────────────┤ dropped
//	key r                     ├────────────────────────────────────┤
//	                          drawn and announced
//	                          one epoch ahead
type Keyring struct {
	held []SphinxKey // the current one first; at most two
	draw func() *keys.SphinxKey
}

// NewKeyring makes a ring of stored keys; none for a new node.
func NewKeyring(stored ...SphinxKey) *Keyring {
	return &Keyring{held: append([]SphinxKey(nil), stored...), draw: keys.NewSphinxKey}
}

// Keys gives the current key and the one beside it: the next, once it is
// announced, or the one before, while packets under it may be on their way.
// other.Key is nil if there is none.
func (r *Keyring) Keys() (current, other SphinxKey, err error) {
	if len(r.held) == 0 {
		return SphinxKey{}, SphinxKey{}, errors.New("announce: keyring is empty")
	}
	if len(r.held) > 1 {
		other = r.held[1]
	}
	return r.held[0], other, nil
}

// Advance draws and drops keys so that the ring fits the time, and reports
// whether it changed. The keys dropped are returned, to be wiped once nothing
// uses them any more (H36).
func (r *Keyring) Advance(s directory.Schedule, now time.Time) (changed bool, dropped []*keys.SphinxKey) {
	current, other, hasOther := s.Held(now)
	want := []uint32{current}
	// A new node has no old key to keep, and draws none for the past.
	if hasOther && (other > current || r.find(other) != nil) {
		want = append(want, other)
	}
	var held []SphinxKey
	for _, rotation := range want {
		k := r.find(rotation)
		if k == nil {
			k, changed = r.draw(), true
		}
		held = append(held, SphinxKey{rotation, k})
	}
	for i, h := range r.held {
		if i >= len(held) || held[i].Rotation != h.Rotation {
			changed = true
		}
		kept := false
		for _, n := range held {
			kept = kept || n.Key == h.Key
		}
		if !kept {
			dropped = append(dropped, h.Key)
		}
	}
	changed = changed || len(held) != len(r.held)
	r.held = held
	return changed, dropped
}

// announced gives the public halves of the current and the next key. The one
// before is nobody's business any more.
func (r *Keyring) announced() (out []directory.RotationKey) {
	for i, h := range r.held {
		if i == 0 || h.Rotation > r.held[0].Rotation {
			out = append(out, directory.RotationKey{Rotation: h.Rotation, Key: h.Key.Public()})
		}
	}
	return out
}

func (r *Keyring) find(rotation uint32) *keys.SphinxKey {
	for _, h := range r.held {
		if h.Rotation == rotation {
			return h.Key
		}
	}
	return nil
}

// nextTurn gives the first time after now at which Advance may change the ring:
// the start of the next epoch.
func nextTurn(s directory.Schedule, now time.Time) time.Time { return s.EpochStart(s.Epoch(now) + 1) }
