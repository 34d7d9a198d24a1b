package mixnode

import (
	"time"

	"nym-socks5/mixnet/topology"
)

// Links that bring packets (H15).
const (
	// quantum is how many bytes a source may be served in one turn: what a worker
	// takes at once, eight packets of 2 kB.
	quantum = 16 << 10
	// A link is suspect when, of its last few thousand packets, suspectAfter and
	// most have a wrong MAC. One that is not of the network is closed when
	// closeAfter and nine in ten have, which takes less than a second at full speed
	// and no accident does.
	suspectAfter = 64
	closeAfter   = 1024
	// recordSpan is when the record of a link begins to fade: a few seconds of a
	// busy link.
	recordSpan = 4096
	// fullPause is how long a reader rests after its queue was full: a peer that
	// sends more than its share must not cost more than that either.
	fullPause = 2 * time.Millisecond
	// maxConnsPerAddr is for Server.MaxConnsPerAddr: a node needs one link, its
	// neighbours on the same address as many again.
	maxConnsPerAddr = 32
	// queueBytes is for QueueBytes: a thousand packets, a tenth of a second at
	// full speed. What waits longer is late anyway.
	queueBytes = 2 << 20
	// queueTotal is for QueueTotal: that of a hundred links.
	queueTotal = 256 << 20
)

// Packets that wait.
const (
	// maxDelay is the longest delay that nodes honour (sphinx.md §3.10).
	maxDelay = topology.MaxDelay
	// delayBytes is for DelayBytes: at a mean delay of 50 ms two million packets
	// a second, at the longest delay 11 000.
	delayBytes = 256 << 20
	// delayShare is the part of the wheel that DelayQuota gives one link.
	delayShare = 4
)

// replayBytes is for ReplayBytes: at twelve bytes each, the 90 million packets
// that a key meets in its life of a day at 1 000 a second.
const replayBytes = 1 << 30
