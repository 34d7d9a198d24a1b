package dirserver

import (
	"time"

	"nym-socks5/mixnet/directory"
)

// A summary is what people want to know of a snapshot.
type summary struct {
	nodes, requesters int
	routable          bool
}

// A publisher decides when snapshots are issued and when they come into force. The
// server's loop owns it.
//
//	none ──▶ current ──(lead before the boundary)──▶ current, next ──(boundary)──▶ current
type publisher struct {
	said summary // what the log has of the snapshot before

	pace     pace
	schedule directory.Schedule
	validity time.Duration // how long after it came into force a snapshot may be relied on

	current, next *snapshot
	standby       time.Time      // when to look whether another directory still publishes; zero: we do
	last          directory.Head // of the last one issued, in this run or before
	passed        time.Time      // the last moment for which none had to be issued
}

// boundary gives the moment for which the snapshot after the current one is to be
// issued, and how long before.
func (p *publisher) boundary(now time.Time) (at time.Time, lead time.Duration) {
	if now.Before(p.passed) {
		now = p.passed
	}
	c := p.current.view.Cadence
	return c.Next(now, p.schedule), c.Lead
}

// due says when something is to be done.
func (p *publisher) due(now time.Time) time.Time {
	switch {
	case !p.standby.IsZero():
		return p.standby
	case p.current == nil:
		return now
	case p.next != nil:
		return p.next.seal.ValidAfter
	}
	at, lead := p.boundary(now)
	return at.Add(-lead)
}

// advance brings the next snapshot into force if it is time.
func (p *publisher) advance(now time.Time) {
	if p.next != nil && !now.Before(p.next.seal.ValidAfter) {
		p.current, p.next = p.next, nil
	}
}

// wants says for which moment a snapshot is to be issued now; false: none.
// Only the first comes into force at once: where people have different ones,
// packets are lost.
func (p *publisher) wants(now time.Time) (at time.Time, ok bool) {
	switch {
	case p.current == nil:
		return now, true
	case p.next != nil:
		return time.Time{}, false
	}
	at, lead := p.boundary(now)
	return at, !now.Before(at.Add(-lead))
}

// pass reports whether nobody needs a snapshot of v that would come into force
// at a time: nothing has changed, and a settled network would have none then
// either. So the numbers of snapshots do not grow while nobody comes.
func (p *publisher) pass(v *directory.View, at time.Time) bool {
	if p.current == nil || !v.Refreshed.Equal(p.current.view.Refreshed) ||
		at.Equal(p.pace.usual.Next(at.Add(-1), p.schedule)) {
		return false
	}
	p.passed = at
	return true
}

// seal gives the seal of a snapshot issued now that comes into force at a time.
func (p *publisher) seal(now, at time.Time, epoch uint32) directory.Seal {
	return directory.Seal{
		Epoch: epoch, Sequence: p.last.Sequence + 1, Issued: now.UTC(), ValidAfter: at.UTC(),
		ValidUntil: at.Add(p.validity).UTC(), Previous: p.last.Topology,
	}
}

// refreshed says when the view changed last: when it comes into force, or when
// the one before did if nothing else changed, so that its documents stay the
// same to the byte.
func (p *publisher) refreshed(v *directory.View, at time.Time) time.Time {
	for _, s := range []*snapshot{p.next, p.current} {
		if s == nil {
			continue
		}
		same := *v
		same.Refreshed = s.view.Refreshed
		if sameView(&same, s.view) {
			return s.view.Refreshed
		}
		break
	}
	return at.UTC().Truncate(time.Second)
}

func sameView(a, b *directory.View) bool {
	x, errX := a.AppendDocument(nil)
	y, errY := b.AppendDocument(nil)
	return errX == nil && errY == nil && string(x) == string(y)
}

// issue puts a snapshot in its place.
func (p *publisher) issue(s *snapshot, now time.Time) {
	p.last = s.head
	p.next = s
	p.advance(now)
}
