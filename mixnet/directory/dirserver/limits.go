package dirserver

import "time"

// Defaults of a [Config].
const (
	// DefaultPeriod is how long a node waits at most until others know it.
	DefaultPeriod = time.Minute
	// DefaultLease is how long a node that vanished is still listed.
	DefaultLease = time.Minute
	// DefaultValidFor is how long a network lives on without its directory.
	DefaultValidFor = 24 * time.Hour
	// DefaultReadRate, in requests a second of one address, lets some hundred
	// clients stand behind one address.
	DefaultReadRate = 20
	// DefaultAnnounceRate, in announcements a second of one address, lets a
	// machine with a hundred nodes announce them all.
	DefaultAnnounceRate = 2
)

// Bursts, in seconds of the rate: whoever starts reads several documents, and a
// machine with many nodes starts them together.
const (
	readBurst     = 3
	announceBurst = 10
)

const (
	// maxClockSkew is how far an announcement's time may be from ours (nodes.md §4.11).
	maxClockSkew = 120 * time.Second
	// probeTimeout bounds how long one node is waited for: a connection and a
	// handshake between continents take a second.
	probeTimeout = 5 * time.Second
	// standbyPeriods is for how many periods another directory must have published
	// nothing before its place is taken: one may be late, two are not.
	standbyPeriods = 3
	// storeRetry is how long the loop waits after the store failed.
	storeRetry = time.Second
	// maxCachedSeals bounds the signatures of one snapshot that are remembered:
	// every document has one for each query that clients are seen to use.
	maxCachedSeals = 256
	// maxSignedPathLen bounds a path with its query, in bytes, which is signed.
	maxSignedPathLen = 256
	// maxBody bounds what is posted, in bytes.
	maxBody = 16 << 10
)

// A network comes together: see [pace].
const (
	// settlingPeriod is the time between snapshots while it does.
	settlingPeriod = 2 * time.Second
	// settledAfter is how long nobody must have come or gone for the network to
	// be there, settledWithin how long that is waited for.
	settledAfter  = 10 * time.Second
	settledWithin = 5 * time.Minute
)
