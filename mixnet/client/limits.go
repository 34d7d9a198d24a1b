package client

import (
	"time"

	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
)

// Time-outs and bounds of a client, each with its reason. Times that an outsider
// could count on are drawn between a half and one and a half of what is said
// here (H05).

// Defaults of a Config.
const (
	DefaultHopDelay   = 15 * time.Millisecond
	DefaultSendEvery  = 20 * time.Millisecond
	DefaultCoverEvery = 200 * time.Millisecond
	DefaultRefresh    = 5 * time.Minute
)

// Connecting.
const (
	firstPause = 500 * time.Millisecond // between two attempts; a gateway restarts faster than most people notice
	longPause  = 10 * time.Second       // what that grows to: who waits for a gateway that restarts looks away no longer
	dialTime   = 10 * time.Second       // for TCP, TLS and the upgrade; three lost SYNs take 7 s
	steadyTime = time.Minute            // a session that lasted this long was a good one: pauses begin anew

	// maxRefusals is how often a gateway may refuse an authentication before the
	// client registers anew: once may be a clock that was set, or a login that crossed another.
	maxRefusals = 3
)

// Several entries (H26).
const (
	// MaxEntries is how many entry gateways a client has at most: every further one
	// is one more that may watch it.
	MaxEntries = 3

	moveAfter  = 3 * time.Second  // without a session, then the other entries' turn comes: most restarts are shorter
	lastsAfter = 10 * time.Second // a session that ends sooner is as bad as none
	hasty      = time.Second      // after one that ends so soon, entries are not tried at once: all may do that
	tryFirst   = 10 * time.Second // between attempts to go back to the first
	trySlow    = 10 * time.Minute // what that grows to while the first does not last
	firstEntry = 15 * time.Second // a client with several at once waits so long for the first: others are told that address
	lingerTime = time.Minute      // what an entry that was left may still push: more than a round trip takes

	// Between attempts after another program with our identity took our session, and
	// what that grows to: two programs shall not drive each other out for ever, and
	// who stops one of them finds the other back within the hour.
	replacedFirst = 10 * time.Minute
	replacedSlow  = time.Hour
)

// Sending.
const (
	// lateness is how late a tick may be served: what the scheduler needs to wake
	// somebody up, not what a stall takes.
	lateness = 5 * time.Millisecond

	// fixedBefore is how long before its tick a frame is fixed and sealed: longer than
	// the scheduler lets somebody wait who seals one.
	fixedBefore = 2 * time.Millisecond

	// A pace that follows demand (H33) has steps of four, and takes the next one when
	// packets have waited for slots for paceFull: longer than the answers to a few grants
	// of SURBs take. It falls after paceQuiet.
	paceSteps = 4
	paceFull  = 500 * time.Millisecond
	paceQuiet = 10 * time.Minute

	// readyAhead is how far ahead a fast paced sender has packets ready: they are
	// made together, which takes less time. One that sends less often than that has one.
	readyAhead = 5 * time.Millisecond

	// unpacedCredits is how many packets a sender without pacing has ready, so that
	// building and writing overlap.
	unpacedCredits = 16

	// A packet is sent again when its SURB-ACK is overdue (sphinx.md §6.5): later
	// than the delays that were drawn, what the network takes beyond them, and a
	// slack. While nothing is known of the network, it is given firstBound, as TCP
	// gives a second (RFC 6298 §2.1). A fragment that was unlucky many times, each
	// time on a new route, is waited for longer and longer.
	ackSlack       = 100 * time.Millisecond
	overtakenSlack = 5 * time.Millisecond // once so many SURB-ACKs that were due later have come:
	overtakers     = 3                    // one, or two, may have been faster than others are
	firstBound     = time.Second
	eagerTries     = 6 // before the slack doubles
	maxSlack       = 30 * time.Second
	peakFades      = time.Second // the slowest SURB-ACK of so long is remembered
	endIdle        = 10 * time.Minute

	// The sum of the delays at the mixes of a way of which we know the mean only is
	// Erlang-distributed. In multiples of the mean of one delay: its mean, its mean
	// deviation, and what it exceeds once in a thousand times, and once in twenty.
	erlangMean = topology.Layers
	erlangDev  = 1.344
	erlangTail = 11.23

	erlangTailAgain = 6.3

	choresEvery = time.Second // how often old things are looked for
)

// Windows, in packets. As many as fit into mostQueue wait on the way at most: what
// others send waits behind them.
const (
	firstWindow = 64
	leastWindow = 24
	mostWindow  = 2048
	mostQueue   = 10 * time.Millisecond
	leastRound  = 8  // packets; fewer tell little
	laneQueue   = 64 // of a lane, beyond the window: what is there when that opens
)

// Dead mixes (H27). Evidence is counted in packets that should have come through
// and did not; that this is chance is e to the minus so many.
const (
	besideGateway = 5  // on each leg, where a gateway could drop them
	inner         = 1  // on each leg of layer 2,
	innerBoth     = 10 // and on both together
	compared      = 8  // packets through other mixes tell how those do

	leftOutLeast = 30 * time.Second // with the trial less than a minute
	leftOutMost  = 45 * time.Second
	trialTime    = 10 * time.Second

	probeEvery = DefaultSendEvery // of clients without cover, while a loop would tell
)

// Receiving.
const (
	// maxInbox is how many bytes of messages wait for Receive at most. Beyond it
	// nothing is taken from the gateway any more, which then keeps it for us.
	maxInbox = 64 << 20
)

// Reply SURBs of strangers, which we spend (sphinx.md §6.6).
const (
	reserve         = 10              // kept back for asking for more, as the reference does
	maxRequest      = 100             // asked for at once; what one message carries
	maxControlTries = 10              // of sending one request (sphinx.md §6.5), or one grant: later ones take its place
	maxPendingAsks  = 2               // unanswered requests under way for one tag: one may be lost
	askAgainAfter   = 4 * time.Second // without any SURB while something waits: more than a round trip takes
	giveUpAfter     = 5 * time.Minute // without any SURB, then what waits for one has failed
	maxPerTag       = mostWindow      // kept for one tag (H14)
	maxTags         = 4096            // tags with SURBs (H14)
	maxHeld         = 1 << 17         // SURBs in all (H14): 60 MB
	surbLifetime    = 24 * time.Hour  // that of their nodes' keys
	tagIdle         = 24 * time.Hour  // likewise
)

// Reply SURBs of ours, which others spend (sphinx.md §6.7, socks.md §21.5).
const (
	startSURBs    = 20   // what begins a conversation, as in the reference
	spareSURBs    = 3    // what fits into a packet beside a short message
	maxSupply     = 2000 // held by one far end at most, those under way among them
	maxIdleSupply = 200  // kept there between bursts at most
	maxGrant      = 500  // honoured of one request, as by the reference
	perGrant      = 24   // in one message: 7 regular packets, which it fills, so the first can be used before the last are made
	maxOurTags    = 4096
	keyLifetime   = 24 * time.Hour // of reply keys: that of the nodes' keys
	maxReplyKeys  = 1 << 18        // outstanding in all: 24 hours of what one client may grant

	minRoundTrip     = 100 * time.Millisecond // shorter ones are taken for so long: a burst of answers comes in one
	maxRoundTrip     = 5 * time.Second        // longer ones are taken for so long: they are queues
	burstHalves      = time.Minute            // in which the memory of a burst falls by half
	conversationIdle = 10 * time.Minute       // without a word either way, then nothing more is granted unasked
	decayEvery       = 10 * time.Second       // in which a tenth of what is believed to be there is given up

	// madeAhead is how many SURBs are made before anybody wants them: what the first
	// message under a tag carries, in whole groups. makeAheadAfter is how long after the last were
	// taken new ones are made: what they were taken for comes first.
	madeAhead      = (startSURBs + sphinx.BatchSize - 1) / sphinx.BatchSize * sphinx.BatchSize
	makeAheadAfter = 100 * time.Millisecond
)

// Leaving a gateway through which nothing comes. The times are long beside what a mix
// that dies takes to be left out, and short of a minute with what an overdue loop takes.
const (
	dropSpan    = 5 * time.Second // what is counted together
	dropSpans   = 4
	dropLoops   = 40               // of them at least tell
	dropBelow   = 0.1              // fewer than one of so many come home: even where two mixes of three layers are dead, more do
	dropLonger  = 10 * time.Minute // what the wait for it grows to while nothing comes home at any entry
	droppedAway = 5 * time.Minute  // then the first entry is not tried sooner

	droppedLinger = 15 * time.Minute // what such a gateway may still push: until the first is tried again

	quietAfter  = 4 * time.Second // without anything that came home, the gateway is asked whether it is there,
	quietMissed = 10              // if so many packets should have
	suspectMore = 3               // and a client without cover sends some, if so many should have,
	suspectFor  = 10 * time.Second
)

// Watching over our own cover (H39).
const (
	loopPatience = 30 * time.Second // beyond its delays, then a loop is lost
	monitorSpan  = time.Minute      // what is counted together
	monitorSpans = 5
	fewLoops     = 100  // fewer say nothing
	warnBelow    = 0.75 // of the loops come home: somebody drops packets
	stopBelow    = 0.05 // hardly any do: somebody may want to see what still arrives
)
