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
	// longDelayShare is the part of the wheel, and of a link's quota, that packets
	// with the longest delay may fill. Clients draw delays of 50 ms in the mean, and
	// hardly ever of a second: these have nine tenths even while somebody sends as
	// many packets with delays of a second as a gateway passes on.
	longDelayShare = 16
	// wheelTick is how finely the wheel tells deadlines apart. A packet leaves
	// up to one tick after its deadline, never before.
	wheelTick = time.Millisecond
	// wheelSlots is the number of ticks that the wheel spans: 16 s, the longest
	// delay and some time to spare for a late timer.
	wheelSlots = 1 << 14
	// delayShare is the part of the wheel that DelayQuota gives one link.
	delayShare = 4
)

// Replay filters.
const (
	filterShards = 256 // of which one grows at a time
	firstTable   = 64  // entries a shard begins with
	entrySize    = 8   // bytes
	// linkShare is how many times the room that is left one peer may have filled:
	// alone it gets two thirds of a filter, and of four peers that send without end
	// each gets two ninths.
	linkShare = 2
)

// replayBytes is for ReplayBytes: at twelve bytes each, the 90 million packets
// that a key meets in its life of a day at 1 000 a second.
const replayBytes = 1 << 30

// Replay logs.
const (
	// recordEvery is the least time between two writes to the replay logs: a fraction
	// of any delay, and at full speed twenty packets share one.
	recordEvery = 2 * time.Millisecond
	// recordBytes bounds the packets whose tags wait for the next write: those of a
	// second at full speed, which is how long a disk may stall.
	recordBytes = 32 << 20
)

// damageEvery is how often the payloads that arrived damaged are told of: rarely
// enough that the hour does not tell which packets they were.
const damageEvery = time.Hour
