package endpoint

import (
	"time"

	"nym-socks5/mixnet"
)

// Time-outs and bounds, each with its reason.

// Entry gateways of an endpoint that may change them (H26).
const (
	maxTried     = 10                  // gateways drawn
	triedWithin  = 30 * 24 * time.Hour // in this time
	missingAfter = 7 * 24 * time.Hour  // out of the topology for so long, a gateway is replaced: longer than repairs take
)

// Requesters.
const (
	// How long one may take to say that it lives, before another is asked.
	askFirst = 10 * time.Second // more than a way there and back takes at Nym's pace
	askMost  = time.Minute      // what that grows to: each question in vain may lie at a gateway as mail
	// silentDials is how many streams in a row it may leave without an answer before
	// another takes its place: one may have met a gateway that restarts.
	silentDials = 2
	// A requester that registers is listed with the next document, a minute later at
	// most: how long one is waited for, where none is listed, and how often one is
	// looked for.
	listedPatience = 2 * time.Minute
	listedEvery    = time.Second
)

// The network and the machine.
const (
	// refresh is how often the client asks the Network, which has the nodes at hand:
	// often enough that a change of Sphinx keys is followed at once.
	refresh   = time.Second
	headEvery = time.Minute      // between two looks whether there is a newer head to keep
	lookEvery = 3 * time.Second  // at this machine's addresses: it changes networks while its user watches
	jump      = 10 * time.Second // of the wall clock against the one that only goes on: the machine slept
)

// Comparing heads (H24).
const (
	headFresh    = time.Minute     // how long one that was asked for is stated: as often as there is a new one
	compareFirst = 2 * time.Minute // mean times until the first comparison,
	compareEvery = time.Hour       // and between two: each costs a stream
	comparesFor  = time.Minute     // how long one may take
	maxHead      = 4096            // bytes of what is read as one: several times its size
)

// backlog is how many streams wait for Accept, for each port and for the way
// out; more are refused.
const backlog = 128

// Streams that could not be opened get a line in the log: so many at once, and
// then one each time.
const (
	failuresBurst = 3
	failuresEvery = 10 * time.Second
)

// Bounds of a Store.
const (
	MaxName   = 64       // letters of a name: a-z, 0-9 and hyphens
	MaxRecord = 17 << 20 // bytes of a body: the largest is the topology
)

// Bounds of letters that wait for Receive.
const (
	maxLetters  = 16 << 20 // bytes; one of MaxMessage is taken whenever none waits
	leastLetter = 4 << 10  // what one counts at least
)

// Pauses of a Pool after an endpoint that ended before it was of use: a network that
// is away for a moment costs a moment, one that is down few attempts.
const (
	poolPause     = time.Second
	poolPauseMost = time.Minute // what that grows to, doubled each time
)

// The lanes of letters and of the SDK's streams are apart from those of streams, which
// are counted from one.
const (
	letterLanes mixnet.Lane = 1 << 63
	sdkLanes    mixnet.Lane = 1 << 62
)
