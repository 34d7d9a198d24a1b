package endpoint

import (
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/proxy"
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
	// A requester that registers is listed with the next document, a minute later at
	// most: how long one is waited for, where none is listed, and how often one is
	// looked for.
	listedPatience = 2 * time.Minute
	listedEvery    = time.Second
)

// Bounds of the requesters that an endpoint uses.
const (
	// listedMost is how many of those that the directories list are drawn, and kept:
	// each is one more that sees where somebody goes.
	listedMost = 3
	// stickFor is how long who asks stays with a requester after the last stream: as
	// long as with a tag.
	stickFor = 10 * time.Minute
	// askersMost is how many who ask are remembered.
	askersMost = 1024
	// farFactor is how many times what the best takes another may take (H28).
	farFactor = 2
	// maxAddresses is how many addresses of one requester are believed.
	maxAddresses = proxy.MaxAddresses
)

// Times of asking requesters. A round trip is what a question and its answer took, as a
// mean, and at least leastTrip: a busy machine takes so long now and then.
const (
	leastTrip = 100 * time.Millisecond

	quietTrips   = 4   // without a word on its streams, then a requester is asked
	dialTrips    = 1.5 // a dial waits so long before that
	dialQuiet    = 200 * time.Millisecond
	silentTrips  = 3 // an answer takes longer: other requesters take new streams
	silentLeast  = 800 * time.Millisecond
	silentFirst  = 3 * time.Second // of one that never answered yet
	goneTrips    = 8               // its gateway has the question for so long, and no answer comes: it is gone
	goneLeast    = 6 * time.Second
	goneReturn   = 20 * time.Second // if its gateway was away before: it may not have come back to that yet
	awayAfter    = 3 * time.Second  // a gateway that does not take a question for so long is away
	lostAfter    = 10 * time.Second // silent for so long, it is not worth waiting for
	returnWithin = 3 * time.Second  // a dial waits so long for the return of the only one there is

	askStreams = 3 * time.Second  // between questions while streams are open, at most,
	askRecent  = 2 * time.Minute  // until they have been quiet for so long
	askIdle    = 10 * time.Minute // without streams
	askAgain   = 2 * time.Second  // while it does not answer: an eighth of that time,
	askSeldom  = time.Minute      // and no more: a question in vain may lie at a gateway as mail
	openMost   = 3                // questions that an answer is still taken to
)

// How often it is said that no requester answers, while none ever has.
const (
	complainFirst = 10 * time.Second
	complainMost  = time.Minute
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
