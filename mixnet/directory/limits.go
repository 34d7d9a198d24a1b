package directory

import "time"

// Sizes in bytes.
const (
	// MaxFile is the largest topology file or document that is read: more than
	// a network of maxNodes needs.
	MaxFile = 16 << 20
	// MaxAnnouncement is the largest signed announcement that is read: several
	// times what a node with all it may have announces.
	MaxAnnouncement = 16 << 10
	// maxSeal is longer than any seal.
	maxSeal = 600
	// maxForeignText is how much of another program's words goes to a log.
	maxForeignText = 200
)

// Numbers of things.
const (
	// maxNodes bounds the nodes of one View: a hundred times today's public network.
	maxNodes = 100_000
	// maxAddresses bounds the addresses of one requester: each has a gateway of
	// its own, and a client tries few.
	maxAddresses = 8
	// maxHosts bounds the addresses of one node: of two families, over a few lines.
	maxHosts = 8
	// maxValidity keeps the date arithmetic of Nym's clients from overflowing
	// (nodes.md §4.4: "avoid gigantic validity_epochs").
	maxValidity = 1_000_000
	// maxKnown bounds the sequence numbers whose documents are remembered: three
	// days of snapshots that come once a minute.
	maxKnown = 4096
)

// Times.
const (
	// DefaultRefresh is the mean time between two looks at a directory that does
	// not say when it publishes: an epoch has twelve of them.
	DefaultRefresh = 5 * time.Minute
	// clockSkew is how far our clock may be from the directory's: what a machine
	// without a time server drifts in weeks.
	clockSkew = 5 * time.Minute
	// requestTimeout bounds one request with its answer: 16 MB over a slow line
	// take as long.
	requestTimeout = 30 * time.Second
	// maxBackoff is how long is waited at most after failures in a row, so that a
	// directory that is back is found within a minute.
	maxBackoff = time.Minute
	// maxLease bounds the lease that a directory may give: who comes back after a
	// day announces itself anyhow.
	maxLease = 24 * time.Hour
	// minPeriod and maxPeriod bound the time between two snapshots: clients could
	// not follow quicker ones, and a day is how long a snapshot is valid.
	minPeriod = time.Second
	maxPeriod = 24 * time.Hour
	// maxEpoch bounds an epoch.
	maxEpoch = 366 * 24 * time.Hour
)
