package gateway

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet/keys"
)

// MemoryInbox is an Inbox that ends with the process.
type MemoryInbox struct {
	limits Limits

	watches Watches

	mu   sync.Mutex // guards the following
	last uint64
	used Usage // of all; Box is not used
	m    map[keys.Identity]*box
}

type box struct {
	mail  []Mail
	bytes int
}

// mailCost is what a message takes beside its bytes.
const mailCost = 96

// NewMemoryInbox makes an empty one.
func NewMemoryInbox(l Limits) *MemoryInbox {
	return &MemoryInbox{limits: l.WithDefaults(), m: make(map[keys.Identity]*box)}
}

// Put implements [Inbox].
func (in *MemoryInbox) Put(_ context.Context, mail []Mail) []error {
	errs := make([]error, len(mail))
	in.mu.Lock()
	for i, m := range mail {
		b := in.m[m.Client]
		if b == nil {
			b = &box{}
		}
		cost := len(m.Message) + mailCost
		u := in.used
		u.Box = b.bytes
		if !in.limits.Room(u, cost, m.Unproved) {
			errs[i] = ErrFull
			continue
		}
		in.m[m.Client] = b
		in.last++
		m.ID = in.last
		b.mail = append(b.mail, m)
		in.charge(b, m, cost)
	}
	in.mu.Unlock()
	for i, err := range errs {
		if err == nil {
			in.watches.Arrived(mail[i].Client)
		}
	}
	return errs
}

// charge adds a message to what a box and all have, or takes it away. mu is held.
func (in *MemoryInbox) charge(b *box, m Mail, cost int) {
	b.bytes += cost
	in.used.Total += cost
	if m.Unproved {
		in.used.Unproved += cost
	}
}

// Watch implements [Inbox].
func (in *MemoryInbox) Watch(client keys.Identity, arrived func()) (stop func()) {
	return in.watches.Watch(client, arrived)
}

// Fetch implements [Inbox].
func (in *MemoryInbox) Fetch(_ context.Context, client keys.Identity, after uint64, n int) ([]Mail, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.m[client]
	if b == nil {
		return nil, nil
	}
	var out []Mail
	for _, m := range b.mail {
		if m.ID > after && len(out) < n {
			out = append(out, m)
		}
	}
	return out, nil
}

// Delete implements [Inbox].
func (in *MemoryInbox) Delete(_ context.Context, client keys.Identity, upTo uint64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if b := in.m[client]; b != nil {
		in.cut(client, b, func(m Mail) bool { return m.ID <= upTo })
	}
	return nil
}

// Expire implements [Inbox].
func (in *MemoryInbox) Expire(_ context.Context, before time.Time) (n int, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for client, b := range in.m {
		n += in.cut(client, b, func(m Mail) bool { return m.Arrived.Before(before) })
	}
	return n, nil
}

// cut removes the oldest mail of a client for which is says yes, and counts it.
func (in *MemoryInbox) cut(client keys.Identity, b *box, is func(Mail) bool) (n int) {
	for n < len(b.mail) && is(b.mail[n]) {
		in.charge(b, b.mail[n], -(len(b.mail[n].Message) + mailCost))
		b.mail[n] = Mail{}
		n++
	}
	b.mail = b.mail[n:]
	if len(b.mail) == 0 {
		delete(in.m, client)
	}
	return n
}
