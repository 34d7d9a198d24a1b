package endpoint

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/proxy"
)

// A Status is how an endpoint fares: a copy, which does not change. It names
// gateways and requesters, so it is for whoever runs the endpoint and nobody
// else.
type Status struct {
	// Ready reports whether the endpoint was ever of use.
	Ready bool
	// Address is where the endpoint is reached; zero: it is not known yet.
	Address    mixnet.Recipient
	Entry      EntryStatus
	Requesters []RequesterStatus // the one in use first
	// Loops tallies packets to ourselves in the last five minutes: those that do
	// not come home were dropped by somebody (H39).
	Loops client.Tally
	// Streams counts streams since the start, Failures those of them that could not
	// be opened, Packets what the client did, its reply SURBs among it.
	Streams  proxy.Stats
	Failures Failures
	Packets  client.Stats
}

// An EntryStatus is the gateway that the endpoint enters by.
type EntryStatus struct {
	Gateway   keys.Identity // zero: none was reached yet
	Connected bool
	Since     time.Time // when Connected became what it is
	Why       Why       // this gateway
}

// A RequesterStatus is one of the requesters that may connect to targets.
type RequesterStatus struct {
	Address mixnet.Recipient
	InUse   bool      // by streams of the last minutes
	Since   time.Time // in use
	Why     Why       // in use
	// Answers reports whether it does. RoundTrip is what a question and its answer
	// take, as a mean; zero: not measured.
	Answers   bool
	RoundTrip time.Duration
}

// A Why says why a gateway or requester is the one in use.
type Why string

// The reasons.
const (
	WhyPreferred   Why = "it is the preferred one"
	WhyUnreachable Why = "the one before could not be reached"
	WhyBack        Why = "the preferred one can be reached again"
	WhyDrawn       Why = "it was drawn"
	WhyKept        Why = "it was drawn at an earlier start"
	WhySilent      Why = "the one before did not answer"
)

// Status tells how the endpoint fares.
func (e *Endpoint) Status() Status {
	var s Status
	e.mu.Lock()
	s.Entry = e.entry
	e.mu.Unlock()
	select {
	case <-e.ready:
		s.Ready = true
	default:
	}
	s.Failures = e.failures.counts()
	select {
	case <-e.made:
	default:
		return s
	}
	s.Address, s.Packets = e.client.Address(), e.client.Stats()
	s.Loops, _ = e.client.Loops()
	if haveStreams && e.proxy != nil {
		s.Streams = e.proxy.Stats()
	}
	if e.requesters != nil {
		s.Requesters = e.requesters.status()
	}
	return s
}

// Changed is closed at the next change of the Status' Ready, Entry or Requesters;
// counters change all the time. Ask for it before the Status.
func (e *Endpoint) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

// notify tells those who wait for a change.
func (e *Endpoint) notify() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.changed)
	e.changed = make(chan struct{})
}

// onSession notes that a session with a gateway is up, or that none is.
func (e *Endpoint) onSession(gateway keys.Identity, up bool) {
	e.mu.Lock()
	before := e.entry
	now := EntryStatus{Gateway: gateway, Connected: up, Since: time.Now(), Why: before.Why}
	switch {
	case before.Gateway.IsZero():
		now.Why = WhyPreferred
		if gateway != e.preferred {
			now.Why = WhyUnreachable
		}
	case before.Gateway == gateway:
	case gateway == e.preferred:
		now.Why = WhyBack
	default:
		now.Why = WhyUnreachable
	}
	if before.Gateway == gateway && before.Connected == up {
		now.Since = before.Since
	}
	e.entry = now
	e.mu.Unlock()
	select {
	case <-e.made:
		if e.requesters != nil && up {
			e.requesters.entryChanged()
		}
	default:
	}
	e.notify()
}
