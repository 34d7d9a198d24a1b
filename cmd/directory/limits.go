package main

import "time"

// Time-outs and bounds, each with its reason.

const (
	// exportWithin is how long export waits for the directory: it prepares answers
	// for some seconds after its start.
	exportWithin = 15 * time.Second
	// probeEvery is how often is looked whether a link to a node stands: less than a
	// handshake takes over any distance.
	probeEvery = 10 * time.Millisecond
)

// Bounds of invitations, and of the two files of them.
const (
	// defaultExpiry is long enough for a message to be read, and short enough for one
	// that was forgotten.
	defaultExpiry = 24 * time.Hour
	maxExpiry     = 366 * 24 * time.Hour // who wants longer wants the list of members
	maxUses       = 1000                 // of one invitation: more nodes than a network has
	maxInvites    = 10_000               // at a time: more than any operator hands out in keepOver
	maxInvited    = 16 << 20             // bytes of what came of them: some 150 000 uses
	// keepOver is how long an invitation that is over is remembered, so that a node
	// that comes late is told why.
	keepOver = 90 * 24 * time.Hour
)
