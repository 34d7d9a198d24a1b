package client

import (
	"sync/atomic"
	"time"
)

// Stats counts what a client did since it started. Nothing in it tells whom it
// talked to.
type Stats struct {
	Sent           uint64 // packets handed to the gateway, of all kinds
	SentData       uint64 // of these: fragments of messages, requests and grants
	SentAgain      uint64 // of these: fragments whose SURB-ACK did not come
	SentCover      uint64 // of these: cover
	MissedTicks    uint64 // ticks of the streams at which nothing could leave
	Received       uint64 // pushed by the gateway, of all kinds
	ReceivedAcks   uint64 // of these: SURB-ACKs, cover's included
	ReceivedCover  uint64 // of these: our own cover
	ReceivedBad    uint64 // of these: nothing we could open or parse
	Messages       uint64 // messages completed
	SURBsGranted   uint64
	SURBsReceived  uint64
	SURBsRequested uint64
	Reconnects     uint64 // sessions with the gateway, the first included

	// SendEvery is the mean interval of the main stream now (H33); zero: it is not
	// paced.
	SendEvery time.Duration
}

// counters are the living form of Stats.
type counters struct {
	sent, sentData, sentAgain, sentCover, missed          atomic.Uint64
	received, acks, cover, bad, messages                  atomic.Uint64
	surbsGranted, surbsReceived, surbsRequested, sessions atomic.Uint64

	pace atomic.Int64
}

// Stats copies the counters out.
func (c *Client) Stats() Stats {
	n := &c.count
	return Stats{
		Sent: n.sent.Load(), SentData: n.sentData.Load(), SentAgain: n.sentAgain.Load(), SentCover: n.sentCover.Load(),
		MissedTicks: n.missed.Load(), Received: n.received.Load(), ReceivedAcks: n.acks.Load(), ReceivedCover: n.cover.Load(),
		ReceivedBad: n.bad.Load(), Messages: n.messages.Load(), SURBsGranted: n.surbsGranted.Load(),
		SURBsReceived: n.surbsReceived.Load(), SURBsRequested: n.surbsRequested.Load(), Reconnects: n.sessions.Load(),
		SendEvery: time.Duration(n.pace.Load()),
	}
}
