package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
)

// Off switches a mean of [Traffic] off.
const Off = -1

// Traffic says what packets look like and when they leave. The zero Traffic is
// that of Nym's own clients (sphinx.md §6.1).
type Traffic struct {
	// HopDelay is the mean delay at each of three mixes. If zero, it is 15 ms;
	// if negative, packets are not delayed, and mixes mix nothing.
	HopDelay time.Duration
	// SendEvery is the mean interval of the main stream. If zero, it is 20 ms.
	// If negative, packets leave as soon as they are there and no cover takes
	// their place, so that the times of sending show the traffic.
	SendEvery time.Duration
	// FollowDemand lets the main stream follow what is to be sent (H33): in steps of
	// four, from SendEvery up to 64 times as often, up at once and down after ten
	// minutes. It is for requesters, who serve many. It means nothing without pacing.
	FollowDemand bool
	// CoverEvery is the mean interval of the loop cover stream. If zero, it is
	// 200 ms; if negative, there is none.
	CoverEvery time.Duration
	// Size is that of every packet but acknowledgements. If zero, it is
	// [mixnet.Regular].
	Size mixnet.PacketSize
	// Version is that of every header, data and cover alike (H03). If zero, it
	// is [sphinx.Version259].
	Version sphinx.Version
}

// Fast is a Traffic without delays, pacing and cover, for measuring and tests.
// It hides who talks to whom from nobody who watches the network.
func Fast() Traffic { return Traffic{HopDelay: Off, SendEvery: Off, CoverEvery: Off} }

func (t Traffic) withDefaults() Traffic {
	mean := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
		*d = max(0, *d)
	}
	mean(&t.HopDelay, DefaultHopDelay)
	mean(&t.SendEvery, DefaultSendEvery)
	mean(&t.CoverEvery, DefaultCoverEvery)
	if t.Size == 0 {
		t.Size = mixnet.Regular
	}
	if t.Version == 0 {
		t.Version = sphinx.Version259
	}
	return t
}

// Config is what a Client is made of.
type Config struct {
	// Entries are the gateways the client may use, the preferred one first. While
	// that cannot be reached the client uses the others, one after the other, and
	// goes back as soon as it can (H26). Its address is another at each, so more
	// than one is for clients that nobody writes to unasked. Streams and
	// conversations go on.
	Entries []Entry
	// Everywhere keeps a session with every entry at once, for clients whose addresses
	// others know: what is for any of them arrives, and the first that can be reached is
	// sent by.
	Everywhere bool
	// Encryption and Ack are the client's other keys. Each that is nil is drawn.
	Encryption *keys.EncryptionKey
	Ack        *keys.Ack
	// Store keeps what the gateway knows the client by, so that one with the
	// same keys need not register again. If nil, it is in memory.
	Store Store
	// Topology gives the network as it is now. It is asked at the
	// start and then again and again.
	Topology func(context.Context) (*topology.Network, error)
	// Refresh is the mean time between two questions. If zero, it is 5 minutes.
	Refresh time.Duration
	// Dial connects to a gateway's client port, given its WebSocket URL.
	Dial func(ctx context.Context, url string) (session.MessageConn, error)

	// OnSession, if set, is told when a session with an entry gateway is the one
	// that is used, and when none is any more. It must not block.
	OnSession func(gateway keys.Identity, up bool)
	// OnNetwork, if set, is told that there is no way into the mixnet: no session for
	// three seconds, and each entry was tried in vain since the last; and when there is
	// one again. It must not block.
	OnNetwork func(there bool)

	Traffic Traffic
	// LaneRoom is how many packets of one lane are queued or on their way at
	// most. If zero, as many as may be on their way to its far end, and a few more.
	LaneRoom int

	// SolicitedOnly drops whatever does not come under a reply key of ours
	// before it is put together (H13): for clients that only ask.
	SolicitedOnly bool

	// NeverStop sends messages even while hardly any cover comes home. Without it
	// that ends until some does (H39): an attacker who blocks all other packets
	// would see where a client's go.
	NeverStop bool

	// Log receives the client's log. The zero Logger drops everything.
	Log zerolog.Logger
}

func (c Config) check() error {
	switch {
	case c.Topology == nil:
		return errors.New("client: no topology")
	case c.Dial == nil:
		return errors.New("client: no way to dial")
	case len(c.Entries) == 0:
		return errors.New("client: no entry gateway")
	case len(c.Entries) > MaxEntries:
		return fmt.Errorf("client: %d entry gateways, the most are %d", len(c.Entries), MaxEntries)
	case slices.ContainsFunc(c.Entries, func(e Entry) bool { return e.Gateway.IsZero() }):
		return errors.New("client: entry without a gateway")
	case sharesIdentity(c.Entries):
		return errors.New("client: two entries have one identity")
	case c.LaneRoom < 0 || c.Refresh < 0:
		return errors.New("client: negative lane room or refresh")
	case c.Traffic.Size != 0 && (!c.Traffic.Size.Valid() || c.Traffic.Size == mixnet.AckSize):
		return errors.New("client: packets of this size carry no messages")
	case c.Traffic.Version != 0 && c.Traffic.Version != sphinx.Version258 && c.Traffic.Version != sphinx.Version259:
		return errors.New("client: packets of this version are not built")
	}
	return nil
}
