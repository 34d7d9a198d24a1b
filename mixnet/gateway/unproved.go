package gateway

import (
	"container/list"
	"net/netip"
	"time"

	"nym-socks5/internal/admit"
	"nym-socks5/mixnet/keys"
)

// unproved are the clients that registered since the gateway began and have not
// sent a sealed frame yet: so many of one address, beyond which it is told to try
// later, and so many in all, beyond which the one that waits longest gives way.
// Honest clients leave it within seconds. clients guards it.
//
// It is in memory only: addresses of clients are never written to disk. The store
// forgets such clients of a gateway that ended after a day.
type unproved struct {
	max    int
	limits *admit.Limiter
	all    map[keys.Identity]*list.Element
	order  list.List // of *unprovedClient, in the order of their registration
}

type unprovedClient struct {
	client keys.Identity
	place  *admit.Place
	since  time.Time
}

func newUnproved(max, perAddr int) *unproved {
	return &unproved{
		max: max, limits: admit.New(admit.Limits{PlacesPerPrefix: perAddr}),
		all: make(map[keys.Identity]*list.Element),
	}
}

// add takes a client in, unless there are too many of its address. The one that
// gives way, if any, must be forgotten.
func (u *unproved) add(client keys.Identity, ip netip.Addr, now time.Time) (gone *keys.Identity, ok bool) {
	if u.all[client] != nil {
		return nil, true
	}
	p, ok := u.limits.Enter(ip)
	if !ok {
		return nil, false
	}
	if u.order.Len() >= u.max {
		oldest := u.order.Front().Value.(*unprovedClient).client
		u.remove(oldest)
		gone = &oldest
	}
	u.all[client] = u.order.PushBack(&unprovedClient{client, p, now})
	return gone, true
}

// remove takes a client out: it proved itself, or is forgotten.
func (u *unproved) remove(client keys.Identity) {
	if e := u.all[client]; e != nil {
		u.order.Remove(e).(*unprovedClient).place.Leave()
		delete(u.all, client)
	}
}

// expire takes out those that registered before a time.
func (u *unproved) expire(before time.Time) {
	for e := u.order.Front(); e != nil && e.Value.(*unprovedClient).since.Before(before); e = u.order.Front() {
		u.remove(e.Value.(*unprovedClient).client)
	}
}
