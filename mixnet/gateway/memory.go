package gateway

import (
	"context"
	"sync"
	"time"

	"nym-socks5/mixnet/keys"
)

// Limits of an inbox.
type Limits struct {
	// ClientBytes is how much mail one client may have. If zero, it is 16 MiB.
	ClientBytes int
	// TotalBytes is how much mail there may be in all. If zero, it is 1 GiB.
	TotalBytes int
}

func (l Limits) withDefaults() Limits {
	if l.ClientBytes == 0 {
		l.ClientBytes = 16 << 20
	}
	if l.TotalBytes == 0 {
		l.TotalBytes = 1 << 30
	}
	return l
}

// MemoryInbox is an Inbox that ends with the process.
type MemoryInbox struct {
	limits Limits

	mu    sync.Mutex
	last  uint64
	bytes int
	m     map[keys.Identity]*box
}

type box struct {
	mail  []Mail
	bytes int
}

// mailCost is what a message takes beside its bytes.
const mailCost = 96

// NewMemoryInbox makes an empty one.
func NewMemoryInbox(l Limits) *MemoryInbox {
	return &MemoryInbox{limits: l.withDefaults(), m: make(map[keys.Identity]*box)}
}

// Put implements [Inbox].
func (in *MemoryInbox) Put(_ context.Context, mail []Mail) []error {
	in.mu.Lock()
	defer in.mu.Unlock()
	errs := make([]error, len(mail))
	for i, m := range mail {
		b := in.m[m.Client]
		if b == nil {
			b = &box{}
			in.m[m.Client] = b
		}
		cost := len(m.Message) + mailCost
		if b.bytes+cost > in.limits.ClientBytes || in.bytes+cost > in.limits.TotalBytes {
			errs[i] = ErrFull
			continue
		}
		in.last++
		m.ID = in.last
		b.mail = append(b.mail, m)
		b.bytes += cost
		in.bytes += cost
	}
	return errs
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
		cost := len(b.mail[n].Message) + mailCost
		b.bytes -= cost
		in.bytes -= cost
		b.mail[n] = Mail{}
		n++
	}
	b.mail = b.mail[n:]
	if len(b.mail) == 0 {
		delete(in.m, client)
	}
	return n
}
