package fleet

import "time"

// Time-outs and bounds, each with its reason.

// limits say how long things may take.
type limits struct {
	up   time.Duration // a part, to come up
	stop time.Duration // a process, to end when asked to: longer than the programs give themselves
	down time.Duration // all of them, to end
}

var usualLimits = limits{up: time.Minute, stop: 25 * time.Second, down: 40 * time.Second}

// Pauses before a part is started again that died by itself.
const (
	firstPause = 250 * time.Millisecond // it is missed at once
	longPause  = 10 * time.Second       // what that grows to: whoever mends it looks away no longer
	steadyTime = 30 * time.Second       // a process that lived this long was a good one: pauses begin anew
)

// Requests to a network that runs.
const (
	maxRequest    = 1 << 10         // bytes: a word and a name
	controlWithin = 2 * time.Minute // for all parts to end and come up again
)

const (
	maxNotice = 4096 // bytes of a datagram of a process that tells how it stands: a line or two
	maxSocket = 103  // length of the longest path of a socket that all systems take
	maxParts  = 1000 // mixes of a layer, and gateways: more than one machine runs
)
