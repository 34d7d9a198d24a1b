package proxy

import "time"

// recent is a set that forgets: each element stays for at least ttl and at
// most twice that, unless more than limit come in that time. The lock of the
// Proxy guards it.
type recent[K comparable] struct {
	ttl   time.Duration
	limit int

	young, old map[K]struct{}
	turned     time.Time
}

// add puts k into the set, or keeps it for longer.
func (r *recent[K]) add(now time.Time, k K) {
	r.turn(now)
	if r.young == nil {
		r.young = make(map[K]struct{})
	}
	if len(r.young) >= r.limit/2 {
		r.young, r.old, r.turned = make(map[K]struct{}), r.young, now
	}
	r.young[k] = struct{}{}
}

// has reports whether k is in the set.
func (r *recent[K]) has(now time.Time, k K) bool {
	r.turn(now)
	if _, ok := r.young[k]; ok {
		return true
	}
	_, ok := r.old[k]
	return ok
}

func (r *recent[K]) turn(now time.Time) {
	switch age := now.Sub(r.turned); {
	case age < r.ttl:
	case age < 2*r.ttl:
		r.young, r.old, r.turned = nil, r.young, now
	default:
		r.young, r.old, r.turned = nil, nil, now
	}
}
