package mixnode

import (
	"errors"
	"sync"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// NoRotation is the rotation id of a node whose network does not rotate keys:
// its key is used for every rotation (sphinx.md §7.1).
const NoRotation uint32 = 1<<32 - 1

// A Key is a Sphinx key and the id of the rotation it serves.
type Key struct {
	Rotation uint32
	Key      *keys.SphinxKey
	// Log keeps the tags of packets seen under the key (H18). If nil, they are
	// in memory only, and the key must not be used again after a restart. Whoever
	// hands the log in closes it: when the key is retired or the node has ended.
	Log ReplayLog
}

// Keys are a node's Sphinx keys (sphinx.md §7.3).
type Keys struct {
	// Primary is the current key.
	Primary Key
	// Secondary is the pre-announced key shortly before a change of rotation,
	// the previous one shortly after, else zero.
	Secondary Key
}

// errNoKey reports Keys that lack what a node cannot do without.
var errNoKey = errors.New("mixnode: no primary Sphinx key")

// A slot is a key in use with the tags seen under it. Its filter lives as long
// as the key is held, in whatever place.
type slot struct {
	Key
	seen *filter
}

// keyring holds the keys in use. Workers hold its lock while they use them, so
// that a key taken out can be wiped at once.
type keyring struct {
	newFilter func() *filter
	setting   sync.Mutex // held while keys are replaced

	mu    sync.RWMutex
	slots [2]slot // primary, secondary; a nil key is none
}

// set replaces the keys. Filters of keys that stay are kept, with their logs.
func (r *keyring) set(k Keys) error {
	if k.Primary.Key == nil {
		return errNoKey
	}
	r.setting.Lock()
	defer r.setting.Unlock()
	loaded, err := r.load(k) // may take a while: without the workers' lock
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.slots
	r.slots = [2]slot{}
	for i, key := range []Key{k.Primary, k.Secondary} {
		if key.Key == nil {
			continue
		}
		s := slot{Key: key, seen: loaded[i]}
		for _, o := range append(old[:], r.slots[0]) {
			if o.Key.Key != nil && o.Key.Key.Equal(key.Key) {
				s.seen = o.seen
			}
		}
		r.slots[i] = s
	}
	return nil
}

// load makes the filters of keys that are not held yet, and fills them from
// their logs.
func (r *keyring) load(k Keys) (loaded [2]*filter, err error) {
	for i, key := range []Key{k.Primary, k.Secondary} {
		if key.Key == nil || r.holds(key.Key) || i == 1 && key.Key.Equal(k.Primary.Key) {
			continue
		}
		loaded[i] = r.newFilter()
		if key.Log == nil {
			continue
		}
		if err := loaded[i].load(key.Log); err != nil {
			return loaded, err
		}
	}
	return loaded, nil
}

func (r *keyring) holds(key *keys.SphinxKey) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.slots {
		if s.Key.Key != nil && s.Key.Key.Equal(key) {
			return true
		}
	}
	return false
}

// choose gives the keys to try for a packet (nodes.md §3.4): those whose own
// rotation has the packet's parity, or both if the packet does not say. It
// reports false if there is none. Needs the lock.
func (r *keyring) choose(rotation mixnet.Rotation) (ks [2]*keys.SphinxKey, ok bool) {
	for i, s := range r.slots {
		if s.Key.Key != nil && s.serves(rotation) {
			ks[i] = s.Key.Key
			ok = true
		}
	}
	return ks, ok
}

// serves reports whether a packet of this rotation may have been built under
// the key. Rotation 0 is even here, though packets of it say unknown.
func (k Key) serves(r mixnet.Rotation) bool {
	switch {
	case r == mixnet.RotationUnknown || k.Rotation == NoRotation:
		return true
	case k.Rotation%2 == 1:
		return r == mixnet.RotationOdd
	}
	return r == mixnet.RotationEven
}

// tags counts the replay tags held and their bytes.
func (r *keyring) tags() (tags, bytes int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i, s := range r.slots {
		if s.seen == nil || i == 1 && s.seen == r.slots[0].seen {
			continue
		}
		t, b := s.seen.size()
		tags += t
		bytes += b
	}
	return tags, bytes
}
