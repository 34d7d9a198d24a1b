package link

import "time"

// Connections that we open.
const (
	// handshakeTimeout is the limit of nodes.md §3.1 for connecting and of §3.3
	// for the handshake.
	handshakeTimeout = 1500 * time.Millisecond
	// refusedPause bounds how often a next hop that refuses connections is asked:
	// it restarts, and is found again within a tenth of a second.
	refusedPause = 100 * time.Millisecond
	// reconnectEvery bounds how often a next hop is connected to that completes
	// the handshake and then closes: the first time at once, then no sooner than
	// this after the last. Packets wait meanwhile, for it is not the next hop's
	// senders that deserve to lose theirs (H15).
	reconnectEvery = time.Second
	// flushTimeout is for what is queued when the pool ends: a healthy peer takes
	// it within milliseconds.
	flushTimeout = 500 * time.Millisecond
	// minBackoff and maxBackoff are for MinBackoff and MaxBackoff. Real nodes begin
	// with 20 seconds and end with 300, but a node that was restarted should be
	// found again soon.
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
	// writeTimeout is for WriteTimeout: a peer that takes nothing for so long has
	// a full queue, and what is in it is late by then.
	writeTimeout = 5 * time.Second
	// queuePackets is for QueuePackets: a second of a busy link.
	queuePackets = 2000
	// queueBytes is for QueueBytes: as many packets of 2 kB, and room for larger ones.
	queueBytes = 8 << 20
	// maxQueued is for MaxBytes: all queues of a node whose next hops all hang.
	maxQueued = 256 << 20
	// maxPeers is for MaxPeers: several times the nodes of the largest network.
	maxPeers = 4096
)

// Connections that we accept (H23).
const (
	// maxConns is for MaxConns, as many as next hops.
	maxConns = 4096
	// maxConnsPerAddr is for MaxConnsPerAddr: several nodes may share an address.
	maxConnsPerAddr = 64
	// maxStrangers is for MaxStrangers: nodes whose topology is older or newer
	// than ours, and nobody else.
	maxStrangers = 64
	// handshakeRate is for HandshakeRate: at 200 microseconds each, less than a
	// tenth of one CPU. Strangers, a quarter as many, are closed before anything is
	// read when they come faster.
	handshakeRate = 400
)

// idleTimeout is how long a link stays open unused, at either end. Cover keeps
// the links of a network in use.
const idleTimeout = 30 * time.Minute

// Sizes of a read buffer in bytes. One that must hold a longer message grows
// further.
const (
	firstBuffer = 4 << 10  // what a connection begins with: a frame or two
	readSize    = 64 << 10 // what it has once it proved to be busy: thirty frames a call
)
